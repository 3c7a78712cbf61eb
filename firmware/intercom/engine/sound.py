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
from typing import Any, Self

import pyaudio

from intercom.core.commands import Audio, Tone
from intercom.core.events import CardClosed, CardLost, CardOpened, Event
from intercom.engine.clock import Period, SilentClock
from intercom.engine.conference import Bridge
from intercom.engine.echo import Canceller
from intercom.engine.tones import Player, Tones
from intercom.errors import HardwareError

WATCH_S = 0.25  # between two looks at a card that runs
DEAD_S = 1.0  # without a callback: no card has a hiccup this long
SEEK_S = 2.0  # between two attempts to open a card that is not there
HOLD_S = 1.0  # tones wait this long for a card that is being opened, so that a chime is heard from its first sample
HANG_S = 3.0  # for opening; longer, and the card is told as lost while the driver still keeps the worker
FLUSH_PERIODS = 20  # PJSIP carries out removals from its bridge on the bridge's clock: this many after the last sound
CLOSE_S = 2.0  # for everything at shutdown
PRIORITY = 20  # of the card's thread among real-time ones; the kernel's own interrupt threads have 50


class Stderr:
    """File descriptor 2, turned away while PortAudio, ALSA and JACK probe: they print pages to it."""

    def __enter__(self) -> Self:
        self._sink = os.memfd_create("chatter", os.MFD_CLOEXEC)
        self._kept: int | None = os.dup(2)
        self._restoring = threading.Lock()
        os.dup2(self._sink, 2)
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()
        os.close(self._sink)

    def restore(self) -> None:
        """Give it back, from any thread. Harmless when it is."""
        with self._restoring:
            if self._kept is not None:
                os.dup2(self._kept, 2)
                os.close(self._kept)
                self._kept = None

    def size(self) -> int:
        """How much has been said so far, in bytes."""
        return os.fstat(self._sink).st_size

    def last_line(self, after: int) -> str:
        """The last thing a driver said since `size` was `after`; "" for nothing that helps."""
        start = max(after, self.size() - 4096)
        lines = os.pread(self._sink, 4096, start).decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip() and "Expression '" not in line), "")


class Card:
    """One opening of the sound card, from PortAudio's start to its end: its list of cards is made at its start."""

    def __init__(
        self, turn: Callable[[bytes], bytes], silence: bytes, begin: Callable[[], None], wake: Callable[[], None]
    ) -> None:
        """`turn` trades a microphone's period for a loudspeaker's; `begin` is called once on the callback's thread."""
        self._turn, self._silence, self._begin, self._wake = turn, silence, begin, wake
        self._audio: Any = None
        self._stream: Any = None
        self._seen = (0, 0.0)
        self.name = ""
        self.calls = 0
        self.failure = ""
        self.driving = False
        self.first = threading.Event()

    def open(self, name_in: str, name_out: str, rate_hz: int, stderr: Stderr) -> None:
        """Open it, full duplex. HardwareError tells in words why not."""
        # plughw converts what the card cannot do itself; a missing JACK server is not ours to start.
        os.environ["PA_ALSA_PLUGHW"] = os.environ["JACK_NO_START_SERVER"] = "1"
        try:
            self._audio = pyaudio.PyAudio()
        except OSError as error:
            raise HardwareError(f"PortAudio does not start: {error.args[-1]}") from None
        source, sink = self._choose(name_in, name_out)
        self.name = source["name"] if source["name"] == sink["name"] else f"{source['name']} / {sink['name']}"
        said = stderr.size()
        try:
            self._stream = self._audio.open(
                rate=rate_hz,
                channels=1,
                format=pyaudio.paInt16,
                input=True,
                output=True,
                input_device_index=source["index"],
                output_device_index=sink["index"],
                frames_per_buffer=len(self._silence) // 2,
                stream_callback=self._callback,
            )
        except OSError as error:
            why = f"{error.args[-1]}; {stderr.last_line(said)}".removesuffix("; ")
            if error.errno in {pyaudio.paInvalidSampleRate, pyaudio.paInvalidChannelCount}:
                # Converting here is for a later version; ALSA's plughw does it for every card of its own.
                own = f"{source['defaultSampleRate']:.0f} Hz, {sink['maxOutputChannels']} channels"
                why = f"it refuses {rate_hz} Hz mono (its own: {own}), and converting is not supported yet"
            raise HardwareError(f"sound card {self.name!r} cannot be opened: {why}") from None

    def close(self) -> None:
        """Close it and PortAudio. Can block for as long as a driver likes."""
        self.driving = False
        if self._stream is not None:
            with contextlib.suppress(OSError):  # PyAudio has closed it itself after an error
                self._stream.close()
        if self._audio is not None:
            self._audio.terminate()
        self._audio = self._stream = None

    def trouble(self) -> str:
        """Why it no longer runs; "" while it does. To be asked now and then: it needs DEAD_S to see a silent death."""
        calls, now = self.calls, time.monotonic()
        if self.failure:
            return self.failure
        if calls != self._seen[0]:
            self._seen = (calls, now)
        elif now - self._seen[1] > DEAD_S:
            return f"sound card {self.name!r} has stopped: no sound for {DEAD_S:g} s"
        with contextlib.suppress(OSError):
            if self._stream.is_active():
                return ""
        return f"sound card {self.name!r} is gone"

    def _callback(self, data: bytes, _frames: int, _times: object, _status: int) -> tuple[bytes, int]:
        # On PortAudio's thread. What escapes from here, PyAudio throws into the main thread some time later.
        try:
            if not self.calls:
                self._begin()
            self.calls += 1
            if self.driving:
                return self._turn(data), pyaudio.paContinue
        except BaseException as error:  # noqa: BLE001 - even SystemExit: see above
            self.failure = f"audio failed in the card's callback: {type(error).__name__}: {error}"
            self.driving = False
            self._wake()
            return self._silence, pyaudio.paAbort
        self.first.set()
        return self._silence, pyaudio.paContinue

    def _choose(self, name_in: str, name_out: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Microphone and loudspeaker by name; both of one host API, because a stream cannot span two."""
        apis = [self._audio.get_host_api_info_by_index(i) for i in range(self._audio.get_host_api_count())]
        cards = [self._audio.get_device_info_by_index(i) for i in range(self._audio.get_device_count())]
        for exact in (True, False):
            for api in apis:
                own = [card for card in cards if card["hostApi"] == api["index"]]
                source = _pick([c for c in own if c["maxInputChannels"]], name_in, exact, api["defaultInputDevice"])
                sink = _pick([c for c in own if c["maxOutputChannels"]], name_out, exact, api["defaultOutputDevice"])
                if source and sink:
                    return source, sink
        wanted = " and ".join(sorted({repr(name) if name else "a default" for name in (name_in, name_out)}))
        there = ", ".join(sorted({repr(card["name"]) for card in cards})) or "none at all"
        raise HardwareError(f"no sound card {wanted} with microphone and loudspeaker; there are: {there}")


def _pick(cards: list[dict[str, Any]], name: str, exact: bool, default: int) -> dict[str, Any] | None:
    wanted = name.casefold()
    for card in cards:
        known = card["name"].casefold()
        if (known == wanted or (not exact and wanted in known)) if name else card["index"] == default:
            return card
    return None


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
        post: Callable[[Event], None],
        register_thread: Callable[[str], None],
    ) -> None:
        """Nothing is opened yet. `post` and `register_thread` are called on threads of PortAudio's and of ours."""
        self._names, self._rate_hz = (card_in, card_out), rate_hz
        self._post, self._register_thread = post, register_thread
        self._player = Player(tones)
        self._canceller = Canceller(rate_hz, period_ms) if echo else None
        self._period = Period(bridge, self._player, self._canceller, rate_hz * period_ms // 1000, post)
        self._silent = SilentClock(period_ms, lambda: register_thread("silent clock"), self._silent_beat)

        self._card: Card | None = None
        self._opening: tuple[float, Stderr] | None = None  # since when
        self._busy_since = 0.0
        self._hold_until = self._seek_at = 0.0
        self._lost = False
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

    def set(self, audio: Audio) -> None:
        """Make the sound so; returns at once. Privacy needs no worker: from here on nothing else is spoken or heard."""
        self._period.audio = audio
        if audio.card:
            self._player.loop(audio.loop)
        else:
            self._player.stop()
        self._news.set()

    def play(self, tone: Tone) -> None:
        """Play a tone once, at once; TonePlayed tells its end, unless another tone or the closing cut it short."""
        self._player.play(tone)

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
        while not self._leaving:
            self._busy_since, pause = time.monotonic(), None
            if self._period.audio.card:
                pause = self._tend()
            else:
                self._shut()
            self._busy_since = 0.0
            self._news.wait(pause)
            self._news.clear()
        self._shut()

    def _tend(self) -> float:
        """Have the card run; the seconds until the next look."""
        now = time.monotonic()
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

    def _open(self) -> None:
        card = Card(self._period.with_card, self._period.silence, self._begin_card, self._news.set)
        try:
            with Stderr() as stderr:
                self._opening = time.monotonic(), stderr
                card.open(*self._names, self._rate_hz, stderr)
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
        self._card = card
        self._silent.stop()
        card.driving = True
        self._lost = False
        self._post(CardOpened(card.name))

    def _lose(self, card: Card, reason: str) -> None:
        card.driving = False
        self._silent.start()
        self._tell_lost(reason)
        card.close()
        self._card = None
        self._seek_at = time.monotonic() + SEEK_S

    def _tell_lost(self, reason: str) -> None:
        with self._telling:  # by the worker, or by the silent clock while the worker is stuck
            if self._lost:
                return
            self._lost = True
        self._post(CardLost(reason))

    def _shut(self) -> None:
        """Have nothing run."""
        self._seek_at, self._lost = 0.0, False
        if self._card is not None:
            self._card.driving = False
            self._silent.start()
            self._card.close()
            self._card = None
            self._post(CardClosed())
        target = self._period.beats + FLUSH_PERIODS
        until = time.monotonic() + 1.0
        while self._silent.running and not (self._leaving or self._period.audio.card):
            if self._period.beats >= target or time.monotonic() > until:
                self._silent.stop()
            time.sleep(0.01)
