"""The rows of the table, in the order of their worth, with what was aimed at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.side.figures import BARESIP, LOOP, Figure, Results


def _at_most(key: str, most: float) -> Callable[[Results], bool]:
    return lambda results: results.median(key) <= most


def _of(key: str, most: float = 0.8, others: Sequence[str] = (BARESIP,)) -> Callable[[Results], bool]:
    return lambda results: all(results.ratio(key, other) <= most for other in others)


def _beyond(through: str) -> Callable[[Results], bool]:
    return lambda results: results.median(f"{through}press-ringing") - results.median(f"{through}pbx") <= 10


def _press(results: Results) -> bool:
    ours = results.median("press-invite")
    beyond = ours - results.median("press-invite", BARESIP)
    return (
        ours <= 3 and results.p99("press-invite") <= 10 and results.ratio("press-invite", LOOP) <= 0.1 and beyond <= 3
    )


ROWS = (
    Figure(
        "press-invite",
        "edge of the button to INVITE on the wire, beyond the debounce",
        "ms",
        "median 3, 99 % 10; 0.1 of the loop; 3 ms beyond baresip",
        _press,
        plot=True,
    ),
    Figure(
        "press-ringing",
        "edge to 180, beyond the debounce",
        "ms",
        "10 ms beyond the PBX and the phone",
        _beyond(""),
        plot=True,
    ),
    Figure("pbx", "of that the PBX's and the phone's: INVITE with credentials to 180", "ms"),
    Figure("asterisk-press-invite", "the same two through Asterisk: edge to INVITE", "ms"),
    Figure(
        "asterisk-press-ringing",
        "through Asterisk: edge to 180, beyond the debounce",
        "ms",
        "10 ms beyond the PBX and the phone",
        _beyond("asterisk-"),
        plot=True,
    ),
    Figure("asterisk-pbx", "of that Asterisk's and the phone's", "ms"),
    Figure("start-register", "start of the process to REGISTER on the wire", "s"),
    Figure(
        "start-registered", "start of the process to registered", "s", "0.6", _at_most("start-registered", 0.6), True
    ),
    Figure("idle-cpu", "idle: processor", "% of a core", "0.2", _at_most("idle-cpu", 0.2)),
    Figure("idle-wakeups", "idle: wake-ups", "a second", "5", _at_most("idle-wakeups", 5), plot=True),
    Figure("idle-memory", "idle: memory of all its processes", "MB", "55", _at_most("idle-memory", 55), plot=True),
    Figure(
        "killed-registered",
        "SIGKILL to registered again, of which a second is RestartSec",
        "s",
        "2",
        _at_most("killed-registered", 2),
        plot=True,
    ),
    Figure(
        "back-registered",
        "the SIP service is back after 30 s and knows nobody, to registered again (never: not in 30 s)",
        "s",
        "2",
        _at_most("back-registered", 2),
    ),
    Figure("back-12", "the same, after 12 s", "s"),
    Figure("back-5", "the same, after 5 s, which hardly anybody notices", "s"),
    Figure("answer-out", "answer to the visitor's voice on the wire", "ms", "0.8 of baresip", _of("answer-out"), True),
    Figure("answer-in", "answer to the house's voice at the door", "ms", "0.8 of baresip", _of("answer-in"), True),
    Figure(
        "trip",
        "audio round trip (PCMU), baresip tuned, pjsua2 with PJSIP's own sound device and canceller",
        "ms",
        "0.75 of both",
        _of("trip", 0.75, (BARESIP, LOOP)),
        plot=True,
    ),
    Figure(
        "trip-bare",
        "the same, ours without canceller and suppressor",
        "ms",
        "0.75 of both",
        _of("trip-bare", 0.75, (BARESIP, LOOP)),
    ),
    Figure(
        "trip-delivered",
        "the same, ours with all of it, baresip as it is delivered",
        "ms",
        "0.75 of baresip",
        _of("trip-delivered", 0.75),
    ),
    Figure(
        "call-cpu", "in a call (PCMU; the loop on PJSIP's null device, so without any sound): processor", "% of a core"
    ),
    Figure(
        "call-cpu-bare",
        "in a call, ours without canceller and suppressor: processor",
        "% of a core",
        "1.5 of baresip",
        lambda results: results.ratio("call-cpu-bare", BARESIP) <= 1.5,
    ),
    Figure("call-memory", "in a call: memory (RSS)", "MB"),
    Figure(
        "visits-memory",
        "memory of daemon and engine after many visits, by that after 50",
        "times",
        "flat: 1.05",
        _at_most("visits-memory", 1.05),
    ),
    Figure(
        "visits-press",
        "edge to INVITE in the last 100 of them, by that in the first 100",
        "times",
        "flat: 1.1",
        _at_most("visits-press", 1.1),
    ),
)
MANY = (
    ("press", "edge to INVITE, ms"),
    ("cpu", "idle: processor, % of a core"),
    ("wakeups", "idle: wake-ups a second"),
    ("memory", "idle: memory, MB"),
)
"""What is measured with several buttons: the end of its figures' keys, and what it is."""
VISITS = (
    ("daemon", "memory of the daemon, MB"),
    ("engine", "memory of the engine, MB"),
    ("press", "edge to INVITE, beyond the debounce, ms"),
)
"""What is measured early and late in many visits, likewise."""
