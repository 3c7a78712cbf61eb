# SPDX-License-Identifier: GPL-2.0-or-later
"""Manual pages and completion, made from the commands."""
