"""What goes wrong: the processes are killed; the SIP service goes away, and comes back without knowing anybody."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from bench.side.contestants import Contestant
from bench.side.rounds import Book, enter
from bench.side.wire import Wire

from lab.kamailio import Kamailio
from lab.processes import LabError

RESTART_S = 1.0
"""RestartSec of ../systemd/intercom.service; whoever starts the others again waits as long."""
AWAY_S = {"back-5": 5.0, "back-12": 12.0, "back-registered": 30.0}
"""How long it is away. The door asks its server every twenty seconds, and waits six for an answer: the first outage is
mostly over before anybody asks, the second often, the third never. One length alone would be one moment of all that."""
PATIENCE_S = 30.0
"""What has not registered by then never does."""


def kill(wire: Wire, who: Contestant, book: Book) -> None:
    """End it by SIGKILL, and start it again as its unit would."""
    wire.forget()
    killed = time.monotonic()
    who.kill()
    time.sleep(RESTART_S)
    who.begin()
    enter(book, "killed-registered", who.name, wire.registered(who.ip, killed, 30) - killed)


def leave(wire: Wire, registrar: Kamailio, contestants: Sequence[Contestant], book: Book) -> None:
    """Stop the service, and start it, for longer each time; all of them notice, or do not, at the same time."""
    for key, away_s in AWAY_S.items():
        registrar.stop()
        time.sleep(away_s)
        wire.forget()
        registrar.start()
        back = time.monotonic()
        for who in contestants:
            try:
                at = wire.registered(who.ip, back - 1, max(back + PATIENCE_S - time.monotonic(), 0.1))
            except LabError:
                at = math.inf
                # Nobody can lose the next time what he has not got.
                who.kill()
                since = time.monotonic()
                who.begin()
                wire.registered(who.ip, since, 30)
            enter(book, key, who.name, max(at - back, 0.0))
