"""The house's phone, as the benchmark wants it: says a script on an exact clock, over a network as bad as asked for.

A process of its own, so that nothing else disturbs its 20 ms. One call at a time, PCMU or Opus (Debian's libopus, in
its own rate of 16 kHz). It either says its script or, as an echo, sends every packet back as soon as it comes.
"""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import multiprocessing
import random
import re
import select
import signal
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from contract.sip_peers import Request
from numpy.typing import NDArray

RATE, PACKET_S = 16000, 0.02
IP, SIP_PORT, RTP_PORT = "127.0.0.50", 5060, 30000
ADDRESS = f"sip:house@{IP}:{SIP_PORT}"
Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Weather:
    """How the network is from a moment of the script on: for what the far end sends."""

    from_s: float = 0.0
    loss: float = 0.0
    """Share of packets that are lost, at random."""
    jitter_ms: float = 0.0
    """Packets are late by up to twice this, evenly spread."""


class FarEnd:
    """The process, and orders to it."""

    def __init__(self, codec: str) -> None:
        """`codec` is "pcmu" or "opus"."""
        context = multiprocessing.get_context("spawn")
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=_serve, args=(far, codec), daemon=True)
        self._process.start()
        far.close()
        self._ask("ready", seconds=30)

    def echo(self) -> None:
        """Send back whatever comes."""
        self._ask("echo")

    def say(self, script: Samples, weather: Sequence[Weather] = (Weather(),)) -> float:
        """Say this from now on; return the monotonic time of its first sample."""
        return float(self._ask("say", script, tuple(weather)))

    def heard(self) -> tuple[Samples, float]:
        """What has come so far, and the monotonic time at which the first sample of it came."""
        samples, at = self._ask("heard")
        return samples, at

    def in_call(self) -> bool:
        """Whether a call is up and sound comes."""
        return bool(self._ask("in_call"))

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.join(5)

    def _ask(self, *order: object, seconds: float = 10.0) -> Any:
        self._pipe.send(order)
        if not self._pipe.poll(seconds):
            raise TimeoutError(f"the far end does not answer {order[0]}")
        return self._pipe.recv()


def _serve(pipe: Connection, codec: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us, who ends us as well
    with contextlib.suppress(EOFError):  # whoever started us is gone
        _Phone(pipe, codec).run()


class _Phone:
    """The far end's own loop: SIP, RTP, orders, and a packet every 20 ms."""

    def __init__(self, pipe: Connection, codec: str) -> None:
        self._pipe = pipe
        self._opus = _Opus() if codec == "opus" else None
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.bind((IP, SIP_PORT))
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.bind((IP, RTP_PORT))
        self._peer: tuple[str, int] | None = None
        self._payload_type = 0
        self._echoes = False
        self._script: Samples = np.zeros(0, np.int16)
        self._weather: tuple[Weather, ...] = (Weather(),)
        self._began, self._sent, self._number = 0.0, 0, 0
        self._late: list[tuple[float, int, bytes]] = []
        self._heard: list[Samples] = []
        self._heard_at = 0.0
        self._next_stamp: int | None = None
        self._chance = random.Random(7)

    def run(self) -> None:
        due = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= due:
                due += PACKET_S
                if self._peer and not self._echoes:
                    self._speak(now)
            while self._late and self._late[0][0] <= now:
                self._rtp.sendto(heapq.heappop(self._late)[2], self._peer or (IP, 9))
            until = min(due, self._late[0][0] if self._late else due)
            ready, _, _ = select.select([self._sip, self._rtp, self._pipe], [], [], max(0.0, until - time.monotonic()))
            if self._rtp in ready:
                self._listen(self._rtp.recv(2048))
            if self._sip in ready:
                self._signal(*self._sip.recvfrom(65536))
            if self._pipe in ready:
                order, *values = self._pipe.recv()
                self._pipe.send(getattr(self, f"do_{order}")(*values))

    def do_ready(self) -> bool:
        return True

    def do_in_call(self) -> bool:
        return self._peer is not None and bool(self._heard)

    def do_echo(self) -> bool:
        self._echoes = True
        return True

    def do_say(self, script: Samples, weather: tuple[Weather, ...]) -> float:
        self._script, self._weather, self._sent, self._began = script, weather, 0, time.monotonic()
        return self._began

    def do_heard(self) -> tuple[Samples, float]:
        return (np.concatenate(self._heard) if self._heard else np.zeros(0, np.int16)), self._heard_at

    def _signal(self, data: bytes, source: tuple[str, int]) -> None:
        if data.startswith(b"SIP/2.0") or not data.strip():
            return
        request = Request(data, source)
        if request.method == "ACK":
            return
        if request.method == "INVITE" and request.body:
            self._sip.sendto(request.answer(200, f"Contact: <{ADDRESS}>\r\n", self._answer(request.body)), source)
            return
        if request.method == "BYE":
            self._peer = None
        self._sip.sendto(request.answer(200), source)

    def _answer(self, offer: str) -> str:
        ip, port = re.search(r"c=IN IP4 (\S+)", offer), re.search(r"m=audio (\d+)", offer)
        name, rate, form = ("opus", "48000/2", r"opus/48000/2") if self._opus else ("PCMU", "8000", r"PCMU/8000")
        found = re.search(rf"a=rtpmap:(\d+) {form}", offer, re.IGNORECASE)
        self._payload_type = int(found[1]) if found else 0
        if self._peer is None:
            self._heard, self._next_stamp = [], None
        if ip and port:
            self._peer = ip[1], int(port[1])
        kind = self._payload_type
        fec = f"a=fmtp:{kind} useinbandfec=1\r\n" if self._opus else ""
        return (
            f"v=0\r\no=- 1 1 IN IP4 {IP}\r\ns=-\r\nc=IN IP4 {IP}\r\nt=0 0\r\nm=audio {RTP_PORT} RTP/AVP {kind}\r\n"
            f"a=rtpmap:{kind} {name}/{rate}\r\n{fec}a=ptime:20\r\n"
        )

    def _speak(self, now: float) -> None:
        size = round(RATE * PACKET_S)
        part = self._script[self._sent * size : (self._sent + 1) * size]
        frame = np.zeros(size, np.int16)
        frame[: len(part)] = part
        payload = self._opus.encode(frame) if self._opus else _to_ulaw(_halved(frame))
        ticks = 960 if self._opus else 160
        header = struct.pack(
            ">BBHII", 0x80, self._payload_type, self._number & 0xFFFF, self._number * ticks & 0xFFFFFFFF, 0x484F5553
        )
        weather = [each for each in self._weather if each.from_s <= self._sent * PACKET_S][-1]
        self._sent += 1
        self._number += 1
        if self._chance.random() >= weather.loss:
            late = self._chance.uniform(0, 2 * weather.jitter_ms) / 1000
            heapq.heappush(self._late, (now + late, self._number, header + payload))

    def _listen(self, packet: bytes) -> None:
        if len(packet) <= 12 or packet[1] & 0x7F != self._payload_type:
            return
        if self._echoes and self._peer:
            self._rtp.sendto(packet, self._peer)
        stamp = struct.unpack(">I", packet[4:8])[0]
        if not self._heard:
            self._heard_at = time.monotonic()
        frame = self._opus.decode(packet[12:]) if self._opus else _doubled(_from_ulaw(packet[12:]))
        # A gap in the time stamps is one in the sound: what follows must stay in its place.
        gap = 0 if self._next_stamp is None else (stamp - self._next_stamp) & 0xFFFFFFFF
        per_tick = 1 / 3 if self._opus else 2
        if 0 < gap < 48000 * 5:
            self._heard.append(np.zeros(round(gap * per_tick), np.int16))
        self._heard.append(frame)
        self._next_stamp = (stamp + round(len(frame) / per_tick)) & 0xFFFFFFFF


class _Opus:
    """libopus at 16 kHz mono, with in-band FEC for 15 % of loss (opus_defines.h)."""

    def __init__(self) -> None:
        library = ctypes.CDLL("libopus.so.0")
        for name in ("opus_encoder_create", "opus_decoder_create"):
            getattr(library, name).restype = ctypes.c_void_p
        error = ctypes.c_int()
        self._encoder = ctypes.c_void_p(library.opus_encoder_create(RATE, 1, 2048, ctypes.byref(error)))
        self._decoder = ctypes.c_void_p(library.opus_decoder_create(RATE, 1, ctypes.byref(error)))
        for request, value in ((4002, 32000), (4012, 1), (4014, 15)):
            library.opus_encoder_ctl(self._encoder, request, ctypes.c_int(value))
        self._library = library
        self._packet, self._sound = ctypes.create_string_buffer(1500), np.zeros(5760, np.int16)

    def encode(self, frame: Samples) -> bytes:
        at = frame.ctypes.data_as(ctypes.c_void_p)
        size = self._library.opus_encode(self._encoder, at, len(frame), self._packet, len(self._packet))
        return self._packet.raw[:size]

    def decode(self, payload: bytes) -> Samples:
        at = self._sound.ctypes.data_as(ctypes.c_void_p)
        count = self._library.opus_decode(self._decoder, payload, len(payload), at, len(self._sound), 0)
        return self._sound[: max(count, 0)].copy()


def _halved(frame: Samples) -> Samples:
    return ((frame[::2].astype(np.int32) + frame[1::2]) // 2).astype(np.int16)


def _doubled(frame: Samples) -> Samples:
    return np.repeat(frame, 2)


def _ulaw_table() -> Samples:
    """ITU-T G.711, table 2a: byte -> level."""
    code = ~np.arange(256) & 0xFF
    level = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -level, level).astype(np.int16)


_LEVELS = _ulaw_table()
_ORDER = np.argsort(_LEVELS, kind="stable")
_SORTED = _LEVELS[_ORDER].astype(np.int32)


def _from_ulaw(payload: bytes) -> Samples:
    return _LEVELS[np.frombuffer(payload, np.uint8)]


def _to_ulaw(frame: Samples) -> bytes:
    wide = frame.astype(np.int32)
    above = np.clip(np.searchsorted(_SORTED, wide), 1, 255)
    nearer = np.where(wide - _SORTED[above - 1] <= _SORTED[above] - wide, above - 1, above)
    return _ORDER[nearer].astype(np.uint8).tobytes()
