# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines: each account's registration, tried again for ever at growing intervals, and asked whether it lives.

PJSIP's own retry is switched off: it waits five minutes, and after 401, 403 or 404 for ever. Where a name leads to
several servers, each failure goes on to the next one (RFC 3263 section 4.3), which PJSIP does not do over UDP.
"""

from dataclasses import replace

from intercom.core.commands import Kind, Probe, RefreshNetwork, Register, TellOutage, UseServer
from intercom.core.events import LineLost, LineUp
from intercom.core.levels import line_up
from intercom.core.state import Line, LinePhase
from intercom.core.turn import Turn


def engine_started(turn: Turn) -> None:
    """Register everything with a voice engine that knows nothing yet."""
    for line in turn.state.lines:
        if line.servers:
            _use(turn, line, line.server)
        _try(turn, line)


def engine_lost(turn: Turn) -> None:
    """All registrations died with the engine; the next one starts them again, so nothing is retried meanwhile."""
    for line in turn.state.lines:
        turn.put(
            "lines",
            replace(
                line, phase=LinePhase.DOWN, since=turn.now, retry_at=None, probe_at=None, probe_until=None, moving=False
            ),
        )
    _note_outage(turn)


def up(turn: Turn, event: LineUp) -> None:
    """A registration stands. Renewals are no news."""
    line = _line(turn, event.account)
    if line is None:
        return
    if line.phase is not LinePhase.UP:
        turn.tell(Kind.LINE_UP, account=line.name, took_ms=event.took_ms, expires_s=event.expires_s)
        line = replace(line, since=turn.now)
    turn.put(
        "lines",
        replace(
            line,
            phase=LinePhase.UP,
            failed=0,
            retry_at=None,
            fault="",
            took_ms=event.took_ms or line.took_ms,
            probe_at=turn.now + turn.rules.probe_s,
            probe_until=None,
            moving=False,
        ),
    )
    _tell_outage(turn, line)
    turn.set(down_since=None)


def lost(turn: Turn, event: LineLost) -> None:
    """A registration failed: say why, go on to the next server, and try again after a while."""
    line = _line(turn, event.account)
    if line is None:
        return
    waits = turn.rules.retry_s
    server = (line.server + 1) % len(line.servers) if line.servers else 0
    if line.servers and server != line.server:
        _use(turn, line, server)
    turn.put(
        "lines",
        replace(
            line,
            phase=LinePhase.DOWN,
            since=line.since if line.phase is LinePhase.DOWN else turn.now,
            failed=line.failed + 1,
            retry_at=turn.now + waits[min(line.failed, len(waits) - 1)],
            fault=f"{event.code} {event.reason}".strip(),
            probe_at=None,
            probe_until=None,
            server=server,
            moving=False,
        ),
    )
    _note_outage(turn)


def answered_probe(turn: Turn, account: str, took_ms: float) -> bool:
    """The server lives; ask again after a while. Return whether it had been asked."""
    line = _line(turn, account)
    if line is None or line.probe_until is None:
        return False
    ask_again = turn.now + turn.rules.probe_s
    turn.put("lines", replace(line, probe_at=ask_again, probe_until=None, round_trip_ms=took_ms))
    return True


def servers_found(turn: Turn, account: str, servers: tuple[str, ...]) -> None:
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


def network_changed(turn: Turn) -> None:
    """The network is back, or another one: whatever was known of the lines is old."""
    if not turn.state.engine_up:
        return
    turn.order(RefreshNetwork())
    for line in turn.state.lines:
        _try(turn, replace(line, failed=0, moving=line.phase is LinePhase.UP))


def refused(turn: Turn, account: str) -> None:
    """Our password was not good enough for a call: register at once, to know whether the line stands at all."""
    line = _line(turn, account)
    if line is not None and line.phase is LinePhase.UP:
        _try(turn, line)


def doubt(turn: Turn, account: str) -> bool:
    """Ask a server now whether it lives, because a call through it failed; return whether news of it is to come."""
    line = _line(turn, account)
    if line is None or line.phase is not LinePhase.UP:
        return False
    if line.probe_until is None and not line.moving:
        _ask(turn, line)
    return True


def time_passed(turn: Turn) -> list[LineLost]:
    """Try and ask what is due. Return the lines whose servers did not answer in time."""
    silent = []
    for line in turn.state.lines:
        if line.retry_at is not None and turn.now >= line.retry_at:
            _try(turn, line)
        elif line.probe_until is not None and turn.now >= line.probe_until:
            silent.append(LineLost(line.name, 408, "the server does not answer OPTIONS"))
        elif line.probe_at is not None and turn.now >= line.probe_at:
            _ask(turn, line)
    return silent


def _ask(turn: Turn, line: Line) -> None:
    turn.order(Probe(line.name))
    turn.put("lines", replace(line, probe_at=None, probe_until=turn.now + turn.rules.probe_wait_s))


def _use(turn: Turn, line: Line, place: int) -> None:
    """Send everything to one of a line's servers, and hear them all."""
    server = line.servers[place]
    turn.order(UseServer(line.name, server, tuple(sorted(set(line.servers) - {server}))))


def _try(turn: Turn, line: Line) -> None:
    if turn.state.stopping_until is not None:
        # Nothing is begun any more, and nothing that is due may stay due: the alarm would ring without end.
        turn.put("lines", replace(line, retry_at=None, probe_at=None, probe_until=None))
        return
    if line.name in turn.rules.named and not line.servers:
        turn.put("lines", replace(line, retry_at=None))
        return
    turn.order(Register(line.name))
    phase = line.phase if line.phase is LinePhase.UP else LinePhase.REGISTERING
    turn.put("lines", replace(line, phase=phase, retry_at=None, probe_at=None, probe_until=None))


def _note_outage(turn: Turn) -> None:
    if turn.state.down_since is None and line_up(turn.state) is None:
        turn.set(down_since=turn.now)


def _tell_outage(turn: Turn, line: Line) -> None:
    """Tell a person which visitors reached nobody."""
    missed, target = turn.state.missed, turn.rules.text_missed_to
    if not missed or not target:
        return
    began = turn.state.down_since if turn.state.down_since is not None else missed[0][1]
    turn.order(TellOutage(line.name, target, missed, min(began, missed[0][1]), turn.now))
    turn.tell(Kind.OUTAGE_TOLD, target=target, account=line.name, presses=len(missed))
    turn.set(missed=())


def _line(turn: Turn, account: str) -> Line | None:
    return next((line for line in turn.state.lines if line.name == account), None)
