# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the clock can be believed: who says so, what is remembered, and what "nobody can tell" means."""

import asyncio
import itertools
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.adapters.code_checker import CodeChecker
from intercom.adapters.monitors import clock
from intercom.adapters.monitors.clock import KEPT_EVERY_S, SLACK_S, HostClock
from intercom.adapters.storage.writer import Storage
from intercom.config.model import Code, Secret
from intercom.core.commands import CheckCode
from intercom.core.events import CodeChecked, Event

NOW = 1_800_000_000.0
"""In 2027."""
DAY = 86_400.0
BOOTS = itertools.count(1)


class Pi:
    """A machine with a clock, and what outlives its boots."""

    def __init__(self, root: Path) -> None:
        self.root, self.now = root, NOW
        self.kernel: bool | None = None
        self.boot()

    def boot(self, now: float = 0.0) -> None:
        """Start it with the hour that its clock happens to show: nobody has set it yet."""
        self.now, self.kernel = now or self.now, None
        (self.root / "boot").write_text(f"boot {next(BOOTS)}\n")
        (self.root / "run/systemd/timesync/synchronized").unlink(missing_ok=True)
        self.start()

    def start(self) -> None:
        """Start the daemon."""
        self.wall = HostClock(
            root=self.root,
            stamp=self.root / "clock",
            synchronised=lambda: self.kernel,
            clock=lambda: self.now,
            timedatectl=str(self.root / "timedatectl"),
            boot_id=self.root / "boot",
        )

    def keep(self) -> None:
        """Do what the daemon does twice a minute."""
        self.wall.known()
        self.wall.keep(Storage())

    def timesyncd(self, *, has_set: bool) -> None:
        """Have systemd-timesyncd run."""
        folder = self.root / "run/systemd/timesync"
        folder.mkdir(parents=True, exist_ok=True)
        if has_set:
            (folder / "synchronized").touch()

    def timedated(self, script: str) -> None:
        """Have a timedatectl that does this."""
        (self.root / "timedatectl").write_text(f"#!/bin/sh\n{script}\n")
        (self.root / "timedatectl").chmod(0o755)


@pytest.fixture
def pi(tmp_path: Path) -> Pi:
    return Pi(tmp_path)


def test_that_nobody_can_tell_does_not_count_as_set(pi: Pi) -> None:
    """A sandbox forbids adjtimex(2), and no time service runs that could be asked: the hour is anybody's guess."""
    assert "not synchronised" in pi.wall.trouble()
    assert not pi.wall.known()


@pytest.mark.parametrize("kernel", [True, False, None])
def test_each_time_service_counts(pi: Pi, kernel: bool | None) -> None:
    """chrony and ntpd by the kernel, systemd-timesyncd by its file, also hours later when the kernel has forgotten."""
    pi.kernel = kernel
    assert pi.wall.known() is (kernel is True)
    pi.timesyncd(has_set=False)
    assert pi.wall.known() is (kernel is True)
    pi.timesyncd(has_set=True)
    assert pi.wall.known()


def test_what_was_set_once_stays_set_until_the_next_boot(pi: Pi) -> None:
    """The kernel forgets after hours without a time server; the hour is still good, also for the next daemon."""
    pi.kernel = True
    pi.keep()
    pi.kernel = False
    assert pi.wall.known()
    pi.start()
    assert pi.wall.known()
    pi.boot()
    assert not pi.wall.known()


def test_a_clock_in_the_past_is_wrong_whatever_the_kernel_says(pi: Pi) -> None:
    """Its year is older than this file."""
    pi.kernel, pi.now = True, 0.0
    assert "1970" in pi.wall.trouble()


@pytest.mark.parametrize("back_s", [SLACK_S + 1, DAY, 300 * DAY])
def test_a_clock_before_what_it_was_set_to_is_wrong_whoever_says_so(pi: Pi, back_s: float) -> None:
    """Over any boot, and by a time service as well; what to do about it is told. It heals with the right hour."""
    pi.kernel = True
    pi.keep()
    pi.boot(NOW - back_s)
    for pi.kernel in (None, True):
        assert "was set to 2027-01-15 08:00 UTC before" in pi.wall.trouble()
        assert f"remove {pi.root / 'clock'}" in pi.wall.trouble()
        assert not pi.wall.known()
        pi.keep()
    pi.now = NOW + 5
    assert pi.wall.known()


def test_the_latest_time_is_written_once_a_day_and_only_when_it_is_known(pi: Pi) -> None:
    """A memory card wears out; and what nobody has set is nothing to remember."""
    written = []
    for hour in range(72):
        pi.now, pi.kernel = NOW + hour * 3600, True if hour >= 10 else None
        before = (pi.root / "clock").stat().st_mtime_ns if (pi.root / "clock").exists() else 0
        pi.keep()
        if (pi.root / "clock").exists() and (pi.root / "clock").stat().st_mtime_ns != before:
            written.append(hour)

    assert written == [10, 34, 58]
    assert KEPT_EVERY_S == DAY


@given(st.binary(max_size=80) | st.sampled_from([b'{"latest": NaN, "boot": ""}', b'{"latest": 1e300, "boot": "x"}',
                                                  b'{"latest": -1e300, "boot": "x"}', b"[" * 3000]))  # fmt: skip
def test_a_damaged_stamp_is_none(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """It costs what was remembered, and nothing else."""
    pi = Pi(tmp_path_factory.mktemp("pi"))
    (pi.root / "clock").write_bytes(content)
    pi.start()
    assert "not synchronised" in pi.wall.trouble()
    pi.kernel = True
    assert pi.wall.known()


def test_where_the_kernel_may_not_be_asked_timedated_is(pi: Pi) -> None:
    """It may ask the kernel, and needs no rights to be asked: so chrony and ntpd count in the service as well."""
    pi.timedated('echo "$@" >"$0.asked"; echo yes')
    asyncio.run(pi.wall.ask())

    assert pi.wall.known()
    assert (pi.root / "timedatectl.asked").read_text() == "show --property=NTPSynchronized --value\n"


@pytest.mark.parametrize("script", ["echo no", "exit 1", "head -c 100000 /dev/zero", "kill -9 $$", "echo yes please"])
def test_any_other_answer_of_timedated_is_no(pi: Pi, script: str) -> None:
    """Also none, where there is no timedated."""
    asyncio.run(pi.wall.ask())
    assert not pi.wall.known()
    pi.start()
    pi.timedated(script)
    asyncio.run(pi.wall.ask())
    assert not pi.wall.known()


def test_one_that_never_answers_is_not_waited_for(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not left behind."""
    monkeypatch.setattr(clock, "PATIENCE_S", 0.2)
    pi.timedated('echo $$ >"$0.pid"; exec sleep 600')
    asyncio.run(asyncio.wait_for(pi.wall.ask(), 10))

    assert not pi.wall.known()
    assert not Path(f"/proc/{(pi.root / 'timedatectl.pid').read_text().strip()}").exists()


def test_it_is_asked_no_oftener_than_it_has_to_be(pi: Pi) -> None:
    """Not where somebody else can tell, and not at once again: the journal tells each question."""
    pi.timedated('echo x >>"$0.asked"; echo no')
    asked = lambda: len((pi.root / "timedatectl.asked").read_text().split())  # noqa: E731
    for _ in range(5):
        asyncio.run(pi.wall.ask())
    assert asked() == 1
    for kernel, timesyncd in ((False, False), (None, True)):
        pi.kernel = kernel
        if timesyncd:
            pi.timesyncd(has_set=False)
        pi.wall._asks_at = float("-inf")
        asyncio.run(pi.wall.ask())
    assert asked() == 1


def test_a_code_that_has_ended_does_not_come_back_with_an_old_clock(pi: Pi) -> None:
    """It ended, the power was cut, and the clock goes on from an hour before, whoever says of it what he likes."""
    code = Code("guest", Secret("4711"), ("front",), expires=datetime.fromtimestamp(NOW + 60))  # noqa: DTZ006
    told: list[Event] = []

    def key() -> bool:
        book = CodeChecker([code], told.append, clock_known=pi.wall.known, now=lambda: pi.now)
        book.check(CheckCode(1, "4711"))
        book.close()
        return told[-1] == CodeChecked(1, "guest")

    pi.kernel = True
    assert key()
    pi.now = NOW + 2 * DAY
    pi.keep()
    assert not key()
    for old in (NOW, NOW - DAY, 0.0):
        pi.boot(old)
        assert not key()
        pi.kernel = True
        assert not key()


def test_the_real_kernel_can_be_asked() -> None:
    """Whatever it says."""
    assert clock.kernel_clock() in {True, False, None}
