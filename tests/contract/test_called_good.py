# SPDX-License-Identifier: GPL-2.0-or-later
"""What `intercom check` calls good starts an engine, and puts one INVITE for each target on the wire."""

from __future__ import annotations

import contextlib
import random
import re
import selectors
import socket
import threading
import time
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple, Self

import pytest
from sip_peers import Engine

from intercom import limits
from intercom.config import core_rules
from intercom.config.loader import parse
from intercom.config.model import Config, is_direct_ip
from intercom.core.commands import PlaceCall
from intercom.core.events import CallEnded
from intercom.core.legs import DIRECT
from intercom.errors import ConfigError
from lab import certificates

FOUR, SIX = ("127.0.0.41", "127.0.0.42"), ("::1",)
LIMIT_S = 20.0


class Invite(NamedTuple):
    """One call, as it came."""

    uri: str
    transport: str
    host: str
    """Where it came to."""
    sound: str
    """The kind of address that it offers: "IP4" or "IP6"."""


class Ears:
    """Whoever listens for INVITEs, by UDP and TCP, and answers nobody."""

    def __init__(self, *hosts: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._open: list[socket.socket] = []
        self.ports: dict[str, int] = {}
        self.invites: dict[str, Invite] = {}
        for host in hosts:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            tcp = socket.create_server((host, 0), family=family)
            udp = socket.socket(family, socket.SOCK_DGRAM)
            self.ports[host] = tcp.getsockname()[1]
            udp.bind((host, self.ports[host]))
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
            self._watch(tcp, ("listen", host))
            self._watch(udp, ("udp", host))
        self._closing = False
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._thread.join(5)
        for one in self._open:
            one.close()

    def place(self, host: str) -> str:
        """Return host and port as a configuration has them."""
        return f"[{host}]:{self.ports[host]}" if ":" in host else f"{host}:{self.ports[host]}"

    def _watch(self, one: socket.socket, what: tuple[str, str]) -> None:
        one.setblocking(False)
        self._open.append(one)
        self._selector.register(one, selectors.EVENT_READ, what)

    def _hear(self) -> None:
        rests: dict[int, bytes] = {}
        while not self._closing:
            for key, _ in self._selector.select(0.05):
                kind, host = key.data
                one = key.fileobj
                assert isinstance(one, socket.socket)
                if kind == "listen":
                    self._watch(one.accept()[0], ("tcp", host))
                    continue
                with contextlib.suppress(OSError):
                    data = one.recv(65536)
                    if kind == "udp":
                        self._note(data.decode(), kind, host)
                    elif data:
                        rests[key.fd] = self._cut(rests.get(key.fd, b"") + data, host)
                    else:
                        self._selector.unregister(one)

    def _cut(self, data: bytes, host: str) -> bytes:
        """Take whole messages out of a stream; return what is left."""
        while (end := data.find(b"\r\n\r\n")) >= 0:
            length = re.search(rb"(?im)^Content-Length: *(\d+)", data[:end])
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(data) < whole:
                break
            self._note(data[:whole].decode(), "tcp", host)
            data = data[whole:]
        return data

    def _note(self, text: str, kind: str, host: str) -> None:
        if text.startswith("INVITE "):
            call = re.search(r"(?im)^Call-ID: *(.*?)\r?$", text)
            sound = re.search(r"(?m)^c=IN (IP[46])", text)
            assert call
            self.invites.setdefault(call[1], Invite(text.split(" ")[1], kind, host, sound[1] if sound else ""))


def configuration(chance: random.Random, ears: Ears) -> str:
    """Return a configuration, good or not."""
    places = [ears.place(host) for host in (*FOUR, *SIX)]
    bind = chance.choice(["", "", "127.0.0.1", "::1"])
    if bind:
        places = [place for place in places if place.startswith("[") == (":" in bind)] or places
    servers = [chance.choice(places) for _ in range(chance.randint(1, 4))]
    text = f'[network]\nbind = "{bind}"\n'
    for number, server in enumerate(servers):
        text += f'[accounts.a{number}]\nserver = "{server}"\nuser = "door{number}"\npassword = "x"\n'
        text += f'register = false\ntransport = "{chance.choice(["udp", "tcp"])}"\n'
    targets = []
    for number in range(chance.randint(1, 6)):
        user = f"{200 + number}"
        place = chance.choice(places)
        by = chance.choice(["", "", ";transport=tcp", ";transport=udp", ";Transport=TCP", ";user=phone"])
        targets.append(chance.choice([user, f"{user}@{place}", f"sip:{user}@{place}{by}", f"SIP:{user}@{place}{by}"]))
    quoted = ", ".join(f'"{target}"' for target in dict.fromkeys(targets))
    return text + f"[buttons.front]\npin = 17\ntargets = [{quoted}]\n"


def loaded(text: str, folder: Path) -> Config:
    return parse(tomllib.loads(text), folder / "intercom.toml", environ={})


def started(config: Config) -> Engine:
    """Start a real engine with what the daemon would tell it, but for the sound card."""
    settings = core_rules.engine_settings(config, 0)
    told = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return Engine(*told.pop("accounts"), **(told | {"card_in": "none such", "card_out": "none such"}))


def ways(config: Config) -> list[tuple[str, str]]:
    """Return each target, with the account through which the core would call it first."""
    servers = [account.server for account in config.accounts]
    targets = [target for button in config.buttons for target in button.targets]
    return [(target, DIRECT if is_direct_ip(target, servers) else config.accounts[0].key) for target in targets]


def wanted(config: Config, target: str, account: str) -> tuple[str, str]:
    """Return transport and kind of address that a target's INVITE has to have."""
    its = next((one for one in config.accounts if one.key == account), None)
    place = target.partition("@")[2] or (its.server if its else "")
    asked = re.search(r";transport=(\w+)", target, re.IGNORECASE)
    transport = asked[1].lower() if asked else its.transport if its else "udp"
    return transport, "IP6" if place.startswith("[") else "IP4"


def call_all(config: Config, ears: Ears) -> dict[str, Invite]:
    """Have an engine call every target; return the INVITE of each."""
    engine = started(config)
    try:
        ways_of = ways(config)
        for number, (target, account) in enumerate(ways_of):
            engine.send(PlaceCall(f"leg{number}", account, target, "front"))
        until = time.monotonic() + LIMIT_S
        while len(ears.invites) < len(ways_of):
            failed = engine.told(CallEnded)
            assert not failed, failed
            assert time.monotonic() < until, (len(ears.invites), len(ways_of), ways_of)
            time.sleep(0.01)
        users = {}
        for invite in ears.invites.values():
            user = re.search(r":([^@;]+)@", invite.uri)
            assert user
            assert user[1] not in users, invite
            users[user[1]] = invite
        return {target: users[re.sub(r"(?i)^sips?:", "", target).partition("@")[0]] for target, _ in ways_of}
    finally:
        engine.close()


@pytest.mark.parametrize("seed", range(12))
def test_a_good_configuration_calls_each_target_once_by_its_own_way(seed: int, tmp_path: Path) -> None:
    """Generated ones: of the transport that the target or its account names, over the address that it names."""
    chance = random.Random(seed)
    for _ in range(50):
        with Ears(*FOUR, *SIX) as ears:
            text = configuration(chance, ears)
            try:
                config = loaded(text, tmp_path)
            except ConfigError:
                continue
            for target, invite in call_all(config, ears).items():
                account = dict(ways(config))[target]
                transport, kind = wanted(config, target, account)
                assert (invite.transport, "IP6" if ":" in invite.host else "IP4") == (transport, kind), (text, invite)
                if config.network.bind:
                    assert invite.sound == kind, (text, invite)
            return
    raise AssertionError("none of them was good")


def accounts(count: int, server: str, more: str = "") -> str:
    head = f'server = "{server}"\npassword = "x"\nregister = false\n'
    return "".join(f'[accounts.a{one}]\nuser = "door{one}"\n{head}{more.format(one)}' for one in range(count))


@pytest.mark.parametrize("count", [8, 9, 16, limits.ACCOUNTS])
def test_as_many_accounts_as_are_good_start_an_engine(tmp_path: Path, count: int) -> None:
    """Eight and a direct target were one too many, and no engine ever started."""
    with Ears(*FOUR) as ears:
        text = accounts(count, ears.place(FOUR[0]))
        text += f'[buttons.front]\npin = 17\ntargets = ["201", "202@{ears.place(FOUR[1])}"]\n'
        found = call_all(loaded(text, tmp_path), ears)

    assert len(found) == 2


def test_a_stage_of_as_many_targets_as_are_good_rings_them_all_and_the_next_one_too(tmp_path: Path) -> None:
    """64 phones at once, and again: two sockets for each call, and a slot that rests."""
    with Ears(*FOUR) as ears:
        place = ears.place(FOUR[1])
        quoted = [", ".join(f'"{user}@{place}"' for user in range(start, start + 64)) for start in (2000, 3000)]
        stages = ", ".join(f"{{targets = [{some}]}}" for some in quoted)
        text = accounts(1, ears.place(FOUR[0])) + f"[buttons.front]\npin = 17\nstages = [{stages}]\n"
        found = call_all(loaded(text, tmp_path), ears)

    assert len(found) == 2 * limits.TARGETS


def test_each_account_may_trust_an_authority_of_its_own(tmp_path: Path) -> None:
    """A TLS transport each, beside UDP and TCP over both kinds of address; PJSIP's own room was eight."""
    authority = certificates.make(tmp_path, FOUR[0]).authority.read_bytes()
    text = '[accounts.a]\nserver = "127.0.0.41"\nuser = "door"\nregister = false\ntransport = "tcp"\n'
    for number in range(1, limits.ACCOUNTS):
        (tmp_path / f"{number}.crt").write_bytes(authority)
        text += f'[accounts.a{number}]\nserver = "127.0.0.41"\nuser = "door"\nregister = false\ntransport = "tls"\n'
        text += f'ca_file = "{number}.crt"\n'
    with Ears(*FOUR) as ears:
        text += f'[buttons.front]\npin = 17\ntargets = ["202@{ears.place(FOUR[1])}"]\n'
        found = call_all(loaded(text, tmp_path), ears)

    assert len(found) == 1
