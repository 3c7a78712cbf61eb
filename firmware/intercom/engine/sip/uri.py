# SPDX-License-Identifier: GPL-2.0-or-later
"""URIs, addresses, errors: what the telephone has to put into words, with no PJSIP in it."""

import functools
import ipaddress
import re
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from intercom import sip_address
from intercom.ipc.protocol import AccountSettings

LONGEST_TEXT = 500
"""Bytes of a text message. With its headers, and an answer to a challenge, it stays below the 1300 bytes that
RFC 3428 section 8 allows a MESSAGE."""
_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
_URI = re.compile(r"(sips?):(?:[^@;>]*@)?(\[[^\]]+\]|[^:;>?]+)(?::(\d+))?([^>?]*)", re.IGNORECASE)
_SERVER = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]]+)):(\d{1,5})")


class Place(NamedTuple):
    """Where a URI leads to, before anybody has asked a name server."""

    host: str
    port: int
    transport: str

    @classmethod
    def of(cls, host: str, port: int, transport: str) -> "Place":
        """Spell a place in the one way that compares: no port is the usual one."""
        return cls(host.strip("[]").rstrip(".").lower(), port or _PORTS[transport], transport)


def guarded(callback: Callable[..., None]) -> Callable[..., None]:
    """Keep every exception inside a callback: one that escapes is lost, or (SystemExit) kills the process.

    A callback of a leg that fails ends that leg (`Leg.spoilt`).
    """

    @functools.wraps(callback)
    def call(*arguments: Any) -> None:
        kept(callback, *arguments, failed=getattr(arguments[0], "spoilt", None))

    return call


def kept(
    action: Callable[..., Any], *arguments: Any, failed: Callable[[str], None] | None = None, name: str = ""
) -> None:
    """Carry out an action of which no exception gets out, not even SystemExit: what it was is printed.

    `failed` is told in words. This is the one place that keeps the engine alive whatever one call of it makes go wrong.
    """
    try:
        action(*arguments)
    except BaseException as error:  # noqa: BLE001  (other calls live on, and PJSIP's C frames may be above us)
        what = describe(error)
        print(f"{name or getattr(action, '__qualname__', action)}: {what}", file=sys.stderr, flush=True)
        # The traceback would keep the frame, and so the call object, alive.
        traceback.clear_frames(error.__traceback__)
        if failed is not None:
            failed(what)


def describe(error: BaseException) -> str:
    """Return what went wrong; `str` of PJSIP's own error is empty."""
    if hasattr(error, "reason") and hasattr(error, "title") and hasattr(error, "status"):
        return f"{error.reason} ({error.title}, status {error.status})"
    return repr(error)


def uri(target: str, account: AccountSettings) -> str:
    """Return the SIP URI to call: "201" is completed by the account's domain and transport."""
    return sip_address.uri(target, account.domain, account.transport)


def sender(account: AccountSettings, shown: str) -> str:
    """Return the account's own address of record under another name."""
    return f'"{shown}" {account.id_uri[account.id_uri.index("<sip:") :]}'


def unquoted(shown: str) -> str:
    """Return what a quoted string says (RFC 3261 section 25.1), for a header that is not one."""
    return re.sub(r"\\(.)", r"\1", shown)


def server_uri(account: AccountSettings) -> str:
    """Return the URI of the account's server itself: its registrar, or its domain where nothing registers."""
    if account.registrar_uri:
        return account.registrar_uri
    transport = "" if account.transport == "udp" else f";transport={account.transport}"
    return f"sip:{account.domain}{transport}"


def place(address: str) -> Place | None:
    """Return where a SIP URI leads to; None for one that leads nowhere."""
    match = _URI.search(address)
    if match is None:
        return None
    scheme, host, port, parameters = match.groups()
    named = re.search(r";transport=(udp|tcp|tls)\b", parameters, re.IGNORECASE)
    transport = "tls" if scheme.lower() == "sips" else named[1].lower() if named else "udp"
    return Place.of(host, int(port or 0), transport)


def bare(address: str) -> str:
    """Return the URI of an address without a name or angle brackets around it."""
    return address.rpartition("<")[2].partition(">")[0]


def host(address: str) -> str:
    """Return the host of "host:port" or "[v6]:port"."""
    return address.rsplit(":", 1)[0].strip("[]")


def server(address: str) -> tuple[str, int] | None:
    """Return IP address and port of "192.0.2.1:5060" or "[2001:db8::1]:5060"; None for anything else."""
    match = _SERVER.fullmatch(address)
    if match is None or not is_ip(match[1] or match[2]) or not 0 < int(match[3]) < 65536:
        return None
    return sip_address.named(match[1] or match[2]), int(match[3])


def network(place: str) -> tuple[str, int]:
    """Return the IP address of "192.0.2.7" or "192.168.1.0/24", and how many of its bits count."""
    found = ipaddress.ip_network(place.strip("[]"), strict=False)
    return str(found.network_address), found.prefixlen


def own_address(other: str) -> str:
    """Return the IP address from which this machine reaches that one; nothing when it does not. Sends nothing."""
    family = socket.AF_INET6 if ":" in other else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((other, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return ""


def is_ours(host: str) -> bool:
    """Tell whether a host is this machine: an address of its own, or its name, also as mDNS has it (RFC 6762)."""
    if is_ip(host):
        return own_address(host) == host
    here = socket.gethostname().lower()
    return host in (here, f"{here}.local")


def is_ip(name: str) -> bool:
    """Tell an IP address from a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(address: str) -> bool:
    """Tell whether an IP address leads nowhere but to this machine."""
    return is_ip(address) and ipaddress.ip_address(address).is_loopback


def clip(text: str, limit: int = LONGEST_TEXT) -> bytes:
    """Return a text as at most `limit` bytes of UTF-8, cut between words where it has to be cut."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return data
    mark = "…".encode()
    kept = data[: limit - len(mark)].decode("utf-8", "ignore")
    whole = kept.rsplit(None, 1)[0] if kept.strip() != "" and len(kept.split()) > 1 else kept
    return whole.rstrip().encode() + mark
