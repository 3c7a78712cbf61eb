# SPDX-License-Identifier: GPL-2.0-or-later
"""What `intercom doctor` makes of what it reads: of files that look like a Pi's, and of a server's challenge."""

from datetime import date
from pathlib import Path

import pytest
from config_files import BASE, loaded

from intercom.cli.doctor_checks import host as machine
from intercom.cli.doctor_checks.finding import Health
from intercom.cli.doctor_checks.sip_client import Answer, SipError, credentials

CARDS = """\
 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones
                      bcm2835 Headphones
 1 [Device         ]: USB-Audio - USB PnP Sound Device
                      C-Media Electronics Inc. USB PnP Sound Device at usb-3f980000.usb-1.3, full speed
"""
CHALLENGE = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_a_challenge_is_answered_as_in_the_standard(algorithm: str, response: str) -> None:
    """The example of RFC 7616 section 3.9.1."""
    answer = Answer(401, "Unauthorized", {"www-authenticate": [CHALLENGE.format(algorithm)]})
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    header = credentials(answer, "GET", "/dir/index.html", "Mufasa", "Circle of Life", cnonce)

    assert f'response="{response}"' in header


def test_a_challenge_that_nobody_can_answer_is_told() -> None:
    """Not taken for a wrong password."""
    answer = Answer(401, "Unauthorized", {"www-authenticate": ['Bearer realm="x"']})

    with pytest.raises(SipError, match="Bearer"):
        credentials(answer, "REGISTER", "sip:x", "door", "secret")


@pytest.mark.parametrize(
    ("listing", "wanted", "health", "seen"),
    [
        (CARDS, "", Health.WELL, "Headphones, Device"),
        (CARDS, "usb pnp", Health.WELL, "Headphones, Device"),
        (CARDS, "ReSpeaker", Health.BROKEN, "there is no 'ReSpeaker'"),
        ("--- no soundcards ---\n", "", Health.BROKEN, "the kernel knows no sound card"),
    ],
)
def test_the_card_is_looked_for_by_its_name(
    tmp_path: Path, listing: str, wanted: str, health: Health, seen: str
) -> None:
    """As people see it in the kernel's list."""
    (tmp_path / "cards").write_text(listing)
    config = loaded(tmp_path, f'{BASE}[sound]\ninput = "{wanted}"\n')
    found = machine._listed_card(config, tmp_path / "cards")

    assert (found.health, found.seen) == (health, seen)


def test_a_dying_disk_is_told_before_a_full_one(tmp_path: Path) -> None:
    """A card that has errors loses more than room."""
    errors = tmp_path / "sys/fs/ext4/mmcblk0p2/errors_count"
    life = tmp_path / "sys/block/mmcblk0/device/life_time"
    for path, text in ((errors, "0\n"), (life, "0x01 0x02\n")):
        path.parent.mkdir(parents=True)
        path.write_text(text)

    assert machine.disk({"disk_free_mb": 500}, tmp_path).health is Health.WELL
    assert machine.disk({"disk_free_mb": 50}, tmp_path).seen == "only 50 MB are free"
    life.write_text("0x0a 0x02\n")
    assert machine.disk({"disk_free_mb": 50}, tmp_path).seen == "it has used 100 % of its life"
    life.write_text("0x01 0x02\n")
    life.with_name("pre_eol_info").write_text("0x02\n")
    assert machine.disk({"disk_free_mb": 50}, tmp_path).seen == "its spare blocks run out"
    (tmp_path / "proc").mkdir()
    mounts = "tmpfs /run tmpfs ro 0 0\n/dev/mmcblk0p2 / ext4 {},noatime,errors=remount-ro 0 0\n"
    (tmp_path / "proc/mounts").write_text(mounts.format("rw"))
    assert machine.disk({"disk_free_mb": 500}, tmp_path).health is Health.UNWISE
    (tmp_path / "proc/mounts").write_text(mounts.format("ro"))
    assert machine.disk({"disk_free_mb": 500}, tmp_path).seen == "the kernel lets nobody write to it"
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/fstab").write_text("# <file system>\n\nPARTUUID=1-02 / ext4 defaults,ro 0 1\n")
    assert machine.disk({"disk_free_mb": 500}, tmp_path).health is Health.UNWISE, "on purpose"
    errors.write_text("3\n")
    assert machine.disk({"disk_free_mb": 50}, tmp_path).health is Health.BROKEN


def test_a_supply_that_was_weak_once_is_told(tmp_path: Path) -> None:
    """It fails for a moment, when the strike draws; the firmware remembers."""
    throttled = tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled"
    throttled.parent.mkdir(parents=True)
    throttled.write_text("0\n")

    assert machine.supply({"supply": "well", "temperature_c": 50.0}, tmp_path).seen == "well, 50 °C"
    assert machine.supply({}, tmp_path).health is Health.WELL
    assert machine.supply({}, tmp_path / "no Pi").health is Health.SKIPPED
    assert machine.supply({"supply": "well", "temperature_c": 81.0}, tmp_path).health is Health.UNWISE
    throttled.write_text("e0000\n")
    assert machine.supply({"supply": "well"}, tmp_path).seen.startswith("the processor was slowed down")
    throttled.write_text("50005\n")
    assert machine.supply({}, tmp_path).seen == "it is below 4.63 V"
    throttled.write_text("50000\n")
    assert machine.supply({"supply": "well"}, tmp_path).seen == "it was, since the start, below 4.63 V"


MIXER = """\
Simple mixer control 'Speaker',0
  Capabilities: pvolume pswitch pswitch-joined
  Playback channels: Front Left - Front Right
  Limits: Playback 0 - 37
  Mono:
  Front Left: Playback 20 [54%] [-17.00dB] [{speaker}]
  Front Right: Playback 20 [54%] [-17.00dB] [{speaker}]
Simple mixer control 'Mic',0
  Capabilities: pvolume pvolume-joined cvolume cvolume-joined pswitch pswitch-joined cswitch cswitch-joined
  Playback channels: Mono
  Capture channels: Mono
  Limits: Playback 0 - 32 Capture 0 - 16
  Mono: Playback 23 [72%] [34.36dB] [off] Capture 16 [100%] [0.00dB] [{microphone}]
Simple mixer control 'Auto Gain Control',0
  Capabilities: pswitch pswitch-joined
  Playback channels: Mono
  Mono: Playback [off]
"""
"""What alsa-utils prints of a usual USB card."""


@pytest.mark.parametrize(
    ("speaker", "microphone", "health", "seen"),
    [
        ("on", "on", Health.WELL, "nothing is switched off"),
        ("off", "on", Health.UNWISE, "Speaker is switched off"),
        ("off", "off", Health.UNWISE, "Speaker, Mic is switched off"),
    ],
)
def test_a_muted_mixer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speaker: str, microphone: str, health: Health, seen: str
) -> None:
    """The commonest cause of a silent door; a microphone that is not played back at the door is meant to be so."""
    amixer = tmp_path / "amixer"
    amixer.write_text(f"#!/bin/sh\ncat <<'END'\n{MIXER.format(speaker=speaker, microphone=microphone)}END\n")
    amixer.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = machine.mixer(loaded(tmp_path, f'{BASE}[sound]\noutput = "USB"\n'))

    assert (found.health, found.seen) == (health, seen)


@pytest.mark.parametrize(
    ("versions", "day", "health"),
    [
        ("PJSIP 2.17 of 2026-04-22; codecs PCMA/8000/1", "2026-11-30", Health.WELL),
        ("PJSIP 2.17 of 2026-04-22; codecs PCMA/8000/1", "2027-04-22", Health.WELL),
        ("PJSIP 2.17 of 2026-04-22; codecs PCMA/8000/1", "2027-04-23", Health.UNWISE),
        ("PJSIP 2.17; codecs PCMA/8000/1", "2026-11-30", Health.SKIPPED),
        ("", "2026-11-30", Health.SKIPPED),
        (None, "2026-11-30", Health.SKIPPED),
    ],
)
def test_an_old_sip_library_is_told(versions: str | None, day: str, health: Health) -> None:
    """What parses strangers' bytes is to be no older than a year: its faults become known."""
    status = None if versions is None else {"engine": {"versions": versions}}
    found = machine.telephone(status, date.fromisoformat(day))

    assert found.health is health
    assert health is Health.SKIPPED or "2.17, of 2026-04-22" in found.seen
