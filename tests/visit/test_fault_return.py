"""A SIP service that is away for a while, or forgets everybody: how soon the door is known to it again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import fault_table
import pytest
from healing import SOON, rings

from lab.baresip import Phone
from lab.house import House, stopping
from lab.kamailio import Kamailio

IP = "127.0.0.26"
USERS = {"door": "secret", "201": "p201"}
AWAY_S = 30.0


@pytest.fixture
def service(house: House) -> Iterator[Kamailio]:
    """A SIP service of the test's own, so that no other test's phone is forgotten."""
    with stopping(Kamailio(house.folder, IP, USERS)) as service:
        yield service


def asks_soon(text: str) -> str:
    """Edit a configuration so that its server is asked as often as may be."""
    return text.replace("[calls]\n", f"[calls]\n{SOON}")


def test_a_service_that_was_away_is_registered_with_as_soon_as_it_is_back(house: House, service: Kamailio) -> None:
    """Not when the next of the growing waits is over, or PJSIP repeats what it has sent into the void."""
    with house.door(registrar=IP, edit=asks_soon) as door:
        left = time.time()
        service.stop()
        began = door.await_record("condition-began", 20, condition="line home")
        time.sleep(max(left + AWAY_S - time.time(), 0))  # the length of an outage is what is tried
        service.start()
        back = time.time()
        up = door.await_records("line-up", 2, 20)[-1]
        with stopping(Phone("201", house.folder / "back", service, "p201", ip="127.0.0.36")) as phone:
            phone.wait_registered()
            rings(door, phone)

        assert len(door.records("condition-began", condition="line home")) == 1
        fault_table.add(
            f"the registrar is away for {AWAY_S:g} s",
            door,
            fault_table.at(began) - left,
            began["INTERCOM_DETAIL"],
            fault_table.at(up) - back,
        )


def test_a_service_in_the_house_that_has_forgotten_the_door_is_told_of_it_again(
    house: House, service: Kamailio
) -> None:
    """It was killed and is back before anybody missed it: over UDP nothing else tells."""
    with house.door(registrar=IP, edit=asks_soon) as door:
        service.kill()
        service.start()
        back = time.time()
        service.await_registered("door", 20)
        known = time.time()
        with stopping(Phone("201", house.folder / "again", service, "p201", ip="127.0.0.36")) as phone:
            phone.wait_registered()
            rings(door, phone)

        assert len(door.records("line-up")) == 1
        fault_table.add(
            "the registrar is killed, and back at once without knowing anybody (asked every 5 s)",
            door,
            None,
            "nothing: it is asked by registering",
            known - back,
        )
