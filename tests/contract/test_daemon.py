# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon between its ports: what is posted is taken, what is due comes, what fails ends it."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from daemon_house import ANSWERED, ONLINE, RULES, House
from fakes_panel import FakePanel
from loops import on_a_loop

from intercom.core.commands import HangUp, Kind, Lamp, PlaceCall, PlayTone, Register, SetAudio, StopEngine, Tone
from intercom.core.events import (
    ButtonChanged,
    ButtonPressed,
    CallEnded,
    CallProgressed,
    DigitReceived,
    EngineHeartbeat,
    EngineStarted,
)
from intercom.core.transitions import Phase


@contextmanager
def foreign_threads(count: int, work: Callable[[int], None]) -> Iterator[None]:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


@on_a_loop
async def test_a_door_begins_locked_and_tells_that_it_serves() -> None:
    """First the strikes, then the lamp, and only then "ready"."""
    house = House()
    running = house.run()
    assert await house.record(Kind.STARTED) == {"boot": "boot"}
    house.tell(EngineStarted("test"))
    await house.record(Kind.ENGINE_STARTED)
    running.cancel()

    assert house.strike.diary == ["lock"]
    assert house.lamp.diary == [Lamp.OFF, Lamp.NO_LINE]
    assert house.notify.diary[:2] == ["STATUS=idle; home down", "READY=1"]
    assert house.voice.diary == [Register("home")]


@on_a_loop
async def test_events_from_foreign_threads_arrive_in_order_and_on_the_loop() -> None:
    """gpiozero calls back on threads of its own; none of them may ever touch the state."""
    house = House()
    running = house.run()

    def post(number: int) -> None:
        for count in range(50):
            house.daemon.post(ButtonPressed("front", f"{number} {count}"))

    with foreign_threads(4, post):
        told = [
            (await house.record(Kind.PRESS_ACCEPTED))["by"],
            *[(await house.record(Kind.PRESS_ANSWERED))["by"] for _ in range(199)],
        ]
    running.cancel()

    for number in range(4):
        assert [by for by in told if by.startswith(f"{number} ")] == [f"{number} {count}" for count in range(50)]
    assert house.threads == {threading.get_ident()}


@on_a_loop
async def test_an_event_is_dated_to_when_it_happened() -> None:
    """The engine dates what it tells; the way through the socket is no part of a visit."""
    house = House()
    running = house.run()
    before = time.monotonic()
    house.daemon.post(ButtonPressed("front", "panel"), before - 0.5)
    await house.record(Kind.PRESS_ACCEPTED)
    earlier = house.daemon.state.visit
    running.cancel()

    assert earlier is not None
    assert earlier.began_at == before - 0.5


@on_a_loop
async def test_what_is_due_comes_by_itself() -> None:
    """From the wire to the end of the visit nobody tells the daemon anything but what the world did."""
    house = House()
    running = house.run()
    panel = FakePanel(["front"], house.daemon.post)
    house.tell(*ONLINE)
    panel.set("front", pressed=True)
    await house.record(Kind.PRESS_ACCEPTED)
    house.tell(CallProgressed("boot-1.1", 180))
    await house.record(Kind.CALL_RINGING)
    began = time.monotonic()
    ended = await house.record(Kind.VISIT_ENDED)
    lasted_s = time.monotonic() - began
    running.cancel()

    assert ended["outcome"] == "no answer"
    assert RULES.ring_s - 0.02 < lasted_s < 1
    assert PlayTone(Tone.UNANSWERED) in house.voice.diary


@on_a_loop
async def test_a_door_is_released_and_locked_by_the_clock() -> None:
    """Nothing but time locks it: no event, no call, no luck."""
    house = House()
    running = house.run()
    house.tell(*ANSWERED, *(DigitReceived("boot-1.1", key, "RFC 4733") for key in "12"))
    released = await house.record(Kind.DOOR_RELEASED)
    open_now = house.strike.released
    locked = await house.record(Kind.DOOR_LOCKED)
    running.cancel()

    assert (released["code_name"], open_now, house.strike.released) == ("family", True, False)
    assert house.strike.diary == ["lock", "release", "lock"]
    assert RULES.pulse_s["front"] <= locked["lasted_s"] < 1


@on_a_loop
async def test_each_order_reaches_its_port() -> None:
    """The telephone is told of calls and sound, the lamp of patterns, the service manager of one line."""
    house = House()
    running = house.run()
    house.tell(*ONLINE, ButtonPressed("front", "uid 0"))
    await house.record(Kind.PRESS_ACCEPTED)
    running.cancel()

    assert [type(order) for order in house.voice.diary] == [Register, PlaceCall, PlayTone, SetAudio]
    assert house.lamp.diary == [Lamp.OFF, Lamp.NO_LINE, Lamp.READY, Lamp.CALLING]
    assert house.notify.diary[-1] == "STATUS=dialling; home registered"
    assert house.journal.of(Kind.PRESS_ACCEPTED) == [{"visit": "boot-1", "button": "front", "by": "uid 0"}]


@on_a_loop
async def test_what_is_posted_before_the_door_has_its_ports_waits_for_them() -> None:
    """The panel is there first: who holds the button while the daemon starts must be heard, however it starts."""
    house = House()
    panel = FakePanel(["front"], house.daemon.post, held=["front"])
    turned = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(turned.set_result, None)
    await turned
    running = house.run()
    got = await house.record(Kind.PRESS_ACCEPTED)
    panel.close()
    running.cancel()

    assert got["by"] == "panel"


@on_a_loop
async def test_a_supervised_task_that_ends_takes_the_door_with_it() -> None:
    """Half a door is worse than one that systemd starts anew."""
    house = House()
    running = house.run()
    house.voice.end()

    assert await running == "voice engine ended"


@on_a_loop
async def test_a_supervised_task_that_fails_takes_the_door_with_it_by_name() -> None:
    """The journal says which part it was and why; the other parts are ended, not left."""
    house = House()
    other_ended = asyncio.Event()

    async def other() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            other_ended.set()

    running = house.run(other=other())
    await house.record(Kind.STARTED)
    house.voice.trouble = RuntimeError("no such card")
    house.voice.end()

    assert await running == "voice engine ended: RuntimeError('no such card')"
    assert other_ended.is_set()


def test_an_adapter_that_fails_ends_the_door_with_a_reason(caplog: pytest.LogCaptureFixture) -> None:
    """A relay that does not answer is no door any more: it must not look like one."""

    @on_a_loop
    async def story() -> None:
        house = House()
        running = house.run()
        house.tell(*ANSWERED)
        await house.record(Kind.CALL_ANSWERED)
        house.strike.trouble = OSError("relay gone")
        house.tell(*(DigitReceived("boot-1.1", key, "RFC 4733") for key in "12"))

        assert (await running).endswith("OSError('relay gone')")

    story()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_failure_by_the_clock_ends_the_door_too(caplog: pytest.LogCaptureFixture) -> None:
    """What fails in an alarm has nobody above it who would notice."""

    @on_a_loop
    async def story() -> None:
        house = House()
        running = house.run()
        house.tell(*ANSWERED, *(DigitReceived("boot-1.1", key, "RFC 4733") for key in "12"))
        await house.record(Kind.DOOR_RELEASED)
        house.strike.trouble = OSError("relay gone")

        assert (await running).endswith("OSError('relay gone')")

    story()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@on_a_loop
async def test_a_stop_ends_the_engine_first_and_returns_nothing_to_complain_of() -> None:
    """Asked to end is no failure: calls are ended and the line unregistered, then the door leaves."""
    house = House()
    running = house.run()
    house.tell(*ANSWERED)
    await house.record(Kind.CALL_ANSWERED)
    house.daemon.stop("SIGTERM")

    assert await running == ""
    assert house.voice.diary.index(HangUp("boot-1.1")) < house.voice.diary.index(StopEngine())
    assert house.journal.of(Kind.STOPPING) == [{"visit": "boot-1", "reason": "SIGTERM"}]
    assert [told["outcome"] for told in house.journal.of(Kind.VISIT_ENDED)] == ["stopped"]
    assert "STOPPING=1" in house.notify.diary
    assert not house.strike.released


@on_a_loop
async def test_a_stop_without_an_engine_returns_at_once() -> None:
    """There is nothing to wait for."""
    house = House(replace(RULES, stop_s=60.0), stuck=True)
    running = house.run()
    await house.record(Kind.STARTED)
    house.daemon.stop("SIGTERM")

    assert await running == ""


@on_a_loop
async def test_a_stop_does_not_wait_for_an_engine_that_is_stuck() -> None:
    """systemd's patience is longer than ours, but not endless."""
    house = House(stuck=True)
    running = house.run()
    house.tell(*ONLINE)
    await house.record(Kind.LINE_UP)
    house.daemon.stop("SIGTERM")

    assert await running == ""
    assert house.voice.diary[-1] == StopEngine()


@on_a_loop
async def test_only_a_beat_of_the_engine_feeds_the_watchdog() -> None:
    """A timer of the daemon's own would feed it while the engine is dead."""
    house = House()
    running = house.run()
    house.tell(*ANSWERED, CallEnded("boot-1.1", 200, "OK"))
    await house.record(Kind.VISIT_ENDED)
    fed_before = house.notify.diary.count("WATCHDOG=1")
    house.tell(EngineHeartbeat(), EngineHeartbeat(), ButtonPressed("front", "panel"))
    await house.record(Kind.PRESS_ACCEPTED)
    running.cancel()

    assert (fed_before, house.notify.diary.count("WATCHDOG=1")) == (0, 2)


def test_an_edge_after_the_end_finds_nobody_and_does_no_harm() -> None:
    """A pin may change between the loop's end and its own closing."""
    houses: list[House] = []

    @on_a_loop
    async def story() -> None:
        houses.append(House())
        running = houses[0].run()
        houses[0].daemon.stop("SIGTERM")
        assert await running == ""

    story()
    houses[0].daemon.post(ButtonChanged("front", pressed=True))

    assert houses[0].daemon.state.phase is Phase.IDLE
