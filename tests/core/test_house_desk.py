"""What the house may ask of the daemon: what house.toml allows, whatever the process that asks has become."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from intercom.control.house_api import HouseDesk
from intercom.control.server import Peer

ALL = ("press", "release", "hangup")
REQUESTS: dict[str, dict[str, Any]] = {
    "press": {"do": "press", "button": "front"},
    "release": {"do": "release", "door": "front", "released": True, "hold": False},
    "lock": {"do": "lock", "door": "front"},
    "hangup": {"do": "hangup"},
    "next": {"do": "next", "since": -1, "within_s": 30.0},
}
OTHERS: list[dict[str, Any]] = [
    {"do": "status"}, {"do": "visits"}, {"do": "wait", "visit": "x"}, {"do": "call", "target": "sip:evil@192.0.2.1"},
    {"do": "reload"}, {"do": "try", "path": "/dev/shm/x.toml", "within_s": 3600}, {"do": "keep"}, {"do": "give up"},
    {"do": "differs", "flat": {}}, {"do": "audio-levels"}, {"do": "trace", "for_s": 1}, {"do": "trace"},
    {"do": "release"}, {"do": "press"}, {"do": "press", "button": 1}, {"do": "next"}, {"do": ["press"]}, {},
    {"do": None},
    {"do": "Release", "door": "front"}, {"do": "lock"}, {"do": "unlock"},
]  # fmt: skip


class Desk:
    """Answers everything, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, Any], str]] = []

    async def answer(self, request: dict[str, Any], peer: Peer) -> dict[str, Any]:
        self.asked.append((request, peer.name))
        return {"ok": True}


def ask(settings: Path, request: dict[str, Any]) -> tuple[bool, list[tuple[dict[str, Any], str]]]:
    """Ask as the house; whether it was granted, and what came through to the desk."""
    desk = Desk()
    answer = asyncio.run(HouseDesk(desk, settings).answer(request, Peer(1, 1, 1)))
    return answer["ok"], desk.asked


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """House settings that allow everything."""
    path = tmp_path / "house.toml"
    path.write_text(f"[mqtt]\nserver = 'broker'\ncommands = {list(ALL)}\n")
    return path


@pytest.mark.parametrize("request_", OTHERS, ids=repr)
def test_what_the_house_does_not_need_it_cannot_ask(request_: dict[str, Any], settings: Path) -> None:
    """Neither a call to anywhere, nor another configuration, nor the trace, nor a malformed question."""
    assert ask(settings, request_) == (False, [])


@pytest.mark.parametrize("allowed", ALL)
def test_only_what_the_settings_allow_is_done(allowed: str, settings: Path) -> None:
    """The door looks itself; what has happened may always be asked."""
    settings.write_text(f"[mqtt]\ncommands = ['{allowed}']\n")
    for name, request in REQUESTS.items():
        granted, asked = ask(settings, request)
        assert granted == (name in (allowed, "next") or (name, allowed) == ("lock", "release")), name
        passed = request if name != "lock" else {**REQUESTS["release"], "released": False}
        assert asked == ([(passed, "the house")] if granted else [])


@pytest.mark.parametrize("text", [
    "", "[mqtt]", "commands = ['release']", "[mqtt]\ncommands = 'release'",
    "[mqtt]\ncommands = [1, 'dance', ['release']]",
    "[[mqtt]]\ncommands = ['release']", "mqtt = 1", "[mqtt", "\x00", "[mqtt]\ncommands = true",
    "#" * 70_000 + "\n[mqtt]\ncommands = ['release']",
])  # fmt: skip
def test_settings_that_are_broken_allow_nothing(text: str, settings: Path) -> None:
    """Nor do those that are missing."""
    settings.write_text(text)
    assert ask(settings, REQUESTS["release"]) == (False, [])
    settings.unlink()
    assert ask(settings, REQUESTS["release"]) == (False, [])


def test_a_release_holds_no_door_and_nothing_more_comes_through(settings: Path) -> None:
    """What a question has besides is left out: a door that stays released, the sound's levels."""
    held = {"do": "release", "door": "front", "released": True, "hold": True, "visit": "x"}
    assert ask(settings, held)[1] == [(REQUESTS["release"], "the house")]
    assert ask(settings, {**REQUESTS["next"], "levels": True})[1] == [(REQUESTS["next"], "the house")]
