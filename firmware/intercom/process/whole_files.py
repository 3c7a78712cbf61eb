# SPDX-License-Identifier: GPL-2.0-or-later
"""Small files of ours, written and read whole: each beside the old one and then in its place (rename(2))."""

import contextlib
import os
import stat
from pathlib import Path


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
        _sync(path.parent)


def read(path: Path, longest: int) -> bytes:
    """Return a file of ours, its first `longest` bytes. Raises OSError, or ValueError for what is no file.

    A link in its place leads nowhere, and a pipe does not make us wait.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123  (a descriptor, because of its flags)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a file")
        return file.read(longest)


def _sync(folder: Path) -> None:
    """Make a rename last (fsync(2))."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
