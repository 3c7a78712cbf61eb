# SPDX-License-Identifier: GPL-2.0-or-later
"""The card's own mixer: levels that a configuration names, set when the card appears.

A USB card forgets its levels whenever it is plugged in, and a Pi with a read-only root at each start: a door that was
loud enough whispers from then on. `amixer` (alsa-utils) sets them, one control a call.
"""

import sys
from pathlib import Path

from intercom.config import validators
from intercom.engine.audio import alsa_config

TIMEOUT_S = 3.0


def restore(name_in: str, name_out: str, settings: tuple[str, ...], proc: Path = alsa_config.PROC) -> bool:
    """Set the levels on the door's cards; whether every setting found a card that has its control.

    Blocks for some milliseconds a setting. What cannot be set is told in one line on stderr, that is the journal.
    """
    there = alsa_config.cards(proc)
    found = alsa_config.find(name_in, there, records=True), alsa_config.find(name_out, there, records=False)
    cards = list(dict.fromkeys(card.name for card in found if card is not None))
    if not cards:
        return False
    done = True
    for setting in settings:
        control, value = validators.mixer_level(setting)
        failures = [_set(card, control, value) for card in cards]
        if all(failures):
            done = False
            print(f"mixer: {setting!r} cannot be set: {'; '.join(failures)}", file=sys.stderr)
    return done


def _set(card: str, control: str, value: str) -> str:
    """Set one; why not, or ""."""
    import subprocess  # noqa: PLC0415  (few doors set levels)

    argv = ["amixer", "-q", "-c", card, "--", "sset", control, value]
    try:
        asked = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except FileNotFoundError:
        return "amixer is not installed (package alsa-utils)"
    except (subprocess.TimeoutExpired, OSError) as error:
        return f"amixer fails: {error}"
    said = " ".join(asked.stderr.split()) or f"amixer ends with {asked.returncode}"
    return f"{card}: {said}" if asked.returncode else ""
