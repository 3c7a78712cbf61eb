"""For which machines pjsua2 can be compiled here. That it can be, and works there, the device tier shows."""

import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "firmware" / "pjsip" / "build.sh"


def build(target: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask the recipe, for a target."""
    environment = {**os.environ, "TARGET": target}
    return subprocess.run([BUILD, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("target", "complaint"),
    [("mips trixie", "cannot build for 'mips'"), ("arm64 sid", "cannot build for 'sid'"), ("arm64", "for ''")],
)
def test_a_target_that_cannot_be_had_is_refused_in_words(target: str, complaint: str) -> None:
    """Before anything is fetched or compiled."""
    done = build(target)

    assert done.returncode == 1
    assert complaint in done.stderr
    assert done.stdout == ""


def test_each_target_has_a_wheel_of_its_own() -> None:
    """What was made for one machine is never installed on another."""
    keys = [build(target, "--key").stdout for target in ("", "arm64 bookworm", "arm64 trixie", "amd64 trixie")]

    assert all(keys)
    assert len(set(keys)) == len(keys)
