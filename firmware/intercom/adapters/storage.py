# SPDX-License-Identifier: GPL-2.0-or-later
"""The one writer of what outlives a daemon: whole files, each beside the old one and then in its place (rename(2)).

As long as something cannot be written (a card that went read-only, no space, no inode) that is one condition,
"storage", and it is tried again. Nothing of it ever costs a press. Threads may write.
"""

import asyncio
import contextlib
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from intercom.core.events import ConditionBegan, ConditionEnded, Event
from intercom.ports import Post

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


def replace(path: Path, content: bytes, *, lasting: bool = False) -> None:
    """Put `content` in the place of a file. Raises OSError; the old one is whole then, and nothing else is left."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123  (a descriptor, because of its flags)
            os.fchmod(descriptor, 0o600)  # one that was there may have had another
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(descriptor)
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    if lasting:
        sync(path.parent)


def read(path: Path, longest: int) -> bytes:
    """Return a file of ours, its first `longest` bytes. Raises OSError, or ValueError for what is no file.

    A link in its place leads nowhere, and a pipe does not make us wait.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123  (a descriptor, because of its flags)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a file")
        return file.read(longest)


def sync(folder: Path) -> None:
    """Make a rename last (fsync(2))."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
