# SPDX-License-Identifier: GPL-2.0-or-later
"""The page and the figures of the visits."""
