# SPDX-License-Identifier: GPL-2.0-or-later
"""PyAudio: one opening of the sound card, its callback, and the chatter of drivers kept out of the journal."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import pyaudio

from intercom.engine.audio import alsa_config
from intercom.engine.audio.elastic_buffer import ElasticBuffer
from intercom.engine.audio.resample import Converter, Format, formats
from intercom.engine.audio.thread_state import ForeignThread
from intercom.errors import HardwareError

WAITING_PERIODS = 3  # of a microphone on a card of its own, before they are taken: both clocks jitter
DEAD_S = 1.0  # without a callback: no card has a hiccup this long
LEAVE_S = 0.1  # for a card's thread to come once more: ten of its periods
CONTINUE = int(pyaudio.paContinue)
_OTHER_FORMAT = {pyaudio.paInvalidSampleRate, pyaudio.paInvalidChannelCount, pyaudio.paSampleFormatNotSupported}


def portaudio() -> Any:
    """Start PortAudio, which makes its list of cards then. `terminate` ends it. Raises HardwareError."""
    # Where a name is none of a card's, ALSA's plughw converts; a missing JACK server is not ours to start.
    os.environ["PA_ALSA_PLUGHW"] = os.environ["JACK_NO_START_SERVER"] = "1"
    try:
        return pyaudio.PyAudio()
    except OSError as error:
        raise HardwareError(f"PortAudio does not start: {error.args[-1]}") from None


def opens(audio: Any, card: dict[str, Any], rate_hz: int) -> bool:
    """Whether a card would open at this rate, in each direction that it has."""
    ways = {way: card[f"max{way.capitalize()}Channels"] for way in ("input", "output")}
    options: dict[str, Any] = {}
    for way, most in ways.items():
        if most:
            options |= {
                f"{way}_device": card["index"],
                f"{way}_channels": min(2, most),
                f"{way}_format": pyaudio.paFloat32,
            }
    try:
        return bool(audio.is_format_supported(rate_hz, **options))
    except (ValueError, OSError):
        return False


@dataclass(slots=True)
class Making:
    """How cards are opened."""

    rate_hz: int
    """Ours; a card may have another."""
    period_ms: int
    microphone_db: float = 0.0
    """Added to what the microphone gives, in dB."""
    loudspeaker_db: float = 0.0
    last: dict[str, Format] = field(default_factory=dict)
    """Card -> how it was open last: tried first the next time."""


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
        self, turn: Callable[[bytes], bytes], made: Making, begin: Callable[[], None], wake: Callable[[], None]
    ) -> None:
        """`turn` trades a microphone's period for a loudspeaker's; `begin` is called once on the callback's thread."""
        self._turn, self._made, self._begin, self._wake = turn, made, begin, wake
        self._audio: Any = None
        self._stream: Any = None
        self._second: Any = None  # the microphone's own card, where it has one
        self._converter: Converter | None = None
        self._elastic: ElasticBuffer | None = None
        self._seen = ((0, 0), 0.0)
        self.name = ""
        self.calls = self.brought = 0
        self.failure = ""
        self.driving = self._leaving = False
        self._guests = {name: ForeignThread() for name in ("card", "microphone")}
        self.first = threading.Event()

    @property
    def format(self) -> Format | None:
        """How it is open."""
        return self._converter.card if self._converter else None

    def open(self, name_in: str, name_out: str, stderr: Stderr) -> None:
        """Open it, full duplex, at the best rate it has. HardwareError tells in words why not."""
        name_in, name_out = alsa_config.confine(name_in, name_out)
        self._audio = portaudio()
        source, sink = self._choose(name_in, name_out)
        self.name = source["name"] if source["name"] == sink["name"] else f"{source['name']} / {sink['name']}"
        if source["index"] == sink["index"]:
            self._stream = self._try(source["name"], formats(source["maxInputChannels"], sink["maxOutputChannels"]),
                                     lambda form: self._open(source, sink, form), stderr)  # fmt: skip
            return
        # The loudspeaker first: it is the clock, and takes from the buffer what the microphone's card has brought.
        most_in, most_out = source["maxInputChannels"], sink["maxOutputChannels"]
        self._stream = self._try(
            sink["name"], formats(most_out, most_out), lambda form: self._open(None, sink, form), stderr
        )
        self._second = self._try(
            source["name"], formats(most_in, most_in), lambda form: self._open(source, None, form), stderr
        )

    def _try(self, name: str, tried: list[Format], how: Callable[[Format], Any], stderr: Stderr) -> Any:
        """Return a stream of the first format that the card takes, beginning with the one it took last."""
        said = stderr.size()
        for form in sorted(tried, key=lambda form: form != self._made.last.get(name)):
            try:
                stream = how(form)
            except OSError as error:
                if error.errno in _OTHER_FORMAT:
                    continue
                why = f"{error.args[-1]}; {stderr.last_line(said)}".removesuffix("; ")
                raise HardwareError(f"sound card {name!r} cannot be opened: {why}") from None
            self._made.last[name] = form
            return stream
        rates = ", ".join(str(rate) for rate in dict.fromkeys(form.rate_hz for form in tried))
        raise HardwareError(f"sound card {name!r} cannot be opened: it refuses {rates} Hz, with one channel and two")

    def _open(self, source: dict[str, Any] | None, sink: dict[str, Any] | None, form: Format) -> Any:
        made = self._made
        converter = Converter(made.rate_hz, made.period_ms, form, made.microphone_db, made.loudspeaker_db)
        callback: Callable[..., tuple[bytes | None, int]] = self._callback
        if sink is not None:
            self._converter = converter
        if source is None:
            samples = made.rate_hz * made.period_ms // 1000
            self._elastic = ElasticBuffer(made.rate_hz, samples, WAITING_PERIODS * samples)
        elif sink is None:
            callback = self._bring(converter)
        return self._audio.open(
            rate=form.rate_hz,
            channels=form.channels,
            format=pyaudio.paFloat32,
            input=source is not None,
            output=sink is not None,
            input_device_index=None if source is None else source["index"],
            output_device_index=None if sink is None else sink["index"],
            frames_per_buffer=converter.frames,
            stream_callback=callback,
        )

    def _bring(self, converter: Converter) -> Callable[..., tuple[None, int]]:
        """Return the callback of a microphone with a clock of its own."""
        elastic, guest = self._elastic, self._guests["microphone"]
        assert elastic is not None

        def callback(data: bytes, _frames: int, _times: object, _status: int) -> tuple[None, int]:
            try:
                if self._leaving:
                    guest.leave()
                    return None, CONTINUE
                if not self.brought:
                    guest.arrive()
                self.brought += 1
                elastic.put(converter.microphone_at(data, elastic.speed))
            except BaseException as error:  # noqa: BLE001 - see _callback
                self.failure = f"audio failed in the microphone's callback: {type(error).__name__}: {error}"
                self._wake()
                guest.leave()
                return None, pyaudio.paAbort
            return None, CONTINUE

        return callback

    def close(self) -> None:
        """Close it and PortAudio. Can block for as long as a driver likes."""
        self.driving, self._leaving = False, True
        for guest in self._guests.values():
            guest.left(LEAVE_S)
        for stream in (self._second, self._stream):
            if stream is not None:
                with contextlib.suppress(OSError):  # PyAudio has closed it itself after an error
                    stream.close()
        if self._audio is not None:
            self._audio.terminate()
        self._audio = self._stream = self._second = None

    def trouble(self) -> str:
        """Why it no longer runs; "" while it does. To be asked now and then: it needs DEAD_S to see a silent death."""
        # With two cards either may die.
        calls, now = (self.calls, self.brought if self._second is not None else self.calls), time.monotonic()
        if self.failure:
            return self.failure
        if all(now_so != seen for now_so, seen in zip(calls, self._seen[0], strict=True)):
            self._seen = (calls, now)
        elif now - self._seen[1] > DEAD_S:
            return f"sound card {self.name!r} has stopped: no sound for {DEAD_S:g} s"
        with contextlib.suppress(OSError):
            if all(stream.is_active() for stream in (self._stream, self._second) if stream is not None):
                return ""
        return f"sound card {self.name!r} is gone"

    def _callback(self, data: bytes, _frames: int, _times: object, _status: int) -> tuple[bytes, int]:
        # On PortAudio's thread. What escapes from here, PyAudio throws into the main thread some time later.
        converter = self._converter
        assert converter is not None
        try:
            if self.driving:
                self.calls += 1
                heard = converter.microphone(data) if self._elastic is None else self._elastic.take().tobytes()
                return converter.loudspeaker(self._turn(heard)), CONTINUE
            if self._leaving:
                self._guests["card"].leave()
                return converter.silence, CONTINUE
            if not self.calls:
                self._guests["card"].arrive()
                self._begin()
            self.calls += 1
        except BaseException as error:  # noqa: BLE001 - even SystemExit: see above
            self.failure = f"audio failed in the card's callback: {type(error).__name__}: {error}"
            self.driving = False
            self._wake()
            self._guests["card"].leave()
            return converter.silence, pyaudio.paAbort
        self.first.set()
        return converter.silence, CONTINUE

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
