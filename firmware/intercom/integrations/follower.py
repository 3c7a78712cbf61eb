# SPDX-License-Identifier: GPL-2.0-or-later
"""The bridge: asks the daemon what has happened, and hands it to the receivers.

The daemon knows nothing of brokers and web servers, so none of them can hold it up.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from intercom.errors import ControlError
from intercom.integrations.outbox import Outbox

WAIT_S, PAUSE_S, AGAIN_S = 30.0, 1.0, 15.0
LONGEST_ANSWER = 1 << 24
"""Bytes."""


class Told(Protocol):
    """A receiver."""

    outbox: Outbox

    async def run(self) -> None:
        """Tell, for ever."""


async def bridge(socket: Path, told: Sequence[Told]) -> None:
    """Tell all of them, for ever. One that fails begins again, and none of the others notices."""
    async with asyncio.TaskGroup() as group:
        for one in told:
            group.create_task(_again(one))
        group.create_task(_follow(socket, [one.outbox for one in told]))


async def _again(one: Told) -> None:
    while True:
        try:
            await one.run()
        except Exception as error:  # noqa: BLE001  (whatever one receiver brings about is its own affair)
            print(f"{type(one).__name__.lower()}: {error!r}", file=sys.stderr, flush=True)
        await asyncio.sleep(AGAIN_S)


async def _follow(socket: Path, outboxes: Sequence[Outbox]) -> None:
    since, gone, following = -1, False, False
    while True:
        request = {"do": "next", "since": since, "within_s": WAIT_S}
        try:
            answer = await _ask(socket, request, WAIT_S + 10)
        except ControlError:
            if following or not gone:
                _add(outboxes, None, [])
                print("the intercom does not answer", flush=True)
            since, gone, following = -1, True, False
            await asyncio.sleep(PAUSE_S)
            continue
        # Of a daemon that was there before us, what it has already told is old news.
        records = answer["records"] if since >= 0 or gone else []
        if not following:
            print("the intercom is followed", flush=True)
        since, following = int(answer["told"]), True
        _add(outboxes, answer["status"], records)


def _add(outboxes: Sequence[Outbox], status: dict[str, Any] | None, records: list[dict[str, Any]]) -> None:
    for record in records:
        record.setdefault("monotonic", time.monotonic())
    for outbox in outboxes:
        outbox.add(status, records)


async def _ask(path: Path, request: dict[str, Any], within_s: float) -> dict[str, Any]:
    """Return the daemon's answer. Unlike `cli.client.ask` it can be given up at once, when this process has to end.

    Raises ControlError when there is none.
    """
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_ANSWER)
            try:
                writer.write(json.dumps(request).encode() + b"\n")
                answer = json.loads(await reader.readline())
            finally:
                writer.close()
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise ControlError(f"no answer at {path}: {error}") from error
    if not isinstance(answer, dict) or answer.get("ok") is not True:
        raise ControlError(f"no intercom answers at {path}")
    return answer
