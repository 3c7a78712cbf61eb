"""Many accounts, and silent ones in a row: each press goes to whoever can carry it."""

from __future__ import annotations

import time
from contextlib import ExitStack
from itertools import pairwise

import fault_table
import pytest
from healing import rings

from lab.baresip import Phone
from lab.house import House, stopping
from lab.kamailio import Kamailio

SILENT_IPS = ("127.0.0.25", "127.0.0.26", "127.0.0.27")


@pytest.mark.parametrize("count", [9, 16, 32])
def test_many_accounts_are_all_registered_and_ring(house: House, phone: Phone, count: int) -> None:
    """As many as the configuration may have: the voice engine starts with them, and each gets its line."""
    users = [f"door{number}" for number in range(2, count + 1)]
    for user in users:
        house.registrar.change_password(user, f"p{user}")
    more = "".join(
        f'[accounts.{user}]\nserver = "{house.registrar.ip}"\nuser = "{user}"\npassword = "p{user}"\n\n'
        for user in users
    )
    edit = lambda text: text.replace("[buttons.front]", f"{more}[buttons.front]")  # noqa: E731
    with house.door(edit=edit) as door:
        up = door.await_records("line-up", count, 30)
        rings(door, phone)

        assert {record["INTERCOM_ACCOUNT"] for record in up} == {"home", *users}
        fault_table.add(f"{count} accounts", door, None, f"{count} lines are up", fault_table.at(up[-1]) - door.began)


def test_three_silent_accounts_in_a_row_cost_four_seconds_each(house: House, phone: Phone) -> None:
    """Their servers died a moment ago: nobody has noticed yet, and the fourth rings the phone for its whole time."""
    with ExitStack() as stack:
        silent = [
            stack.enter_context(stopping(Kamailio(house.folder, ip=ip, users={"door": "secret"}))) for ip in SILENT_IPS
        ]
        first = "".join(
            f'[accounts.silent{number}]\nserver = "{one.ip}"\nuser = "door"\npassword = "secret"\n\n'
            for number, one in enumerate(silent)
        )
        edit = lambda text: text.replace("[accounts.home]", f"{first}[accounts.home]")  # noqa: E731
        with house.door(edit=edit, wait=False) as door:
            door.await_records("line-up", 4)
            for one in silent:
                one.pause()
            pressed, at = time.time(), time.monotonic()
            try:
                door.press()
                phone.await_event("CALL_INCOMING", 30, since=at)
                rang = time.time()
                phone.reject()
                visit = door.await_visit()
                placed = door.records("call-placed")
            finally:
                for one in silent:
                    one.resume()
            rings(door, phone)

            assert [record["INTERCOM_ACCOUNT"] for record in placed] == ["silent0", "silent1", "silent2", "home"]
            assert visit.outcome == "busy"
            gaps = [fault_table.at(two) - fault_table.at(one) for one, two in pairwise(placed)]
            fault_table.add(
                "three accounts' servers in a row are dead at the press",
                door,
                max(gaps),
                f"rung by the fourth after {rang - pressed:.1f} s",
                None,
            )
