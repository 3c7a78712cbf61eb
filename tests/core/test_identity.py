# SPDX-License-Identifier: GPL-2.0-or-later
"""Who calls, out of the addresses that PJSIP has parsed: what is compared, and what is shown."""

import pytest

from intercom.engine.sip import caller_id
from intercom.engine.sip.caller_id import Caller, Party

FROM = [Party('The \\"old\\" kitchen', "201", "pbx", "sip")]
RUBBISH = Party("", "", "", "")


def is_own(host: str) -> bool:
    return host == "pbx"


@pytest.mark.parametrize(
    ("asserted", "shown"),
    [
        ([], 'The "old" kitchen (201)'),
        ([Party("Küche", "202", "pbx", "sip")], "Küche (202)"),
        ([Party("", "+4930123", "", "tel")], "+4930123"),
        ([Party("Flat 3", "203;x=y", "pbx", "sips")], "Flat 3 (203)"),
        ([RUBBISH], 'The "old" kitchen (201)'),
        ([Party("a\x1b[31mb", "2", "pbx", "sip")], "a[31mb (2)"),
        ([Party("201", "201", "pbx", "sip")], "201"),
    ],
)
def test_a_caller_is_shown_as_the_server_vouches_for_him(asserted: list[Party], shown: str) -> None:
    """And never in a way that could reach a terminal as a command."""
    assert caller_id.shown(FROM, asserted) == shown


def test_history_tells_who_sent_a_call_on() -> None:
    """RFC 7044's header has one entry for each address that was tried; the last one is the door."""
    hall, door = Party("Hall, ground floor", "300", "pbx", "sip"), Party("", "door", "pbx", "sip")

    assert caller_id.diverted_by([], [hall, door]) == "Hall, ground floor (300)"
    assert caller_id.diverted_by([], [door]) == ""
    assert caller_id.diverted_by([hall._replace(name=""), door], []) == "300"
    assert caller_id.diverted_by([], []) == ""


@pytest.mark.parametrize(
    ("party", "named"),
    [
        (Party("202", "201", "pbx", "sip"), "201"),
        (Party("", "201", "other", "sip"), "201@other"),
        (Party("", "201@other", "pbx", "sip"), "201%40other"),
        (Party("", "201", "", "sip"), "sip:201"),
        (Party("", "201", "", "tel"), "tel:201"),
        (RUBBISH, "unknown:"),
    ],
)
def test_a_user_counts_as_one_of_ours_only_at_our_own_host(party: Party, named: str) -> None:
    """Else another server's 201 were the kitchen."""
    assert caller_id.caller([party], [], is_own, "both") == Caller(named, "")


@pytest.mark.parametrize(
    ("rule", "caller"), [("from", Caller("201", "")), ("asserted", Caller("9", "")), ("both", Caller("201", "9"))]
)
def test_the_rule_of_the_account_says_who_counts(rule: str, caller: Caller) -> None:
    """RFC 3325's word where there is one."""
    asserted = [Party("", "9", "pbx", "sip")]

    assert caller_id.caller(FROM, asserted, is_own, rule) == caller
    assert caller_id.caller(FROM, [], is_own, rule) == Caller("201", "")
    assert caller_id.caller([], [], is_own, rule) == Caller("", "")
