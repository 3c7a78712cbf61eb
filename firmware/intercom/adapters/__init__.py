# SPDX-License-Identifier: GPL-2.0-or-later
"""The world, one foreign library per file. Nothing foreign is seen anywhere else."""
