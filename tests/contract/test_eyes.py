# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom check` with the service's eyes: what root may read and the service may not is told before a start."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom import paths
from intercom.cli.commands.check import check
from intercom.config import service_user
from intercom.errors import ConfigError

USER = "nobody"
TEXT = """
[accounts.home]
server = "192.0.2.1"
user = "door"
password_file = "home.password"
[buttons.front]
pin = 17
targets = ["201"]
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, as /etc/intercom's parents are; pytest's own is root's."""
    made = subprocess.run(["mktemp", "-d", "/opt/eyes.XXXXXX"], check=True, capture_output=True, text=True)
    place = Path(made.stdout.strip())
    place.chmod(0o755)
    yield place
    subprocess.run(["rm", "-rf", place], check=True)


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service's user that every machine has."""
    monkeypatch.setattr(service_user.complaints, "__defaults__", (USER,))


def configured(folder: Path, text: str = TEXT, *, password_mode: int = 0o644, mode: int = 0o644) -> Path:
    password, file = folder / "home.password", folder / "intercom.toml"
    password.write_text("x\n")
    password.chmod(password_mode)
    file.write_text(text)
    file.chmod(mode)
    return file


def told(file: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(file)
    return caught.value.problems


def test_what_both_may_read_is_good(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(configured(folder)) == 0
    assert "good" in capsys.readouterr().out


FILES = {
    "password_file": (TEXT, "home.password"),
    "secret_file": (TEXT.replace("password_file = ", "password = ") + '[codes.c]\nsecret_file = "home.password"\n'
                    "[doors.d]\nstrike_pin = 27\n", "home.password"),
    "then_file": (TEXT.replace("password_file = ", "password = ")
                  + '[contacts.c]\ncall = "400"\nthen_file = "home.password"\n', "home.password"),
    "folder": (TEXT.replace("password_file = ", "password = ") + '[sounds]\nfolder = "sounds"\n', "sounds"),
}  # fmt: skip


@pytest.mark.parametrize("key", FILES)
def test_each_file_that_only_root_may_read_is_told(folder: Path, key: str) -> None:
    """With its key; root alone would have called it good."""
    text, name = FILES[key]
    file = configured(folder, text)
    (folder / "home.password").write_text("4711\n")
    (folder / "sounds").mkdir(mode=0o755)
    assert check(file) == 0
    (folder / name).chmod(0o700 if name == "sounds" else 0o600)

    problems = told(file)
    assert len(problems) == 1
    assert key in problems[0]
    assert "for the service's user" in problems[0]


def test_the_installed_file_is_read_by_the_service_and_where_it_can_look(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The configuration itself, and what lies in a home or in /tmp: those are closed to it, whatever their modes."""
    monkeypatch.setattr(paths, "CONFIG", folder / "intercom.toml")
    file = configured(folder)
    assert check(file) == 0
    file.chmod(0o600)
    assert "cannot be read" in told(file)[0]
    file.chmod(0o644)
    tmp_path.joinpath("secret").write_text("x\n")
    for place in (*tmp_path.parents, tmp_path):
        if place != Path("/"):
            place.chmod(0o755 if place != Path("/tmp") else 0o1777)
    file.write_text(TEXT.replace('"home.password"', f'"{tmp_path}/secret"'))
    assert "password_file" in told(file)[0]
    assert tmp_path.joinpath("secret").read_text() == "x\n", "this process sees what it saw"


def test_who_cannot_look_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No such user, or not root: a sentence, and no opinion."""
    file = configured(folder, password_mode=0o600)
    monkeypatch.setattr(service_user.complaints, "__defaults__", ("no-such-user",))
    assert check(file) == 0
    assert "no user no-such-user" in capsys.readouterr().out

    (folder / "home.password").chmod(0o644)
    command = [sys.executable, "-m", "intercom", "check", str(file)]
    other = pwd.getpwnam("daemon")
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, user=other.pw_uid, group=other.pw_gid, extra_groups=[], env=environ, cwd="/",
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "sudo intercom check looks with its eyes" in done.stdout


def test_a_child_that_dies_is_no_good_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed for memory, for instance: that is told, and not "good"."""
    monkeypatch.setattr(service_user, "_problems", lambda *_: os._exit(9))
    content = service_user.read(configured(folder))
    assert "died" in service_user.complaints(folder / "intercom.toml", content)[1]
