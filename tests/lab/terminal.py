"""A real terminal (a pty) with somebody before it: what a command shows there, and what it makes of keys."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import pyte

from lab.processes import LabError

FIRMWARE = Path(__file__).parents[2] / "firmware"


class Terminal:
    """A command in a terminal of its own. `raw` is every byte it wrote, `screen()` what a person sees of it now."""

    def __init__(
        self, argv: Sequence[str | Path], *, columns: int = 100, rows: int = 40, env: Mapping[str, str] | None = None
    ) -> None:
        self.raw = b""
        self._screen = pyte.HistoryScreen(columns, rows, history=1000)
        self._stream = pyte.ByteStream(self._screen)
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        surroundings = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "", "LINES": "", **(env or {})}
        surroundings.pop("NO_COLOR", None)
        self._process = subprocess.Popen(
            # Whoever runs the suite in the background of a shell has SIGINT ignored, and all that he starts has.
            ["env", "--default-signal=INT", "setsid", "--ctty", *map(str, argv)],
            stdin=slave, stdout=slave, stderr=slave,
            env={name: value for name, value in surroundings.items() if value},
        )  # fmt: skip
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._master)

    @property
    def pid(self) -> int:
        """The command's process."""
        return self._process.pid

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def await_text(self, pattern: str, seconds: float = 10) -> re.Match[str]:
        """Await a text on the screen."""
        deadline = time.monotonic() + seconds
        while not (match := re.search(pattern, self.text(), re.MULTILINE)):
            if not self._read(deadline):
                raise LabError(f"the terminal does not show {pattern!r} but:\n{self.text()}")
        return match

    def await_end(self, seconds: float = 15) -> int:
        """Await the end of the command; return its exit status."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        try:
            return self._process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise LabError(f"the command still runs; the terminal shows:\n{self.text()}") from None

    def text(self) -> str:
        """Return what is on the screen and above it, without the blanks at the ends of lines."""
        above = [
            "".join(line[column].data for column in range(self._screen.columns)) for line in self._screen.history.top
        ]
        return "\n".join(line.rstrip() for line in [*above, *self._screen.display]).rstrip()

    def screen(self) -> list[str]:
        """Return the lines of the screen as they are now."""
        return [line.rstrip() for line in self._screen.display]

    def colours(self) -> set[str]:
        """Return the colours of the characters on the screen."""
        return {cell.fg for line in self._screen.buffer.values() for cell in line.values() if cell.data.strip()}

    def _read(self, deadline: float) -> bool:
        """Take what the command writes next; return False when there is no more, or not in time."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # the other side is closed (EIO)
            return False
        self.raw += piece
        self._stream.feed(piece)
        return bool(piece)


def intercom(*arguments: str | Path, env: Mapping[str, str] | None = None, **options: int) -> Terminal:
    """Return a terminal in which `intercom` was called with these arguments."""
    path = os.pathsep.join([str(FIRMWARE), os.environ.get("PYTHONPATH", "")])
    return Terminal([sys.executable, "-m", "intercom", *arguments], env={"PYTHONPATH": path, **(env or {})}, **options)
