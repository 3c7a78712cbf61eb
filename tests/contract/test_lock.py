# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom lock`: what systemd calls when the daemon is gone and its strikes are as they were."""

from collections.abc import Iterator
from pathlib import Path

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory
from panel_rigs import WatchedPin

from intercom.__main__ import main

CONFIG = """
[accounts.home]
server = "192.0.2.1"
user = "door"
[buttons.front]
pin = 17
targets = ["201"]
[doors.front]
strike_pin = 27
[doors.gate]
strike_pin = 23
active = "low"
"""


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    """Mock pins for gpiozero, for one test."""
    before, gpiozero.Device.pin_factory = gpiozero.Device.pin_factory, MockFactory(pin_class=WatchedPin)
    yield gpiozero.Device.pin_factory
    gpiozero.Device.pin_factory.reset()
    gpiozero.Device.pin_factory = before


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "intercom.toml"
    path.write_text(CONFIG)
    path.chmod(0o640)
    return path


def left_released(factory: MockFactory) -> None:
    """What a daemon leaves that was killed with every door open: the kernel keeps the levels."""
    for pin, level in ((27, 1), (23, 0)):
        factory.pin(pin).function = "output"
        factory.pin(pin).state = level


def test_every_strike_is_put_to_its_locked_level(
    factory: MockFactory, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Locked is low for one relay and high for another; buttons and lamp are left alone."""
    left_released(factory)
    status = main(["lock", "--config", str(config)])
    levels = {pin: factory.pin(pin).driven[-1] for pin in (27, 23)}

    assert (status, levels) == (0, {27: False, 23: True})
    assert capsys.readouterr().out == "door front locked\ndoor gate locked\n"
    assert 17 not in {pin.info.name for pin in factory.pins.values()}


def test_a_pin_that_cannot_be_had_does_not_leave_the_others_open(
    factory: MockFactory, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the daemon runs it holds its pins: that is said, and is a failure."""
    left_released(factory)
    holder = gpiozero.DigitalOutputDevice(27)
    status = main(["lock", "--config", str(config)])
    told = capsys.readouterr()
    holder.close()

    assert status == 1
    assert "pin GPIO27 cannot be had" in told.err
    assert "sudo systemctl stop intercom" in told.err
    assert told.out == "door gate locked\n"


def test_a_broken_configuration_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which pins they are stands there and nowhere else."""
    assert main(["lock", "--config", str(tmp_path / "none.toml")]) == 1
    assert "none.toml" in capsys.readouterr().err


def test_systemd_locks_whenever_the_daemon_has_ended() -> None:
    """`ExecStopPost=` runs however the service ended, a kill included (systemd.service(5))."""
    unit = (Path(__file__).parents[2] / "systemd/intercom.service").read_text()
    start = next(line for line in unit.splitlines() if line.startswith("ExecStart="))

    assert f"{start.replace('ExecStart=', 'ExecStopPost=').removesuffix(' run')} lock" in unit.splitlines()
