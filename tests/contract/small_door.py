# SPDX-License-Identifier: GPL-2.0-or-later
"""The real daemon and its real engine in a process of their own, on mock pins, with a SIP server that takes everything.

Without sound card, journald and registrar: for what becomes of pins, files and reloads.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sip_peers import Peer

from intercom.control.client import ask
from intercom.errors import ControlError
from lab.pins import Pins

BUTTON, STRIKE, LAMP, EXIT, CONTACT = 17, 27, 22, 24, 25
LIMIT_S = 30.0
MACHINE = {"clock", "disk", "temperature", "supply", "memory", "sound card"}
TEXT = """
[accounts.home]
server = "{server}"
user = "door"
password = "x"
callers = ["201"]
[buttons.front]
pin = 17
targets = ["201"]
[doors.front]
strike_pin = 27
pulse_s = 1.0
exit_pin = 24
[lamp]
pin = 22
[sound]
input = "none such"
output = "none such"
test_at = ""
test_at_start = false
[network]
bind = "127.0.0.1"
"""


class SmallDoor:
    """One process of a door."""

    def __init__(self, folder: Path, text: str = TEXT, *, state: Path | None = None, **more: str) -> None:
        self.folder = folder
        self.peer = Peer(REGISTER=200, INVITE=486, OPTIONS=200)
        self.config, self.socket = folder / "intercom.toml", folder / "control"
        self.write(text)
        self.pins = Pins(folder / "pins")
        self.told: list[str] = []
        self._state, self._more = state, more
        self.process = self.start()

    def write(self, text: str) -> None:
        self.config.write_text(text.format(server=self.peer.address))
        self.config.chmod(0o600)

    def start(self) -> subprocess.Popen[str]:
        state = {"STATE_DIRECTORY": str(self._state)} if self._state is not None else {}
        command = [sys.executable, "-m", "lab.mock_door", self.pins.path, "run"]
        self.process = subprocess.Popen(
            [*map(str, command), "--config", str(self.config), "--socket", str(self.socket)],
            env={**os.environ, **state, **self._more}, stderr=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip
        threading.Thread(target=self._listen, args=[self.process], daemon=True).start()
        return self.process

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr
        for line in process.stderr:
            self.told.append(line.rstrip("\n"))

    def status(self) -> dict[str, Any]:
        with contextlib.suppress(ControlError):
            return dict(ask(self.socket, {"do": "status"})["status"])
        return {}

    def conditions(self) -> dict[str, str]:
        """Return what is wrong, but for what is wrong with this machine; between two daemons await the next one."""
        status = self.until(self.status)
        found = {one["condition"]: one["detail"] for one in status.get("conditions", [])}
        return {name: detail for name, detail in found.items() if name not in MACHINE}

    def until(self, what: Callable[[], Any], seconds: float = LIMIT_S) -> Any:
        """Await something that is seen from outside only; return it."""
        until = time.monotonic() + seconds
        while not (found := what()):
            ended = self.process.poll()
            assert time.monotonic() < until, (ended, self.status(), self.told[-30:])
            time.sleep(0.01)
        return found

    def well(self) -> None:
        """Await that the line is up."""
        self.until(lambda: [line for line in self.status().get("lines", []) if line["state"] == "registered"])

    def press(self, pin: int = BUTTON, hold_s: float = 0.2) -> None:
        """Press and let go."""
        self.pins.set(pin, 0)
        time.sleep(hold_s)  # a finger's time
        self.pins.set(pin, 1)

    def rings(self) -> None:
        """Press, and await that the phone is called."""
        count = len(self.peer.got("INVITE"))
        self.press()
        self.until(lambda: len(self.peer.got("INVITE")) > count)
        self.until(lambda: self.status().get("phase") == "idle")

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def close(self) -> None:
        self.stop()
        self.pins.stop()
        self.peer.close()


@contextlib.contextmanager
def small_door(folder: Path, text: str = TEXT, **more: Any) -> Iterator[SmallDoor]:
    """A door, and none left of it."""
    door = SmallDoor(folder, text, **more)
    try:
        yield door
    finally:
        door.close()


def edited(text: str, changes: Mapping[str, str]) -> str:
    for before, after in changes.items():
        assert before in text, before
        text = text.replace(before, after)
    return text
