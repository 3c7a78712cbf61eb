# SPDX-License-Identifier: GPL-2.0-or-later
# ruff: noqa: D102, N802  (the callbacks are PJSUA2's: it names and documents them)
"""One leg: what PJSIP tells of a call, as events."""

import sys
import time
from typing import TYPE_CHECKING, Any

from intercom.core.commands import PlaceCall
from intercom.core.events import (
    CallAnswered,
    CallEnded,
    CallProgressed,
    CallRedirected,
    CallSent,
    DigitReceived,
    EarlyMediaBegan,
    EarlyMediaEnded,
    KeysUnread,
    StreamMeasured,
)
from intercom.engine.sip import uri
from intercom.engine.sip.dtmf_sender import Keys
from intercom.engine.sip.native import Figures
from intercom.engine.sip.rtp_activity import GONE_S, Flow, RtpActivity
from intercom.engine.sip.uri import describe, guarded

if TYPE_CHECKING:
    from intercom.engine.sip.user_agent import Telephone

LOOK_S = 0.1
"""How often to look whether sound flows before the answer."""
NOTHING = Figures(*(0 for _ in Figures._fields))
_DECODING = 2
"""PJMEDIA_DIR_DECODING of pjmedia/types.h: the far end has not said that it will send nothing."""
_SERVER = 1
"""PJSIP_ROLE_UAS of pjsip/sip_types.h; the wrapper does not carry it."""
_DTMF_IS_UPDATE = 1
"""PJMEDIA_STREAM_DTMF_IS_UPDATE of pjmedia/stream.h; the wrapper does not carry it."""


class Leg:
    """What `engine/sip/user_agent.py` makes a `pj.Call` of: the callbacks, and what is known of the leg."""

    pj: Any
    """The library; `engine/sip/user_agent.py` alone imports it."""
    getInfo: Any  # noqa: N815
    getAudioMedia: Any  # noqa: N815
    dialDtmf: Any  # noqa: N815
    sendDtmf: Any  # noqa: N815
    getStreamInfo: Any  # noqa: N815
    getStreamStat: Any  # noqa: N815
    getMedTransportInfo: Any  # noqa: N815
    getId: Any  # noqa: N815

    def __init__(self, phone: "Telephone", leg: str, incoming: bool) -> None:
        self.phone, self.leg, self.incoming = phone, leg, incoming
        self.listens = self.speaks = self.prompted = False
        self.order: PlaceCall | None = None
        """What it was placed by, until its INVITE has been sent."""
        self.moved = False
        """Whether our address changed while it was up: PJSIP gives up with a 410 what has not been answered."""
        self.given_up = ""
        """Why we end it ourselves; nothing as long as we do not."""
        self.contacts: list[str] = []
        """Whom the far end named instead of itself."""
        self.keys = Keys("", 0.0)
        """What it is still to be sent of keys."""
        self.stillness, self.quiet = RtpActivity(), RtpActivity()
        self.flow, self.told_again_at = Flow(), 0.0
        self.looks_at: float | None = 0.0
        """When to look next whether sound flows before the answer; None once it is answered."""
        self.unread = False
        """Whether keys of its that cannot be read were told."""
        self.in_clear = True
        """Whether its sound may be sent unencrypted."""
        self.in_band = False
        """Whether keys count that come as tones in its sound."""
        self.asked = False
        """Whether it is to press a key before it is connected with anybody."""

    @guarded
    def onCallState(self, _: Any) -> None:
        info = self.getInfo()
        if info.state == self.pj.PJSIP_INV_STATE_CALLING:
            self.order = None
            self.phone.post(CallSent(self.leg))
        elif info.state == self.pj.PJSIP_INV_STATE_EARLY and not self.incoming:
            self.phone.post(CallProgressed(self.leg, info.lastStatusCode))
        elif info.state == self.pj.PJSIP_INV_STATE_CONFIRMED:
            self.looks_at = None
            self.phone.post(CallAnswered(self.leg))
        elif info.state == self.pj.PJSIP_INV_STATE_DISCONNECTED:
            given_up = self.moved and info.lastStatusCode == self.pj.PJSIP_SC_GONE
            code, reason = (503, "the network changed") if given_up else (info.lastStatusCode, info.lastReason)
            if self.given_up:
                code, reason = 500, self.given_up
            elif code == self.pj.PJSIP_SC_NOT_ACCEPTABLE_HERE and not self.in_clear:
                reason = f"{reason}: the sound would not be encrypted"
            elif code == self.pj.PJSIP_SC_NOT_ACCEPTABLE_HERE and self.phone.unknown_name:
                reason = f"{reason}: {self.phone.unknown_name!r} is a name that nobody knows"
                self.phone.unknown_name = ""
            if self.order is not None and not self.given_up and self.phone.place_again(self.order, reason):
                self.phone.bury(self)
                return
            if code // 100 == 3 and self.contacts:
                self.phone.post(CallRedirected(self.leg, code, tuple(self.contacts)))
            else:
                self.phone.post(CallEnded(self.leg, code, reason))
            self.phone.bury(self)

    @guarded
    def onCallTsxState(self, prm: Any) -> None:
        # A 100 changes no state of the call, but it is the first sign that a server is there.
        tsx = prm.e.body.tsxState.tsx
        if tsx.method == "INVITE" and tsx.statusCode == 100 and not self.incoming:
            self.phone.post(CallProgressed(self.leg, 100))
        elif tsx.method == "INFO" and tsx.role == _SERVER and tsx.statusCode // 100 in (4, 5):
            self._tell_unread("SIP INFO")

    @guarded
    def onCallMediaState(self, _: Any) -> None:
        # A re-INVITE may have moved the stream to another slot of the bridge: nothing is connected any more.
        self.listens = self.speaks = self.prompted = False
        self.phone.connect(self)

    @guarded
    def onStreamDestroyed(self, _: Any) -> None:
        # At the end of a call, before onCallState tells of it; a re-INVITE ends a stream too.
        self.measure()

    @guarded
    def onDtmfEvent(self, prm: Any) -> None:
        # One event per key: updates and the end of an RFC 4733 event repeat its beginning.
        if not prm.flags & _DTMF_IS_UPDATE:
            method = "SIP INFO" if prm.method == self.pj.PJSUA_DTMF_METHOD_SIP_INFO else "RFC 4733"
            self.phone.post(DigitReceived(self.leg, prm.digit, method))

    def onCallRedirected(self, prm: Any) -> Any:
        # PJSIP brings one address after the other, the best first. None is followed here: the core places the call.
        # Not guarded: PJSIP wants an answer, and this one cannot fail.
        self.contacts.append(uri.bare(str(prm.targetUri)))
        return self.pj.PJSIP_REDIRECT_REJECT

    @guarded
    def onCallTransferRequest(self, prm: Any) -> None:
        # Left alone, PJSUA2 dials whomever the far end names.
        prm.statusCode = self.pj.PJSIP_SC_DECLINE

    @guarded
    def onCallReplaceRequest(self, prm: Any) -> None:
        prm.statusCode = self.pj.PJSIP_SC_DECLINE

    def spoilt(self, reason: str) -> None:
        """Note that something of this leg failed: it is ended outside all callbacks, and the others live."""
        self.phone.spoilt(self.leg, reason)

    def press(self, now: float) -> None:
        """Send the key that is due, if there is one: by RFC 4733, or by INFO to a far end that does not take that."""
        key = self.keys.due(now)
        if not key:
            return
        try:
            self.dialDtmf(key)
        except self.pj.Error:
            order = self.pj.CallSendDtmfParam()
            order.method, order.digits = self.pj.PJSUA_DTMF_METHOD_SIP_INFO, key
            try:
                self.sendDtmf(order)
            except self.pj.Error as error:
                print(f"a key was not sent: {describe(error)}", file=sys.stderr)

    def look(self, now: float) -> None:
        """Tell when sound of the far end's own begins or stops before the answer."""
        if self.incoming or self.looks_at is None or now < self.looks_at:
            return
        self.looks_at = now + LOOK_S
        figures = self.phone.figures(self)
        changed = self.flow.look(figures.received if figures else 0, now)
        if self.flow.flows and (changed or now >= self.told_again_at):
            self.told_again_at = now + GONE_S
            self.phone.post(EarlyMediaBegan(self.leg))
        elif changed:
            self.phone.post(EarlyMediaEnded(self.leg))

    def _tell_unread(self, method: str) -> None:
        if not self.unread:
            self.unread = True
            self.phone.post(KeysUnread(self.leg, method))

    def measure(self) -> None:
        """Tell how the stream fares, of a leg that is connected with the card."""
        if not (self.listens or self.speaks):
            return
        info = self.getInfo()  # kept: `media` is a part of it
        for index, media in enumerate(info.media):
            if media.type == self.pj.PJMEDIA_TYPE_AUDIO and media.status != self.pj.PJSUA_CALL_MEDIA_NONE:
                held = media.status != self.pj.PJSUA_CALL_MEDIA_ACTIVE or not media.dir & _DECODING
                self.phone.post(self._measured(index, held))
                return

    def _measured(self, index: int, held: bool) -> StreamMeasured:
        stream, transport = self.getStreamInfo(index), self.getMedTransportInfo(index)
        stat = self.getStreamStat(index)
        ours, theirs, buffer = stat.rtcp.txStat, stat.rtcp.rxStat, stat.jbuf
        figures, now = self.phone.figures(self) or NOTHING, time.monotonic()
        if figures.unread_keys:
            self._tell_unread("RFC 4733")
        return StreamMeasured(
            leg=self.leg,
            codec=stream.codecName.lower(),
            held=held,
            sent=ours.pkt,
            received=theirs.pkt,
            # What the jitter buffer throws away came too late.
            lost=theirs.loss + buffer.discard,
            lost_there=ours.loss,
            still_s=self.stillness.since(theirs.pkt, now=now, held=held),
            quiet_s=self.quiet.since(theirs.pkt, figures.reports, now=now, held=held),
            reports=figures.reports,
            strangers=figures.strangers,
            pausing=bool(figures.pausing),
            sealed=figures.sealed,
            buffer_ms=float(buffer.avgDelayMsec),
            jitter_ms=round(theirs.jitterUsec.mean / 1000, 2),
            round_trip_ms=round(stat.rtcp.rttUsec.mean / 1000, 2),
            source=transport.srcRtpName if theirs.pkt else "",
            expected=stream.remoteRtpAddress,
        )

    def audio(self) -> Any:
        """Return the stream's place in the bridge, or None while there is no sound either way.

        A stream of direction "inactive" (RFC 4566 section 6) has no place there, whatever its status says.
        """
        info = self.getInfo()
        for index, media in enumerate(info.media):
            active = media.status in (self.pj.PJSUA_CALL_MEDIA_ACTIVE, self.pj.PJSUA_CALL_MEDIA_REMOTE_HOLD)
            placed = media.audioConfSlot != self.pj.PJSUA_INVALID_ID
            if media.type == self.pj.PJMEDIA_TYPE_AUDIO and active and placed:
                return self.getAudioMedia(index)
        return None
