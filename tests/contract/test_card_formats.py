"""Cards of every rate and channel count, through the real PortAudio, and what the conversion costs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jack
import numpy as np
import pytest
from sound_rigs import PERIOD, PERIOD_MS, RATE, Door, FakeBridge

from intercom.core.commands import Audio
from intercom.core.events import AudioDeviceLost, AudioDeviceOpened
from intercom.engine.audio.resample import Converter, Format
from lab.jackd import Jackd
from lab.room import Room
from lab.tones import find_tone, level_dbfs, speech_tone

needs_jackd = pytest.mark.skipif(not shutil.which("jackd"), reason="no jackd: no virtual card")
FORMATS = [Format(rate, channels) for rate in (16000, 48000, 44100, 32000, 8000) for channels in (1, 2)]


def through(converter: Converter, microphone: np.ndarray, way: str) -> np.ndarray:
    """A whole signal through one direction, period by period."""
    if way == "in":
        size = converter.frames * converter.card.channels
        parts = microphone.astype(np.float32).reshape(-1, size)
        return np.frombuffer(b"".join(converter.microphone(part.tobytes()) for part in parts), np.int16) / 32768
    parts = np.rint(microphone * 32768).astype(np.int16).reshape(-1, PERIOD)
    return np.frombuffer(b"".join(converter.loudspeaker(part.tobytes()) for part in parts), np.float32)


def sine(hz: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return 0.25 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_a_tone_comes_through_at_its_pitch_and_level_in_both_directions(
    form: Format,
) -> None:
    """At the wrong rate everybody would sound like somebody else."""
    converter = Converter(RATE, PERIOD_MS, form, 0, 0)
    heard = through(converter, np.repeat(sine(1000, form.rate_hz), form.channels), "in")
    played = through(converter, sine(1000, RATE), "out").reshape(-1, form.channels)

    for signal, rate in (
        (heard, RATE),
        *((played[:, at], form.rate_hz) for at in range(form.channels)),
    ):
        assert len(signal) == rate
        middle = signal[rate // 4 : rate // 4 * 3]
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
        assert spectrum.argmax() * rate / len(middle) == pytest.approx(1000, abs=3)
        assert level_dbfs(middle) == pytest.approx(level_dbfs(sine(1000, RATE)), abs=0.1)
        spectrum[int(900 * len(middle) / rate) : int(1100 * len(middle) / rate)] = 0
        assert 20 * np.log10(spectrum.max() / (len(middle) / 4 * 0.25)) < -75, "nothing but the tone"


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_converting_holds_back_a_few_milliseconds_and_no_more(form: Format) -> None:
    """The delay is printed; that it is far from a period more is asserted, because it hangs on no clock."""
    converter = Converter(RATE, PERIOD_MS, form, 0, 0)
    knock = np.zeros(form.rate_hz)
    knock[form.rate_hz // 2 :] = 0.5
    heard = through(converter, np.repeat(knock, form.channels), "in")
    knock = np.zeros(RATE)
    knock[RATE // 2 :] = 0.5
    played = through(converter, knock, "out")[:: form.channels]
    up = 1000 * (int((heard > 0.25).argmax()) / RATE - 0.5)
    down = 1000 * (int((played > 0.25).argmax()) / form.rate_hz - 0.5)
    period, before = (
        np.zeros(converter.frames * form.channels, np.float32).tobytes(),
        time.perf_counter(),
    )
    for _ in range(200):
        converter.loudspeaker(converter.microphone(period))
    cost = 1e6 * (time.perf_counter() - before) / 200

    print(f"{form}: microphone {up:.2f} ms, loudspeaker {down:.2f} ms later, {cost:.0f} us of a period's 10000")
    assert 0 <= up < 3
    assert 0 <= down < 3


def test_a_microphone_on_one_channel_of_two_is_as_loud_as_on_both() -> None:
    """I2S microphones sit on the left or on the right, as somebody has soldered it."""
    form = Format(48000, 2)
    tone = sine(700, 48000)
    for left, right in ((1, 1), (1, 0), (0, 1)):
        pair = np.stack([left * tone, right * tone], axis=1).reshape(-1)
        heard = through(Converter(RATE, PERIOD_MS, form, 0, 0), pair, "in")
        assert level_dbfs(heard[RATE // 2 :]) == pytest.approx(level_dbfs(tone), abs=0.1), (left, right)


def test_levels_are_added_in_db_and_clip_where_they_would_wrap_round() -> None:
    """A level too high is ugly; one that wraps round is a bang."""
    form = Format(16000, 1)
    tone = sine(700, RATE)
    louder = Converter(RATE, PERIOD_MS, form, 6, -6)
    loudest = Converter(RATE, PERIOD_MS, form, 30, 12)

    assert level_dbfs(through(louder, tone, "in")) == pytest.approx(level_dbfs(tone) + 6, abs=0.05)
    assert level_dbfs(through(louder, tone, "out")) == pytest.approx(level_dbfs(tone) - 6, abs=0.05)
    for way, most in (("in", 32767 / 32768), ("out", 1.0)):
        signal = through(loudest, 2 * tone, way)
        assert signal.max() == pytest.approx(most)
        assert (signal * tone >= 0).all(), "no sample jumps to the other end"


# ---- with PortAudio ----


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Jackd]:
    rate, channels = request.param
    card = Jackd(tmp_path, rate=rate, period=rate // 100, channels=channels)
    monkeypatch.setenv("JACK_DEFAULT_SERVER", card.name)
    yield card
    card.stop()


@pytest.fixture
def room(card: Jackd, tmp_path: Path) -> Iterator[Room]:
    room = Room(card, tmp_path)
    yield room
    room.stop()


@pytest.fixture
def door(room: Room) -> Iterator[Callable[..., Door]]:
    doors: list[Door] = []

    def make(**options: Any) -> Door:
        doors.append(Door(FakeBridge(), **options))
        return doors[-1]

    yield make
    for each in doors:
        each.sound.close()


@needs_jackd
@pytest.mark.parametrize("card", [(48000, 2), (44100, 1), (32000, 1)], indirect=True, ids=str)
def test_both_directions_work_on_a_card_of_another_rate(card: Jackd, room: Room, door: Callable[..., Door]) -> None:
    """Most USB sticks and every I2S board: 48 kHz, stereo."""
    it = door(microphone_db=-3.0)
    it.bridge.says = (speech_tone(800, 1.0, RATE) * 32767).astype(np.int16)
    room.say(speech_tone(600, 2.0, card.rate), loop=True)
    it.sound.set(Audio(card=True, hear="a", speak="a"))
    it.wait_for(AudioDeviceOpened)
    it.wait_beats(50)
    since, beat = time.monotonic(), len(it.bridge.told)
    it.wait_beats(200)
    up, said = (
        find_tone(it.bridge.told_since(beat), RATE, 600),
        find_tone(room.spoken(since=since), card.rate, 600),
    )
    down = find_tone(room.heard(since=since), card.rate, 800)
    sent = find_tone(it.bridge.says / np.float32(32768), RATE, 800)
    # The room hears the sum of the loudspeakers: two that play alike are 6 dB louder.
    more = 6.02 if len(room.ports()) > 2 else 0.0

    assert up.heard
    assert up.level_dbfs == pytest.approx(said.level_dbfs - 3, abs=1)
    assert down.heard
    assert down.level_dbfs == pytest.approx(sent.level_dbfs + more, abs=1)
    assert not it.told(AudioDeviceLost)


@needs_jackd
@pytest.mark.parametrize("card", [(48000, 2)], indirect=True, ids=str)
def test_a_card_is_opened_at_once_the_second_time(card: Jackd, room: Room, door: Callable[..., Door]) -> None:
    """What it could was found out at the first press."""
    it = door()
    it.sound.set(Audio(card=True))
    it.wait_for(AudioDeviceOpened)
    it.sound.set(Audio())
    room.await_ports(open=False)

    assert it.sound._making.last == {"system": Format(48000, 2)}


@needs_jackd
@pytest.mark.parametrize("card", [(48000, 2)], indirect=True, ids=str)
def test_a_real_stereo_card_with_one_microphone(card: Jackd, room: Room, door: Callable[..., Door]) -> None:
    """INMP441: the other channel carries nothing."""
    it = door()
    room.say(speech_tone(600, 2.0, card.rate), loop=True)
    it.sound.set(Audio(card=True, speak="a"))
    it.wait_for(AudioDeviceOpened)
    it.wait_beats(20)
    client = jack.Client("pliers", servername=card.name, no_start_server=True)
    mouth = next(port for port in client.get_ports(is_output=True) if port.name.startswith("room:"))
    client.disconnect(mouth, client.get_all_connections(mouth)[0])
    it.wait_beats(50)
    since, beat = time.monotonic(), len(it.bridge.told)
    it.wait_beats(150)
    up, said = (
        find_tone(it.bridge.told_since(beat), RATE, 600),
        find_tone(room.spoken(since=since), card.rate, 600),
    )
    client.close()

    assert up.level_dbfs == pytest.approx(said.level_dbfs, abs=1)
