# SPDX-License-Identifier: GPL-2.0-or-later
"""PJSUA2: registrations, calls, digits, texts. It obeys and tells; it decides nothing.

One thread owns every object here: the one that called `libCreate` and that pumps `libHandleEvents`. Callbacks copy
what they are told into an event and return; nothing is placed, ended or freed inside one, because PJSIP holds its own
locks there. A call that ended lies in `_dead` until the next pump, outside all callbacks.
"""

import ctypes
import secrets
import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pjsua2 as pj
import pjsua2_about

from intercom.core.commands import Audio, PlaceCall
from intercom.core.events import CallArrived, CallEnded, Event
from intercom.engine.relay import Relays
from intercom.engine.sip import caller_id, tls, uri
from intercom.engine.sip import settings as sip_settings
from intercom.engine.sip.account import Line
from intercom.engine.sip.call import Leg
from intercom.engine.sip.dtmf_sender import Keys
from intercom.engine.sip.log import Log
from intercom.engine.sip.messages import Texts
from intercom.engine.sip.native import Figures, Library
from intercom.engine.sip.reachability import ReachabilityProber
from intercom.engine.sip.rejections import TurnedAway, UnknownSources
from intercom.engine.sip.resolver import Names
from intercom.engine.sip.trace import LEVEL, Trace
from intercom.engine.sip.uri import describe
from intercom.errors import EngineError
from intercom.ipc.protocol import AccountSettings, EngineSettings

Post = Callable[[Event], None]


class _Call(Leg, pj.Call):  # type: ignore[misc]
    pj = pj

    def __init__(self, phone: "Telephone", account: Line, leg: str, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        pj.Call.__init__(self, account, call_id)
        Leg.__init__(self, phone, leg, call_id != pj.PJSUA_INVALID_ID)
        self.in_clear, self.in_band = account.settings.srtp != "required", account.settings.keys_in_band


class _Account(Line, pj.Account):  # type: ignore[misc]
    pj = pj

    def __init__(self, phone: "Telephone", settings: AccountSettings, key: str) -> None:
        pj.Account.__init__(self)
        config = sip_settings.account(pj, settings, phone.settings.bind, key, phone.settings.instance)
        Line.__init__(self, phone, settings, config)


class Telephone:
    """SIP as the daemon sees it: legs by their names, accounts by theirs."""

    def __init__(self, settings: EngineSettings, post: Post) -> None:
        self.post, self.settings = post, settings
        self._library = Library(library())
        self._names = Names()
        self._names.learn = self._library.learn
        self._knocker = ReachabilityProber(post, settings.bind, settings.user_agent)
        self.certificates = tls.Certificates()
        self._accounts: dict[str, _Account] = {}
        self._relays = Relays((), post)
        self._again: list[PlaceCall] = []
        """Calls that could not be sent, to be placed without TURN or ICE."""
        self._endpoint = _Endpoint(self, self._accounts)
        self._keys = {
            account.name: account.contact_key or secrets.token_hex(16)
            for account in settings.accounts
            if account.registrar_uri
        }
        hidden = [secret for account in settings.accounts for secret in (account.password, account.turn_password)]
        hidden += self._keys.values()
        self._writer = _LogWriter(hidden, settings.trace_level)
        self._trace = Trace(hidden, settings.bind, settings.port, post)
        self._events = select.epoll()
        self._strangers = UnknownSources(self._library.refused)
        self._prompt: Any = None
        self._calls: dict[str, _Call] = {}
        self._dead: list[Leg] = []
        self.unknown_name = ""
        """The last name that PJSIP met and did not know, until a leg has ended because of one."""
        self._spoilt: dict[str, str] = {}
        """Legs of which something failed, and what: each is ended at the next pump."""
        self.texts = Texts(self._library, post)
        self._arrivals = 0
        self._audio = Audio()

    def start(self) -> None:
        """Bring PJSIP up, with its accounts, registering nothing yet. Raises EngineError."""
        self._library.talk(self.settings.trace_level)
        self._library.forget_own_name()
        self._library.take_any_contact()
        try:
            self._endpoint.libCreate()
            self._endpoint.libInit(sip_settings.endpoint(pj, self.settings, self._writer))
            self._library.close_gate()
            self._library.open_media()
            self._library.keep_short()
            self._library.take_names(self._names.resolve)
            self._names.families = sip_settings.open_transports(pj, self._endpoint, self.settings)
            own_tls = sip_settings.open_tls(pj, self._endpoint, self.settings)
            self._endpoint.libStart()
            self._endpoint.audDevManager().setNoDev()
            sip_settings.choose_codecs(self._endpoint, self.settings.codecs)
            self._library.speak(self.settings.codecs, self._names.families)
            sip_settings.tune_opus(self._endpoint)
            self._prompt = sip_settings.prompt(pj, self.settings.rate_hz)
            for settings in self.settings.accounts:
                key = self._keys.get(settings.name, "")
                account = _Account(self, settings, key)
                if settings.transport == "tls" and own_tls:
                    account.config.sipConfig.transportId = own_tls[tls.identity(settings)]
                account.create(account.config)
                self._accounts[settings.name] = account
                by_address = settings.trust == "address"
                self._library.open_gate(account.getId(), key, settings.transport, by_address=by_address)
                account.tell_gate()
        except pj.Error as error:
            raise EngineError(describe(error)) from error
        for settings in self.settings.accounts:
            self._names.wonder(uri.host(settings.turn))
        self._relays = Relays(self._accounts.values(), self.post)
        pjsip_fd = ctypes.c_int.from_address(int(self._endpoint.libGetSipIoqueueHandle())).value
        for fd in (pjsip_fd, self._names.fd, self._knocker.fd):
            self._events.register(fd, select.EPOLLIN)

    def about(self) -> str:
        """Return what this engine is made of, in one line."""
        return _about(self._endpoint, self._library)

    @property
    def event_fd(self) -> int:
        """File descriptor that is readable when `pump` has something to do."""
        return self._events.fileno()

    def rest_ms(self, most: int) -> int:
        """Return how long `pump` need not be called as long as `event_fd` is not readable, at most `most`."""
        return self._library.rest_ms(most)

    @property
    def calls(self) -> int:
        """Legs that are not over."""
        return len(self._calls)

    def register_thread(self, name: str) -> None:
        """Make the calling thread known to PJLIB: once per thread, before it touches the bridge."""
        self._endpoint.libRegisterThread(name)

    def _look_up_missed(self) -> None:
        """Have a name looked up that PJSIP met and did not know."""
        if name := self._library.missed():
            self.unknown_name = name
            uri.kept(self._names.wonder, name)

    def pump(self) -> None:
        """Let PJSIP do what is due, and free what has ended."""
        uri.kept(self._names.answer)
        uri.kept(self._knocker.answer)
        while self._endpoint.libHandleEvents(0) > 0:
            pass
        self._dead.clear()
        while self._again:
            self.place(self._again.pop(0))
        now = time.monotonic()
        for call in tuple(self._calls.values()):
            call.press(now)
            uri.kept(call.look, now, failed=call.spoilt)
        self._end_spoilt()
        self._look_up_missed()
        for account in self._accounts.values():
            uri.kept(lambda account=account: account.show(busy=bool(self._calls)), name="presence")

    def spoilt(self, leg: str, reason: str) -> None:
        """Note that something of a leg failed. It is ended at the next pump, told as 500, and nothing else with it."""
        self._spoilt.setdefault(leg, reason)

    def _end_spoilt(self) -> None:
        while self._spoilt:
            leg, reason = self._spoilt.popitem()
            call = self._calls.get(leg)
            if call is not None and not call.given_up and call.isActive():
                # Its end is told by onCallState, as that of every call. If that fails too, it is back here.
                call.given_up = reason
                uri.kept(call.hangup, sip_settings.goodbye(pj, 500, elsewhere=False), failed=call.spoilt)
                continue
            if call is not None:
                self.bury(call)
            self.post(CallEnded(leg, 500, reason))

    def offer(self, account: Line) -> None:
        """Have an account's calls offer sound as its configuration says by now.

        Not by Account.modify(), with which PJSIP forgets the Contact that the registrar has seen.
        """
        media, nat = account.config.mediaConfig, account.config.natConfig
        where, kind = media.transportConfig.publicAddress, media.ipv6Use
        self._library.offer(account.getId(), where, kind, turn=nat.turnEnabled, ice=nat.iceEnabled)

    def tell_gate(self, account: Line, places: Sequence[tuple[str, int, int]]) -> None:
        """Replace the addresses of an account's server: IP address, bits of it that count (0: all), port (0: any)."""
        for place in self._library.servers(account.getId(), places):
            print(f"{account.settings.name}: one address of its server too many: {place}", file=sys.stderr)

    def let_in(self, rdata: Any) -> Line | None:
        """Return the account that a request was let in for."""
        found = self._library.let_in(rdata.pjRxData)
        return next((account for account in self._accounts.values() if account.getId() == found), None)

    def connection(self, rdata: Any) -> int:
        """Return PJSIP's handle of what a message came by, as `onTransportState` has it; 0 for none that came."""
        return self._library.transport(rdata.pjRxData) if rdata.pjRxData else 0

    def look_round(self) -> None:
        """Tell what nobody is woken for: once a second is plenty."""
        if (news := self._strangers.news(time.monotonic())) is not None:
            self.post(news)
        uri.kept(self._relays.look, time.monotonic())
        for account in self._accounts.values():
            account.renew(time.monotonic())
        servers = {name: account.spoken_to for name, account in self._accounts.items() if account.spoken_to}
        for change in self.certificates.news(servers, time.time()):
            self.post(change)

    def trace(self, *, on: bool) -> None:
        """Tell what is sent and received from now on (`SipMessageTraced`), or no more."""
        self._writer.reader = self._trace.read if on else None
        self._library.talk(max(LEVEL, self.settings.trace_level) if on else self.settings.trace_level)

    def register(self, name: str, *, anew: bool = False) -> None:
        """Send a REGISTER; `LineUp` or `LineLost` follows."""
        self._accounts[name].register(anew=anew)

    def probe(self, name: str) -> None:
        """Send an OPTIONS; `ServerResponded` follows, or nothing."""
        self._accounts[name].probe()

    def knock(self, name: str, servers: tuple[str, ...]) -> None:
        """See whether anything is there; `ServerResponded` follows, or nothing."""
        self._accounts[name].knock(self._knocker, servers, self._names)

    def hear(self, name: str, servers: tuple[str, ...]) -> None:
        """Know these as the addresses of an account's server, and no others that its name led to before."""
        self._accounts[name].others = servers
        self._accounts[name].tell_gate()

    def use_server(self, name: str, address: str) -> None:
        """Send all requests for the account's server, or for its proxy, to this address from now on."""
        self._accounts[name].use(address, self._names)

    def refresh_network(self) -> None:
        """Leave what an old address carried: new connections, new registrations, calls to the new address.

        Where our address towards the servers is what it was, nothing is touched: a phone may be ringing, and PJSIP
        would give it up.
        """
        moved = [account.has_moved() for account in self._accounts.values()]
        if not any(moved):
            return
        for call in self._calls.values():
            call.moved = True
        for account in self._accounts.values():
            account.face()
        for settings in self.settings.accounts:
            self._names.wonder(uri.host(settings.turn))
        self._try(self._endpoint.handleIpChange, sip_settings.network_change(pj))

    def send_text(self, name: str, target: str, text: str, number: int = 0) -> None:
        """Send a MESSAGE; `MessageDelivered` follows."""
        self.texts.send(self._accounts[name], target, text, number)

    def place(self, order: PlaceCall) -> None:
        """Send an INVITE; `CallSent` follows, or `CallEnded` when it cannot even be sent."""
        leg, account = order.leg, self._accounts[order.account]
        call = _Call(self, account, leg)
        call.order = order
        self._calls[leg] = call
        button = next((button for button in self.settings.buttons if button.button == order.button), None)
        target = uri.uri(order.target, account.settings)
        try:
            # PJSIP opens the sockets for the sound in here.
            account.face(account.where(target, self._names))
            call.makeCall(target, sip_settings.outgoing(pj, account.settings, button))
        except pj.Error as error:
            # What PJSIP has told itself, it has told through onCallState.
            if self._calls.get(leg) is call:
                self.bury(call)
                if not self.place_again(order, describe(error)):
                    self.post(CallEnded(leg, 503, describe(error)))
        # Who calls, comes through the server.
        account.face()

    def place_again(self, order: PlaceCall, reason: str) -> bool:
        """Have a call placed once more that could not even be sent; return whether that may be of use."""
        if not self._relays.gives_up(order.account, reason):
            return False
        self._again.append(order)
        return True

    def sender(self, account: Line, rdata: Any) -> caller_id.Caller:
        """Return who sent a request that came for an account."""
        claimed, vouched = (self._library.parties(rdata.pjRxData, name) for name in ("From", "P-Asserted-Identity"))
        return caller_id.caller(claimed, vouched, account.is_own, account.settings.caller_is)

    def arrived(self, account: Line, call_id: int, rdata: Any) -> None:
        """Note a call that came in, and ask what to do with it."""
        self._arrivals += 1
        leg = f"in-{id(self) & 0xFFFF:04x}-{self._arrivals}"
        call = _Call(self, account, leg, call_id)
        self._calls[leg] = call
        source = str(rdata.srcAddress)
        caller, asserted = self.sender(account, rdata)
        trusted = self.let_in(rdata) is account
        names = ("From", "P-Asserted-Identity", "Diversion", "History-Info")
        claimed, vouched, diversion, history = (self._library.parties(rdata.pjRxData, name) for name in names)
        shown, diverted = caller_id.shown(claimed, vouched), caller_id.diverted_by(diversion, history)
        self.post(CallArrived(leg, account.settings.name, caller, source, trusted, shown, diverted, asserted))

    def answer(self, leg: str) -> None:
        """Accept a call with 200."""
        if call := self._calls.get(leg):
            options = sip_settings.call(pj)
            options.statusCode = pj.PJSIP_SC_OK
            self._try(call.answer, options)

    def hang_up(self, leg: str, code: int, *, elsewhere: bool = False) -> None:
        """End a call; `CallEnded` follows. A leg that is gone is no error: news crosses."""
        if call := self._calls.get(leg):
            self._try(call.hangup, sip_settings.goodbye(pj, code, elsewhere=elsewhere))

    def figures(self, call: Leg) -> Figures | None:
        """Return what was counted of a leg's sound, or None while it has none."""
        return self._library.figures(call.getId())

    def keys_in_band(self, leg: str) -> bool:
        """Tell whether keys count that this leg sends as tones."""
        return leg in self._calls and self._calls[leg].in_band

    def measure(self, leg: str) -> None:
        """Tell how a leg's packets fare: `StreamMeasured` follows at once."""
        if call := self._calls.get(leg):
            self._try(call.measure)

    def set_audio(self, audio: Audio) -> None:
        """Connect the legs with the card as this level says."""
        self._audio = audio
        for call in tuple(self._calls.values()):
            uri.kept(self.connect, call, failed=call.spoilt)

    def ask_to_confirm(self, leg: str) -> None:
        """Have a leg hear the sign to press a key, until it is connected or gone."""
        if call := self._calls.get(leg):
            call.asked = True
            self.connect(call)

    def send_digits(self, leg: str, digits: str) -> None:
        """Press keys on a leg, from now on."""
        if call := self._calls.get(leg):
            call.keys = Keys(digits, time.monotonic())

    def connect(self, call: Leg) -> None:
        """Bring one leg's connections in line with the level."""
        listens, speaks = self._audio.speak == call.leg, self._audio.hear == call.leg
        call.asked = call.asked and not (listens or speaks)
        if (call.listens, call.speaks, call.prompted) == (listens, speaks, call.asked):
            return
        media = call.audio()
        if media is None:
            return
        devices = self._endpoint.audDevManager()
        if call.listens != listens:
            _join(devices.getCaptureDevMedia(), media, listens)
        if call.speaks != speaks:
            _join(media, devices.getPlaybackDevMedia(), speaks)
        if call.prompted != call.asked:
            if call.asked:
                self._prompt.rewind()
            _join(self._prompt, media, call.asked)
        call.listens, call.speaks, call.prompted = listens, speaks, call.asked

    def bury(self, call: Leg) -> None:
        """Keep a dead call until the next pump: freeing it inside its own callback is fatal."""
        self._calls.pop(call.leg, None)
        self._dead.append(call)

    def stop(self, seconds: float) -> None:
        """Hang up, unregister, and wait for the answers at most that long. The process must end after this."""
        accounts = self._accounts.values()
        for leg in tuple(self._calls):
            self.hang_up(leg, 0)
        for account in accounts:
            if account.getInfo().regIsActive:
                account.leaving = True
                self._try(account.setRegistration, False)
        until = time.monotonic() + seconds
        while time.monotonic() < until and (self._calls or any(account.leaving for account in accounts)):
            self._names.answer()
            self._endpoint.libHandleEvents(10)

    def _try(self, order: Callable[..., None], *arguments: Any) -> None:
        """Carry out an order that a dying call may refuse."""
        try:
            order(*arguments)
        except pj.Error as error:
            print(f"{order.__qualname__}: {describe(error)}", file=sys.stderr)


class _Endpoint(tls.Handshakes, TurnedAway, pj.Endpoint):  # type: ignore[misc]
    pj = pj

    def __init__(self, phone: Telephone, lines: Mapping[str, Line]) -> None:
        pj.Endpoint.__init__(self)
        tls.Handshakes.__init__(self, phone.certificates, lines)
        TurnedAway.__init__(self, phone)


class _LogWriter(Log, pj.LogWriter):  # type: ignore[misc]
    """Must outlive the library."""

    def __init__(self, secrets: list[str], level: int) -> None:
        pj.LogWriter.__init__(self)
        Log.__init__(self, secrets, level)


def library() -> str:
    """Return the file of the extension module, which also exports PJSIP's C functions."""
    return str(sys.modules["_pjsua2"].__file__)


def versions() -> str:
    """Return what this engine is made of, in one line."""
    pjsip = Library(library())
    pjsip.talk(0)
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    endpoint.libInit(config)
    return _about(endpoint, pjsip)


def _about(endpoint: Any, pjsip: Library) -> str:
    codecs = ", ".join(codec.codecId for codec in endpoint.codecEnum2() if codec.priority)
    released = f" of {pjsua2_about.RELEASED}" if pjsua2_about.RELEASED else ""
    return f"PJSIP {endpoint.libVersion().full}{released}; codecs {codecs}; TLS by {pjsip.tls()}"


def _join(source: Any, sink: Any, joined: bool) -> None:
    (source.startTransmit if joined else source.stopTransmit)(sink)
