"""A private world for the tests: own network with only loopback, own /run and /dev/shm.

Nothing the tests do is seen from outside, fixed addresses and ports cannot collide, and a second
journald can own /run/systemd/journal. Call `enter()` before any thread starts: the kernel moves
only the calling thread and what it starts later.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import threading
from pathlib import Path

from lab.processes import LabError

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 0x4000, 1 << 18
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
SIOCSIFADDR, SIOCSIFNETMASK = 0x8916, 0x891C
# Capabilities and their bits (linux/capability.h): one raises the loopback, the other makes and fills namespaces.
NEEDED = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}

# What programs take for granted on /run.
RUN_FOLDERS = ("lock", "log", "systemd", "systemd/journal", "user")
# All of 127/8 works without this, but a later baresip takes only addresses that an interface lists.
PHONES = range(31, 40)

OUTSIDE = ""
"""The network that was left, as a file: who has to fetch something from the world goes back to it for that."""


def enter() -> None:
    """Move this process into network and mount namespaces of its own."""
    global OUTSIDE
    if threading.active_count() > 1:
        raise LabError("namespaces must be entered before any thread starts")
    if lacking := _lacking():
        raise LabError(f"no namespaces of our own: without {' and '.join(lacking)}{_hint()}")
    OUTSIDE = f"/proc/{os.getpid()}/fd/{os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC)}"
    # os.unshare() came with Python 3.12; Raspberry Pi OS bookworm has 3.11.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        raise LabError(f"no namespaces of our own: {_last_error()}{_hint()}")
    _mount(libc, "none", "/", None, MS_REC | MS_PRIVATE, None)
    _mount(libc, "tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for folder in RUN_FOLDERS:
        Path("/run", folder).mkdir(exist_ok=True)
    Path("/run/lock").chmod(0o1777)
    # JACK servers meet their clients in /dev/shm.
    _mount(libc, "tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    _raise_loopback()


def readable(folder: Path) -> Path:
    """Return a folder, or a copy of it under our /run where users other than root cannot read it (a home of mode 0700).

    Engines are started as such users. Needs `enter()`.
    """
    leads_there = all(each.stat().st_mode & 0o001 for each in (folder, *folder.parents))
    if leads_there and all(each.stat().st_mode & 0o004 for each in folder.rglob("*.py")):
        return folder
    copy = Path("/run", f"readable-{folder.name}")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for each in (copy, *copy.rglob("*")):
        each.chmod(each.stat().st_mode | (0o055 if each.is_dir() else 0o044))
    return copy


def _mount(libc: ctypes.CDLL, source: str, target: str, kind: str | None, flags: int, data: str | None) -> None:
    encoded = [text.encode() if text is not None else None for text in (source, target, kind, data)]
    if libc.mount(*encoded[:3], ctypes.c_ulong(flags), encoded[3]) != 0:
        raise LabError(f"mounting {target} privately: {_last_error()}{_hint()}")


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = bytearray(struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(control, SIOCGIFFLAGS, request)
        flags = struct.unpack_from("H", request, 16)[0]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))
        for last in PHONES:
            alias = f"lo:{last}".encode()
            fcntl.ioctl(control, SIOCSIFADDR, _address_request(alias, f"127.0.0.{last}"))
            fcntl.ioctl(control, SIOCSIFNETMASK, _address_request(alias, "255.255.255.255"))


def _address_request(interface: bytes, address: str) -> bytes:
    return struct.pack("16sHH4s16x", interface, socket.AF_INET, 0, socket.inet_aton(address))


def _last_error() -> str:
    return os.strerror(ctypes.get_errno())


def _lacking() -> list[str]:
    """What a container may have taken away even from root. Asked first: half a private world is worse than none."""
    status = Path("/proc/self/status").read_text()
    held = int(status.partition("CapEff:")[2].split()[0], 16)
    return [name for name, bit in NEEDED.items() if not held >> bit & 1]


def _hint() -> str:
    if os.geteuid() != 0:
        return " (it needs root)"
    return " (a container? it needs docker run --privileged, or systemd-nspawn --capability=CAP_NET_ADMIN)"
