# SPDX-License-Identifier: GPL-2.0-or-later
"""The sound card, and the clock of all audio.

Whichever clock runs, it drives the conference bridge one period at a time: the card's own callback while the card is
open, the silent clock while it is being opened, has failed or has died. Three kinds of threads meet here. The main
thread says how the sound shall be and never waits. The worker opens, watches and closes the card, which can block.
A clock's thread runs the period, and waits for nobody.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from intercom.core.commands import Audio, Tone
from intercom.core.events import (
    AudioDeviceClosed,
    AudioDeviceLost,
    AudioDeviceOpened,
    AudioDevicesListed,
    Event,
    SoundCheckKind,
    SweepHeard,
)
from intercom.engine.audio import alsa_mixer, wav
from intercom.engine.audio.agc import Gain
from intercom.engine.audio.bridge import Bridge
from intercom.engine.audio.devices import survey
from intercom.engine.audio.dtmf_detector import DtmfDetector
from intercom.engine.audio.echo_canceller import Canceller
from intercom.engine.audio.echo_meter import EchoMeter, EchoReport
from intercom.engine.audio.pipeline import NullClock, Period
from intercom.engine.audio.stream import DEAD_S, Card, Making, Stderr
from intercom.engine.audio.sweep import METER_S, TALK_S, Meter, Sweep
from intercom.engine.audio.tones import Player, Tones
from intercom.engine.audio.voice_switch import Turns
from intercom.errors import HardwareError, SoundFileError

WATCH_S = 0.25  # between two looks at a card that runs
SEEK_S = 2.0  # between two attempts to open a card that is not there
HOLD_S = 1.0  # tones wait this long for a card that is being opened, so that a chime is heard from its first sample
HANG_S = 3.0  # for opening; longer, and the card is told as lost while the driver still keeps the worker
FLUSH_PERIODS = 20  # PJSIP carries out removals from its bridge on the bridge's clock: this many after the last sound
CLOSE_S = 2.0  # for everything at shutdown
ROOM_S = 0.3  # until an echo has died away, after it has come
PRIORITY = 20  # of the card's thread among real-time ones; the kernel's own interrupt threads have 50


class Sound:
    """The card, and the clock of all audio."""

    def __init__(
        self,
        *,
        bridge: Bridge,
        tones: Tones,
        rate_hz: int,
        period_ms: int,
        card_in: str,
        card_out: str,
        echo: bool,
        gain: bool = False,
        levels: tuple[str, ...] = (),
        microphone_db: float = 0.0,
        loudspeaker_db: float = 0.0,
        post: Callable[[Event], None],
        register_thread: Callable[[str], None],
    ) -> None:
        """Nothing is opened yet. `post` and `register_thread` are called on threads of PortAudio's and of ours."""
        self._names = (card_in, card_out)
        self._levels, self._mix = levels, bool(levels)
        self._making = Making(rate_hz, period_ms, microphone_db, loudspeaker_db)
        self._post, self._register_thread = post, register_thread
        self._tones, self._player = tones, Player(tones)
        self._tried = self._keys_of = ""
        """An operator's sound that plays; the leg that is listened to for keys."""
        self._canceller = Canceller(rate_hz, period_ms) if echo else None
        # Without the canceller nobody knows what is a voice.
        learned = Gain(period_ms) if echo and gain else None
        self._notes, self._turns = EchoMeter(rate_hz, period_ms), Turns(period_ms)
        samples = rate_hz * period_ms // 1000
        self._period = Period(bridge, self._player, self._canceller, learned, self._notes, self._turns, samples, post)
        self._silent = NullClock(period_ms, lambda: register_thread("silent clock"), self._silent_beat)

        self._card: Card | None = None
        self._opening: tuple[float, Stderr] | None = None  # since when
        self._busy_since = 0.0
        self._hold_until = self._seek_at = 0.0
        self._lost = self._survey_wanted = False
        self._beats_told = -1
        self._telling = threading.Lock()
        self._leaving = False
        self._news = threading.Event()
        self._worker = threading.Thread(target=self._work, name="sound card", daemon=True)
        self._worker.start()

    @property
    def beats(self) -> int:
        """Periods driven so far, by whichever clock. It stands still while no sound is wanted."""
        return self._period.beats

    @property
    def blocked_s(self) -> float:
        """How long a driver has kept the worker, in seconds; 0.0 while it does not.

        Beyond a few seconds it may stay so for minutes (PortAudio waits ten for a JACK server that died), and only a
        new process gets the card back. Calls go on meanwhile.
        """
        since = self._busy_since
        return time.monotonic() - since if since else 0.0

    def keeps_time(self) -> bool:
        """Tell whether the clock went on since this was last asked. One that is not wanted may stand still."""
        wanted, beats = self._period.audio.card, self._period.beats
        stands = wanted and beats == self._beats_told
        self._beats_told = beats if wanted else -1
        return not stands

    def set(self, audio: Audio) -> None:
        """Make the sound so; returns at once. Privacy needs no worker: from here on nothing else is spoken or heard."""
        self._period.set(audio)
        if audio.card:
            self._player.loop(audio.loop)
        else:
            self._player.stop()
        self._try(audio.trial, talks=audio.speak != "")
        self._news.set()

    def listen_for_keys(self, leg: str) -> None:
        """Tell keys that come as tones in what this leg says; of nobody's when empty."""
        if leg != self._keys_of:
            self._keys_of = leg
            self._period.keys = DtmfDetector(self._making.rate_hz) if leg else None

    def play(self, tone: Tone) -> None:
        """Play a tone once, at once; TonePlayed tells its end, unless another tone or the closing cut it short."""
        self._player.play(tone)

    def judge(self) -> EchoReport | None:
        """Judge how the echo was taken out lately, and let the canceller know; None while there is nothing to judge."""
        if self._canceller is None or self._card is None:
            return None
        judgement = self._notes.judge()
        if judgement.echo is not None:
            self._canceller.echoless = not judgement.echo
        if judgement.echo:
            self._turns.echo_s = judgement.delay_s + ROOM_S
        return judgement

    def alive(self) -> tuple[bool, bool]:
        """Whether the microphone and the far end gave anything but digital silence since this was last asked."""
        period = self._period
        lived = period.microphone_lives, period.heard_lives
        period.microphone_lives = period.heard_lives = False
        return lived

    def sweep(self) -> None:
        """Play the self test's sweep as soon as the card is open, and tell what is heard."""
        self._period.probe = Sweep(self._making.rate_hz, self._news.set)

    def play_sound(self, sound: str) -> None:
        """Play an operator's sound once: "tone chime" or "file /path". One that cannot be read is not played."""
        way, _, name = sound.partition(" ")
        with contextlib.suppress(SoundFileError, ValueError):
            samples = self._tones.samples(Tone(name)) if way == "tone" else wav.read(Path(name), self._making.rate_hz)
            self._tried = sound
            self._player.play(sound, samples)

    def list_cards(self) -> None:
        """Have all cards told; those of a door at rest are tried, too."""
        self._survey_wanted = True
        self._news.set()

    def _try(self, trial: str, *, talks: bool) -> None:
        """Have the probe that belongs to a trial or to a conversation, and end what belonged to another."""
        probe = self._period.probe
        if trial == SoundCheckKind.LEVELS or talks:
            if not isinstance(probe, Meter):
                self._period.probe = Meter(self._making.rate_hz, self._post, TALK_S if talks else METER_S)
        elif trial not in (SoundCheckKind.TEST, SoundCheckKind.REFERENCE):
            self._period.probe = None
        if self._tried and trial != SoundCheckKind.PLAY:
            self._player.drop(self._tried)
            self._tried = ""

    def close(self) -> None:
        """Close everything, in CLOSE_S at most. Afterwards no thread of ours touches the bridge."""
        self._leaving = True
        self.set(Audio())
        self._worker.join(CLOSE_S)
        card = self._card
        if card is not None:  # the driver keeps the worker: at least the bridge is left alone
            card.driving = False
        self._silent.stop(CLOSE_S / 4)

    # ---- on the clocks' threads ----

    def _silent_beat(self) -> None:
        now, opening = time.monotonic(), self._opening
        if opening and now - opening[0] > HANG_S:
            opening[1].restore()
            self._tell_lost(f"the sound card does not answer: opening it takes longer than {HANG_S:g} s")
        self._period.without_card(mix=now >= self._hold_until)

    def _begin_card(self) -> None:
        self._register_thread("card")
        with contextlib.suppress(OSError):  # where it is not allowed, it is only less punctual
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))

    # ---- the worker ----

    def _work(self) -> None:
        self._restore_mixer()
        while not self._leaving:
            self._busy_since, pause = time.monotonic(), None
            if self._period.audio.card:
                pause = self._tend()
            else:
                self._shut()
            if self._survey_wanted:
                self._survey_wanted = False
                self._post(AudioDevicesListed(tuple(survey(tried=self._card is None)), self._card is not None))
            self._busy_since = 0.0
            self._news.wait(pause)
            self._news.clear()
        self._shut()

    def _tend(self) -> float:
        """Have the card run; the seconds until the next look."""
        now = time.monotonic()
        probe = self._period.probe
        if isinstance(probe, Sweep) and probe.over:
            self._period.probe = None
            self._post(SweepHeard(probe.acoustics()))
        if self._card is not None:
            if reason := self._card.trouble():
                self._lose(self._card, reason)
            return WATCH_S
        if now >= self._seek_at:
            self._hold_until = 0.0 if self._lost else now + HOLD_S
            self._silent.start()
            self._open()
            self._hold_until = 0.0
            self._seek_at = time.monotonic() + SEEK_S
        return WATCH_S if self._card else max(0.0, self._seek_at - time.monotonic())

    def _restore_mixer(self) -> None:
        if self._mix:
            self._mix = not alsa_mixer.restore(*self._names, self._levels)

    def _open(self) -> None:
        self._restore_mixer()
        card = Card(self._period.with_card, self._making, self._begin_card, self._news.set)
        try:
            with Stderr() as stderr:
                self._opening = time.monotonic(), stderr
                card.open(*self._names, stderr)
                self._opening = None
            if not card.first.wait(DEAD_S):
                raise HardwareError(card.failure or f"sound card {card.name!r} opens, but no sound comes")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must live to try again
            self._opening = None
            self._tell_lost(str(error) or type(error).__name__)
            card.close()
            return
        if self._canceller is not None:
            self._canceller.reset()
            self._notes.reset()
        self._card = card
        self._silent.stop()
        card.driving = True
        self._lost = False
        self._post(AudioDeviceOpened(card.name))

    def _lose(self, card: Card, reason: str) -> None:
        card.driving = False
        self._silent.start()
        self._mix = bool(self._levels)  # when it is back it has forgotten them
        self._tell_lost(reason)
        card.close()
        self._card = None
        self._seek_at = time.monotonic() + SEEK_S

    def _tell_lost(self, reason: str) -> None:
        with self._telling:  # by the worker, or by the silent clock while the worker is stuck
            if self._lost:
                return
            self._lost = True
        self._post(AudioDeviceLost(reason))

    def _shut(self) -> None:
        """Have nothing run."""
        self._seek_at, self._lost = 0.0, False
        if self._card is not None:
            self._card.driving = False
            self._silent.start()
            self._card.close()
            self._card = None
            self._post(AudioDeviceClosed())
        target = self._period.beats + FLUSH_PERIODS
        until = time.monotonic() + 1.0
        while self._silent.running and not (self._leaving or self._period.audio.card):
            if self._period.beats >= target or time.monotonic() > until:
                self._silent.stop()
            time.sleep(0.01)
