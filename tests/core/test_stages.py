"""When nobody of a stage answers, the next one rings; each has its whole time, and the last one ends the visit."""

from itertools import product

import pytest

from intercom.core.commands import HangUp, Kind, PlaceCall, Report
from intercom.core.events import ButtonPressed, CallEnded, CallProgressed, EngineStarted, LineUp, TimePassed
from intercom.core.levels import next_deadline
from intercom.core.machine import start, step
from intercom.core.pending import Stage
from intercom.core.rules import Rules

STAGES = (Stage(("a", "b"), 10.0), Stage(("c",), 20.0), Stage(("d", "a"), 5.0))
# Nobody answers probes here: none is asked.
RULES = Rules(buttons={"front": STAGES}, accounts=("home",), callers={}, pulse_s={}, ring_s=20.0, probe_s=1e6)
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
