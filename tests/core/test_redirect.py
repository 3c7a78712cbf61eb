# SPDX-License-Identifier: GPL-2.0-or-later
"""A server sends a call on: whom the door follows, how often, and that nothing it receives makes it call a stranger."""

from dataclasses import replace

import pytest
from door_story import RULES, Story

from intercom.config.model import Account
from intercom.config.redirect_policy import policy
from intercom.core.commands import Kind, PlaceCall, SendDtmf
from intercom.core.events import (
    ButtonPressed,
    CallAnswered,
    CallEnded,
    CallProgressed,
    CallRedirected,
    EngineLost,
    EngineStarted,
    LineUp,
)
from intercom.core.rules import Redirect
from intercom.core.transitions import Phase

FRONT = ButtonPressed("front", "panel")
CALLED = ("201", "202", "sip:2110@pbx.example", "tel:+49-30-1234567", "+4930", "office", "sip:203@elsewhere.example")
"""Whom the configuration calls."""
PBX = Account("home", "pbx.example", "door", proxy="edge.example:5070")


def to_user(_: str, contact: str) -> Redirect:
    user = contact.removeprefix("sip:").partition("@")[0]
    return Redirect(refused="foreign") if "evil" in contact else Redirect(user)


def redirecting() -> Story:
    return Story(replace(RULES, redirect=to_user)).online()


def placed(story: Story) -> list[str]:
    return [order.target for order in story.wanted(PlaceCall) if isinstance(order, PlaceCall)]


def test_a_call_that_is_sent_on_rings_there() -> None:
    """A forwarding at the server is one more call of the same visit, told in the journal."""
    story = redirecting()
    story.tell(FRONT, CallRedirected("boot-1.1", 302, ("sip:202@pbx",)))
    assert placed(story) == ["201", "202"]
    story.tell(CallProgressed("boot-1.2", 180), CallAnswered("boot-1.2"))

    assert story.state.phase is Phase.TALKING
    assert story.records(Kind.CALL_REDIRECTED)[0]["contact"] == "sip:202@pbx"
    assert story.records(Kind.CALL_ANSWERED)[0]["target"] == "202"


def test_several_addresses_are_called_one_after_the_other() -> None:
    """The best one first (RFC 3261 section 8.1.3.4); the next one when it fails, and the outcome when all did."""
    story = redirecting()
    story.tell(FRONT, CallRedirected("boot-1.1", 300, ("sip:202@pbx", "sip:203@pbx")))
    assert placed(story) == ["201", "202"]
    story.tell(CallEnded("boot-1.2", 486, "Busy Here"))
    assert placed(story) == ["201", "202", "203"]
    story.tell(CallEnded("boot-1.3", 486, "Busy Here"))

    assert story.records(Kind.VISIT_ENDED)[0]["outcome"] == "busy"


def test_the_others_of_a_list_are_left_alone_once_somebody_answered() -> None:
    """A second telephone must not ring on after the conversation."""
    story = redirecting()
    story.tell(FRONT, CallRedirected("boot-1.1", 300, ("sip:202@pbx", "sip:203@pbx")))
    story.tell(CallAnswered("boot-1.2"), CallEnded("boot-1.2", 200, "OK"))

    assert placed(story) == ["201", "202"]
    assert story.records(Kind.VISIT_ENDED)[0]["outcome"] == "talked"


def test_a_loop_ends_at_once() -> None:
    """Nobody is called twice through the same account because somebody sent us in a circle."""
    story = redirecting()
    story.tell(FRONT, CallRedirected("boot-1.1", 302, ("sip:202@pbx",)))
    story.tell(CallRedirected("boot-1.2", 302, ("sip:201@pbx", "sip:202@pbx")))

    assert placed(story) == ["201", "202"]
    assert {record["reason"] for record in story.records(Kind.REDIRECT_REFUSED)} == {"called already: a loop"}
    assert story.records(Kind.VISIT_ENDED)[0]["outcome"] == "unreachable"


def test_an_endless_chain_ends() -> None:
    """A server that always knows yet another number is followed as often as the rules say."""
    story = redirecting()
    story.tell(FRONT)
    for hop in range(1, 10):
        story.tell(CallRedirected(f"boot-1.{hop}", 302, (f"sip:3{hop}@pbx", f"sip:4{hop}@pbx")))
        story.tell(CallEnded("boot-1.99", 486, "late news"))

    assert len(placed(story)) == 1 + RULES.most_hops
    assert story.records(Kind.VISIT_ENDED) != []


def test_many_addresses_in_one_answer_are_not_all_called() -> None:
    """Nor is a single long list a way to have the door call a whole town."""
    story = redirecting()
    story.tell(FRONT, CallRedirected("boot-1.1", 300, tuple(f"sip:3{n:02}@pbx" for n in range(50))))
    for leg in range(2, 60):
        story.tell(CallEnded(f"boot-1.{leg}", 404, "Not Found"))

    assert placed(story) == ["201", "300", "301", "302", "303", "304", "201"], "the last one through the other account"


def test_a_refused_redirection_is_told_and_ends_as_unreachable() -> None:
    """The journal names who wanted whom called."""
    story = redirecting()
    story.tell(FRONT, CallRedirected("boot-1.1", 302, ("sip:evil@elsewhere",)))

    assert placed(story) == ["201"]
    assert story.records(Kind.REDIRECT_REFUSED)[0]["contact"] == "sip:evil@elsewhere"
    assert story.records(Kind.VISIT_ENDED)[0]["outcome"] == "unreachable"


def test_who_rings_after_a_redirection_counts_for_the_planned_target() -> None:
    """What a server sent us to is not remembered for ever as a target of ours."""
    story = redirecting()
    story.tell(FRONT, CallRedirected("boot-1.1", 302, ("sip:202@pbx",)))
    assert [entry.target for entry in story.state.unheard] == ["201"]
    story.tell(CallProgressed("boot-1.2", 180))
    assert story.state.unheard == ()
    story.tell(CallEnded("boot-1.2", 486, "Busy Here"))
    assert story.state.unheard == ()


def test_a_failure_of_the_server_after_a_redirection_tries_the_planned_target_elsewhere() -> None:
    """What one server named is nothing to the next one."""
    story = redirecting()
    story.tell(FRONT, CallRedirected("boot-1.1", 302, ("sip:202@pbx",)), CallEnded("boot-1.2", 503, "Down"))

    assert [(order.account, order.target) for order in story.wanted(PlaceCall) if isinstance(order, PlaceCall)] == [
        ("home", "201"),
        ("home", "202"),
        ("spare", "201"),
    ]


def test_an_address_that_a_server_names_is_no_contact_of_ours() -> None:
    """A user of the server's may be called as a contact is: the server's is meant, and gets none of the keys."""
    rules = replace(RULES, redirect=to_user, dial={"office": "400", "201": "500"}, keys={"office": "1#", "201": "2#"})
    story = Story(rules).online()
    story.tell(FRONT, CallRedirected("boot-1.1", 302, ("sip:office@pbx",)), CallAnswered("boot-1.2"))

    assert placed(story) == ["500", "office"]
    assert story.wanted(SendDtmf) == []


def test_a_loop_is_seen_through_the_name_of_a_contact() -> None:
    """The number that was dialled is what counts, not the word that stands for it."""
    story = Story(replace(RULES, redirect=to_user, dial={"201": "500"})).online()
    story.tell(FRONT, CallRedirected("boot-1.1", 302, ("sip:500@pbx",)))

    assert placed(story) == ["500"]
    assert [told["reason"] for told in story.records(Kind.REDIRECT_REFUSED)] == ["called already: a loop"]


def test_no_server_makes_the_door_call_what_it_may_not() -> None:
    """Whatever the policy of redirections says: the one place where numbers are dialled asks the configuration."""
    story = Story(replace(RULES, redirect=to_user, may_dial=lambda number: number != "112")).online()
    story.tell(FRONT, CallRedirected("boot-1.1", 302, ("sip:112@pbx", "sip:202@pbx")))

    assert placed(story) == ["201", "202"]
    assert len(story.records(Kind.REDIRECT_REFUSED)) == 1


def test_a_conversation_that_was_cut_is_called_back_where_the_plan_calls() -> None:
    """What a server named then is nothing to dial now: it is asked again."""
    story = redirecting()
    story.tell(FRONT, CallRedirected("boot-1.1", 302, ("sip:202@pbx",)), CallAnswered("boot-1.2"))
    story.tell(EngineLost("crash"), EngineStarted("e"), LineUp("home", 1.0, 300))

    assert placed(story) == ["201", "202", "201"]


def test_a_conversation_that_is_sent_on_is_over() -> None:
    """A 302 after the answer is nonsense, and calls nobody."""
    story = redirecting()
    story.tell(FRONT, CallAnswered("boot-1.1"), CallRedirected("boot-1.1", 302, ("sip:202@pbx",)))

    assert placed(story) == ["201"]
    assert story.records(Kind.VISIT_ENDED)[0]["outcome"] == "talked"


@pytest.mark.parametrize(
    ("contact", "target"),
    [
        ("sip:202@pbx.example", "202"),
        ("sip:202@PBX.example.:5060;q=0.5", "202"),
        ("sip:%32%30%32@pbx.example", "%32%30%32"),
        ("sip:+4930@pbx.example", "+4930"),
        ("sip:2110@pbx.example", "2110"),
        ("sip:office@pbx.example", "office"),
        ("sip:317@pbx.example", "317"),
        ("sip:202@edge.example:5070;transport=udp", "202"),
        ("tel:+49-30-1234567", "tel:+49301234567"),
        ("tel:202;phone-context=pbx.example", "tel:202;phone-context=pbx.example"),
        ("sip:202@192.168.1.31:5062;transport=UDP", "sip:202@192.168.1.31:5062"),
        ("sip:202@phones.example?Route=evil", "sip:202@phones.example"),
    ],
)
def test_what_is_followed_is_spelt_as_the_door_would(contact: str, target: str) -> None:
    """So a loop is seen, and nothing but the address itself is taken over."""
    account = replace(PBX, redirects=("own", "31?", "192.168.1.0/24", "phones.example"))

    assert policy([account], CALLED)("home", contact) == Redirect(target)


@pytest.mark.parametrize(
    ("contact", "reason"),
    [
        ("sip:202@elsewhere.example", "it leads to another host"),
        ("sip:202@pbx.example:5099", "it leads to another host"),
        ("sip:202@pbx.example.evil.example", "it leads to another host"),
        ("sip:202@192.0.2.7", "it leads to another host"),
        ("sips:202@pbx.example", "it asks for TLS, which the account does not use"),
        ("sip:202@pbx.example;transport=tcp", "it asks for tcp, the account uses udp"),
        ("http://pbx.example/", "not an address that can be called"),
        ("mailto:202@pbx.example", "not an address that can be called"),
        ("202", "not an address that can be called"),
        ("sip:2 2@pbx.example", "not an address that can be called"),
        ("", "not an address that can be called"),
        ("sip:112@pbx.example", "it looks like an emergency number"),
        ("sip:%31%31%32@pbx.example", "it looks like an emergency number"),
        ("sip:0112@pbx.example", "it looks like an emergency number"),
        ("tel:9-1-1", "it looks like an emergency number"),
        ("sip:+112@pbx.example", "it looks like an emergency number"),
        ("sip:door@pbx.example", "that is the door itself"),
        ("sip:%64oor@edge.example:5070", "that is the door itself"),
    ],
)
def test_what_is_not_followed_has_a_reason(contact: str, reason: str) -> None:
    """Toll fraud begins with a door that calls what it is told."""
    follows = replace(PBX, redirects=("own",))
    assert policy([follows], [*CALLED, "112", "0112", "911", "door"])("home", contact) == Redirect(refused=reason)


def test_an_account_may_follow_nothing_and_a_direct_call_never_does() -> None:
    """An empty list is a promise; and who is called at an IP address has no server that could vouch for others."""
    judge = policy([PBX], CALLED)

    assert judge("home", "sip:202@pbx.example").refused
    assert judge("direct", "sip:202@pbx.example").refused
    assert policy([replace(PBX, redirects=("own",))], CALLED)("direct", "sip:202@pbx.example").refused


COSTLY = ("0900123456", "+19005551234", "900", "203", "0", "00", "anybody", "door2", "+882123")


@pytest.mark.parametrize("number", COSTLY)
@pytest.mark.parametrize("spelt", ["sip:{}@pbx.example", "sip:{}@edge.example:5070", "tel:{}", "sip:{};x@pbx.example"])
def test_with_own_only_whom_the_configuration_calls(number: str, spelt: str) -> None:
    """A server that was taken over does not make the door call a premium number, or an extension of its own choice."""
    judge = policy([replace(PBX, redirects=("own", "31?"))], CALLED)

    assert judge("home", spelt.format(number)).refused


STARRED = ("*72201", "**201", "#31#201", "201#", "*21*201#", "2*1", "%2a72201", "%2A%37%32201", "%23201", "%2572",
           "20%31*", "%D9%A2%D9%A0%D9%A2", "2%3b1*")  # fmt: skip


@pytest.mark.parametrize("code", STARRED)
@pytest.mark.parametrize("place", ["pbx.example", "phones.example", "192.168.1.31"])
def test_a_star_code_is_never_called_for_anybody(code: str, place: str) -> None:
    """On many servers one switches the door's own line to another number: even where it is a target of ours."""
    account = replace(PBX, redirects=("own", "2??", "2???????", "192.168.1.0/24", "phones.example"))

    assert policy([account], [*CALLED, code])("home", f"sip:{code}@{place}").refused


def spellings(number: str) -> list[str]:
    """The ways in which servers somewhere understand a short number."""
    before = ("", "0", "00", "000", "9", "8", "1", "99", "0049", "+49", "+1", "+390", "01149", "+", "+0", "-", "(0)")
    plain = [f"{prefix}{number}" for prefix in before]
    return [*plain, f"{number}#", f"{number}*", f"{number[0]}-{number[1:]}", f"{number[0]}.{number[1:]}",
            "".join(f"%{ord(digit):02x}" for digit in number), f"{number[0]}%3{number[1]}{number[2:]}",
            f"{number};phone-context=x", f"%2b49{number}", f"{number}%23"]  # fmt: skip


@pytest.mark.parametrize("number", ["110", "112", "911", "999", "000", "118", "155", "190"])
def test_no_spelling_of_an_emergency_number_is_called_for_anybody(number: str) -> None:
    """Whatever the configuration allows: numbers of any length, the server's hosts, a network."""
    numbers = [f"{plus}{first}{'?' * more}" for plus in ("", "+") for first in range(10) for more in range(10)]
    judge = policy([replace(PBX, redirects=("own", "192.168.1.0/24", "phones.example", *numbers))], CALLED)
    for user in spellings(number):
        for place in ("@pbx.example", "@edge.example:5070", "@192.168.1.31", "@phones.example"):
            assert judge("home", f"sip:{user}{place}").refused, (user, place)
        assert judge("home", f"tel:{user}").refused, user
