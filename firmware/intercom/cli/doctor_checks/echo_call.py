# SPDX-License-Identifier: GPL-2.0-or-later
"""A call of `intercom doctor` to the service's echo number, to hear whether sound goes both ways."""

import math
import re
import secrets
import select
import socket
import struct
import time
from dataclasses import dataclass

from intercom.cli.doctor_checks.sip_client import Answer, SipClient, SipError, credentials

PACKET_S, SAMPLES = 0.02, 160
SOUND_S, TAIL_S = 2.0, 0.5
RING_S = 20.0
_AUTHENTICATE = (401, 407)


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back."""

    sent: int
    received: int
    source: str
    """Where it came from, "192.0.2.1:4000"; empty for nowhere."""
    told: str
    """Where the answer said that it would be."""


def echo(client: SipClient, me: str, uri: str, user: str, password: str) -> Heard:
    """Call, speak for two seconds, listen, hang up. Raises SipError with the answer when nobody takes the call."""
    with socket.socket(socket.AF_INET6 if ":" in client.own else socket.AF_INET, socket.SOCK_DGRAM) as sound:
        sound.bind((client.own, 0))
        offer = _offer(client.own, sound.getsockname()[1])
        more: tuple[str, ...] = ("Content-Type: application/sdp",)
        answer = _invite(client, uri, me, more, offer)
        if answer.code in _AUTHENTICATE:
            more += (credentials(answer, "INVITE", uri, user, password),)
            answer = _invite(client, uri, me, more, offer)
        if answer.code != 200:
            raise SipError(f"{answer.code} {answer.reason}")
        to, routes = (
            answer.first("to"),
            tuple(f"Route: {route}" for route in answer.headers.get("record-route", [])[::-1]),
        )
        contact = re.search(r"<([^>]+)>|^([^;\s]+)", answer.first("contact"))
        remote = next(filter(None, contact.groups()), uri) if contact else uri
        client.send("ACK", remote, me=me, to=to, more=routes, cseq=client.last_cseq)
        try:
            return _speak(sound, *_place(answer.body))
        finally:
            client.ask("BYE", remote, me=me, to=to, more=routes)


def _invite(client: SipClient, uri: str, me: str, more: tuple[str, ...], offer: str) -> Answer:
    answer = client.ask("INVITE", uri, me=me, to=f"<{uri}>", more=more, body=offer, patience_s=RING_S)
    if answer.code >= 300:
        # Belongs to the INVITE itself: the same branch and number (RFC 3261 section 17.1.1.3).
        client.acknowledge(uri, answer)
    return answer


def _offer(own: str, port: int) -> str:
    family = "IP6" if ":" in own else "IP4"
    lines = (
        "v=0", f"o=- 1 1 IN {family} {own}", "s=-", f"c=IN {family} {own}", "t=0 0",
        f"m=audio {port} RTP/AVP 0 8", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=ptime:20", "a=sendrecv",
    )  # fmt: skip
    return "\r\n".join(lines) + "\r\n"


def _place(sdp: str) -> tuple[str, int, int]:
    """Return address, port and payload type of an answer (RFC 8866)."""
    media = re.search(r"^m=audio (\d+) \S+ (\d+)", sdp, re.MULTILINE)
    address = re.findall(r"^c=IN IP[46] (\S+)", sdp, re.MULTILINE)
    if media is None or not address:
        raise SipError("the answer has no sound in it (no m=audio or c= in its SDP)")
    return address[-1].split("/")[0], int(media[1]), int(media[2])


def _speak(sound: socket.socket, address: str, port: int, payload_type: int) -> Heard:
    """Send a tone and count what comes back, as long as the call lasts."""
    sent = received = 0
    source, ssrc, stamp = "", secrets.randbits(32), secrets.randbits(31)
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < SOUND_S + TAIL_S:
        due = sent * PACKET_S
        if elapsed >= due and due < SOUND_S:
            header = struct.pack(
                ">BBHII", 0x80, payload_type, sent & 0xFFFF, (stamp + sent * SAMPLES) & 0xFFFFFFFF, ssrc
            )
            sound.sendto(header + _tone(sent), (address, port))
            sent += 1
            continue
        wait = (due if due < SOUND_S else SOUND_S + TAIL_S) - elapsed
        if select.select([sound], [], [], max(0.0, wait))[0]:
            packet, place = sound.recvfrom(2048)
            if len(packet) > 12 and packet[0] >> 6 == 2 and not 72 <= packet[1] & 0x7F <= 76:  # RTP, not RTCP
                received, source = received + 1, f"{place[0]}:{place[1]}"
    return Heard(sent, received, source, f"{address}:{port}")


def _tone(number: int) -> bytes:
    """Return a packet of 400 Hz in G.711 µ-law (ITU-T G.711)."""
    first = number * SAMPLES
    return bytes(_mu_law(int(8000 * math.sin(2 * math.pi * 400 * n / 8000))) for n in range(first, first + SAMPLES))


def _mu_law(sample: int) -> int:
    sign, level = (0x80, -sample) if sample < 0 else (0, sample)
    level = min(level, 32635) + 132
    exponent = level.bit_length() - 8
    return ~(sign | exponent << 4 | level >> (exponent + 3) & 0x0F) & 0xFF
