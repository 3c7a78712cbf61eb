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
AWAY_S = 30.0
"""Long enough for the door to notice: it asks its server every twenty seconds, and waits five for an answer."""
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
    """Stop the service, and start it; all of them notice, or do not, at the same time."""
    registrar.stop()
    time.sleep(AWAY_S)
    wire.forget()
    registrar.start()
    back = time.monotonic()
    for who in contestants:
        try:
            at = wire.registered(who.ip, back - 1, max(back + PATIENCE_S - time.monotonic(), 0.1))
        except LabError:
            at = math.inf
        enter(book, "back-registered", who.name, max(at - back, 0.0))
