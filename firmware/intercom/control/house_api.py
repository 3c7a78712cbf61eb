# SPDX-License-Identifier: GPL-2.0-or-later
"""What the house may ask of the daemon, at a socket of its own: what has happened, and what house.toml allows.

`intercom house` talks with brokers and web servers. So it cannot reach the control socket, and what its settings do not
allow is refused here as well, not only in the process that strangers' bytes reach.
"""

import tomllib
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from intercom.config.loader import read
from intercom.control.server import Peer

COMMANDS = ("press", "release", "hangup")
"""What [mqtt] commands may allow. Who may release a door may lock it again."""
LARGEST = 64 * 1024
"""Bytes; a longer file is no house.toml."""
Answer = dict[str, Any]


class Asked(Protocol):
    """Who answers what is allowed: the desk."""

    def answer(self, request: Answer, peer: Peer) -> Awaitable[Answer]:
        """Answer one request."""


class HouseDesk:
    """Answers the house. `settings` is its file, of which only the commands of [mqtt] are read, at each command."""

    def __init__(self, desk: Asked, settings: Path) -> None:
        self._desk, self._settings = desk, settings

    async def answer(self, request: Answer, peer: Peer) -> Answer:
        """Answer one request; nothing of it but what is known here is passed on."""
        match request:
            case {"do": "next", "since": int(since), "within_s": int() | float() as within_s}:
                asked: Answer = {"do": "next", "since": since, "within_s": within_s}
            case {"do": "press", "button": str(button)}:
                asked = {"do": "press", "button": button}
            case {"do": "release", "door": str(door)}:
                asked = {"do": "release", "door": door, "released": True, "hold": False}
            case {"do": "lock", "door": str(door)}:
                asked = {"do": "release", "door": door, "released": False, "hold": False}
            case {"do": "hangup"}:
                asked = {"do": "hangup"}
            case _:
                return {"ok": False, "error": "the house may not ask this"}
        if asked["do"] in COMMANDS and asked["do"] not in allowed(self._settings):
            return {"ok": False, "error": f"{asked['do']} is not among the commands in {self._settings}"}
        return await self._desk.answer(asked, replace(peer, name="the house"))


def allowed(settings: Path) -> frozenset[str]:
    """Return what the house's settings allow; nothing where they are missing or broken."""
    try:
        content = read(settings).text
        if len(content) > LARGEST:
            return frozenset()
        document = tomllib.loads(content.decode())
        commands = document["mqtt"]["commands"]
        return frozenset(COMMANDS) & frozenset(one for one in commands if isinstance(one, str))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return frozenset()
