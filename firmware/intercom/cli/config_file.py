# SPDX-License-Identifier: GPL-2.0-or-later
"""Writing a configuration: whole or not at all, for the same readers as before."""

import contextlib
import os
import secrets
from pathlib import Path

from intercom.errors import IntercomError

MODE = 0o640


def replace_text(path: Path, text: str, like: Path | None = None, mode: int | None = None) -> None:
    """Put a text in the place of a file. It belongs to whom `like` (the file itself) belongs to.

    `mode` is what anybody may do with it; None for what is so with `like`, or `MODE` where there is none.

    Raises IntercomError, with what to do, when that is not allowed.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                _belong(descriptor, like or path)
                if mode is not None:
                    os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except PermissionError as error:
        raise IntercomError(f"{path}: not allowed to change it: use sudo") from error
    except OSError as error:
        raise IntercomError(f"{path}: {error.strerror}") from error


def _belong(descriptor: int, like: Path) -> None:
    try:
        known = like.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, MODE)
        return
    os.fchmod(descriptor, known.st_mode & 0o7777)
    with contextlib.suppress(PermissionError):  # who is not root owns what he writes
        os.fchown(descriptor, known.st_uid, known.st_gid)
