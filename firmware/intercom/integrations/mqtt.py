# SPDX-License-Identifier: GPL-2.0-or-later
"""MQTT: what the door is (retained), what happens, and what may be asked of it.

Below the door's topic: `availability` ("online", "offline"), `state` (one JSON object), `doorbell/BUTTON` (a press),
`alarm`, `event` (every record), `command` (only what the settings allow), `owner` (which door has the topic).

Below `intercom/IDENTITY`, whatever the topic: `announced`, what was ever told to Home Assistant, and `fence`.
"""

import asyncio
import contextlib
import json
import secrets
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import aiomqtt

from intercom.errors import IntercomError
from intercom.integrations import messages
from intercom.integrations.announced import Announced, config_topic
from intercom.integrations.homeassistant import announcement, gone, revived
from intercom.integrations.orders import Orders
from intercom.integrations.outbox import Outbox
from intercom.integrations.owner import Claim
from intercom.integrations.settings import Mqtt

PAUSES_S = (1.0, 2.0, 5.0, 15.0)
TAKEN_S = 30.0
"""How often it is looked whether another door has left the topic, in seconds."""
PATIENCE_S = 10.0
"""How long the broker may take to give back what was just written."""
FAREWELL_S = 2.0


class TakenError(IntercomError):
    """Another door has this one's topic, or its identity."""


class MqttPublisher:
    """Tells one broker, and hears what it asks."""

    def __init__(self, settings: Mqtt, socket: Path, *, pauses_s: tuple[float, ...] = PAUSES_S) -> None:
        self._settings, self._pauses_s = settings, pauses_s
        self._orders = Orders(settings, socket)
        self._run = secrets.token_hex(8)
        self._troubled = ""
        self._failed = 0
        self.outbox = Outbox()

    async def run(self) -> None:
        """Be connected, again and again."""
        while True:
            pause_s = TAKEN_S
            try:
                async with client(self._settings, will=True) as connected:
                    await self._serve(connected)
            except TakenError as error:
                self._trouble(str(error))
            except aiomqtt.MqttError as error:
                self._trouble(str(error) or repr(error))
                pause_s = self._pauses_s[min(self._failed, len(self._pauses_s) - 1)]
                self._failed += 1
            await self.outbox.pause(pause_s)

    def _trouble(self, why: str) -> None:
        """Tell the first failure of a row, and each that is another than the one before."""
        if why != self._troubled:
            print(f"mqtt: {self._settings.server}: {why}", file=sys.stderr, flush=True)
        self._troubled = why

    async def _serve(self, connected: aiomqtt.Client) -> None:
        known = await retained(connected, self._settings, Claim.topics(self._settings))
        claim = Claim(self._settings, self._run, known)
        if claim.refused:
            raise TakenError(claim.refused)
        await connected.publish(claim.topic, claim.text, 1, retain=True)
        await _await_message(connected, claim.topic, claim.text)
        session = _Session(self._settings, connected, self.outbox, known)
        await session.take_back()
        if self._settings.commands:
            await connected.subscribe(self._topic("command"), 1)
        if self._settings.discovery:
            await connected.subscribe(f"{self._settings.discovery}/status", 1)
        if self._troubled:
            print(f"mqtt: {self._settings.server}: connected again", file=sys.stderr, flush=True)
        self._troubled, self._failed = "", 0
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(session.tell())
                group.create_task(self._hear(connected, session, claim))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        except asyncio.CancelledError:
            await session.leave()
            raise

    async def _hear(self, connected: aiomqtt.Client, session: "_Session", claim: Claim) -> None:
        async for message in connected.messages:
            topic, payload = str(message.topic), _payload(message)
            if topic == claim.topic:
                if why := claim.contested(payload.decode("utf-8", "replace")):
                    raise TakenError(why)
            elif topic == self._topic("availability"):
                await session.correct(payload.decode("utf-8", "replace"))
            elif topic == f"{self._settings.discovery}/status":
                if payload == b"online":
                    session.announce_again()
            elif topic == self._topic("command") and not message.retain:
                # A retained command is an old one: a reconnection must not open the door.
                await self._orders.take(payload)

    def _topic(self, name: str) -> str:
        return f"{self._settings.base}/{name}"


class _Session:
    """What was told through one connection."""

    def __init__(self, settings: Mqtt, connected: aiomqtt.Client, outbox: Outbox, known: dict[str, str]) -> None:
        self._settings, self._client, self._outbox = settings, connected, outbox
        self._announced = Announced.parse(known.get(Announced.topic(settings), ""))
        self._born = False
        """Whether Home Assistant has just begun."""
        self._told: dict[str, str] = {}
        """Retained topic -> what it says."""

    async def take_back(self) -> None:
        """Take back what was told at other topics, by settings that were others."""
        before, now = self._announced, Announced.of(self._settings, {})
        if before.config and before.config != now.config:
            await self._client.publish(before.config, "", 1, retain=True)
        if before.base and before.base != now.base:
            await forget_topics(self._client, self._settings, before.base)

    async def tell(self) -> None:
        """Tell records and status as they come, for ever."""
        self._outbox.look_again()
        while True:
            await self._outbox.changed()
            while (record := self._outbox.head) is not None:
                for topic, content in messages.of_record(record, time.monotonic() - record["monotonic"]):
                    await self._client.publish(f"{self._settings.base}/{topic}", json.dumps(content), 1)
                self._outbox.done(record)
            if self._outbox.lost:
                print(f"mqtt: {self._outbox.lost} records were too many, and are lost", file=sys.stderr, flush=True)
                self._outbox.lost = 0
            if self._outbox.followed:
                await self._tell_status(self._outbox.status)

    async def _tell_status(self, status: dict[str, Any] | None) -> None:
        base = self._settings.base
        if status is None:
            await self._retain(f"{base}/availability", "offline")
            return
        await self._announce(status)
        await self._retain(f"{base}/state", json.dumps(messages.state(status)))
        await self._retain(f"{base}/availability", "online")

    async def _announce(self, status: dict[str, Any]) -> None:
        topic, config = announcement(self._settings, status, self._announced.components)
        components = {key: one["p"] for key, one in config["cmps"].items()}
        # First what there is to be taken back one day, then the thing itself: either may be the last that is sent.
        await self._note(components)
        if topic and self._born and gone(config):
            await self._retain(topic, json.dumps(revived(self._settings, config)))
        if topic:
            await self._retain(topic, json.dumps(config))
        if self._born:
            await self._note({key: platform for key, platform in components.items() if key not in gone(config)})
            self._born = False

    async def _note(self, components: dict[str, str]) -> None:
        self._announced = Announced.of(self._settings, components)
        await self._retain(Announced.topic(self._settings), self._announced.text)

    async def _retain(self, topic: str, text: str) -> None:
        if self._told.get(topic) != text:
            await self._client.publish(topic, text, 1, retain=True)
            self._told[topic] = text

    async def correct(self, heard: str) -> None:
        """Contradict the last will of a connection of ours that the broker had not yet missed."""
        topic = f"{self._settings.base}/availability"
        if heard != (told := self._told.get(topic, heard)):
            await self._client.publish(topic, told, 1, retain=True)

    def announce_again(self) -> None:
        """Home Assistant is there again: tell everything anew, and have it remove what went while it was not there."""
        self._told, self._born = {}, True
        self._outbox.look_again()

    async def leave(self) -> None:
        """Say goodbye: a clean end has no last will."""
        with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._client.publish(f"{self._settings.base}/availability", "offline", 1, retain=True)


def client(settings: Mqtt, *, will: bool) -> aiomqtt.Client:
    """Return a connection to be made."""
    last = aiomqtt.Will(f"{settings.base}/availability", "offline", 1, retain=True)
    return aiomqtt.Client(
        *settings.address,
        username=settings.user or None,
        password=settings.password.reveal() or None,
        tls_context=ssl.create_default_context(cafile=settings.ca_file or None) if settings.tls else None,
        will=last if will else None,
    )


async def retained(connected: aiomqtt.Client, settings: Mqtt, topics: tuple[str, ...]) -> dict[str, str]:
    """Return what these topics say, as far as they say anything. They stay subscribed.

    A broker sends what it has retained before anything that is published afterwards: so the answer is whole when our
    own mark comes back. Raises MqttError when it does not.
    """
    fence, mark = f"intercom/{settings.identity}/fence", secrets.token_hex(8)
    for topic in (*topics, fence):
        await connected.subscribe(topic, 1)
    await connected.publish(fence, mark, 1)
    return await _await_message(connected, fence, mark)


async def _await_message(connected: aiomqtt.Client, topic: str, text: str) -> dict[str, str]:
    """Return all that came before this very message."""
    found: dict[str, str] = {}
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for message in connected.messages:
                payload = _payload(message).decode("utf-8", "replace")
                if (str(message.topic), payload) == (topic, text):
                    return found
                found[str(message.topic)] = payload
    except TimeoutError:
        pass
    raise aiomqtt.MqttError(f"{topic} does not come back: the broker has to let this user read and write there")


async def forget_topics(connected: aiomqtt.Client, settings: Mqtt, base: str) -> None:
    """Take back what was retained below a topic of ours; another door's is left alone."""
    owner = f"{base}/owner"
    known = await retained(connected, settings, (owner,))
    await connected.unsubscribe(owner)
    if Claim.owner(known.get(owner, "")) in ("", settings.identity):
        for name in ("availability", "state", "owner"):
            await connected.publish(f"{base}/{name}", "", 1, retain=True)


async def forget(settings: Mqtt) -> None:
    """Take back everything that this door has had retained at the broker. Raises IntercomError."""
    try:
        await _forget(settings)
    except aiomqtt.MqttError as error:
        raise IntercomError(f"{settings.server}: {error}") from error


async def _forget(settings: Mqtt) -> None:
    async with client(settings, will=False) as connected:
        known = await retained(connected, settings, Claim.topics(settings))
        if known.get(f"{settings.base}/availability") == "online":
            raise TakenError(f"{settings.base} is in use: first sudo systemctl stop intercom-house")
        before = Announced.parse(known.get(Announced.topic(settings), ""))
        for topic in sorted({before.config, config_topic(settings)} - {""}):
            await connected.publish(topic, "", 1, retain=True)
        for base in sorted({before.base, settings.base} - {""}):
            await forget_topics(connected, settings, base)
        await connected.publish(Announced.topic(settings), "", 1, retain=True)


def _payload(message: aiomqtt.Message) -> bytes:
    return message.payload if isinstance(message.payload, bytes) else b""
