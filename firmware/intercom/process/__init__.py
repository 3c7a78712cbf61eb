# SPDX-License-Identifier: GPL-2.0-or-later
"""How a process starts, what it loads, what it writes."""
