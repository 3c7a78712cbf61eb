"""An emulated arm64 computer with a Raspberry Pi's pins, ALSA and a network cable: what becomes a door, or is one.

Its pins are a simulated chip of the kernel's (gpio-sim), driven and read in sysfs; it is spoken to by ssh. All of it is
ten to fifteen times as slow as this machine, so nothing here says anything about speed.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from lab.emulator import ADDRESS, Emulator
from lab.processes import LabError, Process, start, wait_until

BOOT_S = 300
"""A boot takes 15 to 60 s, by how much else is going on."""
_SSH = (
    "ssh",
    "-F",
    "none",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "LogLevel=ERROR",
)


class Device:
    """The computer, off at first. Use it in a `with`: its power is cut at the end."""

    def __init__(self, folder: Path, image: Path, disk: Path) -> None:
        """`image` is what lab/device-image.sh made; `disk` is copied, so that whatever is written stays here."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.image, self.disk = folder, image, folder / "disk"
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", disk, self.disk], check=True)
        self._emulator: Emulator | None = None
        self._way: Process | None = None
        # A socket's path is short, and /run is private here.
        self._socket = f"/run/device-{os.getpid()}"

    @property
    def emulator(self) -> Emulator:
        """The board, under power."""
        assert self._emulator is not None, "the device is off"
        return self._emulator

    def boot(self, words: str = "") -> float:
        """Switch it on; return how many seconds it took until everything was started."""
        began = time.monotonic()
        self._emulator = Emulator(self.image, self.folder, self.disk, words=words)
        self._emulator.process.await_line("DEVICE-READY", BOOT_S)
        self._log_in()
        return time.monotonic() - began

    def resume(self, state: Path) -> float:
        """Go on where another one was saved; its disk must be that one's. Return how many seconds it took."""
        began = time.monotonic()
        self._emulator = Emulator(self.image, self.folder, self.disk, state=state)
        self._log_in()
        # Its clock stood still; the one that deadlines go by did, too, and stays as it is.
        self(f"date -s @{time.time():.3f}")
        return time.monotonic() - began

    def save(self, state: Path) -> None:
        """Freeze it into a file, to be resumed with a copy of its disk; and switch it off."""
        self("sync")
        self._log_out()
        self.emulator.save(state)
        self.cut_power()

    def __call__(self, command: str, *, check: bool = True, stdin: bytes | None = None, seconds: float = 300) -> str:
        """Run a shell's command in it; return what it printed."""
        argv = [*_SSH, "-S", self._socket, f"root@{ADDRESS}", command]
        feed: dict[str, Any] = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run(argv, capture_output=True, check=False, timeout=seconds, **feed)
        told, complained = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if check and done.returncode:
            raise LabError(f"{command!r} ended with {done.returncode}:\n{told}{complained}")
        return told if check else told + complained

    def put(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file into it."""
        content = content.encode() if isinstance(content, str) else content
        self(f"install -D -m {mode:o} /dev/stdin {path}", stdin=content)

    def send(self, folder: Path, names: list[str], to: str) -> None:
        """Copy files and folders of a folder of ours into one of its own."""
        pack = ["tar", "-c", "-C", str(folder), "--exclude=__pycache__", *names]
        packed = subprocess.run(pack, capture_output=True, check=True).stdout
        self(f"mkdir -p {to} && tar -x -C {to}", stdin=packed)

    def fetch(self, path: str) -> bytes:
        """Return a file of its own."""
        argv = [*_SSH, "-S", self._socket, f"root@{ADDRESS}", f"cat {path}"]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout

    def await_command(self, command: str, seconds: float = 60) -> None:
        """Await that a command is true in it."""
        self(f"timeout {seconds:g} sh -c 'until {command}; do sleep 0.5; done'")

    def mark(self) -> str:
        """What its clock says, for `await_record`."""
        return self("date +%s.%6N").strip()

    def await_record(self, kind: str, seconds: float = 60, *, after: str = "", **fields: str) -> dict[str, Any]:
        """Await a record of the door in its journal, there since the mark or to come."""
        match = [f"INTERCOM_KIND={kind}", *(f"INTERCOM_{name.upper()}='{value}'" for name, value in fields.items())]
        # Not by a cursor: systemd 252 then passes the first record over that matches.
        since = f"--since=@{after}" if after else "--boot"
        follow = f"timeout {seconds:g} journalctl -f -q --no-tail -o json {since} {' '.join(match)}"
        with subprocess.Popen(
            [*_SSH, "-S", self._socket, f"root@{ADDRESS}", follow], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as reader:
            assert reader.stdout is not None
            line = reader.stdout.readline()
            reader.terminate()
        if not line:
            told = self("journalctl -u intercom -n 40 --no-pager -o short-precise", check=False)
            raise LabError(f"no {kind} {fields or ''} within {seconds:g} s; the device's journal ends:\n{told}")
        record: dict[str, Any] = json.loads(line)
        return record

    def press(self, pin: int) -> None:
        """Press a button between a pin and ground, and let go."""
        self(f"cd /run/pins/sim_gpio{pin} && echo pull-down >pull && sleep 0.2 && echo pull-up >pull")

    def level(self, pin: int) -> int:
        """What the chip's line is at."""
        return int(self(f"cat /run/pins/sim_gpio{pin}/value"))

    def await_level(self, pin: int, level: int, seconds: float = 60) -> None:
        """Await that a line of the chip is at a level."""
        wait_until(lambda: self.level(pin) == level, seconds, f"pin {pin} is at {level}")

    def power_off(self) -> None:
        """Let it shut down by itself."""
        self("systemctl poweroff", check=False)
        self._log_out()
        self.emulator.process.wait(BOOT_S)
        self._emulator = None

    def cut_power(self) -> None:
        """Take its power away."""
        self._log_out()
        self.emulator.cut_power()
        self._emulator = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._emulator is not None:
            self.cut_power()
        self.disk.unlink(missing_ok=True)

    def _log_in(self) -> None:
        """One connection that all commands go through: making one takes seconds there."""
        deadline = time.monotonic() + 120
        while True:
            argv = [*_SSH, "-i", self.image / "key", "-M", "-S", self._socket, "-N", f"root@{ADDRESS}"]
            self._way = start("ssh", argv, self.folder)
            with contextlib.suppress(LabError):
                wait_until(lambda: Path(self._socket).exists(), 60, "a way in", self._way)
                return
            if time.monotonic() > deadline:
                raise LabError(f"no way into the device; its console ends:\n{self.emulator.process.log_tail()}")
            time.sleep(0.5)

    def _log_out(self) -> None:
        if self._way is not None:
            self._way.stop()
        self._way = None
