# SPDX-License-Identifier: GPL-2.0-or-later
"""What hardware/ hands to the system: udev and ALSA themselves read it; config.txt is left as it was."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HARDWARE = ROOT / "hardware"
USB, BOARD = "devices/platform/usb1/1-1/1-1:1.0/sound/card1", "devices/platform/soc/sound/card0"
SYSFS = f"""\
P: /devices/platform/usb1/1-1
E: DEVTYPE=usb_device
E: SUBSYSTEM=usb

P: /{USB}
E: SUBSYSTEM=sound
A: id=Dev\\n

P: /{USB}/pcmC1D0c
E: SUBSYSTEM=sound

P: /{BOARD}
E: SUBSYSTEM=sound
A: id=RPi\\n
"""
"""A USB adapter and a board on the header, as the kernel shows them."""
RULES = Path("/run/udev/rules.d")


@pytest.fixture
def rules() -> Iterator[Path]:
    """Ours among the system's own, in the /run of the tests."""
    if os.environ.get("INTERCOM_LAB") != "ready":
        pytest.skip("needs a /run of its own")
    RULES.mkdir(parents=True, exist_ok=True)
    file = RULES / "85-intercom-sound.rules"
    file.write_text((HARDWARE / "sound.rules").read_text())
    yield file
    file.unlink()


def udev(folder: Path, card: str, sysfs: str = SYSFS) -> tuple[str, str]:
    """Have udev go through its rules for a card; return what it says, and the card's name afterwards."""
    (folder / "sysfs").write_text(sysfs)
    shell = f"udevadm test --action=change /sys/{card} 2>&1; echo '---'; cat /sys/{card}/id"
    argv = ["umockdev-run", "-d", str(folder / "sysfs"), "--", "sh", "-c", shell]
    told, _, name = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.partition("---\n")
    return told, name.strip()


def test_udev_calls_a_usb_card_door_and_leaves_a_board_its_name(rules: Path, tmp_path: Path) -> None:
    """Whatever was plugged in first, the configuration's name is the card's."""
    told, name = udev(tmp_path, USB)
    _, board = udev(tmp_path, BOARD)
    _, deaf = udev(tmp_path, USB, SYSFS.replace("pcmC1D0c", "pcmC1D0p"))

    assert (name, board, deaf) == ("Door", "RPi", "Dev")
    assert [line for line in told.splitlines() if line.startswith(str(rules)) and "Reading" not in line] == []


def test_udev_has_the_automatic_gain_switched_off(rules: Path, tmp_path: Path) -> None:
    """Of the door's card, where there is an amixer to do it with."""
    rules.write_text(rules.read_text().replace("/usr/bin/amixer", "/bin/true"))  # which is everywhere
    named, _ = udev(tmp_path, USB)
    board, _ = udev(tmp_path, BOARD)

    assert "run: '/bin/true -q -c Door -- sset 'Auto Gain Control' off'" in named
    assert "Auto Gain" not in board


def test_alsa_takes_the_settings_for_people() -> None:
    """libasound's own parser; a bracket too few would silence every ALSA program of the machine."""
    alsa = ctypes.CDLL("libasound.so.2")
    entry, source = ctypes.c_void_p(), ctypes.c_void_p()
    assert alsa.snd_config_top(ctypes.byref(entry)) == 0
    assert alsa.snd_input_stdio_open(ctypes.byref(source), str(HARDWARE / "asound.conf").encode(), b"r") == 0
    assert alsa.snd_config_load(entry, source) == 0
    found = ctypes.c_void_p()
    for name, value in ((b"defaults.pcm.card", b"Door"), (b"pcm.door.type", b"plug"), (b"ctl.door.card", b"Door")):
        assert alsa.snd_config_search(entry, name, ctypes.byref(found)) == 0
        text = ctypes.c_char_p()
        assert alsa.snd_config_get_string(found, ctypes.byref(text)) == 0
        assert text.value == value


BOOT = """\
set -eu
ROOT=$1 CACHE=/nowhere PREFIX=$2 CONFIGURATION=/unused
say() { echo "$*"; }
. "$ROOT/firmware/setup/boot.sh"
"""


def boot(folder: Path, what: str) -> str:
    """Run a function of firmware/setup/boot.sh on a config.txt of ours; return what it says."""
    argv = ["bash", "-c", f"{BOOT}{what}", "bash", str(ROOT), str(folder)]
    env = {**os.environ, "INTERCOM_BOOT_FILE": str(folder / "config.txt")}
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=env).stdout


def test_the_boot_loader_is_told_the_pins_and_forgets_them(tmp_path: Path) -> None:
    """Once, renewed when the pins are others, and nothing else in the file is touched."""
    intercom = tmp_path / "current" / "bin" / "intercom"
    intercom.parent.mkdir(parents=True)
    intercom.write_text("#!/bin/sh\necho gpio=27=op,dl\n")
    intercom.chmod(0o755)
    config = tmp_path / "config.txt"
    config.write_text("dtparam=audio=on\n\n[pi4]\narm_boost=1\n\n\n")
    first = boot(tmp_path, "tell_boot_loader")
    once = config.read_text()
    again = boot(tmp_path, "tell_boot_loader")
    unchanged = config.read_text()
    intercom.write_text("#!/bin/sh\necho gpio=5=op,dh\n")
    boot(tmp_path, "tell_boot_loader")
    renewed = config.read_text()
    boot(tmp_path, "silence_boot_loader; silence_boot_loader")

    assert "from power-on" in first
    assert again == ""
    assert once == unchanged
    assert once.startswith("dtparam=audio=on\n\n[pi4]\narm_boost=1\n\n# intercom")
    assert "\n[all]\ngpio=27=op,dl\n# intercom: end\n" in once
    assert "gpio=27" not in renewed
    assert renewed.count("[all]") == renewed.count("gpio=5=op,dh") == 1
    assert config.read_text() == "dtparam=audio=on\n\n[pi4]\narm_boost=1\n"


def test_a_configuration_that_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    """What stands there already is better than nothing."""
    intercom = tmp_path / "current" / "bin" / "intercom"
    intercom.parent.mkdir(parents=True)
    intercom.write_text("#!/bin/sh\nexit 1\n")
    intercom.chmod(0o755)
    (tmp_path / "config.txt").write_text("a=1\n")
    boot(tmp_path, "tell_boot_loader")

    assert (tmp_path / "config.txt").read_text() == "a=1\n"
