# SPDX-License-Identifier: GPL-2.0-or-later
"""What the broker's clients ask of the door: "press BUTTON", "release DOOR", "lock DOOR", "hangup"."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intercom.adapters.systemd.records import printable
from intercom.control.client import granted
from intercom.errors import IntercomError
from intercom.integrations.settings import Mqtt

LONGEST = 200
"""Bytes of a command; no button's or door's name is longer."""
QUIET_S = 60.0
"""How often commands that were not obeyed are told, in seconds: anybody at the broker can send a thousand a second."""
ALLOWED_BY = {"press": "press", "release": "release", "lock": "release", "hangup": "hangup"}
"""Command -> what the settings have to allow for it. Who may release a door may lock it."""


class Orders:
    """Asks the daemon for what the settings allow."""

    def __init__(self, settings: Mqtt, socket: Path) -> None:
        self._settings, self._socket = settings, socket
        self._unheard, self._quiet_until = 0, 0.0

    async def take(self, payload: bytes) -> None:
        """Obey one command, or tell why not."""
        if len(payload) > LONGEST:
            self._refused(f"a command of {len(payload)} bytes", f"the longest may have {LONGEST}")
            return
        words = payload.decode("utf-8", "replace").split()
        if words:
            await self._obey(words[0].casefold(), words[1] if len(words) > 1 else "")

    async def _obey(self, command: str, what: str) -> None:
        requests: dict[str, Callable[[], dict[str, Any]]] = {
            "press": lambda: {"do": "press", "button": what},
            "release": lambda: {"do": "release", "door": what, "released": True, "hold": False},
            "lock": lambda: {"do": "lock", "door": what},
            "hangup": lambda: {"do": "hangup"},
        }
        if ALLOWED_BY.get(command) not in self._settings.commands:
            self._refused(repr(command[:40]) + " is not allowed", "see commands in house.toml")
            return
        try:
            await asyncio.to_thread(granted, self._socket, {**requests[command](), "login": "MQTT"})
        except IntercomError as error:
            self._refused(printable(f"{command} {what[:40]}"), str(error))

    def _refused(self, what: str, why: str) -> None:
        """Tell of a command that was not obeyed: the first one, and then once in a while how many more there were."""
        self._unheard += 1
        if (now := time.monotonic()) < self._quiet_until:
            return
        more = f" (and {self._unheard - 1} more since the last line)" if self._unheard > 1 else ""
        print(f"mqtt: {what}: {why}{more}", file=sys.stderr, flush=True)
        self._quiet_until, self._unheard = now + QUIET_S, 0
