"""The real processes, counted while they live: their start, an idle second, a press, a period of a conversation."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.side import counted
from bench.side.calls import never_still
from bench.side.contestants import USERS, Contestant, GpioBaresip, Intercom, Loop, dark
from bench.side.figures import BARESIP, LOOP, OURS
from bench.side.rounds import Book, Rounds, enter
from bench.side.wire import Wire
from bench.sound.engines import Baresip, Ours
from bench.sound.far_end import FarEnd
from bench.sound.round_trip import await_sound

from lab.baresip import Phone
from lab.house import House, stopping
from lab.jackd import Jackd
from lab.room import Room

SLOWNESS = 10
"""Of the card: what is counted takes fifty times as long, and has to keep up with it."""
START_S, SOUND_S, REST_S, IDLE_S, CALL_S = 300.0, 60.0, 5.0, 10.0, 20.0
PRESSES = 5
PERIOD = 160
DOORS = tuple(
    (f"start, idle seconds, presses of {name}", seconds)
    for name, seconds in ((OURS, 130.0), (BARESIP, 80.0), (LOOP, 90.0))
)
CALLS = tuple(
    (f"a conversation of {name}", seconds)
    for name, seconds in ((OURS, 90.0), (f"{OURS}, without canceller", 90.0), (BARESIP, 35.0))
)
"""What is counted, and about how many seconds it takes on two cores."""
PATIENT = """
import os, sys
if "lab.mock_door" in sys.orig_argv and "run" in sys.orig_argv:
    from intercom.adapters import engine_process as engine
    os.pidfd_open = lambda pid, kept=[]: kept.append(os.pipe()) or kept[-1][0]
    engine.START_S = {start_s}
    engine.EngineSupervisor.__init__.__kwdefaults__["silence_s"] = {start_s}
"""
"""What `sitecustomize` does in the daemon: it does not give an engine up that is fifty times slower.

Debian 12's valgrind has no pidfd_open(2); the end of that engine is not of interest.
"""


def doors(folder: Path, book: Book, next_step: Callable[[], None]) -> None:
    """Enter the start, an idle second and a press of everybody, in millions; each has a step."""
    wire = Wire()
    house = House(folder / "house", more=USERS, slowness=SLOWNESS)
    with contextlib.closing(house), stopping(house.phone()) as phone:
        for kind in (_intercom, GpioBaresip, Loop):
            next_step()
            place = folder / kind.__name__
            place.mkdir()
            # Uncounted: whoever comes first after a change has Python compile it.
            first: Contestant = kind(house, place, prefix=[])
            Rounds(wire, [first], defaultdict(dict), lambda text: None).alone(first)
            who: Contestant = kind(house, place, prefix=counted.valgrind(place))
            _contestant(who, place, phone, wire, book)


def calls(folder: Path, book: Book, next_step: Callable[[], None]) -> None:
    """Enter 10 ms of a conversation of everybody who has sound, in millions; each has a step."""
    jackd = Jackd(folder, slowness=SLOWNESS)
    room = Room(jackd, folder)
    room.echo(delay_ms=20, gain_db=-12)
    for name, engine, keys in (
        (OURS, _whole, ("call",)),
        (OURS, _bare, ("call-bare",)),
        (BARESIP, Baresip, ("call", "call-bare")),
    ):
        next_step()
        place = folder / "-".join([engine.__name__, *keys])  # baresip's configuration takes no spaces
        place.mkdir()
        count = _call(jackd, room, place, engine)
        for key in keys:
            enter(book, key, name, count / 1e6)
    room.stop()
    jackd.stop()


def _intercom(house: House, folder: Path, prefix: list[str]) -> Intercom:
    (folder / "sitecustomize.py").write_text(PATIENT.format(start_s=START_S))
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    prefix = [*prefix, "--trace-children=yes"] if prefix else []
    return Intercom(house, folder / "door", edit=dark, prefix=prefix, env={"PYTHONPATH": path})


def _whole(*arguments: Any, **options: Any) -> Ours:
    return Ours(*arguments, quiet=True, **options)


def _bare(*arguments: Any, **options: Any) -> Ours:
    return Ours(*arguments, echo=False, quiet=True, **options)


def _contestant(who: Contestant, folder: Path, phone: Phone, wire: Wire, book: Book) -> None:
    """Count its start, until it is registered and has its button; idle seconds; presses, until the phone rings."""
    wire.forget()
    began = time.monotonic()
    who.begin()
    wire.registered(who.ip, began, START_S)
    who.wires().await_connected(START_S)
    time.sleep(1)
    enter(book, "start", who.name, counted.since(folder, who.pids()) / 1e6)
    time.sleep(REST_S)
    idle = counted.during(folder, who.pids(), lambda: time.sleep(IDLE_S)) / 1e6 / IDLE_S
    enter(book, "idle", who.name, idle)
    presses = [_press(who, folder, phone, wire, idle) for _ in range(PRESSES)]
    enter(book, "press", who.name, statistics.median(presses))
    who.stop()


def _press(who: Contestant, folder: Path, phone: Phone, wire: Wire, idle: float) -> float:
    """Return how many millions a press takes, less those of as many idle seconds."""
    wire.forget()
    began = time.monotonic()

    def press() -> None:
        who.press()
        wire.await_(lambda packet: packet.target == who.ip and packet.is_("SIP/2.0 180", "INVITE"), 60, began, "180")

    count = counted.during(folder, who.pids(), press) / 1e6
    took = time.monotonic() - began
    phone.await_event("CALL_INCOMING", since=began)
    phone.reject()
    wire.await_(lambda packet: packet.target == who.ip and packet.is_("SIP/2.0 486", "INVITE"), 60, began, "486")
    time.sleep(REST_S)
    who.await_idle()
    return count - idle * took


def _call(jackd: Jackd, room: Room, folder: Path, engine: Callable[..., Any]) -> float:
    """Return how many a period of a conversation takes, on a far end that sends back what comes."""
    far = FarEnd("pcmu")
    far.echo()
    door = engine(jackd, folder, "pcmu", prefix=counted.valgrind(folder))
    await_sound(far, SOUND_S)
    room.say(never_still(60), loop=True)
    time.sleep(REST_S)
    periods = [0, 0]

    def talk() -> None:
        periods[0] = len(far.heard()[0]) // PERIOD
        time.sleep(CALL_S)
        periods[1] = len(far.heard()[0]) // PERIOD

    count = counted.during(folder, [door.pid()], talk)
    room.hush()
    door.hang_up()
    far.stop()
    return count / (periods[1] - periods[0])
