# SPDX-License-Identifier: GPL-2.0-or-later
"""A part that fails while the door runs (a chip that is gone): told, tried again, and no other part with it."""

from __future__ import annotations

import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory, MockPin
from panel_rigs import mock_pins

from intercom.app.button_panel import ButtonPanel
from intercom.config.loader import parse
from intercom.core.commands import Lamp
from intercom.core.events import ConditionBegan, ConditionEnded, Event

TEXT = """
[accounts.home]
server = "192.0.2.1"
user = "door"
password = "x"
callers = ["201"]
[buttons.front]
pin = 17
targets = ["201"]
[doors.front]
strike_pin = 27
exit_pin = 24
[lamp]
pin = 22
[keypads.k]
rows = [5, 6, 13, 26]
columns = [12, 7, 8]
[keypads.reader]
data0 = 19
data1 = 20
"""


class ChipPin(MockPin):  # type: ignore[misc]
    """A pin of a chip that may be pulled out."""

    gone = False

    def _get_state(self) -> float:
        if ChipPin.gone:
            raise OSError(19, "No such device")
        return float(super()._get_state())

    def _set_state(self, value: float) -> None:
        if ChipPin.gone:
            raise OSError(19, "No such device")
        super()._set_state(value)

    def _set_function(self, value: str) -> None:
        if ChipPin.gone:
            raise OSError(19, "No such device")
        super()._set_function(value)


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    ChipPin.gone = False
    with mock_pins(pin_class=ChipPin) as factory:
        yield factory
    ChipPin.gone = False


def until(what: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 5
    while not what():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


# gpiozero's devices are closed once more by the collector, while the chip is still gone.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_each_part_of_a_chip_that_is_gone_is_told_and_back_with_it(
    factory: MockFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lamp and a keypad have threads of their own: what ends these is told as of any other part."""
    # Their own words on stderr would be pytest's warning of a thread that died.
    died: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    told: list[Event] = []
    wires = ButtonPanel()
    wires.serve(parse(tomllib.loads(TEXT), Path("x.toml")), lambda event, _=None: told.append(event))
    strike = wires.strikes()["front"]
    wires.light().show(Lamp.RINGING)
    try:
        ChipPin.gone = True
        strike.release()
        factory.pin("GPIO12")._call_when_changed()
        for name in ("lamp", "keypad k"):
            until(lambda name=name: wires._have[name][1]._failed)  # type: ignore[attr-defined]
        wires.look()
        began = {event.condition for event in told if isinstance(event, ConditionBegan)}
        assert began >= {"part strike front", "part button front", "part exit front", "part lamp", "part keypad k"}
        wires.look()
        assert len([event for event in told if isinstance(event, ConditionBegan)]) == len(began)

        ChipPin.gone = False
        wires.look()
        assert {event.condition for event in told if isinstance(event, ConditionEnded)} == began
        assert not wires.missing
        assert factory.pin("GPIO27").state == 1, "what was wanted released is"
        strike.lock()
        assert factory.pin("GPIO27").state == 0
    finally:
        wires.close()
    assert died == []
