# SPDX-License-Identifier: GPL-2.0-or-later
"""Ringback and busy of each country: pitches, and seconds of sound and silence in turn (ITU-T E.180, supplement 2).

Where a network modulates one pitch with another, its two strongest pitches stand here: they sound alike.
"""

from collections.abc import Mapping

Cadence = tuple[float, ...]
Telephone = tuple[tuple[float, ...], Cadence, tuple[float, ...], Cadence]
"""Pitches and cadence of ringback, pitches and cadence of busy."""

_DOUBLE = (0.4, 0.2, 0.4, 2.0)
_USUAL = ((425.0,), (1.0, 4.0), (425.0,), (0.5, 0.5))

TELEPHONES: Mapping[str, Telephone] = {
    "eu": _USUAL,
    "ar": ((425.0,), (1.0, 4.5), (425.0,), (0.3, 0.2)),
    "at": ((420.0,), (1.0, 5.0), (420.0,), (0.4, 0.4)),
    "au": ((400.0, 425.0), _DOUBLE, (425.0,), (0.375, 0.375)),
    "be": ((425.0,), (1.0, 3.0), (425.0,), (0.5, 0.5)),
    "br": ((425.0,), (1.0, 4.0), (425.0,), (0.25, 0.25)),
    "ch": _USUAL,
    "cn": ((450.0,), (1.0, 4.0), (450.0,), (0.35, 0.35)),
    "cz": ((425.0,), (1.0, 4.0), (425.0,), (0.33, 0.33)),
    "de": ((425.0,), (1.0, 4.0), (425.0,), (0.48, 0.48)),
    "es": ((425.0,), (1.5, 3.0), (425.0,), (0.2, 0.2)),
    "fi": ((425.0,), (1.0, 4.0), (425.0,), (0.3, 0.3)),
    "fr": ((440.0,), (1.5, 3.5), (440.0,), (0.5, 0.5)),
    "gr": ((425.0,), (1.0, 4.0), (425.0,), (0.3, 0.3)),
    "hu": ((425.0,), (1.25, 3.75), (425.0,), (0.3, 0.3)),
    "ie": ((400.0, 450.0), _DOUBLE, (425.0,), (0.5, 0.5)),
    "in": ((400.0, 425.0), _DOUBLE, (400.0,), (0.75, 0.75)),
    "it": _USUAL,
    "jp": ((384.0, 416.0), (1.0, 2.0), (400.0,), (0.5, 0.5)),
    "kr": ((440.0, 480.0), (1.0, 2.0), (480.0, 620.0), (0.5, 0.5)),
    "nl": _USUAL,
    "no": _USUAL,
    "nz": ((400.0, 450.0), _DOUBLE, (400.0,), (0.5, 0.5)),
    "pl": _USUAL,
    "pt": ((425.0,), (1.0, 5.0), (425.0,), (0.5, 0.5)),
    "se": ((425.0,), (1.0, 5.0), (425.0,), (0.25, 0.25)),
    "uk": ((400.0, 450.0), _DOUBLE, (400.0,), (0.375, 0.375)),
    "us": ((440.0, 480.0), (2.0, 4.0), (480.0, 620.0), (0.5, 0.5)),
    "za": ((400.0, 433.0), _DOUBLE, (400.0,), (0.5, 0.5)),
}
"""Two letters of ISO 3166, but for "eu", what most of Europe has, and "uk"."""
