# SPDX-License-Identifier: GPL-2.0-or-later
"""The telephone with the real PJSIP, one engine's process a test, against servers that misbehave on request."""

import itertools
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sip_peers import Peer, account, contact_uri, running

from intercom.core.commands import (
    Audio,
    HangUp,
    PlaceCall,
    Probe,
    RebindTransports,
    Register,
    RequestConfirmation,
    SelectServer,
    SendMessage,
    SetAudio,
    SetTrace,
)
from intercom.core.events import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallProgressed,
    CallSent,
    LineLost,
    LineUp,
    MessageDelivered,
    ServerResponded,
    SipMessageTraced,
)
from intercom.engine.sip import uri as sip_uri

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

LAB = os.environ.get("INTERCOM_LAB", "run ./setup.sh test for the laboratory")
in_the_lab = pytest.mark.skipif(LAB != "ready" or not shutil.which("ip"), reason=f"own network: {LAB}")
SECOND = "127.0.0.2"
NAME = "pbx.invalid"
"""No name server knows it (RFC 2606), so what arrives has not been sent by its name."""
ALL: dict[str, int] = dict.fromkeys(("REGISTER", "OPTIONS", "MESSAGE", "INVITE", "BYE"), 200)
QUIET = 5
"""No sample of a silent PCMA stream is louder."""


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def make(*where: Any, **codes: Any) -> Peer:
        peers.append(Peer(*where, **codes))
        return peers[-1]

    yield make
    for each in peers:
        each.close()


# ---- whether a server lives ----


@pytest.mark.parametrize("code", [200, 401, 404, 405, 503])
def test_any_answer_to_a_probe_shows_life(peer: Callable[..., Peer], code: int) -> None:
    server = peer(REGISTER=200, OPTIONS=code)
    with running(account(server)) as engine:
        engine.send(Register("house"), Probe("house"))
        answered = engine.wait(ServerResponded)
        assert answered.account == "house"
        assert 0 < answered.took_ms < 1000
        engine.send(Probe("house"))
        engine.wait(ServerResponded)
        assert len(server.got("OPTIONS")) == 2
        assert server.got("OPTIONS")[0].uri == f"sip:{server.address}"
        assert len(server.got("REGISTER")) == 1, "probing must not touch the registration"
        assert engine.told(LineLost) == []


def test_silence_is_no_answer(peer: Callable[..., Peer]) -> None:
    server = peer()
    with running(account(server), account(None, "closed", domain="127.0.0.3:9")) as engine:
        engine.send(Probe("house"), Probe("closed"))
        server.wait("OPTIONS")
        time.sleep(2)
        assert engine.told(ServerResponded, LineLost) == []
        # It answers the first probe's next repetition too: each answer is told with its own duration.
        server.codes["OPTIONS"] = [200]
        engine.send(Probe("house"))
        quick = engine.wait(ServerResponded)
        late = engine.wait(ServerResponded)
        assert quick.took_ms < 1000 < late.took_ms


def test_a_long_message_is_traced_whole(peer: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    """A PBX writes long ones; PJSIP's log cuts an entry off where it was built with a small buffer."""
    server = peer(OPTIONS=200)
    long = "".join(f"X-{number}: {'x' * 200}\r\n" for number in range(33))
    monkeypatch.setattr(server, "_answer", lambda request, code: request.answer(code, long))
    with running(account(server)) as engine:
        engine.send(SetTrace(on=True), Probe("house"))
        seen = engine.wait(SipMessageTraced, where=lambda event: not event.sent)

    assert seen.text.count("\r\nX-") == 33, "nothing is missing, and no X-Trace tells of it"
    assert seen.text.count("(200 characters are not shown)") == 33, "what nobody knows is told by its length"


# ---- where requests go ----


def test_everything_goes_to_the_server_in_use_under_its_own_name(peer: Callable[..., Peer]) -> None:
    first, second = peer(**ALL), peer(SECOND, **ALL)
    with running(account(None, domain=NAME)) as engine:
        engine.send(SelectServer("house", first.address), Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", "201"))
        engine.wait(CallAnswered)
        first.wait("ACK")
        engine.send(SelectServer("house", second.address))
        time.sleep(0.3)
        assert len(first.got("REGISTER")) == 1
        assert second.requests == [], "where to send is not yet a reason to send"
        assert engine.told(CallEnded, LineLost) == []
        engine.send(
            Register("house"), Probe("house"), SendMessage("house", "201", "hello"), PlaceCall("b", "house", "201")
        )
        engine.wait(LineUp)
        assert second.wait("REGISTER").uri == f"sip:{NAME}"
        assert second.wait("OPTIONS").uri == f"sip:{NAME}"
        assert second.wait("MESSAGE").uri == f"sip:201@{NAME}"
        assert second.wait("INVITE").uri == f"sip:201@{NAME}"
        assert second.wait("INVITE").header("Route") == ""
        assert (len(first.got("REGISTER")), len(first.got("INVITE"))) == (1, 1)
        engine.send(HangUp("a"))
        assert first.wait("BYE").method == "BYE", "the first call still belongs to the peer that answered it"


def test_with_a_proxy_the_server_in_use_is_the_proxy(peer: Callable[..., Peer]) -> None:
    proxy = peer(**ALL)
    with running(account(None, domain=NAME, proxy_uri="sip:edge.invalid;lr")) as engine:
        engine.send(SelectServer("house", proxy.address), Register("house"), Probe("house"))
        engine.wait(LineUp)
        engine.wait(ServerResponded)
        for method in ("REGISTER", "OPTIONS"):
            assert proxy.wait(method).uri == f"sip:{NAME}"
            assert proxy.wait(method).header("Route") == "<sip:edge.invalid;lr>"


def test_no_server_means_by_name_again(peer: Callable[..., Peer]) -> None:
    named, other = peer(**ALL), peer(SECOND, **ALL)
    with running(account(None, domain=f"localhost:{named.port}")) as engine:
        engine.send(SelectServer("house", other.address), Probe("house"))
        engine.wait(ServerResponded)
        engine.send(SelectServer("house", ""), Register("house"), Probe("house"))
        engine.wait(LineUp)
        engine.wait(ServerResponded)
        assert [r.method for r in other.requests] == ["OPTIONS"]
        assert {r.method for r in named.requests} == {"REGISTER", "OPTIONS"}


def test_a_server_that_is_none_changes_nothing(peer: Callable[..., Peer]) -> None:
    server = peer(**ALL)
    with running(account(None, domain=NAME)) as engine:
        engine.send(SelectServer("house", server.address))
        for rubbish in ("pbx.invalid:5060", "127.0.0.9", "127.0.0.9:99999", "[::1]"):
            engine.send(SelectServer("house", rubbish))
        engine.send(Probe("house"))
        engine.wait(ServerResponded)


def test_calls_are_trusted_from_the_server_in_use_and_from_those_that_registered_us(peer: Callable[..., Peer]) -> None:
    registrar, chosen = peer(**ALL), peer(SECOND, **ALL)
    with running(account(None, domain=NAME)) as engine:
        engine.send(SelectServer("house", registrar.address), Register("house"))
        engine.wait(LineUp)
        engine.send(SelectServer("house", chosen.address), Probe("house"))
        engine.wait(ServerResponded)
        for caller in (registrar, chosen):
            caller.call(
                registrar.wait("REGISTER").source, door=contact_uri(registrar.wait("REGISTER").header("Contact"))
            )
            arrived = engine.wait(CallArrived)
            assert (arrived.account, arrived.caller) == ("house", "201")
            assert (arrived.source, arrived.trusted) == (caller.address, True)


@in_the_lab
@pytest.mark.parametrize("bind", ["", "::1"])
def test_a_server_may_be_reached_over_ipv6(peer: Callable[..., Peer], bind: str) -> None:
    server = peer("::1", **ALL)
    with running(account(None, domain=NAME), bind=bind) as engine:
        engine.send(SelectServer("house", server.address), Register("house"))
        engine.wait(LineUp)
        assert "[::1]" in server.wait("REGISTER", len(server.got("REGISTER"))).header("Contact")
        engine.send(PlaceCall("a", "house", "201"), SetAudio(Audio(card=True, hear="a", speak="a")))
        engine.wait(CallAnswered)
        assert server.loudest(1) >= 0, "sound must arrive, were it silence"
        assert engine.told(CallEnded) == []


# ---- registrations under way ----


def test_a_registration_under_way_is_not_lost_by_asking_again(peer: Callable[..., Peer]) -> None:
    server = peer()
    with running(account(server)) as engine:
        engine.send(Register("house"), Register("house"))
        server.wait("REGISTER")
        engine.send(Register("house"))
        time.sleep(0.3)
        assert len(server.got("REGISTER")) == 1
        assert engine.told(LineLost) == []
        server.codes["REGISTER"] = [200]
        assert engine.wait(LineUp).took_ms > 300, "counted from the first attempt"
        assert len(engine.told(LineUp)) == 1


def test_a_dead_server_does_not_hold_up_the_registration_with_the_next(peer: Callable[..., Peer]) -> None:
    dead, alive = peer(), peer(SECOND, **ALL)
    with running(account(None, domain=NAME)) as engine:
        engine.send(SelectServer("house", dead.address), Register("house"))
        dead.wait("REGISTER")
        engine.send(SelectServer("house", alive.address), Register("house"))
        assert engine.wait(LineUp, 2).took_ms < 1000
        dead.codes["REGISTER"] = [503]
        time.sleep(1.5)
        assert engine.told(LineLost) == [], "what the dead one says later is old"


# ---- texts ----


def test_a_text_arrives_and_its_answer_is_told(peer: Callable[..., Peer]) -> None:
    server = peer(MESSAGE=(202, 404))
    with running(account(server)) as engine:
        engine.send(SendMessage("house", "201", "Grüße, 17:05"))
        assert engine.wait(MessageDelivered) == MessageDelivered("house", "201", 202)
        message = server.wait("MESSAGE")
        assert message.body == "Grüße, 17:05"
        assert message.header("Content-Type") == "text/plain;charset=UTF-8"
        engine.send(SendMessage("house", "nobody", "x"))
        assert engine.wait(MessageDelivered) == MessageDelivered("house", "nobody", 404)


def test_a_text_is_sent_again_with_credentials_and_stays_small(peer: Callable[..., Peer]) -> None:
    server = peer(MESSAGE=(407, 200))
    with running(account(None, domain=NAME)) as engine:
        engine.send(SelectServer("house", server.address), SendMessage("house", "201", "Jemand war da. " * 100))
        assert engine.wait(MessageDelivered).code == 200
        first, second = server.wait("MESSAGE", 1), server.wait("MESSAGE", 2)
        assert 'username="door"' in second.header("Proxy-Authorization")
        assert first.body == second.body
        assert first.body.endswith("war da.…")
        assert len(second.text.encode()) <= 1300  # RFC 3428 section 8


def test_a_text_that_cannot_be_sent_is_told_once(peer: Callable[..., Peer]) -> None:
    with running(account(None, domain=NAME)) as engine:
        engine.send(SendMessage("house", "201", "hello"), SendMessage("house", "sip:", "hello"))
        assert {engine.wait(MessageDelivered).code // 100, engine.wait(MessageDelivered).code // 100} == {5}
        time.sleep(0.3)
        assert len(engine.told(MessageDelivered)) == 2


# ---- asking to confirm ----


def test_who_is_asked_to_confirm_hears_it_until_connected(peer: Callable[..., Peer]) -> None:
    phone, other = peer(**ALL), peer(SECOND, **ALL)
    with running(account(phone), account(other, "other")) as engine:
        engine.send(SetAudio(Audio(card=True)), PlaceCall("a", "house", "201"), PlaceCall("b", "other", "202"))
        engine.wait(CallAnswered)
        engine.wait(CallAnswered)
        assert 0 <= phone.loudest(0.5) < QUIET
        engine.send(RequestConfirmation("a"), RequestConfirmation("gone"))
        assert phone.loudest(2.5) > 40
        assert 0 <= other.loudest(2.2) < QUIET, "the other leg must not hear it"
        engine.send(SetAudio(Audio(card=True, hear="a", speak="a")))
        time.sleep(0.3)
        assert 0 <= phone.loudest(2.2) < QUIET
        engine.send(SetAudio(Audio(card=True)))
        time.sleep(0.1)
        assert 0 <= phone.loudest(2.2) < QUIET, "asked once is asked once"
        engine.send(HangUp("a"), HangUp("b"))
        engine.wait(CallEnded)


# ---- names ----


def test_a_call_to_a_name_that_nobody_knows_ends_once(peer: Callable[..., Peer]) -> None:
    with running(account(peer())) as engine:
        engine.send(PlaceCall("a", "house", "sip:201@phone.invalid"))
        assert engine.wait(CallEnded).leg == "a"
        time.sleep(0.3)
        assert len(engine.told(CallEnded)) == 1


@in_the_lab
def test_a_name_server_that_does_not_answer_holds_up_nothing(peer: Callable[..., Peer], tmp_path: Path) -> None:
    """Neither at the start, where this machine does not know its own name, nor for the other calls."""
    server = peer(**ALL)
    files = {
        "resolv.conf": "nameserver 127.0.0.99\n",
        "hosts": "127.0.0.1 localhost\n",
        "nsswitch.conf": "hosts: files dns\n",
    }
    script = (
        "".join(f"mount --bind {tmp_path}/{name} /etc/{name} && " for name in files) + 'hostname nobody && exec "$@"'
    )
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.99", 53))
        argv = ("unshare", "-mu", "sh", "-c", script, "sh")
        with running(account(None, domain=NAME), argv=argv, bind="") as engine:
            engine.send(SelectServer("house", server.address), PlaceCall("named", "house", "sip:201@phone.example"))
            engine.wait(CallSent)
            asked = time.monotonic()
            engine.send(Register("house"), PlaceCall("b", "house", "201"))
            engine.wait(LineUp)
            engine.wait(CallAnswered)
            assert time.monotonic() - asked < 1
            silent.settimeout(1)
            assert b"phone\x07example" in silent.recv(512), "the name was asked for, by somebody who may wait"
            time.sleep(2.5)
            beats = engine.beats()
            assert max(later - earlier for earlier, later in itertools.pairwise(beats)) < 1.5


# ---- another network ----


@pytest.fixture
def moving_house() -> Iterator[Callable[[str], None]]:
    """A machine that reaches 10.9.0.9 from the address it is given, and from that one only."""
    had: list[str] = []

    def ip(*words: str) -> None:
        subprocess.run(("ip", *words), check=True)

    def move(address: str) -> None:
        ip("addr", "add", f"{address}/32", "dev", "lo")
        ip("route", "replace", "default", "dev", "lo", "src", address)
        ip("route", "replace", "local", "10.9.0.9", "dev", "lo", "src", address, "table", "local")
        for old in had:
            ip("addr", "del", f"{old}/32", "dev", "lo")
        had[:] = [address]

    ip("addr", "add", "10.9.0.9/32", "dev", "lo")
    move("10.9.0.1")
    yield move
    ip("route", "del", "default")
    for address in (*had, "10.9.0.9"):
        ip("addr", "del", f"{address}/32", "dev", "lo")


@in_the_lab
def test_a_call_that_rings_at_an_old_address_ends_as_unreachable(
    peer: Callable[..., Peer], moving_house: Callable[[str], None]
) -> None:
    server = peer("10.9.0.9", REGISTER=200, INVITE=180, CANCEL=200)
    with running(account(None, domain=NAME), bind="") as engine:
        engine.send(SelectServer("house", server.address), Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", "201"))
        engine.wait(CallProgressed)
        engine.send(RebindTransports(), Register("house"))
        engine.wait(LineUp)
        time.sleep(0.3)
        assert engine.told(CallEnded) == [], "the address is what it was: let it ring"
        moving_house("10.9.0.2")
        engine.send(RebindTransports(), Register("house"))
        assert engine.wait(CallEnded) == CallEnded("a", 503, "the network changed")
        server.wait("CANCEL")


@in_the_lab
def test_another_address_is_told_to_everybody_and_calls_go_on(
    peer: Callable[..., Peer], moving_house: Callable[[str], None]
) -> None:
    server = peer("10.9.0.9", **ALL)
    with running(account(None, domain=NAME), bind="") as engine:
        engine.send(SelectServer("house", server.address), Register("house"))
        engine.wait(LineUp)
        engine.send(SetAudio(Audio(card=True, hear="a", speak="a")), PlaceCall("a", "house", "201"))
        engine.wait(CallAnswered)
        server.wait("ACK")
        assert "10.9.0.1" in server.wait("REGISTER").header("Contact")
        moving_house("10.9.0.2")
        # The core orders both, one right after the other.
        engine.send(RebindTransports(), Register("house"))
        engine.wait(LineUp, 3)
        again = server.wait("INVITE", 2, seconds=3)
        assert again.source[0] == "10.9.0.2"
        assert "10.9.0.2" in again.header("Contact")
        assert "c=IN IP4 10.9.0.2" in again.body
        last = server.got("REGISTER")[-1]
        assert last.header("Contact").splitlines()[0].startswith("<sip:door@10.9.0.2:")
        assert "10.9.0.1" in last.header("Contact").splitlines()[1]
        assert last.header("Contact").endswith(";expires=0"), "the old address is taken back"
        assert server.loudest(0.5) >= 0, "RTP goes on"
        time.sleep(0.3)
        assert engine.told(CallEnded, LineLost) == []
        # The core's own Register finds PJSIP's under way, or answered already.
        assert len(engine.told(LineUp)) in {2, 3}


def test_a_refresh_with_nothing_registered_is_harmless(peer: Callable[..., Peer]) -> None:
    server = peer(**ALL)
    with running(account(server), account(None, "direct", registrar_uri="", domain="127.0.0.1")) as engine:
        engine.send(RebindTransports(), RebindTransports(), Register("house"), RebindTransports(), Register("house"))
        engine.wait(LineUp)
        time.sleep(0.3)
        assert engine.told(LineLost) == []


# ---- words ----


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("sip:pbx", ("pbx", 5060, "udp")),
        ("sip:201@PBX.example:5070;transport=TCP", ("pbx.example", 5070, "tcp")),
        ('"Door" <sip:door@pbx;transport=tls>', ("pbx", 5061, "tls")),
        ("sips:a%40b@[2001:db8::1]", ("2001:db8::1", 5061, "tls")),
        ("tel:201", None),
    ],
)
def test_where_a_uri_leads(uri: str, place: tuple[str, int, str] | None) -> None:
    assert sip_uri.place(uri) == place


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("short", "short"),
        ("one two three", "one two…"),
        ("Donaudampf-Schiff", "Donaudamp…"),
        ("ööööööööö", "öööö…"),
        ("", ""),
    ],
)
def test_a_long_text_is_cut_between_words_or_letters(text: str, sent: str) -> None:
    assert sip_uri.clip(text, 12).decode() == sent
    assert len(sip_uri.clip(text, 12)) <= 12
