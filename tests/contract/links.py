# SPDX-License-Identifier: GPL-2.0-or-later
"""A network of the door's own with two interfaces, and this process at the far end of both."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

LAB = os.environ.get("INTERCOM_LAB", "run ./setup.sh test for the laboratory")
READY = LAB == "ready" and all(map(shutil.which, ("ip", "nsenter", "unshare")))
LINKS = {"eth0": ("10.20.0", "fd00:20:"), "wlan0": ("10.30.0", "fd00:30:")}
"""The door's two interfaces: there it is host 9, and at their other ends are the servers, host 1."""


def ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True)


@contextlib.contextmanager
def home() -> Iterator[tuple[str, ...]]:
    """A network of the door's own with two interfaces; what to put before a command that is to run in it."""
    holder = subprocess.Popen(("unshare", "--net", "sleep", "infinity"))
    inside = ("nsenter", "-t", str(holder.pid), "--net", "--")
    ours = Path("/proc/self/ns/net").readlink()
    while Path(f"/proc/{holder.pid}/ns/net").readlink() == ours:  # until it has its own
        time.sleep(0.001)
    try:
        for name, (four, six) in LINKS.items():
            ip("link", "add", f"at-{name}", "type", "veth", "peer", "name", name, "netns", str(holder.pid))
            for where, device, host in (((), f"at-{name}", "1"), (inside, name, "9")):
                for words in (
                    ("addr", "add", f"{four}.{host}/24", "dev", device),
                    ("addr", "add", f"{six}:{host}/64", "dev", device, "nodad"),
                    ("link", "set", device, "up"),
                ):
                    subprocess.run((*where, "ip", *words), check=True)
        subprocess.run((*inside, "ip", "link", "set", "lo", "up"), check=True)
        subprocess.run((*inside, "ip", "addr", "add", "10.20.0.77/24", "dev", "eth0"), check=True)
        ip("addr", "add", "10.40.0.1/32", "dev", "at-eth0")
        yield inside
    finally:
        for name in LINKS:
            subprocess.run(("ip", "link", "del", f"at-{name}"), check=False)
        holder.kill()
        holder.wait()


def route(home: tuple[str, ...], *routes: str) -> None:
    for each in routes:
        family = "-6" if each.count(":") > 1 else "-4"
        subprocess.run((*home, "ip", family, "route", "add", *each.split()), check=True)
