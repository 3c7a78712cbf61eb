# SPDX-License-Identifier: GPL-2.0-or-later
"""The pure core: what the door does, without a single way to do it. No I/O, clock, thread or logging."""
