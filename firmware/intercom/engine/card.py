# SPDX-License-Identifier: GPL-2.0-or-later
"""PyAudio: one opening of the sound card, its callback, and the chatter of drivers kept out of the journal."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import pyaudio

from intercom.errors import HardwareError

DEAD_S = 1.0  # without a callback: no card has a hiccup this long


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
        asked = {repr(name) if name else "of the system's own choice" for name in (name_in, name_out)}
        wanted = " and ".join(sorted(asked))
        there = ", ".join(sorted({repr(card["name"]) for card in cards})) or "none at all"
        raise HardwareError(f"no sound card {wanted} with microphone and loudspeaker; there are: {there}")


def _pick(cards: list[dict[str, Any]], name: str, exact: bool, default: int) -> dict[str, Any] | None:
    wanted = name.casefold()
    for card in cards:
        known = card["name"].casefold()
        if (known == wanted or (not exact and wanted in known)) if name else card["index"] == default:
            return card
    return None
