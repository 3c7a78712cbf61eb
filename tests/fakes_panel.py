# SPDX-License-Identifier: GPL-2.0-or-later
"""Fakes of what is at the door: buttons, strikes, a lamp. tests/contract/test_gpio.py holds them to the real ones."""

from collections.abc import Iterable

from intercom.core.commands import Lamp
from intercom.core.events import ButtonChanged
from intercom.daemon.ports import Post


class FakePanel:
    """Buttons that a test presses."""

    def __init__(self, buttons: Iterable[str], post: Post, *, held: Iterable[str] = ()) -> None:
        """Begin with the buttons in `held` pressed already."""
        self._levels = dict.fromkeys(buttons, False)
        self._post = post
        self.closed = False
        for button in held:
            self.set(button, pressed=True)

    def set(self, button: str, *, pressed: bool) -> None:
        """Put a button's wire on a level; only a change is an edge."""
        if self._levels[button] != pressed and not self.closed:
            self._levels[button] = pressed
            self._post(ButtonChanged(button, pressed))

    def close(self) -> None:
        """Post nothing any more."""
        self.closed = True


class FakeStrike:
    """A strike that keeps a diary."""

    def __init__(self, door: str) -> None:
        """Be locked."""
        self.door = door
        self.diary: list[str] = []
        self.released = False
        self.trouble: Exception | None = None
        """Raised by the next order, when a test wants a relay that is broken."""

    def release(self) -> None:
        """Note that the door may open."""
        self._order("release", released=True)

    def lock(self) -> None:
        """Note that it is kept shut."""
        self._order("lock", released=False)

    def close(self) -> None:
        """Lock for good."""
        self._order("close", released=False)

    def _order(self, name: str, *, released: bool) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.diary.append(name)
        self.released = released


class FakeLight:
    """A lamp that remembers what it showed."""

    def __init__(self) -> None:
        """Be dark."""
        self.diary: list[Lamp] = [Lamp.OFF]
        self.closed = False

    @property
    def lamp(self) -> Lamp:
        """What it shows now."""
        return self.diary[-1]

    def show(self, lamp: Lamp) -> None:
        """Note a pattern."""
        self.diary.append(lamp)

    def close(self) -> None:
        """Be dark for good."""
        self.diary.append(Lamp.OFF)
        self.closed = True
