# SPDX-License-Identifier: GPL-2.0-or-later
"""PJSIP: accounts, calls, and everything around them."""
