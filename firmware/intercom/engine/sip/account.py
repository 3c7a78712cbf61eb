# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: D102, N802  (the callbacks are PJSUA2's: it names and documents them)
"""One line: its registration, its server, and whether that lives."""

import re
import sys
import time
from typing import TYPE_CHECKING, Any

from intercom import sip_address
from intercom.core.events import LineLost, LineUp, ServerResponded
from intercom.engine.sip import settings as sip_settings
from intercom.engine.sip import uri
from intercom.engine.sip.reachability import ReachabilityProber
from intercom.engine.sip.resolver import Names
from intercom.engine.sip.uri import describe, guarded
from intercom.ipc.protocol import AccountSettings

if TYPE_CHECKING:
    from intercom.engine.sip.user_agent import Telephone

_EBUSY = 171001
"""PJSIP_EBUSY of pjsip/sip_errno.h: a REGISTER is under way already."""
_ELSEWHERE = "192.0.2.1"
"""An address of nobody (RFC 5737): the way there is the default route."""
_CALM_S = 10.0
"""Between a registration and one that a lost connection asks for: some server may close each at once."""
_YOUNG_S = 1.5
"""An attempt that has waited no longer than this is sent again within a second (RFC 3261 section 17.1.2.2)."""
_ATTEMPT_S = 33.0
"""No answer takes longer: PJSIP itself ends a request after 32 s (RFC 3261, timer F)."""


class Line:
    """What `engine/sip/user_agent.py` makes a `pj.Account` of: the callbacks, and what is known of the line."""

    pj: Any
    """The library; `engine/sip/user_agent.py` alone imports it."""
    modify: Any
    sendRequest: Any  # noqa: N815
    setRegistration: Any  # noqa: N815
    setOnlineStatus: Any  # noqa: N815
    getId: Any  # noqa: N815

    def __init__(self, phone: "Telephone", settings: AccountSettings, config: Any) -> None:
        self.phone, self.settings, self.config = phone, settings, config
        self.bind = bool(config.mediaConfig.transportConfig.boundAddress)
        """Whether the configuration says which address is ours."""
        self.asked_at = 0.0
        """When the REGISTER under way was sent; 0 while there is none that we know of."""
        self.asked_of = ""
        """Which server it was sent to."""
        self.registered_at = 0.0
        self.renew_at: float | None = None
        """When to register anew, because the connection that the server would call us by is gone."""
        self.refused = False
        """Whether the server did not take our credentials the last time."""
        self.connection = 0
        """PJSIP's handle of what the last registration was answered over; 0 before."""
        self.leaving = False
        """Whether the answer to our unregistration is still to come."""
        self.server = ""
        """IP address and port that all of this account's requests go to; empty: wherever the server's name leads."""
        self.own_address = ""
        """The IP address of ours that the server was reached from; empty until it was."""
        self.others: tuple[str, ...] = ()
        """Where the server's name leads, as IP addresses and ports; the latest word counts."""
        self.answered: dict[str, str] = {}
        """IP address and port that the last answer came from, to REGISTER and to OPTIONS."""
        self._told: list[tuple[str, int, int]] = []
        """What the gate knows of the server's addresses."""
        self.spoken_to = ""
        """IP address that answered the last REGISTER; empty before."""
        self.probes: dict[int, tuple[Any, float]] = {}
        """Each OPTIONS under way: what PJSIP brings back with its answer, and when it was sent."""

        self.shown: bool | None = None
        """Whether its server was told that we are on the phone; None before it was told anything."""

    def servers(self) -> list[tuple[str, int]]:
        """Return the addresses and ports of this account's server, as far as they are known now."""
        # Who is neither registered with nor known by his address is nobody's server: those called directly have none.
        known = self.settings.registrar_uri or self.settings.trust == "address"
        home = self._home() if known else None
        given = [(home.host, home.port)] if home is not None and uri.is_ip(home.host) else []
        found = map(uri.server, (self.server, *self.others, *self.answered.values()))
        return list(dict.fromkeys([*given, *filter(None, found)]))

    def tell_gate(self) -> None:
        """Have the gate know where the server is now, and forget where it was."""
        by_address = self.settings.trust == "address"
        networks = [uri.network(place) for place in self.settings.addresses] if by_address else []
        places = [*((ip, bits, 0) for ip, bits in networks), *((ip, 0, port) for ip, port in self.servers())]
        if places != self._told:
            self._told = places
            self.phone.tell_gate(self, places)

    def is_own(self, host: str) -> bool:
        """Tell whether the host of an address is this account's: its server's name, an address of it, or a domain."""
        servers = [ip for ip, _ in self.servers()]
        own = {sip_address.named(name) for name in (self.settings.domain, *self.settings.domains, *servers)}
        host = sip_address.named(host)
        if not host or host in own:
            return bool(host)
        # The service beside the door has as many addresses and names as this machine: phones use the one they reach.
        return uri.is_ours(host) and any(uri.is_ours(ip) for ip in servers)

    @guarded
    def onRegStarted(self, _: Any) -> None:
        # PJSIP sends one by itself when the network has changed, and a second one for a better Contact.
        if not self.asked_at:
            self.asked_at, self.asked_of = time.monotonic(), self.server

    @guarded
    def onRegState(self, prm: Any) -> None:
        self.leaving = False
        took_ms = 1000 * (time.monotonic() - self.asked_at) if self.asked_at else 0.0
        self.asked_at = 0.0
        self.refused = prm.code in (401, 403, 407)
        if prm.code // 100 != 2:
            # 503 is what PJSIP makes of a connection that did not come about.
            unheard = self.settings.transport == "tls" and prm.code in (502, 503)
            refused = self.phone.certificates.fault() if unheard else ""
            # What no message has brought, PJSIP has made up of a time-out or a connection that failed.
            silent = not prm.rdata.srcAddress and not refused
            reason = refused or f"{prm.reason}{_moved_to(prm)}"
            self.phone.post(LineLost(self.settings.name, prm.code, reason, silent, _retry_after_s(prm)))
        elif prm.expiration > 0:
            self.registered_at, self.renew_at = time.monotonic(), None
            self.spoken_to = uri.host(prm.rdata.srcAddress)
            self.answered["REGISTER"] = prm.rdata.srcAddress
            self.connection = self.phone.connection(prm.rdata)
            self.tell_gate()
            self.own_address = uri.own_address(self._server_address())
            self.face()
            self.phone.post(LineUp(self.settings.name, round(took_ms, 3), prm.expiration))

    @guarded
    def onIncomingCall(self, prm: Any) -> None:
        self.phone.arrived(self, prm.callId, prm.rdata)

    @guarded
    def onSendRequest(self, prm: Any) -> None:
        _, sent_at = self.probes.pop(int(prm.userData), (None, 0.0))
        # Any answer from outside shows life, even 405; PJSIP makes up a 408 or 503 of its own from a timer or an error.
        if sent_at and prm.e.body.tsxState.type == self.pj.PJSIP_EVENT_RX_MSG:
            source = prm.e.body.tsxState.src.rdata.srcAddress
            self.answered["OPTIONS"] = source
            self.tell_gate()
            self.phone.post(ServerResponded(self.settings.name, round(1000 * (time.monotonic() - sent_at), 3), source))

    @guarded
    def onInstantMessage(self, prm: Any) -> None:
        if prm.contentType.lower().startswith("text/plain"):
            sender, trusted = self.phone.sender(self, prm.rdata), self.phone.let_in(prm.rdata) is self
            self.phone.texts.arrived(self, sender, prm.rdata.srcAddress, prm.msgBody, trusted=trusted)

    @guarded
    def onInstantMessageStatus(self, prm: Any) -> None:
        self.phone.texts.answered(int(prm.userData), prm.code)

    def use(self, address: str, names: Names) -> None:
        """Send all requests for the server, or for the proxy, to this address from now on.

        Offers of sound name an address of the same kind as its own first.
        """
        place, server = self._home(), uri.server(address)
        if place is None or (address and server is None):
            print(f"no server of {self.settings.name}: {address!r}", file=sys.stderr)
            return
        names.use(self.settings.name, place, server)
        self.server = address
        self.tell_gate()
        self.face()

    def face(self, there: str = "") -> None:
        """Offer sound at the address from which this IP address is reached; without one, the account's server.

        PJSIP would name the address of the default route. Where a place on this machine, or none, is all that is known,
        that is left to PJSIP: the phones are elsewhere.
        """
        if self.bind:
            return
        home = self._home()
        known = there or uri.host(self.server) or self.spoken_to or (home.host if home else "")
        known = known if uri.is_ip(known) else ""
        ours = uri.own_address(known) if known else ""
        ours = "" if uri.is_loopback(ours) else ours
        media = self.config.mediaConfig
        six = self.pj.PJSUA_IPV6_ENABLED_USE_IPV6_ONLY
        kind = six if ":" in known else self.pj.PJSUA_IPV6_ENABLED_PREFER_IPV4
        if (media.transportConfig.publicAddress, media.ipv6Use) != (ours, kind):
            media.transportConfig.publicAddress, media.ipv6Use = ours, kind
            self.phone.offer(self)

    def ways(self, *, turn: bool, ice: bool) -> None:
        """Have calls from now on go by the account's TURN server and by ICE, or without them."""
        self.config.natConfig.turnEnabled, self.config.natConfig.iceEnabled = turn, ice
        self.phone.offer(self)

    def where(self, target: str, names: Names) -> str:
        """Return the IP address that a call to this SIP URI is sent to first; nothing as long as that is not known."""
        place = uri.place(self.settings.proxy_uri or target)
        found = names.address(place) if place else None
        return found[0] if found else ""

    def knock(self, knocker: ReachabilityProber, servers: tuple[str, ...], names: Names) -> None:
        """See whether anything is at one of these servers; without any, where the server is known to be."""
        found = [place for server in servers if (place := uri.server(server))]
        home = self._home()
        if not found and home is not None:
            here = names.address(home) or ((self.spoken_to, home.port) if self.spoken_to else None)
            found = [here] if here else []
        knocker.knock(self.settings, found)

    def _home(self) -> uri.Place | None:
        """Return where this account's requests lead, before anybody has asked a name server."""
        return uri.place(self.settings.proxy_uri or uri.server_uri(self.settings))

    def has_moved(self) -> bool:
        """Tell, once, whether the server is reached from another address of ours than it was."""
        before, now = self.own_address, uri.own_address(self._server_address())
        self.own_address = now or before
        return bool(before and now) and now != before

    def _server_address(self) -> str:
        return uri.host(self.server) or _ELSEWHERE

    def register(self, *, anew: bool = False) -> None:
        """Send a REGISTER; `LineUp` or `LineLost` follows.

        One that is under way to this server is left to it; with `anew` only while it is young, because PJSIP repeats it
        less and less often.
        """
        if not self.settings.registrar_uri:
            # It may call at once: `trust` says by what it is known.
            self.tell_gate()
            self.own_address = uri.own_address(self._server_address())
            self.face()
            self.phone.post(LineUp(self.settings.name, 0.0, 0))
            return
        patience_s = _YOUNG_S if anew else _ATTEMPT_S
        if self.asked_at and self.asked_of == self.server and time.monotonic() < self.asked_at + patience_s:
            return
        if self.asked_at or self.refused:
            # Credentials that were refused are not the first thing to send again (RFC 3261 section 22.1): with the
            # attempt PJSIP forgets the challenge too, which it would answer at once.
            self._forget_attempt()
            self.refused = False
        error = self._try_to_register()
        if error is not None and error.status == _EBUSY:
            # PJSIP's own renewal: of its server we know only that it has not answered yet.
            self._forget_attempt()
            error = self._try_to_register()
        # What went wrong inside a callback has been told by onRegState.
        if error is not None and self.asked_at:
            self.asked_at = 0.0
            self.phone.post(LineLost(self.settings.name, 503, describe(error), silent=True))

    def connection_lost(self, handle: int) -> None:
        """Note that a connection ended. A server that came back knows nobody (RFC 5626 section 4.4), if it was ours."""
        if handle == self.connection:
            self.connection = 0
            self.renew_at = max(time.monotonic(), self.registered_at + _CALM_S)

    def renew(self, now: float) -> None:
        """Register anew when that is due."""
        if self.renew_at is not None and now >= self.renew_at:
            self.renew_at = None
            self.register()

    def _try_to_register(self) -> Any:
        self.asked_at, self.asked_of = time.monotonic(), self.server
        try:
            self.setRegistration(True)
        except self.pj.Error as error:
            return error
        return None

    def _forget_attempt(self) -> None:
        """Give up the REGISTER under way, which a server that died would hold for 32 s. Nothing is sent."""
        # Only a changed setting makes PJSIP do so. This one is about a proxy of the whole library, which has none.
        self.config.regConfig.proxyUse ^= 1
        self.modify(self.config)
        self.asked_at = 0.0

    def show(self, *, busy: bool) -> None:
        """Have the server know whether we are on the phone, where it is to. It is told after each registration too."""
        if self.settings.presence and busy is not self.shown:
            self.shown = busy
            self.setOnlineStatus(sip_settings.presence(self.pj, busy=busy))

    def probe(self) -> None:
        """Send an OPTIONS to the server."""
        order = self.pj.SendRequestParam()
        order.method = "OPTIONS"
        order.txOption.targetUri = uri.server_uri(self.settings)
        # Of Python's objects PJSIP carries only its own about; the order's address is as good a name as any.
        order.userData = order.this
        ticket = int(order.this)
        self.probes[ticket] = order, time.monotonic()
        try:
            self.sendRequest(order)
        except self.pj.Error:
            self.probes.pop(ticket, None)


def _moved_to(prm: Any) -> str:
    """Return the words that tell where a server points instead (RFC 3261 section 21.3); nothing when it does not.

    It is not followed: whom the door registers with, and sends its credentials to, is for the configuration to say.
    """
    if prm.code // 100 != 3:
        return ""
    found = re.findall(r"(?im)^(?:contact|m)[ \t]*:.*?(sips?:[-\w.:@\[\]%+~]{1,100})", _head(prm))
    return f": it points to {', '.join(dict.fromkeys(found[:3]))}" if found else ""


def _head(prm: Any) -> str:
    return re.split(r"\r?\n\r?\n", prm.rdata.wholeMsg, maxsplit=1)[0]


def _retry_after_s(prm: Any) -> float:
    """Return how long the server asks to be left alone (RFC 3261 section 20.33), in seconds; 0 when it does not."""
    found = re.search(r"(?im)^retry-after[ \t]*:\s*(\d{1,9})\b", _head(prm))
    return float(found.group(1)) if found else 0.0
