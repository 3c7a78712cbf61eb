"""A door waits nearly all of its life: what its voice engine does meanwhile, counted by the kernel."""

import re
import sys
from itertools import pairwise
from pathlib import Path

from contract.sip_peers import Peer, account, running

from intercom.core.commands import Register
from intercom.core.events import EngineHeartbeat, LineUp
from lab.processes import wait_until

BEATS = 3


def wakeups(pid: int) -> int:
    """Return how often the threads of a process went to sleep."""
    tasks = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(re.search(r"\nvoluntary_ctxt_switches:\s*(\d+)", task)[1]) for task in tasks)


def test_an_idle_engine_sleeps_from_beat_to_beat() -> None:
    """Registered, without a call: its loop is woken by its beat, its reader of RTP once a second, and by nothing else.

    A loop that looked for timers ten times a second, or PJSIP's reader as it comes (a hundred times), would show.
    """
    peer = Peer(REGISTER=200)
    with running(account(peer)) as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        for _ in range(2):
            engine.wait(EngineHeartbeat)
        before = wakeups(engine.process.pid)
        for _ in range(BEATS):
            engine.wait(EngineHeartbeat)
        woken = wakeups(engine.process.pid) - before
    print(f"an idle engine: {woken / BEATS:.1f} wake-ups a beat")
    peer.close()

    assert woken <= 6 * BEATS


def test_an_idle_engine_wakes_for_pjsips_timers() -> None:
    """A server that does not answer is asked again (RFC 3261 section 17.1.2), by a timer without a descriptor.

    This engine beats once an hour, so that it is not woken by that.
    """
    rarely = "import sys; from intercom.engine import __main__ as m; m.BEAT_S = 3600; m.main(sys.argv[-1:])"
    peer = Peer()
    with running(account(peer), argv=(sys.executable, "-c", rarely)) as engine:
        engine.send(Register("house"))
        wait_until(lambda: len(peer.requests) > 1, 10, "asked again")
    gaps = [1000 * (later.at - sooner.at) for sooner, later in pairwise(peer.requests)]
    print(f"asked again after {', '.join(f'{gap:.0f} ms' for gap in gaps)}")
    peer.close()
