"""A card that is not there for anybody to touch, the room around it, and who opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import links
import pytest
from sound_rigs import Door, FakeBridge

from lab.jackd import Jackd
from lab.room import Room


@pytest.fixture(scope="module")
def shared_jackd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jackd]:
    card = Jackd(tmp_path_factory.mktemp("card"))
    yield card
    card.stop()


@pytest.fixture(scope="module")
def shared_room(shared_jackd: Jackd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    visitor = Room(shared_jackd, tmp_path_factory.mktemp("room"))
    yield visitor
    visitor.stop()


@pytest.fixture
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nobody")


@pytest.fixture
def room(shared_jackd: Jackd, shared_room: Room, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """The room, silent, with a card that this process's PortAudio finds."""
    monkeypatch.setenv("JACK_DEFAULT_SERVER", shared_jackd.name)
    yield shared_room
    shared_room.hush()
    shared_room.echo(gain_db=None)


@pytest.fixture
def door() -> Iterator[Callable[..., Door]]:
    doors: list[Door] = []

    def make(**options: Any) -> Door:
        doors.append(Door(options.pop("bridge", FakeBridge()), **options))
        return doors[-1]

    yield make
    for each in doors:
        each.sound.close()


@pytest.fixture
def home() -> Iterator[tuple[str, ...]]:
    """What to put before a command that is to run in a network of the door's own with two interfaces (links.py)."""
    if not links.READY:
        pytest.skip(f"own network: {links.LAB}")
    with links.home() as inside:
        yield inside
