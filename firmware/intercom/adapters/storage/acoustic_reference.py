# SPDX-License-Identifier: GPL-2.0-or-later
"""What the self test heard when all was well, in a file for ever: one line, as on the engine's wire."""

import contextlib
from pathlib import Path

from intercom.adapters.storage.writer import Storage
from intercom.core.acoustics import BANDS_HZ, Acoustics
from intercom.core.events import ReferenceFound
from intercom.errors import WireError
from intercom.ipc import protocol
from intercom.process.whole_files import read

LONGEST = 1 << 16
"""Bytes; a longer file is none of ours."""


class ReferenceStore:
    """A place for one measurement."""

    def __init__(self, path: Path, *, storage: Storage | None = None) -> None:
        """Keep it at `path`, in a folder that is there and is ours; `storage` tells what cannot be written."""
        self._path, self._storage = path, storage or Storage()

    def keep(self, heard: Acoustics) -> None:
        """Replace what was there. What goes wrong is told: the door works without."""
        self._storage.replace(self._path, protocol.encode(ReferenceFound(heard), 0.0))

    def load(self) -> ReferenceFound | None:
        """Return what was kept; None when there is nothing, or rubbish."""
        with contextlib.suppress(OSError, ValueError, WireError):
            _, found = protocol.decode(read(self._path, LONGEST))
            if not isinstance(found, ReferenceFound):
                return None
            lengths = {len(found.heard.response_db), len(found.heard.floor_db), len(found.heard.noise_db)}
            if lengths == {len(BANDS_HZ)}:
                return found
        return None
