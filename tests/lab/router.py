"""A router with network address translation between the door and the world, as most homes have one.

Network namespaces in a row: the door's ("home"), the router's, the laboratory's own, which is the world and knows no
way into the home, and beyond it a phone's. The router is Linux' own translation (nftables, masquerade).
"""

from __future__ import annotations

import contextlib
import subprocess

from lab.processes import LabError

HOME, ROUTER, FAR = "home", "router", "far"
DOOR_IP, OUTER_IP = "192.168.77.2", "10.10.0.1"
"""What the door has, and what the world sees of it."""
SERVER_IP, SIPP_IP, RELAY_IP = "10.10.0.20", "10.10.0.44", "10.10.0.60"
"""Addresses in the world: a SIP service, sipp's phone, a TURN and STUN server."""
PHONE_IP = "10.11.0.31"
"""A phone on another machine out there, which has this one address."""


class Router:
    """The router, and the networks on its two sides."""

    prefix = ("nsenter", f"--net=/run/netns/{HOME}", "--")
    """What a command line begins with that is to run in the home."""
    afar = ("nsenter", f"--net=/run/netns/{FAR}", "--")
    """The same for the phone's machine."""

    def __init__(self) -> None:
        for space in (HOME, ROUTER, FAR):
            _run("ip", "netns", "add", space)
            _run("ip", "-n", space, "link", "set", "lo", "up")
        _run("ip", "link", "add", "world0", "type", "veth", "peer", "name", "wan", "netns", ROUTER)
        _run("ip", "-n", ROUTER, "link", "add", "lan", "type", "veth", "peer", "name", "eth0", "netns", HOME)
        _run("ip", "link", "add", "world1", "type", "veth", "peer", "name", "eth0", "netns", FAR)
        for address in (SERVER_IP, SIPP_IP, RELAY_IP):
            _run("ip", "address", "add", f"{address}/24", "dev", "world0")
        self._up(ROUTER, "wan", OUTER_IP)
        self._up(ROUTER, "lan", "192.168.77.1")
        self._up(HOME, "eth0", DOOR_IP)
        self._up(FAR, "eth0", PHONE_IP)
        _run("ip", "address", "add", "10.11.0.1/24", "dev", "world1")
        for link in ("world0", "world1"):
            _run("ip", "link", "set", link, "addrgenmode", "none", "up")
        _run("ip", "-n", FAR, "route", "add", "default", "via", "10.11.0.1")
        _run("ip", "-n", ROUTER, "route", "add", "10.11.0.0/24", "via", SERVER_IP)
        _run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        _run("ip", "-n", HOME, "route", "add", "default", "via", "192.168.77.1")
        _run("ip", "netns", "exec", ROUTER, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.translate()

    def translate(self, *, at_random: bool = False, shut_off: str = "10.99.0.1") -> None:
        """Give every connection the router's own address; with another port for each destination where `at_random`.

        The second kind is what RFC 4787 calls address- and port-dependent mapping: what a STUN server sees is not
        what anybody else sees. Nothing gets through to or from the address `shut_off`.
        """
        how = "masquerade fully-random" if at_random else "masquerade"
        with contextlib.suppress(LabError):
            _run("ip", "netns", "exec", ROUTER, "nft", "delete", "table", "ip", "nat")
        rules = f"""table ip nat {{
            chain out {{ type nat hook postrouting priority 100; oifname wan {how}; }}
            chain through {{ type filter hook forward priority 0; ip daddr {shut_off} drop; ip saddr {shut_off} drop; }}
        }}"""
        _run("ip", "netns", "exec", ROUTER, "nft", "-f", "-", text=rules)

    def close(self) -> None:
        """Take it all away."""
        for space in (HOME, ROUTER, FAR):
            _run("ip", "netns", "delete", space)
        for link in ("world0", "world1"):
            with contextlib.suppress(LabError):  # it goes with its other end
                _run("ip", "link", "delete", link)

    def _up(self, space: str, link: str, address: str) -> None:
        _run("ip", "-n", space, "address", "add", f"{address}/24", "dev", link)
        # Without IPv6: its own addresses take a second to be usable, and a phone offers them meanwhile.
        _run("ip", "-n", space, "link", "set", link, "addrgenmode", "none", "up")


def _run(*command: str, text: str | None = None) -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
