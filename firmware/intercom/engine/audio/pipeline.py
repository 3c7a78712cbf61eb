# SPDX-License-Identifier: GPL-2.0-or-later
"""One period of audio, and the clock that drives it while no sound card does."""

import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from intercom.core.commands import Audio
from intercom.core.events import IN_BAND, AudioFlowed, DigitReceived, Event, TonePlayed
from intercom.engine.audio.agc import Gain
from intercom.engine.audio.bridge import Bridge
from intercom.engine.audio.dtmf_detector import DtmfDetector
from intercom.engine.audio.echo_canceller import Canceller
from intercom.engine.audio.echo_meter import EchoMeter
from intercom.engine.audio.sweep import Probe
from intercom.engine.audio.tones import Player
from intercom.engine.audio.voice_switch import Turns

Samples = npt.NDArray[np.int16]

WAIT_S = 0.002  # for the main thread, which drives two periods when a conversation begins
# After a stall longer than this (a suspended machine) the missed periods are left out, not made up for in a burst.
STALL_S = 0.5


class Period:
    """What happens once per period, on the thread of whichever clock runs: nothing waits, nothing piles up.

    A period goes through as bytes, int16, mono: only what has to be looked at or changed is made an array of. Numpy
    alone took half of what a period costs where nothing but passing it on is to be done.
    """

    def __init__(
        self,
        bridge: Bridge,
        player: Player,
        canceller: Canceller | None,
        gain: Gain | None,
        notes: EchoMeter,
        turns: Turns,
        samples: int,
        post: Callable[[Event], None],
    ) -> None:
        self.audio = Audio()
        """How the sound shall be. Replaced whole, by `set`."""
        self.microphone_lives = self.heard_lives = False
        """Whether either gave anything but digital silence since somebody set this to False."""
        self.probe: Probe | None = None
        """What a trial of the sound does; likewise."""
        self.keys: DtmfDetector | None = None
        """What listens for keys in what the leg that talks says; likewise."""
        self.beats = 0
        """Periods driven so far."""
        self._bridge, self._player, self._canceller, self._post = bridge, player, canceller, post
        self._gain = gain
        self._notes, self._turns = notes, turns
        self._turn = threading.Lock()  # two threads at once would corrupt the bridge
        self.silence = bytes(2 * samples)
        """One period."""
        self._down = self._said = self.silence
        """What the loudspeaker played last, and what the calls heard."""
        self._recorded = b""
        """What the microphone brought last; empty while it brings nothing."""
        self._heard_leg = self._spoken_leg = ""  # told by AudioFlowed

    def set(self, audio: Audio) -> None:
        """Have the sound so; who may listen from now on hears at once. For the main thread, with that leg connected.

        The bridge makes the connection in its next period, and sends when the packet of 20 ms is full: two periods are
        driven here, and the packet need not wait for the card. The first is silence, the other the one that the
        microphone recorded last, up to 20 ms before now. That is no eavesdropping: the visit runs since the press, this
        leg has answered, a person has confirmed it where that is asked for, and a tenth of a syllable is all that may
        be older than the answer. Nothing is kept longer, and it goes to nobody else.

        A call that is heard already (early media) would lose two periods of that, so there it is left out.
        """
        begins = audio.card and audio.speak and not (self.audio.speak or self.audio.hear)
        if not (begins and self._turn.acquire(timeout=10 * WAIT_S)):
            self.audio = audio
            return
        try:
            self.audio = audio
            if self._recorded:
                for period in (self.silence, self._recorded):
                    self._bridge.put(period)
                    self._bridge.get()
                self._said = self._recorded
                self._tell_spoken()
        finally:
            self._turn.release()

    def with_card(self, microphone: bytes) -> bytes:
        """Take one period of the microphone, give one for the loudspeaker: int16, mono."""
        if not self._turn.acquire(timeout=WAIT_S):
            return self.silence
        try:
            # First what was said, then what is heard: the other way round it would wait in the bridge for a period.
            self._speak(microphone)
            down = self._listen(mix=True, card=True)
            if (probe := self.probe) is not None:
                down = probe.period(microphone, down)
            self._down = down
            return down
        finally:
            self._turn.release()

    def without_card(self, mix: bool) -> None:
        """Drive the bridge with silence; with `mix`, tones pass as if somebody heard them."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            self._said, self._recorded = self.silence, b""
            self._bridge.put(self._said)
            self._listen(mix, card=False)
            self.beats += 1
        finally:
            self._turn.release()

    def _listen(self, mix: bool, card: bool) -> bytes:
        """Return what the calls say, and the tones."""
        heard, leg = self._bridge.get(), self.audio.hear
        if leg:
            if card and not (self.heard_lives and leg == self._heard_leg) and heard != self.silence:
                self.heard_lives = True
                if leg != self._heard_leg:
                    self._heard_leg = leg
                    self._post(AudioFlowed(leg, "in"))
            if (keys := self.keys) is not None and leg == self.audio.speak:
                for key in keys.take(_samples(heard), _samples(self._said)):
                    self._post(DigitReceived(leg, key, IN_BAND))
            if self.audio.half_duplex:
                down = _samples(heard).copy()
                self._turns.play(down)
                heard = down.tobytes()
        else:
            heard = self.silence
        if mix and self._player.busy:
            down = _samples(heard).copy()
            for tone in self._player.mix_into(down):
                self._post(TonePlayed(tone))
            heard = down.tobytes()
        return heard

    def _speak(self, microphone: bytes) -> None:
        """The microphone to the calls, if they may hear it; else silence."""
        self.microphone_lives = self.microphone_lives or microphone != self.silence
        speech = 1.0
        if self._canceller is not None:
            # Also while nobody listens: the chime and the ringback teach it the room before the first word. `_down`
            # was given out in the period before: of what comes next the microphone holds nothing yet.
            down = _samples(self._down)
            clean = self._canceller.process(_samples(microphone), down)
            self._notes.take(self._down, microphone, clean.tobytes())
            speech = self._canceller.speech
            if self._gain is not None:
                clean = self._gain.process(clean, down, speech)
            microphone = clean.tobytes()
        audio = self.audio
        if audio.half_duplex:
            microphone = self._turns.record(_samples(microphone), speech).tobytes()
        self._recorded = microphone
        speaking = audio.card and audio.speak != ""
        self._said = microphone if speaking else self.silence
        self._bridge.put(self._said)
        self.beats += 1
        if speaking:
            self._tell_spoken()

    def _tell_spoken(self) -> None:
        leg = self.audio.speak
        if leg != self._spoken_leg:
            self._spoken_leg = leg
            self._post(AudioFlowed(leg, "out"))


def _samples(period: bytes) -> Samples:
    return np.frombuffer(period, np.int16)


class NullClock:
    """Calls a function once per period, on a thread of its own: calls, their digits and the door need no card.

    Period n is due n periods after the start, not one after the last, so an oversleep is made up for and the rate
    is exact. The thread lives on between uses: PJSIP keeps a little memory for each thread it ever met.
    """

    def __init__(self, period_ms: int, begin: Callable[[], None], beat: Callable[[], None]) -> None:
        """`begin` is called once on the thread before the first `beat`. An exception of either ends the clock."""
        self._period_s = period_ms / 1000
        self._begin, self._beat = begin, beat
        self._turn = threading.Lock()  # held during a beat
        self._going = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether it is started; also when an exception has ended it."""
        return self._going.is_set()

    def start(self) -> None:
        """Beat from now on. Harmless when it does."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="silent clock", daemon=True)
            self._thread.start()
        self._going.set()

    def stop(self, timeout_s: float = -1) -> bool:
        """Return when no beat runs and none will begin; False when that took longer than `timeout_s` seconds."""
        self._going.clear()
        if not self._turn.acquire(timeout=timeout_s):
            return False
        self._turn.release()
        return True

    def _run(self) -> None:
        self._begin()
        while self._going.wait():
            due = time.monotonic()
            while self._one():
                due += self._period_s
                late = time.monotonic() - due
                if late < 0:
                    time.sleep(-late)
                elif late > STALL_S:
                    due += late

    def _one(self) -> bool:
        # Asked again inside: `stop` has cleared it before it waits for the turn.
        with self._turn:
            if not self._going.is_set():
                return False
            self._beat()
        return True
