"""A memory card is spared: the journal in memory, a read-only root, and one folder that is written to, a little."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from typing import Any

import figures
import pytest
from conftest import SETUP

from lab.baresip import Phone
from lab.house import CODE
from lab.machine import Machine

STATE = "var/lib/intercom"


@pytest.fixture(scope="module")
def spared(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The door as on a card whose root is read-only, after a power cut; afterwards it is again as it was."""
    machine("mkdir -p /var/log/journal")
    machine("INTERCOM_CARD=yes; export INTERCOM_CARD; " + SETUP.format("/root/intercom", 20, "install"))
    machine("intercom press front")  # nobody is there: it ends by itself
    machine.await_record("visit-ended")
    machine.power_off()
    state = tmp_path_factory.mktemp("card") / "state"
    shutil.copytree(machine.root / STATE, state, symlinks=True)
    for path in (state, *state.iterdir()):
        owner = (machine.root / STATE).stat()
        shutil.chown(path, owner.st_uid, owner.st_gid)
    machine.boot("--read-only", f"--bind={state}:/{STATE}")
    machine.await_record("line-up", account="home")
    yield machine
    machine.power_off()
    machine.boot()
    machine.await_record("line-up", account="home")


def status(machine: Machine) -> dict[str, Any]:
    """What the door says of itself."""
    told: dict[str, Any] = json.loads(machine("intercom status --json", check=False))
    return told


def counted(machine: Machine) -> int:
    """What the kernel has counted for the unit's processes: bytes sent to disks (proc_pid_io(5))."""
    pids = [machine("systemctl show intercom -p MainPID --value").strip(), str(status(machine)["engine"]["pid"])]
    text = machine(f"cat {' '.join(f'/proc/{pid}/io' for pid in pids)}")
    return sum(int(number) for number in re.findall(r"^write_bytes: (\d+)$", text, re.MULTILINE))


def talk(machine: Machine, phone: Phone) -> None:
    """One whole visit, with the door opened."""
    began, since = time.time(), time.monotonic()
    machine("intercom press front")
    phone.await_event("CALL_INCOMING", since=since)
    phone.answer()
    machine.await_record("call-answered", since=began)
    phone.press_key(CODE)
    machine.await_record("door-released", since=began)
    phone.hang_up()
    machine.await_record("visit-ended", since=began)


def test_a_read_only_root_is_enough(spared: Machine, phone: Phone) -> None:
    """A visit is played, the daemon is started again, and plays another: nothing can be written but one folder."""
    refused = spared("touch /opt/x; touch /etc/x; touch /var/x", check=False)
    talk(spared, phone)
    again = time.time()
    spared("systemctl restart intercom")
    spared.await_record("line-up", since=again, account="home")
    talk(spared, phone)

    assert refused.count("Read-only file system") == 3
    assert spared("systemctl is-active intercom").strip() == "active"
    assert [one["condition"] for one in status(spared)["conditions"] if one["condition"] in ("disk", "writing")] == []


def test_visits_outlive_a_journal_in_memory(spared: Machine) -> None:
    """What happened after the settings were there and before this boot is in the door's diary alone."""
    kept = json.loads(spared("intercom visits --json"))
    lines = spared("journalctl -q --no-pager INTERCOM_KIND=visit-ended -o json").splitlines()
    told = {json.loads(line)["INTERCOM_VISIT"] for line in lines}

    assert "Storage=volatile" in spared("cat /etc/systemd/journald.conf.d/intercom.conf")
    assert len(told) >= 2
    assert len({one["visit"] for one in kept} - told) == 1
    assert [one["at"] for one in kept] == sorted(one["at"] for one in kept)


def test_what_is_written_is_counted_and_little(spared: Machine, phone: Phone) -> None:
    """By the kernel, for both processes; the door's own figure is the same. The rest of the card it cannot write to."""
    before = counted(spared)
    for _ in range(3):
        talk(spared, phone)
    spared("sync")
    after, told = counted(spared), status(spared)["machine"]
    idle = counted(spared)

    figures.add("written to the card by a start of the door", f"{before / 1024:.0f} kB")
    figures.add("written to the card for each visit with a code", f"{(after - before) / 3 / 1024:.0f} kB")
    figures.add("what the door keeps in its folder", f"{told['state_kb']} kB")
    assert idle == after
    assert abs(told["written_kb"] - after // 1024) <= 8
    assert 0 < (after - before) / 3 < 100_000
