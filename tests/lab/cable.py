"""A network for the door alone, one cable away from the laboratory's: it is pulled, renumbered, and loses packets.

The cable is a veth pair; the door's end is in a network namespace of its own, where its daemon is started.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lab.baresip import RTP_PORTS
from lab.processes import LabError

SPACE, HERE, THERE = "door", "lab0", "eth0"
SERVICE_IP, PHONE_IP = "10.77.0.1", "10.77.0.31"
DOOR_IP, OTHER_DOOR_IP = "10.77.0.2", "10.77.0.3"


class Cable:
    """The cable, and the two ends of it."""

    prefix = ("nsenter", f"--net=/run/netns/{SPACE}", "--")
    """What a command line begins with that is to run at the door's end."""

    def __init__(self) -> None:
        _ip("netns", "add", SPACE)
        _ip("link", "add", HERE, "type", "veth", "peer", "name", THERE, "netns", SPACE)
        for address in (SERVICE_IP, PHONE_IP):
            _ip("address", "add", f"{address}/16", "dev", HERE)
        _ip("link", "set", HERE, "up")
        self._there("link", "set", "lo", "up")
        self._there("link", "set", THERE, "up")
        self.renumber(DOOR_IP)

    def pull(self) -> None:
        """Pull the cable: the door's end has no link any more."""
        _ip("link", "set", HERE, "down")

    def plug(self) -> None:
        """Put it back. The far end finds its addresses as they were."""
        _ip("link", "set", HERE, "up")

    def renumber(self, address: str) -> None:
        """Give the door another address, as a router does that was restarted."""
        self._there("address", "flush", "dev", THERE, "scope", "global")
        self._there("address", "add", f"{address}/16", "dev", THERE)
        self._there("route", "replace", "default", "via", SERVICE_IP)

    def lose(self, percent: int) -> None:
        """Lose this share of the packets, each way, by chance; none with 0."""
        with contextlib.suppress(LabError):
            _run("nft", "delete", "table", "ip", "cable")
        if percent:
            lose = f"numgen random mod 100 < {percent} drop" if percent < 100 else "drop"
            rules = f"""table ip cable {{
                chain in {{ type filter hook input priority 0; iifname {HERE} {lose}; }}
                chain out {{ type filter hook output priority 0; oifname {HERE} {lose}; }}
            }}"""
            _run("nft", "-f", "-", text=rules)

    def close(self) -> None:
        """Take it away."""
        self.lose(0)
        with contextlib.suppress(LabError):
            _ip("link", "delete", HERE)
        _ip("netns", "delete", SPACE)

    def _there(self, *arguments: str) -> None:
        _ip("-n", SPACE, *arguments)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Drop the sound that phones send, and its reports."""
    rules = f"""table ip silenced {{
        chain in {{ type filter hook input priority 0; udp sport {RTP_PORTS} drop; }}
    }}"""
    _run("nft", "-f", "-", text=rules)
    try:
        yield
    finally:
        _run("nft", "delete", "table", "ip", "silenced")


@contextlib.contextmanager
def instead_of(path: str, text: str, folder: Path):  # type: ignore[no-untyped-def]
    """Have another content in a file of the system, for this private world only."""
    other = folder / Path(path).name
    other.write_text(text)
    _run("mount", "--bind", str(other), path)
    try:
        yield
    finally:
        _run("umount", path)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str, text: str | None = None) -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
