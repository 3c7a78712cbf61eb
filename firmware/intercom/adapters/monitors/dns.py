# SPDX-License-Identifier: GPL-2.0-or-later
"""dnspython: where an account's server is (RFC 3263, without NAPTR), asked again whenever the answer has run out.

What DNS does not know is looked up like any other program does it (nsswitch.conf(5)): /etc/hosts, multicast DNS. That
call can block for half a minute, so it gets a thread of its own, which nobody waits for at the end.
"""

import asyncio
import contextlib
import ipaddress
import random
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import dns.asyncresolver
import dns.exception
import dns.resolver

from intercom.core.events import ConditionBegan, ConditionEnded, ServersFound
from intercom.daemon.ports import Post

LIFETIME_S = 5.0
"""How long one question may take, with all name servers and repetitions, in seconds."""
TTL_S = (30.0, 3600.0)
"""An answer is used at least and at most this long, in seconds, whatever it says of itself."""
LOCAL_TTL_S = 120.0
"""Answers from /etc/hosts and the like do not say; 120 s is what multicast DNS uses for hosts (RFC 6762 section 10)."""
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits after failures; the last one repeats."""
MOST = 16
"""SRV records that are looked at, and look-ups by the system at the same time."""
_SERVICES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}


class _NoServerError(Exception):
    """There is an answer, and it is that there is no such server."""


class _Server(NamedTuple):
    """Where a server may be. The order of the fields is the order of preference, but for the weight."""

    priority: int
    unreachable: bool
    """No route leads there: an IPv6 address where there is no IPv6."""
    address: str
    port: int
    weight: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    servers: frozenset[_Server]
    ttl_s: float
    by_service: bool = False
    """Whether SRV told, and not the name itself."""


@dataclass(slots=True)
class _Account:
    """What is known of one account's server."""

    host: str
    port: int | None
    transport: str
    refresh: asyncio.Event = field(default_factory=asyncio.Event)
    found: _Found | None = None
    told: tuple[str, ...] = ()
    trouble: str = ""


def system_resolver() -> dns.asyncresolver.Resolver:
    """Return a resolver with the name servers of now (resolv.conf(5)). Raises NoResolverConfiguration."""
    resolver = dns.asyncresolver.Resolver()
    resolver.lifetime = LIFETIME_S
    return resolver


class Names:
    """Finds each account's server, and keeps looking."""

    def __init__(
        self,
        servers: Mapping[str, tuple[str, int | None, str]],
        post: Post,
        *,
        resolver: Callable[[], dns.asyncresolver.Resolver] = system_resolver,
        getaddrinfo: Callable[..., Sequence[Any]] = socket.getaddrinfo,
        chance: random.Random | None = None,
        ttl_s: tuple[float, float] = TTL_S,
        retry_s: Sequence[float] = RETRY_S,
    ) -> None:
        """Look for `servers`: account -> (host, port where it is given, "udp", "tcp" or "tls")."""
        self._accounts = {
            account: _Account(host.strip("[]"), port, transport) for account, (host, port, transport) in servers.items()
        }
        self._post, self._resolver, self._getaddrinfo = post, resolver, getaddrinfo
        self._chance, self._ttl_s, self._retry_s = chance or random.Random(), ttl_s, retry_s  # noqa: S311
        self._lookups: dict[str, Future[list[str]]] = {}
        """The system's own look-ups that are under way, by host; there are never two of one."""

    async def run(self) -> None:
        """Look, for ever, for each account by itself. An answer that never comes delays nobody else."""
        async with asyncio.TaskGroup() as group:
            for name, account in self._accounts.items():
                group.create_task(self._keep(name, account))
            await asyncio.Event().wait()  # with addresses only, there is nothing more to do

    async def places(self, name: str) -> tuple[str, ...]:
        """Return where an account's server is now, the best place first ("192.0.2.1:5060"). Raises OSError."""
        account = self._accounts[name]
        try:
            found = await self._find(account)
        except Exception as error:
            raise OSError(_reason(account.host, error)) from error
        return tuple(dict.fromkeys(_written(one.address, one.port) for one in self._order(found.servers)))

    def refresh(self, name: str | None = None) -> None:
        """Look again now, for one account or for all: the network has changed, or a line has failed."""
        for account in [self._accounts[name]] if name in self._accounts else self._accounts.values():
            account.refresh.set()

    async def _keep(self, name: str, account: _Account) -> None:
        if _is_address(account.host):
            port = account.port or _PORTS[account.transport]
            self._post(ServersFound(name, (_written(account.host, port),)))
            return
        failures = 0
        while True:
            account.refresh.clear()
            try:
                found = await self._find(account)
            except Exception as error:  # noqa: BLE001  (it parses what strangers send; no answer may end the door)
                self._fail(name, account, _reason(account.host, error))
                pause = self._retry_s[min(failures, len(self._retry_s) - 1)]
                failures += 1
            else:
                self._succeed(name, account, found)
                pause, failures = min(max(found.ttl_s, self._ttl_s[0]), self._ttl_s[1]), 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await account.refresh.wait()
                failures = 0

    def _fail(self, name: str, account: _Account, reason: str) -> None:
        if reason != account.trouble:
            account.trouble = reason
            self._post(ConditionBegan(f"names {name}", reason))

    def _succeed(self, name: str, account: _Account, found: _Found) -> None:
        if account.trouble:
            account.trouble = ""
            self._post(ConditionEnded(f"names {name}"))
        # Compared without their order, which chance decides: each new throw would look like a move.
        if account.found is None or account.found.servers != found.servers:
            servers = tuple(dict.fromkeys(_written(one.address, one.port) for one in self._order(found.servers)))
            if servers != account.told:
                account.told = servers
                self._post(ServersFound(name, servers))
        account.found = found

    async def _find(self, account: _Account) -> _Found:
        """Return where a server is. Raises _NoServerError, DNSException, OSError and what else dnspython does."""
        if account.port is not None or _is_multicast(account.host):
            return await self._of_host(account.host, account.port or _PORTS[account.transport])
        # Both at once: some routers never answer questions for SRV, and nobody shall wait for that.
        by_service, by_host = await asyncio.gather(
            self._of_service(account), self._of_host(account.host, _PORTS[account.transport]), return_exceptions=True
        )
        known_by_service = account.found is not None and account.found.by_service
        if isinstance(by_service, _NoServerError) or (isinstance(by_service, BaseException) and known_by_service):
            raise by_service  # DNS says no; or it has said more before, and what we know is better than a guess
        found = by_host if by_service is None or isinstance(by_service, BaseException) else by_service
        if isinstance(found, BaseException):
            raise found
        return found

    async def _of_service(self, account: _Account) -> _Found | None:
        """Ask for SRV (RFC 2782). None when there is no such record."""
        answer = await self._ask(f"{_SERVICES[account.transport]}.{account.host}", "SRV")
        if not answer:
            return None
        records = sorted(answer, key=lambda record: record.priority)[:MOST]
        targets = [record.target.to_text(omit_final_dot=True) for record in records]
        if targets == ["."]:
            raise _NoServerError(f"{account.host} offers no SIP by {account.transport}")
        hosts = list(dict.fromkeys(targets))
        results = await asyncio.gather(*map(self._addresses, hosts), return_exceptions=True)
        known = {host: got for host, got in zip(hosts, results, strict=True) if not isinstance(got, BaseException)}
        if not known:
            raise next(got for got in results if isinstance(got, BaseException))
        servers = frozenset(
            _Server(record.priority, _is_unreachable(address), address, record.port, record.weight)
            for record, host in zip(records, targets, strict=True)
            if host in known
            for address in known[host][0]
        )
        return _Found(servers, min([answer.rrset.ttl, *(ttl_s for _, ttl_s in known.values())]), by_service=True)

    async def _of_host(self, host: str, port: int) -> _Found:
        addresses, ttl_s = await self._addresses(host)
        return _Found(frozenset(_Server(0, _is_unreachable(one), one, port) for one in addresses), ttl_s)

    async def _addresses(self, host: str) -> tuple[list[str], float]:
        """Return a host's addresses, and for how many seconds they hold."""
        asked = () if _is_multicast(host) else (self._ask(host, "A"), self._ask(host, "AAAA"))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        if good := [answer for answer in answers if answer and not isinstance(answer, BaseException)]:
            return [one.address for answer in good for one in answer], min(answer.rrset.ttl for answer in good)
        try:
            return await self._look_up(host), LOCAL_TTL_S
        except (OSError, UnicodeError):
            raise (errors[0] if errors else _NoServerError(f"no such name: {host}")) from None

    async def _ask(self, name: str, kind: str) -> Any:
        """Return DNS's answer; an empty one or None when there is no such record. Raises DNSException, OSError, ..."""
        try:
            return await self._resolver().resolve(name, kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return None

    async def _look_up(self, host: str) -> list[str]:
        """Ask the system, in a thread that may stay behind. Raises OSError, also when that takes too long."""
        self._lookups = {name: lookup for name, lookup in self._lookups.items() if not lookup.done()}
        if host not in self._lookups:
            if len(self._lookups) >= MOST:
                raise OSError("too many look-ups")
            self._lookups[host] = _in_thread(lambda: _by_system(self._getaddrinfo, host))
        async with asyncio.timeout(LIFETIME_S):
            return await asyncio.wrap_future(self._lookups[host])

    def _order(self, servers: Iterable[_Server]) -> list[_Server]:
        """Return the best first: by priority, then by chance, the heavier ones sooner (RFC 2782)."""
        left, ordered = sorted(servers), []
        while left:
            # A weight of 0 gets a small chance, like the standard says.
            chosen = self._chance.choices(left, [server.weight or 0.01 for server in left])[0]
            left.remove(chosen)
            ordered.append(chosen)
        # Stable: equals stay as chance has put them. IPv4 first, because that is what telephones at home speak.
        return sorted(ordered, key=lambda server: (server.priority, server.unreachable, ":" in server.address))


def _reason(host: str, error: Exception) -> str:
    """Return a failure in words that are the same for the same failure."""
    match error:
        case _NoServerError():
            return str(error)
        case dns.exception.Timeout():
            return f"no answer from a name server about {host}"
        case dns.resolver.NoNameservers():
            return f"the name server refuses or fails to answer about {host}"
        case dns.resolver.NoResolverConfiguration():
            return f"no name server to ask about {host}"
    return f"{host}: {error!r}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_multicast(host: str) -> bool:
    """Whether a name must not be asked of a name server (RFC 6762 section 3)."""
    return host.lower().rstrip(".").endswith(".local")


def _is_unreachable(address: str) -> bool:
    """Whether no route leads to an address. Connecting a UDP socket asks for a route and sends nothing."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex((address, 9)) != 0


def _written(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _by_system(getaddrinfo: Callable[..., Sequence[Any]], host: str) -> list[str]:
    """Return what the system knows of a host. Blocks. Raises OSError, UnicodeError."""
    found = [sockaddr[0] for *_, sockaddr in getaddrinfo(host, None, type=socket.SOCK_DGRAM)]
    usable = [address for address in dict.fromkeys(found) if not ipaddress.ip_address(address).is_link_local]
    if not usable:
        raise OSError(f"only addresses of its own link: {host}")
    return usable


def _in_thread(work: Callable[[], list[str]]) -> "Future[list[str]]":
    """Begin work in a thread that the interpreter does not wait for at its end, unlike an executor's."""
    future: Future[list[str]] = Future()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  (handed to who waits)
            future.set_exception(error)
        else:
            future.set_result(result)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, name="look-up", daemon=True).start()
    return future
