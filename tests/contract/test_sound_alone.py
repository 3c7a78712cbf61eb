"""The sound in a process of its own: a card that dies, one that hangs, and PJSIP's real bridge.

Run as a script this file is a small voice engine, for what must not happen in pytest's own process: PortAudio
never recovers from a JACK server that dies under it, and PJSIP lives once per process.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sound_rigs import PERIOD, PERIOD_MS, RATE, Door, FakeBridge

from intercom.core.commands import Audio, Tone
from intercom.core.events import AudioDeviceClosed, AudioDeviceOpened
from lab.jackd import Jackd
from lab.processes import Process, start, wait_until
from lab.room import Room
from lab.tones import find_tone, read_wav, speech_tone

LOUD = 8000
pytestmark = pytest.mark.skipif(not shutil.which("jackd"), reason="no jackd: no virtual card")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    engines: list[Process] = []

    def make(card: Jackd, *what: str) -> Process:
        engines.append(start("engine", [sys.executable, __file__, *what], tmp_path, card.env))
        return engines[-1]

    yield make
    for each in engines:
        each.stop()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Jackd]:
    """A card that a test may kill."""
    card = Jackd(tmp_path)
    yield card
    card.process.signal(signal.SIGCONT)
    card.stop()


def assert_beating(engine: Process, count: int = 100) -> None:
    mark = engine.mark()
    first = int(engine.await_line(r"beats (\d+)", 3, mark)[1])
    since = time.monotonic()
    last = first
    while last < first + count:
        assert time.monotonic() - since < 5 * count * PERIOD_MS / 1000, f"{last - first} beats only"
        mark = engine.mark()
        last = int(engine.await_line(r"beats (\d+)", 3, mark)[1])


def test_a_card_that_dies_is_told_and_the_clock_goes_on(engine: Callable[..., Process], mortal: Jackd) -> None:
    it = engine(mortal, "sound")
    it.await_line("AudioDeviceOpened")
    mark = it.mark()
    os.kill(mortal.process.pid, signal.SIGKILL)
    it.await_line("AudioDeviceLost.*'system' is gone", 3, mark)
    assert_beating(it)
    it.await_line(r"blocked [1-9]", 5)  # PortAudio's JACK side does not let go: only a new process gets a card
    assert not any("TonePlayed" in line for line in it.lines())
    assert sum("AudioDeviceLost" in line for line in it.lines()) == 1
    since = time.monotonic()
    it.stop()
    assert time.monotonic() - since < 3.5, "it leaves in time, whatever the driver does"


def test_a_card_that_hangs_is_told_and_taken_up_again(engine: Callable[..., Process], mortal: Jackd) -> None:
    it = engine(mortal, "sound")
    it.await_line("AudioDeviceOpened")
    mark = it.mark()
    os.kill(mortal.process.pid, signal.SIGSTOP)
    it.await_line("AudioDeviceLost.*has stopped", 4, mark)
    assert_beating(it)
    os.kill(mortal.process.pid, signal.SIGCONT)
    it.await_line("AudioDeviceOpened", 8, mark)
    assert_beating(it)
    assert sum("AudioDeviceLost" in line for line in it.lines()) == 1


def test_a_card_that_hangs_while_it_is_opened_is_told(engine: Callable[..., Process], mortal: Jackd) -> None:
    os.kill(mortal.process.pid, signal.SIGSTOP)
    it = engine(mortal, "sound")
    it.await_line("AudioDeviceLost", 8)
    assert_beating(it)
    os.kill(mortal.process.pid, signal.SIGCONT)
    it.await_line("AudioDeviceOpened", 30)


def test_the_drivers_chatter_stays_out_of_the_journal(engine: Callable[..., Process], shared_jackd: Jackd) -> None:
    it = engine(shared_jackd, "sound")
    it.await_line("AudioDeviceOpened")
    assert_beating(it, 20)
    it.await_line("stderr works", 2)
    ours = ("AudioDeviceOpened", "beats ", "stderr works")
    assert [line for line in it.lines() if not line.startswith(ours)] == []
    assert "stderr works" in it.lines()


def test_the_real_bridge_speaks_and_hears(
    engine: Callable[..., Process], shared_jackd: Jackd, room: Room, tmp_path: Path
) -> None:
    pytest.importorskip("pjsua2")
    room.say(speech_tone(600, 2.0, RATE), loop=True)
    it = engine(shared_jackd, "bridge", str(tmp_path / "microphone.wav"))
    it.await_line("AudioDeviceOpened")
    since = time.monotonic()
    it.await_line("recorded", 10)
    heard = room.heard(since=since + 0.2)[: 2 * RATE]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert spectrum.argmax() * RATE / len(heard) == pytest.approx(1000, abs=3)
    recorded, rate = read_wav(tmp_path / "microphone.wav")
    assert rate == RATE
    # The first period connects, and what is put in the next one has left the bridge with it.
    assert not recorded[:PERIOD].any()
    assert (recorded[PERIOD : 2 * PERIOD] == LOUD / 32768).all()
    tone, said = find_tone(recorded, rate, 600), find_tone(room.spoken(since=since), RATE, 600)
    assert tone.heard
    assert tone.level_dbfs == pytest.approx(said.level_dbfs, abs=1)
    cost = float(it.await_line(r"put and get take ([\d.]+) us", 5)[1])
    assert cost < 1000


def test_a_bridge_of_another_period_is_refused(engine: Callable[..., Process], shared_jackd: Jackd) -> None:
    pytest.importorskip("pjsua2")
    it = engine(shared_jackd, "bridge", "/dev/null", "20")
    it.await_line("EngineError: the conference bridge has no periods of 160 samples")


def run_sound() -> None:
    door = Door(FakeBridge())
    door.sound.set(Audio(card=True, loop=Tone.RINGBACK))
    told, leaving = 0, threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: leaving.set())
    while not leaving.wait(0.05):
        for _, event in door.events[told:]:
            told += 1
            print(event, flush=True)
            if isinstance(event, AudioDeviceOpened):
                print("stderr works", file=sys.stderr, flush=True)
        print(f"beats {door.sound.beats}", flush=True)
        if door.sound.blocked_s > 1:
            print(f"blocked {door.sound.blocked_s:.1f}", flush=True)
        door.bridge.told.clear()
    door.sound.close()
    os._exit(0)


def run_bridge(wav: str, bridge_period_ms: int = PERIOD_MS) -> None:
    import _pjsua2
    import pjsua2 as pj

    from intercom.engine.audio.bridge import Bridge
    from intercom.errors import EngineError

    endpoint, config = pj.Endpoint(), pj.EpConfig()
    endpoint.libCreate()
    config.uaConfig.threadCnt, config.uaConfig.mainThreadOnly = 0, True
    config.logConfig.consoleLevel = 1
    config.medConfig.clockRate = config.medConfig.sndClockRate = RATE
    config.medConfig.audioFramePtime = bridge_period_ms
    endpoint.libInit(config)
    endpoint.libStart()
    bridge = Bridge(_pjsua2.__file__, RATE, PERIOD_MS)
    try:
        bridge.attach()
    except EngineError as error:
        print(f"EngineError: {error}", flush=True)
        os._exit(1)
    costs, silence = [], bytes(2 * PERIOD)
    for _ in range(2000):
        before = time.perf_counter()
        bridge.put(silence)
        bridge.get()
        costs.append(1e6 * (time.perf_counter() - before))
    door = Door(bridge)
    door.sound._register_thread = endpoint.libRegisterThread
    generator, desc, descs = pj.ToneGenerator(), pj.ToneDesc(), pj.ToneDescVector()
    generator.createToneGenerator(RATE, 1)
    desc.freq1, desc.on_msec, desc.off_msec = 1000, 30000, 0
    descs.append(desc)
    generator.play(descs, True)
    recorder, devices = pj.AudioMediaRecorder(), endpoint.audDevManager()
    recorder.createRecorder(wav)
    generator.startTransmit(devices.getPlaybackDevMedia())
    devices.getCaptureDevMedia().startTransmit(recorder)
    for period in (silence, np.full(PERIOD, LOUD, np.int16).tobytes()):
        bridge.put(period)
        bridge.get()
    door.sound.set(Audio(card=True, hear="a", speak="a"))
    wait_until(lambda: door.told(AudioDeviceOpened), 5, "the card opens")
    print("AudioDeviceOpened", flush=True)
    until = door.sound.beats + 300
    while door.sound.beats < until:
        endpoint.libHandleEvents(10)
    devices.getCaptureDevMedia().stopTransmit(recorder)
    generator.stopTransmit(devices.getPlaybackDevMedia())
    del recorder  # its file is finished by the bridge's clock, in the periods after the card is closed
    door.sound.set(Audio())
    wait_until(lambda: door.told(AudioDeviceClosed) and not door.sound._silent.running, 5, "flushed")
    print("recorded", flush=True)
    print(f"put and get take {np.median(costs):.1f} us", flush=True)
    door.sound.close()
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "sound":
        run_sound()
    else:
        run_bridge(sys.argv[2], *map(int, sys.argv[3:]))
