# SPDX-License-Identifier: GPL-2.0-or-later
"""A real daemon on a real event loop, with fakes at all its ports."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from fakes import FakeJournal, FakeNotify
from fakes_panel import FakeLight, FakeStrike
from fakes_voice import FakeVoice

from intercom.core.commands import CheckCode, Kind, Report
from intercom.core.events import (
    ButtonPressed,
    CallAnswered,
    CallProgressed,
    CodeChecked,
    EngineStarted,
    Event,
    LineUp,
)
from intercom.core.rules import CodeRule, Rules
from intercom.core.snapshot import Stage
from intercom.daemon.shell import Daemon, Ports

RULES = Rules(
    buttons={"front": (Stage(("201",), 0.05),)},
    accounts=("home",),
    callers={},
    pulse_s={"front": 0.05},
    codes={"family": CodeRule(("front",))},
    code_lengths=frozenset({2}),
    debounce_s=0.01,
    ring_s=0.05,
    talk_s=60.0,
    closing_s=0.05,
    stop_s=0.05,
)
"""Quick where a test waits for it."""
ONLINE = (EngineStarted("test"), LineUp("home", 1.0, 300))
ANSWERED = (*ONLINE, ButtonPressed("front", "panel"), CallProgressed("boot-1.1", 180), CallAnswered("boot-1.1"))


class House:
    """A daemon and everything around it."""

    def __init__(self, rules: Rules = RULES, *, stuck: bool = False) -> None:
        self.daemon = Daemon(rules, "boot", asyncio.get_running_loop())
        self.voice = FakeVoice(self.daemon.post, stuck=stuck)
        self.strike, self.lamp, self.journal, self.notify = (
            FakeStrike("front"),
            FakeLight(),
            FakeJournal(),
            FakeNotify(),
        )
        self.threads: set[int] = set()
        self._records: asyncio.Queue[Report] = asyncio.Queue()
        self.daemon.watchers.append(self._watch)

    def run(self, **tasks: Coroutine[Any, Any, object]) -> asyncio.Task[str]:
        """Let it be a door."""
        ports = Ports(self.voice, {"front": self.strike}, self.lamp, self.journal, self.notify, check=self._check)
        return asyncio.create_task(self.daemon.run(ports, {"voice engine": self.voice.run(), **tasks}))

    def tell(self, *events: Event) -> None:
        for event in events:
            self.daemon.post(event)

    async def record(self, kind: Kind) -> dict[str, Any]:
        """Await the next record of a kind; those before it are skipped."""
        while (report := await self._records.get()).kind is not kind:
            pass
        return dict(report.fields)

    def _check(self, order: CheckCode) -> None:
        self.daemon.post(CodeChecked(order.check, "family" if order.entry == "12" else ""))

    def _watch(self, report: Report) -> None:
        self.threads.add(threading.get_ident())
        self._records.put_nowait(report)
