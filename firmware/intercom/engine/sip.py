# SPDX-License-Identifier: GPL-2.0-or-later
"""PJSUA2: registrations, calls, digits. It obeys and tells; it decides nothing.

One thread owns every object here: the one that called `libCreate` and that pumps `libHandleEvents`. Callbacks copy
what they are told into an event and return; nothing is placed, ended or freed inside one, because PJSIP holds its own
locks there. A call that ended lies in `_dead` until the next pump, outside all callbacks.
"""

import ctypes
import functools
import random
import re
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import pjsua2 as pj

from intercom.core.commands import Audio
from intercom.core.events import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallProgressed,
    CallSent,
    DigitReceived,
    EarlyMediaBegan,
    Event,
    LineLost,
    LineUp,
)
from intercom.engine.wire import AccountSettings, EngineSettings
from intercom.errors import EngineError

RTP_PORTS = range(10000, 20000)
"""Where RTP may live; each start begins somewhere else in it, so that nobody knows where to send."""
RTP_ROOM = 200
"""Ports that one engine may use."""
SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
_CODECS = {"opus": "opus/48000", "g722": "G722/16000", "pcma": "PCMA/8000", "pcmu": "PCMU/8000"}
_TRANSPORTS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
_DTMF_IS_UPDATE = 1
"""PJMEDIA_STREAM_DTMF_IS_UPDATE of pjmedia/stream.h; the wrapper does not carry it."""
_USER = re.compile(r"sips?:([^@;>]+)@")
Post = Callable[[Event], None]


def guarded(callback: Callable[..., None]) -> Callable[..., None]:
    """Keep every exception inside a callback: one that escapes is lost, or (SystemExit) kills the process."""

    @functools.wraps(callback)
    def call(*arguments: Any) -> None:
        try:
            callback(*arguments)
        except BaseException as error:  # noqa: BLE001  (PJSIP's C frames are above us: nothing may pass)
            print(f"{callback.__qualname__}: {describe(error)}", file=sys.stderr)
            # The traceback would keep the frame, and so the call object, alive.
            traceback.clear_frames(error.__traceback__)

    return call


def describe(error: BaseException) -> str:
    """Return what went wrong; `str(pj.Error)` is empty."""
    if isinstance(error, pj.Error):
        return f"{error.reason} ({error.title}, status {error.status})"
    return repr(error)


class _Call(pj.Call):  # type: ignore[misc]
    """One leg."""

    def __init__(self, phone: "Telephone", account: "_Account", leg: str, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(account, call_id)
        self.phone, self.leg, self.incoming = phone, leg, call_id != pj.PJSUA_INVALID_ID
        self.listens = self.speaks = False

    @guarded
    def onCallState(self, _: Any) -> None:  # noqa: N802
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CALLING:
            self.phone.post(CallSent(self.leg))
        elif info.state == pj.PJSIP_INV_STATE_EARLY and not self.incoming:
            self.phone.post(CallProgressed(self.leg, info.lastStatusCode))
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.phone.post(CallAnswered(self.leg))
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.phone.post(CallEnded(self.leg, info.lastStatusCode, info.lastReason))
            self.phone.bury(self)

    @guarded
    def onCallTsxState(self, prm: Any) -> None:  # noqa: N802
        # A 100 changes no state of the call, but it is the first sign that a server is there.
        tsx = prm.e.body.tsxState.tsx
        if tsx.method == "INVITE" and tsx.statusCode == 100 and not self.incoming:
            self.phone.post(CallProgressed(self.leg, 100))

    @guarded
    def onCallMediaState(self, _: Any) -> None:  # noqa: N802
        # A re-INVITE may have moved the stream to another slot of the bridge: nothing is connected any more.
        self.listens = self.speaks = False
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_EARLY and not self.incoming and self.audio() is not None:
            self.phone.post(EarlyMediaBegan(self.leg))
        self.phone.connect(self)

    @guarded
    def onDtmfEvent(self, prm: Any) -> None:  # noqa: N802
        # One event per key: updates and the end of an RFC 4733 event repeat its beginning.
        if not prm.flags & _DTMF_IS_UPDATE:
            method = "SIP INFO" if prm.method == pj.PJSUA_DTMF_METHOD_SIP_INFO else "RFC 4733"
            self.phone.post(DigitReceived(self.leg, prm.digit, method))

    @guarded
    def onCallTransferRequest(self, prm: Any) -> None:  # noqa: N802
        # Left alone, PJSUA2 dials whomever the far end names.
        prm.statusCode = pj.PJSIP_SC_DECLINE

    @guarded
    def onCallReplaceRequest(self, prm: Any) -> None:  # noqa: N802
        prm.statusCode = pj.PJSIP_SC_DECLINE

    def audio(self) -> Any:
        """Return the stream's place in the bridge, or None while there is no sound either way."""
        info = self.getInfo()
        for index, media in enumerate(info.media):
            active = media.status in (pj.PJSUA_CALL_MEDIA_ACTIVE, pj.PJSUA_CALL_MEDIA_REMOTE_HOLD)
            if media.type == pj.PJMEDIA_TYPE_AUDIO and active:
                return self.getAudioMedia(index)
        return None


class _Account(pj.Account):  # type: ignore[misc]
    """One line."""

    def __init__(self, phone: "Telephone", settings: AccountSettings) -> None:
        super().__init__()
        self.phone, self.settings = phone, settings
        self.asked_at = 0.0
        self.leaving = False
        """Whether the answer to our unregistration is still to come."""
        self.servers: set[str] = set()
        """IP addresses that answered our REGISTER: the only ones whose calls are this account's."""

    @guarded
    def onRegState(self, prm: Any) -> None:  # noqa: N802
        self.leaving = False
        took_ms = 1000 * (time.monotonic() - self.asked_at) if self.asked_at else 0.0
        self.asked_at = 0.0
        if prm.code // 100 != 2:
            self.phone.post(LineLost(self.settings.name, prm.code, prm.reason))
        elif prm.expiration > 0:
            self.servers = {_host(prm.rdata.srcAddress)}
            self.phone.post(LineUp(self.settings.name, round(took_ms, 3), prm.expiration))

    @guarded
    def onIncomingCall(self, prm: Any) -> None:  # noqa: N802
        self.phone.arrived(self, prm.callId, prm.rdata.srcAddress)


class Telephone:
    """SIP as the daemon sees it: legs by their names, accounts by theirs."""

    def __init__(self, settings: EngineSettings, post: Post) -> None:
        self.post = post
        self._settings = settings
        self._endpoint = pj.Endpoint()
        self._writer = _LogWriter()
        self._accounts: dict[str, _Account] = {}
        self._calls: dict[str, _Call] = {}
        self._dead: list[_Call] = []
        self._arrivals = 0
        self._audio = Audio()

    def start(self) -> None:
        """Bring PJSIP up, with its accounts, registering nothing yet. Raises EngineError."""
        # PJLIB talks before it has heard how much it may.
        ctypes.CDLL(library()).pj_log_set_level(self._settings.trace_level)
        try:
            self._endpoint.libCreate()
            self._endpoint.libInit(_endpoint_config(self._settings, self._writer))
            _create_transports(self._endpoint, self._settings)
            self._endpoint.libStart()
            self._endpoint.audDevManager().setNoDev()
            _choose_codecs(self._endpoint, self._settings.codecs)
            for settings in self._settings.accounts:
                account = _Account(self, settings)
                account.create(_account_config(settings, self._settings.bind))
                self._accounts[settings.name] = account
        except pj.Error as error:
            raise EngineError(describe(error)) from error

    def about(self) -> str:
        """Return what this engine is made of, in one line."""
        return _about(self._endpoint)

    @property
    def event_fd(self) -> int:
        """File descriptor that is readable when PJSIP has something to do."""
        return ctypes.c_int.from_address(int(self._endpoint.libGetSipIoqueueHandle())).value

    @property
    def calls(self) -> int:
        """Legs that are not over."""
        return len(self._calls)

    def register_thread(self, name: str) -> None:
        """Make the calling thread known to PJLIB: once per thread, before it touches the bridge."""
        self._endpoint.libRegisterThread(name)

    def pump(self) -> None:
        """Let PJSIP do what is due, and free what has ended."""
        while self._endpoint.libHandleEvents(0) > 0:
            pass
        self._dead.clear()

    def register(self, name: str) -> None:
        """Send a REGISTER; `LineUp` or `LineLost` follows."""
        account = self._accounts[name]
        if not account.settings.registrar_uri:
            self.post(LineUp(name, 0.0, 0))
            return
        account.asked_at = time.monotonic()
        try:
            account.setRegistration(True)
        except pj.Error as error:
            self.post(LineLost(name, 503, describe(error)))

    def place(self, leg: str, account: str, target: str) -> None:
        """Send an INVITE; `CallSent` follows, or `CallEnded` when it cannot even be sent."""
        call = _Call(self, self._accounts[account], leg)
        self._calls[leg] = call
        try:
            call.makeCall(uri(target, self._accounts[account].settings), _call_options())
        except pj.Error as error:
            self.post(CallEnded(leg, 503, describe(error)))
            self.bury(call)

    def arrived(self, account: _Account, call_id: int, source: str) -> None:
        """Note a call that came in, and ask what to do with it."""
        self._arrivals += 1
        leg = f"in-{id(self) & 0xFFFF:04x}-{self._arrivals}"
        call = _Call(self, account, leg, call_id)
        self._calls[leg] = call
        user = _USER.search(call.getInfo().remoteUri)
        trusted = _host(source) in account.servers
        self.post(CallArrived(leg, account.settings.name, user.group(1) if user else "", source, trusted))

    def answer(self, leg: str) -> None:
        """Accept a call with 200."""
        if call := self._calls.get(leg):
            options = _call_options()
            options.statusCode = pj.PJSIP_SC_OK
            self._try(call.answer, options)

    def hang_up(self, leg: str, code: int) -> None:
        """End a call; `CallEnded` follows. A leg that is gone is no error: news crosses."""
        if call := self._calls.get(leg):
            options = pj.CallOpParam()
            options.statusCode = code
            self._try(call.hangup, options)

    def set_audio(self, audio: Audio) -> None:
        """Connect the legs with the card as this level says."""
        self._audio = audio
        for call in self._calls.values():
            self.connect(call)

    def connect(self, call: _Call) -> None:
        """Bring one leg's connections in line with the level."""
        listens, speaks = self._audio.speak == call.leg, self._audio.hear == call.leg
        if (call.listens, call.speaks) == (listens, speaks):
            return
        media = call.audio()
        if media is None:
            return
        devices = self._endpoint.audDevManager()
        if call.listens != listens:
            microphone = devices.getCaptureDevMedia()
            (microphone.startTransmit if listens else microphone.stopTransmit)(media)
        if call.speaks != speaks:
            loudspeaker = devices.getPlaybackDevMedia()
            (media.startTransmit if speaks else media.stopTransmit)(loudspeaker)
        call.listens, call.speaks = listens, speaks

    def bury(self, call: _Call) -> None:
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
            self._endpoint.libHandleEvents(10)

    def _try(self, order: Callable[..., None], *arguments: Any) -> None:
        """Carry out an order that a dying call may refuse."""
        try:
            order(*arguments)
        except pj.Error as error:
            print(f"{order.__qualname__}: {describe(error)}", file=sys.stderr)


class _LogWriter(pj.LogWriter):  # type: ignore[misc]
    """PJSIP's own log, to stderr. Must outlive the library."""

    def write(self, entry: Any) -> None:
        print(entry.msg.rstrip(), file=sys.stderr)


def library() -> str:
    """Return the file of the extension module, which also exports PJSIP's C functions."""
    return str(sys.modules["_pjsua2"].__file__)


def versions() -> str:
    """Return what this engine is made of, in one line."""
    ctypes.CDLL(library()).pj_log_set_level(0)
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    endpoint.libInit(config)
    return _about(endpoint)


def _about(endpoint: Any) -> str:
    codecs = ", ".join(codec.codecId for codec in endpoint.codecEnum2() if codec.priority)
    openssl = ctypes.CDLL(library()).OpenSSL_version
    openssl.restype = ctypes.c_char_p
    tls = " ".join(openssl(0).decode().split()[:2])
    return f"PJSIP {endpoint.libVersion().full}; codecs {codecs}; TLS by {tls}"


def uri(target: str, account: AccountSettings) -> str:
    """Return the SIP URI to call: "201" is completed by the account's domain and transport."""
    if target.startswith(("sip:", "sips:")):
        return target
    transport = "" if account.transport == "udp" else f";transport={account.transport}"
    return f"sip:{target}{transport}" if "@" in target else f"sip:{target}@{account.domain}{transport}"


def _host(address: str) -> str:
    """Return the host of "host:port" or "[v6]:port"."""
    return address.rsplit(":", 1)[0].strip("[]")


def _call_options() -> Any:
    options = pj.CallOpParam(True)
    options.opt.audioCount = 1
    # T.140 text is offered by default since 2.16, stalls hang-ups, and some servers refuse it with 488.
    options.opt.videoCount = options.opt.textCount = 0
    return options


def _endpoint_config(settings: EngineSettings, writer: _LogWriter) -> Any:
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.maxCalls = 32
    config.uaConfig.natTypeInSdp = 0
    config.uaConfig.userAgent = settings.user_agent
    config.medConfig.clockRate = config.medConfig.sndClockRate = settings.rate_hz
    config.medConfig.audioFramePtime = settings.period_ms
    config.medConfig.ptime = 20
    # Some PBXs hang up on silence.
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    # Reading RTP must not wait for Python.
    config.medConfig.threadCnt = 1
    config.logConfig.level = config.logConfig.consoleLevel = settings.trace_level
    config.logConfig.msgLogging = settings.trace_level > 4
    config.logConfig.writer = writer
    return config


def _create_transports(endpoint: Any, settings: EngineSettings) -> None:
    """Open one transport of each kind in use, on the port the daemon chose.

    That is a random one, but the same for every engine, so that a registrar takes a new engine's Contact for the old
    one's and does not ring the dead.
    """
    for kind in sorted({account.transport for account in settings.accounts} or {"udp"}):
        config = pj.TransportConfig()
        config.boundAddress = settings.bind
        # TLS listens beside TCP, on the next number.
        config.port = settings.port + (kind == "tls") if settings.port else 0
        if kind == "tls":
            config.tlsConfig.verifyServer = True
            config.tlsConfig.CaListFile = SYSTEM_CAS
            config.tlsConfig.proto = pj.PJ_SSL_SOCK_PROTO_TLS1_2 | pj.PJ_SSL_SOCK_PROTO_TLS1_3
        endpoint.transportCreate(_TRANSPORTS[kind], config)


def _choose_codecs(endpoint: Any, wanted: tuple[str, ...]) -> None:
    """Offer the wanted codecs in their order and no others."""
    order = {_CODECS[name].lower(): 200 - place for place, name in enumerate(wanted)}
    for codec in endpoint.codecEnum2():
        name = "/".join(codec.codecId.split("/")[:2])
        endpoint.codecSetPriority(codec.codecId, order.get(name.lower(), 0))


def _account_config(settings: AccountSettings, bind: str) -> Any:
    # Made after libInit: before it, the session timer's values are zero.
    config = pj.AccountConfig()
    config.idUri = settings.id_uri
    config.regConfig.registrarUri = settings.registrar_uri
    config.regConfig.registerOnAdd = False
    config.regConfig.timeoutSec = settings.expires_s
    # The core retries, soon and for ever; PJSIP would wait five minutes, and give up after a 403.
    config.regConfig.retryIntervalSec = config.regConfig.firstRetryIntervalSec = 0
    config.regConfig.dropCallsOnFail = False
    if settings.user:
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", settings.user, 0, settings.password))
    if settings.proxy_uri:
        config.sipConfig.proxies.append(settings.proxy_uri)
    if settings.transport == "udp":
        # RFC 5626 is for connections; over UDP its ";ob" only confuses phones.
        config.natConfig.sipOutboundUse = 0
    config.mediaConfig.transportConfig.boundAddress = bind
    config.mediaConfig.transportConfig.port = random.randrange(RTP_PORTS.start, RTP_PORTS.stop - RTP_ROOM, 2)  # noqa: S311
    config.mediaConfig.transportConfig.portRange = RTP_ROOM
    config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_DISABLED
    return config
