"""The wires to a door that runs under lab.mock_door: press its button, watch its relay and its lamp.

Pins are named by their Broadcom number. Levels are electrical: a button that pulls its pin to ground
is pressed with level 0. Times are time.monotonic() of the daemon's own change, not of our hearing it.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from pathlib import Path

from lab.processes import LabError

Change = tuple[float, float]  # monotonic time, level (0 to 1; between them is PWM)


class Pins:
    """Listens on `path`; a restarted daemon connects again and the history goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        self._news = threading.Condition()
        self._history: dict[int, list[Change]] = {}
        self._functions: dict[int, str] = {}
        self._daemon: socket.socket | None = None
        self._connections = 0
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        path.chmod(0o666)  # the daemon may run as another user
        self._server.listen()
        threading.Thread(target=self._serve, name="pins", daemon=True).start()

    def await_connected(self, seconds: float = 10.0, times: int = 1) -> None:
        """Await that a daemon is on the wires (for the n-th time)."""
        self._await(lambda: self._daemon is not None and self._connections >= times, seconds, "no daemon connected")

    def await_claimed(self, pin: int, function: str, seconds: float = 10.0) -> None:
        """Await that the daemon uses this pin as `"output"`, or has told of it as `"input"`."""
        self._await(lambda: self._functions.get(pin) == function, seconds, f"pin {pin} is no {function}")

    def set(self, pin: int, level: int) -> float:
        """Put a level on an input; the monotonic time of sending it."""
        return self._order(pin=pin, level=level)

    def _order(self, **order: object) -> float:
        with self._news:
            daemon = self._daemon
        if daemon is None:
            raise LabError("no daemon is connected to the pins")
        at = time.monotonic()
        daemon.sendall(json.dumps(order).encode() + b"\n")
        return at

    def key(self, row: int, column: int, hold_ms: float = 120) -> None:
        """Press a key of a matrix and let it go."""
        for down in (True, False):
            self._order(pin=column, row=row, down=down)
            time.sleep(hold_ms / 1000)  # a finger's time, here and before the next key

    def take(self, pin: int) -> None:
        """Have somebody else hold a pin from now on, so that the daemon cannot have it."""
        self._order(pin=pin, taken=True)

    def give(self, pin: int) -> None:
        """Have somebody else let go of a pin."""
        self._order(pin=pin, given=True)

    def pulses(self, data0: int, data1: int, bits: str) -> None:
        """Send bits as a Wiegand reader does, without a pause between them."""
        self._order(pin=data0, other=data1, bits=bits)

    def press(self, pin: int, hold_ms: float = 120, active: int = 0) -> float:
        """Press a button that pulls its pin to `active` and let it go; when it was pressed."""
        at = self.set(pin, active)
        time.sleep(hold_ms / 1000)  # a finger's time, not a wait for anything
        self.set(pin, 1 - active)
        return at

    def level(self, pin: int) -> float | None:
        """The level last told; None when the pin was never spoken of."""
        with self._news:
            changes = self._history.get(pin)
            return changes[-1][1] if changes else None

    def await_level(self, pin: int, level: float, seconds: float = 15.0, since: float | None = None) -> float:
        """Await a level; the monotonic time of the change to it.

        Without `since` the present level will do; with it, only a change at or after that time.
        """
        found: list[float] = []

        def there() -> bool:
            changes = self._history.get(pin, [])
            if since is None:
                changes = changes[-1:]
            found[:] = [at for at, value in changes if value == level and (since is None or at >= since)]
            return bool(found)

        self._await(there, seconds, f"pin {pin} did not go to {level:g}", pin)
        return found[0]

    def history(self, pin: int) -> list[Change]:
        """Every change of the pin, oldest first."""
        with self._news:
            return list(self._history.get(pin, []))

    def stop(self) -> None:
        """Cut the wires."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._hang_up()
        self.path.unlink(missing_ok=True)

    def _await(self, there: object, seconds: float, what: str, pin: int | None = None) -> None:
        assert callable(there)
        with self._news:
            if not self._news.wait_for(there, seconds):
                told = f"; it went {self._history.get(pin, [])}" if pin is not None else f"; told: {self._functions}"
                raise LabError(f"{what} within {seconds:g} s{told}")

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with self._news:
                    self._daemon = connection
                    self._connections += 1
                    self._news.notify_all()
                self._read(connection)
                with self._news:
                    self._daemon = None
                    self._news.notify_all()

    def _read(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            for line in lines:
                news = json.loads(line)
                pin = int(re.sub(r"\D", "", news["pin"]))
                with self._news:
                    self._functions[pin] = news["function"]
                    self._history.setdefault(pin, []).append((news["t"], news["level"]))
                    self._news.notify_all()

    def _hang_up(self) -> None:
        with self._news:
            if self._daemon is not None:
                with contextlib.suppress(OSError):
                    self._daemon.shutdown(socket.SHUT_RDWR)
