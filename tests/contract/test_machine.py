# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine is looked at: each trouble begins once, says what to do, and ends when it is really over."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from loops import on_a_loop

from intercom.adapters.monitors import host
from intercom.adapters.monitors.clock import HostClock
from intercom.adapters.monitors.disk_writes import DiskWrites, folder_bytes
from intercom.adapters.monitors.host import Machine
from intercom.core.events import ConditionBegan, ConditionEnded, Event
from intercom.process.disk_io import own_bytes

NOW = 1_780_000_000.0
"""In 2026."""
GB = 1000 * host.MIB


class Pi:
    """A made-up machine, healthy until told otherwise."""

    def __init__(self, root: Path) -> None:
        self.root, self.state = root, root / "state"
        self.events: list[Event] = []
        self.disks: dict[Path, dict[str, int]] = {root: {}, self.state: {}}
        self.synchronised: bool | None = True
        self.now, self.written = NOW, 0
        self.machine = Machine(
            self.events.append,
            root=root,
            state_folder=self.state,
            space=self._space,
            wall=HostClock(root=root, synchronised=lambda: self.synchronised, clock=lambda: self.now),
            writes=DiskWrites(lambda: self.written, own=lambda: 0, clock=lambda: self.now),
        )

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def look(self) -> list[Event]:
        """Look once; return what is told."""
        self.events.clear()
        self.machine.look()
        return list(self.events)

    def temperature(self, *degrees: float) -> list[Event]:
        for zone, number in enumerate(degrees):
            self.write(f"sys/class/thermal/thermal_zone{zone}/temp", f"{number * 1000:.0f}\n")
        return self.look()

    def memory(self, available_mb: int) -> list[Event]:
        self.write("proc/meminfo", f"MemTotal:  1024000 kB\nMemFree:  5 kB\nMemAvailable:  {available_mb * 1024} kB\n")
        return self.look()

    def disk(self, folder: Path | None = None, **numbers: int) -> list[Event]:
        self.disks[folder or self.root] = numbers
        return self.look()

    def _space(self, folder: Path) -> os.statvfs_result:
        numbers = {"total": 32 * GB, "free": 16 * GB, "inodes": 1000, "inodes_free": 900, "flags": 0}
        told = numbers | self.disks[folder]
        return cast(
            "os.statvfs_result",
            SimpleNamespace(
                f_frsize=1000,
                f_blocks=told["total"] // 1000,
                f_bavail=told["free"] // 1000,
                f_files=told["inodes"],
                f_favail=told["inodes_free"],
                f_flag=told["flags"],
            ),
        )


@pytest.fixture
def pi(tmp_path: Path) -> Pi:
    return Pi(tmp_path)


def began(events: list[Event]) -> str:
    """The detail of the only trouble that began."""
    (event,) = events
    assert isinstance(event, ConditionBegan), event
    return event.detail


# ---------------------------------------------------------------------------- disk


def test_a_full_disk_is_told_with_numbers_and_ends_with_some_to_spare(pi: Pi) -> None:
    """A journal that cannot be written hides every later trouble."""
    assert "1500 MB of 32000 MB are free" in began(pi.disk(free=1500 * host.MIB))
    assert pi.disk(free=1400 * host.MIB) == []
    assert pi.disk(free=1700 * host.MIB) == [], "it would come and go on the edge"
    assert pi.disk(free=2000 * host.MIB) == [ConditionEnded("disk")]


def test_a_disk_of_the_state_folder_counts_too(pi: Pi) -> None:
    """It may be a stick of its own."""
    assert str(pi.state) in began(pi.disk(pi.state, free=0))


def test_a_small_disk_must_have_50_mb_free(pi: Pi) -> None:
    """Five per cent of a small disk are nothing: one update fills it."""
    assert pi.disk(total=500 * host.MIB, free=51 * host.MIB) == []
    assert "49 MB" in began(pi.disk(total=500 * host.MIB, free=49 * host.MIB))
    assert pi.disk(total=500 * host.MIB, free=61 * host.MIB) == [ConditionEnded("disk")]


def test_a_tiny_disk_may_be_tiny(pi: Pi) -> None:
    """A tmpfs of 20 MB is no trouble as long as it is mostly free."""
    assert pi.disk(total=20 * host.MIB, free=15 * host.MIB) == []


def test_inodes_run_out_like_space_does(pi: Pi) -> None:
    """With no inode left no file can be made, however much space there is; some file systems have none to count."""
    assert "40 of 1000 inodes" in began(pi.disk(inodes_free=40))
    assert pi.disk(inodes_free=55) == []
    assert pi.disk(inodes_free=70) == [ConditionEnded("disk")]
    assert pi.disk(inodes=0, inodes_free=0) == []


def test_a_disk_that_was_made_full_may_be_full(pi: Pi) -> None:
    """An image like squashfs has no room by nature; a disk that only our sandbox shows as read-only can run full."""
    assert pi.disk(free=0, inodes_free=0, flags=os.ST_RDONLY) == []
    assert began(pi.disk(free=0, flags=os.ST_RDONLY)).startswith("0 MB")


# ---------------------------------------------------------------------------- temperature, supply, memory


def test_heat_begins_at_80_and_ends_below_75(pi: Pi) -> None:
    """A Pi behind a sunny door slows down; the hottest of its sensors says so."""
    assert pi.temperature(20, 79.9) == []
    assert began(pi.temperature(20, 80)).startswith("80 °C")
    assert pi.temperature(20, 75) == []
    assert pi.temperature(20, 74.9) == [ConditionEnded("temperature")]


@pytest.mark.parametrize("rubbish", ["", "hot\n", "9" * 400, "\x00"])
def test_a_broken_sensor_is_no_trouble(pi: Pi, rubbish: str) -> None:
    """A sensor that sleeps or lies must not end the door, nor hide another."""
    pi.write("sys/class/thermal/thermal_zone0/temp", rubbish)
    assert pi.look() == []
    pi.write("sys/class/thermal/thermal_zone1/temp", "90000")
    assert began(pi.look()).startswith("90 °C")


def test_low_voltage_is_told_as_long_as_the_firmware_says_so(pi: Pi) -> None:
    """The commonest cause of doors that crash now and then is a thin cable."""
    pi.write("sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    pi.write("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n")
    pi.write("sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    assert pi.look() == []
    pi.write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    assert "power supply" in began(pi.look())
    pi.write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n")
    assert pi.look() == [ConditionEnded("supply")]


def test_what_can_be_read_is_read(pi: Pi) -> None:
    """`intercom status` shows it; what this machine does not have is left out."""
    written = {"written_kb": 0, "written_day_kb": 0, "state_kb": 0}
    pi.synchronised = False
    assert pi.machine.readings() == {"clock": "not set", "disk_free_mb": 16000, **written}

    pi.temperature(20, 51.26)
    pi.write("sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    pi.write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    pi.synchronised = True

    assert pi.machine.readings() == {
        "temperature_c": 51.3, "supply": "weak", "clock": "set", "disk_free_mb": 16000, **written
    }  # fmt: skip


def test_scarce_memory_is_told_before_the_kernel_kills(pi: Pi) -> None:
    """Below 5 per cent the next thing to happen is a dead process."""
    assert pi.memory(51) == []
    assert began(pi.memory(49)).startswith("49 MB of 1000 MB")
    assert pi.memory(69) == []
    assert pi.memory(71) == [ConditionEnded("memory")]


# ---------------------------------------------------------------------------- clock


def test_a_clock_that_nobody_set_is_a_trouble(pi: Pi) -> None:
    """A Pi has no battery: without a time server its journal lies, and time profiles mean nothing."""
    pi.synchronised = False
    assert "not synchronised" in began(pi.look())
    pi.synchronised = True
    assert pi.look() == [ConditionEnded("clock")]


# ---------------------------------------------------------------------------- all of it


def test_a_machine_without_any_of_it_is_well(pi: Pi) -> None:
    """A PC has no supply alarm, a container no sensors: nothing is made up."""
    assert pi.look() == []


def test_a_look_that_fails_fails_alone(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dying card answers with errors; the heat is still told."""

    def dying(_: Path) -> os.statvfs_result:
        raise OSError("input/output error")

    monkeypatch.setattr(pi.machine, "_space", dying)
    assert began(pi.temperature(85)).startswith("85 °C")


def test_the_real_machine_can_be_looked_at() -> None:
    """Whatever this machine is, looking twice tells each trouble once, and in words."""
    events: list[Event] = []
    real = Machine(events.append, state_folder=Path.cwd())
    real.look()
    once = list(events)
    real.look()

    assert all(isinstance(event, ConditionBegan) and event.detail for event in once)
    assert len({cast("Any", event).condition for event in once}) == len(once)


@on_a_loop
async def test_it_looks_again_and_again() -> None:
    """One timer, for ever."""
    looks: asyncio.Queue[None] = asyncio.Queue()

    def clock() -> float:
        looks.put_nowait(None)
        return NOW

    seen: Callable[[Event], None] = lambda _: None  # noqa: E731
    running = asyncio.create_task(Machine(seen, every_s=0.001, wall=HostClock(clock=clock)).run())
    for _ in range(3):
        await looks.get()

    assert not running.done()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def test_a_door_that_writes_all_day_is_told(pi: Pi) -> None:
    """Half a gigabyte in a day is no door's business; it is over when a day was quiet."""
    told = []
    for hour in range(60):
        pi.now += 3600
        pi.written += 30 * host.MIB if hour < 20 else 0
        told += [(hour, event) for event in pi.look()]

    assert [(hour, type(event)) for hour, event in told] == [(16, ConditionBegan), (30, ConditionEnded)]
    assert told[0][1] == ConditionBegan("writing", "510 MB in 17 h: see what the journal tells over and over")


def test_a_day_is_the_last_one(pi: Pi) -> None:
    """Not the average since the start, nor more than there was."""
    writes = DiskWrites(lambda: pi.written, own=lambda: 5, clock=lambda: pi.now)
    pi.written += 1000
    pi.now += 600
    soon = writes.day()
    for _ in range(48):
        pi.now += 3600
        pi.written += 10
        last = writes.day()

    assert soon == (1000, 600)
    assert last[0] == 230, "hours are whole: one too few rather than one too many"
    assert 23 * 3600 < last[1] <= 24 * 3600
    assert writes.total() == 5 + 1000 + 480


def test_the_kernel_counts_what_this_process_writes(tmp_path: Path) -> None:
    """Real writing to a real disk; a tmpfs is none."""
    if os.statvfs(tmp_path).f_fsid == os.statvfs("/dev/shm").f_fsid:
        pytest.skip("the tests' own folder is no disk")
    before = own_bytes()
    with (tmp_path / "file").open("wb") as file:
        file.write(b"x" * 100_000)
        file.flush()
        os.fsync(file.fileno())
    written = own_bytes() - before
    Path("/dev/shm/written").write_bytes(b"x" * 100_000)
    Path("/dev/shm/written").unlink()

    assert written >= 100_000
    assert own_bytes() - before == written
    assert folder_bytes(tmp_path) == 100_000
