# SPDX-License-Identifier: GPL-2.0-or-later
"""A fake voice engine: it keeps a diary of its orders, and ends when it is told to stop."""

import asyncio

from intercom.core.commands import EngineCommand, StopEngine
from intercom.core.events import EngineLost
from intercom.daemon.ports import Post


class FakeVoice:
    """Telephone and sound that do nothing by themselves: a test posts what they would have told."""

    def __init__(self, post: Post, *, stuck: bool = False) -> None:
        """`stuck` is an engine that does not obey `StopEngine`."""
        self.diary: list[EngineCommand] = []
        self.trouble: Exception | None = None
        """Raised by `run` when it ends."""
        self._post, self._stuck = post, stuck
        self._over = asyncio.Event()

    def send(self, command: EngineCommand) -> None:
        """Note an order."""
        self.diary.append(command)
        if isinstance(command, StopEngine) and not self._stuck:
            self._post(EngineLost("ended with status 0"))
            self.end()

    async def run(self) -> None:
        """Run until `StopEngine` was obeyed, or until a test ends it."""
        await self._over.wait()
        if self.trouble is not None:
            raise self.trouble

    def end(self) -> None:
        """Let `run` return, or raise its trouble."""
        self._over.set()
