"""`intercom status` before a real door, in a real terminal: would it ring now?"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lab.house import Door, House, stopping
from lab.terminal import intercom


@pytest.fixture(scope="module")
def station(house: House) -> Iterator[Door]:
    """One start of the daemon for all of these."""
    with house.door() as door:
        yield door


def plain(text: str) -> list[str]:
    """A transcript without what differs from run to run, and from machine to machine: not every clock is set."""
    text = re.sub(
        r", but there is trouble with clock$|^trouble  clock.*\n|(?<=lamp )(ready|fault)", "", text, flags=re.MULTILINE
    )
    machine = r"(?<=^machine  ).*clock (not )?set, .* free(, \d+ kB written in a day)?$"
    text = re.sub(rf"{machine}|(?<=^engine   ).*", "...", text, flags=re.MULTILINE)
    return re.sub(r"\d+(\.\d+)*", "N", re.sub(r" {2,}", "  ", text)).splitlines()


def test_one_screen_says_whether_it_would_ring(house: House, station: Door) -> None:
    """The whole transcript, in colour; every line of it comes from the daemon."""
    with stopping(house.phone()) as phone:
        station.press()
        phone.await_event("CALL_INCOMING")
        phone.reject()
        station.await_visit()
        station.await_record("card-closed")
    with intercom("status", "--socket", station.socket, columns=160) as terminal:
        status = terminal.await_end()

    assert plain(terminal.text()) == [
        "Front door: would it ring now? yes, through home",
        "idle, lamp , sound card closed, up N s",
        "",
        "line  home registered, in N ms for N s",
        "door  front locked",
        "machine  ...",
        "engine  ...",
        "",
        "time  button  whom  to ring ms  to talk ms  talked s  outcome",
        "N-N-N N:N:N  front  N  N  busy",
    ]
    assert status == 0
    assert {"green", "default"} <= terminal.colours()


def test_a_pipe_gets_the_same_without_colour_and_scripts_get_json(station: Door) -> None:
    """What a terminal shows is never the only form."""
    argv = [sys.executable, "-m", "intercom", "status", "--socket", str(station.socket)]
    piped = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    told = json.loads(subprocess.run([*argv, "--json"], capture_output=True, text=True, check=True).stdout)

    assert "\x1b" not in piped
    assert piped.startswith("Front door: would it ring now? yes")
    assert set(told) == {
        "name", "version", "uptime_s", "time", "phase", "lamp", "text", "lines", "doors", "buttons", "configuration",
        "conditions", "card", "machine", "counts", "outcomes", "engine", "visits",
        "locked_out", "self_test", "tampers",
    }  # fmt: skip
    assert set(told["lines"][0]) == {
        "account", "state", "since_s", "took_ms", "round_trip_ms", "server", "detail",
    }  # fmt: skip


def test_no_is_said_in_words_and_as_exit_status(house: House) -> None:
    """A monitor asks no more than this."""
    with house.door(wait=False, registrar="127.0.0.99") as door:
        door.await_record("started")
        with intercom("status", "--socket", door.socket) as terminal:
            status = terminal.await_end()
        with intercom("status", "--socket", door.folder / "none") as nobody:
            unreachable = nobody.await_end()

    assert terminal.screen()[0] == "Front door: would it ring now? no, no line is registered"
    assert (status, unreachable) == (1, 3)
    assert "the intercom does not run" in nobody.text()
