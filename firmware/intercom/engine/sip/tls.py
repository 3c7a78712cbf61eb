# SPDX-License-Identifier: GPL-2.0-or-later
"""What is encrypted, by which keys, and whom we believe: TLS (RFC 3261 section 26.3), SRTP (RFC 3711)."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from intercom.core.events import ConditionBegan, ConditionEnded, Event
from intercom.engine.sip.uri import guarded, host
from intercom.ipc.protocol import AccountSettings

if TYPE_CHECKING:
    from intercom.engine.sip.account import Line

SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
DAY_S = 86400.0
WARN_DAYS = 14
"""A certificate that ends sooner is told: most are renewed 30 days ahead, so this one probably was forgotten."""
FRESH_S = 40.0
"""How long a failed handshake explains why a request got nowhere, in seconds: no request takes longer."""

NAMES_SHOWN = 3
"""Of those that a refused certificate holds."""

Identity = tuple[str, str, str]
"""CA, certificate and key file: what accounts must share to share a transport."""


def identity(account: AccountSettings) -> Identity:
    """Return what an account shows and believes."""
    return account.ca_file, account.cert_file, account.key_file


def tls(pj: Any, config: Any, account: Identity) -> None:
    """Set a TLS transport up. A certificate counts when its chain ends at an authority, its dates and its name fit."""
    ca_file, cert_file, key_file = account
    config.tlsConfig.verifyServer = True
    config.tlsConfig.CaListFile = ca_file or SYSTEM_CAS
    config.tlsConfig.certFile, config.tlsConfig.privKeyFile = cert_file, key_file
    config.tlsConfig.proto = pj.PJ_SSL_SOCK_PROTO_TLS1_2 | pj.PJ_SSL_SOCK_PROTO_TLS1_3


def srtp(pj: Any, media: Any, account: AccountSettings) -> None:
    """Set an account's sound up: in the clear, encrypted where the other side can, or encrypted or not at all."""
    media.srtpUse = {
        "off": pj.PJMEDIA_SRTP_DISABLED,
        "optional": pj.PJMEDIA_SRTP_OPTIONAL,
        "required": pj.PJMEDIA_SRTP_MANDATORY,
    }[account.srtp]
    # The first one is offered; an offer of either kind is answered in kind.
    kinds = [pj.PJMEDIA_SRTP_KEYING_SDES, pj.PJMEDIA_SRTP_KEYING_DTLS_SRTP]
    for kind in kinds if account.srtp_keys == "sdes" else reversed(kinds):
        media.srtpOpt.keyings.append(kind)
    # An answer with several codecs is a good one (RFC 3264 section 5.1). PJSIP would ask for one of them, right behind
    # the ACK: many a phone never answers that, and the call ended after 32 s. Linphone answers with no fingerprint.
    media.lockCodecEnabled = False
    # SDES puts the key into the SDP, which is only a secret where the signalling is.
    media.srtpSecureSignaling = 1 if account.transport == "tls" else 0


def refusal(messages: list[str], names: list[str]) -> str:
    """Return why a certificate for these names was not believed."""
    why = "; ".join(message.rstrip(".") for message in messages)
    if any("identit" in message for message in messages):
        shown = ", ".join(name[:60] for name in names[:NAMES_SHOWN] if name) or "nobody"
        why += f": it is for {shown}"
        if any(name.startswith("*.") for name in names):
            # RFC 6125 allows them to others; whoever has the key of one host would be all of them.
            why += "; SIP takes no wildcard (RFC 5922 section 7.2)"
    return f"certificate refused: {why}"


class Handshakes:
    """What `engine/sip/user_agent.py` makes a `pj.Endpoint` of: the callback that tells of connections."""

    pj: Any
    """The library; `engine/sip/user_agent.py` alone imports it."""

    def __init__(self, certificates: "Certificates", lines: Mapping[str, "Line"]) -> None:
        self._certificates, self._lines = certificates, lines
        self._open: set[int] = set()
        """Connections that came about, by PJSIP's handles."""

    @guarded
    def onTransportState(self, prm: Any) -> None:  # noqa: D102, N802  (PJSUA2 names and documents it)
        handle = int(prm.hnd)
        if prm.state == self.pj.PJSIP_TP_STATE_CONNECTED:
            self._open.add(handle)
        elif prm.state == self.pj.PJSIP_TP_STATE_DISCONNECTED and handle in self._open:
            self._open.remove(handle)
            for line in self._lines.values():
                line.connection_lost(handle)
        info = prm.tlsInfo
        if info.isEmpty():
            return
        if prm.state == self.pj.PJSIP_TP_STATE_CONNECTED:
            self._certificates.seen(host(info.remoteAddr), float(info.remoteCertInfo.validityEnd.sec))
        elif info.verifyStatus:
            names = [one.name for one in info.remoteCertInfo.subjectAltName] or [info.remoteCertInfo.subjectCn]
            self._certificates.refused(refusal(list(info.verifyMsgs), names))


class Certificates:
    """What servers have shown: until when their certificates are valid, and why one was not believed."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}
        self._failed: tuple[float, str] = (-FRESH_S, "")
        self._told: dict[str, str] = {}

    def seen(self, address: str, end: float) -> None:
        """Note the end of a certificate that the server at an IP address showed, in seconds of the epoch."""
        self._ends[address] = end

    def refused(self, why: str) -> None:
        """Note that a server's certificate was not believed."""
        self._failed = time.monotonic(), why

    def fault(self) -> str:
        """Return why a handshake failed just now; nothing when none has."""
        at, why = self._failed
        return why if time.monotonic() - at < FRESH_S else ""

    def news(self, servers: Mapping[str, str], now: float) -> list[Event]:
        """Return the conditions that began, changed or ended. `servers` are accounts and their servers' addresses."""
        events: list[Event] = []
        for name, address in servers.items():
            detail = _ending(self._ends.get(address), now)
            if detail and detail != self._told.get(name):
                self._told[name] = detail
                events.append(ConditionBegan(f"certificate {name}", detail))
            elif not detail and self._told.pop(name, ""):
                events.append(ConditionEnded(f"certificate {name}"))
        return events


def _ending(end: float | None, now: float) -> str:
    if end is None or end - now > WARN_DAYS * DAY_S:
        return ""
    day = time.strftime("%Y-%m-%d", time.gmtime(end))
    if end < now:
        return f"the server's certificate ended on {day}: its owner has to renew it"
    return f"the server's certificate ends on {day}, in {(end - now) / DAY_S:.0f} days: its owner has to renew it"
