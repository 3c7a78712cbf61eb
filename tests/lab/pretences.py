"""An extension that logs in as itself and writes an allowed caller wherever a header has room."""

from __future__ import annotations

from lab.house import Door
from lab.impostor import Impostor

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
