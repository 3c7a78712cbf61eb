# SPDX-License-Identifier: GPL-2.0-or-later
"""Who a caller is, with the real PJSIP: the user of the URI that stands in the brackets of From, and nothing else."""

import contextlib
import itertools
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sip_peers import Engine, Peer, account, running

from intercom.core.commands import HangUp, Register
from intercom.core.events import CallArrived, CallEnded, CallRejected, LineUp, MessageReceived

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

NUMBERS = itertools.count(1)
TRUE = "202"
"""The user in the brackets. What stands elsewhere says 201."""
PRETENDING = ["sip:201@x", "<sip:201@x>", "sips:201@x", "Anna (sip:201@x)", "tel:201", "%22%3Csip:201@x%3E", "201"]
IN_NAMES = st.one_of(
    st.sampled_from(PRETENDING),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=40),
    st.lists(st.sampled_from([*PRETENDING, '"', "\\", "<", ">", ";", ",", " ", "@", ":", "%32"]), max_size=6).map(
        "".join
    ),
)


class Caller:
    """A server that hands on calls, and an engine that is registered with it."""

    def __init__(self, server: Peer, engine: Engine) -> None:
        self.server, self.engine = server, engine
        engine.send(Register("house"))
        engine.wait(LineUp)
        registered = server.wait("REGISTER")
        self.door = registered.source
        self.contact = registered.header("Contact").partition("<")[2].partition(">")[0]

    def send(self, sender: str, method: str = "INVITE", more: str = "", body: str = "") -> None:
        """Send a request with this From header."""
        number = next(NUMBERS)
        kind = {"MESSAGE": "text/plain", "INVITE": "application/sdp"}[method]
        kind = f"Content-Type: {kind}\r\n" if body else ""
        head = (
            f"{method} {self.contact} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.server.address};branch=z9hG4bK{number};rport\r\n"
            f"From: {sender}\r\nTo: <sip:door@house>\r\nCall-ID: {number}@house\r\nCSeq: 1 {method}\r\n"
            f"Contact: <sip:201@{self.server.address}>\r\nMax-Forwards: 70\r\n{more}{kind}"
            f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
        )
        self.server.socket.sendto(head.encode(), self.door)

    def calls(self, sender: str, more: str = "") -> CallArrived:
        """Call, and return what the engine tells of it. The call is refused then."""
        self.send(sender, more=more)
        arrived = self.engine.wait(CallArrived)
        self.engine.send(HangUp(arrived.leg, 403))
        self.engine.wait(CallEnded)
        return arrived


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with contextlib.closing(Peer(REGISTER=200, OPTIONS=200)) as server, running(account(server)) as engine:
        yield Caller(server, engine)


def quoted(name: str) -> str:
    """A name between quotes (RFC 3261 section 25.1, quoted-string)."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(IN_NAMES)
@example("sip:201@x")
@example('" <sip:201@x>')
@example("\\")
def test_whatever_stands_in_a_quoted_name_the_caller_is_in_the_brackets(caller: Caller, name: str) -> None:
    """A display name is a text that its owner chooses."""
    time.sleep(0.05)  # as many calls as the gate lets in from one server
    arrived = caller.calls(f"{quoted(name)} <sip:{TRUE}@{caller.server.ip}>;tag=1")

    assert arrived.caller == TRUE
    assert arrived.trusted


@pytest.mark.parametrize("sender", [
    "sip:201@x <sip:{0}>", "Anna sip:201 <sip:{0}>", "Anna <sip:{0}>", "<sip:{0}>;x=\"<sip:201@x>\"", "<sip:{0};u=201>",
    "<sip:{0}?From=sip:201@x>", '"Anna"<sip:{0}>;x=sip:201@x', '"sip:201@x\\" <sip:201@y>" <sip:{0}>', "sip:{0};x=201",
    '"sip:201@x"\r\n <sip:{0}>', '<sip:201@x> <sip:{0}>', '"A" <sip:201@x>, "B" <sip:{0}>',
    "<sip:{0}>\r\nf: <sip:201@h>", "<tel:201>, <sip:{0}>", "<sip:201@[sip:{0}>", "<<sip:201@x>sip:{0}>",
])  # fmt: skip
def test_a_from_header_names_the_user_of_its_uri_or_is_not_taken(caller: Caller, sender: str) -> None:
    """What one parser reads otherwise than another must not be read at all."""
    caller.send(sender.format(f"{TRUE}@{caller.server.ip}") + ";tag=1")
    caller.send(f'"a control" <sip:203@{caller.server.ip}>;tag=1')
    told = []
    while not told or told[-1].caller != "203":
        told.append(caller.engine.wait(CallArrived))
        caller.engine.send(HangUp(told[-1].leg, 403))

    assert {event.caller for event in told} <= {TRUE, "203"}


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("sip:%32%30%31@{0}", "201"),
        ("sip:201:word@{0}", "201"),
        ("sips:201@{0}:5070", "201"),
        ("SIP:Anna@{0}", "Anna"),
        ("sip:201%3Bx@{0}", "201;x"),
        ("sip:201;x=y@{0}", "201;x=y"),
        ("sip:%2532%2530%2531@{0}", "%32%30%31"),
        ("sip:201%40evil.test@{0}", "201%40evil.test"),
        ("sip:201@evil.test", "201@evil.test"),
        ("sip:201@EVIL.test.:5060", "201@evil.test"),
        ("sip:{0}", ""),
        ("tel:201", "tel:201"),
        ("tel:+4930201", "tel:+4930201"),
    ],
)
def test_a_caller_is_compared_by_what_his_address_means(caller: Caller, uri: str, named: str) -> None:
    """RFC 3261 section 19.1.4; and a user of another host is not the one of that name here."""
    assert caller.calls(f"<{uri.format(caller.server.ip)}>;tag=1").caller == named


@pytest.mark.parametrize(
    ("vouched", "named"),
    [
        ("<sip:202@{0}>", "202"),
        ('"sip:201@x" <sip:202@{0}>', "202"),
        ("<sip:202@other.test>, <tel:+4930202>", "+4930202"),
        ("<tel:+4930202>\r\nP-Asserted-Identity: <sip:202@{0}>", "202"),
        ("<tel:202>", "tel:202"),
        ("rubbish", "unknown:"),
    ],
)
def test_whom_the_server_vouches_for_is_told_beside_whom_the_caller_says_to_be(
    caller: Caller, vouched: str, named: str
) -> None:
    """RFC 3325: and a header that cannot be read vouches for nobody who is allowed."""
    asserted = f"P-Asserted-Identity: {vouched.format(caller.server.ip)}\r\n"
    arrived = caller.calls(f"<sip:201@{caller.server.ip}>;tag=1", asserted)

    assert (arrived.caller, arrived.asserted) == ("201", named)


@pytest.mark.parametrize(("rule", "told"), [("from", ("201", "")), ("asserted", ("202", "")), ("both", ("201", "202"))])
def test_the_configuration_says_which_of_the_two_counts(rule: str, told: tuple[str, str]) -> None:
    """A trunk's word is better than a caller's, and a proxy's may be only a phone's."""
    with contextlib.closing(Peer(REGISTER=200)) as server, running(account(server, caller_is=rule)) as engine:
        asserted = f"P-Asserted-Identity: <sip:202@{server.ip}>\r\n"
        arrived = Caller(server, engine).calls(f"<sip:201@{server.ip}>;tag=1", asserted)

    assert (arrived.caller, arrived.asserted) == told


def test_a_domain_of_the_account_is_its_own_host() -> None:
    """A FRITZ!Box writes its name, by whatever address the door knows it."""
    with contextlib.closing(Peer(REGISTER=200)) as server, running(account(server, domains=("fritz.box",))) as engine:
        assert Caller(server, engine).calls("<sip:**620@Fritz.Box>;tag=1").caller == "**620"


def test_a_texter_and_a_refused_caller_are_named_by_the_same_rule(caller: Caller) -> None:
    """Their wrong codes, and the line in the journal, are held against the right one."""
    sender = f'"sip:201@x" <sip:{TRUE}@{caller.server.ip}>;tag=1'
    caller.send(sender, "MESSAGE", body="open 1111")
    texted = caller.engine.wait(MessageReceived)
    caller.send(sender, body="v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\n")
    refused = caller.engine.wait(CallRejected)

    assert (texted.sender, refused.caller) == (TRUE, TRUE)
