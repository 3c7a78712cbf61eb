# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines: each account's registration, tried again for ever at growing intervals, and asked whether it lives.

PJSIP's own retry is switched off: it waits five minutes, and after 401, 403 or 404 for ever. Where a name leads to
several servers, each failure goes on to the next one (RFC 3263 section 4.3), which PJSIP does not do over UDP.

A server that refuses is left alone for longer each time, and for as long as it asks (Retry-After). Credentials that
were refused are tried again after minutes: only a person can mend them (RFC 3261 section 22.1), and a server that sees
them again and again bans the address. A server that says nothing at all is knocked at beside that, at every address it
has, and registered with the moment anything is there.
"""

from dataclasses import replace

from intercom.core import outage
from intercom.core.commands import Kind, Knock, Probe, RebindTransports, Register, SelectServer
from intercom.core.context import StepContext
from intercom.core.events import LineLost, LineUp, ServerResponded
from intercom.core.state import Line, LinePhase

UNWANTED = frozenset({401, 403, 404, 407})
"""What a server says that lives and does not want us: a password was changed, an account is gone."""


REFUSED = frozenset({401, 403, 407})
"""The credentials were not good enough, or were and the account may not register."""
_ONLY = ""
"""Stands in `Line.resting` for the server of a line that has only one."""


def engine_started(turn: StepContext) -> None:
    """Register everything with a voice engine that knows nothing yet."""
    for line in turn.state.lines:
        if line.servers:
            _use(turn, line, line.server)
        _try(turn, line)


def engine_lost(turn: StepContext) -> None:
    """All registrations died with the engine; the next one starts them again, so nothing is retried meanwhile."""
    for line in turn.state.lines:
        turn.put(
            "lines",
            replace(_unasked(line), phase=LinePhase.DOWN, since=turn.now, silent_since=None, moving=False),
        )
    outage.began(turn)


def up(turn: StepContext, event: LineUp) -> None:
    """A registration stands. Renewals are no news."""
    line = _line(turn, event.account)
    if line is None:
        return
    came_up = line.phase is not LinePhase.UP
    if came_up:
        turn.tell(Kind.LINE_UP, account=line.name, took_ms=event.took_ms, expires_s=event.expires_s)
        line = replace(line, since=turn.now)
    turn.put(
        "lines",
        replace(
            _unasked(line),
            phase=LinePhase.UP,
            failed=0,
            fault="",
            took_ms=event.took_ms or line.took_ms,
            round_trip_ms=line.round_trip_ms if line.probe_until is None else event.took_ms,
            probe_at=turn.now + turn.rules.probe_s,
            silent_since=None,
            moving=False,
            refused=0,
            resting=(),
        ),
    )
    if came_up or not turn.state.post_failed:
        outage.over(turn)
    turn.set(down_since=None)


def lost(turn: StepContext, event: LineLost) -> None:
    """A registration failed: say why, go on to the next server, and try again after a while."""
    line = _line(turn, event.account)
    if line is None:
        return
    silent_since = None if not event.silent else turn.now if line.silent_since is None else line.silent_since
    wait_s = _wait_s(turn, line, event.code)
    resting = _resting(turn, line, event.retry_after_s)
    server = _next_server(line, resting)
    if line.servers and server != line.server:
        _use(turn, line, server)
    turn.put(
        "lines",
        replace(
            _unasked(line),
            phase=LinePhase.DOWN,
            since=line.since if line.phase is LinePhase.DOWN else turn.now,
            failed=line.failed + 1,
            retry_at=max(turn.now + wait_s, _rests_until(line, server, resting)),
            fault=f"{event.code} {event.reason}".strip(),
            silent_since=silent_since,
            knock_at=None if silent_since is None else _next_knock(turn, line, silent_since),
            server=server,
            moving=False,
            refused=line.refused + (event.code in REFUSED),
            resting=resting,
        ),
    )
    outage.began(turn)


def _wait_s(turn: StepContext, line: Line, code: int) -> float:
    """Return how long to wait after a failure, by what the server said."""
    waits, tried = (turn.rules.refused_s, line.refused) if code in REFUSED else (turn.rules.retry_s, line.failed)
    return waits[min(tried, len(waits) - 1)]


def _resting(turn: StepContext, line: Line, retry_after_s: float) -> tuple[tuple[str, float], ...]:
    """Return who wants to be left alone, the server that failed just now among them when it asked for it."""
    resting = {server: until for server, until in line.resting if until > turn.now}
    if retry_after_s > 0:
        failed = line.servers[line.server] if line.servers else _ONLY
        resting[failed] = turn.now + min(retry_after_s, turn.rules.retry_after_most_s)
    return tuple(resting.items())


def _next_server(line: Line, resting: tuple[tuple[str, float], ...]) -> int:
    """Return the place of the server to try next: the next one that is not resting, else the one that rests least."""
    if not line.servers:
        return 0
    order = [(line.server + step) % len(line.servers) for step in range(1, len(line.servers) + 1)]
    return min(order, key=lambda place: _rests_until(line, place, resting))


def _rests_until(line: Line, place: int, resting: tuple[tuple[str, float], ...]) -> float:
    """Return until when a server wants to be left alone; an instant long ago when it does not."""
    return dict(resting).get(line.servers[place] if line.servers else _ONLY, float("-inf"))


def press_waits(turn: StepContext) -> None:
    """A visitor waits for a line: credentials that were refused are tried at once, if they were not just now."""
    for line in turn.state.lines:
        lately = line.tried_at is not None and turn.now < line.tried_at + turn.rules.refused_press_s
        if line.refused and line.retry_at is not None and not lately and turn.state.engine_up:
            _try(turn, line)


def answered(turn: StepContext, event: ServerResponded) -> bool:
    """The server lives; ask again after a while. Return whether a line that is up had been asked for it."""
    line = _line(turn, event.account)
    if line is None:
        return False
    if line.silent_since is not None:
        _is_back(turn, line, event.server)
    if line.probe_until is None:
        return False
    late = 0 < line.round_trip_ms < turn.rules.late_ms / 2 and event.took_ms >= turn.rules.late_ms
    ask_again = turn.now + turn.rules.probe_s
    line = replace(line, probe_at=ask_again, probe_until=None, round_trip_ms=event.took_ms)
    turn.put("lines", line)
    if late:
        # It was away for a moment, and may have forgotten us: so a restart looks from here.
        _try(turn, line)
    return True


def _is_back(turn: StepContext, line: Line, server: str) -> None:
    """Register with a server that was silent. Should it refuse, the waits are short ones again."""
    if line.servers and server not in line.servers:
        return
    if line.servers and server != line.servers[line.server]:
        line = replace(line, server=line.servers.index(server))
        _use(turn, line, line.server)
    # Not knocked at again before this attempt has failed: one that answers all but REGISTER is not to be hammered.
    _try(turn, replace(line, failed=0), anew=True)
    line = _line(turn, line.name) or line
    turn.put("lines", replace(line, silent_since=None, knock_at=None))


def servers_found(turn: StepContext, account: str, servers: tuple[str, ...]) -> None:
    """A name leads here now. A server that is still among them stays in use; a line that is down tries at once."""
    line = _line(turn, account)
    if line is None or not servers:
        return
    in_use = line.servers[line.server] if line.servers else ""
    place = servers.index(in_use) if in_use in servers else 0
    if servers[place] != in_use or set(servers) != set(line.servers):
        _use(turn, replace(line, servers=servers), place)
    line = replace(line, servers=servers, server=place)
    turn.put("lines", line)
    if servers[place] != in_use and turn.state.engine_up:
        _try(turn, line)


def network_changed(turn: StepContext) -> None:
    """The network is back, or another one: whatever was known of the lines is old."""
    if not turn.state.engine_up:
        return
    turn.order(RebindTransports())
    for line in turn.state.lines:
        fresh = replace(line, failed=0, refused=0, resting=(), silent_since=None)
        _try(turn, replace(fresh, moving=line.phase is LinePhase.UP))


def refused(turn: StepContext, account: str) -> None:
    """Our password was not good enough for a call: register at once, to know whether the line stands at all."""
    line = _line(turn, account)
    if line is not None and line.phase is LinePhase.UP:
        _try(turn, line)


def doubt(turn: StepContext, account: str) -> bool:
    """Ask a server now whether it lives, because a call through it failed; return whether news of it is to come."""
    line = _line(turn, account)
    if line is None or line.phase is not LinePhase.UP:
        return False
    # A REGISTER that is under way would tell too, but not that the call's failure was its answer.
    if (line.probe_until is None or _near(turn, line)) and not line.moving:
        _ask(turn, line)
    return True


def time_passed(turn: StepContext) -> list[LineLost]:
    """Try and ask what is due. Return the lines whose servers did not answer in time."""
    silent = []
    for line in turn.state.lines:
        if line.retry_at is not None and turn.now >= line.retry_at:
            _try(turn, line)
        elif line.probe_until is not None and turn.now >= line.probe_until:
            silent.append(LineLost(line.name, 408, "the server does not answer", silent=True))
        elif line.probe_at is not None and turn.now >= line.probe_at:
            _see_to(turn, line)
        elif line.knock_at is not None and turn.now >= line.knock_at:
            _knock(turn, line)
    return silent


def _see_to(turn: StepContext, line: Line) -> None:
    """See whether a server lives, and where that is nobody's burden, whether it still knows us: by registering."""
    if not _near(turn, line):
        _ask(turn, line)
        return
    _try(turn, line)
    if turn.state.stopping_until is None:
        turn.put("lines", replace(_unasked(line), probe_until=turn.now + turn.rules.probe_wait_s))


def _near(turn: StepContext, line: Line) -> bool:
    return turn.rules.near(line.name, line.servers[line.server] if line.servers else "")


def _knock(turn: StepContext, line: Line) -> None:
    if turn.state.stopping_until is not None:
        turn.put("lines", _unasked(line))
        return
    since = turn.now if line.silent_since is None else line.silent_since
    turn.order(Knock(line.name, line.servers))
    knocked = replace(line, silent_since=since, knock_at=None)
    turn.put("lines", replace(knocked, knock_at=_next_knock(turn, knocked, since)))


def _next_knock(turn: StepContext, line: Line, silent_since: float) -> float:
    """Return when to knock next: what fails beside it does not put it off."""
    lasted = turn.now - silent_since
    pause = next((pause for until, pause in turn.rules.knock_s if lasted < until), turn.rules.knock_s[-1][1])
    return turn.now + pause if line.knock_at is None else min(line.knock_at, turn.now + pause)


def _ask(turn: StepContext, line: Line) -> None:
    turn.order(Probe(line.name))
    turn.put("lines", replace(line, probe_at=None, probe_until=turn.now + turn.rules.probe_wait_s))


def _use(turn: StepContext, line: Line, place: int) -> None:
    """Send everything to one of a line's servers, and hear them all."""
    server = line.servers[place]
    turn.order(SelectServer(line.name, server, tuple(sorted(set(line.servers) - {server}))))


def _try(turn: StepContext, line: Line, *, anew: bool = False) -> None:
    if turn.state.stopping_until is not None:
        # Nothing is begun any more, and nothing that is due may stay due: the alarm would ring without end.
        turn.put("lines", _unasked(line))
        return
    if line.name in turn.rules.named and not line.servers:
        turn.put("lines", replace(line, retry_at=None))
        return
    turn.order(Register(line.name, anew))
    line = replace(line, tried_at=turn.now)
    if line.phase is LinePhase.UP:
        turn.put("lines", _unasked(line))
        return
    knock_at = turn.now + turn.rules.hush_s if line.silent_since is None else line.knock_at
    turn.put("lines", replace(_unasked(line), phase=LinePhase.REGISTERING, knock_at=knock_at))


def _unasked(line: Line) -> Line:
    """Return a line of which nothing is wanted by itself."""
    return replace(line, retry_at=None, probe_at=None, probe_until=None, knock_at=None)


def _line(turn: StepContext, account: str) -> Line | None:
    return next((line for line in turn.state.lines if line.name == account), None)
