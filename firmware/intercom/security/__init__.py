# SPDX-License-Identifier: GPL-2.0-or-later
"""Hashes of codes, and what keeps the memory of a process to itself."""
