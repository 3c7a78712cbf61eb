"""For which machines and from what pjsua2 is compiled. That it works there, the device tier shows."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).parents[2] / "firmware" / "pjsip" / "build.sh"


def build(target: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Ask the recipe, for a target."""
    environment = {**os.environ, "TARGET": target, **settings}
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


def test_a_source_that_nobody_tried_is_refused_unless_it_is_asked_for(tmp_path: Path) -> None:
    """A newer file of Debian's, or one that somebody handed in, is not what the patches were made for."""
    source = tmp_path / "pjproject.tar.xz"
    source.write_bytes(b"something else")
    settings = {"PJPROJECT_TARBALL": str(source), "INTERCOM_CACHE": str(tmp_path / "cache")}
    refused, asked_for = build("", **settings), build("", **settings, PJPROJECT_UNKNOWN="yes")

    known = "6860c2f7604b4eee75f38151a9ef69774eb3f0c5286fc1d14bc1db2dc5a9e8aa"
    for words in ("was not tried with", known, "PJPROJECT_UNKNOWN=yes", "update this checkout", "snapshot archive"):
        assert words in refused.stderr
    assert "note: nobody has tried this source" in asked_for.stderr
    assert "unpacking failed" in asked_for.stderr, "this one is not even a tarball"
    assert (refused.returncode, asked_for.returncode) == (1, 1)


def test_what_the_wheel_is_made_of_is_in_its_key(tmp_path: Path) -> None:
    """So the next upgrade builds anew, when a patch, the pin of the source or of a tool is another."""
    recipe = BUILD.parent
    shutil.copytree(recipe, tmp_path / "pjsip")
    moved = tmp_path / "pjsip"
    keys = {"before": key_of(moved)}
    for name in ("build.sh", "gate.c", "requirements.lock", "patches/01-call-destructor.patch"):
        with (moved / name).open("a") as file:
            file.write("\n")
        keys[name] = key_of(moved)

    assert keys["before"] == key_of(recipe)
    assert len(set(keys.values())) == len(keys), keys
    assert key_of(recipe, SANITIZE="yes") not in keys.values()


def key_of(folder: Path, **settings: str) -> str:
    command = [folder / "build.sh", "--key"]
    return subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=True).stdout
