# SPDX-License-Identifier: GPL-2.0-or-later
"""Values behave as the standard dataclasses do: the same classes, made by both, side by side."""

import dataclasses
from collections.abc import Callable
from dataclasses import field
from typing import Any

import pytest

from intercom.core import commands, events, fast_dataclass, state


class Plain:
    """What both make a class of."""

    a: int
    b: tuple[str, ...] = ()
    c: dict[str, int] = field(default_factory=dict)
    secret: str = field(default="", repr=False)
    aside: int = field(default=0, compare=False)


class Empty:
    """Nothing."""


def made(decorate: Callable[..., Any], plain: type) -> Any:
    return decorate(frozen=True, slots=True)(type(plain.__name__, (), dict(vars(plain))))


BOTH = [(made(fast_dataclass.dataclass, plain), made(dataclasses.dataclass, plain)) for plain in (Plain, Empty)]
OURS, STANDARD = BOTH[0]


def outcome(do: Callable[[Any], object], kind: Any) -> object:
    """What somebody sees of it: what comes out in words, or which error."""
    try:
        return repr(do(kind))
    except (TypeError, AttributeError, dataclasses.FrozenInstanceError) as error:
        return type(error)


@pytest.mark.parametrize(
    "do",
    [
        lambda kind: kind(1),
        lambda kind: kind(1, ("x",), {"y": 2}),
        lambda kind: kind(1, c={"y": 2}),
        lambda kind: kind(c={}, a=3),
        lambda kind: kind(c={}),
        lambda kind: kind(b=()),
        lambda kind: kind(1, (), {}, "4711", 5, 6),
        lambda kind: kind(1, secret="4711"),
        lambda kind: kind(1, secret="4711") == kind(1),
        lambda kind: kind(1, aside=1) == kind(1),
        lambda kind: kind(1, a=2),
        lambda kind: kind(1, d=2),
        lambda kind: kind(1, (), {}, c={}),
        lambda kind: kind(1) == kind(1),
        lambda kind: kind(1) == kind(2),
        lambda kind: kind(1) == (1, (), {}),
        lambda kind: kind(1) != kind(1),
        lambda kind: kind(1).c is kind(1).c,
        lambda kind: hash(kind(1, c=None)) == hash(kind(1, (), None, aside=7)),
        lambda kind: hash(kind(1)),
        lambda kind: setattr(kind(1), "a", 2),
        lambda kind: delattr(kind(1), "a"),
        lambda kind: dataclasses.replace(kind(1), b=("z",)),
        lambda kind: dataclasses.replace(kind(1), d=5),
        lambda kind: dataclasses.asdict(kind(1)),
        dataclasses.is_dataclass,
        lambda kind: [(one.name, one.default, one.default_factory, one.type) for one in dataclasses.fields(kind)],
        lambda kind: (kind.__match_args__, kind.__slots__, kind.__doc__, kind.__name__),
        lambda kind: hasattr(kind(1), "__dict__"),
    ],
)
def test_a_value_is_what_the_standard_makes(do: Callable[[Any], object]) -> None:
    """Calls, defaults, comparisons, changes that are refused, and what the standard's own functions say of it."""
    assert outcome(do, OURS) == outcome(do, STANDARD)


def test_one_without_fields_is_a_value_too() -> None:
    """`EngineHeartbeat` had none for long."""
    ours, standard = BOTH[1]

    assert (repr(ours()), ours() == ours(), ours() == standard()) == (repr(standard()), True, False)
    assert hash(ours()) == hash(ours())
    with pytest.raises(TypeError):
        ours(1)


def test_it_fits_a_pattern() -> None:
    """The shell and the core are matches over these."""
    match OURS(1, ("x",)):
        case OURS(number, b=(word,)):
            found = (number, word)

    assert found == (1, "x")


def test_nothing_of_the_core_is_compiled_at_a_start() -> None:
    """Each event, command and state shares the functions of fast_dataclass.py; the standard's are its own, for each."""
    kinds = [
        kind
        for module in (events, commands, state)
        for kind in vars(module).values()
        if dataclasses.is_dataclass(kind) and isinstance(kind, type) and kind.__module__ == module.__name__
    ]
    files = {kind.__init__.__code__.co_filename for kind in kinds}

    assert len(kinds) > 80
    assert files == {fast_dataclass.__file__}
