# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd.daemon: tells the service manager how we are. Without one (a developer's shell) nothing happens."""

import contextlib
import os

from systemd import daemon


class Notify:
    """The service manager that started us, if any: sd_notify(3)."""

    def __init__(self) -> None:
        """Ask the environment whether anybody wants to be told, and how often."""
        self.watchdog_s = _watchdog_s()
        """How often the watchdog must be fed, in seconds; None when nobody watches. python-systemd does not ask."""

    def ready(self) -> None:
        """The daemon serves from now on."""
        self._tell("READY=1")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        # Each line of a notification is an assignment of its own: what a server sent must not make one.
        self._tell("STATUS=" + " ".join(text.split()))

    def watchdog(self) -> None:
        """Everything made progress."""
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The daemon is on its way out."""
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        # A manager that cannot be reached is not the door's problem.
        with contextlib.suppress(OSError, ValueError):
            daemon.notify(text)


def _watchdog_s() -> float | None:
    """Return what sd_watchdog_enabled(3) would: the interval, if it is meant for this very process."""
    try:
        interval_s = int(os.environ["WATCHDOG_USEC"]) / 1e6
        meant = int(os.environ.get("WATCHDOG_PID") or os.getpid()) == os.getpid()
    except (KeyError, ValueError):
        return None
    return interval_s if meant and interval_s > 0 else None
