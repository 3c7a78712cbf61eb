# SPDX-License-Identifier: GPL-2.0-or-later
"""Two nets: what is only asked or only watched costs the door nothing; what changes the door and fails ends it."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from daemon_house import ANSWERED, ONLINE, House
from loops import on_a_loop

from intercom.app import monitors
from intercom.control.server import Control, Message, Peer
from intercom.core.commands import Kind, Report
from intercom.core.events import (
    ButtonPressed,
    ConditionBegan,
    ConditionEnded,
    EngineHeartbeat,
    Event,
    ReleaseRequested,
)


async def answer(request: Message, peer: Peer) -> Message:
    """Answer at once, late, or with more than anybody reads."""
    if request.get("do") == "wait":
        await asyncio.sleep(3600)
    return {"ok": True, "much": "y" * (500_000 if request.get("do") == "much" else 1)}


def reset(client: socket.socket) -> None:
    """Leave so that the other side has an error of it (SO_LINGER, socket(7)), where the family knows such a thing."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def half(client: socket.socket) -> None:
    """Ask nothing more, and read nothing."""
    client.shutdown(socket.SHUT_WR)
    client.close()


QUESTIONS = {
    "nothing": b"",
    "half a question": b'{"do":',
    "a question": b'{"do":"x"}\n',
    "one that waits": b'{"do":"wait"}\n',
    "an answer not read, and one that waits": b'{"do":"x"}\n{"do":"wait"}\n',
    "much not read": b'{"do":"much"}\n' * 8,
    "much not read, and one that waits": b'{"do":"much"}\n{"do":"wait"}\n',
    "a line without an end": b"x" * 200_000,
    "no number": b'{"do":NaN}\n{"do":Infinity}\n',
    "numbers without an end": b'{"do":1e999,"n":' + b"9" * 6000 + b"}\n",
    "depth": b"[" * 30_000 + b"\n",
    "no text": b"\xff\xfe\n",
    "no object": b"[]\n1\nnull\n",
}


@pytest.mark.parametrize("leave", [socket.socket.close, reset, half])
@pytest.mark.parametrize("question", QUESTIONS)
def test_whoever_asks_and_leaves_in_whatever_way_reaches_no_handler(
    tmp_path: Path, question: str, leave: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop's exception handler hears of nothing, and the next one is answered."""
    monkeypatch.setattr("intercom.control.server.LOOK_S", 0.02)
    heard: list[Any] = []

    @on_a_loop
    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
        control = Control(tmp_path / "s", answer, idle_s=0.2)
        await control.start()
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        client.connect(str(tmp_path / "s"))
        with contextlib.suppress(BlockingIOError):
            client.send(QUESTIONS[question])
        while not control._clients:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0)
        for _ in range(20):  # so that it is in the middle of something
            await asyncio.sleep(0)
        leave(client)
        while control._clients:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(b'{"do":"x"}\n')
        assert json.loads(await reader.readline())["ok"]
        writer.close()
        control.close()

    story()
    assert heard == []


def test_an_order_that_fails_ends_the_door_whoever_asked_for_it(caplog: pytest.LogCaptureFixture) -> None:
    """A question changes the door by an event: its net must not hide that the strike and the state differ."""

    @on_a_loop
    async def story() -> None:
        house = House()
        running = house.run()
        house.tell(*ONLINE)
        await house.record(Kind.LINE_UP)
        house.strike.trouble = OSError("relay gone")
        house.daemon.take(ReleaseRequested("front", "uid 0", released=True, hold=False), 1e9)
        told = len(house.journal.of(Kind.PRESS_ACCEPTED))
        house.daemon.take(ButtonPressed("front", "panel"), 1e9)

        assert "relay gone" in await running
        assert len(house.journal.of(Kind.PRESS_ACCEPTED)) == told

    story()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_who_only_watches_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    """A record's reader, a listener, a look at the configuration: the visit goes on."""

    @on_a_loop
    async def story() -> None:
        house = House()

        def fails(*_: object) -> None:
            raise KeyError("x")

        house.daemon.watchers.append(fails)
        house.daemon.listeners.append(fails)
        house.daemon.idle.append(fails)
        running = house.run()
        house.tell(*ANSWERED)
        await house.record(Kind.CALL_ANSWERED)
        house.daemon.stop("SIGTERM")

        assert await running == ""

    story()
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


def test_an_error_that_nobody_caught_is_told_and_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A signal's handler, a timer of a watcher, a task that nobody awaited."""

    @on_a_loop
    async def story() -> None:
        house = House()
        running = house.run()
        house.tell(*ONLINE)
        await house.record(Kind.LINE_UP)
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: 1 // 0)
        loop.add_signal_handler(signal.SIGUSR1, lambda: {}["x"])
        os.kill(os.getpid(), signal.SIGUSR1)
        house.tell(ButtonPressed("front", "panel"))
        await house.record(Kind.PRESS_ACCEPTED)
        while len(caplog.records) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        house.daemon.stop("SIGTERM")

        assert await running == ""

    story()
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


@pytest.mark.parametrize("trouble", [OSError(30, "Read-only file system"), ValueError("x"), None])
def test_a_comfort_that_fails_is_told_begun_again_and_taken_back(
    trouble: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Self tests, the machine, schedules, names: none of them is a reason to end; None is one that just returns."""
    told: list[Event] = []
    starts: list[int] = []

    @on_a_loop
    async def story() -> None:
        over = asyncio.Event()

        async def work() -> None:
            starts.append(len(starts))
            if len(starts) > 2:
                await asyncio.Event().wait()
            if trouble is not None:
                raise trouble

        def post(event: Event) -> None:
            told.append(event)
            if isinstance(event, ConditionEnded):
                over.set()

        task = asyncio.ensure_future(monitors.kept_up("machine", work, post, pause_s=0.01))
        await over.wait()
        task.cancel()

    story()
    reason = repr(trouble) if trouble is not None else "it has ended"
    assert told == [ConditionBegan("software machine", reason)] * 2 + [ConditionEnded("software machine")]
    assert len(starts) == 3
    assert len(caplog.records) == (2 if trouble is not None else 0)


def test_only_the_engines_keeper_and_the_core_are_essential(tmp_path: Path) -> None:
    """Whatever is watched beside is kept up: a task that is new cannot forget it."""
    from intercom.adapters.monitors.host import Machine
    from intercom.config.loader import load

    config = load(Path(monitors.__file__).parents[1] / "sample.toml")
    tasks = monitors.watchers(config, lambda _: None, tmp_path, Machine(lambda _: None), [])
    names = {name: getattr(task, "__qualname__", "") for name, task in tasks.items()}
    for task in tasks.values():
        task.close()

    assert set(names.values()) == {"kept_up"}
    assert {"self tests", "machine", "network and names"} <= set(names)


@on_a_loop
async def test_the_watchdog_is_fed_by_beats_only_while_the_core_takes_them() -> None:
    """A core that fails at a beat starves it, and ends the door."""
    house = House()
    running = house.run()
    house.tell(*ONLINE)
    await house.record(Kind.LINE_UP)
    fed = house.notify.diary.count("WATCHDOG=1")

    def fails(report: Report) -> None:
        raise OSError("journal")

    house.daemon._carry_out = fails  # type: ignore[assignment, method-assign]
    house.tell(EngineHeartbeat())

    assert "journal" in await running
    assert house.notify.diary.count("WATCHDOG=1") == fed
