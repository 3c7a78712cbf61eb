"""The echo canceller, its judge and the half-duplex switch, in rooms made of numbers: no card, the real WebRTC."""

from __future__ import annotations

import numpy as np
import pytest

from intercom.engine.audio.echo_canceller import Canceller
from intercom.engine.audio.echo_meter import EchoMeter, EchoReport
from intercom.engine.audio.voice_switch import Turns
from lab.tones import babble

RATE, PERIOD_MS, PERIOD = 16000, 10, 160
Wave = np.ndarray


def speech(seconds: float, seed: int, level_dbfs: float = -24) -> Wave:
    return babble(seconds, RATE, level_dbfs, seed).astype(np.float64) * 32768


def room(played: Wave, delay_ms: float = 30, gain_db: float = -12, distortion: float = 0.0) -> Wave:
    """What of the loudspeaker reaches the microphone, with a quarter of a second of reverberation."""
    rng = np.random.default_rng(3)
    response = rng.standard_normal(RATE // 4) * np.exp(-7 * np.arange(RATE // 4) / (RATE // 4))
    response[0] = 4.0
    if distortion:
        played = np.tanh(distortion * played / 32768) / distortion * 32768 + 0.1 * played * played / 32768
    heard = np.convolve(played, response / np.sqrt(np.square(response).sum()))[: len(played)] * 10 ** (gain_db / 20)
    late = round(delay_ms * RATE / 1000)
    return np.concatenate([np.zeros(late), heard])[: len(played)]


def noise(like: Wave, level_dbfs: float = -62) -> Wave:
    return np.random.default_rng(9).standard_normal(len(like)) * 10 ** (level_dbfs / 20) * 32768


def level(wave: Wave) -> float:
    return 20 * float(np.log10(np.sqrt(np.mean(np.square(wave, dtype=np.float64))) / 32768 + 1e-9))


def run(played: Wave, recorded: Wave, follow: bool = False) -> tuple[Wave, list[EchoReport]]:
    """Cancel, and judge twice a second; with `follow` the canceller is told, as `Sound.judge` does."""
    canceller, notes = Canceller(RATE, PERIOD_MS), EchoMeter(RATE, PERIOD_MS)
    down, up = (np.clip(np.rint(wave), -32768, 32767).astype(np.int16) for wave in (played, recorded))
    sent, judgements = np.zeros_like(up), []
    for at in range(0, len(up) - PERIOD + 1, PERIOD):
        part = slice(at, at + PERIOD)
        sent[part] = canceller.process(up[part], down[part])
        notes.take(down[part].tobytes(), up[part].tobytes(), sent[part].tobytes())
        if (at // PERIOD) % 50 == 49:
            judgements.append(notes.judge())
            if follow and judgements[-1].echo is not None:
                canceller.echoless = not judgements[-1].echo
    return sent, judgements


@pytest.mark.parametrize("distortion", [0.0, 3.0])
def test_an_ordinary_room_is_judged_good(distortion: float) -> None:
    """Its echo is recognised, its delay found, and nobody is sent into half duplex."""
    far = speech(9, seed=1)
    echo = room(far, distortion=distortion)
    sent, judged = run(far, echo + noise(far))
    seen = [judgement for judgement in judged if judgement.echo]

    print([(round(each.gain_db), round(each.delay_s, 2)) for each in seen])
    assert len(seen) >= 8
    assert not any(judgement.poor for judgement in judged)
    assert all(0.01 <= judgement.delay_s <= 0.12 for judgement in seen)
    truth = level(echo[5 * RATE :]) - level(sent[5 * RATE :])
    assert abs(np.median([each.gain_db for each in seen]) - truth) < 8


def test_an_echo_that_comes_too_late_is_judged_poor() -> None:
    """AEC3 looks half a second back: what comes later stays, and the judge sees that it does."""
    far = speech(12, seed=1)
    _, judged = run(far, room(far, delay_ms=700) + noise(far))

    assert sum(judgement.poor for judgement in judged[6:]) >= 6
    assert np.median([each.delay_s for each in judged if each.poor]) == pytest.approx(0.72, abs=0.05)


@pytest.mark.parametrize("gain_db", [-12.0, None])
def test_a_visitor_who_speaks_too_is_no_echo_and_no_reason_to_switch(gain_db: float | None) -> None:
    """Two people at once, with echo and without: nobody can tell, so nothing is decided."""
    far, near = speech(12, seed=1), speech(12, seed=2)
    echo = room(far, gain_db=gain_db) if gain_db is not None else 0 * far
    _, judged = run(far, echo + near + noise(far))

    assert not any(judgement.poor for judgement in judged)
    assert gain_db is None or not any(judgement.echo is False for judgement in judged)


def test_a_room_without_echo_lets_the_visitor_through() -> None:
    """A headset, or a loudspeaker switched off: after three seconds of the house alone both may speak at once."""
    far, near = speech(12, seed=1), speech(12, seed=2)
    near[: 4 * RATE] = 0
    held, _ = run(far, near + noise(far))
    free, judged = run(far, near + noise(far), follow=True)
    speaking = slice(5 * RATE, 12 * RATE)

    loud = level(near[speaking])
    print(f"held by {loud - level(held[speaking]):.1f} dB, now by {loud - level(free[speaking]):.1f}")
    assert any(judgement.echo is False for judgement in judged)
    assert level(free[speaking]) > level(near[speaking]) - 2.5
    assert level(free[speaking]) > level(held[speaking]) + 1


def test_an_echo_that_begins_in_a_room_without_is_taken_out_again() -> None:
    """The loudspeaker is switched on in the middle of a call."""
    far = speech(14, seed=1)
    echo = room(far)
    echo[: 6 * RATE] = 0
    sent, judged = run(far, echo + noise(far), follow=True)

    assert any(judgement.echo is False for judgement in judged[:12])
    assert level(sent[11 * RATE :]) < level(echo[11 * RATE :]) - 20


def test_half_duplex_holds_the_echo_and_lets_each_side_speak_in_turn() -> None:
    """The house speaks, then the visitor: both are heard whole, and of the echo nothing that matters is left."""
    turns = Turns(PERIOD_MS)
    turns.echo_s = 0.9
    house, visitor = speech(8, seed=1), speech(8, seed=2)
    house[3 * RATE :] = 0
    visitor[: 5 * RATE] = 0
    echo = room(house, delay_ms=700)
    up, down = (visitor + echo).astype(np.int16), house.astype(np.int16)
    sent, played = np.zeros_like(up), down.copy()
    for at in range(0, len(up), PERIOD):
        part = slice(at, at + PERIOD)
        turns.play(played[part])
        sent[part] = turns.record(up[part], speech=1.0)

    assert level(sent[: 4 * RATE]) < level(echo[: 4 * RATE]) - 30
    assert level(sent[5 * RATE :]) > level(visitor[5 * RATE :]) - 1.5
    assert level(played[: 3 * RATE]) > level(down[: 3 * RATE]) - 0.5


def test_half_duplex_holds_the_house_while_the_visitor_speaks_but_not_for_ever() -> None:
    """Who came first is heard; traffic that passes for a voice does not silence the house."""
    turns = Turns(PERIOD_MS)
    rng = np.random.default_rng(1)
    traffic = (rng.standard_normal(4 * RATE) * 3000).astype(np.int16)
    house = (rng.standard_normal(4 * RATE) * 3000).astype(np.int16)
    house[:RATE] = 0
    played = house.copy()
    for at in range(0, len(house), PERIOD):
        part = slice(at, at + PERIOD)
        turns.play(played[part])
        turns.record(traffic[part], speech=1.0)

    assert level(played[RATE + 1600 : 3 * RATE // 2]) < level(house[RATE + 1600 : 3 * RATE // 2]) - 30
    assert level(played[3 * RATE :]) > level(house[3 * RATE :]) - 0.5
