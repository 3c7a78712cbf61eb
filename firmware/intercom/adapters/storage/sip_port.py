# SPDX-License-Identifier: GPL-2.0-or-later
"""The local SIP port: chosen by chance, kept from one start to the next.

Not 5060, where scanners knock. Kept, because a registrar knows a door by its Contact address: one that comes back on
another port is a second door to it, and calls would ring at the dead one until that registration runs out, or the new
one is refused so long. A power cut is such a start too, so it is kept where it outlives the boot.
"""

import contextlib
import random
import socket
from pathlib import Path

from intercom.adapters.storage.writer import Storage
from intercom.process.whole_files import read

LOWEST, HIGHEST = 20000, 29999
"""Below the ports that the kernel gives to others, so that it is free again when the door comes back."""
_TRIES = 50


def persistent_sip_port(folder: Path, bind: str, storage: Storage) -> int:
    """Return the port noted in `folder`, or a new one, free now at address `bind` (empty: all), and note it there.

    Returns 0, which lets the kernel choose, when no free one is found.
    """
    note = folder / "sip-port"
    with contextlib.suppress(OSError, ValueError):
        kept = int(read(note, 8))
        if LOWEST <= kept < HIGHEST and _free(kept, bind):
            return kept
    for _ in range(_TRIES):
        port = random.randrange(LOWEST, HIGHEST)  # noqa: S311  (to be out of the way, not to be secret)
        if _free(port, bind):
            storage.replace(note, str(port).encode(), lasting=True)
            return port
    return 0


def _free(port: int, bind: str) -> bool:
    """Return whether UDP and TCP can have this port, and TLS the next."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    for kind, number in ((socket.SOCK_DGRAM, port), (socket.SOCK_STREAM, port), (socket.SOCK_STREAM, port + 1)):
        with socket.socket(family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((bind, number))
            except OSError:
                return False
    return True
