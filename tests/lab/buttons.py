"""A door with many buttons: one start of the daemon for many targets, each with a button that calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lab.house import Door, Visit

PINS = (6, 12, 13, 16, 18, 19, 20, 21, 23, 24, 25, 26)
"""Free ones."""


class Buttons:
    """`targets` maps a button's name to whom it calls; `more` to further lines of its section."""

    def __init__(
        self,
        targets: Mapping[str, str],
        more: Mapping[str, str] | None = None,
        edit: Callable[[str], str] = str,
    ) -> None:
        self.pins = dict(zip(targets, PINS, strict=False))
        self._edit = edit
        lines = more or {}
        self._sections = "".join(
            f'\n[buttons.{name}]\npin = {self.pins[name]}\ntargets = ["{target}"]\n{lines.get(name, "")}\n'
            for name, target in targets.items()
        )

    def __call__(self, configuration: str) -> str:
        """Put the buttons into a configuration; for `house.door(edit=...)`."""
        return self._edit(configuration) + self._sections

    def press(self, door: Door, name: str) -> None:
        """Press one of them."""
        door.press(self.pins[name])

    def visit(self, door: Door, name: str, seconds: float = 15) -> Visit:
        """Press one of them, and await how its visit ends."""
        self.press(door, name)
        return door.await_visit(seconds, button=name)


def account(*lines: str) -> Callable[[str], str]:
    """Return an edit that puts lines into the door's account."""
    return lambda text: text.replace("[accounts.home]\n", "[accounts.home]\n" + "".join(f"{line}\n" for line in lines))
