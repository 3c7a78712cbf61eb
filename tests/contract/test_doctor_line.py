# SPDX-License-Identifier: GPL-2.0-or-later
"""The doctor's way to a server is the door's: its authorities, its certificate, the places that SRV names."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import test_names
from sip_peers import Peer
from test_names import NameServer
from tls_peers import TlsServer

from intercom.adapters.monitors import dns
from intercom.cli.doctor_checks import account as account_checks
from intercom.cli.doctor_checks.finding import Finding, Health
from intercom.config.loader import parse
from intercom.config.model import Account
from lab import certificates
from lab.certificates import Certificates

NAME = "pbx.example"


def account(path: Path, server: str, **keys: str) -> Account:
    lines = "".join(f'{key} = "{value}"\n' for key, value in keys.items())
    text = f'[accounts.home]\nserver = "{server}"\nuser = "door"\npassword = "x"\n{lines}'
    text += '[buttons.front]\npin = 17\ntargets = ["201"]\n'
    return parse(tomllib.loads(text), path / "intercom.toml").accounts[0]


def looked(one: Account) -> dict[str, Finding]:
    return {finding.what.split()[0]: finding for finding in account_checks.checks(one, "")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A server's certificate of an authority that no system knows."""
    return certificates.make(tmp_path_factory.mktemp("tls"), "127.0.0.1", NAME)


@pytest.fixture
def server(made: Certificates) -> Iterator[TlsServer]:
    with contextlib.closing(TlsServer(made)) as server:
        yield server


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[tuple[str, str], list[str] | str]]:
    """What a name server of our own says."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def begin() -> tuple[asyncio.DatagramTransport, NameServer]:
        return await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.53", 0))

    transport, server = asyncio.run_coroutine_threadsafe(begin(), loop).result(5)
    kept = dns.Names.__init__.__kwdefaults__
    other = {"resolver": test_names.Story(server).resolver, "getaddrinfo": test_names.nobody}
    monkeypatch.setattr(dns.Names.__init__, "__kwdefaults__", {**kept, **other})
    yield server.zone
    loop.call_soon_threadsafe(transport.close)
    loop.call_soon_threadsafe(loop.stop)


@pytest.mark.parametrize("file", ["authority", "certificate"])
def test_the_account_s_own_authority_is_believed(
    tmp_path: Path, server: TlsServer, made: Certificates, file: str
) -> None:
    """Or that very certificate, as a PBX at home makes one for itself; the system knows neither."""
    path = str(getattr(made, file))
    good = looked(account(tmp_path, server.address, transport="tls", ca_file=path))
    bad = looked(account(tmp_path, server.address, transport="tls"))

    assert good["server"].health is Health.WELL, good
    assert good["certificate"].health is not Health.BROKEN
    assert good["login"].health is Health.WELL
    assert bad["certificate"].health is Health.BROKEN


def test_the_door_s_own_certificate_is_shown(tmp_path: Path, made: Certificates) -> None:
    """To a server that asks for one."""
    own = certificates.make(tmp_path / "own", "127.0.0.1", "door")
    keys = {"transport": "tls", "ca_file": str(made.authority)}
    with contextlib.closing(TlsServer(made, believes=own)) as strict:
        good = looked(account(tmp_path, strict.address, cert_file=str(own.certificate), key_file=str(own.key), **keys))
        bad = looked(account(tmp_path, strict.address, **keys))

    assert good["server"].health is Health.WELL, good
    assert bad["server"].health is Health.BROKEN


@pytest.mark.parametrize("transport", ["udp", "tls"])
def test_the_places_of_srv_are_asked(
    tmp_path: Path, server: TlsServer, made: Certificates, zone: dict[tuple[str, str], list[str] | str], transport: str
) -> None:
    """On the port that SRV names, with a certificate for the name of the account (RFC 5922 section 4)."""
    with contextlib.closing(Peer(REGISTER=200, OPTIONS=200)) as peer:
        service = f"_sips._tcp.{NAME}" if transport == "tls" else f"_sip._udp.{NAME}"
        port = server.port if transport == "tls" else peer.port
        zone[service, "SRV"] = [f"10 0 {port} node7.{NAME}."]
        zone[f"node7.{NAME}", "A"] = ["127.0.0.1"]
        keys = {"transport": transport} | ({"ca_file": str(made.authority)} if transport == "tls" else {})
        found = looked(account(tmp_path, NAME, **keys))

    assert f"127.0.0.1:{port}" in found["name"].seen
    assert found["server"].health is Health.WELL, found
    assert f":{port}" in found["server"].seen


def test_the_next_place_is_asked_when_the_first_is_dead(
    tmp_path: Path, zone: dict[tuple[str, str], list[str] | str]
) -> None:
    """As the door does it."""
    with contextlib.closing(Peer(REGISTER=200, OPTIONS=200)) as peer, contextlib.closing(Peer("127.0.0.2")) as silent:
        zone[f"_sip._udp.{NAME}", "SRV"] = [f"10 0 {silent.port} one.{NAME}.", f"20 0 {peer.port} two.{NAME}."]
        zone[f"one.{NAME}", "A"], zone[f"two.{NAME}", "A"] = ["127.0.0.2"], ["127.0.0.1"]
        found = looked(account(tmp_path, NAME))

    assert found["server"].health is Health.WELL
    assert f"127.0.0.1:{peer.port}" in found["server"].seen


def test_a_name_that_nobody_knows_is_told(tmp_path: Path, zone: dict[tuple[str, str], list[str] | str]) -> None:
    found = looked(account(tmp_path, NAME))
    assert list(found) == ["name"]
    assert found["name"].health is Health.BROKEN
    assert "no such name" in found["name"].seen
