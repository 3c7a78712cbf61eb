# SPDX-License-Identifier: GPL-2.0-or-later
"""The buttons' wires, held from one daemon to the next: what happens in between is told to the next one."""

import contextlib
import time
from collections.abc import Callable, Mapping

from intercom.adapters.gpio import GpioPanel
from intercom.core.events import ButtonChanged, Event
from intercom.core.state import State

Post = Callable[[Event, float | None], None]
Buttons = Mapping[str, tuple[str, bool]]


class Wires:
    """A panel that outlives daemons."""

    def __init__(self) -> None:
        self._panel: GpioPanel | None = None
        self._buttons: Buttons = {}
        self._post: Post | None = None
        self._missed: list[tuple[Event, float]] = []

    def serve(self, buttons: Buttons, post: Post) -> None:
        """Tell this daemon of these buttons, and what happened while there was none. Raises HardwareError."""
        if self._panel is None or buttons != self._buttons:
            self.close()
            self._panel, self._buttons = GpioPanel(dict(buttons), self._happened), buttons
        self._post = post
        missed, self._missed = self._missed, []
        for event, at in missed:
            post(event, at)

    def leave(self, state: State) -> None:
        """Tell a daemon nothing more; an edge that it had not yet taken for a press is the next one's."""
        self._post = None
        for button in state.buttons:
            if button.settles_at is not None:
                self._missed.append((ButtonChanged(button.name, bool(button.level)), button.since))

    def close(self) -> None:
        """Give the pins back."""
        if self._panel is not None:
            with contextlib.suppress(Exception):  # the other devices must be closed, too
                self._panel.close()
        self._panel = None

    def _happened(self, event: Event, at: float | None = None) -> None:
        """Called on gpiozero's threads."""
        moment = time.monotonic() if at is None else at
        post = self._post
        if post is None:
            self._missed.append((event, moment))
        else:
            post(event, moment)
