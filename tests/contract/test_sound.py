"""The sound card as the clock of all audio: the real PyAudio on a virtual card."""

from __future__ import annotations

import ctypes
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sound_rigs import PERIOD, PERIOD_MS, RATE, Door

from intercom.core.commands import Audio, Tone
from intercom.core.events import AudioDeviceClosed, AudioDeviceLost, AudioDeviceOpened, AudioFlowed, TonePlayed
from intercom.engine.audio.echo_canceller import Canceller
from intercom.engine.audio.pipeline import NullClock
from intercom.engine.audio.tones import Tones
from lab.jackd import Jackd
from lab.processes import wait_until
from lab.room import Room
from lab.tones import find_tone, level_dbfs, speech_tone

pytestmark = pytest.mark.skipif(not shutil.which("jackd"), reason="no jackd: no virtual card")


def test_nothing_runs_until_sound_is_wanted(room: Room, door: Callable[..., Door]) -> None:
    idle = door()
    time.sleep(0.2)
    assert idle.events == []
    assert idle.sound.beats == 0
    assert not room.ports_open()


def test_the_card_opens_quickly_and_drives_the_bridge_at_its_rate(room: Room, door: Callable[..., Door]) -> None:
    it = door()
    asked = time.monotonic()
    it.sound.set(Audio(card=True))
    assert time.monotonic() - asked < 0.05, "set() must not wait for the card"
    assert it.wait_for(AudioDeviceOpened).card == "system"
    assert it.when(AudioDeviceOpened("system")) - asked < 1.0
    assert room.ports_open()
    it.wait_beats(20)
    since, before = time.monotonic(), it.sound.beats
    it.wait_beats(200)
    rate = (it.sound.beats - before) / (time.monotonic() - since)
    assert rate == pytest.approx(1000 / PERIOD_MS, rel=0.2)  # the virtual card itself loses periods on a busy machine
    assert not it.told(AudioDeviceLost)


def test_each_thread_is_registered_once_and_before_it_touches_the_bridge(room: Room, door: Callable[..., Door]) -> None:
    it = door()
    for turn in (1, 2):
        it.sound.set(Audio(card=True))
        it.wait_for(AudioDeviceOpened, turn)
        it.wait_beats(20)
        it.sound.set(Audio())
        it.wait_for(AudioDeviceClosed, turn)
    assert [name for name, _ in it.registered] == ["silent clock", "card", "card"]
    assert it.bridge.threads <= {thread for _, thread in it.registered}


def thread_states() -> int:
    """How many threads Python knows, also those that are in none of its code now."""
    api = ctypes.pythonapi
    for function in (api.PyInterpreterState_Get, api.PyInterpreterState_ThreadHead, api.PyThreadState_Next):
        function.restype = ctypes.c_void_p
    at, count = api.PyInterpreterState_ThreadHead(ctypes.c_void_p(api.PyInterpreterState_Get())), 0
    while at:
        at, count = api.PyThreadState_Next(ctypes.c_void_p(at)), count + 1
    return count


def test_python_knows_the_cards_thread_from_one_period_to_the_next_and_no_longer(
    room: Room, door: Callable[..., Door]
) -> None:
    """Made anew for each period, what Python keeps of a thread costs more than all else; never freed, it piles up."""
    it, kept, seen, after = door(), threading.local(), [0], []
    put = it.bridge.put

    def counted(frame: bytes) -> None:
        kept.periods = getattr(kept, "periods", 0) + 1
        seen.append(kept.periods)
        put(frame)

    it.bridge.put = counted
    for turn in (1, 2, 3):
        it.sound.set(Audio(card=True))
        it.wait_for(AudioDeviceOpened, turn)
        seen.clear()
        it.wait_beats(30)
        assert max(seen) > 20
        it.sound.set(Audio())
        it.wait_for(AudioDeviceClosed, turn)
        after.append(thread_states())
    assert len(set(after)) == 1, after


def test_closed_means_no_microphone_and_no_clock(room: Room, door: Callable[..., Door]) -> None:
    it = door()
    it.sound.set(Audio(card=True, hear="a", speak="a"))
    it.wait_for(AudioDeviceOpened)
    it.sound.set(Audio())
    it.wait_for(AudioDeviceClosed)
    assert not room.ports_open()
    # The bridge's clock goes on for a moment: PJSIP removes a call's stream on it.
    wait_until(lambda: not it.sound._silent.running, 2, "the silent clock stops")
    after = it.sound.beats
    time.sleep(0.2)
    assert it.sound.beats == after
    assert len(it.told(AudioDeviceClosed)) == 1


def test_the_bridge_is_flushed_after_the_card_closed(room: Room, door: Callable[..., Door]) -> None:
    it = door()
    it.sound.set(Audio(card=True))
    it.wait_for(AudioDeviceOpened)
    it.sound.set(Audio())
    it.wait_for(AudioDeviceClosed)
    before = it.sound.beats
    wait_until(lambda: not it.sound._silent.running, 2, "the silent clock stops")
    assert 10 <= it.sound.beats - before <= 40


def test_it_closes_in_the_middle_of_everything(room: Room, door: Callable[..., Door]) -> None:
    it = door()
    it.sound.set(Audio(card=True, loop=Tone.RINGBACK))
    it.wait_for(AudioDeviceOpened)
    since = time.monotonic()
    it.sound.close()
    assert time.monotonic() - since < 2.5
    assert not room.ports_open()
    assert it.told(AudioDeviceClosed) == [AudioDeviceClosed()]
    after = it.sound.beats
    time.sleep(0.1)
    assert it.sound.beats == after


def test_flicking_the_level_ends_where_it_was_left(room: Room, door: Callable[..., Door]) -> None:
    it = door()
    for number in range(40):
        it.sound.set(Audio(card=number % 2 == 0))
        time.sleep(0.002 * (number % 7))
    it.sound.set(Audio(card=True))
    wait_until(lambda: len(it.told(AudioDeviceOpened)) == len(it.told(AudioDeviceClosed)) + 1, 5, "the card is open")
    it.wait_beats(50)
    assert not it.told(AudioDeviceLost)
    it.sound.set(Audio())
    wait_until(lambda: len(it.told(AudioDeviceOpened)) == len(it.told(AudioDeviceClosed)), 5, "the card is closed")
    assert not room.ports_open()


def test_a_chime_ordered_with_the_card_is_heard_from_its_first_sample(room: Room, door: Callable[..., Door]) -> None:
    it, chime = door(), Tones(RATE).samples(Tone.CHIME) / np.float32(32768)
    for turn in (1, 2, 3):  # a busy machine may cost the card a period, but not three times in the same place
        began = time.monotonic()
        it.sound.play(Tone.CHIME)
        it.sound.set(Audio(card=True))
        it.wait_for(TonePlayed, turn)
        it.wait_beats(10)
        it.sound.set(Audio())
        it.wait_for(AudioDeviceClosed, turn)
        heard = room.heard(since=began)
        at = int(np.abs(np.correlate(heard, chime, "valid")).argmax())
        # To the sample: no period was left out, doubled or late.
        if np.abs(heard[at : at + len(chime)] - chime).max() < 2 / 32768:
            return
    pytest.fail("the chime was not heard whole")


def test_a_tone_of_the_last_visit_is_not_heard_in_the_next(room: Room, door: Callable[..., Door]) -> None:
    it = door()
    it.sound.play(Tone.UNANSWERED)
    it.sound.set(Audio(card=True, loop=Tone.RINGBACK))
    it.wait_for(AudioDeviceOpened)
    it.wait_beats(20)
    it.sound.set(Audio())
    it.wait_for(AudioDeviceClosed)
    it.sound.set(Audio(card=True))
    it.wait_for(AudioDeviceOpened, 2)
    since = time.monotonic()
    it.wait_beats(30)
    assert level_dbfs(room.heard(since=since)) == -90
    assert not it.told(TonePlayed)


def test_ringback_has_its_pitch_at_the_loudspeaker(room: Room, door: Callable[..., Door]) -> None:
    it = door()
    it.sound.set(Audio(card=True, loop=Tone.RINGBACK))
    it.wait_for(AudioDeviceOpened)
    it.wait_beats(80)
    heard = room.heard(since=it.when(AudioDeviceOpened("system")) + 0.2)[: RATE // 2]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert spectrum.argmax() * RATE / len(heard) == pytest.approx(425, abs=3)
    assert level_dbfs(heard) == pytest.approx(-15, abs=1)  # a sine of -12 dBFS peak
    it.sound.set(Audio(card=True))
    it.wait_beats(10)
    quiet = time.monotonic()
    it.wait_beats(20)
    assert level_dbfs(room.heard(since=quiet)) == -90


def test_the_call_is_heard_only_as_the_level_says(room: Room, door: Callable[..., Door]) -> None:
    it = door()
    it.bridge.says = (speech_tone(800, 1.0, RATE) * 32767).astype(np.int16)
    it.sound.set(Audio(card=True))
    it.wait_for(AudioDeviceOpened)
    since = time.monotonic()
    it.wait_beats(60)
    assert level_dbfs(room.heard(since=since)) == -90
    assert not it.told(AudioFlowed)
    it.sound.set(Audio(card=True, hear="b"))
    since = time.monotonic()
    it.wait_beats(100)
    tone, said = find_tone(room.heard(since=since), RATE, 800), find_tone(it.bridge.says / np.float32(32768), RATE, 800)
    assert tone.heard
    assert tone.level_dbfs == pytest.approx(said.level_dbfs, abs=1)
    assert it.told(AudioFlowed) == [AudioFlowed("b", "in")]


def test_the_microphone_goes_out_only_in_a_conversation(room: Room, door: Callable[..., Door]) -> None:
    it = door()
    room.say(speech_tone(600, 2.0, RATE), loop=True)
    it.sound.set(Audio(card=True, hear="a", loop=Tone.RINGBACK))
    it.wait_for(AudioDeviceOpened)
    it.wait_beats(100)
    assert not np.concatenate(it.bridge.told).any(), "not one sample of the microphone before the conversation"
    it.sound.set(Audio(card=True, hear="a", speak="a"))
    it.wait_beats(5)
    since, began = len(it.bridge.told), time.monotonic()
    it.wait_beats(100)
    tone, said = find_tone(it.bridge.told_since(since), RATE, 600), find_tone(room.spoken(since=began), RATE, 600)
    assert tone.heard
    assert tone.level_dbfs == pytest.approx(said.level_dbfs, abs=1)
    it.sound.set(Audio(card=True, hear="a"))
    it.wait_beats(2)
    since = len(it.bridge.told)
    it.wait_beats(50)
    assert not it.bridge.told_since(since).any()


def hum(number: int) -> bytes:
    return np.full(PERIOD, number, np.int16).tobytes()


def test_whoever_may_listen_hears_at_once_what_the_microphone_recorded_last(door: Callable[..., Door]) -> None:
    """Two periods fill a packet: it leaves with the answer, and of what was said before it holds 10 ms."""
    it = door()
    period, told = it.sound._period, it.bridge.told
    period.set(Audio(card=True, loop=Tone.RINGBACK))
    for number in range(1, 6):
        period.with_card(hum(number))
    assert not np.concatenate(told).any()
    period.set(Audio(card=True, hear="a", speak="a"))
    assert [int(frame[0]) for frame in told[5:]] == [0, 5]
    assert it.told(AudioFlowed) == [AudioFlowed("a", "out")]
    period.with_card(hum(6))
    period.set(Audio(card=True, hear="a", speak="a", half_duplex=True))
    period.set(Audio(card=True, hear="a", speak="a"))
    period.with_card(hum(7))
    assert [int(frame[0]) for frame in told[5:]] == [0, 5, 6, 7], "nothing left out, nothing twice"
    period.set(Audio(card=True))
    period.with_card(hum(8))
    assert not told[-1].any()


def test_nobody_hears_the_microphone_of_before_who_was_listened_to_already_or_when_it_is_gone(
    door: Callable[..., Door],
) -> None:
    """Early media would lose two periods; and what a card recorded before it was closed is older than any answer."""
    it = door()
    period, told = it.sound._period, it.bridge.told
    period.set(Audio(card=True, hear="a"))
    period.with_card(hum(1))
    period.set(Audio(card=True, hear="a", speak="a"))
    assert len(told) == 1
    period.set(Audio(card=True))
    period.without_card(mix=True)
    period.set(Audio(card=True, hear="b", speak="b"))
    assert len(told) == 2
    assert not np.concatenate(told).any()


def test_each_leg_is_told_once_each_way(room: Room, door: Callable[..., Door]) -> None:
    it = door()
    it.bridge.says = np.ones(PERIOD, np.int16)
    it.sound.set(Audio(card=True, hear="a"))
    it.wait_for(AudioFlowed)
    it.sound.set(Audio(card=True, hear="a", speak="a"))
    it.wait_for(AudioFlowed, 2)
    it.sound.set(Audio(card=True, hear="b", speak="b"))
    it.wait_for(AudioFlowed, 4)
    it.wait_beats(30)
    flows = it.told(AudioFlowed)
    assert flows[:2] == [AudioFlowed("a", "in"), AudioFlowed("a", "out")]
    assert sorted(flows[2:], key=str) == [AudioFlowed("b", "in"), AudioFlowed("b", "out")]


def test_without_a_card_calls_and_tones_go_on_and_nothing_flows(no_card: None, door: Callable[..., Door]) -> None:
    it = door()
    it.bridge.says = np.ones(PERIOD, np.int16)
    it.sound.set(Audio(card=True, hear="a", speak="a"))
    assert "no sound card 'system'" in it.wait_for(AudioDeviceLost).reason
    since, before = time.monotonic(), it.sound.beats
    it.sound.play(Tone.STILL_RINGING)
    it.wait_for(TonePlayed)
    it.wait_beats(300)
    rate = (it.sound.beats - before) / (time.monotonic() - since)
    assert rate == pytest.approx(1000 / PERIOD_MS, rel=0.05)
    assert len(it.told(AudioDeviceLost)) == 1, "once per outage, however often it is tried again"
    assert not it.told(AudioFlowed)
    assert not np.concatenate(it.bridge.told).any()
    it.sound.set(Audio())
    wait_until(lambda: not it.sound._silent.running, 3, "the silent clock stops")
    assert not it.told(AudioDeviceClosed), "what was not open is not closed"
    it.sound.set(Audio(card=True))
    it.wait_for(AudioDeviceLost, 2)


def test_a_card_that_comes_late_is_taken_up(no_card: None, door: Callable[..., Door], tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    it = door()
    it.sound.set(Audio(card=True, loop=Tone.RINGBACK))
    it.wait_for(AudioDeviceLost)
    late = Jackd(tmp_path)
    monkeypatch.setenv("JACK_DEFAULT_SERVER", late.name)
    try:
        it.wait_for(AudioDeviceOpened)
        it.wait_beats(50)
        assert len(it.told(AudioDeviceLost)) == 1
        it.sound.set(Audio())
        it.wait_for(AudioDeviceClosed)
    finally:
        it.sound.close()
        late.stop()


def test_a_wrong_name_tells_the_right_ones(room: Room, door: Callable[..., Door]) -> None:
    it = door(card_in="USB Audio")
    it.sound.set(Audio(card=True))
    reason = it.wait_for(AudioDeviceLost).reason
    assert "'USB Audio'" in reason
    assert "there are: " in reason
    assert "'system'" in reason
    assert not room.ports_open()


@pytest.mark.parametrize("name", ["", "SYSTEM", "yste"])
def test_a_card_is_found_by_part_of_its_name_or_by_default(room: Room, door: Callable[..., Door], name: str) -> None:
    it = door(card_in=name, card_out=name)
    it.sound.set(Audio(card=True))
    assert it.wait_for(AudioDeviceOpened).card == "system"


def test_an_error_in_the_callback_costs_the_card_but_not_the_clock(room: Room, door: Callable[..., Door]) -> None:
    it = door()
    it.sound.set(Audio(card=True))
    it.wait_for(AudioDeviceOpened)
    it.bridge.trouble = RuntimeError("boom")
    assert it.wait_for(AudioDeviceLost).reason == "audio failed in the card's callback: RuntimeError: boom"
    it.wait_beats(50)
    it.wait_for(AudioDeviceOpened, 2)
    it.wait_beats(50)
    assert len(it.told(AudioDeviceLost)) == 1


def test_the_silent_clock_keeps_time_on_one_thread_for_ever() -> None:
    beats: list[float] = []
    begun: list[int] = []

    def beat() -> None:
        beats.append(time.monotonic())
        time.sleep(0.004)  # what a beat costs, or oversleeps, must not add up

    clock = NullClock(10, lambda: begun.append(threading.get_ident()), beat)
    for turn in (1, 2):
        beats.clear()
        clock.start()
        clock.start()
        wait_until(lambda: len(beats) > 100, 5, "100 beats")
        assert clock.stop()
        assert (beats[100] - beats[0]) / 100 == pytest.approx(0.01, rel=0.05), turn
    assert len(begun) == 1


def test_the_silent_clock_has_stopped_when_it_says_so() -> None:
    log: list[str] = []

    def beat() -> None:
        log.append("in")
        time.sleep(0.05)
        log.append("out")

    clock = NullClock(10, lambda: None, beat)
    clock.start()
    wait_until(lambda: log[-1:] == ["in"], 5, "a beat has begun")
    assert not clock.stop(0.001)
    assert clock.stop()
    assert log[-1] == "out"
    count = len(log)
    time.sleep(0.05)
    assert len(log) == count


def test_the_echo_is_gone_and_the_voice_is_not() -> None:
    """A room of 30 ms with a -6 dB echo; the far end speaks first, then the visitor."""
    rng = np.random.default_rng(7)
    syllables = np.repeat(np.abs(np.sin(np.arange(12 * RATE) * 2 * np.pi * 2 / RATE)), 1)
    far = (rng.standard_normal(12 * RATE) * 2500 * syllables).astype(np.int16)
    echo = np.roll(far, 480) // 2
    voice = (speech_tone(500, 2, RATE) * 32767).astype(np.int16)
    near = echo.copy()
    near[10 * RATE :] = voice  # the far end is silent then
    far[10 * RATE - 480 :] = 0
    canceller, clean = Canceller(RATE, PERIOD_MS), np.zeros_like(near)
    for at in range(0, len(near), PERIOD):
        clean[at : at + PERIOD] = canceller.process(near[at : at + PERIOD], far[at : at + PERIOD])
    window = slice(6 * RATE, 9 * RATE)
    assert level_dbfs(clean[window] / 32768) < level_dbfs(near[window] / 32768) - 25
    assert find_tone((clean[10 * RATE + 4000 :] / 32768).astype(np.float32), RATE, 500).heard


def test_a_canceller_needs_whole_frames() -> None:
    with pytest.raises(ValueError, match="steps of 10 ms"):
        Canceller(RATE, 15)


def test_the_room_does_not_come_back_as_echo(room: Room, door: Callable[..., Door]) -> None:
    """The same on the real card: loudspeaker, room, microphone, canceller, bridge."""
    it = door(echo=True)
    rng = np.random.default_rng(7)
    it.bridge.says = (rng.standard_normal(4 * RATE) * speech_tone(2, 4.0, RATE) * 12000).astype(np.int16)
    room.echo(delay_ms=20, gain_db=-6)
    it.sound.set(Audio(card=True, hear="a", speak="a"))
    it.wait_for(AudioDeviceOpened)
    since = time.monotonic()
    it.wait_beats(500, 10)
    assert time.monotonic() - since > 4
    taken = []
    for _ in range(4):  # a period that the machine loses costs the canceller a second
        began, beat = time.monotonic(), len(it.bridge.told)
        it.wait_beats(150)
        taken.append(level_dbfs(room.spoken(since=began)) - level_dbfs(it.bridge.told_since(beat)))
        if taken[-1] > 16:  # noise, unlike speech, leaves its comfort noise: 19 dB are seen
            return
    pytest.fail(f"the canceller takes out no more than {max(taken):.1f} dB")
