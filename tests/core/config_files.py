# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the configuration share: the shortest file that works, and ways to load one."""

from pathlib import Path

import pytest

from intercom.config import model
from intercom.config.loader import load
from intercom.errors import ConfigError

BASE = """
[accounts.home]
server = "pbx.example"
user = "door"
[buttons.front]
pin = 17
targets = ["201"]
[doors.front]
strike_pin = 27
"""


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "intercom.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o640)
    return path


def loaded(tmp_path: Path, text: str | bytes) -> model.Config:
    return load(written(tmp_path, text))


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    """The complaints about a file, without its name, which each of them must begin with."""
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert all(line.startswith(f"{path}: ") and line.isprintable() for line in caught.value.problems)
    return [line.removeprefix(f"{path}: ") for line in caught.value.problems]
