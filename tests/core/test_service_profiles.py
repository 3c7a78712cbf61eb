# SPDX-License-Identifier: GPL-2.0-or-later
"""The profiles for well-known services load as they are, and say whether anybody has tried them."""

import re
from pathlib import Path

import pytest
from config_files import loaded

from intercom.config.model import Config

FOLDER = Path(__file__).parents[2] / "firmware/profiles"
PROFILES = sorted(FOLDER.glob("*.toml"))


def load(path: Path, tmp_path: Path) -> Config:
    return loaded(tmp_path, path.read_text())


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_profile_loads_and_says_who_has_tried_it(tmp_path: Path, path: Path) -> None:
    """Whoever copies one begins with a configuration that has no mistakes in it."""
    config = load(path, tmp_path)

    assert config.accounts
    assert config.buttons
    assert re.search(r"^# (Tested|Not tested)[: ]", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_what_is_commented_out_loads_as_well(tmp_path: Path, path: Path) -> None:
    """An example with a slip of the pen is worse than none."""
    text = re.sub(r"^#(?=[\[a-z])", "", path.read_text(), flags=re.MULTILINE)

    assert loaded(tmp_path, text).buttons


def test_the_page_lists_every_profile_with_its_state() -> None:
    """And no other."""
    rows = re.findall(r"^\| `(\w+\.toml)` \| .* \| (.*) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)

    assert sorted(name for name, _ in rows) == [path.name for path in PROFILES]
    for name, state in rows:
        assert (state == "not tested") == ("\n# Not tested" in (FOLDER / name).read_text()), name


def test_only_passwords_are_left_to_be_changed(tmp_path: Path) -> None:
    """A warning about anything else would be the profile's own mistake."""
    for path in PROFILES:
        warnings = load(path, tmp_path).warnings
        assert [line for line in warnings if "is still the sample's" not in line] == [], path
