# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of the desk that tries the sound: `intercom audio`. It wants, the core decides, the records tell the end."""

import asyncio
import base64
import binascii
from dataclasses import asdict
from pathlib import Path
from typing import Any

from intercom.core.acoustics import BANDS_HZ, Acoustics
from intercom.core.commands import Kind, ListAudioDevices, Report, Tone
from intercom.core.events import (
    AudioDevicesListed,
    Event,
    LoudnessMeasured,
    SoundCheckKind,
    SoundCheckRequested,
    SweepHeard,
)
from intercom.daemon.ports import Voice
from intercom.daemon.shell import Daemon

Answer = dict[str, Any]

LARGEST = 2 << 20
"""Bytes of a sound that is sent: a minute at 16 kHz."""
CARDS_S = 5.0


class SoundApi:
    """Answers what `intercom audio` asks."""

    def __init__(self, daemon: Daemon, voice: Voice, folder: Path) -> None:
        """Watch the daemon from now on. Sounds that are sent to be played are kept in `folder`, one at a time."""
        self._daemon, self._voice = daemon, voice
        self._sent = folder / "played.wav"
        self._ends: list[tuple[str, str, asyncio.Future[Answer]]] = []
        self._levels: list[asyncio.Future[Answer]] = []
        self._cards: list[asyncio.Future[Answer]] = []
        self._heard: Acoustics | None = None
        daemon.watchers.append(self._watch)
        daemon.listeners.append(self._hear)

    async def answer(self, request: Answer, by: str) -> Answer:
        """Answer one request; what cannot be done says why in "error"."""
        match request:
            case {"do": "audio-test", "reference": bool(reference)}:
                return await self._test(SoundCheckKind.REFERENCE if reference else SoundCheckKind.TEST, by)
            case {"do": "audio-levels"}:
                return await self._meter(by)
            case {"do": "audio-cards"}:
                return await self._survey()
            case {"do": "audio-send", "at": int(at), "data": str(data)}:
                return self._take(at, data)
            case {"do": "audio-play", "tone": str(tone)}:
                if tone and tone not in list(Tone):
                    return _refused(f"no tone {tone!r}, there is {', '.join(Tone)}")
                return await self._try(SoundCheckKind.PLAY, by, f"tone {tone}" if tone else f"file {self._sent}")
        return _refused(f"no such request: {request.get('do')!r}")

    async def _test(self, kind: SoundCheckKind, by: str) -> Answer:
        before = self._daemon.state.reference
        answer = await self._try(kind, by)
        heard = self._heard
        if answer["ok"] and heard is not None:
            answer |= {"bands_hz": BANDS_HZ, "heard": asdict(heard), "reference": asdict(before) if before else None}
        return answer

    async def _try(self, kind: SoundCheckKind, by: str, sound: str = "") -> Answer:
        """Have something tried, and wait for its end: a self test may wait for a visit to end."""
        ended: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._ends.append((kind.value, by, ended))
        self._heard = None
        self._daemon.post(SoundCheckRequested(kind, by, sound))
        return await ended

    async def _meter(self, by: str) -> Answer:
        """Have the meter run on, and return what it shows next."""
        shown: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._levels.append(shown)
        self._daemon.post(SoundCheckRequested(SoundCheckKind.LEVELS, by))
        return await shown

    async def _survey(self) -> Answer:
        found: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._cards.append(found)
        self._voice.send(ListAudioDevices())
        try:
            return await asyncio.wait_for(found, CARDS_S)
        except TimeoutError:
            return _refused("the voice engine does not answer; see intercom status")

    def _take(self, at: int, data: str) -> Answer:
        """Take a part of a file: the first one begins it anew."""
        try:
            part = base64.b64decode(data, validate=True)
        except binascii.Error:
            return _refused("not base64")
        have = 0 if at == 0 or not self._sent.exists() else self._sent.stat().st_size
        if at != have or at + len(part) > LARGEST:
            return _refused(f"that part does not fit: {have} bytes are here, and no more than {LARGEST} are taken")
        with self._sent.open("wb" if at == 0 else "ab") as file:
            file.write(part)
        return {"ok": True}

    def _watch(self, report: Report) -> None:
        """See the end of what somebody waits for."""
        if report.kind is not Kind.TRIAL_ENDED:
            return
        kind, by, outcome = (str(report.fields[name]) for name in ("trial", "by", "outcome"))
        refused = outcome.startswith("refused: ")
        if outcome.startswith("cut short by a visit") and kind not in (SoundCheckKind.PLAY, SoundCheckKind.LEVELS):
            return  # it is made up for
        answer = _refused(outcome.removeprefix("refused: ")) if refused else {"ok": True, "outcome": outcome}
        for waiting in [entry for entry in self._ends if entry[:2] == (kind, by)]:
            self._ends.remove(waiting)
            _give(waiting[2], answer)
        if kind == SoundCheckKind.LEVELS:
            self._give_all(self._levels, answer if refused else _refused(outcome))

    def _hear(self, event: Event) -> None:
        match event:
            case SweepHeard(heard):
                self._heard = heard
            case LoudnessMeasured(microphone_db, loudspeaker_db):
                shown = {"ok": True, "microphone_db": microphone_db, "loudspeaker_db": loudspeaker_db}
                self._give_all(self._levels, shown)
            case AudioDevicesListed(cards, in_use):
                self._give_all(self._cards, {"ok": True, "cards": [asdict(card) for card in cards], "in_use": in_use})

    @staticmethod
    def _give_all(waiting: list[asyncio.Future[Answer]], answer: Answer) -> None:
        for each in waiting:
            _give(each, answer)
        waiting.clear()


def _give(waiting: asyncio.Future[Answer], answer: Answer) -> None:
    if not waiting.done():
        waiting.set_result(dict(answer))


def _refused(why: str) -> Answer:
    return {"ok": False, "error": why}
