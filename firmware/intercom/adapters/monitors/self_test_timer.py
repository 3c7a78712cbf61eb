# SPDX-License-Identifier: GPL-2.0-or-later
"""When the sound is tested by itself: soon after the start, and once a day. The core finds the quiet moment.

At night nothing is played at the start: a power cut at three is no reason to wake a house. Nor after a crash: who is
restarted over and over would chirp over and over. While nobody knows the hour it may be night.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from intercom.adapters.monitors.schedules import MINUTE_S
from intercom.core.events import SoundCheckKind, SoundCheckRequested
from intercom.daemon.ports import Post
from intercom.local_time import shown

AFTER_START_S = 15.0
"""So that whoever restarts the door and presses at once is not in its way."""
DAY_HOURS = range(8, 21)
"""Hours in which a self test at the start disturbs nobody, in local time."""
UNSET_S = 30.0
"""How often to look whether an unset clock has been set, in seconds."""


class SelfTestTimer:
    """Asks for the self tests."""

    def __init__(
        self,
        post: Post,
        stamp: Path,
        *,
        at_start: bool,
        daily_minute: int | None,
        clock_known: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], Awaitable[object]] = asyncio.sleep,
        local: Callable[[float], datetime] = shown,
    ) -> None:
        """Ask by `post`. `daily_minute` counts from midnight, None is never.

        `stamp` is a file that a restart after a crash finds again, and no other start. While `clock_known` denies it,
        nothing is asked for.
        """
        self._clock_known = clock_known
        self._post, self._stamp, self._at_start, self._daily_minute = post, stamp, at_start, daily_minute
        self._clock, self._wait, self._local = clock, wait, local

    async def run(self) -> None:
        """Ask when it is time, for ever."""
        crashed = False
        with contextlib.suppress(OSError):
            crashed = self._stamp.exists()
            self._stamp.touch()
        await self._wait(AFTER_START_S)
        while not self._clock_known():
            await self._wait(UNSET_S)
        if self._at_start and not crashed and self._local(self._clock()).hour in DAY_HOURS:
            self._post(SoundCheckRequested(SoundCheckKind.TEST, "start"))
        asked = None
        while True:
            now = self._clock()
            local = self._local(now)
            is_time = local.hour * 60 + local.minute == self._daily_minute and local.date() != asked
            if is_time and self._clock_known():
                asked = local.date()
                self._post(SoundCheckRequested(SoundCheckKind.TEST, "daily"))
            await self._wait(MINUTE_S - now % MINUTE_S)
