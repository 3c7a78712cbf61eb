# SPDX-License-Identifier: GPL-2.0-or-later
"""Encryption in the configuration: files are checked while somebody is there to be told."""

import shutil
from pathlib import Path

import pytest
from config_files import BASE, loaded, problems

from lab import certificates

NO_PAIR = "are not a certificate and its key in PEM, without a password"
TLS = 'user = "door"\ntransport = "tls"\n'
needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")


def over_tls(text: str) -> str:
    """A configuration whose account uses TLS, with more keys."""
    assert 'user = "door"\n' in BASE
    return BASE.replace('user = "door"\n', TLS + text)


@needs_openssl
def test_certificate_files_are_taken_and_lie_beside_the_configuration(tmp_path: Path) -> None:
    """The engine is given whole paths: it works in another folder."""
    certificates.make(tmp_path, "192.0.2.1")
    keys = 'ca_file = "ca.crt"\ncert_file = "server.crt"\nkey_file = "server.key"\nsrtp = "required"\n'

    (account,) = loaded(tmp_path, over_tls(keys)).accounts

    assert (account.ca_file, account.cert_file) == (str(tmp_path / "ca.crt"), str(tmp_path / "server.crt"))
    assert (account.key_file, account.srtp) == (str(tmp_path / "server.key"), "required")


@needs_openssl
@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ('ca_file = "none.crt"', "[accounts.home] ca_file: {}/none.crt cannot be read: No such file or directory"),
        ('ca_file = "rubbish"', "[accounts.home] ca_file: {}/rubbish holds no certificate in PEM"),
        ("ca_file = 1", '[accounts.home] ca_file = 1: must be the path of a file (PEM), or "" for none, in quotes'),
        ('cert_file = "server.crt"', "[accounts.home]: cert_file and key_file need each other; give both, or none"),
        (
            'cert_file = "server.crt"\nkey_file = "ca.key"',
            "[accounts.home] cert_file: {0}/server.crt and {0}/ca.key " + NO_PAIR,
        ),
        (
            'cert_file = "server.crt"\nkey_file = "none"',
            "[accounts.home] cert_file: {0}/server.crt or {0}/none cannot be read: No such file or directory",
        ),
        ('srtp = "always"', '[accounts.home] srtp = "always": must be "off" or "optional" or "required"'),
    ],
)
def test_what_is_wrong_with_them_is_told(tmp_path: Path, keys: str, told: str) -> None:
    """In words for who has to put it right; PJSIP would only say 503."""
    certificates.make(tmp_path, "192.0.2.1")
    (tmp_path / "rubbish").write_text("no certificate")

    assert problems(tmp_path, over_tls(f"{keys}\n")) == [told.format(tmp_path)]


def test_certificates_without_tls_are_a_mistake(tmp_path: Path) -> None:
    """Who gives one believes that the line is encrypted."""
    text = BASE.replace('user = "door"\n', 'user = "door"\nca_file = "ca.crt"\n')

    assert problems(tmp_path, text) == ['[accounts.home] ca_file: is of use only with transport = "tls"']


def test_encrypted_sound_without_tls_is_a_warning(tmp_path: Path) -> None:
    """SDES puts the key into the SDP, for everybody who can read that."""
    (warning,) = loaded(tmp_path, BASE.replace('user = "door"\n', 'user = "door"\nsrtp = "optional"\n')).warnings

    assert "its keys are there for everybody to read" in warning


@pytest.mark.parametrize(
    ("more", "warned"),
    [
        ("ice = true", True),
        ('turn = "192.0.2.7:3478"', True),
        ('ice = true\ntransport = "tcp"', False),
        ('ice = true\ntransport = "tls"', False),
        ('transport = "udp"', False),
    ],
)
def test_calls_larger_than_a_packet_are_a_warning(tmp_path: Path, more: str, warned: bool) -> None:
    """Each address of the machine takes two lines of a call with ICE (tests/contract/test_sizes.py measures them)."""
    warnings = loaded(tmp_path, BASE.replace('user = "door"\n', f'user = "door"\n{more}\n')).warnings

    assert any("larger than one packet" in warning for warning in warnings) is warned


@needs_openssl
def test_a_key_that_everybody_can_read_is_a_warning(tmp_path: Path) -> None:
    """Whoever has it can pass for this door."""
    certificates.make(tmp_path, "192.0.2.1")
    (tmp_path / "server.key").chmod(0o644)

    (warning,) = loaded(tmp_path, over_tls('cert_file = "server.crt"\nkey_file = "server.key"\n')).warnings

    assert warning.endswith(f"everybody can read {tmp_path}/server.key; sudo chmod o= {tmp_path}/server.key")


def test_a_secure_address_wants_an_account_that_is_secure(tmp_path: Path) -> None:
    """Without TLS anywhere nobody could ever be reached there."""
    target = "sips:201@pbx.example"
    text = BASE.replace('"201"', f'"{target}"')
    secure = text.replace("[accounts.home]\n", '[accounts.home]\ntransport = "tls"\n')

    assert problems(tmp_path, text) == [f'[buttons.front]: "{target}": needs an account with transport = "tls"']
    assert loaded(tmp_path, secure).buttons[0].targets == (target,)


@pytest.mark.parametrize(
    ("keys", "warning"),
    [
        ('trust = "address"\ncallers = ["201"]', "whoever can write the server's address on a packet"),
        (
            'trust = "address"\ntexters = ["201"]\nregister = false',
            "whoever can write the server's address on a packet",
        ),
        ('register = false\ncallers = ["201"]', "nobody can call or text"),
        ('addresses = ["192.0.2.0/28"]', 'addresses: count only with trust = "address"'),
        ('trust = "address"\nregister = false', ""),
        ('trust = "contact"\ncallers = ["201"]', ""),
        ('trust = "address"\ntransport = "tls"\ncallers = ["201"]', ""),
    ],
)
def test_what_it_means_to_know_a_server_by_its_address_is_a_warning(tmp_path: Path, keys: str, warning: str) -> None:
    """An address is no identity, and without a registration there is no Contact to know a call by."""
    told = loaded(tmp_path, BASE.replace('user = "door"\n', f'user = "door"\n{keys}\n')).warnings

    assert len(told) == bool(warning)
    assert not warning or warning in told[0]


@pytest.mark.parametrize(
    ("server", "keys", "warned"),
    [
        ("127.0.0.1", "", True),
        ("localhost:5070", "", True),
        ("[::1]:5060", "", True),
        ("pbx.example", 'proxy = "127.0.0.1"', True),
        ("127.0.0.1", 'transport = "tcp"', False),
        ("127.0.0.20", "", False),
        ("pbx.example", "", False),
    ],
)
def test_a_server_on_this_machine_is_better_reached_over_tcp(
    tmp_path: Path, server: str, keys: str, warned: bool
) -> None:
    """A UDP port can be bound a second time by any user, who then gets what the door sends."""
    text = BASE.replace("pbx.example", server).replace('user = "door"\n', f'user = "door"\n{keys}\n')

    assert [1 for told in loaded(tmp_path, text).warnings if "can take its place" in told] == [1] * warned
