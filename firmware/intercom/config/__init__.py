# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration: from a TOML file to a checked model, and from there to what core and engine go by."""
