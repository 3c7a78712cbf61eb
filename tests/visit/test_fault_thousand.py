"""A door hangs there for years: a thousand visits leave nothing behind, in neither process."""

from __future__ import annotations

import os
import time

import fault_table

from intercom.control.client import ask
from lab.house import House
from lab.thousand import EARLY, SOCKETS_S, over_tcp, usage

VISITS = int(os.environ.get("INTERCOM_VISITS", "1000"))
THIS_EARLY = min(EARLY, VISITS // 2)


def test_many_visits_leave_no_trace(house: House) -> None:
    """Memory, files, threads and calls are flat after a thousand visits.

    Over TCP, where a finished transaction is gone at once. Over UDP it is kept for 32 seconds (RFC 3261 timer D), so
    that at this pace six hundred would be alive at any time, and the plateau would hide what is lost for good.
    """
    with house.door(target="busy", edit=over_tcp) as door:
        processes = {"daemon": door.process.pid, "engine": door.engine_pid()}
        began, early = time.monotonic(), {}
        for number in range(1, VISITS + 1):
            pressed = ask(door.socket, {"do": "press", "button": "front"})
            ended = ask(door.socket, {"do": "wait", "visit": pressed["visit"]}, 20)
            assert ended["visit"]["outcome"] == "busy"
            time.sleep(SOCKETS_S)
            if number == THIS_EARLY:
                early = {name: usage(pid) for name, pid in processes.items()}
        late = {name: usage(pid) for name, pid in processes.items()}

        pace = VISITS / (time.monotonic() - began)
        shown = [f"{name} {early[name].kib / 1024:.1f} -> {late[name].kib / 1024:.1f} MB" for name in processes]
        print(f"{VISITS} visits, {pace:.0f} a second: {', '.join(shown)}; {late}")
        for name in processes:
            assert late[name].kib <= early[name].kib * 1.05, name
            assert late[name].files == early[name].files, name
            # A thread of the pool begins when there are two things to do at once, which may be late.
            assert late[name].threads <= early[name].threads + 1, name
        fault_table.add(f"{VISITS} visits in a row", door, None, f"memory: {', '.join(shown)}", None)
