"""Peers as child processes: started with a known pid, stopped by that pid, never outliving the tests."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

TAIL_LINES = 25
_started: list[Process] = []


class LabError(Exception):
    """The laboratory itself failed: a peer did not start, answer or report in time."""


class Process:
    """A running peer. Its output goes to `log`, line by line, and can be awaited."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self.popen, self.log = name, popen, log
        self.pid = popen.pid
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, name=f"log of {name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with self.popen.stdout as output, self.log.open("ab", buffering=0) as log:
            for raw in output:
                log.write(raw)
                with self._news:
                    self._lines.append(raw.decode("utf-8", "replace").rstrip("\r\n"))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def running(self) -> bool:
        """Whether the process still lives."""
        return self.popen.poll() is None

    def mark(self) -> int:
        """The number of lines printed so far: give it to `await_line` to look only at later ones."""
        with self._news:
            return len(self._lines)

    def lines(self, after: int = 0) -> list[str]:
        """What it printed after a `mark()`."""
        with self._news:
            return self._lines[after:]

    def await_line(self, pattern: str, seconds: float = 20.0, after: int = 0) -> re.Match[str]:
        """The first printed line in which the regular expression is found."""
        wanted, seen, deadline = re.compile(pattern), after, time.monotonic() + seconds
        with self._news:
            while True:
                for line in self._lines[seen:]:
                    seen += 1
                    if match := wanted.search(line):
                        return match
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    why = "ended without printing" if self._ended else f"did not print within {seconds:g} s"
                    raise LabError(f"{self.name} {why} {pattern!r}; its log ends:\n{self.log_tail()}")
                self._news.wait(left)

    def log_tail(self, lines: int = TAIL_LINES) -> str:
        """The last lines of its log, for messages."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])
        return "(no log)"

    def signal(self, number: signal.Signals) -> None:
        """Signal the process and its children: it leads a group of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def tell(self, text: str) -> None:
        """Write to its standard input; it was started with `orders`."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(text.encode())
        self.popen.stdin.flush()

    def unread(self) -> int:
        """How many bytes of what it was told it has not read yet."""
        assert self.popen.stdin is not None
        return int.from_bytes(fcntl.ioctl(self.popen.stdin, termios.FIONREAD, bytes(4)), sys.byteorder)

    def wait(self, seconds: float) -> int:
        """Await the end; the exit code."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} still runs after {seconds:g} s; its log ends:\n{self.log_tail()}") from None

    def stop(self, seconds: float = 5.0) -> int:
        """Terminate, await, and kill when it must be; the exit code. Harmless when it has ended."""
        if self.running:
            self.signal(signal.SIGCONT)
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            # Only the leader is asked: a Kamailio whose children die first takes it for a crash.
            # And again: it keeps one signal at a time, and a SIGCHLD can overwrite a SIGTERM.
            self.popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(min(1.0, seconds))
        self.signal(signal.SIGKILL)  # what is left of its group, if anything
        code = self.popen.wait(seconds)
        self._reader.join(seconds)
        return code


def start(
    name: str,
    argv: Sequence[str | Path],
    log_dir: Path,
    env: Mapping[str, str] | None = None,
    *,
    nice: int = 0,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    death_signal: str = "KILL",
    orders: bool = False,
) -> Process:
    """Start a peer; `env` is added to ours, and with `orders` it can be told what to do (`Process.tell`).

    The kernel kills it when the *thread* that called this ends, so call it from the main thread. A peer
    with children of its own asks for `death_signal="TERM"` to end them, too.
    """
    log_dir.mkdir(parents=True, exist_ok=True)
    command = ["setpriv", "--pdeathsig", death_signal, "--", *map(str, argv)]
    if nice:
        command = ["nice", "-n", str(nice), *command]
    try:
        popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if orders else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    except OSError as error:
        raise LabError(f"{name} cannot be started: {error}") from error
    process = Process(name, popen, log_dir / f"{name}.log")
    _started.append(process)
    return process


def stop_all() -> list[str]:
    """Stop whatever still runs, youngest first; the names. For the end of a test that failed half-way."""
    left = [process for process in reversed(_started) if process.running]
    for process in left:
        process.stop()
    _started.clear()
    return [process.name for process in left]


def wait_until(predicate: Callable[[], object], seconds: float, what: str, peer: Process | None = None) -> None:
    """Await a state of the outside world that tells nobody when it comes."""
    deadline = time.monotonic() + seconds
    while not predicate():
        ended = peer is not None and not peer.running
        if ended or time.monotonic() > deadline:
            tail = f"; the log of {peer.name} ends:\n{peer.log_tail()}" if peer else ""
            raise LabError(f"{what}: {'the peer ended' if ended else f'not within {seconds:g} s'}{tail}")
        time.sleep(0.01)


def free_port(ip: str = "127.0.0.1", kind: Literal["udp", "tcp"] = "udp") -> int:
    """A port nobody listens on now."""
    kinds = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}
    with socket.socket(socket.AF_INET, kinds[kind]) as probe:
        probe.bind((ip, 0))
        port: int = probe.getsockname()[1]
        return port
