# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `intercom doctor` that need no network: configuration, pins, card, clock, disk, supply."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from intercom.cli.doctor_checks.finding import Finding, broken, skipped, unwise, well
from intercom.config.model import Config
from intercom.errors import ConfigError, HardwareError

Status = dict[str, Any]
HOT_C = 80.0
ANOTHER_CARD = "copy what you need, and put in another card"
STALE_DAYS = 365
"""PJSIP has had two to three releases a year, and each mended faults in memory."""
WORN, SPARE_NORMAL = 9, 1
"""JESD84-B51: DEVICE_LIFE_TIME_EST in tenths, PRE_EOL_INFO 1 for "normal"; SD cards say neither."""
WEAK, SLOWED, SINCE_START = 0b0001, 0b1110, 16
"""Bits of get_throttled (Raspberry Pi's vcgencmd): below 4.63 V; slowed down; and so many higher: since the start."""


def configuration(path: Path) -> tuple[Config | None, list[Finding]]:
    """Look at the configuration; return it as well, when it can be used."""
    from intercom.config import service_user  # noqa: PLC0415  (reads TOML)
    from intercom.config.loader import made, read  # noqa: PLC0415

    what = "configuration"
    try:
        content = read(path)
        config = made(path, content, in_service=False)
    except ConfigError as error:
        more = f" and {len(error.problems) - 1} more" if len(error.problems) > 1 else ""
        return None, [broken(what, f"{error.problems[0]}{more}", "see all of it with `intercom check`")]
    if wrong := service_user.complaints(path, content)[0]:
        return config, [broken(what, f"{wrong[0]} (for the service's user)", "see all of it with `intercom check`")]
    if config.warnings:
        return config, [unwise(what, config.warnings[0], "see all of it with `intercom check`")]
    return config, [well(what, str(path))]


def daemon(status: Status | None, why: str) -> Finding:
    """Look at the daemon: without it everything else may be well and nothing rings."""
    if status is None:
        return broken("daemon", why, "sudo systemctl start intercom")
    if not status["engine"]["pid"]:
        return broken("daemon", "its voice engine does not run", "see why with `intercom logs`")
    return well("daemon", f"runs for {status['uptime_s']:.0f} s; {status['engine']['versions']}")


def telephone(status: Status | None, today: date) -> Finding:
    """Look how old the SIP library is: it reads what strangers send, and its faults become known with time."""
    what = "PJSIP"
    found = re.search(r"PJSIP (\S+) of (\d{4}-\d\d-\d\d)", status["engine"]["versions"] if status else "")
    if found is None:
        return skipped(what, "the daemon does not say how old it is" if status else "no daemon to ask")
    age = (today - date.fromisoformat(found[2])).days
    told = f"{found[1]}, of {found[2]} and with the intercom's own patches; {age} days old"
    if age > STALE_DAYS:
        return unwise(what, told, "take a newer version of the intercom: git pull && sudo ./setup.sh upgrade")
    return well(what, told)


def pins(config: Config, status: Status | None) -> Iterator[Finding]:
    """Look at the buttons' wires: through the daemon where it has them, else by ourselves. Strikes are not touched."""
    if status is not None:
        pressed = {button["button"]: button["pressed"] for button in status.get("buttons", [])}
    else:
        try:
            pressed = _read_pins(config)
        except HardwareError as error:
            yield broken("pins", str(error), "check the pins in the configuration, and who else uses them")
            return
    for button in config.buttons:
        what = f"pin {button.key}"
        if button.key not in pressed:
            yield skipped(what, "the daemon does not tell")
        elif pressed[button.key]:
            wired = "ground" if button.pull == "up" else "3.3 V"
            yield broken(what, f"{button.pin} reads as pressed (pull {button.pull})",
                         f"let go of it, or look for a short of its wire to {wired}")  # fmt: skip
        else:
            yield well(what, f"{button.pin} is at rest (pull {button.pull})")


def _read_pins(config: Config) -> dict[str, bool]:
    """Return which buttons are pressed, read from the pins themselves. Raises HardwareError."""
    from intercom.adapters.gpio import GpioPanel  # noqa: PLC0415  (loads gpiozero)
    from intercom.core.events import ButtonChanged, Event  # noqa: PLC0415

    pressed = dict.fromkeys((button.key for button in config.buttons), False)

    def note(event: Event, at: float | None = None) -> None:
        if isinstance(event, ButtonChanged):
            pressed[event.button] = event.pressed

    GpioPanel({button.key: (button.pin, button.pull == "up") for button in config.buttons}, note).close()
    return pressed


def card(config: Config, status: Status | None) -> Finding:
    """Look for the sound card; the daemon knows best whether it can be opened."""
    if status is not None:
        wrong = next((one["detail"] for one in status["conditions"] if one["condition"] == "sound card"), "")
        if wrong:
            return broken("card", wrong, "check its plug, and [sound] in the configuration")
        return well("card", f"the daemon has no complaint; {status['card']} now")
    return _listed_card(config, Path("/proc/asound/cards"))


def _listed_card(config: Config, listing: Path) -> Finding:
    """Look for the configured cards among those of the kernel."""
    try:
        text = listing.read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.findall(r"^ *\d+ \[(\S+) *\]: \S+ - (.+)$", text, re.MULTILINE)
    if not found:
        return broken("card", "the kernel knows no sound card", "plug it in, or enable it in /boot/firmware/config.txt")
    names = [name for pair in found for name in pair]
    for wanted in filter(None, (config.sound.input, config.sound.output)):
        if not any(wanted.casefold() in name.casefold() for name in names):
            there = ", ".join(name for name, _ in found)
            return broken("card", f"there is no {wanted!r}", f"plug it in, or take one of these in [sound]: {there}")
    return well("card", ", ".join(name for name, _ in found))


def mixer(config: Config) -> Finding:
    """Look for muted controls: the commonest cause of a silent door."""
    if not shutil.which("amixer"):
        return skipped("mixer", "amixer is not installed (alsa-utils)")
    name = config.sound.output or config.sound.input
    argv = ["amixer", *(["-c", name] if name else []), "scontents"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
    if done.returncode:
        return skipped("mixer", "this card has none")
    muted = [
        control
        for control, body in re.findall(r"^Simple mixer control '([^']+)'.*\n((?: .*\n?)*)", done.stdout, re.MULTILINE)
        if "[off]" in body
        and "[on]" not in body
        and re.match(r"(?i)master|pcm|speaker|headphone|mic|capture|line", control)
    ]
    if muted:
        return unwise("mixer", f"{', '.join(muted)} is switched off", f"amixer -c {name or 0} set '{muted[0]}' unmute")
    return well("mixer", "nothing is switched off")


def clock(readings: dict[str, float | str]) -> Finding:
    """Look at the clock: profiles, codes with a date and certificates depend on it."""
    if readings.get("clock") == "set":
        return well("clock", "is synchronised")
    return unwise(
        "clock", "is not synchronised", "give the Pi a network with a time server: timedatectl timesync-status"
    )


def disk(readings: dict[str, float | str], root: Path = Path("/")) -> Finding:
    """Look at the SD card: errors that the kernel has counted, how worn it is, and what is free."""
    errors = sum(_numbers(root.glob("sys/fs/ext4/*/errors_count")))
    if errors:
        return broken("disk", f"the kernel has met {errors} errors on it", ANOTHER_CARD)
    if _is_read_only(root):
        # Debian mounts with errors=remount-ro.
        return broken("disk", "the kernel lets nobody write to it", f"see why with `sudo dmesg`; {ANOTHER_CARD}")
    worn, spare = max(_of_cards(root, "life_time"), default=0), max(_of_cards(root, "pre_eol_info"), default=0)
    if worn >= WORN or spare > SPARE_NORMAL:
        return unwise("disk", f"it has used {worn * 10} % of its life" if worn >= WORN else "its spare blocks run out",
                      "have another card ready")  # fmt: skip
    free = readings.get("disk_free_mb")
    if isinstance(free, int | float) and free < 100:
        return unwise(
            "disk", f"only {free:.0f} MB are free", "delete what is not needed: sudo journalctl --vacuum-size=50M"
        )
    return well(
        "disk", f"{free:.0f} MB are free, no errors were counted" if isinstance(free, int | float) else "no errors"
    )


def supply(readings: dict[str, float | str], root: Path = Path("/")) -> Finding:
    """Look at supply and heat, now and since the start."""
    degrees, flags = readings.get("temperature_c"), _throttled(root)
    weak_now = readings.get("supply") == "weak" or bool((flags or 0) & WEAK)
    if weak_now or (flags or 0) & WEAK << SINCE_START:
        when = "is" if weak_now else "was, since the start,"
        return broken("supply", f"it {when} below 4.63 V", "use a stronger supply, and a shorter, thicker cable")
    if isinstance(degrees, int | float) and degrees >= HOT_C:
        return unwise("supply", f"the processor has {degrees:.0f} °C", "give it air or shade")
    if (flags or 0) & (SLOWED | SLOWED << SINCE_START):
        return unwise("supply", "the processor was slowed down since the start: it was too hot", "give it air or shade")
    if "supply" not in readings and flags is None:
        return skipped("supply", "this machine does not measure it")
    return well("supply", f"well{f', {degrees:.0f} °C' if isinstance(degrees, int | float) else ''}")


def _numbers(paths: Iterator[Path]) -> Iterator[int]:
    for path in paths:
        text = path.read_text(encoding="ascii").strip()
        if text.isdigit():
            yield int(text)


def _throttled(root: Path) -> int | None:
    """Return what the firmware of a Pi says (its get_throttled); None where there is none."""
    try:
        return int((root / "sys/devices/platform/soc/soc:firmware/get_throttled").read_text(encoding="ascii"), 16)
    except (OSError, ValueError):
        return None


def _is_read_only(root: Path) -> bool:
    """Whether the file system of a card, meant to be written to, is mounted so that it cannot be."""

    def is_so(table: str) -> bool:
        try:
            mounts = [line.split() for line in (root / table).read_text(encoding="utf-8").splitlines()]
        except OSError:
            return False
        return any(
            mount[1] == "/" and mount[2] in ("ext4", "f2fs", "btrfs") and "ro" in mount[3].split(",")
            for mount in mounts
            if len(mount) > 3 and not mount[0].startswith("#")
        )

    # Who has it so on purpose says it there (fstab(5)).
    return is_so("proc/mounts") and not is_so("etc/fstab")


def _of_cards(root: Path, name: str) -> Iterator[int]:
    """Yield what cards say of themselves, where they do: `life_time` in tenths, `pre_eol_info` in steps from 1."""
    for path in root.glob(f"sys/block/mmcblk*/device/{name}"):
        yield from (int(part, 16) for part in path.read_text(encoding="ascii").split() if part.startswith("0x"))
