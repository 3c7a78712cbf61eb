# SPDX-License-Identifier: GPL-2.0-or-later
"""The bridge: asks the daemon what has happened, and hands it to those who are to be told.

The daemon knows nothing of brokers and web servers, so none of them can hold it up.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from intercom.cli.client import granted
from intercom.errors import IntercomError

WAIT_S, PAUSE_S, AGAIN_S = 30.0, 1.0, 15.0
KEPT = 500
"""What is kept for one who cannot be reached; then the oldest goes."""
News = tuple[dict[str, Any] | None, list[dict[str, Any]]]
"""The daemon's status, None when there is no daemon; and the records that are new."""


class Told(Protocol):
    """Somebody who is told."""

    queue: "Queue"

    async def run(self) -> None:
        """Tell, for ever."""


class Queue(asyncio.Queue[News]):
    """News for one of them, with an end to its patience."""

    def __init__(self) -> None:
        super().__init__(KEPT)

    def add(self, news: News) -> None:
        """Add, at the expense of the oldest when there is too much."""
        if self.full():
            self.get_nowait()
        self.put_nowait(news)


async def bridge(socket: Path, told: Sequence[Told]) -> None:
    """Tell all of them, for ever. One that fails begins again, and none of the others notices."""
    async with asyncio.TaskGroup() as group:
        for one in told:
            group.create_task(_again(one))
        group.create_task(_follow(socket, [one.queue for one in told]))


async def _again(one: Told) -> None:
    while True:
        try:
            await one.run()
        except Exception as error:  # noqa: BLE001  (whatever one receiver brings about is its own affair)
            print(f"{type(one).__name__.lower()}: {error!r}", file=sys.stderr, flush=True)
        await asyncio.sleep(AGAIN_S)


async def _follow(socket: Path, queues: Sequence[Queue]) -> None:
    since, gone, following = -1, False, False
    while True:
        request = {"do": "next", "since": since, "within_s": WAIT_S}
        try:
            answer = await asyncio.to_thread(granted, socket, request, WAIT_S + 10)
        except IntercomError:
            if following or not gone:
                _add(queues, (None, []))
                print("the intercom does not answer", flush=True)
            since, gone, following = -1, True, False
            await asyncio.sleep(PAUSE_S)
            continue
        # Of a daemon that was there before us, what it has already told is old news.
        records = answer["records"] if since >= 0 or gone else []
        if not following:
            print("the intercom is followed", flush=True)
        since, following = int(answer["told"]), True
        _add(queues, (answer["status"], records))


def _add(queues: Sequence[Queue], news: News) -> None:
    for queue in queues:
        queue.add(news)
