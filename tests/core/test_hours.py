"""Who rings at which hour: never nobody, and everybody where the door does not know the hour."""

from dataclasses import replace
from itertools import chain, combinations, product

import pytest

from intercom.core import plan
from intercom.core.commands import PlaceCall
from intercom.core.events import ButtonPressed, EngineStarted, LineUp, ProfilesChanged
from intercom.core.machine import start, step
from intercom.core.rules import Rules
from intercom.core.snapshot import Stage

PROFILES = ("day", "night")
STAGES = (Stage(("always",), 5.0), Stage(("a",), 5.0, "day"), Stage(("b",), 5.0, "night"), Stage(("c",), 5.0, "day"))
RULES = Rules(buttons={"front": STAGES}, accounts=("home",), callers={}, pulse_s={}, ring_s=20.0)
PLANS = list(chain.from_iterable(combinations(STAGES, size) for size in range(1, 5)))
HOURS = [None, (), ("day",), ("night",), PROFILES]


@pytest.mark.parametrize(("planned", "hour", "fallback"), list(product(PLANS, HOURS, [(), ("porter",)])))
def test_each_hour_rings_whom_it_should_and_never_nobody(
    planned: tuple[Stage, ...], hour: tuple[str, ...] | None, fallback: tuple[str, ...]
) -> None:
    """The stages that count, in their order; the fall-back where none does; all of them where no hour is known."""
    rules = replace(RULES, buttons={"front": planned}, fallback={"front": fallback} if fallback else {})
    found = plan.stages("front", rules, hour)
    if hour is None:
        assert found == planned
        return
    counting = tuple(stage for stage in planned if stage.profile in ("", *hour))
    everybody = tuple(dict.fromkeys(target for stage in planned for target in stage.targets))
    assert found == (counting or (Stage(fallback or everybody, rules.ring_s),))
    assert all(stage.targets for stage in found)


@pytest.mark.parametrize(("hour", "called"), [(None, "a"), (("day",), "a"), (("night",), "b"), ((), "porter")], ids=str)
def test_a_press_rings_by_the_hour_that_was_told_last(hour: tuple[str, ...] | None, called: str) -> None:
    """And by none while nobody has set the clock."""
    planned = (Stage(("a",), 5.0, "day"), Stage(("b",), 5.0, "night"))
    rules = replace(RULES, buttons={"front": planned}, fallback={"front": ("porter",)})
    state, _ = start("boot", rules)
    news = [ProfilesChanged(("night",), known=True), ProfilesChanged(hour or (), known=hour is not None)]
    placed = []
    for event in (EngineStarted("x"), LineUp("home", 1.0, 300), *news, ButtonPressed("front", "panel")):
        state, commands = step(state, event, now=100.0, rules=rules)
        placed += [command.target for command in commands if isinstance(command, PlaceCall)]

    assert placed == [called]
