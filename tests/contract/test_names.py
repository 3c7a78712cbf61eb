# SPDX-License-Identifier: GPL-2.0-or-later
"""Where an account's server is, asked of a real name server on a real socket, however that one behaves."""

import asyncio
import contextlib
import random
import threading
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from loops import on_a_loop

pytest.importorskip("dns", reason="names are found with dnspython: ./setup.sh installs it")

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset

from intercom.adapters.monitors import dns as dns_monitor
from intercom.adapters.monitors.dns import Names
from intercom.config.core_rules import named_servers
from intercom.config.loader import parse
from intercom.core.events import ConditionBegan, ConditionEnded, Event, ServersFound

LIFETIME_S = 0.3
"""Of a question to a silent name server, in seconds."""
SILENT, BROKEN = "silent", "broken"
HOME = {"home": ("pbx.example", None, "udp")}


class NameServer(asyncio.DatagramProtocol):
    """A name server that says what a test wants: (name, type) -> records, SILENT or BROKEN; else no such name."""

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[str] | str] = {}
        self.ttl_s = 300
        self.asked: Counter[tuple[str, str]] = Counter()
        self._heard = asyncio.Condition()
        self._news: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        key = (question.name.to_text(omit_final_dot=True), question.rdtype.name)
        self.asked[key] += 1
        news = asyncio.ensure_future(self._tell())
        self._news.add(news)
        news.add_done_callback(self._news.discard)
        said = self.zone.get(key)
        if said == SILENT:
            return
        reply = dns.message.make_response(query, recursion_available=True)
        if said == BROKEN:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif isinstance(said, list):
            reply.answer.append(dns.rrset.from_text(question.name, self.ttl_s, "IN", key[1], *said))
        elif not any(name == key[0] for name, _ in self.zone):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(reply.to_wire(), peer)

    async def was_asked(self, key: tuple[str, str], times: int) -> None:
        """Await the question."""
        async with self._heard:
            await self._heard.wait_for(lambda: self.asked[key] >= times)

    async def _tell(self) -> None:
        async with self._heard:
            self._heard.notify_all()


def nobody(host: str, *_: object, **__: object) -> list[Any]:
    """A system that knows no host."""
    raise OSError(f"unknown: {host}")


class Story:
    """A name server, and what is told of it."""

    def __init__(self, server: NameServer) -> None:
        self.server = server
        self.inbox: asyncio.Queue[Event] = asyncio.Queue()
        self.names: Names
        self.running: asyncio.Task[None]

    def resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.53"], self.server.port
        resolver.lifetime = LIFETIME_S
        return resolver

    def begin(self, servers: dict[str, tuple[str, int | None, str]], **more: Any) -> None:
        options: dict[str, Any] = {"resolver": self.resolver, "getaddrinfo": nobody, "chance": random.Random(1)}
        options |= {"retry_s": (0.01, 0.02)}
        self.names = Names(servers, self.inbox.put_nowait, **(options | more))
        self.running = asyncio.create_task(self.names.run())


@contextlib.asynccontextmanager
async def story() -> AsyncIterator[Story]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.53", 0))
    told = Story(server)
    try:
        yield told
    finally:
        told.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await told.running
        transport.close()


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (("192.0.2.1", None, "udp"), "192.0.2.1:5060"),
        (("192.0.2.1", None, "tls"), "192.0.2.1:5061"),
        (("192.0.2.1", 5080, "tcp"), "192.0.2.1:5080"),
        (("2001:db8::1", None, "udp"), "[2001:db8::1]:5060"),
        (("[2001:db8::1]", 5080, "udp"), "[2001:db8::1]:5080"),
    ],
)
def test_an_address_needs_no_name_server(server: tuple[str, int | None, str], expected: str) -> None:
    """A door that is given an address works in a house whose name server is dead, and goes on working."""

    @on_a_loop
    async def tale() -> None:
        async with story() as told:
            told.begin({"home": server})

            assert await told.inbox.get() == ServersFound("home", (expected,))
            assert not told.server.asked
            assert not told.running.done()

    tale()


@on_a_loop
async def test_services_come_in_the_order_of_their_priority() -> None:
    """RFC 3263 section 4.2: who runs two servers says which of them is the spare one."""
    async with story() as told:
        told.server.zone = {
            ("_sip._udp.pbx.example", "SRV"): ["20 100 5060 spare.example.", "10 1 5070 main.example."],
            ("main.example", "A"): ["127.0.1.1"],
            ("spare.example", "A"): ["127.0.1.2"],
        }
        told.begin(HOME)

        assert await told.inbox.get() == ServersFound("home", ("127.0.1.1:5070", "127.0.1.2:5060"))


def test_a_heavier_service_is_first_more_often() -> None:
    """RFC 2782: weights share the load among equals, by chance; nine to one here."""
    first: Counter[str] = Counter()

    async def once(seed: int) -> None:
        async with story() as told:
            told.server.zone = {
                ("_sip._udp.pbx.example", "SRV"): ["10 90 5060 heavy.example.", "10 10 5060 light.example."],
                ("heavy.example", "A"): ["127.0.1.1"],
                ("light.example", "A"): ["127.0.1.2"],
            }
            told.begin(HOME, chance=random.Random(seed))
            found = await told.inbox.get()
            assert isinstance(found, ServersFound)
            first[found.servers[0]] += 1

    @on_a_loop
    async def tale() -> None:
        for seed in range(60):
            await once(seed)

    tale()

    assert first["127.0.1.1:5060"] in range(45, 60)


@pytest.mark.parametrize(
    ("transport", "service", "port"),
    [("udp", "_sip._udp", 5060), ("tcp", "_sip._tcp", 5060), ("tls", "_sips._tcp", 5061)],
)
def test_without_services_the_name_itself_is_the_server(transport: str, service: str, port: int) -> None:
    """Most houses have no SRV; RFC 3263 section 4.2 then takes the name's addresses and the transport's port."""

    @on_a_loop
    async def tale() -> None:
        async with story() as told:
            told.server.zone = {("pbx.example", "A"): ["127.0.1.1"], ("pbx.example", "AAAA"): ["::1"]}
            told.begin({"home": ("pbx.example", None, transport)})

            found = await told.inbox.get()
            assert isinstance(found, ServersFound)
            assert found.servers[0] == f"127.0.1.1:{port}"
            assert set(found.servers) == {f"127.0.1.1:{port}", f"[::1]:{port}"}
            assert told.server.asked[f"{service}.pbx.example", "SRV"] == 1

    tale()


@on_a_loop
async def test_with_a_port_no_service_is_asked_for() -> None:
    """RFC 3263 section 4.2: who gives a port has said all that SRV could say."""
    async with story() as told:
        told.server.zone = {("pbx.example", "A"): ["127.0.1.1"]}
        told.begin({"home": ("pbx.example", 5080, "udp")})

        assert await told.inbox.get() == ServersFound("home", ("127.0.1.1:5080",))
        assert {kind for _, kind in told.server.asked} == {"A", "AAAA"}


@on_a_loop
async def test_a_service_that_is_not_offered_is_a_trouble() -> None:
    """RFC 2782: "." means decidedly not here; a guess would ring at a stranger's."""
    async with story() as told:
        told.server.zone = {
            ("_sip._udp.pbx.example", "SRV"): ["0 0 0 ."],
            ("pbx.example", "A"): ["127.0.1.1"],
        }
        told.begin(HOME)

        assert await told.inbox.get() == ConditionBegan("names home", "pbx.example offers no SIP by udp")


@on_a_loop
async def test_a_router_that_swallows_questions_for_services_delays_but_does_not_stop() -> None:
    """Some never answer what they do not know; the name's addresses are there all the same."""
    async with story() as told:
        told.server.zone = {
            ("_sip._udp.pbx.example", "SRV"): SILENT,
            ("pbx.example", "A"): ["127.0.1.1"],
        }
        told.begin(HOME)

        assert await told.inbox.get() == ServersFound("home", ("127.0.1.1:5060",))


@on_a_loop
async def test_what_services_said_is_not_given_up_for_a_guess() -> None:
    """When SRV fails once after it worked, the name's own address would be another server."""
    async with story() as told:
        told.server.zone = {
            ("_sip._udp.pbx.example", "SRV"): ["10 0 5070 main.example."],
            ("main.example", "A"): ["127.0.1.1"],
            ("pbx.example", "A"): ["127.0.1.9"],
        }
        told.begin(HOME)
        await told.inbox.get()
        told.server.zone["_sip._udp.pbx.example", "SRV"] = BROKEN
        told.names.refresh()

        event = await told.inbox.get()
        assert isinstance(event, ConditionBegan), event


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (None, "no such name: pbx.example"),
        (BROKEN, "the name server refuses or fails to answer about pbx.example"),
        (SILENT, "no answer from a name server about pbx.example"),
    ],
)
def test_a_failure_is_told_once_and_ends_with_the_next_answer(said: str | None, reason: str) -> None:
    """The line has a reason to be down, and the journal one line of it, however often it is tried again."""

    @on_a_loop
    async def tale() -> None:
        async with story() as told:
            keys = [("pbx.example", kind) for kind in ("A", "AAAA")] + [("_sip._udp.pbx.example", "SRV")]
            if said is not None:
                told.server.zone = dict.fromkeys(keys, said)
            told.begin(HOME)
            assert await told.inbox.get() == ConditionBegan("names home", reason)
            await told.server.was_asked(("pbx.example", "A"), told.server.asked["pbx.example", "A"] + 3)
            assert told.inbox.empty()

            told.server.zone = {("pbx.example", "A"): ["127.0.1.1"]}

            assert await told.inbox.get() == ConditionEnded("names home")
            assert await told.inbox.get() == ServersFound("home", ("127.0.1.1:5060",))

    tale()


@on_a_loop
async def test_only_a_changed_answer_is_told() -> None:
    """A server that moved is followed; one that did not is not registered with anew."""
    async with story() as told:
        told.server.zone = {("pbx.example", "A"): ["127.0.1.1", "127.0.1.2"]}
        told.begin(HOME)
        await told.inbox.get()
        told.server.zone["pbx.example", "A"] = ["127.0.1.2", "127.0.1.1"]
        told.names.refresh("home")
        await told.server.was_asked(("pbx.example", "A"), 2)
        told.server.zone["pbx.example", "A"] = ["127.0.1.3"]
        told.names.refresh()

        assert await told.inbox.get() == ServersFound("home", ("127.0.1.3:5060",))


@on_a_loop
async def test_what_cannot_be_reached_is_tried_last() -> None:
    """A name with an IPv6 address too, in a house without IPv6: each call would wait for its time-out."""
    assert not dns_monitor._is_unreachable("127.0.0.1")
    assert dns_monitor._is_unreachable("fe80::1"), "it needs an interface"
    async with story() as told:
        told.server.zone = {("pbx.example", "A"): ["127.0.1.1"], ("pbx.example", "AAAA"): ["::1"]}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dns_monitor, "_is_unreachable", lambda address: address == "127.0.1.1")
            told.begin(HOME)

            assert await told.inbox.get() == ServersFound("home", ("[::1]:5060", "127.0.1.1:5060"))


@on_a_loop
async def test_a_route_that_comes_back_is_no_other_server() -> None:
    """Without a network everything is out of reach, and that alone moves no server."""
    async with story() as told:
        told.server.zone = {("pbx.example", "A"): ["127.0.1.1"]}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dns_monitor, "_is_unreachable", lambda _: True)
            told.begin(HOME)
            await told.inbox.get()
        told.names.refresh()
        await told.server.was_asked(("pbx.example", "A"), 2)
        told.server.zone["pbx.example", "A"] = ["127.0.1.3"]
        told.names.refresh()

        assert await told.inbox.get() == ServersFound("home", ("127.0.1.3:5060",))


@on_a_loop
async def test_an_answer_that_ran_out_is_asked_for_again() -> None:
    """A server behind a dynamic address moves without telling anybody; its TTL says when to look."""
    async with story() as told:
        told.server.ttl_s = 0
        told.server.zone = {("pbx.example", "A"): ["127.0.1.1"]}
        told.begin(HOME, ttl_s=(0.01, 3600.0))
        await told.inbox.get()
        told.server.zone["pbx.example", "A"] = ["127.0.1.2"]

        assert await told.inbox.get() == ServersFound("home", ("127.0.1.2:5060",))


@on_a_loop
async def test_a_dead_name_server_of_one_account_delays_no_other() -> None:
    """Two lines are there so that one of them works."""
    async with story() as told:
        told.server.zone = {("dead.example", kind): SILENT for kind in ("A", "AAAA")}
        told.server.zone["pbx.example", "A"] = ["127.0.1.1"]
        told.begin({"dead": ("dead.example", 5060, "udp"), "home": ("pbx.example", 5060, "udp")})

        assert await told.inbox.get() == ServersFound("home", ("127.0.1.1:5060",))
        assert isinstance(await told.inbox.get(), ConditionBegan)


def known_as(*addresses: str) -> Callable[..., list[Any]]:
    """A system with entries in /etc/hosts."""
    return lambda *_, **__: [(0, 0, 0, "", (address, 0)) for address in addresses]


@on_a_loop
async def test_what_dns_does_not_know_may_be_in_the_hosts_file() -> None:
    """Small houses name their server there, or by multicast DNS."""
    async with story() as told:
        told.begin(HOME, getaddrinfo=known_as("fe80::1", "127.0.1.7", "127.0.1.7"))

        assert await told.inbox.get() == ServersFound("home", ("127.0.1.7:5060",))


@on_a_loop
async def test_a_name_of_multicast_dns_is_never_asked_of_a_name_server() -> None:
    """RFC 6762 section 3: those names mean something on this link only."""
    async with story() as told:
        told.begin({"home": ("pbx.local", None, "udp")}, getaddrinfo=known_as("127.0.1.7"))

        assert await told.inbox.get() == ServersFound("home", ("127.0.1.7:5060",))
        assert not told.server.asked


@on_a_loop
async def test_without_any_name_server_the_system_is_still_asked() -> None:
    """An empty resolv.conf: before DHCP has answered, or in a house that needs none."""

    def none_configured() -> dns.asyncresolver.Resolver:
        raise dns.resolver.NoResolverConfiguration

    async with story() as told:
        told.begin(HOME, resolver=none_configured, getaddrinfo=known_as("127.0.1.7"))
        assert await told.inbox.get() == ServersFound("home", ("127.0.1.7:5060",))

    async with story() as told:
        told.begin(HOME, resolver=none_configured)
        assert await told.inbox.get() == ConditionBegan("names home", "no name server to ask about pbx.example")


@on_a_loop
async def test_a_blocked_look_up_by_the_system_blocks_nothing_else() -> None:
    """getaddrinfo can hang for half a minute: the loop goes on, and at the end nobody waits for it."""
    begun, release = threading.Event(), threading.Event()

    def blocked(*_: object, **__: object) -> list[Any]:
        begun.set()
        release.wait(20)
        return known_as("127.0.1.7")()

    async with story() as told:
        told.server.zone["pbx.example", "A"] = ["127.0.1.1"]
        told.begin({"stuck": ("pbx.local", 5060, "udp"), "home": ("pbx.example", 5060, "udp")}, getaddrinfo=blocked)

        assert await told.inbox.get() == ServersFound("home", ("127.0.1.1:5060",))
        assert begun.is_set()
        release.set()
        assert await told.inbox.get() == ServersFound("stuck", ("127.0.1.7:5060",))


@on_a_loop
async def test_nothing_that_a_resolver_raises_ends_the_door() -> None:
    """The answers are parsed by others and written by strangers."""
    calls = iter(range(1000))
    async with story() as told:
        told.server.zone["pbx.example", "A"] = ["127.0.1.1"]

        def odd() -> dns.asyncresolver.Resolver:
            if next(calls) < 3:
                raise IndexError
            return told.resolver()

        told.begin(HOME, resolver=odd)

        assert isinstance(await told.inbox.get(), ConditionBegan)
        assert await told.inbox.get() == ConditionEnded("names home")
        assert await told.inbox.get() == ServersFound("home", ("127.0.1.1:5060",))


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize(
    ("server", "looked_for"),
    [("registrar.test", ("registrar.test", None)), ("registrar.test:5071", ("registrar.test", 5071)), ("[::1]", None)],
)
def test_whatever_the_transport_a_servers_name_is_looked_up(
    server: str, looked_for: tuple[str, int | None] | None, transport: str, tmp_path: Path
) -> None:
    """Over TLS too: SRV, all addresses, and one after the other (RFC 3263)."""
    text = f'[accounts.a]\nserver = "{server}"\nuser = "door"\ntransport = "{transport}"\n'
    text += '[buttons.front]\npin = 17\ntargets = ["201"]\n'
    config = parse(tomllib.loads(text), tmp_path / "intercom.toml", environ={})

    assert named_servers(config) == ({"a": (*looked_for, transport)} if looked_for else {})
