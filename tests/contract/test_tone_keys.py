"""Keys as tones in the sound: all of them, at the limits of ITU-T Q.24, and none in speech, in echoes or in noise."""

from __future__ import annotations

import io
import subprocess
import time
import wave

import numpy as np
import pytest
from numpy.typing import NDArray

from intercom.engine.audio.dtmf_detector import DtmfDetector
from lab.tones import babble
from lab.touch_tones import ALL, DBM0, RATE, keyed, silence, tone

Samples = NDArray[np.int16]
Wave = NDArray[np.float32]


def as_samples(sound: Wave) -> Samples:
    """16 bit."""
    return np.asarray(np.clip(sound, -1, 1) * 32767, np.int16)


def heard(sound: Wave, sent: Wave | None = None, period_ms: int = 10) -> str:
    """What is heard of keys in a sound, while the door sends another one."""
    size = RATE * period_ms // 1000
    keys, theirs = DtmfDetector(RATE), as_samples(sound)
    ours = np.zeros_like(theirs)
    if sent is not None:
        ours[: min(len(sent), len(ours))] = as_samples(sent)[: len(ours)]
    starts = range(0, len(theirs) - size + 1, size)
    return "".join(key for at in starts for key in keys.take(theirs[at : at + size], ours[at : at + size]))


@pytest.mark.parametrize("period_ms", [10, 20])
@pytest.mark.parametrize("off", [-0.015, 0.0, 0.015])
@pytest.mark.parametrize(("dbm0", "twist_db"), [(-3, 0), (-25, 0), (-10, 4), (-10, -8)])
def test_every_key_is_heard_once(period_ms: int, off: float, dbm0: float, twist_db: float) -> None:
    """At the limits that ITU-T Q.24 gives for levels, frequencies and durations, all at once."""
    assert (
        heard(
            keyed(ALL, 40, 40, off=off, dbm0=dbm0, twist_db=twist_db),
            period_ms=period_ms,
        )
        == ALL
    )


@pytest.mark.parametrize("at", range(10))
def test_forty_milliseconds_are_enough_and_twenty_three_are_not(at: int) -> None:
    """Wherever in a period they begin."""
    for ms, want in ((40, "5"), (23, "")):
        assert heard(np.concatenate([silence(100 + at), tone("5", ms), silence(100)])) == want


@pytest.mark.parametrize(
    "how",
    [
        {"off": 0.035},
        {"off": -0.035},
        {"twist_db": 9},
        {"twist_db": -13},
        {"dbm0": -45},
    ],
    ids=str,
)
def test_what_is_out_of_tune_out_of_balance_or_too_faint_is_no_key(
    how: dict[str, float],
) -> None:
    """ITU-T Q.24: 3.5 % off must not count."""
    assert heard(keyed(ALL, 100, 60, **how)) == ""


@pytest.mark.parametrize("at", range(10))
def test_a_key_held_long_is_one_key_and_so_is_one_with_a_gap_of_ten_milliseconds(
    at: int,
) -> None:
    """A pause of 40 ms makes two of it."""
    for gap_ms, want in ((0, "7"), (10, "7"), (40, "77")):
        sound = np.concatenate(
            [
                silence(100 + at),
                tone("7", 800),
                silence(gap_ms),
                tone("7", 200),
                silence(100),
            ]
        )
        assert heard(sound) == want, gap_ms


def test_keys_are_heard_in_noise() -> None:
    """15 dB below the tones."""
    clean = keyed(ALL, 70, 70, dbm0=-13)
    noise = np.random.default_rng(1).standard_normal(len(clean)) * 10 ** ((-13 + DBM0 - 15) / 20)
    assert heard(np.asarray(clean + noise, np.float32)) == ALL


WORDS = (
    "Hello, who is there please? I am upstairs, it will take me a moment to come down. Is it the parcel? "
    "One, two, three, four, five, six, seven, eight, nine, zero. We see, we be, you too, do go on, oh no."
)


def spoken(voice: str, pitch: int) -> Wave:
    """A voice of espeak-ng's, loud, at our rate."""
    order = ["espeak-ng", "-v", voice, "-p", str(pitch), "--stdout", WORDS]
    data = subprocess.run(order, capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(data)) as file:
        rate = file.getframerate()
    sound = np.frombuffer(data[44:], "<i2").astype(float)
    count = len(sound) * RATE // rate
    narrow = np.fft.irfft(np.fft.rfft(sound)[: count // 2 + 1], count)
    return np.asarray(narrow / np.abs(narrow).max() * 0.9, np.float32)


def test_speech_is_no_key() -> None:
    """High voices and low ones, several languages, and the laboratory's babble."""
    voices = [spoken(voice, pitch) for voice in ("en-gb", "en-us+f3", "de", "fr+f2", "it", "nl") for pitch in (20, 80)]
    sound = np.concatenate([*voices, babble(30, level_dbfs=-12)])
    print(f"{len(sound) / RATE:.0f} s of speech")
    assert heard(sound) == ""


def test_what_the_visitor_plays_and_a_phone_sends_back_is_no_key() -> None:
    """Even again and again; but the same key of the phone's counts, a second later."""
    played = keyed("4711" * 3, 100, 100)
    for delay_ms in (40, 150, 600):
        back = np.concatenate([silence(delay_ms), 0.3 * played])
        assert heard(back, played) == "", delay_ms
    later = np.concatenate([silence(1000 * len(played) / RATE + 1100), keyed("11", 100, 100)])
    assert heard(later, played) == "11"


def test_a_key_that_sounds_in_the_room_does_not_hinder_the_next_one() -> None:
    """The loudspeaker plays it, the microphone hears it, no canceller takes it out: it is the phone's all the same."""
    pressed = keyed("4711" * 3, 100, 100)
    for delay_ms in (10, 60, 150):
        assert heard(pressed, np.concatenate([silence(delay_ms), 0.3 * pressed])) == "4711" * 3, delay_ms


def test_it_costs_little() -> None:
    """Of a core, on this machine: printed, never asserted."""
    sound, keys = as_samples(spoken("en-gb", 50)), DtmfDetector(RATE)
    began = time.process_time()
    for at in range(0, len(sound) - 159, 160):
        keys.take(sound[at : at + 160], sound[at : at + 160])
    spent = time.process_time() - began
    print(
        f"{1e6 * spent / (len(sound) / 160):.0f} us for each 10 ms, {100 * spent / (len(sound) / RATE):.2f} % of a core"
    )
