# SPDX-License-Identifier: GPL-2.0-or-later
"""What is installed from PyPI is locked: its version, and the hashes of the files that pip may take."""

import importlib.metadata
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("firmware", "tests", "firmware/pjsip")
INSTALLED = FOLDERS[:2]
"""The last one's are there while pjsua2 is built, and no longer."""


def wanted(folder: str) -> dict[str, str]:
    """What requirements.txt names: package -> the one version."""
    lines = (ROOT / folder / "requirements.txt").read_text().splitlines()
    asked = [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]
    return {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in asked}


def locked(folder: str) -> dict[str, tuple[Requirement, list[str]]]:
    """What requirements.lock holds: package -> the requirement, its hashes."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / folder / "requirements.lock").read_text(), flags=re.MULTILINE)
    found = {}
    for entry in text.replace("\\\n", " ").splitlines():
        requirement, *hashes = entry.split(" --hash=")
        parsed = Requirement(requirement)
        found[canonicalize_name(parsed.name)] = parsed, [text.strip() for text in hashes]
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_lock_is_in_step(folder: str) -> None:
    """Who changes a version and forgets `./setup.sh lock` would install the old one."""
    lock = locked(folder)

    assert (
        wanted(folder).items()
        <= {name: str(requirement.specifier).removeprefix("==") for name, (requirement, _) in lock.items()}.items()
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_package_has_hashes_of_its_files(folder: str) -> None:
    """Without one pip refuses; with another kind than SHA-256 it would be weaker than it looks."""
    for name, (_, hashes) in locked(folder).items():
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", text) for text in hashes), name


def test_the_lock_holds_what_the_packages_need_here_and_no_more() -> None:
    """Asked of the packages themselves, as they are installed: what one needs is there, and each is needed."""
    lock = {name: one for folder in INSTALLED for name, one in locked(folder).items()}
    asked = set().union(*(wanted(folder) for folder in INSTALLED))
    here = {name for name, (one, _) in lock.items() if one.marker is None or one.marker.evaluate()}
    needed, left = set(), [name for name in asked if name in here]
    while left:
        name = left.pop()
        if name not in needed:
            needed.add(name)
            needs = map(Requirement, importlib.metadata.requires(name) or [])
            needs_here = (one for one in needs if not one.marker or one.marker.evaluate({"extra": ""}))
            left += [canonicalize_name(one.name) for one in needs_here]

    assert needed == here
    for name in here:
        assert importlib.metadata.version(name) == str(lock[name][0].specifier).removeprefix("=="), name


def test_setup_takes_nothing_that_is_not_locked() -> None:
    """The one place that asks PyPI for the door's packages."""
    shell = (ROOT / "firmware" / "setup" / "python.sh").read_text()

    assert "install --only-binary :all: --require-hashes" in shell
    recipe = (ROOT / "firmware" / "pjsip" / "build.sh").read_text()
    assert recipe.count("-m pip install") == 1
    assert '--only-binary :all: --require-hashes -r "$HERE/requirements.lock"' in recipe
    for file in ("laboratory.sh", "version.sh"):
        assert "requirements.txt" not in (ROOT / "firmware" / "setup" / file).read_text()
