# SPDX-License-Identifier: GPL-2.0-or-later
"""Words of ours that stand where a name of the configuration or of a phone may stand.

Each has a space in it. No name of a section (`grammar.KEY`) and nobody who can be called (`grammar.is_target`) has one,
so an account called "direct" or a button called "operator" is an account and a button like any other.
"""

DIRECT = "no account"
"""The account of those who are called at their own address."""
OPERATOR = "an operator"
"""Stands for the button of a visit that an operator began."""
