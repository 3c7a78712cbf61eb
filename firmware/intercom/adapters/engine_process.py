# SPDX-License-Identifier: GPL-2.0-or-later
"""The voice engine's keeper: starts it, feeds it, listens to it, kills it when it is stuck, starts the next one.

To the daemon this is the telephone and the sound (`ports.Voice`). The engine speaks the core's own words, so nothing
is translated here.
"""

import asyncio
import os
import select
import signal
import time
from collections.abc import Callable

from intercom.core.commands import EngineCommand, StopEngine
from intercom.core.events import EngineHeartbeat, EngineLost, EngineStarted, Event
from intercom.errors import WireError
from intercom.ipc import protocol
from intercom.process import spawn_engine

SILENCE_S = 4.0
"""An engine beats every second; one that has not for this long is stuck and will not come back by itself."""
START_S = 15.0
"""The first beat may take longer: a Pi Zero imports slowly."""
PAUSES_S = (0.0, 0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits before engines that die young; the first replacement comes at once."""
YOUNG_S = 10.0
BEAT_S = 1.0
PATIENCE_S = 2.0
"""How long a killed engine may take to be gone, at a reload."""


class EngineSupervisor:
    """An engine is running, or on its way."""

    def __init__(
        self,
        settings: protocol.EngineSettings,
        post: Callable[[Event, float | None], None],
        *,
        silence_s: float = SILENCE_S,
        young: int = 0,
    ) -> None:
        """Give each engine these settings, and hand on what it tells; one silent for `silence_s` is given up.

        `young` is how many before the first one died soon after their start, under daemons that did as well.
        """
        self._young = young
        self._settings, self._post, self._silence_s = settings, post, silence_s
        self._writer: asyncio.StreamWriter | None = None
        self._stopping = False
        self.pid = 0
        self.starts = 0
        self.written = 0
        """Bytes that this engine and those before it have had written to disks, as far as they told."""
        self.versions = ""
        self._running: list[_Process] = []

    def send(self, command: EngineCommand) -> None:
        """Give an order; one given while no engine runs is dropped."""
        self._stopping = self._stopping or isinstance(command, StopEngine)
        if self._writer is not None:
            self._writer.write(protocol.encode(command))

    async def run(self) -> None:
        """Keep an engine running until one has obeyed `StopEngine`."""
        young = self._young
        await self._rest(young)
        while not self._stopping:
            born = time.monotonic()
            reason = await self._live()
            self._post(EngineLost(reason), None)
            young = young + 1 if time.monotonic() - born < YOUNG_S else 0
            await self._rest(young)

    def close(self) -> None:
        """Leave nothing of an engine that did not end: no process, no zombie, no descriptor."""
        for engine in self._running:
            engine.close()
        self._running.clear()

    async def _rest(self, young: int) -> None:
        """Wait before the next engine, so that one that cannot live does not hammer the PBX.

        Who waits on purpose is not stuck: the keeper beats in the engine's stead, or the watchdog would end the daemon,
        and with it the count.
        """
        left_s = PAUSES_S[min(young, len(PAUSES_S) - 1)]
        while left_s > 0 and not self._stopping:
            self._post(EngineHeartbeat(), None)
            await asyncio.sleep(min(left_s, BEAT_S))
            left_s -= BEAT_S

    async def _live(self) -> str:
        """Run one engine to its end; return why it ended."""
        begun = spawn_engine.take()
        self.pid, self.starts = begun.pid, self.starts + 1
        engine = _Process(begun.pid)
        self._running = [engine]
        ended = engine.ended
        reader, writer = await asyncio.open_unix_connection(sock=begun.link, limit=protocol.LONGEST)
        writer.write(protocol.encode(self._settings))
        self._writer = writer
        try:
            reason = await self._listen(reader)
        finally:
            self._writer = None
            # Whatever it was doing: it is not trusted any more, and must not hold the card.
            engine.kill()
            writer.close()
        return reason or _cause(await ended)

    async def _listen(self, reader: asyncio.StreamReader) -> str:
        """Hand on what the engine tells; return why it is given up, or nothing when it ended by itself.

        Only its beats keep it alive: other news may come from an engine whose audio clock stands still.
        """
        patience, loop, before = START_S, asyncio.get_running_loop(), self.written
        until = loop.time() + patience
        while True:
            try:
                async with asyncio.timeout_at(until):
                    line = await reader.readline()
                if not line:
                    return ""
                at, event = protocol.decode(line)
            except TimeoutError:
                return f"silent for {patience:g} s"
            except (WireError, ValueError) as error:
                return str(error)
            except OSError:
                return ""
            if isinstance(event, EngineHeartbeat | EngineStarted):
                patience = self._silence_s
                until = loop.time() + patience
            if isinstance(event, EngineHeartbeat):
                self.written = before + event.written
            if isinstance(event, EngineStarted):
                self.versions = event.versions
            self._post(event, at)


class _Process:
    """A child process: `ended` is its exit status, taken from the kernel whether anybody awaits it or not."""

    def __init__(self, pid: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._pid, self._watch = pid, os.pidfd_open(pid)
        self._loop.add_reader(self._watch, self._take)

    def kill(self) -> None:
        """End it, if it still runs: afterwards its number may be another's."""
        if self._watch >= 0:
            os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """End it, and take its end from the kernel: that is a matter of milliseconds, or its driver hangs."""
        if self._watch < 0:
            return
        self.kill()
        select.select([self._watch], [], [], PATIENCE_S)
        self._take()

    def _take(self) -> None:
        self._loop.remove_reader(self._watch)
        os.close(self._watch)
        self._watch = -1
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if pid and not self.ended.done():
            self.ended.set_result(os.waitstatus_to_exitcode(status))


def _cause(status: int) -> str:
    """Return a process's end in words."""
    if status >= 0:
        return f"ended with status {status}"
    return f"ended by {signal.Signals(-status).name}"
