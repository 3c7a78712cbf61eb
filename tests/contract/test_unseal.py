# SPDX-License-Identifier: GPL-2.0-or-later
"""Passwords that are encrypted for one machine, with the real systemd-creds: each costs what needs it alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from intercom import paths
from intercom.config.loader import load, made, read
from intercom.errors import ConfigError

SCRIPT = Path(__file__).resolve().parents[2] / "systemd" / "intercom-unseal"
TEXT = """
[accounts.home]
server = "192.0.2.1"
user = "door"
credential = "sip.password"
[accounts.spare]
server = "192.0.2.2"
user = "door"
credential = "spare.password"
[buttons.front]
pin = 17
targets = ["201"]
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's own key, and where credentials are looked for."""
    monkeypatch.setenv("SYSTEMD_CREDENTIAL_SECRET", str(tmp_path / "key"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(paths, "UNSEALED", tmp_path / "unsealed")
    (tmp_path / "etc").mkdir()
    return tmp_path


def seal(machine: Path, name: str, secret: str, *, called: str = "", key: str = "key") -> Path:
    """Encrypt as the unit says; `key` is that of another machine."""
    file = machine / "etc" / f"{name}.cred"
    command = ["systemd-creds", "encrypt", "--with-key=host", f"--name={called or name}", "-", str(file)]
    environ = {"SYSTEMD_CREDENTIAL_SECRET": str(machine / key), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, input=secret.encode(), env=environ, check=True, capture_output=True)
    return file


def unseal(machine: Path) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPT), str(machine / "etc"), str(machine / "unsealed"), "root"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def configured(machine: Path) -> Path:
    file = machine / "etc" / "intercom.toml"
    file.write_text(TEXT)
    file.chmod(0o640)
    return file


def test_what_is_encrypted_for_this_machine_is_the_door_s(machine: Path) -> None:
    """And nobody else's."""
    seal(machine, "sip.password", "one")
    seal(machine, "spare.password", "two")
    assert unseal(machine).returncode == 0
    config = load(configured(machine))

    assert [account.password.reveal() for account in config.accounts] == ["one", "two"]
    assert (machine / "unsealed").stat().st_mode & 0o777 == 0o750
    assert {file.stat().st_mode & 0o777 for file in (machine / "unsealed").iterdir()} == {0o440}


@pytest.mark.parametrize("trouble", ["of another machine", "of another name", "damaged"])
def test_one_that_cannot_be_decrypted_costs_what_needs_it(machine: Path, trouble: str) -> None:
    """The other account is as it was; the reason is told with the file's name, at the start and by a check."""
    file = seal(
        machine,
        "sip.password",
        "one",
        called="other" if trouble == "of another name" else "",
        key="another key" if trouble == "of another machine" else "key",
    )
    if trouble == "damaged":
        file.write_bytes(file.read_bytes()[:-20])
    seal(machine, "spare.password", "two")
    done = unseal(machine)
    path = configured(machine)
    config = made(path, read(path), lenient=True)

    assert "sip.password.cred is not decrypted" in done.stderr
    assert [(account.key, account.password.reveal()) for account in config.accounts] == [("spare", "two")]
    assert "was not decrypted at this start" in dict(config.missing)["[accounts.home] credential"]
    for found in (machine / "unsealed").iterdir():
        found.unlink()
    with pytest.raises(ConfigError) as caught:
        load(path, in_service=False)
    assert len(caught.value.problems) == 1
    assert "sip.password.cred cannot be decrypted" in caught.value.problems[0]


def test_what_was_decrypted_before_is_gone_with_its_file(machine: Path) -> None:
    """A password that was taken away is not used any longer than until the next start."""
    file = seal(machine, "sip.password", "one")
    unseal(machine)
    file.unlink()
    unseal(machine)

    assert not (machine / "unsealed").exists()
    with pytest.raises(ConfigError, match="systemd hands over no credentials"):
        load(configured(machine))


def test_what_systemd_hands_over_is_taken_first(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit that was changed as older versions told: LoadCredential=."""
    seal(machine, "spare.password", "two")
    unseal(machine)
    handed = machine / "handed"
    handed.mkdir()
    (handed / "sip.password").write_text("three")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))

    assert [account.password.reveal() for account in load(configured(machine)).accounts] == ["three", "two"]
