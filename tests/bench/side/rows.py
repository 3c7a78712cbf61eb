"""The rows of the table, in the order of their worth, with what was aimed at."""

from __future__ import annotations

from collections.abc import Callable

from bench.side.figures import BARESIP, LOOP, Figure, Results


def _at_most(key: str, most: float) -> Callable[[Results], bool]:
    return lambda results: results.median(key) <= most


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
        lambda results: results.median("press-ringing") - results.median("pbx") <= 10,
        plot=True,
    ),
    Figure("pbx", "of that the PBX's and the phone's: INVITE with credentials to 180", "ms"),
    Figure("start-register", "start of the process to REGISTER on the wire", "s"),
    Figure(
        "start-registered", "start of the process to registered", "s", "0.6", _at_most("start-registered", 0.6), True
    ),
    Figure("idle-cpu", "idle: processor", "% of a core", "0.2", _at_most("idle-cpu", 0.2)),
    Figure("idle-wakeups", "idle: wake-ups", "a second", "5", _at_most("idle-wakeups", 5), plot=True),
    Figure("idle-memory", "idle: memory of all its processes", "MB", "55", _at_most("idle-memory", 55), plot=True),
)
