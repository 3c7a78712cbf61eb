# SPDX-License-Identifier: GPL-2.0-or-later
"""Buttons, strikes and the lamp: what the daemon may rely on, from the fakes and from gpiozero's alike."""

import sys
import threading
from collections.abc import Iterator
from itertools import pairwise

import gpiozero
import pytest
from gpiozero.pins.lgpio import LGPIOFactory
from gpiozero.pins.mock import MockFactory
from panel_rigs import FakeChip, FakeRig, GpioRig, HeldPin, Rig, WatchedPin, mock_pins

from intercom.adapters.gpio import COLOURS, PATTERNS, GpioLight, GpioPanel, GpioSensors, GpioStrike
from intercom.core.commands import Lamp
from intercom.core.events import ButtonChanged, Event, SensorChanged
from intercom.errors import HardwareError


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    """Mock pins for gpiozero, for one test."""
    with mock_pins(pin_class=WatchedPin) as factory:
        yield factory


@pytest.fixture(params=["fake", "gpiozero"])
def rig(request: pytest.FixtureRequest, factory: MockFactory) -> Rig:
    return FakeRig() if request.param == "fake" else GpioRig(factory)


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeChip]:
    """gpiozero's own lgpio backend, with a chip under it that remembers what each line went through."""
    fake = FakeChip()
    monkeypatch.setattr("gpiozero.pins.lgpio.lgpio", fake)
    monkeypatch.setitem(sys.modules, "lgpio", fake)
    monkeypatch.setattr(LGPIOFactory, "_get_revision", lambda _: 0xA02082)
    before, gpiozero.Device.pin_factory = gpiozero.Device.pin_factory, LGPIOFactory()
    yield fake
    gpiozero.Device.pin_factory.close()
    gpiozero.Device.pin_factory = before


both_ways = pytest.mark.parametrize("active_high", [True, False], ids=["active high", "active low"])


@both_ways
def test_a_strike_is_born_locked_released_when_told_and_locked_again(rig: Rig, active_high: bool) -> None:
    """Whatever level the relay wants."""
    strike = rig.strike(active_high=active_high)
    seen = [rig.released()]
    for order in (strike.release, strike.lock, strike.release):
        order()
        seen.append(rig.released())
    strike.close()

    assert seen == [False, True, False, True]
    assert not rig.released()


@both_ways
def test_an_order_twice_is_harmless(rig: Rig, active_high: bool) -> None:
    """Levels are told again to be sure."""
    strike = rig.strike(active_high=active_high)
    strike.lock()
    strike.lock()
    locked = rig.released()
    strike.release()
    strike.release()
    released = rig.released()
    strike.close()
    strike.close()

    assert (locked, released, rig.released()) == (False, True, False)


def test_a_panel_posts_every_edge_in_order_and_debounces_nothing(rig: Rig) -> None:
    """What is a press is decided in one place, and that place must see what the wire did."""
    posted: list[Event] = []
    panel = rig.panel(posted.append)
    at_rest = list(posted)
    touches = [("front", True), ("front", False), ("flat", True), ("front", True), ("flat", False), ("front", False)]
    for button, pressed in touches:
        rig.touch(button, pressed=pressed)
        rig.touch(button, pressed=pressed)
    panel.close()

    assert at_rest == []
    assert posted == [ButtonChanged(button, pressed) for button, pressed in touches]


def test_a_button_held_at_the_start_is_posted(rig: Rig) -> None:
    """A visitor who pressed while the daemon started is a visitor."""
    posted: list[Event] = []
    panel = rig.held_panel(posted.append)
    rig.touch("front", pressed=False)
    panel.close()

    assert posted == [ButtonChanged("front", pressed=True), ButtonChanged("front", pressed=False)]


def test_gpiozero_is_asked_for_no_debouncing(factory: MockFactory) -> None:
    """Its own would swallow edges, and date the others late."""
    panel = GpioPanel({"front": ("17", True)}, lambda _: None)
    bounce = factory.pin("GPIO17").bounce
    panel.close()

    assert bounce is None


def test_a_closed_panel_posts_nothing(rig: Rig) -> None:
    """The inbox is gone by then."""
    posted: list[Event] = []
    rig.panel(posted.append).close()
    rig.touch("front", pressed=True)

    assert posted == []


def test_a_lamp_is_lit_dark_and_dark_for_good(rig: Rig) -> None:
    """A lamp that stays lit after its daemon tells visitors a lie."""
    light = rig.light()
    rig.await_lit(lit=False)
    light.show(Lamp.READY)
    rig.await_lit(lit=True)
    light.show(Lamp.OFF)
    rig.await_lit(lit=False)
    light.show(Lamp.READY)
    rig.await_lit(lit=True)
    light.close()
    rig.await_lit(lit=False)


def test_an_active_high_strike_never_shows_the_released_level(factory: MockFactory) -> None:
    """A relay that twitches when the daemon starts opens the door to whoever waits for the power to fail."""
    pin = factory.pin("GPIO27")
    strike = GpioStrike("front", "27", active_high=True)
    strike.lock()
    strike.close()

    assert set(pin.driven) == {False}
    assert [state.state for state in pin.states] == [False]
    assert pin.function == "input"


@both_ways
def test_a_strike_on_lgpio_never_shows_the_released_level(
    chip: FakeChip, active_high: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gpiozero's own way through real lgpio: input, then an output at the locked level in one step, then an input."""
    strike = GpioStrike("front", "27", active_high=active_high)
    strike.lock()
    strike.close()
    locked = 0 if active_high else 1

    assert chip.line(27)[0] == "input"
    assert {step for step in chip.line(27) if step != "input"} == {locked}
    assert chip.line(27)[-1] == "input"


def test_gpiozero_alone_would_let_an_active_low_strike_twitch(chip: FakeChip) -> None:
    """Why we do it ourselves; when this fails, gpiozero has learnt it and `_born_with_level` may go."""
    gpiozero.DigitalOutputDevice(27, active_high=False, initial_value=False).close()

    assert [step for step in chip.line(27) if step != "input"] == [0, 1]


def test_sensors_tell_their_level_at_once_and_every_edge(factory: MockFactory) -> None:
    """A contact that is closed while the door is shut is active when it opens; an exit button when it closes."""
    posted: list[Event] = []
    factory.pin("GPIO24", pin_class=HeldPin).drive_low()
    sensors = GpioSensors({"contact front": ("24", False), "exit front": ("25", True)}, posted.append)
    factory.pin("GPIO24").drive_high()
    factory.pin("GPIO25").drive_low()
    factory.pin("GPIO25").drive_high()
    sensors.close()
    factory.pin("GPIO24").drive_low()

    assert posted == [
        SensorChanged("contact front", active=False),
        SensorChanged("exit front", active=False),
        SensorChanged("contact front", active=True),
        SensorChanged("exit front", active=True),
        SensorChanged("exit front", active=False),
    ]


@pytest.mark.parametrize("name", ["17", "GPIO17", "BCM17", "BOARD11", "J8:11"])
def test_a_pin_is_found_by_any_of_its_names(factory: MockFactory, name: str) -> None:
    """Some count pins on the header, some by the chip's numbers: a file may say either."""
    posted: list[Event] = []
    strike = GpioStrike("front", name, active_high=True)
    strike.release()
    level = factory.pin("GPIO17").state
    strike.close()
    panel = GpioPanel({"front": (name, True)}, posted.append)
    factory.pin("GPIO17").drive_low()
    panel.close()

    assert level
    assert posted == [ButtonChanged("front", pressed=True)]


@pytest.mark.parametrize("pin", ["99", "GPIO99", "BOARD1", "front", "-1"])
def test_an_impossible_pin_is_told_with_who_wants_it(factory: MockFactory, pin: str) -> None:
    """One line that says which line of the file to change, not gpiozero's traceback."""
    with pytest.raises(HardwareError, match=rf"^button 'front': pin {pin} cannot be had: .+"):
        GpioPanel({"front": (pin, True)}, lambda _: None)
    with pytest.raises(HardwareError, match=rf"^strike of door 'yard': pin {pin} cannot be had: .+"):
        GpioStrike("yard", pin, active_high=True)
    with pytest.raises(HardwareError, match=rf"^lamp: pin {pin} cannot be had: .+"):
        GpioLight(pin, active_high=True)


def test_a_pin_that_is_taken_is_told_with_who_wants_it(factory: MockFactory) -> None:
    """Two names for one pin, or a second daemon."""
    strike = GpioStrike("front", "BOARD11", active_high=True)
    with pytest.raises(HardwareError, match=r"^button 'flat': pin 17 cannot be had: .+"):
        GpioPanel({"flat": ("17", True)}, lambda _: None)
    with pytest.raises(HardwareError, match=r"^strike of door 'yard': pin GPIO17 cannot be had: .+"):
        GpioStrike("yard", "GPIO17", active_high=True)
    strike.close()


def test_a_pull_that_the_board_forbids_is_told(factory: MockFactory) -> None:
    """GPIO2 has a resistor to 3.3 V soldered on: no setting pulls it down."""
    with pytest.raises(HardwareError, match=r"^button 'front': pin 2 cannot be had: .+"):
        GpioPanel({"front": ("2", False)}, lambda _: None)


@pytest.mark.parametrize("lamp", [lamp for lamp, pattern in PATTERNS.items() if pattern and sum(pattern[:3]) < 1])
def test_a_pattern_blinks_for_ever(factory: MockFactory, lamp: Lamp) -> None:
    """On and off by turns, until told otherwise; these patterns are quick enough to be watched here."""
    light = GpioLight("5", active_high=False)
    light.show(lamp)
    driven = factory.pin("GPIO5").await_driven(lambda levels: len(levels) > 6)
    light.close()

    # Claimed low, then dark, which is high here, and lit and dark by turns from there.
    assert driven[:2] == [False, True]
    assert all(before != after for before, after in pairwise(driven[3:]))


def test_every_pattern_is_there_and_differs(factory: MockFactory) -> None:
    """Two that look the same would tell nothing."""
    assert set(PATTERNS) == set(Lamp)
    assert len(set(PATTERNS.values())) == len(Lamp)
    assert all(len(pattern) < 2 or len(pattern) % 2 == 0 for pattern in PATTERNS.values())


def test_a_lamp_of_three_colours_keeps_the_rhythm(factory: MockFactory) -> None:
    """Who does not see the colour reads the rhythm, who sees it need not wait for it."""
    light = GpioLight({"r": "5", "g": "6", "b": "13"}, active_high=True)
    seen = []
    for lamp in (Lamp.READY, Lamp.OFF):
        light.show(lamp)
        factory.pin("GPIO13").await_driven(lambda levels, lamp=lamp: levels[-1] == (lamp is Lamp.READY))
        seen.append([factory.pin(f"GPIO{pin}").state for pin in (5, 6, 13)])
    light.show(Lamp.CALLING)
    for pin in (5, 6):
        factory.pin(f"GPIO{pin}").await_driven(lambda levels: sum(levels) > 2)
    light.close()

    assert seen == [[False, False, True], [False, False, False]]
    assert [factory.pin(f"GPIO{pin}").state for pin in (5, 6, 13)] == [False] * 3


def test_every_colour_is_one_of_three_and_every_pattern_has_some() -> None:
    """A lit part without a colour would be dark."""
    assert set(COLOURS) == set(Lamp)
    assert all(
        set(colours) <= set("rgb") and bool(colours) == bool(PATTERNS[lamp]) for lamp, colours in COLOURS.items()
    )


@pytest.mark.parametrize("lamp", Lamp)
def test_a_closed_lamp_is_dark_and_its_thread_is_gone(factory: MockFactory, lamp: Lamp) -> None:
    """Also in the middle of a pattern, and at once: the daemon's end waits for it."""
    before = set(threading.enumerate())
    light = GpioLight("5", active_high=True)
    light.show(lamp)
    light.close()
    pin = factory.pin("GPIO5")

    assert pin.driven[-1] is False
    assert pin.function == "input"
    assert set(threading.enumerate()) == before
