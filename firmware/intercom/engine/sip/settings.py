# SPDX-License-Identifier: GPL-2.0-or-later
"""How PJSIP is set up: every setting that is not its default, with the reason.

The library is handed in as `pj`: one file alone imports it (`engine/sip/user_agent.py`).
"""

import random
import socket
import sys
import uuid
from typing import Any

from intercom import limits
from intercom.engine.sip import tls, trace, uri
from intercom.engine.sip.uri import describe
from intercom.ipc.protocol import AccountSettings, ButtonSettings, EngineSettings

KEY_NAME = "rinstance"
"""The parameter of the Contact's URI that bears an account's key, as in ../../pjsip/gate.c."""
RTP_PORTS = range(10000, 20000)
"""Where RTP may live; each start begins somewhere else in it, so that nobody knows where to send."""
RTP_ROOM = 400
"""Ports that one engine may use: two for each call slot (`limits.CALLS`), and some that others have taken."""
_CONNECTIONS = {
    # Nagle (RFC 896) would hold the INVITE with our credentials until the ACK before it is acknowledged: 40 ms.
    socket.TCP_NODELAY: 1,
    # A machine that lost its power leaves connections that Linux takes a quarter of an hour to give up, and everything
    # sent meanwhile waits behind them. Milliseconds without an acknowledgement.
    socket.TCP_USER_TIMEOUT: 10_000,
    # One to where nobody is ends after three seconds (since Linux 6.5: seven), and not after two minutes, in which it
    # would ask less and less often, and everything sent meanwhile would wait behind it.
    socket.TCP_SYNCNT: 1,
}
"""Of TCP and TLS (tcp(7)); PJSIP takes four at most."""
_CODECS = {"opus": "opus/48000", "g722": "G722/16000", "pcma": "PCMA/8000", "pcmu": "PCMU/8000"}
OPUS_LOSS_PCT = 10
"""What the encoder is to expect: the more, the more of its bits go into the copies."""
OPUS_COMPLEXITY = 5
"""0 to 10. Above 5 only a Pi 4 has the time, and nobody hears it."""
_NO_IPV6 = 0
"""PJSUA_IPV6_DISABLED of pjsua-lib/pjsua.h; the wrapper does not carry it."""
_BEEPS = ((660, 110, 90), (660, 110, 1690))
"""Hertz, milliseconds of sound, milliseconds of silence: soft and short, twice every two seconds."""
_SOFT = 5000
"""Of 32767: some 17 dB below full scale, because it comes unasked at an ear."""


def endpoint(pj: Any, settings: EngineSettings, writer: Any) -> Any:
    """Return the configuration of the whole library."""
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.uaConfig.maxCalls = limits.CALLS
    config.uaConfig.natTypeInSdp = 0
    config.uaConfig.userAgent = settings.user_agent
    config.medConfig.clockRate = config.medConfig.sndClockRate = settings.rate_hz
    config.medConfig.audioFramePtime = settings.period_ms
    # 20 ms with every codec we have, or what the far end asks for: a number here would overrule it.
    config.medConfig.ptime = 0
    # How the bridge gets from its rate to a codec's: 2 takes Speex's filter for telephony (3 ms each way at 8 kHz), the
    # usual 5 one of 16 ms each way (pjmedia/src/pjmedia/resample_speex.c), which nobody hears but in the delay.
    config.medConfig.quality = 2
    # Some PBXs hang up on silence.
    config.medConfig.noVad = True
    config.medConfig.ecTailLen = 0
    # Reading RTP must not wait for Python.
    config.medConfig.threadCnt = 1
    # Messages are there to be traced; nothing is made of them as long as PJLIB's own level is lower.
    config.logConfig.level = settings.trace_level
    config.logConfig.consoleLevel = max(settings.trace_level, trace.LEVEL)
    config.logConfig.msgLogging = True
    config.logConfig.writer = writer
    return config


def open_transports(pj: Any, library: Any, settings: EngineSettings) -> tuple[socket.AddressFamily, ...]:
    """Open one transport of each kind in use, on the port the daemon chose; return what they reach: IPv4, IPv6.

    That port is a random one, but the same for every engine, so that a registrar takes a new engine's Contact for the
    old one's and does not ring the dead.
    """
    kinds = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
    wanted = sorted({account.transport for account in settings.accounts} | {*settings.transports} or {"udp"})
    families = [socket.AF_INET6] if ":" in settings.bind else [socket.AF_INET]
    for kind in wanted:
        six = pj.PJSIP_TRANSPORT_IPV6 if ":" in settings.bind else 0
        library.transportCreate(kinds[kind] + six, _transport(pj, settings, kind))
    if not settings.bind:
        # Beside it, where this machine has IPv6 at all.
        try:
            for kind in wanted:
                library.transportCreate(kinds[kind] + pj.PJSIP_TRANSPORT_IPV6, _transport(pj, settings, kind))
            families.append(socket.AF_INET6)
        except pj.Error as error:
            print(f"no IPv6: {describe(error)}", file=sys.stderr)
    return tuple(families)


def open_tls(pj: Any, library: Any, settings: EngineSettings) -> dict[tls.Identity, int]:
    """Open a TLS transport for each CA file or certificate that not all accounts share; return their ids.

    An account is bound to such a one, and with it to one kind of address: its server's, or else IPv4.
    """
    accounts = [account for account in settings.accounts if account.transport == "tls"]
    opened: dict[tls.Identity, int] = {}
    if len({tls.identity(account) for account in accounts}) < 2:
        return opened
    for account in accounts:
        shown = tls.identity(account)
        if shown not in opened:
            six = pj.PJSIP_TRANSPORT_IPV6 if ":" in settings.bind or account.domain.startswith("[") else 0
            config = _transport(pj, settings, "tls", shown)
            opened[shown] = library.transportCreate(pj.PJSIP_TRANSPORT_TLS + six, config)
    return opened


def _transport(pj: Any, settings: EngineSettings, kind: str, shown: tls.Identity | None = None) -> Any:
    config = pj.TransportConfig()
    config.boundAddress = settings.bind
    # TLS is beside TCP, on the next number; it does not listen.
    config.port = settings.port + (kind == "tls") if settings.port else 0
    for name, value in _CONNECTIONS.items() if kind != "udp" else ():
        option = pj.SockOpt()
        option.level, option.optName = socket.IPPROTO_TCP, name
        option.setOptValInt(value)
        config.sockOptParams.sockOpts.append(option)
    if kind == "tls":
        usual = next(tls.identity(account) for account in settings.accounts if account.transport == "tls")
        tls.tls(pj, config, shown or usual)
    return config


def choose_codecs(library: Any, wanted: tuple[str, ...]) -> None:
    """Offer the wanted codecs in their order and no others."""
    order = {_CODECS[name].lower(): 200 - place for place, name in enumerate(wanted)}
    for codec in library.codecEnum2():
        name = "/".join(codec.codecId.split("/")[:2])
        library.codecSetPriority(codec.codecId, order.get(name.lower(), 0))


def tune_opus(library: Any) -> None:
    """Have Opus carry in each packet what the one before held (RFC 7587, in-band FEC), for a network that loses some.

    Its rate stays 48 kHz: PJSIP leaves the bits to Opus, which takes 51 kbit/s at this rate and 19 at our 16 kHz, where
    FEC's share is heard (PESQ 1.9 instead of 3.1).
    """
    config = library.getCodecOpusConfig()
    config.packet_loss, config.complexity = OPUS_LOSS_PCT, OPUS_COMPLEXITY
    library.setCodecOpusConfig(config)


def account(pj: Any, settings: AccountSettings, bind: str, key: str = "", instance: str = "") -> Any:
    """Return the configuration of one account; its registrar is told `key`.

    After libInit: before it, the session timer's values are zero. `instance` is the UUID of this door
    (`EngineSettings.instance`); empty: one of the machine's name.
    """
    config = pj.AccountConfig()
    config.idUri = settings.id_uri
    config.regConfig.registrarUri = settings.registrar_uri
    config.regConfig.registerOnAdd = False
    # Another setting alone sends nothing; when to register is the core's affair.
    config.regConfig.disableRegOnModify = True
    config.regConfig.timeoutSec = settings.expires_s
    if key:
        # In REGISTER alone: whoever is called, or calls, learns another Contact.
        config.regConfig.contactUriParams = f";{KEY_NAME}={key}"
    # The core retries, soon and for ever; PJSIP would wait five minutes, and give up after a 403.
    config.regConfig.retryIntervalSec = config.regConfig.firstRetryIntervalSec = 0
    config.regConfig.dropCallsOnFail = False
    config.presConfig.publishEnabled = settings.presence
    config.natConfig.iceEnabled = settings.ice
    # Both sides come to the best way by themselves; an offer more, in a call, is one more thing for a phone to refuse.
    config.natConfig.iceAlwaysUpdate = False
    if settings.turn:
        config.natConfig.turnEnabled = True
        config.natConfig.turnServer = settings.turn
        config.natConfig.turnUserName, config.natConfig.turnPassword = settings.turn_user, settings.turn_password
    if settings.user:
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", settings.user, 0, settings.password))
    if settings.proxy_uri:
        config.sipConfig.proxies.append(settings.proxy_uri)
    if settings.transport == "udp":
        # RFC 5626 is for connections; over UDP its ";ob" only confuses phones.
        config.natConfig.sipOutboundUse = 0
    # Unique and lasting (RFC 5626 section 4.1), and another for each account: two of one user and server would take the
    # place of each other. PJSIP would make it of this machine's name, which many machines have: "raspberrypi".
    door = uuid.UUID(instance) if instance else uuid.uuid5(uuid.NAMESPACE_DNS, socket.gethostname())
    config.natConfig.sipOutboundInstanceId = f"<{uuid.uuid5(door, settings.name).urn}>"
    if ":" in bind:
        config.sipConfig.ipv6Use = config.mediaConfig.ipv6Use = pj.PJSUA_IPV6_ENABLED_USE_IPV6_ONLY
    elif bind:
        # With ICE it would offer every IPv6 address of the machine, and name one of them as its own.
        config.mediaConfig.ipv6Use = _NO_IPV6
    # Where it is offered (RFC 5761), as by every browser: who says nothing of it gets two ports.
    config.mediaConfig.rtcpMuxEnabled = True
    # The sound that we send, silence too, holds a router's way open. PJSIP's own packets for that are empty ones of the
    # codec, of which Asterisk warns twice in each call.
    config.mediaConfig.streamKaEnabled = False
    config.mediaConfig.transportConfig.boundAddress = bind
    config.mediaConfig.transportConfig.port = random.randrange(RTP_PORTS.start, RTP_PORTS.stop - RTP_ROOM, 2)  # noqa: S311
    config.mediaConfig.transportConfig.portRange = RTP_ROOM
    tls.srtp(pj, config.mediaConfig, settings)
    return config


def call(pj: Any) -> Any:
    """Return the options of every call, made or answered."""
    options = pj.CallOpParam(True)
    options.opt.audioCount = 1
    # T.140 text is offered by default since 2.16, stalls hang-ups, and some servers refuse it with 488.
    options.opt.videoCount = options.opt.textCount = 0
    return options


def outgoing(pj: Any, account: AccountSettings, button: ButtonSettings | None) -> Any:
    """Return the options of a call that a button makes: who is shown, and how phones shall ring."""
    options = call(pj)
    shown = button.shown if button is not None else ""
    if shown:
        options.txOption.localUri = uri.sender(account, shown)
        _header(pj, options, "Subject", uri.unquoted(shown))
    if button is not None and button.ring:
        _header(pj, options, "Alert-Info", button.ring)
    if account.identity != "none":
        # RFC 3325 section 9.1 and 9.2: a trunk goes by these where it does not go by From.
        _header(pj, options, f"P-{account.identity.capitalize()}-Identity", options.txOption.localUri or account.id_uri)
    return options


def goodbye(pj: Any, code: int, *, elsewhere: bool) -> Any:
    """Return the options of an ending. Phones do not count a call as missed that somebody else took (RFC 3326)."""
    options = pj.CallOpParam()
    options.statusCode = code
    if elsewhere:
        _header(pj, options, "Reason", 'SIP;cause=200;text="Call completed elsewhere"')
    return options


def _header(pj: Any, options: Any, name: str, value: str) -> None:
    header = pj.SipHeader()
    header.hName, header.hValue = name, value
    options.txOption.headers.append(header)


def presence(pj: Any, *, busy: bool) -> Any:
    """Return what whoever watches the door is to see (RFC 3863, RFC 4480), in words that many phones know."""
    status = pj.PresenceStatus()
    status.status = pj.PJSUA_BUDDY_STATUS_ONLINE
    status.activity = pj.PJRPID_ACTIVITY_BUSY if busy else pj.PJRPID_ACTIVITY_UNKNOWN
    status.note = "On the phone" if busy else "Ready"
    return status


def network_change(pj: Any) -> Any:
    """Return what to do when the machine's addresses are others.

    Connections are closed, each registered account sends a REGISTER, and its calls a re-INVITE. The listeners stay:
    they listen on every address, the new one too, or on the one that the configuration names, which PJSIP would forget.
    """
    change = pj.IpChangeParam()
    change.restartListener = False
    change.shutdownTransport = True
    return change


def prompt(pj: Any, rate_hz: int) -> Any:
    """Return a generator that asks for a key to be pressed, over and over. Never free it: that corrupts the heap."""
    generator, beeps = pj.ToneGenerator(), pj.ToneDescVector()
    generator.createToneGenerator(rate_hz, 1)
    for hertz, on_ms, off_ms in _BEEPS:
        beep = pj.ToneDesc()
        beep.freq1, beep.freq2, beep.on_msec, beep.off_msec, beep.volume = hertz, 0, on_ms, off_ms, _SOFT
        beeps.append(beep)
    generator.play(beeps, True)
    return generator
