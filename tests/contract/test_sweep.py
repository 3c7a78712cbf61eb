"""The self test's sweep, the meter and an operator's sounds, on the real PortAudio with a room that has ailments."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sound_rigs import RATE, Door, FakeBridge

from intercom.core.acoustics import BANDS_HZ, Acoustics, verdict
from intercom.core.commands import Audio, Tone
from intercom.core.events import AudioDeviceOpened, LoudnessMeasured, SoundCheckKind, SweepHeard, TonePlayed
from intercom.engine.audio import wav
from intercom.engine.audio.sweep import Sweep
from lab.jackd import Jackd
from lab.processes import wait_until
from lab.room import Room
from lab.tones import find_tone, level_dbfs, speech_tone

needs_jackd = pytest.mark.skipif(not shutil.which("jackd"), reason="no jackd: no virtual card")
TEST = Audio(card=True, trial=SoundCheckKind.TEST)


def through(filter_it: Callable[[np.ndarray], np.ndarray]) -> Acoustics:
    """What a sweep shows of a room that is a function."""
    done: list[bool] = []
    probe, history = Sweep(RATE, lambda: done.append(True)), np.zeros(0)
    while not done:
        echo = filter_it(history)[-160:] if len(history) else np.zeros(160)
        played = probe.period(np.rint(echo).astype(np.int16).tobytes(), bytes(320))
        history = np.concatenate([history, np.frombuffer(played, np.int16)])
    return probe.acoustics()


def test_a_plain_room_is_measured_as_it_is() -> None:
    """Delay to the period, level to a tenth of a decibel, the same in every octave."""
    rng = np.random.default_rng(1)
    heard = through(lambda history: 0.1 * history + rng.normal(0, 10, len(history)))

    assert heard.delay_ms == 10.0
    assert heard.response_db == pytest.approx((-20.0,) * len(BANDS_HZ), abs=0.3)
    assert max(heard.floor_db) < -50
    # Noise of one level at all pitches: 3 dB more in each octave, which is twice as wide.
    assert np.diff(heard.noise_db) == pytest.approx((3.0,) * 4, abs=1.0)


def test_a_distorting_loudspeaker_does_not_count_as_louder_or_weaker() -> None:
    """Harmonics come before the impulse response, so they are left out of it."""
    heard = through(lambda history: 0.1 * history + 6000 * (history / 32768) ** 2)

    assert heard.response_db == pytest.approx((-20.0,) * len(BANDS_HZ), abs=0.5)


# ---- on a card ----


@pytest.fixture
def room(shared_jackd: Jackd, shared_room: Room, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", shared_jackd.name)
    shared_room.echo(delay_ms=20, gain_db=-12)
    shared_room.noise(-70)
    yield shared_room
    shared_room.hush()
    shared_room.noise(None)
    for part in ("microphone", "loudspeaker"):
        shared_room.ail(part)


@pytest.fixture
def door(room: Room) -> Iterator[Door]:
    door = Door(FakeBridge(), echo=True)
    yield door
    door.sound.close()


def sweep(door: Door) -> Acoustics:
    before = len(door.told(SweepHeard))
    door.sound.sweep()
    door.sound.set(TEST)
    heard = door.wait_for(SweepHeard, before + 1).heard
    door.sound.set(Audio())
    return heard


@needs_jackd
def test_each_ailment_is_named_against_the_reference(room: Room, door: Door) -> None:
    """Through the whole card: a dull microphone, a weak loudspeaker, a dead one of each, and all well again."""
    reference = sweep(door)
    said = []
    for part, gain_db, from_hz in (
        ("microphone", -20, 500),
        ("loudspeaker", -20, 500),
        ("loudspeaker", -100, 0),
        ("microphone", -200, 0),
        ("microphone", 0, 0),
    ):
        room.ail(part, gain_db, from_hz)
        said.append(verdict(sweep(door), reference))
        room.ail(part)

    print(reference, *said, sep="\n")
    assert reference.response_db == pytest.approx((-12.0,) * len(BANDS_HZ), abs=1.5)
    assert "dB down from 1 kHz up" in said[0]["microphone"]
    assert "dB down from 1 kHz up" in said[1]["loudspeaker"]
    assert said[2:] == [{"loudspeaker": "silent"}, {"microphone": "silent"}, {}]


@needs_jackd
def test_a_visit_silences_the_sweep_at_once(room: Room, door: Door) -> None:
    """The visitor hears a chime, not the rest of a chirp."""
    door.sound.sweep()
    door.sound.set(TEST)
    door.wait_for(AudioDeviceOpened)
    door.wait_beats(120)
    door.sound.set(Audio(card=True))
    door.wait_beats(2)
    since = door.sound.beats
    at = room.heard()
    door.wait_beats(40)

    assert door.sound.beats > since
    assert level_dbfs(room.heard()[len(at) :]) == -90
    assert not door.told(SweepHeard)


@needs_jackd
def test_not_a_sample_of_a_trial_reaches_a_call(room: Room, door: Door) -> None:
    """Nobody listens in on a self test."""
    room.say(speech_tone(600, 2.0, RATE), loop=True)
    sweep(door)

    assert not np.concatenate(door.bridge.told).any()


@needs_jackd
def test_the_meter_tells_both_levels_until_it_is_switched_off(room: Room, door: Door) -> None:
    """Ten times a second, and in step with what the room gave."""
    room.echo(gain_db=None)
    room.noise(-30)
    door.sound.set(Audio(card=True, trial=SoundCheckKind.LEVELS))
    door.wait_for(LoudnessMeasured, 5)
    quiet = door.told(LoudnessMeasured)[3]
    door.sound.set(Audio())
    wait_until(lambda: door.sound._card is None, 3, "the card is closed")
    after = len(door.told(LoudnessMeasured))

    assert quiet.microphone_db == pytest.approx(-30, abs=1)
    assert quiet.loudspeaker_db == -120
    assert len(door.told(LoudnessMeasured)) == after


@needs_jackd
def test_an_operator_s_sound_is_played_and_cut_short_by_a_visit(room: Room, door: Door, tmp_path: Path) -> None:
    """A file or a tone; a visit's own chime comes through whole."""
    wav.write(tmp_path / "long.wav", (speech_tone(800, 5.0, RATE) * 20000).astype(np.int16), RATE)
    play = Audio(card=True, trial=SoundCheckKind.PLAY)
    door.sound.play_sound("tone chime")
    door.sound.set(play)
    assert door.wait_for(TonePlayed).tone == "tone chime"
    door.sound.play_sound(f"file {tmp_path / 'long.wav'}")
    door.wait_beats(50)
    heard = len(room.heard())
    door.wait_beats(50)
    assert find_tone(room.heard()[heard:], RATE, 800).level_dbfs > -30
    door.sound.play(Tone.CHIME)
    door.sound.set(Audio(card=True))

    assert door.wait_for(TonePlayed, 2).tone == "chime"
    door.wait_beats(3)
    heard = len(room.heard())
    door.wait_beats(30)
    assert level_dbfs(room.heard()[heard:]) == -90
    door.sound.play_sound(f"file {tmp_path / 'long.wav'}")
    door.sound.set(play)
    door.wait_beats(30)
    door.sound.set(Audio(card=True))
    door.wait_beats(3)
    heard = len(room.heard())
    door.wait_beats(30)
    assert level_dbfs(room.heard()[heard:]) == -90, "also where no tone of the visit takes its place"
