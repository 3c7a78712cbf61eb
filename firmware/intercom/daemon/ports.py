# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon needs of the world. Every method returns at once and reports later, by posting an event.

There is one real adapter behind each and one fake beside it (tests/fakes.py); both pass the same contract tests.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from intercom.core.commands import EngineCommand, Lamp, Report
from intercom.core.events import Event

Post = Callable[[Event], None]
"""Hands an event to the daemon, from any thread, dated to the moment of the call."""


class Voice(Protocol):
    """The voice engine: telephone and sound. Posts everything from `EngineStarted` to `TonePlayed`."""

    def send(self, command: EngineCommand) -> None:
        """Give an order. One given while no engine runs is dropped: `EngineLost` has told the core already."""

    async def run(self) -> None:
        """Keep an engine running, for ever; return only after `StopEngine` was obeyed."""


class Panel(Protocol):
    """The buttons. Posts `ButtonChanged` for every edge, undebounced."""

    def close(self) -> None:
        """Give the pins back."""


class Strike(Protocol):
    """One door's strike. Born locked, and locked again by `close`."""

    def release(self) -> None:
        """Let the door open."""

    def lock(self) -> None:
        """Keep it shut. Locking what is locked is no error."""

    def close(self) -> None:
        """Lock, and give the pin back."""


class Light(Protocol):
    """The lamp at the button."""

    def show(self, lamp: Lamp) -> None:
        """Show a pattern until told otherwise."""

    def close(self) -> None:
        """Dark, and the pin given back."""


class Storage(Protocol):
    """Where what outlives the daemon is written. What cannot be written is a condition, and tried again."""

    def replace(self, path: Path, content: bytes, *, lasting: bool = False) -> bool:
        """Put `content` in the place of a file; return whether that worked."""


class Journal(Protocol):
    """Where everything that matters is told."""

    def record(self, report: Report) -> None:
        """Write one record. Never raises: a door without a journal is still a door."""


class Supervisor(Protocol):
    """Whoever started the daemon and watches it: systemd, or nobody."""

    def ready(self) -> None:
        """The daemon serves from now on."""

    def status(self, text: str) -> None:
        """Show one line to whoever asks."""

    def watchdog(self) -> None:
        """Everything made progress."""

    def stopping(self) -> None:
        """The daemon is on its way out."""
