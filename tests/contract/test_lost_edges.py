# SPDX-License-Identifier: GPL-2.0-or-later
"""An edge that the kernel or a library swallowed: no press after it is lost, and no level lies for long."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise, product

import pytest
from gpiozero.pins.mock import MockFactory, MockPin
from panel_rigs import mock_pins

from intercom.adapters import gpio
from intercom.adapters.gpio import GpioPanel, GpioSensors
from intercom.core.commands import Kind, Report
from intercom.core.events import ButtonChanged, EngineStarted, Event, LineUp, SensorChanged, TimePassed
from intercom.core.machine import start, step
from intercom.core.rules import Rules
from intercom.core.snapshot import Stage

RULES = Rules(buttons={"front": (Stage(("201",), 20.0),)}, accounts=("home",), callers={}, pulse_s={}, debounce_s=0.02)


class Clock:
    """time.monotonic, as far as a test wants."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(gpio, "time", clock)
    return clock


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    with mock_pins() as factory:
        yield factory


class Wire:
    """A pin whose edges may be lost, and what the core makes of what is told of it."""

    def __init__(self, factory: MockFactory, clock: Clock, *, pull_up: bool) -> None:
        self.pin: MockPin = factory.pin("GPIO17")
        self.clock, self.pull_up = clock, pull_up
        self.told: list[tuple[Event, float]] = []
        self.panel = GpioPanel({"front": ("17", pull_up)}, self.post)

    def post(self, event: Event, at: float | None = None) -> None:
        self.told.append((event, self.clock.now if at is None else at))

    def level(self, *, pressed: bool, lost: bool = False) -> None:
        """Move the wire, a quarter of a second after it last did."""
        self.clock.now += 0.25
        high = pressed != self.pull_up
        if lost:
            self.pin._state = high
        elif self.pin.state == high:  # the kernel tells an edge that follows a lost one all the same
            self.pin._call_when_changed()
        else:
            (self.pin.drive_high if high else self.pin.drive_low)()

    def presses(self) -> int:
        """How many presses the core takes of it."""
        state, _ = start("boot", RULES)
        reports = 0
        events = [(EngineStarted("x"), 99.0), (LineUp("home", 1.0, 300), 99.0), *self.told, (TimePassed(), 1e6)]
        for event, at in events:
            state, commands = step(state, event, now=at, rules=replace(RULES))
            kinds = (Kind.PRESS_ACCEPTED, Kind.PRESS_ANSWERED)
            reports += sum(isinstance(command, Report) and command.kind in kinds for command in commands)
        return reports


@pytest.mark.parametrize("pull_up", [True, False])
@pytest.mark.parametrize("lost", list(product([False, True], repeat=4)))
def test_after_any_lost_edges_and_a_look_the_next_press_counts(
    factory: MockFactory, clock: Clock, pull_up: bool, lost: tuple[bool, ...]
) -> None:
    """Two presses of which any edges are lost, a look, and one more: that one is never deaf, nor doubled."""
    wire = Wire(factory, clock, pull_up=pull_up)
    for edge, is_lost in enumerate(lost):
        wire.level(pressed=edge % 2 == 0, lost=is_lost)
    clock.now += 10
    wire.panel.look()
    before = wire.presses()
    wire.level(pressed=True)
    wire.level(pressed=False)
    wire.panel.close()

    assert wire.presses() == before + 1
    seen = [event.pressed for event, _ in wire.told if isinstance(event, ButtonChanged)]
    assert all(one != other for one, other in pairwise(seen))


def test_a_lost_release_does_not_make_the_next_press_deaf_even_before_a_look(
    factory: MockFactory, clock: Clock
) -> None:
    """Two edges alike: what lay between was a release."""
    wire = Wire(factory, clock, pull_up=True)
    wire.level(pressed=True)
    wire.level(pressed=False, lost=True)
    wire.level(pressed=True, lost=True)
    wire.pin._call_when_changed()
    wire.level(pressed=False)
    wire.panel.close()

    assert wire.presses() == 2


def test_a_bounce_of_which_an_edge_is_lost_is_one_press(factory: MockFactory, clock: Clock) -> None:
    """Within some milliseconds the contact was never open long enough."""
    wire = Wire(factory, clock, pull_up=True)
    wire.level(pressed=True)
    for _ in range(5):
        clock.now += 0.001
        wire.pin._call_when_changed()
    wire.level(pressed=False)
    wire.panel.close()

    assert wire.presses() == 1


def test_a_look_that_is_quicker_than_its_edge_counts_once(factory: MockFactory, clock: Clock) -> None:
    """The edge comes on another thread, a moment after the level was read."""
    wire = Wire(factory, clock, pull_up=True)
    wire.level(pressed=True, lost=True)
    wire.panel.look()
    clock.now += 0.001
    wire.pin._call_when_changed()
    wire.level(pressed=False)
    wire.panel.close()

    assert wire.presses() == 1


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("low", [True, False])
def test_a_sensor_whose_edge_is_lost_is_right_after_a_look(
    factory: MockFactory, clock: Clock, closed: bool, low: bool
) -> None:
    """An exit button or a door contact: until the next look at most."""
    told: list[Event] = []
    post: Callable[..., None] = lambda event, at=None: told.append(event)  # noqa: E731
    pin = factory.pin("GPIO25")
    pin._state = low
    sensors = GpioSensors({"contact front": ("25", closed)}, post)
    pin._state = not pin.state
    clock.now += 10
    sensors.look()
    sensors.look()
    sensors.close()

    assert len(told) == 2
    first, second = told
    assert isinstance(first, SensorChanged)
    assert isinstance(second, SensorChanged)
    assert first.active != second.active
