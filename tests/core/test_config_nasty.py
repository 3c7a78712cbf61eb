# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever the loader meets is a configuration or a complaint: for root, for the service's user, by each Python."""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import nasty_values
import pytest

from intercom.config import loader, model, sections
from intercom.config.toml_section import Section
from intercom.errors import ConfigError

SOMEBODY = 54321
"""A user who owns nothing here, as the service's does."""
NEWER = [*Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13"), Path("/usr/bin/python3.13")]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may write to; pytest's own is for us alone."""
    made = Path(tempfile.mkdtemp(prefix="intercom-nasty-"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def played(folder: Path, *command: str | Path) -> str:
    """Play the walk over every key and value; return its last line."""
    tests = Path(os.environ["PYTHONPATH"].split(os.pathsep)[0])  # where another user can read them (run.py)
    played = subprocess.run(
        [*command, tests / "core/nasty_values.py", folder],
        env=dict(os.environ), capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert played.returncode == 0, played.stdout[-3000:] + played.stderr[-2000:]
    return played.stdout.splitlines()[-1]


def test_every_key_with_every_nasty_value_is_a_configuration_or_a_complaint(folder: Path) -> None:
    """Thousands of documents, as whoever runs the tests."""
    told = played(folder, sys.executable)

    assert f" 0 escaped, uid {os.getuid()}" in told
    assert int(told.split()[0]) > 150


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="needs root, and setpriv")
def test_the_services_user_meets_what_he_may_not_read_without_a_traceback(folder: Path) -> None:
    """For root every folder is open: what is forbidden can only be tried as somebody else."""
    user = ("setpriv", "--reuid", str(SOMEBODY), "--regid", str(SOMEBODY), "--clear-groups")
    told = played(folder, *user, "/usr/bin/python3")

    assert f" 0 escaped, uid {SOMEBODY}" in told


@pytest.mark.skipif(not any(path.exists() for path in NEWER), reason="needs a Python 3.13")
def test_the_python_of_the_next_debian_meets_them_too(folder: Path) -> None:
    """Debian 13 has Python 3.13, whose pathlib and wave raise other errors."""
    told = played(folder, next(path for path in NEWER if path.exists()))

    assert " 0 escaped" in told
    assert "(3, 13)" in told


def test_the_walk_knows_every_section_of_the_model() -> None:
    """A section that is new has to be in it."""
    known = {field.name for field in fields(model.Config)} - {"name", "warnings", "missing"}

    assert set(nasty_values.SECTIONS) == known
    assert len(nasty_values.NUMBERS + nasty_values.TEXTS + nasty_values.PATHS + nasty_values.OTHERS) >= 100


def test_what_no_check_has_foreseen_names_the_file_and_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program itself is a complaint, and shows nothing of a value, which may be a secret."""

    def fails(section: Section) -> model.Network:
        section.take("bind")
        raise KeyError("4711")

    monkeypatch.setattr(sections, "network", fails)
    document = tomllib.loads(nasty_values.SAMPLE.read_text())
    with pytest.raises(ConfigError) as caught:
        loader.parse(document, Path("f"), environ={})

    assert caught.value.problems == ["f: [network] bind: cannot be used (KeyError)"]


@pytest.mark.parametrize("text", ["9999-12-31", "9999-12-31 24:00", "9999-12-31 23:59"])
def test_the_last_day_of_the_calendar_means_never(text: str) -> None:
    """It is what people write."""
    document = tomllib.loads(nasty_values.SAMPLE.read_text())
    document["codes"] = {"family": {"secret": "4711", "expires": text}}
    document["doors"] = {"front": {"strike_pin": 27}}

    (code,) = loader.parse(document, Path("f"), environ={}).codes
    assert code.expires is not None
    assert code.expires.year == 9999
