# SPDX-License-Identifier: GPL-2.0-or-later
"""rtnetlink(7) as far as a door needs it: news of links, addresses and routes, and what is so.

pyroute2 can do all of it, and takes 11 MB and a seventh of the daemon's start. Numbers are those of linux/netlink.h,
linux/rtnetlink.h, linux/if_link.h and linux/if_addr.h, which Linux does not change.
"""

import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR, _IPV4_ROUTE, RTMGRP_IPV6_IFADDR, _IPV6_ROUTE."""
IFF_UP, IFF_LOOPBACK, IFF_RUNNING = 0x1, 0x8, 0x40
RT_TABLE_MAIN, RTN_UNICAST = 254, 1
_GETLINK, _GETADDR, _GETROUTE = 18, 22, 26
_DUMP_REQUEST = 0x1 | 0x300
"""NLM_F_REQUEST | NLM_F_DUMP."""
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_LINK, _ADDRESS, _ROUTE = struct.Struct("=BxHiII"), struct.Struct("=BBBBI"), struct.Struct("=BBBBBBBBI")
_HOP, _ATTRIBUTE, _U32 = struct.Struct("=HBBi"), struct.Struct("=HH"), struct.Struct("=I")
_IFNAME, _IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 3, 1, 2, 8
_OIF, _GATEWAY, _MULTIPATH, _TABLE, _VIA = 4, 5, 9, 15, 18
_MOST = 65536
_PATIENCE_S = 2.0
"""The kernel answers at once."""


class Link(NamedTuple):
    """An interface."""

    interface: int
    name: str
    flags: int


class Address(NamedTuple):
    """An address of an interface."""

    interface: int
    address: str
    flags: int


class Way(NamedTuple):
    """Where a default route leads; one with several next hops (ip-route(8)) is several."""

    interface: int
    gateway: str
    """Empty: whoever is on the link."""


def news(receive_bytes: int | None = None) -> socket.socket:
    """Return a socket that is readable when something has changed. Raises OSError."""
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if receive_bytes is not None:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        link.bind((0, GROUPS))
    except OSError:
        link.close()
        raise
    return link


def links() -> list[Link]:
    """Return all interfaces. Raises OSError."""
    found = []
    for body in _dump(_GETLINK):
        _, _, index, flags, _ = _LINK.unpack_from(body)
        name = dict(_attributes(body[_LINK.size :])).get(_IFNAME, b"")
        found.append(Link(index, name.rstrip(b"\0").decode(), flags))
    return found


def addresses() -> list[Address]:
    """Return all addresses of all interfaces. Raises OSError."""
    found = []
    for body in _dump(_GETADDR):
        _, _, flags, _, index = _ADDRESS.unpack_from(body)
        more = dict(_attributes(body[_ADDRESS.size :]))
        address = more.get(_IFA_LOCAL) or more.get(_IFA_ADDRESS)  # the first is ours where the second is the far end's
        if address:
            flags = _number(more[_IFA_FLAGS]) if _IFA_FLAGS in more else flags
            found.append(Address(index, str(ipaddress.ip_address(address)), flags))
    return found


def default_ways() -> list[Way]:
    """Return the default routes of the main table. Raises OSError."""
    found = []
    for body in _dump(_GETROUTE):
        _, length, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(body)
        more = dict(_attributes(body[_ROUTE.size :]))
        table = _number(more[_TABLE]) if _TABLE in more else table
        if length or table != RT_TABLE_MAIN or kind != RTN_UNICAST:
            continue
        if _OIF in more:
            found.append(Way(_number(more[_OIF]), _gateway(more)))
        found += _hops(more.get(_MULTIPATH, b""))
    return found


def _hops(data: bytes) -> Iterator[Way]:
    while len(data) >= _HOP.size:
        length, _, _, index = _HOP.unpack_from(data)
        yield Way(index, _gateway(dict(_attributes(data[_HOP.size : length]))))
        data = data[_aligned(max(length, _HOP.size)) :]


def _gateway(attributes: dict[int, bytes]) -> str:
    if _VIA in attributes:  # a gateway of the other kind of address, after two bytes that say which
        return str(ipaddress.ip_address(attributes[_VIA][2:]))
    return str(ipaddress.ip_address(attributes[_GATEWAY])) if _GATEWAY in attributes else ""


def _dump(kind: int) -> Iterator[bytes]:
    """Yield what the kernel has of a kind, of both kinds of address, without the headers."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC) as kernel:
        kernel.settimeout(_PATIENCE_S)
        kernel.send(_HEADER.pack(_HEADER.size + 4, kind, _DUMP_REQUEST, 1, 0) + bytes(4))
        while True:
            data = kernel.recv(_MOST)
            while len(data) >= _HEADER.size:
                length, told, _, _, _ = _HEADER.unpack_from(data)
                if told == _DONE:
                    return
                if told == _ERROR:
                    number = -struct.unpack_from("=i", data, _HEADER.size)[0]
                    raise OSError(number, os.strerror(number))
                yield data[_HEADER.size : length]
                data = data[_aligned(max(length, _HEADER.size)) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind & 0x3FFF, data[_ATTRIBUTE.size : length]
        data = data[_aligned(max(length, _ATTRIBUTE.size)) :]


def _number(data: bytes) -> int:
    return int(_U32.unpack(data)[0])


def _aligned(length: int) -> int:
    return (length + 3) & ~3
