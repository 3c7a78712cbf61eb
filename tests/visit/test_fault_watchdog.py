"""What is stuck is started again: the daemon by its service manager, the voice engine by the daemon."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import fault_table
import pytest
from healing import rings

from intercom.adapters.engine_process import PAUSES_S
from lab.baresip import Phone
from lab.house import House, stopping
from lab.manager import Manager

WATCHDOG_S = 4.0
"""The unit's is longer; what matters is that the daemon feeds it each second."""
WEDGE = """
import os, time
from intercom.daemon import shell as daemon

take = daemon.Daemon.take

def stuck(self, event, at):
    while os.path.exists({path!r}):
        time.sleep(0.05)
    take(self, event, at)

daemon.Daemon.take = stuck
"""
"""What `sitecustomize` does in a daemon whose loop is to stop: no code of the daemon's own knows of it."""


@pytest.fixture
def manager(house: House, tmp_path: Path) -> Iterator[Manager]:
    """A service manager that listens."""
    with stopping(Manager(tmp_path / "notify", WATCHDOG_S)) as manager:
        yield manager


def wedged_by(path: Path, folder: Path) -> dict[str, str]:
    """Return the environment of a daemon whose loop stops as long as a file exists."""
    (folder / "sitecustomize.py").write_text(WEDGE.format(path=str(path)))
    return {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ['PYTHONPATH']}"}


def test_a_stuck_loop_starves_the_watchdog_and_the_visit_goes_on_after_the_restart(
    house: House, phone: Phone, manager: Manager, tmp_path: Path
) -> None:
    """No heart-beat gets through a loop that stands still, so none is told; the next daemon rings on."""
    wedge = tmp_path / "wedge"
    with house.door(env={**manager.env, **wedged_by(wedge, tmp_path)}) as door:
        manager.await_word("READY=1")
        fed = manager.await_word("WATCHDOG=1")
        door.press()
        phone.await_event("CALL_INCOMING")
        wedge.touch()
        wedged = time.monotonic()
        manager.await_hunger()
        noticed = time.monotonic() - wedged
        door.process.signal(signal.SIGABRT)
        door.process.wait(5)
        cut = time.monotonic()
        door.lock()
        phone.hang_up()
        wedge.unlink()
        door.restart()
        phone.await_event("CALL_INCOMING", 20, since=cut)
        healed = time.monotonic() - cut
        phone.reject()
        door.await_visit()
        rings(door, phone)
        manager.await_word("WATCHDOG=1", since=cut)

        assert fed > 0
        assert "restarted" in door.records("visit-resumed")[0]["MESSAGE"]
        fault_table.add("the daemon's loop stands still", door, noticed, f"watchdog, {WATCHDOG_S:g} s here", healed)


def test_a_stuck_engine_does_not_starve_the_watchdog(house: House, phone: Phone, manager: Manager) -> None:
    """The daemon replaces it before the service manager loses patience: systemd's watchdog has 20 s."""
    with house.door(env=manager.env) as door:
        manager.await_word("WATCHDOG=1")
        stuck = time.monotonic()
        os.kill(door.engine_pid(), signal.SIGSTOP)
        door.await_record("condition-ended", 20, condition="voice engine")
        door.await_records("line-up", 2)
        rings(door, phone)
        hungry_s = manager.longest_hunger(stuck)

        print(f"the watchdog waited {hungry_s:.1f} s for food")
        assert hungry_s < 20
        assert len(door.records("started")) == 1


def test_a_crash_loop_slows_down_and_is_told(house: House, phone: Phone) -> None:
    """A daemon that follows dead ones waits before it registers: the PBX is not hammered."""
    with house.door() as door:
        for number in range(2, 5):
            door.process.signal(signal.SIGKILL)
            door.process.wait(5)
            door.restart()
            door.await_records("started", number)
        waited_for = door.await_record("condition-began", condition="restarts")
        up = door.await_records("line-up", 2, 20)[-1]
        rested = fault_table.at(up) - fault_table.at(door.records("started")[-1])
        rings(door, phone)
        registered = len(door.records("line-up"))

        assert rested >= PAUSES_S[3]
        assert registered == 2
        fault_table.add("the daemon dies three times at its start", door, rested, waited_for["INTERCOM_DETAIL"], None)
