# SPDX-License-Identifier: GPL-2.0-or-later
"""`dataclass` for values: what dataclasses.dataclass(frozen=True, slots=True) makes, without compiling any code.

The standard one writes six functions for each class as text and compiles them, at every start: half a millisecond of a
PC for each of a hundred and fifty classes, which was a quarter of the daemon's start and as much of its memory. Here
all classes share the functions below. Everything else is the standard one's: fields(), replace(), asdict(), match.
Whoever doubts it imports `dataclass` from dataclasses again; nothing else changes. ../../tests/core/test_values.py
holds the two against each other.
"""

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, slots: bool) -> Callable[[Any], Any]:
        """Return what makes a class one of values, as the standard decorator does."""
        assert frozen, "only values: for others there is the standard one"
        assert slots, "only values: for others there is the standard one"
        return _made


def _made(plain: Any) -> Any:
    """Return a class of values."""
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(plain)
    fields = dataclasses.fields(made)
    made.__init__ = _init(made, made.__match_args__)
    made.__eq__, made.__hash__ = _comparing(_key(tuple(field.name for field in fields if field.compare)))
    made.__repr__ = _showing(tuple(field.name for field in fields if field.repr))
    made.__setattr__ = made.__delattr__ = _refuse
    return made


def _init(made: Any, names: tuple[str, ...]) -> Callable[..., None]:
    fields = {field.name: field for field in dataclasses.fields(made)}
    slots = [(name, getattr(made, name).__set__, fields[name].default) for name in names]

    def __init__(self: object, *given: object, **named: object) -> None:  # noqa: N807
        for (_, put, _), value in zip(slots, given, strict=False):
            put(self, value)
        for name, put, default in slots[len(given) :]:
            value = named.pop(name, default)
            put(self, _anew(made, fields[name]) if value is dataclasses.MISSING else value)
        if named or len(given) > len(slots):
            raise TypeError(f"{made.__name__}() takes each of {', '.join(names) or 'nothing'} once, and no more")

    return __init__


def _anew(made: type, field: Any) -> object:
    """Return a value for a field that was not given, and that has no one value for all."""
    if field.default_factory is dataclasses.MISSING:
        raise TypeError(f"{made.__name__}() misses {field.name!r}")
    return field.default_factory()


def _key(names: tuple[str, ...]) -> Callable[[object], object]:
    """Return what gets all that makes two values the same."""
    return attrgetter(*names) if names else lambda _: ()


def _comparing(key: Callable[[object], object]) -> tuple[Callable[[object, object], Any], Callable[[object], int]]:
    def __eq__(self: object, other: object) -> Any:  # noqa: N807
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: object) -> int:  # noqa: N807
        return hash(key(self))

    return __eq__, __hash__


def _showing(names: tuple[str, ...]) -> Callable[[object], str]:
    def __repr__(self: object) -> str:  # noqa: N807
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({fields})"

    return __repr__


def _refuse(self: object, name: str, *_: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot change {name!r}")
