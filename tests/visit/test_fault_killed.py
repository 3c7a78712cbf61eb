"""Daemon and voice engine are killed at each step of a visit: the press has its outcome, and the next one rings."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import fault_table
import pytest
from healing import rings

from lab.baresip import Phone
from lab.house import CODE, SIDE_BUTTON, STRIKE, Door, House, stopping

OTHER = 'targets = ["busy"]', 'targets = ["201"]'


def calling(door: Door, phone: Phone) -> None:
    door.press()
    phone.await_event("CALL_INCOMING")


def talking(door: Door, phone: Phone) -> None:
    calling(door, phone)
    phone.answer()
    door.await_record("call-answered")


def opening(door: Door, phone: Phone) -> None:
    talking(door, phone)
    phone.press_key(CODE)
    door.pins.await_level(STRIKE, 1)


def warned(door: Door, phone: Phone) -> None:
    talking(door, phone)
    door.await_status("about to end")


def closing(door: Door, phone: Phone) -> None:
    calling(door, phone)
    phone.reject()
    door.await_visit()


def dialling(door: Door, _: Phone) -> None:
    door.press()
    door.await_record("call-placed")


def waiting(door: Door, _: Phone) -> None:
    door.press()
    door.await_record("press-accepted")


STEPS: dict[str, Callable[[Door, Phone], None]] = {
    "waits for a line": waiting,
    "dials": dialling,
    "rings": calling,
    "talks": talking,
    "is about to end": warned,
    "has the door open": opening,
    "closes": closing,
}
OPTIONS = {"is about to end": {"talk_s": 1, "warn_s": 30}, "has the door open": {"pulse_s": 20}, "dials": {"ring_s": 2}}


@contextmanager
def in_step(house: House, phone: Phone, step: str) -> Iterator[tuple[Door, Callable[[], None]]]:
    """A door in a step of a visit, and what takes an obstacle out of the visit's way."""
    with ExitStack() as stack:
        options = {**OPTIONS.get(step, {}), "edit": lambda text: text.replace(*OTHER)}
        go_on: Callable[[], None] = lambda: None  # noqa: E731
        if step == "dials":
            stack.enter_context(stopping(house.odd_phone("ring", "uas_silent")))
            options["target"] = "ring"
        if step == "waits for a line":
            house.registrar.pause()
            stack.callback(house.registrar.resume)
            options["wait"] = False
            go_on = house.registrar.resume
        door = stack.enter_context(house.door(**options))
        if step == "waits for a line":
            door.await_record("engine-started")
        STEPS[step](door, phone)
        yield door, go_on


def put_down(phone: Phone) -> None:
    """End the call that a dead engine left."""
    if phone.busy():
        phone.hang_up()


def finish(door: Door, phone: Phone, step: str, since: float) -> None:
    """Let the visit come to its end, whatever has become of it `since` it was cut."""
    if step in ("waits for a line", "rings", "talks", "is about to end", "has the door open"):
        phone.await_event("CALL_INCOMING", 25, since=since)
        phone.reject()
    door.await_records("visit-ended", 1, 30)


@pytest.mark.parametrize("step", STEPS)
def test_the_daemon_is_killed_while_it(house: House, phone: Phone, step: str) -> None:
    """What systemd does is done here: lock the strikes, start it again."""
    with in_step(house, phone, step) as (door, go_on):
        killed, cut = time.time(), time.monotonic()
        door.process.signal(signal.SIGKILL)
        door.process.wait(5)
        put_down(phone)
        if step == "has the door open":
            door.lock()
            assert door.pins.level(STRIKE) == 0
        go_on()
        door.restart()
        finish(door, phone, step, cut)
        up = door.await_records("line-up", 1 if step == "waits for a line" else 2)[-1]
        since = time.monotonic()
        door.press(SIDE_BUTTON)
        phone.await_event("CALL_INCOMING", 20, since=since)
        phone.reject()
        door.await_record("visit-ended", button="side")

        resumed = door.records("visit-resumed")
        assert [record["INTERCOM_BUTTON"] for record in door.records("press-accepted")] == ["front", "side"]
        told = resumed[0]["MESSAGE"].split(": ")[-1] if resumed else "its outcome had been told"
        fault_table.add(f"the daemon is killed while it {step}", door, None, told, fault_table.at(up) - killed)


@pytest.mark.parametrize("step", STEPS)
def test_the_voice_engine_is_killed_while_it(house: House, phone: Phone, step: str) -> None:
    """The daemon keeps the press, the strike and the journal, and has another engine at once."""
    with in_step(house, phone, step) as (door, go_on):
        killed, cut = time.time(), time.monotonic()
        os.kill(door.engine_pid(), signal.SIGKILL)
        put_down(phone)
        began = door.await_record("condition-began", condition="voice engine")
        open_still = door.pins.level(STRIKE)
        go_on()
        finish(door, phone, step, cut)
        ended = door.await_record("condition-ended", condition="voice engine")
        door.await_records("line-up", 1 if step == "waits for a line" else 2)
        since = time.monotonic()
        door.press(SIDE_BUTTON)
        phone.await_event("CALL_INCOMING", 20, since=since)
        phone.reject()
        door.await_record("visit-ended", button="side")

        assert open_still == (step == "has the door open")
        fault_table.add(
            f"the voice engine is killed while it {step}",
            door,
            fault_table.at(began) - killed,
            began["INTERCOM_DETAIL"],
            fault_table.at(ended) - killed,
        )


def test_a_frozen_phone_is_given_up(house: House, phone: Phone) -> None:
    """A phone whose power is gone is still registered, and says nothing (SIGSTOP)."""
    with house.door() as door:
        phone.process.signal(signal.SIGSTOP)
        frozen = time.monotonic()
        try:
            door.press()
            visit = door.await_visit(30)
            told = door.records("call-ended")[0]["MESSAGE"]
        finally:
            phone.process.signal(signal.SIGCONT)
        noticed = time.monotonic() - frozen
        put_down(phone)
        rings(door, phone)

        assert visit.outcome in ("unreachable", "no answer")
        fault_table.add("the phone is frozen (SIGSTOP)", door, noticed, told, None)
