# SPDX-License-Identifier: GPL-2.0-or-later
"""Bridges of doors, each on an event loop of its own, with a scripted daemon and an identity of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path

from intercom.integrations import follower, mqtt, settings
from intercom.integrations.webhooks import Caller
from lab.scripted_daemon import ScriptedDaemon


class Bridge:
    """One door's `intercom house`, with the scripted daemon that it asks."""

    def __init__(self, folder: Path, name: str, text: str, identity: str = "") -> None:
        """`text` is its house.toml, `identity` what is made of its machine's id (the name unless told otherwise)."""
        path = folder / f"{name}.toml"
        path.write_text(text)
        self.identity = identity or name
        self.settings = settings.load(path, self.identity)
        self.daemon = ScriptedDaemon(folder / f"{name}.sock")
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self.start()

    @property
    def base(self) -> str:
        """Its topic."""
        assert self.settings.mqtt is not None
        return self.settings.mqtt.base

    def start(self) -> None:
        """Start (again), as another run of the program."""
        told: list[follower.Told] = [Caller(hook) for hook in self.settings.webhooks]
        if self.settings.mqtt is not None:
            told.append(mqtt.MqttPublisher(self.settings.mqtt, self.daemon.path, pauses_s=(0.1,)))

        async def followed() -> None:
            self._task = asyncio.current_task()
            with contextlib.suppress(asyncio.CancelledError):
                await follower.bridge(self.daemon.path, told)

        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(followed(),), daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """End as by SIGINT; the daemon stays."""
        if self._task is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join(10)
            self._task = None

    def stop(self) -> None:
        """End all of it."""
        self.leave()
        self.daemon.stop()
