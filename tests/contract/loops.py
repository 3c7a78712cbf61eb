# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that are coroutines."""

import asyncio
import functools
from collections.abc import Callable, Coroutine

LIMIT_S = 30.0
"""Far more than any of them takes, on a machine that does much else."""


def on_a_loop(story: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """Run a test on an event loop of its own, not for ever."""

    @functools.wraps(story)
    def test() -> None:
        asyncio.run(asyncio.wait_for(story(), LIMIT_S))

    return test
