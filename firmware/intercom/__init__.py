# SPDX-License-Identifier: GPL-2.0-or-later
"""The intercom: a SIP door station. Start reading at core/transitions.py."""

__version__ = "0.1.0"
