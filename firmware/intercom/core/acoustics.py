# SPDX-License-Identifier: GPL-2.0-or-later
"""What a sweep through loudspeaker, air and microphone showed, and which part of the door has suffered since.

A loop through the air cannot tell by itself which end of it has become weak. The noise at the door can: when the
microphone hears less of that too, it is the microphone. When only the sweep is weaker, it is the loudspeaker.
"""

from intercom.core.fast_dataclass import dataclass

BANDS_HZ = (250, 500, 1000, 2000, 4000)
"""Middles of the octaves, all of them within reach of a small loudspeaker and a voice."""
FLOOR_DB = -120.0
"""Stands for nothing at all."""
NOTHING_DB = -105.0
"""Noise below this, in dBFS, is digital silence: the quietest microphone of 16 bits makes more."""
HEARD_DB = 6.0
"""By which a sweep has to stand out to count as heard."""
DOWN_DB = 6.0
"""Less than this is a wet day, not a fault."""

SILENT_DB = 35.0
"""Weaker than this, at all pitches, is not weak but silent: what is left goes through the wall."""


@dataclass(frozen=True, slots=True)
class Acoustics:
    """One measurement, an entry for each of BANDS_HZ."""

    response_db: tuple[float, ...]
    """Of the sweep, how much came back; 0 dB is all of it."""
    floor_db: tuple[float, ...]
    """The least that could have been seen above the noise, likewise."""
    noise_db: tuple[float, ...]
    """What the microphone gave while nothing was played, in dBFS."""
    delay_ms: float
    """From the loudspeaker's order to the microphone's news, through card, air and converters."""


def verdict(now: Acoustics, reference: Acoustics | None) -> dict[str, str]:
    """Return what is wrong: the part -> how. Without a reference only silence is."""
    if sum(_audible(now)) < 2:
        return _silent(now, reference)
    if reference is None:
        return {}
    # What was below the noise when the reference was made cannot have become weaker.
    drops = {
        band: round(then - is_now)
        for band, (then, is_now, known) in enumerate(
            zip(reference.response_db, now.response_db, _audible(reference), strict=True)
        )
        if known and then - is_now >= DOWN_DB
    }
    if not drops:
        return {}
    down = round(sum(drops.values()) / len(drops))
    quieter = sum(reference.noise_db[band] - now.noise_db[band] for band in drops) / len(drops)
    part = "microphone" if quieter > down / 2 else "loudspeaker"
    silent = down >= SILENT_DB and len(drops) == len(BANDS_HZ)
    return {part: "silent" if silent else f"{down} dB down{_where(sorted(drops))}"}


def _silent(now: Acoustics, reference: Acoustics | None) -> dict[str, str]:
    if max(now.noise_db) < NOTHING_DB:
        return {"microphone": "silent"}
    if reference is not None:
        quieter = sum(then - is_now for then, is_now in zip(reference.noise_db, now.noise_db, strict=True))
        if quieter / len(BANDS_HZ) > 2 * DOWN_DB:
            return {"microphone": "silent"}
    return {"loudspeaker": "silent"}


def _audible(heard: Acoustics) -> list[bool]:
    return [got > floor + HEARD_DB for got, floor in zip(heard.response_db, heard.floor_db, strict=True)]


def _where(bands: list[int]) -> str:
    """Say in which octaves, the shortest way; all of them need no saying."""
    low, high = BANDS_HZ[bands[0]], BANDS_HZ[bands[-1]]
    if len(bands) == len(BANDS_HZ):
        return ""
    if high == BANDS_HZ[-1]:
        return f" from {_hz(low)} up"
    if low == BANDS_HZ[0]:
        return f" up to {_hz(high)}"
    return f" around {_hz(low)}" if low == high else f" between {_hz(low)} and {_hz(high)}"


def _hz(hz: int) -> str:
    return f"{hz / 1000:g} kHz" if hz >= 1000 else f"{hz} Hz"
