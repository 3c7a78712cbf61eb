# SPDX-License-Identifier: GPL-2.0-or-later
"""The voice engine: a process of its own, because PJSIP and sound drivers can abort or hang for ever."""
