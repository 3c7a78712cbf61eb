# SPDX-License-Identifier: GPL-2.0-or-later
"""The composition root: the only package that knows every class."""
