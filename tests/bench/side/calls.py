"""A conversation: how soon after the answer each side hears the other, and what it costs."""

from __future__ import annotations

import time
from collections import defaultdict

import numpy as np
from bench.side import counters
from bench.side.contestants import Contestant, GpioBaresip, Intercom, Loop, dark
from bench.side.figures import BARESIP, OURS
from bench.side.rounds import Book, enter
from bench.side.site import Site
from bench.side.wire import Packet, Wire

from lab.baresip import Phone
from lab.house import House, stopping
from lab.processes import LabError
from lab.tones import Samples, chirp

RING_S, TALK_S = 0.7, 2.0
LOUD = 0.01
"""Of full scale, as power above 1 kHz or as a sample: far above noise and ringback, far below our sweeps."""
RTP_HEADER = 12
Heard = tuple[float, float]


def never_still(seconds: float) -> Samples:
    """Return sweeps without a pause: no suppressor takes them for noise, and no moment of them is silent."""
    one = chirp()
    return np.tile(one, round(seconds * 16000 / len(one)))


def measure(site: Site, _: int) -> None:
    """Conversations: ours, baresip's, ours without what takes the echo and the noise out; the loop's, for its cost."""
    with stopping(site.house.phone(codecs=("pcmu",), voice=never_still(120))) as phone:
        bare = Intercom(site.house, site.folder / "bare", edit=without_canceller)
        loop = Loop(site.house, site.folder / "loop")
        for who in (
            Intercom(site.house, site.folder / "intercom"),
            GpioBaresip(site.house, site.folder / "baresip"),
            bare,
            loop,
        ):
            site.say(f"  {who.name}{', without canceller' if who is bare else ''}")
            began = time.monotonic()
            who.begin()
            site.wire.registered(who.ip, began, 20)
            time.sleep(1)
            kept: Book = defaultdict(dict)
            calls = Calls(site.wire, site.house, phone, kept)
            if who is loop:
                calls.cost(who, site.extent.call_s)
            else:
                calls.answers(who, site.extent.calls, site.extent.call_s)
            who.stop()
            if who is bare:
                site.book["call-cpu-bare"] = {OURS: kept["call-cpu"][OURS]}
            else:
                for key, figures in kept.items():
                    site.book[key].update(figures)
        # The loop has no sound at all, so what it takes says nothing of this.
        site.book["call-cpu-bare"][BARESIP] = site.book["call-cpu"][BARESIP]


def without_canceller(configuration: str) -> str:
    """Edit a configuration so."""
    return dark(configuration).replace("[sound]", "[sound]\necho_cancelling = false")


class Calls:
    """Calls of one contestant, with PCMU, whose samples can be read on the wire."""

    def __init__(self, wire: Wire, house: House, phone: Phone, book: Book) -> None:
        self.wire, self.house, self.phone, self.book = wire, house, phone, book

    def answers(self, who: Contestant, times: int, measured_s: float) -> None:
        """Call some times; the last call lasts, and tells what it costs."""
        self.house.room.say(never_still(60), loop=True)
        try:
            for turn in range(times):
                heard = self._call(who, measured_s if turn == times - 1 else TALK_S)
                for key, value in zip(("answer-out", "answer-in"), heard, strict=True):
                    enter(self.book, key, who.name, value)
        finally:
            self.wire.sound = False
            self.house.room.hush()

    def cost(self, who: Contestant, seconds: float) -> None:
        """Call once, and measure only what it costs: there is no sound of it to wait for."""
        edge, _ = self._answered(who)
        time.sleep(TALK_S)
        self._use(who, seconds)
        self._end(who, edge)

    def _call(self, who: Contestant, seconds: float) -> Heard:
        edge, answered = self._answered(who)
        sent = self.wire.await_(
            lambda packet: packet.source == who.ip and _loud(packet), 5, answered, f"sound of {who.name}"
        ).at
        time.sleep(TALK_S)
        if seconds > TALK_S:
            self._use(who, seconds - TALK_S)
        first = self._in(answered, who)
        self._end(who, edge)
        return 1000 * (sent - answered), 1000 * (first - answered)

    def _answered(self, who: Contestant) -> tuple[float, float]:
        """Press, let it ring, answer; return when it was pressed, and when the answer came."""
        who.await_idle()
        self.wire.forget()
        self.wire.sound = True
        edge = who.press()
        self.phone.await_event("CALL_INCOMING", since=edge)
        time.sleep(RING_S)
        self.phone.answer()
        answer = self.wire.await_(
            lambda packet: packet.target == who.ip and packet.is_("SIP/2.0 200", "INVITE"), 5, edge, "200"
        )
        return edge, answer.at

    def _use(self, who: Contestant, seconds: float) -> None:
        self.wire.sound = False
        pids = who.pids()
        before = counters.use(pids)
        time.sleep(seconds)
        enter(self.book, "call-cpu", who.name, before.until(counters.use(pids))[0])
        enter(self.book, "call-memory", who.name, counters.resident_mb(pids))

    def _end(self, who: Contestant, edge: float) -> None:
        self.phone.hang_up()
        self.wire.await_(lambda packet: packet.source == who.ip and packet.is_("SIP/2.0 200", "BYE"), 5, edge, "BYE")
        time.sleep(RING_S)

    def _in(self, answered: float, who: Contestant) -> float:
        """Return when the loudspeaker first played the phone's sweeps: by 10 ms, which is the card's period."""
        rate = self.house.room.rate
        heard = self.house.room.heard(answered, answered + TALK_S)
        size = rate // 100
        frames = heard[: len(heard) // size * size].reshape(-1, size)
        spectrum = np.abs(np.fft.rfft(frames, axis=1)) * 2 / size
        high = spectrum[:, np.fft.rfftfreq(size, 1 / rate) > 1000].max(axis=1, initial=0)
        found = np.flatnonzero(high > LOUD)
        if not len(found):
            raise LabError(f"{who.name}: the phone is not heard at the door")
        return answered + float(found[0]) / 100


def _loud(packet: Packet) -> bool:
    """Tell whether it is PCMU that is no silence: a byte holds sign, exponent and mantissa, all bits turned round."""
    body = packet.body
    if packet.first or len(body) <= RTP_HEADER or body[1] & 0x7F != 0:
        return False
    return any(~byte & 0x7F > 0x30 for byte in body[RTP_HEADER:])
