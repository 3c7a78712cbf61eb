# SPDX-License-Identifier: GPL-2.0-or-later
"""Targets and URIs: what is called when somebody writes one, and what a far end's header says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom import sip_address
from intercom.config import validators
from intercom.engine.sip import uri as sip_uri


@pytest.mark.parametrize(
    ("target", "transport", "uri"),
    [
        ("201", "udp", "sip:201@pbx:5070"),
        ("201", "tls", "sip:201@pbx:5070;transport=tls"),
        ("**621", "udp", "sip:**621@pbx:5070"),
        ("*21*201#", "udp", "sip:*21*201%23@pbx:5070"),
        ("201@other", "tcp", "sip:201@other;transport=tcp"),
        ("201@[2001:db8::7]:5062", "udp", "sip:201@[2001:db8::7]:5062"),
        ("+4930123", "udp", "sip:+4930123@pbx:5070"),
        ("tel:+49-30-123", "udp", "sip:+4930123@pbx:5070;user=phone"),
        ("tel:201;phone-context=+49.30", "udp", "sip:201;phone-context=+49.30@pbx:5070;user=phone"),
        ("tel:(030)12.34", "tcp", "sip:0301234@pbx:5070;user=phone;transport=tcp"),
        ("sip:201@192.0.2.7:5062;transport=tcp", "udp", "sip:201@192.0.2.7:5062;transport=tcp"),
        ("sips:201@pbx", "tls", "sips:201@pbx"),
        ("sip:K%C3%BCche@pbx;user=phone", "udp", "sip:K%C3%BCche@pbx;user=phone"),
        ("sip:201;phone-context=pbx@pbx", "udp", "sip:201;phone-context=pbx@pbx"),
    ],
)
def test_a_target_becomes_the_uri_that_is_called(target: str, transport: str, uri: str) -> None:
    """Whatever way people know to write a number, and nothing in it is changed that need not be."""
    assert validators.is_target(target)
    assert sip_address.uri(target, "pbx:5070", transport) == uri


@pytest.mark.parametrize(
    "target",
    [
        "",
        "2 01",
        "201@",
        "@pbx",
        "sip:201",
        "sip:pbx",
        "201@p bx",
        "sip:201@pbx;a=b c",
        "tel:",
        "tel:+",
        "tel:abc",
        "sip:201@pbx?Route=x",
        "sip:2%2@pbx",
        "http://pbx",
        "201\r\nX: y",
        "sip:201@pbx\n",
        "sip:201@[::1",
        "201@pbx:0",
        "sip:1@2@3",
        "a" * 65,
    ],
)
def test_what_cannot_be_called_is_no_target(target: str) -> None:
    """It is told when the configuration is read, not when somebody stands at the door."""
    assert not validators.is_target(target)


@given(st.text())
def test_no_text_gets_a_line_break_or_a_quote_into_a_uri(text: str) -> None:
    """Where it would end a header."""
    if validators.is_target(text):
        assert sip_address.uri(text, "pbx", "udp").isprintable()
        assert not set(sip_address.uri(text, "pbx", "udp")) & set(' "<>\\')


@pytest.mark.parametrize("number", ["112", "110", "911", "999", "0112", "9911", "00112", "+112", "%3112", "1-1-2"])
def test_emergency_numbers_are_known_however_they_are_written(number: str) -> None:
    """A server must not be able to have the door call the police."""
    assert sip_address.is_emergency(number)


@pytest.mark.parametrize("number", ["201", "101", "1112", "+4930112", "door", "**112#", "", "112112"])
def test_other_numbers_are_not_taken_for_one(number: str) -> None:
    """Extensions are allowed to look like anything else."""
    assert not sip_address.is_emergency(number)


@pytest.mark.parametrize("text", ["sip:201@pbx;a=b", "<sip:201@pbx;a=b>", '"A <b>" <sip:201@pbx;a=b>;q=1'])
def test_a_uri_is_found_within_its_address(text: str) -> None:
    """PJSIP gives a redirection's targets as they stood in a header."""
    assert sip_uri.bare(text) == "sip:201@pbx;a=b"


@pytest.mark.parametrize(
    ("text", "party"),
    [
        ("201", "201"),
        ("%32%30%31", "201"),
        ("%2A21", "*21"),
        ("Anna", "Anna"),
        ("201@PBX.Example.", "201@pbx.example"),
        ("201@[2001:DB8:0::1]", "201@2001:db8::1"),
        ("*", "*"),
    ],
)
def test_callers_are_compared_by_what_their_address_means(text: str, party: str) -> None:
    """RFC 3261 section 19.1.4: an encoded letter is that letter, a user's case counts and a host's does not."""
    assert sip_address.party_of(text) == party


@given(st.text(), st.text())
def test_no_user_of_our_own_is_spelt_like_one_of_another_host(user: str, host: str) -> None:
    """Whatever is encoded in its name."""
    assert "@" not in sip_address.party(user)
    assert not host or sip_address.party(user, host) != sip_address.party(f"{user}@{host}")
