"""The clock fails: nobody has set it, and after a power cut it goes on from the past."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import fault_table
import pytest
from healing import rings

from lab.baresip import Phone
from lab.clock import Clock
from lab.house import CODE, Door, House
from lab.processes import wait_until

DAY_S = 86400
GUEST = "5822"
BY_TIMESYNCD = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd.service(8): the clock was set in this boot. The tests have a /run of their own."""
UNTOLD = (sys.executable, "-m", "lab.unset_clock")


@pytest.fixture
def nobody_has_set_it() -> Iterator[None]:
    """No time service has set the clock, at the beginning and at the end."""
    BY_TIMESYNCD.unlink(missing_ok=True)
    yield
    BY_TIMESYNCD.unlink(missing_ok=True)


def keyed(door: Door, phone: Phone, code: str) -> None:
    """Ring, answer, key a code, hang up."""
    since, ended = time.monotonic(), len(door.records("visit-ended"))
    door.press()
    phone.await_event("CALL_INCOMING", 20, since=since)
    phone.answer()
    phone.await_event("CALL_ESTABLISHED", 10, since=since)
    checked = len(door.records("code-wrong") + door.records("door-released"))
    phone.press_key(code + "#")
    while len(door.records("code-wrong") + door.records("door-released")) == checked:
        assert time.monotonic() < since + 30, "nothing has come of the code"
        time.sleep(0.05)
    phone.hang_up()
    door.await_records("visit-ended", ended + 1)


def test_a_clock_that_nobody_set_lets_nobody_in(house: House, phone: Phone, nobody_has_set_it: None) -> None:
    """A guest's code has a last day, and nobody knows which one it is: it counts once the clock is set, and not before.

    That day passes, the power is cut, and the clock goes on from before it, whoever says that it is set.
    """
    ends = datetime.fromtimestamp(time.time() + DAY_S).strftime("%Y-%m-%d %H:%M")  # noqa: DTZ006  (as people write it)
    guest = f'[codes.guest]\nsecret = "{GUEST}"\nexpires = "{ends}"\n\n[lamp]'
    clock = Clock(house.folder / "wall")
    with house.door(env=clock.env, prefix=UNTOLD, edit=lambda text: text.replace("[lamp]", guest)) as door:
        began = door.await_record("condition-began", condition="clock")
        keyed(door, phone, GUEST)
        assert not door.records("door-released")
        BY_TIMESYNCD.parent.mkdir(parents=True, exist_ok=True)
        BY_TIMESYNCD.touch()
        was_set = time.time()
        ended = door.await_record("condition-ended", 45, condition="clock")
        keyed(door, phone, GUEST)
        assert [record["INTERCOM_CODE_NAME"] for record in door.records("door-released")] == ["guest"]

        clock.shift(2 * DAY_S)
        wait_until(lambda: latest(door) > was_set + DAY_S, 45, "the latest time is written", door.process)
        keyed(door, phone, GUEST)
        door.process.stop()
        clock.shift(0)
        door.restart()
        old = door.await_records("condition-began", 2, condition="clock")[-1]
        door.await_records("line-up", 2)
        keyed(door, phone, GUEST)
        assert len(door.records("door-released")) == 1
        keyed(door, phone, CODE)
        assert door.records("door-released")[-1]["INTERCOM_CODE_NAME"] == "family"
        rings(door, phone)

        assert "was set to" in str(old["INTERCOM_DETAIL"])
        fault_table.add(
            "a clock that nobody set",
            door,
            fault_table.at(began) - door.began,
            str(began["INTERCOM_DETAIL"]).partition(":")[0],
            fault_table.at(ended) - was_set,
        )


def latest(door: Door) -> float:
    """What the door has kept of its clock; nothing as long as it has not."""
    stamp = door.folder / "clock"
    return float(json.loads(stamp.read_text())["latest"]) if stamp.exists() else 0.0
