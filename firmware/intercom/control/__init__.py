# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket: server, what it answers, client."""
