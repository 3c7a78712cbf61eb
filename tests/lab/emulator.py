"""QEMU: one run of an emulated arm64 board, from power on or from a saved state, until its power is cut.

It has a disk (a file of its own, raw, so that a power cut leaves what a real one would), a network cable to here, a USB
port for a sound card, and a serial console that lab.processes keeps the lines of.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from lab.processes import LabError, Process, start, wait_until

CABLE, ADDRESS, HERE = "door0", "10.77.0.2", "10.77.0.1"
BOARD = ("-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", "1", "-m", "512")
"""As in lab/device-image.sh: the device tree is of this board."""
WORDS = (
    f"console=ttyAMA0 root=/dev/vda rw net.ifnames=0 device.ip={ADDRESS}/16 device.gateway={HERE} panic=-1 "
    "mitigations=off nokaslr audit=0 lsm=capability quiet systemd.show_status=false rd.udev.log_level=3"
)
PACE = "shift=0"
"""Each instruction takes 1 ns of the board's own time, however long it takes here: a busy board's clock goes slower
than ours, never faster. So nothing in it times out because this machine is slow or has other work."""


class Emulator:
    """A board under power."""

    def __init__(self, image: Path, folder: Path, disk: Path, *, words: str = "", state: Path | None = None) -> None:
        """Switch it on, or resume what `save` has left. `words` are added to the kernel's command line."""
        self._orders = folder / "qmp"
        argv: list[str | Path] = [
            *("qemu-system-aarch64", *BOARD, "-accel", "tcg,tb-size=512", "-icount", PACE),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"),
            *("-kernel", image / "vmlinuz", "-initrd", image / "initrd", "-dtb", image / "device.dtb"),
            *("-append", f"{WORDS} {words}".strip()),
            *("-drive", f"file={disk},format=raw,if=none,id=disk,cache=unsafe", "-device", "virtio-blk-pci,drive=disk"),
            *("-netdev", f"tap,id=cable,ifname={CABLE},script=no,downscript=no"),
            *("-device", "virtio-net-pci,netdev=cable,romfile=,id=eth0"),
            *("-device", "virtio-rng-pci", "-device", "qemu-xhci,id=usb", "-audiodev", "none,id=silence"),
            *("-qmp", f"unix:{self._orders},server=on,wait=off"),
        ]
        if state:
            argv += ["-incoming", f"exec:cat {state}"]
        self._orders.unlink(missing_ok=True)
        self.process: Process = start("device", argv, folder)
        wait_until(self._orders.exists, 30, "QEMU takes orders", self.process)
        self._link = socket.socket(socket.AF_UNIX)
        self._link.settimeout(60)
        self._link.connect(str(self._orders))
        self._answers = self._link.makefile("rb")
        self._answers.readline()  # its greeting
        self.order("qmp_capabilities")
        if state:
            wait_until(lambda: self.order("query-status")["status"] == "paused", 60, "resumed", self.process)
            self.order("cont")

    def order(self, command: str, **arguments: Any) -> Any:
        """Give QEMU an order of its machine protocol; return what it answers."""
        self._link.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while line := self._answers.readline():
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise LabError(f"QEMU: {command}: {answer['error']['desc']}")
        raise LabError(f"QEMU has ended; its log ends:\n{self.process.log_tail()}")

    def save(self, state: Path) -> None:
        """Freeze it into a file; its disk, as it is then, belongs to that. It stands still afterwards."""
        self.order("stop")
        self.order("migrate-set-parameters", **{"max-bandwidth": 1 << 32})
        self.order("migrate", uri=f"exec:cat >{state}")
        deadline = time.monotonic() + 120
        while (told := self.order("query-migrate"))["status"] != "completed":
            if told["status"] == "failed" or time.monotonic() > deadline:
                raise LabError(f"the state was not saved: {told}")
            time.sleep(0.1)

    def cable(self, *, plugged: bool) -> None:
        """Pull the network cable, or put it back."""
        self.order("set_link", name="eth0", up=plugged)

    def plug_card(self) -> None:
        """Plug a USB sound card in. As QEMU has it, it has a loudspeaker and no microphone."""
        self.order("device_add", driver="usb-audio", id="card", audiodev="silence", bus="usb.0")

    def pull_card(self) -> None:
        """And pull it out."""
        self.order("device_del", id="card")

    def cut_power(self) -> None:
        """Nothing in it gets to say anything: what it has not written is lost."""
        self.process.signal(signal.SIGKILL)
        self.process.wait(30)
        with contextlib.suppress(OSError):
            self._link.close()


def lay_cable(*addresses: str) -> None:
    """Make our end of the network cable, with these addresses besides HERE."""
    _ip("tuntap", "add", "dev", CABLE, "mode", "tap")
    for address in (HERE, *addresses):
        _ip("address", "add", f"{address}/16", "dev", CABLE)
    _ip("link", "set", CABLE, "up")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
