# SPDX-License-Identifier: GPL-2.0-or-later
"""The door's sounds: how each is made, and who plays when.

Soft notes, made of sines with rounded edges; each sound tells the visitor one thing. The telephone ones are those
of the visitor's own country (ITU-T E.180, supplement 2), because those are the ones already understood.
"""

import contextlib
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from intercom.core.commands import Tone
from intercom.core.fast_dataclass import dataclass
from intercom.engine.audio import wav
from intercom.engine.audio.cadences import TELEPHONES
from intercom.errors import SoundFileError

Samples = npt.NDArray[np.int16]

PEAK = 10 ** (-12 / 20)  # of full scale: loud enough at a door, with room for a voice on top
EDGE_S = 0.012  # a beep rises and falls this long: shorter clicks, longer sounds lazy
FADE_S = 0.005  # what is cut short ends this soft
TAIL_S = 0.06  # of silence after a one-shot: the card may be closed at once, with this much still in its buffer


@dataclass(frozen=True, slots=True)
class Note:
    """A sound of one or more pitches, and the silence after it."""

    hz: tuple[float, ...]
    """Empty: silence."""
    seconds: float
    pause: float = 0.0
    """Silence after it, in seconds. Negative: it still rings while the next one begins."""
    bell: bool = False
    """Struck and ringing out, not held."""
    level: float = 1.0
    """Of the peak."""


def _bells(pitches: Sequence[float], step_s: float, last_s: float) -> tuple[Note, ...]:
    """Bells struck `step_s` seconds apart, ringing over each other; the last one rings `last_s`."""
    ring = tuple(Note((hz,), last_s, step_s - last_s, bell=True) for hz in pitches[:-1])
    return (*ring, Note((pitches[-1],), last_s, bell=True))


A3, C4, E4, G4, A4, C5, E5, G5, C6 = 220.0, 261.6, 329.6, 392.0, 440.0, 523.3, 659.3, 784.0, 1046.5


def _telephone(country: str) -> dict[Tone, tuple[Note, ...]]:
    """The tones that a country's own telephone network makes."""
    ring_hz, ring, busy_hz, busy = TELEPHONES[country]
    return {
        Tone.RINGBACK: tuple(Note(ring_hz, on, off) for on, off in zip(ring[::2], ring[1::2], strict=True)),
        Tone.BUSY: tuple(Note(busy_hz, on, off) for on, off in zip(busy[::2], busy[1::2], strict=True)) * 3,
    }


EVERYWHERE: dict[Tone, tuple[Note, ...]] = {
    Tone.CHIME: _bells((E5, C5), 0.32, 0.58),
    Tone.STILL_RINGING: (Note((E5,), 0.09, 0.08, level=0.7),) * 2,
    Tone.NO_LINE: (Note((A3,), 0.4, 0.15), Note((A3,), 0.8)),
    Tone.DECLINED: (Note((A4,), 0.18, 0.06), Note((A4,), 0.18, 0.06), Note((E4,), 0.5)),
    # The three pitches of the telephone network's special information tone (ITU-T E.180), shorter and softer.
    Tone.NOT_FOUND: (Note((950.0,), 0.2, level=0.5), Note((1400.0,), 0.2, level=0.5), Note((1800.0,), 0.3, level=0.5)),
    Tone.UNANSWERED: (Note((G4,), 0.45, 0.25), Note((G4,), 0.45, 0.25), Note((E4,), 0.7)),
    Tone.UNREACHABLE: (Note((425.0,), 0.2, 0.2),) * 5,
    Tone.LISTENING: _bells((G5, C6), 0.12, 0.36),
    Tone.WARNING: (Note((1000.0,), 0.12, 0.12),) * 2,
    Tone.DOOR_OPEN: _bells((C5, E5, G5, C6), 0.11, 0.3),
    Tone.CLOSING: _bells((G4, C4), 0.18, 0.32),
    # Looped for the two seconds in which the lamp tells it, too.
    Tone.WRONG_CODE: (Note((E4,), 0.1, 0.06), Note((E4,), 0.1, 0.06), Note((E4,), 0.1, 0.58)),
    # Looped while a door stands open: insisting, with time to walk over.
    Tone.CLOSE_DOOR: (Note((G5,), 0.15, 0.1), Note((G5,), 0.15, 0.1), Note((C5,), 0.3, 3.0)),
}


class Tones:
    """Every tone at one rate, made when first asked for."""

    def __init__(self, rate_hz: int, country: str = "eu", files: Mapping[Tone, str] = MappingProxyType({})) -> None:
        """`files` are played instead of the built-in tones. Raises ValueError for a country that is not in TELEPHONES.

        A file that has gone bad since it was checked costs only itself: then the built-in tone is played.
        """
        if country not in TELEPHONES:
            raise ValueError(f"no tones for country {country!r}: there are {', '.join(TELEPHONES)}")
        self.rate_hz = rate_hz
        self._notes = EVERYWHERE | _telephone(country)
        self._made: dict[Tone, Samples] = {}
        for tone, path in files.items():
            try:
                self._made[tone] = self._read(tone, Path(path))
            except SoundFileError as error:
                print(f"voice engine: {error}", file=sys.stderr, flush=True)

    def samples(self, tone: Tone) -> Samples:
        """One turn of a tone: int16, (samples,). For looped ones this includes their silence. Do not write to it."""
        if tone not in self._made:
            self._made[tone] = self._make(tone)
        return self._made[tone]

    def _read(self, tone: Tone, path: Path) -> Samples:
        """A file's sound; a one-shot's with the silence that lets it out of the card before that is closed."""
        sound = wav.read(path, self.rate_hz)
        tail = 0 if tone is Tone.RINGBACK else round(TAIL_S * self.rate_hz)
        return np.concatenate([sound, np.zeros(tail, np.int16)])

    def _make(self, tone: Tone) -> Samples:
        notes = self._notes[tone]
        length = sum(note.seconds + note.pause for note in notes)
        sound = np.zeros(round((length + TAIL_S) * self.rate_hz))
        if tone is Tone.RINGBACK:  # looped: its rhythm is the country's to the millisecond
            sound = sound[: round(length * self.rate_hz)]
        start = 0.0
        for note in notes:
            wave = self._wave(note)
            at = round(start * self.rate_hz)
            sound[at : at + len(wave)] += wave[: len(sound) - at]
            start += note.seconds + note.pause
        level = max(note.level for note in notes) * PEAK * 32767 / np.abs(sound).max()
        made: Samples = np.rint(sound * level).astype(np.int16)
        made.flags.writeable = False
        return made

    def _wave(self, note: Note) -> npt.NDArray[np.float64]:
        """One note at level 1: float64, (samples,)."""
        time = np.arange(round(note.seconds * self.rate_hz)) / self.rate_hz
        wave = np.zeros(len(time))
        for hz in note.hz:
            wave += np.sin(2 * np.pi * hz * time)
            if note.bell:  # the octave above dies away sooner, as in struck metal
                wave += 0.3 * np.sin(4 * np.pi * hz * time) * np.exp(-time / 0.06)
        if note.bell:
            wave *= np.exp(-3 * time / note.seconds)
        rise = EDGE_S / 2 if note.bell else EDGE_S
        left = note.seconds - time
        edge = np.minimum(np.minimum(time / rise, left / EDGE_S), 1.0)
        return wave * note.level * (0.5 - 0.5 * np.cos(np.pi * edge))


class Player:
    """Mixes tones into the loudspeaker's frames.

    The main thread orders, the audio thread plays, and neither ever waits for the other: each field that both touch
    is replaced whole, or is a deque, whose `append` and `popleft` are atomic (Python's documentation of deque).
    """

    def __init__(self, tones: Tones) -> None:
        self._tones = tones
        self._queue: deque[tuple[str, Samples]] = deque(maxlen=1)
        self._wanted: tuple[str, Samples] | None = None  # the loop, as ordered
        self._cut = False  # whether what sounds now shall end
        self._dropped = ""  # the one-shot that shall end

        # From here on only the audio thread's.
        self._shot: tuple[str, Samples] | None = None
        self._loop: tuple[str, Samples] | None = None
        self._at = 0  # samples of the sounding one played so far
        self._fade = np.linspace(1, 0, round(FADE_S * tones.rate_hz))
        self._wide = np.zeros(0, np.int32)

    def play(self, tone: str, samples: Samples | None = None) -> None:
        """Play a tone once, at once: what it cuts short was about something that is no longer so.

        With `samples` it is a sound of that name, int16 (samples,).
        """
        self._queue.append((tone, self._tones.samples(Tone(tone)) if samples is None else samples))

    def drop(self, tone: str) -> None:
        """End this one, where it still plays or waits."""
        self._dropped = tone

    def loop(self, tone: Tone | None) -> None:
        """Repeat this tone from now on whenever nothing else plays. The same tone again changes nothing."""
        if tone is None:
            self._wanted = None
        elif self._wanted is None or self._wanted[0] is not tone:
            self._wanted = (tone, self._tones.samples(tone))

    def stop(self) -> None:
        """Silence, and nothing waiting. Tones cut short are not told as ended."""
        self._queue.clear()
        self._wanted = None
        self._cut = True

    @property
    def busy(self) -> bool:
        """Whether anything plays or shall. For the audio thread."""
        waiting = self._queue or self._cut or self._dropped or self._wanted is not self._loop
        return bool(self._shot or self._loop or waiting)

    def mix_into(self, frame: Samples) -> list[str]:
        """Add one period of what plays to `frame`, int16 (samples,), in place; the one-shots that ended in it."""
        ended: list[str] = []
        self._obey(frame)
        at = 0
        while at < len(frame) and (sounding := self._shot or self._loop):
            tone, samples = sounding
            count = min(len(samples) - self._at, len(frame) - at)
            self._add(frame[at : at + count], samples[self._at : self._at + count])
            at += count
            self._at += count
            if self._at == len(samples):
                self._at = 0
                if self._shot is not None:
                    ended.append(tone)
                    self._shot = None
        return ended

    def _obey(self, frame: Samples) -> None:
        """Take up the orders; what they cut short fades out within this frame."""
        if self._dropped:
            self._drop(frame, self._dropped)
            self._dropped = ""
        if self._cut:
            self._cut = False
            self._end(frame, self._shot or self._loop)
            self._shot = self._loop = None
        wanted = self._wanted
        if wanted is not self._loop:
            if self._shot is None:
                self._end(frame, self._loop)
            self._loop = wanted
        if self._queue and (shot := self._next()):
            self._end(frame, self._shot or self._loop)
            self._shot = shot

    def _drop(self, frame: Samples, tone: str) -> None:
        with contextlib.suppress(IndexError):  # `stop` was quicker
            if self._queue[0][0] == tone:
                self._queue.popleft()
        if self._shot is not None and self._shot[0] == tone:
            self._end(frame, self._shot)
            self._shot = None

    def _next(self) -> tuple[str, Samples] | None:
        try:
            return self._queue.popleft()
        except IndexError:  # `stop` was quicker
            return None

    def _end(self, frame: Samples, sounding: tuple[str, Samples] | None) -> None:
        if sounding is not None and self._at:
            rest = sounding[1][self._at : self._at + min(len(self._fade), len(frame))]
            self._add(frame[: len(rest)], (rest * self._fade[: len(rest)]).astype(np.int16))
        self._at = 0

    def _add(self, frame: Samples, samples: Samples) -> None:
        if len(frame) > len(self._wide):
            self._wide = np.zeros(len(frame), np.int32)
        wide = self._wide[: len(frame)]
        np.add(frame, samples, out=wide, dtype=np.int32)
        np.clip(wide, -32768, 32767, out=wide)
        frame[:] = wide
