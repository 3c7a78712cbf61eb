"""How the core is walked: every event in every state that can be reached; each such step is kept, to be judged.

What is walked is told by whoever walks: `walked_visits.py` the visits, `test_walk_doors.py` the doors.
"""

import gc
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from intercom.core.commands import Audio, Command, Kind, Report
from intercom.core.events import Event, TimePassed
from intercom.core.machine import step
from intercom.core.outputs import audio, next_deadline
from intercom.core.rules import Rules
from intercom.core.state import State

FAR_S = 1e5
"""A deadline as far away as this is none."""


@dataclass(frozen=True, slots=True)
class Way:
    """One step of a walk."""

    before: State
    event: Event
    now: float
    after: State
    commands: tuple[Command, ...]
    sound: Audio
    """How it shall sound afterwards."""

    def told(self, kind: Kind) -> list[dict[str, Any]]:
        """The fields of the records of a kind."""
        return [dict(order.fields) for order in self.commands if isinstance(order, Report) and order.kind is kind]


@dataclass
class Walk:
    """Every step between the states that can be reached."""

    asked: frozenset[type[Event]] = frozenset()
    """Events whose steps are kept although nothing happened: the others are too many."""
    states: int = 0
    """How many kinds of them there are."""
    steps: int = 0
    moved: list[Way] = field(default_factory=list, repr=False)
    """Steps in which the state became another one, or something was ordered."""
    by_event: dict[type[Event], list[Way]] = field(default_factory=dict, repr=False)
    """All steps with an event of `asked`."""

    def on(self, *kinds: type[Event]) -> Iterable[Way]:
        """All steps with these events."""
        assert self.asked.issuperset(kinds)
        return (way for kind in kinds for way in self.by_event.get(kind, ()))

    def take(self, way: Way) -> None:
        """Keep a step."""
        self.steps += 1
        if type(way.event) in self.asked:
            self.by_event.setdefault(type(way.event), []).append(way)
        if way.after is not way.before or way.commands:
            self.moved.append(way)


def walk_on(
    walk: Walk,
    first: Iterable[tuple[State, float]],
    events: Callable[[State], list[Event]],
    key: Callable[[State, float], Hashable],
    rules: Rules,
    times: Callable[[State], list[float]] = lambda state: [],
) -> None:
    """Walk from the first states, each with its time, to all that can be reached from them.

    `key` is what a state is known by, or None for one that is walked no further. Time passes until the next deadline,
    and besides until each of the `times` that have none.
    """
    todo: deque[tuple[State, float]] = deque(first)
    seen = {key(state, now) for state, now in todo}
    while todo:
        state, now = todo.popleft()
        due = next_deadline(state)
        moves: list[tuple[Event, float]] = [(event, now) for event in events(state)]
        if due is not None and due < now + FAR_S:
            moves.append((TimePassed(), max(now, due)))
        moves += [(TimePassed(), at) for at in times(state) if at > now]
        sound = audio(state)
        for event, at in moves:
            after, commands = step(state, event, now=at, rules=rules)
            moved = after is not state
            walk.take(Way(state, event, at, after, tuple(commands), audio(after) if moved else sound))
            if moved and (known := key(after, at)) is not None and known not in seen:
                seen.add(known)
                todo.append((after, at))
    walk.states += len(seen)


@contextmanager
def many() -> Iterator[None]:
    """Millions of objects that all stay: nothing of them is rubbish, however often somebody looks."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def kept(kind: type, *forgotten: str) -> Callable[[Any], tuple[Any, ...]]:
    """Return what tells the values of a dataclass but for some. A field that is new is kept by itself."""
    names = [field.name for field in fields(kind)]
    assert set(forgotten) < set(names)
    return attrgetter(*(name for name in names if name not in forgotten))


def left(instant: float | None, now: float) -> float | None:
    """Return how long it is until then."""
    return None if instant is None else round(instant - now, 3)
