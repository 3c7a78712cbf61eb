# SPDX-License-Identifier: GPL-2.0-or-later
"""The shell around the core: inbox, clock, what it needs of the world."""
