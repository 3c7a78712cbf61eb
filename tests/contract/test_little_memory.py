# SPDX-License-Identifier: GPL-2.0-or-later
"""Building pjsua2 on a Pi with little memory: some of the disk serves as memory while it lasts, by the real kernel."""

import re
import subprocess
from pathlib import Path

BUILD = (Path(__file__).resolve().parents[2] / "firmware" / "pjsip" / "build.sh").read_text()
NEEDED_MB = 24
"""Instead of the wrapper's half a gigabyte."""


def function(name: str) -> str:
    """A function of build.sh as it stands there."""
    found = re.search(rf"^{name}\(\) \{{.*?(\}}$|^\}})", BUILD, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[0]


def build(folder: Path, memory: str, then: str, *, path: str = "") -> subprocess.CompletedProcess[str]:
    """Ask for memory as the build does, on a machine with that much of it."""
    (folder / "work").mkdir(exist_ok=True)
    (folder / "meminfo").write_text(memory)
    parts = "\n".join(function(name) for name in ("step", "die", "need_memory", "clean"))
    shell = f"set -euo pipefail\nSWAP='' WORK={folder}/work LOG={folder}/log WRAPPER_MB={NEEDED_MB}\n{parts}\n"
    shell += f"PATH={path}:/usr/sbin:/sbin:$PATH MEMINFO={folder}/meminfo\ntrap clean EXIT\nneed_memory\n{then}"
    return subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)


def meminfo(available_mb: int, swap_mb: int = 0) -> str:
    """The kernel's file, as far as it is read."""
    return f"MemTotal: 439000 kB\nMemAvailable: {available_mb * 1024} kB\nSwapFree: {swap_mb * 1024} kB\n"


def test_a_small_pi_is_lent_some_of_its_disk_and_gives_it_back(tmp_path: Path) -> None:
    """Said honestly, with both figures; afterwards there is no swap of ours, and no file of it."""
    done = build(tmp_path, meminfo(20), "cat /proc/swaps; stat -c %a $SWAP")

    assert done.returncode == 0, done.stderr + (tmp_path / "log").read_text()
    assert f"20 MB are free, the wrapper needs {NEEDED_MB}: lending it {NEEDED_MB} MB of the disk" in done.stderr
    assert f"{tmp_path}/work/swap" in done.stdout
    assert done.stdout.splitlines()[-1] == "600"
    assert str(tmp_path) not in Path("/proc/swaps").read_text()
    assert not (tmp_path / "work").exists()


def test_enough_memory_or_swap_needs_nothing(tmp_path: Path) -> None:
    """Neither a file nor a word."""
    for memory in (meminfo(NEEDED_MB), meminfo(10, NEEDED_MB - 10)):
        done = build(tmp_path, memory, 'echo "[$SWAP]"')
        assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_where_the_disk_cannot_be_lent_it_says_what_to_do(tmp_path: Path) -> None:
    """Before the compiler is killed in its tenth minute: a full disk, or a kernel without swap."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "swapon").write_text("#!/bin/sh\necho swapon: not permitted >&2\nexit 1\n")
    (tmp_path / "bin" / "swapon").chmod(0o755)
    done = build(tmp_path, meminfo(20), "echo went on", path=str(tmp_path / "bin"))

    assert done.returncode == 1
    assert "too little memory to build pjsua2: 20 MB free" in done.stderr
    assert "PJSUA2_WHEEL=FILE sudo -E ./setup.sh install" in done.stderr
    assert "not permitted" in (tmp_path / "log").read_text()
    assert "went on" not in done.stdout
    assert not (tmp_path / "work").exists()
