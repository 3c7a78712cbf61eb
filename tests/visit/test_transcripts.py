"""Every command, once, in a real terminal before the real daemon; README.md shows the very same."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import transcripts

from intercom.__main__ import COMMANDS, parser
from lab.house import REGISTRAR_IP, Door, House, stopping
from lab.terminal import Terminal, intercom

TOLD = ("press-accepted", "hung-up", "door-released", "trial-began", "trace-began")
"""Kinds of records that tell what an operator did: by whom is the kernel's word for who asked (SO_PEERCRED)."""
MOCK = {"GPIOZERO_PIN_FACTORY": "mock"}
WHOLE = parser()


class Session:
    """Somebody at the shell of a door, and what it showed him."""

    def __init__(self, door: Door, folder: Path) -> None:
        self.door, self.folder, self.told = door, folder, dict[str, str]()
        self.typed_at = 0.0
        self._places = {str(door.config): "/etc/intercom/intercom.toml", str(door.socket): "/run/intercom/control"}
        self._places[f"{folder}/"] = ""

    @contextmanager
    def at(self, *words: str | Path, shown: str = "") -> Iterator[Terminal]:
        """Type a command, and note what is on the terminal at the end of the block."""
        command = WHOLE.parts[str(words[0])]
        for word in words[1:2]:
            command = command.parts.get(str(word), command)
        where = ["--socket", self.door.socket] if "--socket" in command.format_help() else []
        self.typed_at = time.monotonic()
        with intercom(*words, *where, columns=300, rows=50, env=MOCK) as terminal:
            yield terminal
            self._note(str(words[0]), shown or " ".join(map(str, words)), terminal)

    def type(self, *words: str | Path, status: int = 0, shown: str = "") -> str:
        """Type a command and await its end."""
        with self.at(*words, shown=shown) as terminal:
            assert terminal.await_end(40) == status, terminal.text()
        return terminal.text()

    def _note(self, name: str, line: str, terminal: Terminal) -> None:
        text = f"$ sudo intercom {line}\n{terminal.text()}"
        for place, called in self._places.items():
            text = text.replace(place, called)
        self.told[name] = transcripts.tidied(text)


def test_the_readme_shows_what_each_command_shows(house: House, tmp_path: Path) -> None:
    """To the last line, but for figures; a command that is added later is not forgotten."""
    house.room.noise(-70)
    with house.door() as door:
        session = Session(door, tmp_path)
        before(session, house)
        visits(session, house)
        sound(session, house)
        another_configuration(session, tmp_path)
        beside(session, tmp_path)
        by_us = {kind for kind in TOLD if door.records(kind, by="uid 0")}
    house.room.noise(None)
    told = {name: session.told[name] for name in COMMANDS}
    transcripts.finish(told)

    assert by_us == set(TOLD)
    assert {name: transcripts.shape(text) for name, text in transcripts.shown().items()} == {
        name: transcripts.shape(text) for name, text in told.items()
    }


def before(session: Session, house: House) -> None:
    """The first things one asks."""
    session.type("check", session.door.config)
    session.type("pins", "--config", session.door.config, shown="pins")
    with stopping(house.odd_phone("echo", "uas_echo", args=["-rtp_echo"])):
        session.type("doctor", "--config", session.door.config, "--echo", "echo", status=4, shown="doctor --echo 600")


def at_rest(door: Door) -> None:
    """Await the end of all that belongs to a visit: a press before the card is closed is told in another order."""
    door.await_status("idle")
    door.await_record("card-closed", reason=f"visit {door.current_visit()}")


def visits(session: Session, house: House) -> None:
    """What happens at the door, and what is told of it."""
    door = session.door
    with stopping(house.phone()) as phone:
        with session.at("watch") as watch:
            watch.await_text("would it ring")
            door.press()
            phone.await_event("CALL_INCOMING", since=session.typed_at)
            phone.answer()
            watch.await_text("levels .*dBFS")
        phone.hang_up()
        at_rest(door)
        with session.at("press", "front", "--wait") as press:
            phone.await_event("CALL_INCOMING", since=session.typed_at)
            phone.answer()
            door.await_record("call-answered", visit=door.current_visit())
            session.type("open")
            phone.hang_up()
            assert press.await_end() == 0, press.text()
        at_rest(door)
        session.type("logs", "--visit", door.current_visit())
        with session.at("call", "201", "--wait") as call:
            phone.await_event("CALL_INCOMING", since=session.typed_at)
            session.type("hangup")
            assert call.await_end() == 1
        door.await_status("idle")
        with session.at("trace", session.folder / "visit.pcap") as trace:
            trace.await_text("^Tracing")
            door.press()
            phone.await_event("CALL_INCOMING", since=session.typed_at)
            phone.reject()
            assert trace.await_end() == 0
        session.type("unlock", status=1)
        session.type("status")
        session.type("visits", "-n", "4")


def sound(session: Session, house: House) -> None:
    """What somebody on a ladder tries."""
    session.type("test", "--reference")
    session.type("audio", "devices")


def another_configuration(session: Session, folder: Path) -> None:
    """From five questions to a change over SSH."""
    door = session.door
    with session.at("setup", "--config", folder / "intercom.toml", shown="setup") as setup:
        for number, answer in enumerate((REGISTRAR_IP, "door", "secret", "201", ""), 1):
            setup.await_text(rf"^{number}\. ")
            setup.type(f"{answer}\n")
        assert setup.await_end() == 0
    new = folder / "new.toml"
    new.write_text(door.config.read_text().replace("talk_s = 60", "talk_s = 90"))
    new.chmod(0o600)
    session.type("apply", new, "--config", door.config, shown="apply new.toml")
    session.type("set", "calls.talk_s=120", "--config", door.config, shown="set calls.talk_s=120")
    session.type("diff", door.config, status=1, shown="diff")
    session.type("reload")


def beside(session: Session, folder: Path) -> None:
    """What runs beside the daemon, or without it."""
    session.type("code", "new", "--config", session.door.config, shown="code new")
    session.type("metrics", shown="metrics")
    session.told["metrics"] = "\n".join([*session.told["metrics"].splitlines()[:7], "..."])
    settings = folder / "house.toml"
    settings.write_text('[webhooks.house]\nurl = "http://127.0.0.25:9/door"\n')
    with session.at("house", "--config", settings, shown="house") as house:
        house.await_text("is followed")
    session.type("phones", "add", "205", "--file", folder / "phones.cfg", shown="phones add 205")
    session.type("lock", "--config", session.door.config, shown="lock")
    told = session.type("run", "--config", session.door.config, status=1, shown="run")
    assert re.search("another intercom runs here", told)
