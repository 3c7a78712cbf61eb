# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole shell: an inbox, a clock, and one `match` that hands each order to its port.

Threads may do one thing here: `post`. The event loop's own queue is the inbox; events are taken one by one, in the
order they came, and nothing on the way waits for anything.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from intercom.core.acoustics import Acoustics
from intercom.core.commands import (
    CheckCode,
    Command,
    EngineCommand,
    Exit,
    KeepUntold,
    NotifyOutage,
    NotifyUnanswered,
    Report,
    SaveLedger,
    SaveReference,
    SaveVisit,
    SendMessage,
    SetLamp,
    SetStatus,
    SetStrike,
)
from intercom.core.door_state import EMPTY_LEDGER, AccessLedger
from intercom.core.events import EngineHeartbeat, Event, StopRequested, TimePassed
from intercom.core.machine import start, step
from intercom.core.outputs import next_deadline
from intercom.core.rules import Rules
from intercom.core.snapshot import Pending, Untold
from intercom.core.state import State
from intercom.daemon.notices import outage_text, unanswered_text
from intercom.daemon.ports import Journal, Light, Strike, Supervisor, Voice

_log = logging.getLogger("intercom")


@dataclass(slots=True)
class Ports:
    """The world, as far as the daemon knows it."""

    voice: Voice
    strikes: Mapping[str, Strike]
    light: Light
    journal: Journal
    supervisor: Supervisor
    keep: Callable[[Pending | None], object] = lambda _: None
    """Notes the visit under way where the next daemon finds it."""
    keep_ledger: Callable[[AccessLedger], object] = lambda _: None
    """Notes uses of codes and lock-outs, where even a loss of power does not reach them."""
    check: Callable[[CheckCode], object] = lambda _: None
    """Compares what was keyed with the codes, and posts `CodeChecked`."""
    keep_reference: Callable[[Acoustics], object] = lambda _: None
    """Keeps what the self test heard, for later ones to be compared with."""
    keep_untold: Callable[[Untold], object] = lambda _: None
    """Keeps what people have still to be told by text."""


class Daemon:
    """The door."""

    def __init__(
        self,
        rules: Rules,
        boot: str,
        loop: asyncio.AbstractEventLoop,
        ledger: AccessLedger = EMPTY_LEDGER,
    ) -> None:
        """Prepare a door that knows nobody yet; `run` gives it its ports. `ledger` is what is left from before."""
        self.rules = rules
        self.state, self._first = start(boot, rules, ledger)
        self.watchers: list[Callable[[Report], None]] = []
        """Called with every record, on the loop."""
        self.idle: list[Callable[[], None]] = []
        """Called after every event that leaves nobody at the door, on the loop."""
        self.listeners: list[Callable[[Event], None]] = []
        """Called with every event that comes in, on the loop."""
        self._loop = loop
        self._ports: Ports | None = None
        self._early: list[tuple[Event, float]] = []
        """What happened before there were ports: a button held down at start."""
        self._alarm: asyncio.TimerHandle | None = None
        self._over: asyncio.Future[str] = loop.create_future()
        self._ended = False
        """Nothing is taken any more: what comes is the next daemon's."""
        self.broken = False
        """Whether an event was only half carried out: then no other is taken, and the state is not to be trusted."""

    def carry(self, carried: Callable[[State], State]) -> None:
        """Begin with another state than that of a door at rest: what was known of its wires before. Before `run`."""
        self.state = carried(self.state)
        released = {door.name for door in self.state.doors if door.released_until is not None}
        self._first = [
            SetStrike(one.door, released=one.door in released) if isinstance(one, SetStrike) else one
            for one in self._first
        ]

    def post(self, event: Event, at: float | None = None) -> None:
        """Put an event into the inbox, from any thread. `at` is when it happened, now unless told otherwise."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: a pin's last edge finds nobody, rightly
            self._loop.call_soon_threadsafe(self.take, event, time.monotonic() if at is None else at)

    def take(self, event: Event, at: float) -> None:
        """Take one event: decide, do, and set the alarm for what is due next. Only on the loop.

        An error on the way ends the door, whoever called: its state cannot be trusted any more. Errors of those who
        only watch are told, and cost nothing.
        """
        if self._ports is None:
            self._early.append((event, at))
            return
        if self.broken or self._ended:
            return
        try:
            self.state, commands = step(self.state, event, now=at, rules=self.rules)
            self._carry_out(commands)
            if isinstance(event, EngineHeartbeat):
                # Through the engine's loop, the socket, the inbox and the core: all of them live.
                self._ports.supervisor.watchdog()
            self._set_alarm()
        except Exception as error:  # noqa: BLE001  (whatever it is)
            self.broken = True
            _log.error("%s could not be carried out", type(event).__name__, exc_info=error)
            self._end(f"{type(event).__name__}: {error!r}")
            return
        for listener in self.listeners:
            _quietly(listener, event)
        if self.state.visit is None:
            for look in self.idle:
                _quietly(look)

    async def run(self, ports: Ports, tasks: Mapping[str, Coroutine[Any, Any, object]]) -> str:
        """Be a door until told to stop. Return why it ended: empty when asked to, else what failed, by name.

        `tasks` are the essential ones: the end of any of them ends the door, because half a door is worse than one
        that systemd restarts. What is only a comfort keeps its troubles to itself (`watch.kept_up`).
        """
        self._ports = ports
        self._loop.set_exception_handler(self._failed)
        self._carry_out(self._first)
        self._set_alarm()
        for event, at in self._early:
            self.take(event, at)
        running = [asyncio.create_task(work, name=name) for name, work in tasks.items()]
        for task in running:
            task.add_done_callback(self._task_ended)
        ports.supervisor.ready()
        try:
            return await self._over
        finally:
            self._ended = True
            if self._alarm is not None:
                self._alarm.cancel()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def stop(self, reason: str) -> None:
        """Ask the door to end in an orderly way."""
        if self._ports is not None:
            self._ports.supervisor.stopping()
        self.post(StopRequested(reason))

    def _carry_out(self, commands: Iterable[Command]) -> None:
        ports = self._ports
        assert ports is not None, "an event was taken before the door had its ports"
        for command in commands:
            match command:
                case SetStrike(door, released):
                    (ports.strikes[door].release if released else ports.strikes[door].lock)()
                case SetLamp(lamp):
                    ports.light.show(lamp)
                case SetStatus(text):
                    ports.supervisor.status(text)
                case Report():
                    ports.journal.record(command)
                    for watcher in self.watchers:
                        _quietly(watcher, command)
                case SaveVisit(pending):
                    ports.keep(pending)
                case KeepUntold(untold):
                    ports.keep_untold(untold)
                case SaveLedger(ledger):
                    ports.keep_ledger(ledger)
                case CheckCode():
                    ports.check(command)
                case SaveReference(heard):
                    ports.keep_reference(heard)
                case NotifyOutage():
                    text = outage_text(command, time.time() - time.monotonic())
                    ports.voice.send(SendMessage(command.account, command.target, text, command.number))
                case NotifyUnanswered():
                    text = unanswered_text(command, time.time() - time.monotonic())
                    ports.voice.send(SendMessage(command.account, command.target, text, command.number))
                case Exit():
                    self._end("")
                case _:
                    ports.voice.send(_to_engine(command))

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        due = next_deadline(self.state)
        self._alarm = None if due is None else self._loop.call_at(due, self._wake)

    def _wake(self) -> None:
        self.take(TimePassed(), time.monotonic())

    def _task_ended(self, task: asyncio.Task[object]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        self._end(f"{task.get_name()} ended{f': {error!r}' if error else ''}")

    def _failed(self, _: object, context: dict[str, Any]) -> None:
        """Tell an error that nobody caught. `take` alone changes the door, and sees to its own: this one did not."""
        self._loop.default_exception_handler(context)

    def _end(self, reason: str) -> None:
        if not self._over.done():
            self._over.set_result(reason)


def _quietly(call: Callable[..., object], *arguments: object) -> None:
    """Call who only watches; an error of his is told, and costs the door nothing."""
    try:
        call(*arguments)
    except Exception as error:  # noqa: BLE001  (whatever it is)
        _log.error("an onlooker failed", exc_info=error)


def _to_engine(command: Command) -> EngineCommand:
    """Return a command that is the engine's own: the type checker proves that no other is left."""
    assert not isinstance(command, SetStrike | SetLamp | SetStatus | SaveVisit | SaveLedger | CheckCode)
    assert not isinstance(command, SaveReference | KeepUntold | NotifyOutage | NotifyUnanswered | Report | Exit)
    return command
