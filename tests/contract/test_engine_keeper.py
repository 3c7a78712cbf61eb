# SPDX-License-Identifier: GPL-2.0-or-later
"""The voice engine's keeper with the real engine: whatever becomes of the process, there is another one soon."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from loops import on_a_loop

from intercom.adapters.engine_process import EngineSupervisor
from intercom.core.commands import Audio, HangUp, PlayTone, SetAudio, StopEngine, Tone
from intercom.core.events import AudioDeviceLost, EngineHeartbeat, EngineLost, EngineStarted, Event
from intercom.ipc.protocol import EngineSettings
from lab.engine_settings import engine_settings

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

SETTINGS = engine_settings()
SILENCE_S = 2.0
"""An engine beats every second."""


class Keeper:
    """A keeper at work, and all it told."""

    def __init__(self, settings: EngineSettings = SETTINGS) -> None:
        self._inbox: asyncio.Queue[tuple[Event, float | None]] = asyncio.Queue()
        self.engine = EngineSupervisor(
            settings, lambda event, at: self._inbox.put_nowait((event, at)), silence_s=SILENCE_S
        )
        self.running = asyncio.create_task(self.engine.run())

    async def next(self) -> tuple[Event, float | None]:
        """Await the next event but beats, and when it happened."""
        while True:
            event, at = await self._inbox.get()
            if not isinstance(event, EngineHeartbeat):
                return event, at

    async def beat(self) -> float:
        """Await a beat; when it was."""
        while True:
            event, at = await self._inbox.get()
            if isinstance(event, EngineHeartbeat):
                assert at is not None
                return at


@contextlib.asynccontextmanager
async def keeping(settings: EngineSettings = SETTINGS) -> AsyncIterator[Keeper]:
    """A keeper, and no engine left of it."""
    keeper = Keeper(settings)
    try:
        yield keeper
    finally:
        keeper.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper.running
        await gone(keeper.engine.pid)


def state_of(pid: int) -> str:
    """What the kernel says of a process: "" when it is gone, "Z" when only its end is left."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


async def gone(pid: int) -> None:
    """Await the end of a process that is about to end."""
    with contextlib.suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(fd, ended.set)
        await ended.wait()
        loop.remove_reader(fd)
        os.close(fd)


@on_a_loop
async def test_an_engine_starts_tells_what_it_is_and_beats() -> None:
    """What it tells is dated on the clock that both processes share."""
    async with keeping() as keeper:
        before = time.monotonic()
        event, at = await keeper.next()
        beats = [await keeper.beat(), await keeper.beat()]

        assert isinstance(event, EngineStarted)
        assert "PJSIP" in event.versions
        assert keeper.engine.versions == event.versions
        assert at is not None
        assert before < at <= beats[0] < beats[1] <= time.monotonic()
        assert state_of(keeper.engine.pid) not in ("", "Z")


@on_a_loop
async def test_a_killed_engine_is_told_and_replaced_at_once() -> None:
    """Somebody stands at the door: the first replacement waits for nothing."""
    async with keeping() as keeper:
        await keeper.next()
        first = keeper.engine.pid
        os.kill(first, signal.SIGKILL)
        lost, _ = await keeper.next()
        lost_at = time.monotonic()
        started, _ = await keeper.next()

        assert lost == EngineLost("ended by SIGKILL")
        assert isinstance(started, EngineStarted)
        assert time.monotonic() - lost_at < 5
        assert (keeper.engine.starts, state_of(first)) == (2, "")
        assert keeper.engine.pid != first


@on_a_loop
async def test_an_engine_that_is_stuck_is_told_killed_and_replaced() -> None:
    """A process that is there and does nothing is worse than none: it holds the card and every call."""
    async with keeping() as keeper:
        await keeper.next()
        await keeper.beat()
        first = keeper.engine.pid
        os.kill(first, signal.SIGSTOP)
        stopped_at = time.monotonic()
        lost, _ = await keeper.next()
        noticed_s = time.monotonic() - stopped_at
        started, _ = await keeper.next()
        await gone(first)

        assert lost == EngineLost(f"silent for {SILENCE_S:g} s")
        assert SILENCE_S - 1.2 < noticed_s < SILENCE_S + 2
        assert isinstance(started, EngineStarted)
        assert keeper.engine.pid != first


@on_a_loop
async def test_an_engine_told_to_stop_ends_and_the_keeper_with_it() -> None:
    """Asked to end is no reason for another one."""
    async with keeping() as keeper:
        await keeper.next()
        pid = keeper.engine.pid
        keeper.engine.send(StopEngine())
        lost, _ = await keeper.next()
        await keeper.running

        assert lost == EngineLost("ended with status 0")
        assert (keeper.engine.starts, state_of(pid)) == (1, "")


@on_a_loop
async def test_an_engine_that_is_stuck_does_not_hold_up_its_keepers_end() -> None:
    """The daemon leaves when it must: it cancels the keeper, and no engine stays behind with the card."""
    async with keeping() as keeper:
        await keeper.next()
        pid = keeper.engine.pid
        os.kill(pid, signal.SIGSTOP)
    await gone(pid)

    assert state_of(pid) in ("", "Z")


@on_a_loop
async def test_orders_reach_the_engine_and_its_answers_come_back() -> None:
    """A card that is not there is told; a leg that nobody knows is no error, and neither is a tone without a card."""
    async with keeping() as keeper:
        await keeper.next()
        keeper.engine.send(HangUp("stranger"))
        keeper.engine.send(PlayTone(Tone.CHIME))
        keeper.engine.send(SetAudio(Audio(card=True)))
        event, _ = await keeper.next()
        while not isinstance(event, AudioDeviceLost):
            event, _ = await keeper.next()

        assert "none such" in event.reason
        assert keeper.engine.starts == 1


@on_a_loop
async def test_an_order_while_no_engine_runs_is_dropped() -> None:
    """`EngineLost` has told the core already: the next engine begins with what it is told then."""
    async with keeping() as keeper:
        keeper.engine.send(PlayTone(Tone.CHIME))
        event, _ = await keeper.next()

        assert isinstance(event, EngineStarted)


@on_a_loop
async def test_an_engine_that_cannot_start_is_told_and_tried_again() -> None:
    """An address that is not up yet at boot: the keeper goes on, with growing pauses, and the journal says so."""
    async with keeping(replace(SETTINGS, bind="192.0.2.1")) as keeper:
        told = [(await keeper.next())[0] for _ in range(2)]

        assert told == [EngineLost("ended with status 1")] * 2
        assert keeper.engine.starts == 2


WEDGE = """
import os, time
from intercom.engine.audio import pipeline as clock

whole = clock.Period.without_card

def without_card(self, mix):
    while os.path.exists({path!r}):
        time.sleep(0.05)
    whole(self, mix)

clock.Period.without_card = without_card
"""
"""What `sitecustomize` does in an engine whose audio clock is to stop: no code of the engine's own knows of it."""


@pytest.fixture
def wedge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stops the audio clock of every engine started now, as long as it exists."""
    (tmp_path / "sitecustomize.py").write_text(WEDGE.format(path=str(tmp_path / "wedge")))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return tmp_path / "wedge"


def test_an_engine_whose_audio_clock_stands_still_is_replaced(wedge: Path) -> None:
    """Its loop goes round and PJSIP answers, but nobody hears anybody: without the audio clock there is no beat."""

    @on_a_loop
    async def story() -> None:
        async with keeping() as keeper:
            await keeper.next()
            keeper.engine.send(SetAudio(Audio(card=True)))
            event, _ = await keeper.next()
            while not isinstance(event, AudioDeviceLost):
                event, _ = await keeper.next()
            await keeper.beat()
            await keeper.beat()
            os.close(os.open(wedge, os.O_CREAT))
            first = keeper.engine.pid
            lost, _ = await keeper.next()
            os.unlink(wedge)  # noqa: PTH108
            started, _ = await keeper.next()

            assert lost == EngineLost(f"silent for {SILENCE_S:g} s")
            assert isinstance(started, EngineStarted)
            assert keeper.engine.pid != first

    story()


def test_an_audio_clock_that_nobody_needs_may_stand_still(wedge: Path) -> None:
    """The card is closed outside a visit, and that is no fault."""
    wedge.touch()

    @on_a_loop
    async def story() -> None:
        async with keeping() as keeper:
            await keeper.next()
            beats = [await keeper.beat() for _ in range(4)]

            assert beats[-1] - beats[0] > SILENCE_S
            assert keeper.engine.starts == 1

    story()
