# SPDX-License-Identifier: GPL-2.0-or-later
"""The network is watched: each story has a real kernel's network of its own, which needs root.

Run as a programme, this file plays one story in a network namespace that nobody else sees; pytest plays them all.
"""

import asyncio
import contextlib
import ctypes
import errno
import functools
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from socket import AF_INET6, socket
from typing import Any

import pytest

pytest.importorskip("pyroute2", reason="the network is changed with pyroute2: ./setup.sh installs it")

from pyroute2 import AsyncIPRoute

from intercom.adapters.monitors import network, rtnetlink
from intercom.adapters.monitors.network import Network
from intercom.core.events import ConditionBegan, ConditionEnded, Event, NetworkChanged

LIMIT_S = 30.0
CLONE_NEWNET = 0x40000000
BURST = """
from pyroute2 import IPRoute
with IPRoute() as kernel:
    for n in range(2, 250):
        kernel.addr("add", index={index}, address=f"198.51.100.{{n}}", prefixlen=24)
"""


class Watcher(Network):
    """The adapter, and whether it has looked yet."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.looked = asyncio.Event()

    def _tell(self, now: Any) -> None:
        super()._tell(now)
        self.looked.set()


class House:
    """A network with one cable: the door's end is `door`, the switch's end `switch`."""

    def __init__(self, kernel: AsyncIPRoute) -> None:
        self.kernel = kernel
        self.inbox: asyncio.Queue[Event] = asyncio.Queue()
        self.running: asyncio.Task[None] | None = None
        self.index: dict[str, int] = {}

    async def build(self) -> None:
        await self.kernel.link("set", index=1, state="up")
        await self.kernel.link("add", ifname="door", kind="veth", peer="switch")
        async for link in await self.kernel.get_links():
            self.index[link.get("ifname")] = link["index"]
        # No duplicate address detection: it would take a second.
        set_ipv6("accept_dad", 0)
        await self.link("door", "up")
        await self.link("switch", "up")
        while not await self._is_running():
            pass  # the kernel takes a moment, and each question gives it one

    async def _is_running(self) -> bool:
        return all([link["flags"] & rtnetlink.IFF_RUNNING async for link in await self.kernel.get_links()])

    async def link(self, name: str, state: str) -> None:
        await self.kernel.link("set", index=self.index[name], state=state)

    async def address(self, what: str, address: str, on: str = "door", **more: Any) -> None:
        length = 64 if ":" in address else 24
        await self.kernel.addr(what, index=self.index[on], address=address, prefixlen=length, **more)

    async def route(self, what: str, gateway: str) -> None:
        await self.kernel.route(what, dst="default", gateway=gateway)

    async def temporary(self) -> list[str]:
        """The temporary addresses that the kernel made (RFC 8981)."""
        found = [news async for news in await self.kernel.get_addr(family=AF_INET6)]
        return [news.get("address") for news in found if news["flags"] & network.IFA_F_TEMPORARY]

    async def watch(self, **options: Any) -> None:
        """Begin to watch; return after the first look."""
        watcher = Watcher(self.inbox.put_nowait, **options)
        self.running = asyncio.create_task(watcher.run())
        await watcher.looked.wait()

    async def told(self, *expected: Event) -> None:
        """Await exactly these events."""
        for event in expected:
            heard = await self.inbox.get()
            assert heard == event, f"{heard} instead of {event}"


def set_ipv6(name: str, value: int) -> None:
    """Set a kernel's setting of the door's interface (ip-sysctl of Linux's documentation)."""
    Path("/proc/sys/net/ipv6/conf/door", name).write_text(str(value))


def ip_route(words: str) -> None:
    """Change a route with ip-route(8)."""
    subprocess.run(["ip", "-4", "route", *words.split()], check=True)


Story = Callable[[House], Awaitable[None]]
STORIES: dict[str, Story] = {}
NONE = ConditionBegan("network", "no address")
BACK = ConditionEnded("network")


def in_its_own_network(story: Story) -> Callable[[], None]:
    """Play a story in a process of its own: a thread that has changed its network cannot be trusted with others."""
    STORIES[story.__name__] = story

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may have a network of its own")
    @functools.wraps(story)
    def test() -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        argv = [sys.executable, __file__, story.__name__]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=2 * LIMIT_S, check=False)

        assert done.returncode == 0, done.stdout + done.stderr

    del test.__wrapped__  # else pytest takes the story's argument for a fixture
    return test


async def play(story: Story) -> None:
    async with AsyncIPRoute() as kernel, asyncio.timeout(LIMIT_S):
        house = House(kernel)
        await house.build()
        await story(house)
        assert house.running is not None
        assert not house.running.done()
        house.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await house.running


# ---------------------------------------------------------------------------- the stories


@in_its_own_network
async def test_no_address_is_a_trouble_until_there_is_one(house: House) -> None:
    """A pulled cable or a dead DHCP server is named as what it is, not as a silent registrar."""
    await house.watch()
    await house.told(NONE)
    await house.address("add", "192.0.2.5")
    await house.told(BACK, NetworkChanged("+door 192.0.2.5"))
    await house.address("delete", "192.0.2.5")
    await house.told(NONE)


@in_its_own_network
async def test_what_is_there_at_the_start_is_no_news(house: House) -> None:
    """The engine starts with the network as it is; only a change needs a new registration."""
    await house.address("add", "192.0.2.5")
    await house.watch()
    await house.route("add", "192.0.2.1")
    await house.told(NetworkChanged("+default route 192.0.2.1 door"))


@in_its_own_network
async def test_another_router_is_a_change(house: House) -> None:
    """Behind another router the server sees another address, and the old path through its NAT is gone."""
    await house.address("add", "192.0.2.5")
    await house.route("add", "192.0.2.1")
    await house.watch()
    await house.route("replace", "192.0.2.2")
    await house.told(NetworkChanged("+default route 192.0.2.2 door, -default route 192.0.2.1 door"))


@in_its_own_network
async def test_a_route_with_several_ways_is_each_of_them(house: House) -> None:
    """And one for IPv6, and one by a gateway of the other kind (RFC 5549), beside what is no default route."""
    await house.address("add", "192.0.2.5")
    await house.address("add", "2001:db8::5")
    await house.watch()
    ip_route("add 198.51.100.0/24 via 192.0.2.9")
    ip_route("add default nexthop via 192.0.2.1 nexthop via 192.0.2.2")
    await house.told(NetworkChanged("+default route 192.0.2.1 door, +default route 192.0.2.2 door"))
    await house.route("add", "2001:db8::1")
    await house.told(NetworkChanged("+default route 2001:db8::1 door"))
    ip_route("replace default via inet6 2001:db8::2")
    gone = "-default route 192.0.2.1 door, -default route 192.0.2.2 door"
    await house.told(NetworkChanged(f"+default route 2001:db8::2 door, {gone}"))


@in_its_own_network
async def test_what_is_read_is_what_another_library_reads(house: House) -> None:
    """All interfaces and addresses, whatever they are for."""
    await house.address("add", "192.0.2.5")
    await house.address("add", "2001:db8::5", flags=0x300)
    await house.address("add", "127.0.0.9", on="lo")
    await house.watch()
    links = [(link["index"], link.get("ifname"), link["flags"]) async for link in await house.kernel.get_links()]
    addresses = [
        (news["index"], news.get("local") or news.get("address"), news.get("flags"))
        async for news in await house.kernel.get_addr()
    ]

    assert rtnetlink.links() == links
    assert [(found.interface, found.address) for found in rtnetlink.addresses()] == [found[:2] for found in addresses]
    assert {found.address: found.flags for found in rtnetlink.addresses()}["2001:db8::5"] & 0x300 == 0x300


@in_its_own_network
async def test_a_burst_is_one_change(house: House) -> None:
    """DHCP, IPv6 and a route come within moments, and one registration is enough for all of them."""
    network.COALESCE_S = 1.0  # a busy machine makes the burst longer, too
    await house.address("add", "192.0.2.5")
    await house.watch()
    await house.address("delete", "192.0.2.5")
    for _ in range(20):
        await house.temporary()  # a question and its answer, and so a moment
    await house.address("add", "192.0.2.6")
    await house.address("add", "2001:db8::5")
    await house.told(NetworkChanged("+door 192.0.2.6, +door 2001:db8::5, -door 192.0.2.5"))


@in_its_own_network
async def test_an_address_without_a_link_is_none(house: House) -> None:
    """The kernel keeps the address of a pulled cable; nobody can answer to it."""
    await house.address("add", "192.0.2.5")
    await house.watch()
    await house.link("switch", "down")
    await house.told(ConditionBegan("network", "no address; no link on door"))
    await house.link("switch", "up")
    await house.told(BACK, NetworkChanged("+door 192.0.2.5"))


@in_its_own_network
async def test_addresses_of_the_link_itself_are_none(house: House) -> None:
    """169.254/16 is what a device takes when nobody gave it an address; no server answers to it."""
    await house.watch()
    await house.told(NONE)
    await house.address("add", "169.254.3.4")
    await house.address("add", "127.0.0.9", on="lo")
    await house.address("add", "192.0.2.5")
    await house.told(BACK, NetworkChanged("+door 192.0.2.5"))


@in_its_own_network
async def test_loopback_counts_only_where_that_is_wanted(house: House) -> None:
    """A laboratory has nothing else, and the door in it is to work."""
    await house.watch(include_loopback=True)
    await house.address("add", "127.0.0.9", on="lo")
    await house.told(NetworkChanged("+lo 127.0.0.9"))


@in_its_own_network
async def test_temporary_addresses_are_told_of_with_measure(house: House) -> None:
    """IPv6 privacy makes new ones all the time (RFC 8981); each would cost a registration."""
    network.TEMPORARY_S = 1.0
    set_ipv6("use_tempaddr", 2)
    await house.address("add", "192.0.2.5")
    await house.watch()
    await house.address("add", "2001:db8::5", flags=0x100)  # IFA_F_MANAGETEMPADDR: the kernel makes another beside it
    heard = await house.inbox.get()
    first = asyncio.get_running_loop().time()
    (made,) = await house.temporary()
    assert isinstance(heard, NetworkChanged) and made in heard.detail, heard

    await house.address("delete", made)
    heard = await house.inbox.get()

    assert asyncio.get_running_loop().time() - first >= 0.9
    assert isinstance(heard, NetworkChanged) and f"-door {made}" in heard.detail, heard


@in_its_own_network
async def test_lost_news_lose_no_change(house: House) -> None:
    """The kernel drops what it cannot deliver (ENOBUFS, netlink(7)); then everything is read again."""
    network.AGAIN_S = 0.01
    rtnetlink.news = functools.partial(rtnetlink.news, 2304)
    await house.address("add", "192.0.2.5")
    await house.watch()
    complaints: list[str] = []
    network.print = lambda *words, **_: complaints.append(" ".join(words))  # type: ignore[attr-defined]
    # Blocks this loop on purpose, while the kernel tells of 248 addresses.
    subprocess.run([sys.executable, "-c", BURST.format(index=house.index["door"])], check=True)  # noqa: ASYNC221
    heard = await house.inbox.get()

    assert isinstance(heard, NetworkChanged) and heard.detail.count("+door 198.51.100.") == 248, heard
    assert str(errno.ENOBUFS) in complaints[0], complaints


@in_its_own_network
async def test_a_kernel_that_does_not_let_us_is_asked_again(house: House) -> None:
    """A sandbox without netlink costs the news of the network, not the door."""
    network.AGAIN_S = 0.01
    await house.address("add", "127.0.0.9", on="lo")
    calls, news = iter(range(1000)), rtnetlink.news

    def refuse() -> socket:
        if next(calls) < 3:
            raise OSError(errno.EAFNOSUPPORT, "no netlink here")
        return news()

    rtnetlink.news = refuse  # type: ignore[assignment]
    await house.watch()
    await house.told(NONE)


if __name__ == "__main__":
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        sys.exit(f"no network of our own: {os.strerror(ctypes.get_errno())}")
    asyncio.run(play(STORIES[sys.argv[1]]))
