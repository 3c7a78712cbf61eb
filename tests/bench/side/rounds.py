"""One round: every contestant alone, from its start on; then all of them together, taking turns."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from bench.side import counters
from bench.side.contestants import DEBOUNCE_MS, Contestant
from bench.side.wire import Wire

from lab.baresip import Phone
from lab.processes import LabError

REST_S = 3.0
"""After a start, until its memory is taken and its idleness begins."""
Book = defaultdict[str, dict[str, list[float]]]
"""Samples by figure and contestant."""
Say = Callable[[str], None]


def enter(book: Book, key: str, name: str, value: float) -> None:
    """Add a sample."""
    book[key].setdefault(name, []).append(value)


class Rounds:
    """Measures, and enters what it measured."""

    def __init__(self, wire: Wire, contestants: Sequence[Contestant], book: Book, say: Say) -> None:
        self.wire, self.contestants, self.book, self.say = wire, contestants, book, say

    def enter(self, key: str, who: Contestant, value: float) -> None:
        """Add a sample."""
        enter(self.book, key, who.name, value)

    def start(self, who: Contestant) -> None:
        """Start it, and see it register."""
        began = time.monotonic()
        who.begin()
        asked = self.wire.await_(
            lambda packet: packet.source == who.ip and packet.is_("REGISTER"), 20, began, f"{who.name}: REGISTER"
        )
        self.enter("start-register", who, asked.at - began)
        self.enter("start-registered", who, self.wire.registered(who.ip, began, 10) - began)

    def alone(self, who: Contestant) -> None:
        """Its start, and its memory: nothing else of the kind runs."""
        self.start(who)
        time.sleep(REST_S)
        self.enter("idle-memory", who, counters.memory_mb(who.pids()))
        who.stop()

    def idle(self, seconds: float) -> None:
        """What all of them use while nothing happens, at the same time."""
        groups = {who.name: who.pids() for who in self.contestants}
        before = {name: counters.use(pids) for name, pids in groups.items()}
        time.sleep(seconds)
        for who in self.contestants:
            cpu, wakeups = before[who.name].until(counters.use(groups[who.name]))
            self.enter("idle-cpu", who, cpu)
            self.enter("idle-wakeups", who, wakeups)

    def press(self, who: Contestant, phone: Phone, through: str = "") -> None:
        """One press, until the phone rings; it is refused there, so that the next may come.

        `through` begins the figures' keys, where it goes through another PBX than the usual one.
        """
        self.wire.forget()
        edge = who.press()
        sent = self._await(who, lambda packet: packet.source == who.ip and packet.is_("INVITE"), edge, "INVITE")
        heard = self._await(
            who,
            lambda packet: packet.target == who.ip and packet.is_("SIP/2.0 180", "INVITE"),
            edge,
            "180",
        )
        # The one that was not challenged any more is the last before the ringing.
        asked = self.wire.last(lambda packet: packet.source == who.ip and packet.is_("INVITE"), heard)
        beyond = edge + DEBOUNCE_MS[who.name] / 1000
        self.enter(f"{through}press-invite", who, 1000 * (sent - beyond))
        self.enter(f"{through}press-ringing", who, 1000 * (heard - beyond))
        self.enter(f"{through}pbx", who, 1000 * (heard - asked))
        phone.await_event("CALL_INCOMING", since=edge)
        phone.reject()
        self._await(
            who,
            lambda packet: packet.target == who.ip and packet.is_("SIP/2.0 486", "INVITE"),
            edge,
            "486",
        )
        who.await_idle()

    def _await(self, who: Contestant, what: Callable[..., bool], since: float, told: str) -> float:
        return self.wire.await_(what, 10, since, f"{who.name}: {told}").at

    def presses(self, times: int, phone: Phone, through: str = "") -> None:
        """Press them in turn."""
        for turn in range(times):
            for who in self.contestants:
                self.press(who, phone, through)
            if turn % 10 == 9:
                self.say(f"    {turn + 1} of {times}")

    def together(self, phone: Phone, idle_s: float, times: int) -> None:
        """All of them run: their idleness, then presses in turn."""
        self.begin()
        self.say(f"  idle, {idle_s:g} s")
        self.idle(idle_s)
        self.say(f"  presses, {times} each")
        self.presses(times, phone)

    def begin(self) -> None:
        """Start all of them, and let them come to rest."""
        for who in self.contestants:
            self.wire.forget()
            began = time.monotonic()
            who.begin()
            self.wire.registered(who.ip, began, 20)
        time.sleep(REST_S)

    def stop(self) -> None:
        """End all of them."""
        for who in self.contestants:
            try:
                who.stop()
            except LabError as error:
                self.say(f"  {who.name}: {error}")
