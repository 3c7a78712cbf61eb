"""Who is measured: the intercom, gpiozero with baresip, a pjsua2 loop. All on mock pins, one SIP service, one phone."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from bench.side import counters
from bench.side.figures import BARESIP, LOOP, OURS

from intercom.control.client import ask
from lab.baresip import MODULES
from lab.house import BUTTON, DOOR_IP, LAMP, REGISTRAR_IP, Door, House
from lab.pins import Pins
from lab.processes import LabError, Process, start, wait_until

DEBOUNCE_MS = {OURS: 20.0, BARESIP: 0.0, LOOP: 0.0}
"""What a press has to last by configuration, to be subtracted: the others take the first edge."""
USERS = {"door-baresip": "word", "door-loop": "word"}
NUMBER = "201"


class Contestant(Protocol):
    """A door, from `begin` to `stop`."""

    name: str
    ip: str

    def begin(self) -> None:
        """Start its processes, as a unit would; also after `kill`."""

    def press(self, place: int = 0) -> float:
        """Press the n-th button and let go; return when the edge was sent on its way (monotonic)."""

    def wires(self) -> Pins:
        """Return what its button hangs on."""

    def pids(self) -> list[int]:
        """Return all of its processes."""

    def await_idle(self) -> None:
        """Await that it takes the next press."""

    def kill(self) -> None:
        """End all of it by SIGKILL."""

    def stop(self) -> None:
        """End it in good order."""


class Intercom:
    """The product: the daemon and its voice engine, with the configuration of the visit tests, but without a lamp.

    The others have none; and a laboratory's clock is not set, so that it would blink for that all the time.
    """

    name, ip = OURS, DOOR_IP

    def __init__(self, house: House, folder: Path, **config: object) -> None:
        self._house, self._folder, self._config = house, folder, {"edit": dark, **config}
        self._door: Door | None = None
        self.buttons: Sequence[int] = (BUTTON,)

    def begin(self) -> None:
        if self._door is None:
            self._door = Door(self._house, self._folder, wait=False, **self._config)
        else:
            self._door.restart()

    def press(self, place: int = 0) -> float:
        return self.door.pins.press(self.buttons[place])

    def wires(self) -> Pins:
        return self.door.pins

    def pids(self) -> list[int]:
        return counters.family(self.door.process.pid)

    def await_idle(self) -> None:
        wait_until(self._idle, 10, "the intercom is idle", self.door.process)

    def _idle(self) -> bool:
        return bool(ask(self.door.socket, {"do": "status"})["status"]["phase"] == "idle")

    def kill(self) -> None:
        # The engine goes with its daemon.
        self.door.process.popen.kill()
        self.door.process.wait(5)
        # A door that lives is older than a minute; one that dies younger is made to wait.
        (self._folder / "starts").unlink(missing_ok=True)

    def stop(self) -> None:
        self.door.stop()
        self._door = None

    @property
    def door(self) -> Door:
        """The one that runs."""
        if self._door is None:
            raise LabError("the intercom was not started")
        return self._door


def dark(configuration: str) -> str:
    """Take the lamp out of a configuration."""
    return configuration.replace(f"[lamp]\npin = {LAMP}\n", "")


class _Peer:
    """A script on mock pins, perhaps with something beside it."""

    name: str
    ip: str

    def __init__(self, house: House, folder: Path, registrar: str = REGISTRAR_IP, prefix: Sequence[str] = ()) -> None:
        """`prefix` comes before every command line."""
        folder.mkdir(parents=True, exist_ok=True)
        self.house, self.folder = house, folder
        self.registrar, self.prefix = registrar, prefix
        self.pins = Pins(folder / "pins")
        self.processes: list[Process] = []

    def begin(self) -> None:
        raise NotImplementedError

    def script(self, module: str, *arguments: str) -> None:
        """Start a script of this folder."""
        script = ["-m", "bench.side.on_mock_pins", self.pins.path, f"bench.side.{module}"]
        command = [*self.prefix, sys.executable, *script, *arguments]
        self.processes.append(start(module, command, self.folder, {**os.environ, **self.house.jackd.env}))

    def press(self, place: int = 0) -> float:
        return self.pins.press(BUTTON)

    def wires(self) -> Pins:
        return self.pins

    def pids(self) -> list[int]:
        return [pid for process in self.processes for pid in counters.family(process.pid)]

    def await_idle(self) -> None:
        """Its call ended with the phone's answer."""

    def kill(self) -> None:
        for process in self.processes:
            process.popen.kill()
            process.wait(5)
        self.processes.clear()

    def stop(self) -> None:
        for process in self.processes:
            process.stop()
        self.processes.clear()


class GpioBaresip(_Peer):
    """Debian's baresip on its JACK module, with a script that sees the button."""

    name, ip = BARESIP, "127.0.0.33"  # one of the addresses that the network lists

    def begin(self) -> None:
        (self.folder / "accounts").write_text(
            f"<sip:door-baresip@{self.registrar}>;auth_pass=word;regint=600;audio_codecs=opus,G722,PCMA,PCMU\n"
        )
        (self.folder / "contacts").write_text("")
        modules = ("opus", "g722", "g711", "auconv", "auresamp", "jack", "plc")
        settings = [
            f"sip_listen {self.ip}:5060",
            f"net_interface {self.ip}",
            "audio_source jack",
            "audio_player jack",
            "audio_buffer 20-60",
            "ausrc_format float",
            "auplay_format float",
            "ausrc_srate 16000",
            "auplay_srate 16000",
            "ausrc_channels 1",
            "auplay_channels 1",
            "jack_connect_ports no",
            "rtp_ports 32000-32998",
            f"module_path {MODULES}",
            *(f"module {name}.so" for name in modules),
            "module_tmp uuid.so",
            "module_tmp account.so",
            "module_app menu.so",
            "module_app ctrl_tcp.so",
            f"ctrl_tcp_listen {self.ip}:4444",
        ]
        (self.folder / "config").write_text("\n".join(settings) + "\n")
        command = [*self.prefix, "baresip", "-f", self.folder]
        self.processes.append(start("door-baresip", command, self.folder, {**os.environ, **self.house.jackd.env}))
        self.script("peer_baresip", self.ip, str(BUTTON), f"sip:{NUMBER}@{self.registrar}")


class Loop(_Peer):
    """A loop around pjsua2, with our pjsua2."""

    name, ip = LOOP, "127.0.0.13"  # where no PBX of the laboratory is

    def begin(self) -> None:
        self.script("peer_loop", self.ip, "door-loop", "word", self.registrar, str(BUTTON), NUMBER)
