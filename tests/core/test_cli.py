# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line, against a daemon that gives set answers: what is shown, where, and with which exit status."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import intercom
from intercom.__main__ import COMMANDS, main
from intercom.adapters.systemd import journal
from intercom.cli.versions import versions

FIRMWARE = Path(intercom.__file__).parents[1]
SAMPLE = FIRMWARE / "intercom/sample.toml"
AT = datetime(2026, 3, 1, 14, 2, 11).astimezone().timestamp()
RECORDS = [
    {"visit": "a-2", "button": "", "by": "201", "target": "201", "outcome": "declined", "timeline": {}, "at": AT + 60},
    {
        "visit": "a-1", "button": "front", "target": "201", "outcome": "talked", "talked_s": 12.34, "at": AT,
        "timeline": {"accepted": 0.0, "ringing": 119.6, "answered": 3200.2, "ended": 15540.0},
    },
]  # fmt: skip


class Canned:
    """A daemon that knows its answers by heart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []
        self.logins: list[str] = []
        self._server = socket.create_server(str(path), family=socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            with connection, connection.makefile("rwb") as lines:
                line = lines.readline()
                if not line:
                    return
                asked = json.loads(line)
                self.logins.append(asked.pop("login"))
                self.asked.append(asked)
                lines.write(json.dumps(self.answers[self.asked[-1]["do"]]).encode() + b"\n")

    def close(self) -> None:
        """Stop, and let the next one have the path."""
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.path))
        self._thread.join(5)
        self._server.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Canned]:
    daemon = Canned(tmp_path / "control.sock")
    yield daemon
    daemon.close()


def test_press_says_what_came_of_it(daemon: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name the daemon takes the only button; it knows best which that is."""
    daemon.answers["press"] = {"ok": True, "visit": "a-1", "got": "still ringing"}
    status = main(["press", "--socket", str(daemon.path)])

    assert (status, capsys.readouterr().out) == (0, "visit a-1: still ringing\n")
    assert daemon.asked == [{"do": "press", "button": ""}]


def test_a_refused_press_fails_with_the_daemons_words(daemon: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    """A script must not take silence for a press."""
    daemon.answers["press"] = {"ok": False, "error": "no button 'back', there is front"}
    status = main(["press", "back", "--socket", str(daemon.path)])

    assert (status, capsys.readouterr()) == (1, ("", "intercom: no button 'back', there is front\n"))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (RECORDS[1], (0, "visit a-1: talked, 201 rang after 120 ms, answered after 3.2 s, talked for 12.3 s")),
        (RECORDS[0], (1, "visit a-2: declined")),
    ],
)
def test_press_can_wait_for_the_outcome(
    daemon: Canned, capsys: pytest.CaptureFixture[str], record: dict[str, Any], expected: tuple[int, str]
) -> None:
    """One command then tries the whole way to the phone, and a script can tell whether somebody was there."""
    daemon.answers = {"press": {"ok": True, "visit": "a-1", "got": "new"}, "wait": {"ok": True, "visit": record}}
    status = main(["press", "front", "--wait", "--socket", str(daemon.path)])

    assert (status, capsys.readouterr().out) == (expected[0], f"visit a-1: new\n{expected[1]}\n")
    assert daemon.asked == [{"do": "press", "button": "front"}, {"do": "wait", "visit": "a-1"}]


@pytest.mark.parametrize("words", [["press"], ["press", "--wait"], ["call", "201"], ["call", "201", "--wait"]])
def test_whoever_got_no_visit_is_told_so_by_the_exit_status(daemon: Canned, words: list[str]) -> None:
    """A door that is about to stop rings nobody."""
    daemon.answers[words[0]] = {"ok": True, "visit": "", "got": "stopping"}

    assert main([*words, "--socket", str(daemon.path)]) == 1


def test_on_a_ladder_a_test_is_the_self_test(daemon: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    """Under the name that comes to mind, and as a part of `intercom audio`."""
    daemon.answers["audio-test"] = {"ok": True, "outcome": "loudspeaker silent"}
    told = [
        (main([*words, "--socket", str(daemon.path)]), capsys.readouterr().out)
        for words in (["test"], ["audio", "test"])
    ]

    assert told == [(1, "loudspeaker silent\n")] * 2
    assert daemon.asked == [{"do": "audio-test", "reference": False}] * 2


@pytest.fixture
def no_journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever journal this machine has, or another test: it would be asked first."""
    monkeypatch.setattr(journal, "SOCKET", tmp_path / "none")


@pytest.mark.usefixtures("no_journald")
def test_visits_are_a_table_with_the_newest_at_the_bottom(daemon: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the eye is when the command ends. Without a journal the daemon's memory is shown."""
    daemon.answers["visits"] = {"ok": True, "visits": RECORDS}
    status = main(["visits", "--socket", str(daemon.path)])

    assert status == 0
    assert capsys.readouterr().out == (
        "time                 button    whom  to ring ms  to talk ms  talked s  outcome\n"
        "2026-03-01 14:02:11  front     201          120        3200      12.3  talked\n"
        "2026-03-01 14:03:11  (called)  201                                     declined\n"
    )


@pytest.mark.usefixtures("no_journald")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], RECORDS[::-1]),
        (["-n", "1"], RECORDS[:1]),
        (["--since", "2026-03-01 14:03"], RECORDS[:1]),
        (["--since", "2026-03-01"], RECORDS[::-1]),
        (["--since", "2026-03-02"], []),
    ],
)
def test_visits_for_scripts(
    daemon: Canned, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: list[Any]
) -> None:
    """The same choice, as one JSON document, also when there is nothing in it."""
    daemon.answers["visits"] = {"ok": True, "visits": RECORDS}
    status = main(["visits", "--json", "--socket", str(daemon.path), *arguments])

    assert (status, json.loads(capsys.readouterr().out)) == (0, expected)


@pytest.mark.usefixtures("no_journald")
def test_a_strangers_name_does_nothing_to_the_terminal(daemon: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    """Callers choose their names themselves."""
    daemon.answers["visits"] = {"ok": True, "visits": [{"target": "a\x1b[2J\nb", "outcome": "talked"}]}
    main(["visits", "--socket", str(daemon.path)])

    assert "a\ufffd[2J\ufffdb" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "usage: intercom"),
        (["status", "--jso"], "unrecognized arguments: --jso\nTry: intercom status --help"),
        (["ring"], "invalid choice: 'ring'"),
        (["visits", "-n", "0"], "must be a whole number from 1"),
        (["visits", "-n", "\u0663"], "must be a whole number from 1"),
        (["visits", "--since", "soon"], "intercom: no such moment: 'soon'; give \"today\""),
    ],
)
def test_a_wrong_command_line_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    """On standard error, with status 2, and nothing is done."""
    status = main([*arguments, *(["--socket", str(tmp_path / "none")] if arguments[:1] == ["visits"] else [])])
    told = capsys.readouterr()

    assert (status, told.out) == (2, "")
    assert complaint in told.err


@pytest.mark.usefixtures("no_journald")
@pytest.mark.parametrize("command", ["status", "press", "visits"])
def test_a_daemon_that_does_not_run_is_told_with_status_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """It is another trouble than a press that nobody answers."""
    status = main([command, "--socket", str(tmp_path / "none")])

    assert status == 3
    assert capsys.readouterr() == (
        "",
        f"intercom: the intercom does not run ({tmp_path}/none): sudo systemctl start intercom\n",
    )


def test_check_tells_what_a_file_would_make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that what was meant can be compared with what was written."""
    path = tmp_path / "a.toml"
    path.write_text(SAMPLE.read_text() + "[lamp]\npin = 22\n")
    path.chmod(0o600)
    status = main(["check", str(path)])

    assert status == 0
    assert capsys.readouterr().out.splitlines() == [
        f"warning: {path}: [accounts.home] password: is still the sample's",
        f"{path}: good: 1 account (home), 1 button (front), 1 door (front), lamp",
    ]


def test_check_tells_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, on standard error, with status 1."""
    path = tmp_path / "a.toml"
    path.write_text("[accounts.a]\nserver = 1\n")
    status = main(["check", str(path)])
    told = capsys.readouterr()

    assert (status, told.out) == (1, "")
    assert [line.split(":")[1:2] for line in told.err.splitlines()] == [
        [" [buttons.NAME]"],
        [" [accounts.a] server = 1"],
        [" [accounts.a] user"],
    ]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("-c", "print('PJSIP 2.17, opus')"), "voice engine PJSIP 2.17, opus"),
        (("-c", "raise SystemExit(1)"), "voice engine not installed"),
        (("-c", "import os; os.abort()"), "voice engine not installed"),
        (("-c", "pass"), "voice engine not installed"),
    ],
)
def test_the_version_says_what_is_in_the_engine(command: tuple[str, ...], expected: str) -> None:
    """The first question in every fault report; asked in another process, which may die of it."""
    assert versions([sys.executable, *command]) == f"intercom {intercom.__version__}\n{expected}"
    assert versions(["/nonexistent"]).endswith("voice engine not installed")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """With an example to copy and what its exit status means."""
    assert main([command, "--help"]) == 0

    told = capsys.readouterr().out
    assert re.search(rf"^examples?:\n  (sudo )?intercom {command}\b", told, re.MULTILINE)
    assert "  2  the command line is wrong\n" in told


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command itself, in a process of its own."""
    # Buffered, as on a door: what is left in the buffer is written when Python ends.
    environ = {**os.environ, "PYTHONPATH": str(FIRMWARE), "PYTHONUNBUFFERED": ""}
    return subprocess.run([sys.executable, *arguments], env=environ, text=True, check=False, timeout=30, **options)


def test_a_command_loads_only_what_it_needs() -> None:
    """A Pi Zero needs a second for the rest."""
    code = "import sys, intercom.__main__ as m; m.main({}); print(*sys.modules)"
    loaded = set(run("-c", code.format(["status", "--socket", "/x"]), capture_output=True).stdout.split())
    loaded_by_help = set(run("-c", code.format(["--help"]), capture_output=True).stdout.split())

    assert "intercom.cli.commands.status" in loaded
    assert "intercom.cli.commands.press" not in loaded
    loaded |= loaded_by_help
    assert loaded & {"asyncio", "systemd", "tomllib", "gpiozero", "pjsua2", "subprocess", "intercom.app.run"} == set()


def test_a_reader_that_has_seen_enough_is_no_trouble() -> None:
    """`intercom visits | head -1` should not end in a traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        done = run("-m", "intercom", "check", str(SAMPLE), stdout=output, stderr=subprocess.PIPE)

    assert (done.returncode, done.stderr) == (1, "")
