# SPDX-License-Identifier: GPL-2.0-or-later
"""One turn of the core: the state as it changes under one event, and the commands that gather meanwhile."""

from dataclasses import dataclass, field, replace
from typing import Any

from intercom.core.commands import Command, Kind, Report
from intercom.core.rules import Rules
from intercom.core.state import State, Visit


@dataclass(slots=True)
class StepContext:
    """The only mutable thing in the core; it lives for one `step` and never leaves it."""

    state: State
    now: float
    rules: Rules
    commands: list[Command] = field(default_factory=list)

    @property
    def visit(self) -> Visit:
        """The visit. Only asked for where there is one."""
        assert self.state.visit is not None
        return self.state.visit

    def order(self, *commands: Command) -> None:
        """Want something done."""
        self.commands.extend(commands)

    def tell(self, kind: Kind, **fields: str | float | dict[str, float]) -> None:
        """Want something recorded; a visit's records all carry its name."""
        if self.state.visit is not None:
            fields.setdefault("visit", self.state.visit.id)
        self.order(Report(kind, fields))

    def set(self, **changes: Any) -> None:
        """Change the state. What is so already leaves it the same state, of which no level has to be looked at anew."""
        state = self.state
        if any(getattr(state, name) != value for name, value in changes.items()):
            self.state = replace(state, **changes)

    def set_visit(self, **changes: Any) -> None:
        """Change the visit."""
        visit = self.visit
        if any(getattr(visit, name) != value for name, value in changes.items()):
            self.state = replace(self.state, visit=replace(visit, **changes))

    def put(self, field: str, entry: Any) -> None:
        """Put an entry that has changed in its place in a tuple of the state: the one of its name."""
        entries = getattr(self.state, field)
        self.set(**{field: tuple(entry if other.name == entry.name else other for other in entries)})

    def mark(self, name: str) -> None:
        """Note when a moment of the visit was first reached."""
        if all(known != name for known, _ in self.visit.marks):
            self.set_visit(marks=(*self.visit.marks, (name, self.now)))
