"""A whole Debian that boots with systemd as its first process, in a container at full speed: what becomes a door.

Its files are an overlay over a bare tree, so each machine begins empty and leaves nothing. While it boots it has the
network of the tests, nothing but the loopback with the SIP service and the phones; before that, for an installation,
it has the network that the tests themselves have left.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from lab import namespace
from lab.processes import LabError, Process, start, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
_POWER_OFF = signal.SIGRTMIN + 4
"""What systemd takes for `systemctl poweroff` (systemd(1), SIGNALS)."""


class Machine:
    """One machine, off at first."""

    def __init__(self, folder: Path, tree: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        self._shared: list[tuple[Path, str]] = []
        self._process: Process | None = None
        for name in ("upper", "work", "root"):
            (folder / name).mkdir(parents=True)
        options = f"lowerdir={tree},upperdir={folder / 'upper'},workdir={folder / 'work'}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], check=True)

    def share(self, source: Path, at: str) -> None:
        """Show it a folder of ours, read-only."""
        self._shared.append((source, at))

    def install(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it while it is off, with the network of the world outside."""
        argv = [
            "nsenter",
            f"--net={namespace.OUTSIDE}",
            *self._container("--pipe"),
            *_settings(environment),
            "sh",
            "-c",
            command,
        ]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def boot(self, *options: str) -> float:
        """Start it, with more of nspawn's options; return how many seconds its systemd took to start everything."""
        began = time.monotonic()
        network = "--network-namespace-path=/proc/self/ns/net"
        argv = [*self._container("--boot", "--console=read-only"), network, *options]
        self._process = start("machine", argv, self.folder)
        wait_until(self._leader, 10, "the machine begins", self._process)
        wait_until(self._started, 60, "the machine has booted", self._process)
        return time.monotonic() - began

    def entered(self, command: str) -> list[str]:
        """Return what runs a shell's command in it."""
        return ["nsenter", "-t", str(self._leader()), "-a", "sh", "-c", command]

    def __call__(self, command: str, *, check: bool = True) -> str:
        """Run a shell's command in it; return what it printed."""
        argv = self.entered(command)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise LabError(f"{command!r} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + ("" if check else done.stderr)

    def await_record(self, kind: str, seconds: float = 20, *, since: float = 0.0, **fields: str) -> dict[str, Any]:
        """Await a record of the door in the machine's own journal, already there or to come."""
        match = [f"INTERCOM_KIND={kind}", *(f"INTERCOM_{name.upper()}={value}" for name, value in fields.items())]
        follow = ["journalctl", "-f", "-q", "--no-tail", "-o", "json", f"--since=@{since:.6f}", *match]
        argv = ["nsenter", "-t", str(self._leader()), "-a", "timeout", f"{seconds:g}", *follow]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reader:
            assert reader.stdout is not None
            line = reader.stdout.readline()
            reader.terminate()
        if not line:
            told = self("journalctl -u intercom -n 40 --no-pager -o cat", check=False)
            raise LabError(f"no {kind} {fields or ''} within {seconds:g} s; the machine's journal ends:\n{told}")
        record: dict[str, Any] = json.loads(line)
        return record

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file into it."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def power_cut(self) -> None:
        """Take its power away: nothing in it gets to say anything."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._leader(), signal.SIGKILL)
        self._gone()

    def power_off(self) -> None:
        """Let it shut down by itself."""
        os.kill(self._leader(), _POWER_OFF)
        self._gone()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.running:
            self.power_cut()
        subprocess.run(["umount", self.root], check=True)

    def _gone(self) -> None:
        assert self._process is not None
        self._process.wait(30)
        self._process = None

    def _container(self, *options: str) -> list[str]:
        binds = [f"--bind-ro={source}:{at}" for source, at in self._shared]
        # Under no service manager of the host's: it may have none.
        return [
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--keep-unit",
            f"--directory={self.root}",
            *binds,
            *options,
        ]

    def _leader(self) -> int:
        """The machine's first process, as the host numbers it; 0 while there is none."""
        assert self._process is not None, "the machine is off"
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def _started(self) -> bool:
        return self("systemctl is-system-running", check=False).strip() in {"running", "degraded"}


def network_files() -> list[tuple[Path, str]]:
    """What this machine reaches its registries with, for an installation in a bare one: path here, path there."""
    pairs = [(Path(name), name) for name in ("/etc/pip.conf",) if Path(name).exists()]
    authorities = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if authorities and Path(authorities).exists():
        pairs.append((Path(authorities).resolve(), "/etc/ssl/certs/ca-certificates.crt"))
    return pairs


def network_settings() -> dict[str, str]:
    """The same, of the environment."""
    return {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}


def _settings(environment: dict[str, str]) -> list[str]:
    return [f"--setenv={name}={value}" for name, value in environment.items()]
