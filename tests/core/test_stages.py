"""When nobody of a stage answers, the next one rings; each has its whole time, and the last one ends the visit."""

from itertools import product

import pytest

from intercom.core.commands import HangUp, Kind, PlaceCall, Probe, Register, Report
from intercom.core.events import (
    ButtonPressed,
    CallEnded,
    CallProgressed,
    EngineStarted,
    LineUp,
    ServerResponded,
    TimePassed,
)
from intercom.core.machine import start, step
from intercom.core.outputs import next_deadline
from intercom.core.rules import Rules
from intercom.core.snapshot import Stage

STAGES = (Stage(("a", "b"), 10.0), Stage(("c",), 20.0), Stage(("d", "a"), 5.0))
RULES = Rules(buttons={"front": STAGES}, accounts=("home",), callers={}, pulse_s={}, ring_s=20.0)
ENDS = ("nobody answers", "busy", "gone")


class Story:
    """A door, and what it has ordered."""

    def __init__(self) -> None:
        self.state, _ = start("boot", RULES)
        self.now = 100.0
        self.orders: list[object] = []
        for event in (EngineStarted("x"), LineUp("home", 1.0, 300), ButtonPressed("front", "panel")):
            self.take(event)

    def take(self, event: object) -> None:
        self.state, commands = step(self.state, event, now=self.now, rules=RULES)  # type: ignore[arg-type]
        self.orders += commands
        for order in commands:  # its server is well
            if isinstance(order, Probe):
                self.take(ServerResponded(order.account, 5.0))
            elif isinstance(order, Register) and self.now > 100.0:
                self.take(LineUp(order.account, 1.0, 300))

    def placed(self) -> list[PlaceCall]:
        return [order for order in self.orders if isinstance(order, PlaceCall)]

    def pass_time(self, until: float) -> None:
        while (due := next_deadline(self.state)) is not None and due <= until:
            self.now = max(self.now, due)
            self.take(TimePassed())
        self.now = until


@pytest.mark.parametrize("ends", list(product(ENDS, repeat=len(STAGES))))
def test_each_stage_rings_after_the_one_before_and_each_once(ends: tuple[str, ...]) -> None:
    """However the one before ended: with its time, or at once because all refuse or fail."""
    story = Story()
    for number, (stage, end) in enumerate(zip(STAGES, ends, strict=True)):
        legs = story.placed()[-len(stage.targets) :]
        assert [leg.target for leg in legs] == list(stage.targets), (number, ends)
        began = story.now
        for leg in legs:
            story.take(CallProgressed(leg.leg, 180))
        if end == "nobody answers":
            story.pass_time(began + stage.ring_s - 0.1)
            assert len(story.placed()) == sum(len(one.targets) for one in STAGES[: number + 1]), "rung for too short"
            story.pass_time(began + stage.ring_s + 0.1)
            assert {leg.leg for leg in legs} <= {one.leg for one in story.orders if isinstance(one, HangUp)}
        else:
            for leg in legs:
                story.take(CallEnded(leg.leg, 486 if end == "busy" else 480, "x"))

    ended = [one for one in story.orders if isinstance(one, Report) and one.kind is Kind.VISIT_ENDED]
    assert len(ended) == 1
    assert ended[0].fields["outcome"] == ("busy" if "busy" in ends else "no answer")


def test_who_never_rings_for_days_is_told_also_where_a_stage_just_runs_out() -> None:
    """The call is neither answered nor refused: the server says that it tries, each time, and the stage ends."""
    story = Story()
    told: list[str] = []
    for _ in range(100):
        for leg in story.placed()[-len(STAGES[0].targets) :]:
            story.take(CallProgressed(leg.leg, 100))
        story.pass_time(story.now + 3600.0)
        story.orders = [one for one in story.orders if isinstance(one, Report | PlaceCall)]
        told += [
            str(one.fields["condition"])
            for one in story.orders
            if isinstance(one, Report) and one.kind is Kind.CONDITION_BEGAN
        ]
        story.orders.clear()
        story.take(ButtonPressed("front", "panel"))

    assert {"target a", "target b"} <= set(told)
    assert len(told) == len(set(told))
