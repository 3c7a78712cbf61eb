# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom lock`: what systemd calls when the daemon is gone and its strikes are as they were."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory
from panel_rigs import WatchedPin

from intercom.__main__ import main
from intercom.adapters.storage import strikes
from intercom.adapters.storage.strikes import Strike
from intercom.app import button_panel, run
from intercom.errors import HardwareError

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
def note(tmp_path: Path) -> Path:
    """Where the daemon leaves its note; nothing is there yet."""
    return tmp_path / "strikes"


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
    factory: MockFactory, config: Path, note: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Locked is low for one relay and high for another; buttons and lamp are left alone."""
    left_released(factory)
    status = main(["lock", "--config", str(config), "--note", str(note)])
    levels = {pin: factory.pin(pin).driven[-1] for pin in (27, 23)}

    assert (status, levels) == (0, {27: False, 23: True})
    assert capsys.readouterr().out == "door front locked\ndoor gate locked\n"
    assert 17 not in {pin.info.name for pin in factory.pins.values()}


def test_a_pin_that_cannot_be_had_does_not_leave_the_others_open(
    factory: MockFactory, config: Path, note: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the daemon runs it holds its pins: that is said, and is a failure."""
    left_released(factory)
    holder = gpiozero.DigitalOutputDevice(27)
    status = main(["lock", "--config", str(config), "--note", str(note)])
    told = capsys.readouterr()
    holder.close()

    assert status == 1
    assert "pin GPIO27 cannot be had" in told.err
    assert "sudo systemctl stop intercom" in told.err
    assert told.out == "door gate locked\n"


def test_a_broken_configuration_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which pins they are stands there and nowhere else."""
    assert main(["lock", "--config", str(tmp_path / "none.toml"), "--note", str(tmp_path / "strikes")]) == 1
    assert "none.toml" in capsys.readouterr().err


BROKEN = {
    "another pin": CONFIG.replace("strike_pin = 27", "strike_pin = 5"),
    "a mistake elsewhere": CONFIG + '[sounds]\nchime = "/mnt/usb/chime.wav"\n',
    "a credential that nobody gives us": CONFIG.replace('user = "door"', 'user = "door"\ncredential = "sip.password"'),
    "not TOML": "[accounts",
    "gone": None,
}
"""What may have become of the file since the daemon started."""


@pytest.mark.parametrize("text", BROKEN.values(), ids=list(BROKEN))
def test_what_the_dead_daemon_drove_is_locked_whatever_the_file_says(
    factory: MockFactory, note: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    """It was edited, broken, is on trial, or cannot be read after the daemon's end (systemd 252 and credentials)."""
    usual = tmp_path / "usual.toml"
    if text is not None:
        usual.write_text(text)
    monkeypatch.setattr("intercom.paths.CONFIG", usual)
    strikes.note(note, [Strike("front", "GPIO27", active_high=True), Strike("gate", "23", active_high=False)])
    left_released(factory)
    status = main(["lock", "--note", str(note)])

    assert (status, {pin: factory.pin(pin).driven[-1] for pin in (27, 23)}) == (0, {27: False, 23: True})
    assert len(factory.pins) == 2


def test_a_configuration_that_is_named_is_locked_besides(factory: MockFactory, config: Path, note: Path) -> None:
    """And one that is wrong leaves nothing released that the note knows."""
    strikes.note(note, [Strike("old", "5", active_high=True)])
    factory.pin(5).function, factory.pin(5).state = "output", 1
    left_released(factory)
    both = main(["lock", "--config", str(config), "--note", str(note)])
    levels = {pin: factory.pin(pin).driven[-1] for pin in (5, 27, 23)}
    factory.pin(5).function, factory.pin(5).state = "output", 1
    config.write_text("[accounts")
    wrong = main(["lock", "--config", str(config), "--note", str(note)])

    assert (both, levels) == (0, {5: False, 27: False, 23: True})
    assert (wrong, factory.pin(5).driven[-1]) == (1, False)


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"{", b"[1]", b'[{"door": "a", "pin": 27, "active_high": true}]', b"[" * 100_000, b'"' * 70_000],
)
def test_a_note_that_is_none_leaves_the_configuration(
    factory: MockFactory, config: Path, note: Path, monkeypatch: pytest.MonkeyPatch, rubbish: bytes
) -> None:
    """Rubbish in it ends nothing; nor does a link or a pipe in its place."""
    monkeypatch.setattr("intercom.paths.CONFIG", config)
    note.write_bytes(rubbish)
    left_released(factory)

    assert strikes.noted(note) is None
    assert main(["lock", "--note", str(note)]) == 0
    assert {pin: factory.pin(pin).driven[-1] for pin in (27, 23)} == {27: False, 23: True}


def test_a_link_and_a_pipe_are_no_note(tmp_path: Path, note: Path) -> None:
    """A folder that others may write to must not lead us elsewhere, nor make us wait."""
    strikes.note(tmp_path / "real", [])
    note.symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")

    assert strikes.noted(note) is None
    assert strikes.noted(tmp_path / "pipe") is None
    assert strikes.noted(tmp_path / "real") == ()


def test_the_daemon_writes_its_note_before_it_claims_a_strike(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the next moment, it has left what must be locked."""
    seen: list[tuple[Strike, ...] | None] = []

    def claimed(*_: object, **__: object) -> None:
        seen.append(strikes.noted(tmp_path / "strikes"))
        raise SystemExit("as far as this")

    monkeypatch.setattr(button_panel, "GpioStrike", claimed)
    monkeypatch.setattr(run, "disable_core_dumps", lambda: None)
    with pytest.raises(SystemExit, match="as far as this"):
        run.run(config, tmp_path / "control.sock")

    assert seen == [(Strike("front", "GPIO27", active_high=True), Strike("gate", "GPIO23", active_high=False))]


def test_a_second_daemon_leaves_everything_of_the_first_alone(config: Path, tmp_path: Path) -> None:
    """Its note of strikes, its ledger, its count of starts: else `intercom lock` locked the second one's pins."""
    strikes.note(tmp_path / "strikes", [Strike("front", "GPIO5", active_high=True)])
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with socket.socket(socket.AF_UNIX) as first:
        first.bind(str(tmp_path / "control.sock"))
        first.listen()
        with pytest.raises(HardwareError, match="another intercom runs here"):
            run.run(config, tmp_path / "control.sock")

    (tmp_path / "control.sock").unlink()
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_note_that_cannot_be_written_leaves_no_old_one(
    tmp_path: Path, note: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An old one would lock other pins; without one the configuration tells."""
    strikes.note(note, [Strike("old", "5", active_high=True)])
    (tmp_path / ".strikes.new").mkdir()
    strikes.note(note, [])

    assert strikes.noted(note) is None
    assert "would go by the configuration" in capsys.readouterr().err


def test_to_lock_by_the_note_nothing_of_the_configuration_is_loaded(tmp_path: Path) -> None:
    """A strike that stays released waits for it: no parser, and no hash of a code, is read meanwhile."""
    strikes.note(tmp_path / "strikes", [])
    program = (
        "import sys; from intercom.__main__ import main;"
        f"status = main(['lock', '--note', {str(tmp_path / 'strikes')!r}]);"
        "print(status, sorted({'tomllib', 'intercom.config.loader', 'intercom.security.code_hash'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert told.stdout == "0 []\n"


def test_systemd_locks_whenever_the_daemon_has_ended() -> None:
    """`ExecStopPost=` runs however the service ended, a kill included (systemd.service(5))."""
    unit = (Path(__file__).parents[2] / "systemd/intercom.service").read_text()
    start = next(line for line in unit.splitlines() if line.startswith("ExecStart="))

    assert f"{start.replace('ExecStart=', 'ExecStopPost=').removesuffix(' run')} lock" in unit.splitlines()
