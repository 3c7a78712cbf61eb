"""Attacks by a name: extensions that log in as themselves and write an allowed caller wherever a header has room."""

from __future__ import annotations

import attack_table

from lab.asterisk import PBX_IP
from lab.baresip import Phone
from lab.house import REGISTRAR_IP, Door, House
from lab.impostor import Impostor
from lab.pbx import Pbx

PRETENCES = [
    '"sip:201@x" <sip:{0}>',
    '"<sip:201@x>" <sip:{0}>',
    '"Anna (sip:201@{1})" <sip:{0}>',
    '"\\"sip:201@x\\"" <sip:{0}>',
    '"<tel:201>" <sip:{0}>',
    '"sip:%32%30%31@{1}" <sip:{0}>',
    '"sip:201@x"\r\n <sip:{0}>',
    "sip:201@x <sip:{0}>",
    '<sip:{0}>;x="<sip:201@{1}>"',
    "<sip:{0};x=201>",
    "<sip:{0}>\r\nf: <sip:201@{1}>;tag=2",
]
"""From headers of an extension that is not 201, and that seems to say it is."""


def pretend(door: Door, other: Impostor, sender: str) -> int:
    """Call and text under each of the pretences; return how many got in."""
    allowed = 0
    for text in PRETENCES:
        claimed = text.format(f"{sender}@{other.server}", other.server)
        allowed += other.call(claimed, seconds=2) == 200
        other.text(claimed, "status", seconds=2)
    door.await_record("text-refused", caller=sender)
    return allowed + len(door.records("call-arrived") + door.records("text-arrived"))


def test_a_display_name_lets_nobody_in(house: House, phone: Phone) -> None:
    """Another extension, with its own password, that writes the allowed one's address into its name."""
    texters = lambda text: text.replace('callers = ["201"]', 'callers = ["201"]\ntexters = ["201"]')  # noqa: E731
    with (
        house.door(edit=texters) as door,
        Impostor("127.0.0.34", REGISTRAR_IP, "202", "p202") as other,
    ):
        got_in = pretend(door, other, "202")
        refused = {record["INTERCOM_CALLER"] for record in door.records("call-refused")}
        rang = attack_table.rings(door, phone)

        assert refused == {"202"}
        attack_table.add(
            "display names and parameters that hold an allowed caller", 2 * len(PRETENCES), door, rang, got_in=got_in
        )


def test_a_display_name_lets_nobody_in_through_a_pbx(pbx: Pbx) -> None:
    """Asterisk hands a name on as it came, where the extension has no `callerid` of its own."""
    texters = lambda text: text.replace('callers = ["201"]', 'callers = ["201"]\ntexters = ["201"]')  # noqa: E731
    phone = pbx.phone("201")
    with (
        pbx.door(edit=texters) as door,
        Impostor("127.0.0.34", PBX_IP, "doorinfo", "secret") as other,
    ):
        got_in = pretend(door, other, "doorinfo")
        rang = attack_table.rings(door, phone)

        attack_table.add("the same, through Asterisk", 2 * len(PRETENCES), door, rang, got_in=got_in)
