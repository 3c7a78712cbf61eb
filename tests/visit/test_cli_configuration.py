"""Another configuration for a running door: a visit is not disturbed, and what does not work is taken back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom.control.client import ask
from lab.house import BUTTON, SIDE_BUTTON, STRIKE, Door, House, stopping
from lab.processes import wait_until
from lab.terminal import intercom

TAKEN = 23
"""A pin that somebody else holds."""


@pytest.fixture(scope="module")
def station(house: House) -> Iterator[Door]:
    """One start of the daemon for all of these; each leaves it with the configuration it came with."""
    with house.door() as door:
        yield door


def another(door: Door, old: str, new: str) -> Path:
    """A file that differs from the one in use."""
    path = door.folder / "new.toml"
    path.write_text(door.config.read_text().replace(old, new))
    path.chmod(0o600)
    return path


def status(door: Door) -> dict[str, object]:
    told: dict[str, object] = ask(door.socket, {"do": "status"})["status"]
    return told


def test_a_reload_waits_for_the_visit_and_then_holds(house: House, station: Door) -> None:
    """Who talks goes on talking; the next press already rings elsewhere. The same process, the same registration."""
    before = station.config.read_text()
    ups = len(station.records("line-up"))
    with stopping(house.phone()) as phone:
        station.press()
        phone.await_event("CALL_INCOMING")
        station.config.write_text(before.replace('targets = ["201"]', 'targets = ["declined"]'))
        with intercom("reload", "--socket", station.socket, columns=160) as terminal:
            assert terminal.await_end() == 0
        phone.answer()
        station.await_record("call-answered")
        assert not station.records("configured")
        phone.hang_up()
        first = station.await_visit()
    told = station.await_record("configured")
    station.press()
    second = station.await_visit(visit=f"{first.id[:-1]}{int(first.id[-1]) + 1}")
    station.config.write_text(before)
    station.process.signal(signal.SIGHUP)
    station.await_record("configured", changed="buttons", by="SIGHUP")

    assert terminal.text() == "as soon as the visit is over"
    assert told["INTERCOM_CHANGED"] == "buttons"
    assert (first.outcome, second.outcome) == ("talked", "declined")
    assert len(station.records("line-up")) == ups


def test_a_wrong_file_changes_nothing(station: Door) -> None:
    """Everything that is wrong with it is told, and the door goes on with what it has."""
    before = station.config.read_text()
    station.config.write_text(before.replace("pin = 17", "pin = 99"))
    with intercom("reload", "--socket", station.socket, columns=200) as terminal:
        refused = terminal.await_end()
    station.await_record("condition-began", condition="configuration")
    station.config.write_text(before)
    with intercom("reload", "--socket", station.socket) as again:
        assert again.await_end() == 0
    station.await_record("condition-ended", condition="configuration")

    assert refused == 1
    assert "[buttons.front] pin = 99" in terminal.text()


def test_a_configuration_that_works_is_kept(station: Door) -> None:
    """Also one for which everything is made anew: here a registration of another length."""
    before = station.config.read_text()
    new = another(station, 'user = "door"', 'user = "door"\nexpires_s = 200')
    with intercom("apply", new, "--config", station.config, "--socket", station.socket, columns=160) as terminal:
        kept = terminal.await_end(40)
    applied = station.config.read_text()
    with intercom("diff", station.config, "--socket", station.socket) as same:
        no_difference = same.await_end()
    with intercom("apply", _file(station, before), "--config", station.config, "--socket", station.socket) as back:
        assert back.await_end(40) == 0

    assert terminal.text().splitlines() == [
        "- accounts.home.expires_s = 300",
        "+ accounts.home.expires_s = 200",
        "The door is well with it.",
        f"{station.config}: replaced; the one before is in intercom.before",
    ]
    assert (kept, no_difference, applied) == (0, 0, new.read_text())
    assert station.process.running


def _file(door: Door, text: str) -> Path:
    path = door.folder / "old.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_configuration_that_does_not_register_is_taken_back(station: Door) -> None:
    """By itself, with the reason; the file was never touched, and the next press rings as before."""
    before = station.config.read_text()
    new = another(station, 'password = "secret"', 'password = "wrong"')
    arguments = ("--within", "4", "--config", station.config, "--socket", station.socket)
    with intercom("apply", new, *arguments, columns=160) as terminal:
        refused = terminal.await_end(40)
    _await_registered(station)

    assert refused == 1
    assert "- accounts.home.password = ***" in terminal.text()
    assert "Not kept: line home is " in terminal.text()
    assert terminal.text().endswith("The old configuration is back.")
    assert station.config.read_text() == before
    assert "wrong" not in terminal.text()


def test_a_pin_that_cannot_be_had_brings_the_old_configuration_back(house: House, station: Door) -> None:
    """Nothing is wrong with the file, but somebody else holds the pin: told, and the door rings as it did."""
    before = station.config.read_text()
    station.pins.take(TAKEN)
    stops = len(station.records("stopping"))
    troubles = len(station.records("condition-began", condition="configuration"))
    station.config.write_text(before.replace(f"pin = {SIDE_BUTTON}", f"pin = {TAKEN}"))
    with intercom("reload", "--socket", station.socket, columns=160) as terminal:
        assert terminal.await_end() == 0
    told = station.await_records("condition-began", troubles + 1, 20, condition="configuration")[-1]
    _await_registered(station, 20)
    strikes = [level for _, level in station.pins.history(STRIKE)]
    with stopping(house.phone()) as phone:
        station.press()
        phone.await_event("CALL_INCOMING", 15)
        phone.reject()
        station.await_visit(button="front", outcome="busy")
    station.await_status("idle")
    used = status(station)
    station.config.write_text(before)
    station.process.signal(signal.SIGHUP)
    station.await_records("condition-ended", troubles + 1, 20, condition="configuration")

    assert f"button 'side': pin GPIO{TAKEN}" in told["INTERCOM_DETAIL"]
    assert "configuration" in str(used["conditions"])
    assert len(station.records("stopping")) == stops + 1
    assert set(strikes) == {0.0}


def _await_registered(door: Door, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            told = status(door)
        except Exception:
            told = {}
        lines = told.get("lines")
        if isinstance(lines, list) and all(line["state"] == "registered" for line in lines):
            return
        assert time.monotonic() < deadline, told
        time.sleep(0.05)


def test_who_loses_the_connection_gets_the_old_one_back(station: Door) -> None:
    """The session dies before the human has said yes; so does the command, with a signal that it cannot catch."""
    new = another(station, "ring_s = 20", "ring_s = 21")
    arguments = ("--silent", "--within", "1", "--confirm", "1", "--config", station.config, "--socket", station.socket)
    with intercom("apply", new, *arguments, columns=160) as terminal:
        terminal.await_text("Keep it")
        os.kill(terminal.pid, signal.SIGKILL)
    on_trial = status(station)["configuration"]
    station.await_record("configured", 20, by="nobody kept it")

    assert isinstance(on_trial, dict)
    assert on_trial["trial"] is not None


def test_a_human_may_say_yes(station: Door) -> None:
    """And is asked in time."""
    before = station.config.read_text()
    new = another(station, "talk_s = 60", "talk_s = 62")
    arguments = ("--confirm", "1m", "--config", station.config, "--socket", station.socket)
    with intercom("apply", new, *arguments, columns=160) as terminal:
        terminal.await_text("Keep it")
        terminal.type("y\n")
        kept = terminal.await_end()
    text = station.config.read_text()
    with intercom("set", "calls.talk_s=60", "--config", station.config) as back:
        assert back.await_end() == 0
    with intercom("diff", station.config, "--socket", station.socket) as differs:
        different = differs.await_end()
    station.process.signal(signal.SIGHUP)

    assert kept == 0
    assert "talk_s = 62" in text
    assert (different, differs.text()) == (1, "- calls.talk_s = 62.0\n+ calls.talk_s = 60.0")
    assert station.config.read_text() == before


def test_a_press_in_the_moment_between_two_daemons_still_rings(house: House, station: Door) -> None:
    """All is made anew, and somebody presses just then: it rings a moment later."""
    with stopping(house.phone()) as phone:
        _await_registered(station)
        before = station.config.read_text()
        station.config.write_text(before.replace("pulse_s = 1.0", "pulse_s = 2.0"))
        stops = len(station.records("stopping"))
        station.process.signal(signal.SIGHUP)
        wait_until(lambda: len(station.records("stopping")) > stops, 5, "the daemon stops")
        station.press(BUTTON)
        phone.await_event("CALL_INCOMING", 15)
        phone.reject()
        station.await_visit(button="front", outcome="busy")
        station.config.write_text(before)
        station.process.signal(signal.SIGHUP)
