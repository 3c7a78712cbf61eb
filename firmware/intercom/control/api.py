# SPDX-License-Identifier: GPL-2.0-or-later
"""The desk: answers what the command line asks of a running daemon."""

import asyncio
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from intercom import __version__
from intercom.adapters.engine_process import EngineSupervisor
from intercom.adapters.storage.evidence import Evidence
from intercom.adapters.storage.visit_history import VisitHistory
from intercom.adapters.systemd.records import sentence
from intercom.config import validators
from intercom.config.diff import differing, flatten
from intercom.control.server import Peer
from intercom.control.sound_api import SoundApi
from intercom.control.trace_api import TraceApi
from intercom.core import plan
from intercom.core.commands import Kind, Report
from intercom.core.events import (
    ButtonPressed,
    CallRequested,
    ConditionBegan,
    ConditionEnded,
    Event,
    HangUpRequested,
    LoudnessMeasured,
    ReleaseRequested,
    SoundCheckKind,
    TimePassed,
    UnlockAsked,
)
from intercom.core.outputs import conditions, levels, line_up
from intercom.core.rules import Rules
from intercom.core.state import State
from intercom.core.words import DIRECT, OPERATOR
from intercom.daemon.reconfigure import LONGEST_TRIAL_S, ActiveConfig
from intercom.daemon.shell import Daemon
from intercom.errors import ConfigError

KEPT = 50
"""Records kept in memory, for who watches."""
VISITS = 500
"""Final records kept in memory, for machines without a journal, or with one that a restart empties."""
OVERFLOW_UID = 65534
"""Whom the kernel shows us for users that our own user namespace does not know (user_namespaces(7)): all but root."""
LONGEST_WAIT_S = 60.0
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
Answer = dict[str, Any]


class Desk:
    """One question, one answer; nothing here changes the door but by an event."""

    def __init__(
        self,
        daemon: Daemon,
        voice: EngineSupervisor,
        configured: ActiveConfig,
        readings: Callable[[], Mapping[str, float | str]] = dict,
        sound: SoundApi | None = None,
        diary: VisitHistory | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        """Watch the daemon's records from now on. `readings` reads the machine's sensors (`Machine.readings`).

        `diary` has the visits before this start, and is given the others. `evidence` has who opened the doors.
        """
        self._daemon, self._voice, self._configured, self._readings = daemon, voice, configured, readings
        self._sound = sound
        self._trace = TraceApi(daemon)
        self._began = time.monotonic()
        self._diary = diary
        self._evidence = evidence
        self._visits: deque[Answer] = deque(reversed(diary.load()) if diary is not None else (), maxlen=VISITS)
        self._pressed: list[tuple[str, asyncio.Future[Answer]]] = []
        self._ended: dict[str, list[asyncio.Future[Answer]]] = {}
        self._counts: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._self_test: Answer | None = None
        self._told = 0
        """How many records there were."""
        self._records: deque[Answer] = deque(maxlen=KEPT)
        self._curious: list[asyncio.Future[None]] = []
        """Who waits for the next record."""
        self._listening: list[asyncio.Future[None]] = []
        """And for how loud it is meanwhile."""
        self._levels: Answer = {}
        daemon.watchers.append(self._watch)
        daemon.listeners.append(self._hear)

    async def answer(self, request: Answer, peer: Peer) -> Answer:
        """Answer one request; what cannot be done says why in "error"."""
        match request:
            case {"do": "status"}:
                return {"ok": True, "status": self._status()}
            case {"do": "press", "button": str(button)}:
                return await self._press(button, _who(peer, request))
            case {"do": "release", "door": str(name), "released": bool(released), "hold": bool(hold)}:
                return self._release(name, _who(peer, request), released=released, hold=hold)
            case {"do": "call", "target": str(target)}:
                return await self._call(target, _who(peer, request))
            case {"do": "hangup"}:
                return self._hang_up(_who(peer, request))
            case {"do": "unlock", "source": str(source)}:
                return self._unlock(source, _who(peer, request))
            case {"do": "reload"}:
                return self._change(lambda: self._configured.load(_who(peer, request)))
            case {"do": "try", "path": str(path), "within_s": int() | float() as within_s}:
                span_s = _within(within_s, LONGEST_TRIAL_S)
                return self._change(lambda: self._configured.try_out(Path(path), span_s, _who(peer, request)))
            case {"do": "keep"}:
                return {"ok": True, "kept": self._configured.keep()}
            case {"do": "give up"}:
                return self._change(lambda: self._configured.give_up(_who(peer, request)))
            case {"do": "differs", "flat": dict(flat)}:
                return {"ok": True, "differs": differing(flatten(self._configured.config), flat)}
            case {"do": "next", "since": int(since), "within_s": int() | float() as within_s}:
                span_s = _within(within_s, LONGEST_WAIT_S)
                return await self._next(since, span_s, levels=request.get("levels") is True)
            case {"do": "visits"}:
                return {"ok": True, "visits": list(self._visits)}
            case {"do": "evidence"}:
                kept = await asyncio.to_thread(self._evidence.load) if self._evidence is not None else []
                return {"ok": True, "evidence": kept[-VISITS:]}
            case {"do": "wait", "visit": str(visit)}:
                return await self._wait(visit)
            case {"do": str(what)} if what.startswith("audio-") and self._sound is not None:
                return await self._sound.answer(request, _who(peer, request))
            case {"do": str(what)} if what.startswith("trace"):
                return await self._trace.answer(request, _who(peer, request))
        return {"ok": False, "error": f"no such request: {request.get('do')!r}"}

    async def _press(self, button: str, by: str) -> Answer:
        buttons = self._daemon.rules.buttons
        if button == "" and len(buttons) == 1:
            button = next(iter(buttons))
        if button not in buttons:
            return {"ok": False, "error": f"no button {button!r}, there is {', '.join(buttons)}"}
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._pressed.append((button, told))
        self._daemon.post(ButtonPressed(button, by))
        return {"ok": True, **await told}

    def _release(self, name: str, by: str, *, released: bool, hold: bool) -> Answer:
        """Release or lock a door; the answer says how it is then."""
        doors = [door.name for door in self._daemon.state.doors]
        if name == "" and len(doors) == 1:
            name = doors[0]
        if name not in doors:
            return {"ok": False, "error": f"no door {name!r}, there is {', '.join(doors) or 'none'}"}
        self._daemon.take(ReleaseRequested(name, by, released, hold), time.monotonic())
        now = time.monotonic()
        return {"ok": True, "door": next(one for one in _doors(self._daemon, now) if one["door"] == name)}

    async def _call(self, target: str, by: str) -> Answer:
        if not validators.is_target(target):
            return {"ok": False, "error": f"{target!r} cannot be called; give {validators.TARGETS}"}
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._pressed.append((OPERATOR, told))
        self._daemon.post(CallRequested(target, by))
        return {"ok": True, **await told}

    def _hang_up(self, by: str) -> Answer:
        visit = self._daemon.state.visit
        if visit is None or visit.outcome is not None:
            return {"ok": False, "error": "nobody is at the door"}
        self._daemon.post(HangUpRequested(by))
        return {"ok": True, "visit": visit.id}

    def _unlock(self, source: str, by: str) -> Answer:
        """Have a source's codes heard again, or everybody's for an empty one."""
        known = sorted({tries.name for tries in self._daemon.state.tries})
        lifted = [name for name in known if source in ("", name)]
        if not lifted:
            only = f"no wrong codes from {source!r}, only from {', '.join(known)}"
            return {"ok": False, "error": only if known else "nobody has keyed a wrong code lately"}
        self._daemon.take(UnlockAsked(source, by), time.monotonic())
        return {"ok": True, "sources": lifted}

    def reload(self, by: str) -> None:
        """Go by what is in the configuration's file now, or tell why not."""
        self._change(lambda: self._configured.load(by))

    def _change(self, change: Callable[[], object]) -> Answer:
        try:
            done = change()
        except Exception as error:  # noqa: BLE001  (neither a signal nor a question may hurt the door)
            problems = error.problems if isinstance(error, ConfigError) else [f"cannot be used: {error!r}"]
            self._daemon.post(ConditionBegan("configuration", problems[0]))
            return {"ok": False, "error": "\n".join(problems), "problems": problems}
        self._daemon.post(ConditionEnded("configuration"))
        waits = self._daemon.state.visit is not None
        if (until := self._configured.until) and self._configured.before is not None:
            asyncio.get_running_loop().call_at(until, self._daemon.post, TimePassed())
        return {"ok": True, "waits": waits, "done": done is not False}

    async def _next(self, since: int, within_s: float, *, levels: bool) -> Answer:
        """Answer when something has happened since then, or after a while; or with nothing but new levels."""
        if since == self._told:
            happened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._curious.append(happened)
            if levels:
                self._listening.append(happened)
            try:
                done, _ = await asyncio.wait([happened], timeout=within_s)
            finally:  # who waited in vain, or left, waits no more
                for waiting in (self._curious, self._listening):
                    if happened in waiting:
                        waiting.remove(happened)
            if done and since == self._told:
                return {"ok": True, "told": self._told, "records": [], "levels": self._levels}
        records = [record for record in self._records if record["number"] > since]
        return {"ok": True, "told": self._told, "records": records, "status": self._status()}

    def _hear(self, event: Event) -> None:
        """See how loud a conversation is."""
        if isinstance(event, LoudnessMeasured) and self._daemon.state.visit is not None:
            self._levels = {"microphone_db": event.microphone_db, "loudspeaker_db": event.loudspeaker_db}
            _wake(self._listening)

    async def _wait(self, visit: str) -> Answer:
        known = next((record for record in self._visits if record["visit"] == visit), None)
        if known is not None:
            return {"ok": True, "visit": known}
        current = self._daemon.state.visit
        if current is None or current.id != visit:
            return {"ok": False, "error": f"no visit {visit!r}"}
        ended: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._ended.setdefault(visit, []).append(ended)
        return {"ok": True, "visit": await ended}

    def _watch(self, report: Report) -> None:
        """See every record: presses and visits that somebody waits for are among them."""
        self._told += 1
        self._records.append(
            {"number": self._told, "at": time.time(), "monotonic": time.monotonic(), "kind": report.kind}
            | {"text": sentence(report), "fields": report.fields}
        )
        self._counts[report.kind.value] += 1
        _wake(self._curious)
        self._listening.clear()
        if report.kind in (Kind.PRESS_ACCEPTED, Kind.PRESS_ANSWERED):
            for waiting in [entry for entry in self._pressed if entry[0] == report.fields["button"]][:1]:
                self._pressed.remove(waiting)
                if not waiting[1].done():
                    got = report.fields.get("got", "new")
                    waiting[1].set_result({"visit": report.fields.get("visit", ""), "got": got})
        elif report.kind is Kind.TRIAL_ENDED and report.fields["trial"] == SoundCheckKind.TEST:
            self._self_test = {"at": time.time(), "outcome": report.fields["outcome"], "by": report.fields["by"]}
        elif report.kind is Kind.VISIT_ENDED:
            record = {**report.fields, "at": time.time()}
            self._visits.appendleft(record)
            if self._diary is not None:
                self._diary.keep(record)
            self._outcomes[str(report.fields["outcome"])] += 1
            for ended in self._ended.pop(str(report.fields["visit"]), []):
                if not ended.done():
                    ended.set_result(record)

    def _status(self) -> Answer:
        state, now = self._daemon.state, time.monotonic()
        level = levels(state)
        names = {button.key: button.name for button in self._configured.config.buttons}
        return {
            "name": self._configured.config.name,
            "version": __version__,
            "uptime_s": round(now - self._began, 1),
            "phase": state.phase.value,
            "lamp": level.lamp.value,
            "text": level.status,
            "lines": _lines(state, now),
            "buttons": [
                {
                    "button": button.name,
                    "name": names.get(button.name, button.name),
                    "through": _through(button.name, state, self._daemon.rules),
                    "pressed": bool(button.active),
                }
                for button in state.buttons
            ],
            "doors": _doors(self._daemon, now),
            "tampers": [
                {"tamper": wire.name, "opened": bool(wire.active)}
                for wire in state.sensors
                if wire.name in state.tampers
            ],
            "locked_out": _locked_out(state, now),
            "self_test": self._self_test,
            "configuration": {"waits": self._configured.wanted is not None, "trial": self._configured.trial()},
            "conditions": _conditions(state, now),
            "card": f"open {state.card_open}" if state.card_open else "closed",
            "machine": dict(self._readings()),
            "time": time.time(),
            "counts": dict(self._counts),
            "outcomes": dict(self._outcomes),
            "engine": {"pid": self._voice.pid, "versions": self._voice.versions, "starts": self._voice.starts},
            "visits": list(self._visits)[:5],
        }


def _wake(waiting: list[asyncio.Future[None]]) -> None:
    for happened in waiting:
        if not happened.done():
            happened.set_result(None)
    waiting.clear()


def _through(button: str, state: State, rules: Rules) -> str:
    """Return the account through which a press would ring now; empty when it would ring nobody."""
    line = line_up(state)
    left = plan.first_reachable(plan.stages(button, rules, state.profiles), rules, line)
    if not left:
        return ""
    needs_line = any(target not in rules.direct for target in plan.callable_now(left[0], rules, line))
    return line.name if line is not None and needs_line else DIRECT


def _within(asked_s: float, longest_s: float) -> float:
    """Return a span that was asked for, in seconds; whole numbers of JSON have no end."""
    return float(max(0.0, min(asked_s, longest_s)))


def _who(peer: Peer, request: Answer) -> str:
    """Return who asks: the user that the kernel knows, and the login that the command says it has.

    The unit's `PrivateUsers=` hides every other user than root from us, and sudo makes root of all. The login is a
    hint: whoever may ask at all can say what he likes.
    """
    if peer.name:
        return peer.name
    known = "somebody of the group" if peer.uid == OVERFLOW_UID else f"uid {peer.uid}"
    login = request.get("login")
    if not isinstance(login, str) or not _LOGIN.fullmatch(login) or (peer.uid == 0 and login == "root"):
        return known
    return f"{known}, calls himself {login}"


def _lines(state: State, now: float) -> list[Answer]:
    return [
        {
            "account": line.name,
            "state": line.phase.value,
            "since_s": round(now - line.since, 1) if line.since else 0.0,
            "took_ms": line.took_ms,
            "round_trip_ms": line.round_trip_ms,
            "server": line.servers[line.server] if line.servers else "",
            "detail": line.fault,
        }
        for line in state.lines
    ]


def _doors(daemon: Daemon, now: float) -> list[Answer]:
    """Return each door: released and for how long still, whether it has a contact, and what that one says.

    "" is what it says before its first reading, and where there is none.
    """
    return [
        {
            "door": door.name,
            "released": door.released_until is not None,
            "for_s": round(max(0.0, door.released_until - now), 1) if door.released_until is not None else 0.0,
            "contact": "" if door.is_open is None else "open" if door.is_open else "shut",
            "has_contact": f"contact {door.name}" in daemon.rules.sensors,
        }
        for door in daemon.state.doors
    ]


def _locked_out(state: State, now: float) -> list[Answer]:
    return [
        {"source": tries.name, "what": tries.what.value, "for_s": round(tries.locked_until - now, 1)}
        for tries in state.tries
        if tries.locked_until > now
    ]


def _conditions(state: State, now: float) -> list[Answer]:
    since = dict(state.unwell)
    return [
        {"condition": name, "detail": detail, "since_s": round(now - since.get(name, now), 1)}
        for name, detail in conditions(state).items()
    ]
