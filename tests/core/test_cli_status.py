# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom status`: one screen, and its first line answers "would it ring now?"."""

import copy
import io
import json
from pathlib import Path
from typing import Any

import pytest
from test_cli import AT, RECORDS, Canned

from intercom.__main__ import main
from intercom.cli.commands import status as command
from intercom.cli.commands.status import screen, verdict
from intercom.cli.terminal import Paint, paint_for, span, table

WELL: dict[str, Any] = {
    "name": "Front door",
    "uptime_s": 11520.4,
    "phase": "idle",
    "lamp": "ready",
    "text": "idle; home registered",
    "lines": [
        {
            "account": "home",
            "state": "registered",
            "since_s": 11519.0,
            "took_ms": 41.6,
            "round_trip_ms": 3.2,
            "detail": "",
        },
        {"account": "cell", "state": "down", "since_s": 61.0, "took_ms": 0.0, "detail": "403 Forbidden"},
    ],
    "buttons": [{"button": "front", "through": "home"}, {"button": "side", "through": "home"}],
    "doors": [
        {"door": "front", "released": False, "for_s": 0.0, "contact": ""},
        {"door": "gate", "released": True, "for_s": 3.2, "contact": "open"},
    ],
    "locked_out": [{"source": "201@home", "what": "codes", "for_s": 899.0}],
    "conditions": [{"condition": "line cell", "detail": "403 Forbidden", "since_s": 61.0}],
    "card": "closed",
    "time": AT,
    "machine": {
        "temperature_c": 51.4,
        "supply": "well",
        "clock": "not set",
        "disk_free_mb": 1234,
        "written_kb": 96,
        "written_day_kb": 20,
        "state_kb": 5,
    },
    "engine": {"pid": 123, "versions": "PJSIP 2.17, opus", "starts": 1},
    "visits": RECORDS,
}
PLAIN = Paint(colours=False)


def changed(**changes: Any) -> dict[str, Any]:
    """The status of a door that is well but for this."""
    return {**copy.deepcopy(WELL), **changes}


def test_the_whole_screen() -> None:
    """Everything that decides over the next press, and how the last ones went."""
    assert screen(WELL, PLAIN) == [
        "Front door: would it ring now? yes, through home, but there is trouble with line cell",
        "idle, lamp ready, sound card closed, up 3 h 12 min",
        "",
        "line     home registered, in 42 ms, answers in 3 ms for 3 h 11 min",
        "line     cell down: 403 Forbidden for 1 min",
        "door     front locked",
        "door     gate released for 3 s, open",
        "codes    no codes from 201@home for 14 min",
        "machine  14:02:11, 51 °C, supply well, clock not set, 1234 MB free, 20 kB written in a day",
        "trouble  line cell: 403 Forbidden for 1 min",
        "engine   PJSIP 2.17, opus (pid 123, started once)",
        "",
        "time                 button    whom  to ring ms  to talk ms  talked s  outcome",
        "2026-03-01 14:03:11  (called)  201                                     declined",
        "2026-03-01 14:02:11  front     201          120        3200      12.3  talked",
    ]


DOWN = [{"button": "front", "through": ""}, {"button": "side", "through": ""}]
SIDE_DOWN = [{"button": "front", "through": "no account"}, {"button": "side", "through": ""}]
MIXED = [{"button": "front", "through": "no account"}, {"button": "side", "through": "home"}]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (changed(conditions=[]), (True, "through home")),
        (changed(text="stopping"), (False, "the intercom is stopping")),
        (changed(engine={"pid": 0, "versions": "", "starts": 2}), (False, "the voice engine does not run")),
        (changed(buttons=DOWN), (False, "no line is registered")),
        (changed(buttons=SIDE_DOWN), (False, "no line is registered, and side would ring nobody")),
        (changed(buttons=MIXED, conditions=[]), (True, "directly and through home")),
    ],
)
def test_whether_it_would_ring_now(told: dict[str, Any], expected: tuple[bool, str]) -> None:
    """A wrong yes is the worst answer there is."""
    assert expected == verdict(told)


@pytest.mark.parametrize(("told", "expected"), [(WELL, 0), (changed(buttons=DOWN), 1)])
def test_scripts_get_all_of_it_and_the_verdict_as_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], told: dict[str, Any], expected: int
) -> None:
    """A monitor need not understand the screen."""
    daemon = Canned(tmp_path / "s")
    daemon.answers["status"] = {"ok": True, "status": told}
    try:
        status = main(["status", "--json", "--socket", str(daemon.path)])
        plain = main(["status", "--socket", str(daemon.path)])
    finally:
        daemon.close()
    shown = capsys.readouterr().out

    assert (status, plain) == (expected, expected)
    assert json.JSONDecoder().raw_decode(shown)[0] == told
    assert "\x1b" not in shown


@pytest.mark.parametrize("answer", [{}, {"name": 1, "text": []}, {"lines": 3}])
def test_a_daemon_of_another_version_is_told_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: dict[str, Any]
) -> None:
    """After an update the old daemon may still run."""
    daemon = Canned(tmp_path / "s")
    daemon.answers["status"] = {"ok": True, "status": answer}
    try:
        status = main(["status", "--socket", str(daemon.path)])
    finally:
        daemon.close()

    assert status == 1
    assert capsys.readouterr().err == "intercom: the daemon is of another version: sudo systemctl restart intercom\n"


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "expected"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {}, True),
        (io.StringIO(), {"TERM": "xterm"}, False),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
    ],
)
def test_colours_are_for_terminals_whose_owner_wants_them(
    stream: io.StringIO, environ: dict[str, str], expected: bool
) -> None:
    """In a pipe or a log they are rubbish; NO_COLOR says that somebody cannot read them."""
    assert paint_for(stream, environ).colours is expected


def test_colour_changes_nothing_but_colour() -> None:
    """Columns line up with and without it."""
    coloured = screen(WELL, Paint(colours=True))

    assert coloured[0].startswith("\x1b[1mFront door\x1b[0m: would it ring now? \x1b[32myes\x1b[0m,")
    plain = "\n".join(coloured)
    for code in (command.GOOD, command.BAD, command.BOLD, command.DIM, "0"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain.split("\n") == screen(WELL, PLAIN)


def test_an_empty_table_has_its_head() -> None:
    """Widths of nothing are no trouble."""
    assert table(("a", ">b"), [], PLAIN) == ["a  b"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h 0 min"), (172800, "2 days")],
)
def test_spans_are_told_as_people_say_them(seconds: float, expected: str) -> None:
    """Nobody counts in 11520 seconds."""
    assert expected == span(seconds)
