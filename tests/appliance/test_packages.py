"""The packages of PyPI: locked as PyPI has them, and ready-made for every system that a door runs on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import namespace
from lab.machine import CHECKOUT

FIRMWARE = CHECKOUT / "firmware"
SYSTEMS = ("x86_64-manylinux_2_36", "aarch64-manylinux_2_36")
"""Debian 12's C library, which is the older one."""


def uv(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run uv where the world outside can be reached."""
    tool = Path(sys.executable).with_name("uv")
    argv = ["nsenter", f"--net={namespace.OUTSIDE}", f"--wd={cwd}", tool, "pip", *arguments]
    cache = {"UV_CACHE_DIR": str(cwd / "uv-cache")}
    return subprocess.run(argv, env={**os.environ, **cache}, capture_output=True, text=True, check=False)


def hashes(lock: Path) -> set[str]:
    """All hashes in a lock."""
    return {word for word in lock.read_text().split() if word.startswith("--hash=")}


def test_the_lock_is_what_pypi_has(tmp_path: Path) -> None:
    """Made anew with the same versions; files that were added to a release later may be missing from ours."""
    lock = FIRMWARE / "requirements.lock"
    versions = (line.removesuffix("\\") for line in lock.read_text().splitlines() if "==" in line)
    (tmp_path / "versions.txt").write_text("\n".join(versions))  # with hashes uv would believe those
    options = ("--universal", "--python-version", "3.11", "--generate-hashes", "--constraints", "versions.txt")
    done = uv("compile", *options, FIRMWARE / "requirements.txt", "-o", "anew.lock", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert hashes(lock) <= hashes(tmp_path / "anew.lock")


@pytest.mark.parametrize("python", ["3.11", "3.13"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_package_is_ready_made(system: str, python: str, tmp_path: Path) -> None:
    """Nothing is compiled on a Pi: each package has a wheel for it."""
    asked = ("--dry-run", "--require-hashes", "--no-build", "--no-deps", "--target", "target")
    where = ("--python", sys.executable, "--python-platform", system, "--python-version", python)
    done = uv("install", *asked, *where, "-r", FIRMWARE / "requirements.lock", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "numpy" in done.stderr
