"""An extension of a PBX that writes an allowed caller into its name: Asterisk hands it on as it came."""

from __future__ import annotations

import attack_table

from lab.asterisk import PBX_IP
from lab.impostor import Impostor
from lab.pbx import Pbx
from lab.pretences import PRETENCES, pretend


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

        attack_table.add(
            "display names and parameters that hold an allowed caller, through Asterisk",
            2 * len(PRETENCES),
            door,
            rang,
            got_in=got_in,
        )
