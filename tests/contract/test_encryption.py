# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom a door believes, with the real PJSIP and real certificates."""

import contextlib
import shutil
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sip_peers import account, running
from tls_peers import TlsServer

from intercom.core.commands import Register, SelectServer
from intercom.core.events import ConditionBegan, ConditionEnded, LineLost, LineUp
from intercom.engine.sip.tls import DAY_S, WARN_DAYS, Certificates
from intercom.ipc.protocol import AccountSettings
from lab import certificates

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")

IP, NAME = "127.0.0.1", "localhost"


@pytest.fixture
def server() -> Iterator[Callable[..., TlsServer]]:
    with contextlib.ExitStack() as closing:
        yield lambda *a, **k: closing.enter_context(contextlib.closing(TlsServer(*a, **k)))


def over_tls(server: TlsServer, host: str = NAME, **changes: Any) -> AccountSettings:
    domain = f"{host}:{server.port}"
    return account(None, domain=domain, registrar_uri=f"sip:{domain};transport=tls", transport="tls", **changes)


@pytest.mark.parametrize("host", [NAME, IP])
def test_a_certificate_of_a_given_authority_for_this_name_is_believed(
    server: Callable[..., TlsServer], tmp_path: Path, host: str
) -> None:
    """A PBX at home signs for itself: its authority in `ca_file`, its name or its address in the certificate."""
    made = certificates.make(tmp_path, IP, NAME)
    with running(over_tls(server(made), host, ca_file=str(made.authority))) as engine:
        engine.send(Register("house"))

        assert engine.wait(LineUp).account == "house"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2])
def test_an_old_version_of_tls_is_no_line(
    server: Callable[..., TlsServer], tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """Nothing is said over what RFC 8996 has retired, whoever the server is; 1.2 still counts."""
    made = certificates.make(tmp_path, IP, NAME)
    old = server(made, version=version)
    with running(over_tls(old, ca_file=str(made.authority))) as engine:
        engine.send(Register("house"))
        told = engine.wait((LineLost, LineUp))

        good = version == ssl.TLSVersion.TLSv1_2
        assert isinstance(told, LineUp) is good
        assert bool(old.requests) is good


def test_a_server_may_be_believed_by_its_very_certificate(server: Callable[..., TlsServer], tmp_path: Path) -> None:
    """However it was signed: this one and no other."""
    made = certificates.make(tmp_path, IP, NAME)
    with running(over_tls(server(made), ca_file=str(made.certificate))) as engine:
        engine.send(Register("house"))

        assert engine.wait(LineUp).account == "house"


@pytest.mark.parametrize(
    ("made_for", "authority", "ends", "words"),
    [
        (NAME, "system", None, "certificate"),
        ("other.test", "given", None, "match"),
        (NAME, "given", timedelta(days=-1), "expired"),
        (NAME, "another", None, "certificate"),
    ],
    ids=["unknown authority", "another name", "expired", "another authority"],
)
def test_no_other_certificate_is_and_the_reason_is_told(
    server: Callable[..., TlsServer],
    tmp_path: Path,
    made_for: str,
    authority: str,
    ends: timedelta | None,
    words: str,
) -> None:
    """A false server gets no password to try, no call, and no microphone."""
    made = certificates.make(tmp_path / "a", "127.0.0.9", made_for, ends and datetime.now(UTC) + ends)
    another = certificates.make(tmp_path / "b", IP, NAME)
    ca_file = {"system": "", "given": str(made.authority), "another": str(another.authority)}[authority]
    false = server(made)
    with running(over_tls(false, ca_file=ca_file)) as engine:
        engine.send(Register("house"))
        lost = engine.wait(LineLost)

        assert lost.reason.startswith("certificate refused: ")
        assert words in lost.reason.lower()
        assert false.requests == []


def der(*names: tuple[int, bytes]) -> str:
    """A subjectAltName as openssl takes it: kinds (RFC 5280 section 4.2.1.6) and what they say, byte by byte."""
    inside = b"".join(bytes([0x80 | kind, len(said)]) + said for kind, said in names)
    return f"DER:{(bytes([0x30, len(inside)]) + inside).hex(':')}"


DNS, URI, ADDRESS = 2, 6, 7
FALSE = [
    ("a name with an end in it", "/CN=evil.test", der((DNS, b"localhost\0.evil.test"))),
    ("a URI with an end in it", "/CN=evil.test", der((URI, b"sip:localhost\0.evil.test"))),
    ("a common name beside another name", "/CN=localhost", "DNS:evil.test"),
    ("a common name beside another address", "/CN=localhost", "IP:192.0.2.1"),
    ("a common name beside another URI", "/CN=localhost", "URI:sip:evil.test"),
    ("an organisation that holds a name", "/O=x\\/CN=localhost/CN=evil.test", ""),
    ("a common name before the last", "/CN=localhost/CN=evil.test", ""),
    ("an address of one byte", "/CN=evil.test", der((ADDRESS, b"\x7f"))),
    ("a wildcard", "/CN=evil.test", "DNS:*.test,DNS:*"),
    ("a longer name", "/CN=evil.test", "DNS:localhost.evil.test"),
    ("a name with a blank", "/CN=evil.test", der((DNS, b"localhost "))),
]
TRUE = [
    ("a common name alone", "/CN=localhost", ""),
    ("a common name beside a mail address", "/CN=localhost", "email:a@evil.test"),
    ("one name of several", "/CN=evil.test", "DNS:evil.test,DNS:localhost"),
    ("a URI", "/CN=evil.test", "URI:sip:localhost"),
    ("in capitals", "/CN=evil.test", "DNS:LOCALHOST"),
]


@pytest.mark.parametrize(("subject", "names"), [row[1:] for row in FALSE], ids=[row[0] for row in FALSE])
def test_a_certificate_is_for_its_names_and_for_no_part_of_them(
    server: Callable[..., TlsServer], tmp_path: Path, subject: str, names: str
) -> None:
    """However an authority was talked into signing it: RFC 5922 section 7, RFC 6125 section 6.4.4."""
    made = certificates.make(tmp_path, IP, subject=subject, names=names)
    false = server(made)
    with running(over_tls(false, ca_file=str(made.authority))) as engine:
        engine.send(Register("house"))

        assert "not match" in engine.wait(LineLost).reason
        assert false.requests == []


@pytest.mark.parametrize(("subject", "names"), [row[1:] for row in TRUE], ids=[row[0] for row in TRUE])
def test_each_place_for_a_name_counts(
    server: Callable[..., TlsServer], tmp_path: Path, subject: str, names: str
) -> None:
    made = certificates.make(tmp_path, IP, subject=subject, names=names)
    with running(over_tls(server(made), ca_file=str(made.authority))) as engine:
        engine.send(Register("house"))

        assert engine.wait(LineUp).account == "house"


def test_whom_a_certificate_is_for_is_told_and_that_it_is_a_wildcard(
    server: Callable[..., TlsServer], tmp_path: Path
) -> None:
    """Its owner takes it for good: web browsers do."""
    made = certificates.make(tmp_path, IP, names="DNS:*.pbx.test,DNS:pbx.test")
    with running(over_tls(server(made), ca_file=str(made.authority))) as engine:
        engine.send(Register("house"))
        reason = engine.wait(LineLost).reason

        assert "it is for *.pbx.test, pbx.test" in reason
        assert "SIP takes no wildcard (RFC 5922 section 7.2)" in reason


def test_a_server_that_asks_for_a_certificate_is_shown_ours(server: Callable[..., TlsServer], tmp_path: Path) -> None:
    """Some providers let nobody in without one."""
    made, ours = certificates.make(tmp_path / "a", IP, NAME), certificates.make(tmp_path / "b", IP, "door.test")
    strict = server(made, believes=ours)
    shown = {"cert_file": str(ours.certificate), "key_file": str(ours.key)}
    with running(over_tls(strict, ca_file=str(made.authority), **shown)) as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)

        assert ("commonName", "door.test") in strict.subjects[0]["subject"][0]


def test_two_accounts_may_believe_different_authorities(server: Callable[..., TlsServer], tmp_path: Path) -> None:
    """One's authority must not vouch for the other's server."""
    one, other = (certificates.make(tmp_path / name, IP, NAME) for name in "ab")
    first = over_tls(server(one), name="first", ca_file=str(one.authority))
    second = over_tls(server(other), name="second", ca_file=str(other.authority))
    false = over_tls(server(one), name="false", ca_file=str(other.authority))
    with running(first, second, false) as engine:
        engine.send(Register("first"), Register("second"))
        assert {engine.wait(LineUp).account, engine.wait(LineUp).account} == {"first", "second"}
        engine.send(Register("false"))

        assert engine.wait(LineLost).account == "false"


def test_a_certificate_that_ends_soon_is_told(server: Callable[..., TlsServer], tmp_path: Path) -> None:
    """While it can still be renewed, and not by a door that nobody can be called from."""
    made = certificates.make(tmp_path, IP, NAME, datetime.now(UTC) + timedelta(days=5))
    with running(over_tls(server(made), ca_file=str(made.authority))) as engine:
        engine.send(Register("house"))
        told = engine.wait(ConditionBegan)

        assert told.condition == "certificate house"
        assert "in 5 days" in told.detail


def test_the_end_of_a_certificate_is_told_from_fourteen_days_on_until_it_is_renewed() -> None:
    """Once a day at most; over when the server shows a new one."""
    seen, servers = Certificates(), {"home": "192.0.2.1"}
    seen.seen("192.0.2.1", 100 * DAY_S)

    assert seen.news(servers, (100 - WARN_DAYS) * DAY_S - 1) == []
    began = seen.news(servers, (100 - WARN_DAYS) * DAY_S)
    assert [type(event) for event in began] == [ConditionBegan]
    assert seen.news(servers, (100 - WARN_DAYS) * DAY_S + 1) == []
    assert "ended" in str(seen.news(servers, 101 * DAY_S))
    seen.seen("192.0.2.1", 200 * DAY_S)
    assert seen.news(servers, 101 * DAY_S) == [ConditionEnded("certificate home")]


@pytest.mark.parametrize("made_for", [NAME, "one.registrar.test"])
def test_of_several_addresses_each_must_show_a_certificate_for_the_configured_name(
    server: Callable[..., TlsServer], tmp_path: Path, made_for: str
) -> None:
    """RFC 5922 section 4: not for the name that SRV leads to. An address where nobody is costs no more than a try."""
    made = certificates.make(tmp_path, "127.0.0.9", made_for)
    alive = server(made, "127.0.0.2")
    settings = over_tls(alive, "registrar.test" if made_for != NAME else NAME, ca_file=str(made.authority))
    with running(settings) as engine:
        engine.send(SelectServer("house", f"127.0.0.3:{alive.port}"), Register("house"))
        dead = engine.wait(LineLost)
        engine.send(SelectServer("house", alive.address), Register("house"))

        assert dead.silent, "nobody is there"
        if made_for == NAME:
            assert engine.wait(LineUp).account == "house"
        else:
            assert "certificate refused" in engine.wait(LineLost).reason
