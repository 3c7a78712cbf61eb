# SPDX-License-Identifier: GPL-2.0-or-later
"""What setup.sh decides before it does anything: is this machine one for a door, its root on a card, who answered."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parents[2] / "firmware" / "setup"
HARNESS = """\
set -euo pipefail
CACHE=/nowhere SECONDS=0
. {setup}/talk.sh
. {setup}/packages.sh
. {setup}/python.sh
. {setup}/version.sh
CONFIGURATION={folder}/intercom.toml
. {setup}/first.sh
"""


RENEW = """\
set -euo pipefail
. {setup}/talk.sh
ROOT={root}
eval "$(sed 's#^readonly REGISTRAR=.*#REGISTRAR={folder}/registrar#' {setup}/registrar.sh)"
with_systemd() {{ shift; "$@"; }}
systemctl() {{ echo "$@" >>{folder}/done; }}
kamailio() {{ {takes}; }}
renew_registrar
"""


@pytest.mark.parametrize(
    ("there", "takes", "renewed"),
    [("old", "true", True), ("old", "false", False), ("same", "false", False), ("none", "true", False)],
)
def test_an_upgrade_mends_the_service_beside_the_door(tmp_path: Path, there: str, takes: str, renewed: bool) -> None:
    """Where there is one, it is another one, and Kamailio takes the new one; else nothing is touched."""
    files = {"registrar.cfg": "intercom-registrar.cfg", "limit.nft": "intercom-registrar.nft"}
    folder = tmp_path / "registrar"
    folder.mkdir()
    for name, ours in files.items():
        if there != "none":
            text = (SETUP.parents[1] / "systemd" / ours).read_text() if there == "same" else "old\n"
            (folder / name).write_text(text)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    shell = RENEW.format(setup=SETUP, root=SETUP.parents[1], folder=tmp_path, takes=takes)
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    new = {name: (SETUP.parents[1] / "systemd" / ours).read_bytes() for name, ours in files.items()}
    assert after == (new if renewed else before)
    assert (tmp_path / "done").exists() == renewed


def decide(folder: Path, what: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run some of its functions."""
    (folder / "bin").mkdir(exist_ok=True)
    shell = HARNESS.format(setup=SETUP, folder=folder) + what
    path = f"{folder}/bin:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, **environment}
    return subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, env=env)


def machine_is(folder: Path, architecture: str) -> None:
    """Have dpkg say so."""
    (folder / "bin").mkdir()
    (folder / "bin" / "dpkg").write_text(f"#!/bin/sh\necho {architecture}\n")
    (folder / "bin" / "dpkg").chmod(0o755)


@pytest.mark.parametrize(("architecture", "status"), [("arm64", 0), ("amd64", 0), ("armhf", 1), ("riscv64", 1)])
def test_a_machine_without_ready_made_packages_is_told_so_first(tmp_path: Path, architecture: str, status: int) -> None:
    """Not after ten minutes of downloads; and which system to take instead."""
    machine_is(tmp_path, architecture)
    done = decide(tmp_path, "fit_machine")

    assert done.returncode == status, done.stderr
    assert ("64-bit Raspberry Pi OS" in done.stderr) == bool(status)


@pytest.mark.parametrize(
    ("mounts", "known", "card"),
    [
        ("/dev/mmcblk0p2 / ext4 rw 0 0", "", True),
        ("overlay / overlay rw 0 0\n/dev/mmcblk0p1 /boot/firmware vfat ro 0 0", "", True),
        ("/dev/nvme0n1p2 / ext4 rw 0 0", "", False),
        ("/dev/sda2 / ext4 rw 0 0\n/dev/mmcblk0p1 /media/photos vfat rw 0 0", "", False),
        ("/dev/sda2 / ext4 rw 0 0", "yes", True),
        ("/dev/mmcblk0p2 / ext4 rw 0 0", "no", False),
    ],
)
def test_a_root_on_a_card_is_seen(tmp_path: Path, mounts: str, known: str, card: bool) -> None:
    """Also under an overlay; a card with photos in the slot is none. Who knows better is believed."""
    (tmp_path / "mounts").write_text(f"{mounts}\n")
    done = decide(tmp_path, "on_card && echo card", MOUNTS=str(tmp_path / "mounts"), INTERCOM_CARD=known)

    assert ("card" in done.stdout) == card


@pytest.mark.parametrize(
    ("text", "unanswered"),
    [(None, True), ('password = "change-me"\n', True), ('#password = "change-me"\n', False), ("", False)],
)
def test_only_the_sample_counts_as_unanswered(tmp_path: Path, text: str | None, unanswered: bool) -> None:
    """Whatever else is in the file is somebody's work."""
    if text is not None:
        (tmp_path / "intercom.toml").write_text(text)
    done = decide(tmp_path, "is_unanswered && echo unanswered")

    assert ("unanswered" in done.stdout) == unanswered


@pytest.mark.parametrize(
    ("sound", "named"),
    [
        ("", True),
        ('#input = "Device"', True),
        ('input = ""', True),
        ('input = "Door"', True),
        ('input = "Device"', False),
    ],
)
def test_a_card_that_the_configuration_knows_keeps_its_name(tmp_path: Path, sound: str, named: bool) -> None:
    """An upgrade must not take the sound away from a door that goes by the maker's name."""
    (tmp_path / "intercom.toml").write_text(f"[sound]\n{sound}\n")
    done = decide(
        tmp_path, f"install() {{ echo installed; }}; systemd_runs() {{ false; }}; name_sound_card {tmp_path}/x"
    )

    assert done.returncode == 0, done.stderr
    assert ("installed" in done.stdout) == named


def test_what_takes_long_is_seen_to_go_on(tmp_path: Path) -> None:
    """A compiler that says nothing for ten minutes looks like a machine that hangs; the result stays the command's."""
    quick = "$(with_clock 'being built' echo wheel)"
    done = decide(
        tmp_path, f"echo got {quick}; with_clock 'being built' bash -c 'sleep 1; exit 7'", INTERCOM_CLOCK_S="0.1"
    )

    assert done.stdout == "got wheel\n"
    assert done.returncode == 7
    assert done.stderr.count("s] being built") >= 3


def test_services_are_kept_from_starting_only_while_it_installs(tmp_path: Path) -> None:
    """Debian asks the policy that a power cut has left behind, too: after another boot or process it agrees."""
    policy = tmp_path / "policy"
    installing = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    made = decide(tmp_path, f"policy_of {installing.pid}")
    policy.write_text(made.stdout)
    policy.chmod(0o755)
    asked = lambda: subprocess.run([policy, "kamailio", "start"], check=False).returncode  # noqa: E731
    assert made.returncode == 0, made.stderr
    assert asked() == 101
    policy.write_text(made.stdout.replace(Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "another"))
    assert asked() == 0
    policy.write_text(made.stdout)
    installing.communicate()
    assert asked() == 0


def test_without_a_home_nothing_is_kept_where_everybody_may_write(tmp_path: Path) -> None:
    """A wheel that lies there would be installed."""
    text = (SETUP.parents[1] / "setup.sh").read_text()
    script = tmp_path / "setup.sh"
    script.write_text(text[: text.index("readonly CACHE")] + 'echo "$CACHE"\n')
    drop = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"] if os.geteuid() == 0 else []
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:-2]:
        folder.chmod(folder.stat().st_mode | 0o011)

    def run(**env: str) -> subprocess.CompletedProcess[str]:
        env["PATH"] = os.environ["PATH"]
        return subprocess.run([*drop, "bash", script], env=env, capture_output=True, text=True, check=False)

    done, kept = run(), run(HOME="/home/x")
    if drop:
        assert done.returncode == 1, done.stdout
        assert "INTERCOM_CACHE" in done.stderr
    assert not done.stdout.startswith("/tmp")
    assert not drop or kept.stdout == "/home/x/.cache/intercom\n"


@pytest.mark.parametrize(
    ("said", "taken"), [("", True), ("right", True), ("RIGHT", True), ("0" * 64, False), ("abc", False)]
)
def test_a_wheel_that_is_brought_along_is_the_one_that_was_meant(tmp_path: Path, said: str, taken: bool) -> None:
    """It becomes the parser of what strangers send, and came by a stick or over a network."""
    wheel = tmp_path / "pjsua2.whl"
    wheel.write_bytes(b"a wheel")
    right = hashlib.sha256(b"a wheel").hexdigest()
    sums = {"right": right, "RIGHT": right.upper()}
    done = decide(
        tmp_path, "get_wheel && echo took $WHEEL", PJSUA2_WHEEL=str(wheel), PJSUA2_WHEEL_SHA256=sums.get(said, said)
    )

    assert (f"took {wheel}" in done.stdout) == taken
    assert taken or (right in done.stderr and done.returncode == 1)
