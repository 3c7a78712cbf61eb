# SPDX-License-Identifier: GPL-2.0-or-later
"""Notices when the door's addresses or its way out change, so that nobody has to wait for a time-out.

The kernel's news (rtnetlink(7)) only ring a bell; what is so is then read anew. News that were lost because there were
too many (netlink(7): ENOBUFS) therefore cost nothing but another reading.
"""

import asyncio
import ipaddress
import sys
from socket import socket
from typing import NamedTuple

from intercom.adapters.monitors import rtnetlink
from intercom.adapters.monitors.rtnetlink import IFF_LOOPBACK, IFF_RUNNING, IFF_UP
from intercom.core.events import ConditionBegan, ConditionEnded, NetworkChanged
from intercom.core.fast_dataclass import dataclass
from intercom.daemon.ports import Post

COALESCE_S = 0.2
"""How long to collect news before reading, in seconds: an interface that comes up tells a dozen."""
TEMPORARY_S = 5.0
"""The least time between two events about nothing but temporary addresses (RFC 8981), in seconds."""
AGAIN_S = 5.0
"""How long to wait before asking a kernel again that did not let us, in seconds."""
# linux/if_addr.h
IFA_F_TEMPORARY, IFA_F_OPTIMISTIC, IFA_F_DADFAILED, IFA_F_TENTATIVE = 0x01, 0x04, 0x08, 0x40


class _Address(NamedTuple):
    """An address that a packet can leave from."""

    interface: str
    address: str
    temporary: bool = False

    def __str__(self) -> str:
        return f"{self.interface} {self.address}"


@dataclass(frozen=True, slots=True)
class _State:
    """The network, as far as it matters to a door."""

    addresses: frozenset[_Address]
    routes: frozenset[str]
    dark: tuple[str, ...]
    """Interfaces that are switched on and have no cable or no access point."""


class Network:
    """Watches the kernel's addresses, links and default routes."""

    def __init__(self, post: Post, *, include_loopback: bool = False) -> None:
        """Tell of changes by `post`. With `include_loopback` 127/8 and ::1 are a network too: machines of tests."""
        self._post, self._include_loopback = post, include_loopback
        self._bell = asyncio.Event()
        self._known: _State | None = None
        self._missing = ""
        """What was told about the lack of addresses."""
        self._quiet_until = 0.0
        """Until when news of temporary addresses can wait, in the loop's time."""
        self._complaint = ""

    async def run(self) -> None:
        """Watch, for ever. What goes wrong with netlink is told on stderr, once, and tried again."""
        while True:
            try:
                await self._watch()
            except Exception as error:  # noqa: BLE001  (a door that does not see its network is still a door)
                self._complain(error)
            await asyncio.sleep(AGAIN_S)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        with rtnetlink.news() as news:  # before the first look, so that nothing falls in between
            failed: asyncio.Future[None] = loop.create_future()
            loop.add_reader(news, self._hear, news, failed)
            self._bell.set()
            following = asyncio.create_task(self._follow())
            try:
                await asyncio.wait((failed, following), return_when=asyncio.FIRST_COMPLETED)
                for ended in (failed, following):
                    if ended.done():
                        ended.result()
            finally:
                loop.remove_reader(news)
                failed.cancel()
                following.cancel()

    def _hear(self, news: socket, failed: asyncio.Future[None]) -> None:
        try:
            news.recv(65536)
        except OSError as error:
            if not failed.done():
                failed.set_exception(error)
        self._bell.set()

    async def _follow(self) -> None:
        while True:
            await self._bell.wait()
            if self._known is not None:
                await asyncio.sleep(COALESCE_S)
            self._bell.clear()
            self._tell(_read(include_loopback=self._include_loopback))
            self._complaint = ""

    def _tell(self, now: _State) -> None:
        self._tell_missing(now)
        before, loop = self._known, asyncio.get_running_loop()
        if before is None or not now.addresses:
            self._known = now
            return
        moved = before.addresses ^ now.addresses
        if not moved and before.routes == now.routes:
            return
        only_temporary = before.routes == now.routes and all(address.temporary for address in moved)
        if only_temporary and loop.time() < self._quiet_until:
            loop.call_at(self._quiet_until, self._bell.set)
            return
        self._known, self._quiet_until = now, loop.time() + TEMPORARY_S
        self._post(NetworkChanged(_difference(before, now)))

    def _tell_missing(self, now: _State) -> None:
        missing = ""
        if not now.addresses:
            missing = "no address" + "".join(f"; no link on {name}" for name in now.dark)
        if missing == self._missing:
            return
        self._missing = missing
        self._post(ConditionBegan("network", missing) if missing else ConditionEnded("network"))

    def _complain(self, error: Exception) -> None:
        complaint = repr(error)
        if complaint != self._complaint:
            print(f"intercom: cannot watch the network: {complaint}", file=sys.stderr)
        self._complaint = complaint


def _read(*, include_loopback: bool) -> _State:
    """Return what is so. Raises OSError."""
    links = rtnetlink.links()
    running = {link.interface: link.name for link in links if link.flags & IFF_RUNNING}
    dark = (link.name for link in links if link.flags & IFF_UP and not link.flags & (IFF_RUNNING | IFF_LOOPBACK))
    addresses = {
        _Address(running[found.interface], found.address, bool(found.flags & IFA_F_TEMPORARY))
        for found in rtnetlink.addresses()
        if found.interface in running and _is_usable(found.address, found.flags, include_loopback=include_loopback)
    }
    routes = {
        f"default route {way.gateway or 'direct'} {running[way.interface]}"
        for way in rtnetlink.default_ways()
        if way.interface in running
    }
    return _State(frozenset(addresses), frozenset(routes), tuple(sorted(dark)))


def _is_usable(address: str, flags: int, *, include_loopback: bool) -> bool:
    """Whether others can answer to an address: not local to the link, nor still being checked (RFC 4862)."""
    if flags & IFA_F_DADFAILED:
        return False
    if flags & IFA_F_TENTATIVE and not flags & IFA_F_OPTIMISTIC:
        return False
    parsed = ipaddress.ip_address(address)
    return not parsed.is_link_local and (include_loopback or not parsed.is_loopback)


def _difference(before: _State, now: _State) -> str:
    """Return what came and what went, as in "+eth0 192.0.2.5, -eth0 192.0.2.4"."""
    came = [*sorted(map(str, now.addresses - before.addresses)), *sorted(now.routes - before.routes)]
    went = [*sorted(map(str, before.addresses - now.addresses)), *sorted(before.routes - now.routes)]
    return ", ".join([f"+{what}" for what in came] + [f"-{what}" for what in went])
