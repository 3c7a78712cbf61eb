"""Two voices of espeak-ng in a simulated room: both at once, and one alone, through the whole canceller."""

from __future__ import annotations

from functools import cache

import numpy as np
from bench.sound import speech
from pywebrtc_audio import EchoCanceller, NoiseSuppressor

from intercom.engine.audio.echo_canceller import NOISE_LEVEL, Canceller
from lab.room_process import Echo

RATE, PERIOD = 16000, 160
HOUSE_S, BOTH_S = 6.0, 8.0
Wave = np.ndarray


@cache
def conversation() -> tuple[Wave, Wave, Wave]:
    """The house, the visitor and the microphone: first the house alone, then both, the house 10 dB softer."""
    house, visitor = (speech.lasting(words, HOUSE_S + BOTH_S) for words in (speech.HOUSE, speech.VISITOR))
    turn = round(HOUSE_S * RATE)
    house[turn:] *= 10 ** (-10 / 20)
    visitor = np.where(np.arange(len(visitor)) < turn, 0, visitor).astype(np.float32)
    room = Echo(0, 0, RATE // 4, 0.0)
    played = np.concatenate([np.zeros(480, np.float32), house])[: len(house)]
    echo = np.concatenate([room.of(period) for period in periods(played)])
    return house, visitor, echo + visitor[: len(echo)]


def periods(wave: Wave) -> list[Wave]:
    """The whole periods of it."""
    return [wave[at : at + PERIOD] for at in range(0, len(wave) - PERIOD + 1, PERIOD)]


def sent(process: object) -> Wave:
    """What the house is sent."""
    house, _, microphone = conversation()
    down, last, out = np.rint(house * 32767).astype(np.int16), np.zeros(PERIOD, np.int16), []
    for at, period in enumerate(periods(np.rint(np.clip(microphone, -1, 1) * 32767).astype(np.int16))):
        out.append(process(period, last))  # type: ignore[operator]
        last = down[at * PERIOD : (at + 1) * PERIOD]
    return np.concatenate(out) / 32768


def visitor_db(out: Wave) -> float:
    """How far the visitor stands out of all that is not his voice, while both speak, in dB."""
    _, visitor, _ = conversation()
    turn = round((HOUSE_S + 0.5) * RATE)
    clean, heard = visitor[turn : len(out)], out[turn:]
    late = max(range(400), key=lambda shift: abs(float(np.dot(clean[:-400], heard[shift : len(clean) - 400 + shift]))))
    clean, heard = clean[:-400], heard[late : len(clean) - 400 + late]
    voice = clean * (np.dot(clean, heard) / np.dot(clean, clean))
    return float(10 * np.log10(np.var(voice) / np.var(heard - voice)))


def echo_db(out: Wave) -> float:
    """What is left of the house while it speaks alone, from the fourth second on, in dBFS."""
    alone = out[4 * RATE : round(HOUSE_S * RATE) - RATE // 2]
    return float(20 * np.log10(np.sqrt(np.mean(alone**2)) + 1e-9))


def test_the_visitor_is_understood_while_the_house_speaks_and_the_echo_stays_out() -> None:
    """Beside WebRTC's own parts, as they come."""
    canceller, suppressor = EchoCanceller(sample_rate=RATE), NoiseSuppressor(sample_rate=RATE, level=NOISE_LEVEL)
    theirs = sent(lambda microphone, played: suppressor.process(canceller.process(microphone, played)))
    ours = sent(Canceller(RATE, 10).process)
    before, after = (f"visitor {visitor_db(one):.1f} dB, echo {echo_db(one):.0f} dBFS" for one in (theirs, ours))
    print(f"{before} -> {after}")
    assert visitor_db(ours) > visitor_db(theirs) + 0.8
    assert echo_db(ours) < echo_db(theirs) + 1
    assert echo_db(ours) < -60
