"""A visitor's loudness: learned from him alone, and within bounds."""

from __future__ import annotations

import numpy as np
import pytest

from intercom.engine.audio.agc import LOUD_DBFS, MOST_DB, PEAK, SOFT_DBFS, Gain

PERIOD_MS, SAMPLES = 10, 160
SILENCE = np.zeros(SAMPLES, np.int16)
CHANCE = np.random.default_rng(5)


def sound(dbfs: float) -> np.ndarray:
    """One period of noise at a level."""
    return np.clip(CHANCE.standard_normal(SAMPLES) * 32768 * 10 ** (dbfs / 20), -32768, 32767).astype(np.int16)


def hears(
    gain: Gain,
    dbfs: float,
    seconds: float,
    speech: float = 1.0,
    house_dbfs: float | None = None,
) -> float:
    """Let it hear a visitor at a level; return the level of the last tenth of a second, in dBFS."""
    out = [
        gain.process(sound(dbfs), SILENCE if house_dbfs is None else sound(house_dbfs), speech)
        for _ in range(round(seconds * 1000 / PERIOD_MS))
    ]
    last = np.concatenate(out[-10:]).astype(float)
    return float(20 * np.log10(np.sqrt(np.mean(last**2)) / 32768 + 1e-9))


def test_a_soft_voice_is_brought_to_a_usual_loudness() -> None:
    """Slowly: nobody hears it happen."""
    gain = Gain(PERIOD_MS)
    hears(gain, -90, 1, speech=0)
    assert hears(gain, -36, 1.0) < -30
    assert hears(gain, -36, 4.0) == pytest.approx(SOFT_DBFS, abs=1)


def test_a_whisper_is_lifted_by_no_more_than_the_bound() -> None:
    """What is left of an echo would be lifted with it."""
    gain = Gain(PERIOD_MS)
    hears(gain, -90, 1, speech=0)
    assert hears(gain, -50, 20) == pytest.approx(-50 + MOST_DB, abs=1)


def test_a_shout_is_made_softer_and_never_clipped() -> None:
    """At once where it would be clipped, and within a second altogether."""
    gain = Gain(PERIOD_MS)
    gain.gain_db = MOST_DB
    first = gain.process(sound(-12), SILENCE, 1.0)
    second = gain.process(sound(-12), SILENCE, 1.0)
    assert np.abs(second.astype(int)).max() <= PEAK + 1
    assert len(first) == SAMPLES
    assert hears(gain, -12, 3) == pytest.approx(LOUD_DBFS, abs=1)


def test_nothing_is_learned_while_the_house_speaks() -> None:
    """What the microphone holds then may be the rest of its echo."""
    gain = Gain(PERIOD_MS)
    hears(gain, -90, 1, speech=0)
    hears(gain, -45, 10, house_dbfs=-20)
    assert gain.gain_db == 0
    for _ in range(20):  # nor in its pauses between words, while the echo dies away
        hears(gain, -45, 0.2, house_dbfs=-20)
        hears(gain, -45, 0.4)
    assert gain.gain_db == 0


def test_what_was_learned_stays_while_both_speak() -> None:
    """A visitor who grew fainter with each word of the house would be worse than none of it."""
    gain = Gain(PERIOD_MS)
    hears(gain, -90, 1, speech=0)
    hears(gain, -36, 5)
    learned = gain.gain_db
    hears(gain, -36, 3, house_dbfs=-20)
    assert gain.gain_db == learned


def test_a_noisy_street_is_not_lifted() -> None:
    """Between the words it would roar."""
    gain = Gain(PERIOD_MS)
    hears(gain, -50, 3, speech=0)
    hears(gain, -40, 10)
    assert gain.gain_db < 1


def test_a_usual_voice_is_not_touched() -> None:
    """Neither up nor down."""
    gain = Gain(PERIOD_MS)
    hears(gain, -90, 1, speech=0)
    assert hears(gain, -22, 5) == pytest.approx(-22, abs=0.5)


def test_a_period_that_needs_nothing_is_not_touched() -> None:
    """Not one sample changes, and nothing is copied."""
    gain = Gain(PERIOD_MS)
    frame = sound(-40)
    assert gain.process(frame, SILENCE, 0.5) is frame
