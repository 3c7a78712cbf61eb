# SPDX-License-Identifier: GPL-2.0-or-later
"""What daemon and voice engine say to each other."""
