# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon's way to write what outlives it, and how that it cannot be written is told.

As long as something cannot be written (a card that went read-only, no space, no inode) that is one condition,
"storage", and it is tried again. Nothing of it ever costs a press. Threads may write.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from intercom.core.events import ConditionBegan, ConditionEnded, Event
from intercom.daemon.ports import Post
from intercom.process.whole_files import replace

AGAIN_S = 20.0
"""How often what could not be written is tried again, in seconds."""


class Storage:
    """Writes, and tells what it cannot."""

    def __init__(self, post: Post | None = None) -> None:
        """Tell by `post`, or else on standard error."""
        self._post = post or _on_stderr
        self._busy, self._writing = Lock(), Lock()
        self._failing: dict[Path, Callable[[], object]] = {}

    def replace(self, path: Path, content: bytes, *, lasting: bool = False) -> bool:
        """Put `content` in the place of a file, for its owner alone; return whether that worked.

        What is `lasting` survives a loss of power from then on (fsync(2)).
        """
        return self.carry_out(path, lambda: replace(path, content, lasting=lasting))

    def carry_out(self, path: Path, write: Callable[[], object]) -> bool:
        """Write in a way of one's own; return whether that worked. What fails is tried again until something works."""
        try:
            with self._writing:
                write()
        except (OSError, ValueError) as error:
            self._fails(path, error, write)
            return False
        self._works(path)
        return True

    def _fails(self, path: Path, error: Exception, write: Callable[[], object]) -> None:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        with self._busy:
            first = not self._failing
            self._failing[path] = write
        if first:
            self._post(ConditionBegan("storage", f"{path} cannot be written: {reason}"))

    def _works(self, path: Path) -> None:
        with self._busy:
            ended = self._failing.pop(path, None) is not None and not self._failing
        if ended:
            self._post(ConditionEnded("storage"))

    def probe(self, folder: Path) -> None:
        """See whether anything can be written to a folder: what is needed once a month is to be told today."""
        file = folder / ".probe"

        def try_it() -> None:
            replace(file, b"")
            file.unlink()

        self.carry_out(file, try_it)

    async def run(self) -> None:
        """Try again what could not be written, for ever."""
        while True:
            await asyncio.sleep(AGAIN_S)
            await asyncio.to_thread(self.again)

    def again(self) -> None:
        """Try once more all that could not be written."""
        for path, write in list(self._failing.items()):
            with self._writing:
                if self._failing.get(path) is not write:
                    continue  # something newer was written meanwhile, or could not be either
                try:
                    write()
                except (OSError, ValueError):
                    continue
            self._works(path)


def _on_stderr(event: Event) -> None:
    if isinstance(event, ConditionBegan):
        print(f"intercom: {event.detail}", file=sys.stderr)
