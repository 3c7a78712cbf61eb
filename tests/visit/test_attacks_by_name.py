"""Attacks by a name: an extension that logs in as itself and writes an allowed caller wherever a header has room."""

from __future__ import annotations

import attack_table

from lab.baresip import Phone
from lab.house import REGISTRAR_IP, House
from lab.impostor import Impostor
from lab.pretences import PRETENCES, pretend


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
