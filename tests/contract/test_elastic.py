"""Two cards with two clocks: simulated ones, with the real converter; and two devices of the real PortAudio."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from sound_rigs import PERIOD, PERIOD_MS, RATE, Door, FakeBridge

from intercom.core.commands import Audio
from intercom.core.events import AudioDeviceOpened
from intercom.engine.audio.elastic_buffer import ElasticBuffer
from intercom.engine.audio.resample import Converter, Format
from intercom.engine.audio.stream import WAITING_PERIODS
from lab.jackd import Jackd
from lab.room import Room
from lab.tones import find_tone, speech_tone

HZ = 700.0


def run(
    ppm: float, seconds: float, rate: int = 48000, jitter_s: float = 0.004
) -> tuple[ElasticBuffer, np.ndarray, list[int]]:
    """Let a microphone's clock run `ppm` millionths faster than the loudspeaker's; what came out, and the fill."""
    converter = Converter(RATE, PERIOD_MS, Format(rate, 1), 0, 0)
    elastic, rng = ElasticBuffer(RATE, PERIOD, WAITING_PERIODS * PERIOD), np.random.default_rng(1)
    size, period = converter.frames, PERIOD_MS / 1000
    out, fills, brought, at = [], [], 0, 0.0
    for turn in range(int(seconds / period)):
        asked = turn * period + rng.uniform(0, jitter_s)
        while at <= asked:
            wave = 0.25 * np.sin(2 * np.pi * HZ * (brought * size + np.arange(size)) / rate)
            elastic.put(converter.microphone_at(wave.astype(np.float32).tobytes(), elastic.speed))
            brought += 1
            at = brought * period / (1 + ppm / 1e6) + rng.uniform(0, jitter_s)
        out.append(elastic.take())
        fills.append(elastic.fill)
    return elastic, np.concatenate(out) / 32768, fills


@pytest.mark.parametrize("ppm", [-200, 0, 200])
def test_two_clocks_that_drift_make_no_hole_and_no_growing_delay(ppm: float) -> None:
    """Two hundred millionths are a period of sound every fifty seconds: without steering it clicks each time."""
    elastic, heard, fills = run(ppm, 120.0)
    late = np.array(fills[-3000:]) / RATE * 1000

    off = 1e6 * (elastic.speed - 1)
    print(f"{ppm:+} ppm: corrected by {off:+.0f} ppm, {late.mean():.1f} ms wait ({late.min():.0f} to {late.max():.0f})")
    assert elastic.holes == 0
    assert off == pytest.approx(-ppm, abs=60)
    assert 5 < late.mean() < 30
    # No click: a sine of this pitch is never steeper.
    steepest = 0.25 * 2 * np.sin(np.pi * HZ / RATE)
    assert np.abs(np.diff(heard[RATE:])).max() < 1.05 * steepest


def test_a_stall_is_caught_up_with_at_once() -> None:
    """After a hiccup of the machine the visitor is not heard half a second late for the rest of the call."""
    elastic = ElasticBuffer(RATE, PERIOD, 2 * PERIOD)
    for _ in range(50):
        elastic.put(np.ones(PERIOD, np.int16))
    elastic.take()

    assert elastic.fill <= 3 * PERIOD
    assert elastic.holes == 1


def test_a_microphone_that_pauses_leaves_silence_and_comes_back() -> None:
    """It fills up anew instead of stuttering."""
    elastic = ElasticBuffer(RATE, PERIOD, 2 * PERIOD)
    for _ in range(3):
        elastic.put(np.ones(PERIOD, np.int16))
    taken = [elastic.take() for _ in range(6)]
    for _ in range(3):
        elastic.put(np.ones(PERIOD, np.int16))
    back = elastic.take()

    assert taken[0].all()
    assert not taken[-1].any()
    assert back.all()


@pytest.mark.skipif(not shutil.which("jackd"), reason="no jackd: no virtual card")
def test_microphone_and_loudspeaker_may_be_different_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two devices, two streams of the real PortAudio, one of them with a rate that is not ours."""
    card = Jackd(tmp_path, rate=48000, period=480)
    monkeypatch.setenv("JACK_DEFAULT_SERVER", card.name)
    room = Room(card, tmp_path)
    it = Door(FakeBridge(), card_in="room", card_out="system")
    try:
        it.bridge.says = (speech_tone(800, 1.0, RATE) * 32767).astype(np.int16)
        room.say(speech_tone(600, 2.0, card.rate), loop=True)
        it.sound.set(Audio(card=True, hear="a", speak="a"))
        opened = it.wait_for(AudioDeviceOpened)
        it.wait_beats(100)
        since, beat = time.monotonic(), len(it.bridge.told)
        it.wait_beats(200)
        up, down = find_tone(it.bridge.told_since(beat), RATE, 600), find_tone(room.heard(since=since), card.rate, 800)

        assert opened.card == "room / system"
        assert up.heard
        assert down.heard
    finally:
        it.sound.close()
        room.stop()
        card.stop()
