"""Asterisk: the house's PBX (127.0.0.10), and two providers of trunks (127.0.0.11 and 127.0.0.12).

It runs in a small Debian of its own (debian-tree.sh), with the files of asterisk/; what it writes is in a folder of
this run, mounted at /lab in there. Orders and news go through its manager interface.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import certificates
from lab.processes import LabError, Process, start, wait_until
from lab.tones import ToneReport, find_tone, read_wav, speech_tone, write_wav

CONFIGURATION = Path(__file__).with_name("asterisk")
PBX_IP, TRUNK_IP, SPARE_IP = "127.0.0.10", "127.0.0.11", "127.0.0.12"
MANAGER_PORT = 5038
MUSIC_HZ = 700
"""What is heard on hold."""
FOLDERS = ("etc", "var/music", "spool", "run", "log")
EXTENSION = """
[{name}](extension)
auth = {name}
aors = {name}
[{name}](secret)
username = {name}
password = {password}
[{name}](place)
"""


@dataclass(frozen=True)
class Event:
    """One event of the manager interface, such as `DialBegin`."""

    at: float
    type: str
    fields: dict[str, str]


class Asterisk:
    """A PBX that a door and phones register with; a `lab.baresip.Registrar` to them."""

    ip = PBX_IP

    def __init__(self, tree: Path, folder: Path, *, more: Mapping[str, str] | None = None) -> None:
        """Start it. `tree` is what debian-tree.sh made; needs `namespace.enter()`.

        `more` are further extensions, with their passwords.
        """
        self.folder, self._tree = folder, tree
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        # Under the name of the architecture, but for older releases.
        modules = next(place for under in ("*/", "") for place in tree.glob(f"usr/lib/{under}asterisk/modules"))
        for source in CONFIGURATION.glob("*.conf"):
            target = Path(shutil.copy(source, folder / "etc"))
            text = target.read_text().replace("@MODULES@", f"/{modules.relative_to(tree)}")
            target.write_text(text.replace(PBX_IP, self.ip))
        certificates.make(folder / "etc/tls", self.ip)
        self._configure(folder / "etc")
        with (folder / "etc/pjsip.conf").open("a") as extensions:
            extensions.writelines(EXTENSION.format(name=name, password=word) for name, word in (more or {}).items())
        write_wav(folder / "var/music/music.wav", speech_tone(MUSIC_HZ, 4, rate=8000), 8000)
        subprocess.run(["mount", "--bind", folder, tree / "lab"], check=True)
        self.version = f"Asterisk {self._version()}"
        self._news = threading.Condition()
        self._events: list[Event] = []
        self._answers: dict[str, dict[str, str]] = {}
        self._tickets = itertools.count(1)
        self.start()

    def _configure(self, etc: Path) -> None:
        """Change its files, for another kind of PBX."""

    def start(self) -> None:
        """Start (again), and await that it is up."""
        since = time.monotonic()
        self.process: Process = start("asterisk", self._command("-f"), self.folder)
        wait_until(self._connect, 20, "Asterisk takes orders", self.process)
        threading.Thread(target=self._read, name="asterisk", daemon=True).start()
        self.action("Login", Username="lab", Secret="lab")
        self.await_event("FullyBooted", 20, since)

    def kill(self) -> None:
        """End it by SIGKILL, as a crash does: it takes leave of nobody."""
        self.process.signal(signal.SIGKILL)
        self.process.stop()
        self._manager.close()

    def stop(self) -> None:
        """End it, and take its folder out of the tree."""
        self.process.stop()
        self._manager.close()
        subprocess.run(["umount", "--lazy", self._tree / "lab"], check=False)

    # Orders

    def action(self, name: str, **fields: str) -> dict[str, str]:
        """Give an order of the manager interface; its answer. Raises when it was refused."""
        ticket = str(next(self._tickets))
        lines = [f"Action: {name}", f"ActionID: {ticket}", *(f"{key}: {value}" for key, value in fields.items())]
        self._manager.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        with self._news:
            if not self._news.wait_for(lambda: ticket in self._answers, 10):
                raise LabError(f"Asterisk does not answer {name}\n{self.log_tail()}")
            answer = self._answers.pop(ticket)
        if answer.get("Response") == "Error":
            raise LabError(f"Asterisk refused {name}: {answer.get('Message')}\n{self.log_tail()}")
        return answer

    def command(self, line: str) -> str:
        """Give an order as on its console; what it printed."""
        return self.action("Command", Command=line).get("Output", "")

    def channels(self) -> int:
        """Return how many channels are up: none when all calls are over."""
        return int(re.search(r"(\d+) active channel", self.command("core show channels count"))[1])  # type: ignore[index]

    def messages(self, mailbox: str, hz: float = 1000.0) -> list[ToneReport]:
        """Return what lies in a voicemail box, as how well a pitch is heard in each message; the oldest first."""
        box = self.folder / "spool/voicemail/default" / mailbox / "INBOX"
        return [find_tone(*read_wav(path), hz) for path in sorted(box.glob("*.wav"))]

    # News

    def await_event(
        self,
        kind: str,
        seconds: float = 15.0,
        since: float = 0.0,
        where: Callable[[dict[str, str]], object] = lambda fields: True,
    ) -> Event:
        """The first event of this type since a monotonic time, be it past or still to come."""
        deadline, seen = time.monotonic() + seconds, 0
        with self._news:
            while True:
                for event in self._events[seen:]:
                    seen += 1
                    if event.type == kind and event.at >= since and where(event.fields):
                        return event
                left = deadline - time.monotonic()
                if left <= 0:
                    told = ", ".join(event.type for event in self._events if event.at >= since)
                    raise LabError(f"Asterisk: no {kind} within {seconds:g} s (it told: {told})\n{self.log_tail()}")
                self._news.wait(left)

    def log_tail(self, lines: int = 25) -> str:
        """The last lines of its log, for messages."""
        with contextlib.suppress(OSError):
            return "\n".join((self.folder / "log/full").read_text("utf-8", "replace").splitlines()[-lines:])
        return self.process.log_tail(lines)

    # Its own affairs

    def _command(self, *arguments: str) -> list[str | Path]:
        return ["chroot", self._tree, "asterisk", "-C", "/lab/etc/asterisk.conf", *arguments]

    def _version(self) -> str:
        told = subprocess.run(self._command("-V"), capture_output=True, text=True, check=True).stdout
        return re.split(r"[+~ ]", told.removeprefix("Asterisk ").strip())[0]

    def _connect(self) -> bool:
        with contextlib.suppress(OSError):
            self._manager = socket.create_connection((self.ip, MANAGER_PORT), 1)
            self._manager.settimeout(None)
            return True
        return False

    def _read(self) -> None:
        with contextlib.suppress(OSError), self._manager.makefile("r", encoding="utf-8", errors="replace") as lines:
            fields: dict[str, str] = {}
            for line in lines:
                name, colon, value = line.rstrip("\r\n").partition(": ")
                if colon:
                    fields[name] = f"{fields[name]}\n{value}" if name in fields else value
                elif fields and not name:
                    self._take(fields)
                    fields = {}

    def _take(self, fields: dict[str, str]) -> None:
        with self._news:
            if "Event" in fields:
                self._events.append(Event(time.monotonic(), fields["Event"], fields))
            elif "ActionID" in fields:
                self._answers[fields["ActionID"]] = fields
            self._news.notify_all()
