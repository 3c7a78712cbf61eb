# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines: each account's registration, tried again for ever at growing intervals.

PJSIP's own retry is switched off: it waits five minutes, and after 401, 403 or 404 for ever.
"""

from dataclasses import replace

from intercom.core.commands import Kind, Register
from intercom.core.events import LineLost, LineUp
from intercom.core.state import Line, LinePhase
from intercom.core.turn import Turn


def engine_started(turn: Turn) -> None:
    """Register everything with a voice engine that knows nothing yet."""
    for line in turn.state.lines:
        _try(turn, line)


def engine_lost(turn: Turn) -> None:
    """All registrations died with the engine; the next one starts them again, so nothing is retried meanwhile."""
    for line in turn.state.lines:
        _put(turn, replace(line, phase=LinePhase.DOWN, since=turn.now, retry_at=None))


def up(turn: Turn, event: LineUp) -> None:
    """A registration stands. Renewals are no news."""
    line = _line(turn, event.account)
    if line is None:
        return
    if line.phase is not LinePhase.UP:
        turn.tell(Kind.LINE_UP, account=line.account, took_ms=event.took_ms, expires_s=event.expires_s)
        line = replace(line, since=turn.now)
    _put(
        turn,
        replace(line, phase=LinePhase.UP, failed=0, retry_at=None, fault="", took_ms=event.took_ms or line.took_ms),
    )


def lost(turn: Turn, event: LineLost) -> None:
    """A registration failed: say why, and try again after a while."""
    line = _line(turn, event.account)
    if line is None:
        return
    waits = turn.rules.retry_s
    _put(
        turn,
        replace(
            line,
            phase=LinePhase.DOWN,
            since=line.since if line.phase is LinePhase.DOWN else turn.now,
            failed=line.failed + 1,
            retry_at=turn.now + waits[min(line.failed, len(waits) - 1)],
            fault=f"{event.code} {event.reason}".strip(),
        ),
    )


def time_passed(turn: Turn) -> None:
    """Try what is due."""
    for line in turn.state.lines:
        if line.retry_at is not None and turn.now >= line.retry_at:
            _try(turn, line)


def _try(turn: Turn, line: Line) -> None:
    if turn.state.stopping_until is not None:
        # A deadline that is kept but not acted on would wake the daemon without end.
        _put(turn, replace(line, retry_at=None))
        return
    turn.order(Register(line.account))
    _put(turn, replace(line, phase=LinePhase.REGISTERING, retry_at=None))


def _line(turn: Turn, account: str) -> Line | None:
    return next((line for line in turn.state.lines if line.account == account), None)


def _put(turn: Turn, line: Line) -> None:
    turn.set(lines=tuple(line if other.account == line.account else other for other in turn.state.lines))
