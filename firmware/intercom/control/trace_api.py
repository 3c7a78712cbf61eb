# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of the desk that shows SIP: `intercom trace`. It wants, the core decides when it is over."""

import asyncio
import time
from collections import deque
from typing import Any

from intercom.core.commands import Kind, Report
from intercom.core.events import Event, SipMessageTraced, TraceRequested
from intercom.daemon.shell import Daemon

Answer = dict[str, Any]

LONGEST_S = 3600.0
KEPT = 1000
"""Messages that wait to be read."""
AT_ONCE = 50
"""Messages in one answer."""
READ_S = 5.0
"""How long an answer waits for a message."""
GONE_S = 10.0
"""Who has not read for so long is gone, and the trace is over."""


class TraceApi:
    """Answers what `intercom trace` asks."""

    def __init__(self, daemon: Daemon) -> None:
        """Watch the daemon from now on."""
        self._daemon = daemon
        self._seen: deque[Answer] = deque(maxlen=KEPT)
        self._outcome = ""
        self._news = asyncio.Event()
        self._gone: asyncio.TimerHandle | None = None
        daemon.listeners.append(self._hear)
        daemon.watchers.append(self._watch)

    async def answer(self, request: Answer, by: str) -> Answer:
        """Answer one request; what cannot be done says why in "error"."""
        match request:
            case {"do": "trace", "for_s": int() | float() as for_s} if 0 < for_s <= LONGEST_S:
                return self._begin(float(for_s), by)
            case {"do": "trace"}:
                return _refused(f"a trace lasts from 1 to {LONGEST_S:.0f} s")
            case {"do": "trace-read"}:
                return await self._read()
            case {"do": "trace-end"}:
                self._daemon.take(TraceRequested(by, 0.0), time.monotonic())
                return {"ok": True}
        return _refused(f"no such request: {request.get('do')!r}")

    def _begin(self, for_s: float, by: str) -> Answer:
        if (other := self._daemon.state.trace) is not None:
            return _refused(f"{other.by} traces already")
        self._seen.clear()
        self._outcome = ""
        self._daemon.take(TraceRequested(by, for_s), time.monotonic())
        if self._daemon.state.trace is None:
            return _refused("the intercom is stopping")
        self._expect_reader()
        return {"ok": True}

    async def _read(self) -> Answer:
        """Answer with what was seen since the last time, as soon as there is anything."""
        self._forget_gone()
        self._news.clear()
        try:
            if not self._seen and not self._over():
                async with asyncio.timeout(READ_S):
                    await self._news.wait()
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            self._nobody_reads()  # it hung up on us
            raise
        self._expect_reader()
        messages = [self._seen.popleft() for _ in range(min(AT_ONCE, len(self._seen)))]
        return {"ok": True, "messages": messages, "over": "" if self._seen or not self._over() else self._outcome}

    def _over(self) -> bool:
        return self._daemon.state.trace is None

    def _forget_gone(self) -> None:
        if self._gone is not None:
            self._gone.cancel()

    def _expect_reader(self) -> None:
        self._forget_gone()
        self._gone = asyncio.get_running_loop().call_later(GONE_S, self._nobody_reads)

    def _nobody_reads(self) -> None:
        if not self._over():
            self._daemon.take(TraceRequested("nobody, who reads it no more", 0.0), time.monotonic())

    def _hear(self, event: Event) -> None:
        if isinstance(event, SipMessageTraced) and not self._over():
            self._seen.append(
                {
                    "at": event.at,
                    "sent": event.sent,
                    "transport": event.transport,
                    "local": event.local,
                    "remote": event.remote,
                    "text": event.text,
                }
            )
            self._news.set()

    def _watch(self, report: Report) -> None:
        if report.kind is Kind.TRACE_ENDED:
            self._outcome = str(report.fields["outcome"])
            self._news.set()


def _refused(why: str) -> Answer:
    return {"ok": False, "error": why}
