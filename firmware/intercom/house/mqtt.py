# SPDX-License-Identifier: GPL-2.0-or-later
"""MQTT: what the door is (retained), what happens, and what may be asked of it.

Below the door's topic: `availability` ("online", "offline"), `state` (one JSON object), `doorbell` (a press),
`event` (every record), `command` ("press front", "release", "hangup": only what the settings allow).
"""

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt

from intercom.adapters.records import printable
from intercom.cli.client import granted
from intercom.errors import IntercomError
from intercom.house.bridge import Queue
from intercom.house.discovery import announcement
from intercom.house.settings import Mqtt

LONGEST = 200
"""Bytes of a command; no button's or door's name is longer."""
QUIET_S = 60.0
"""How often commands that were not obeyed are told, in seconds: anybody at the broker can send a thousand a second."""
PAUSES_S = (1.0, 2.0, 5.0, 15.0, 60.0)


class Broker:
    """Tells one broker, and hears what it asks."""

    def __init__(self, settings: Mqtt, socket: Path, *, pauses_s: tuple[float, ...] = PAUSES_S) -> None:
        self._settings, self._socket, self._pauses_s = settings, socket, pauses_s
        self._status: dict[str, Any] | None = None
        self._announced = ""
        self._unheard, self._quiet_until = 0, 0.0
        self.queue = Queue()

    async def run(self) -> None:
        """Be connected, again and again."""
        failed = 0
        while True:
            try:
                async with self._client() as client:
                    failed, self._announced = 0, ""
                    await self._serve(client)
            except aiomqtt.MqttError as error:
                if not failed:
                    print(f"mqtt: {self._settings.server}: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(self._pauses_s[min(failed, len(self._pauses_s) - 1)])
                failed += 1

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            *self._settings.address,
            username=self._settings.user or None,
            password=self._settings.password.reveal() or None,
            tls_context=ssl.create_default_context(cafile=self._settings.ca_file or None)
            if self._settings.tls
            else None,
            will=aiomqtt.Will(self._topic("availability"), "offline", 1, retain=True),
        )

    async def _serve(self, client: aiomqtt.Client) -> None:
        if self._settings.commands:
            await client.subscribe(self._topic("command"), 1)
        await self._tell_state(client)
        telling = asyncio.create_task(self._tell(client))
        hearing = asyncio.create_task(self._hear(client))
        try:
            done, _ = await asyncio.wait({telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            telling.cancel()
            hearing.cancel()

    async def _tell(self, client: aiomqtt.Client) -> None:
        while True:
            self._status, records = await self.queue.get()
            for record in records:
                if record["kind"] == "press-accepted":
                    pressed = {"event_type": "press", "button": record["fields"].get("button", "")}
                    await client.publish(self._topic("doorbell"), json.dumps(pressed), 1)
                await client.publish(self._topic("event"), json.dumps(record), 1)
            await self._tell_state(client)

    async def _tell_state(self, client: aiomqtt.Client) -> None:
        status = self._status
        await client.publish(self._topic("availability"), "online" if status else "offline", 1, retain=True)
        if status is None:
            return
        if self._settings.discovery and self._announced != status["name"]:
            self._announced = status["name"]
            topic, config = announcement(self._settings, status)
            await client.publish(topic, json.dumps(config), 1, retain=True)
        await client.publish(self._topic("state"), json.dumps(state(status)), 1, retain=True)

    async def _hear(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            if len(payload) > LONGEST:
                self._refused(f"a command of {len(payload)} bytes", f"the longest may have {LONGEST}")
                continue
            words = payload.decode("utf-8", "replace").split()
            # A retained command is an old one: nobody wants the door opened by a reconnection.
            if words and not message.retain:
                await self._obey(words[0].casefold(), words[1] if len(words) > 1 else "")

    async def _obey(self, command: str, what: str) -> None:
        requests: dict[str, Callable[[], dict[str, Any]]] = {
            "press": lambda: {"do": "press", "button": what},
            "release": lambda: {"do": "release", "door": what, "released": True, "hold": False},
            "hangup": lambda: {"do": "hangup"},
        }
        if command not in self._settings.commands:
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

    def _topic(self, name: str) -> str:
        return f"{self._settings.topic}/{name}"


def state(status: dict[str, Any]) -> dict[str, Any]:
    """Return what the topic `state` says."""
    return {
        "phase": status["phase"],
        "lamp": status["lamp"],
        "line": "ON" if any(line["state"] == "registered" for line in status["lines"]) else "OFF",
        "problem": "ON" if status["conditions"] else "OFF",
        "conditions": [f"{one['condition']}: {one['detail']}" for one in status["conditions"]],
        "doors": {door["door"]: "UNLOCKED" if door["released"] else "LOCKED" for door in status["doors"]},
        **status["machine"],
    }
