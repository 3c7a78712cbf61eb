"""Presence: the door tells its server whether it is on the phone, and who watches it there sees it."""

from __future__ import annotations

import interop_table

from lab.buttons import account
from lab.house import SIDE_BUTTON, House, stopping
from lab.kamailio import Kamailio
from lab.linphone import Linphone

IP = "127.0.0.23"
USERS = {"door": "secret", "201": "p201", "202": "p202"}
WATCHED = account("presence = true")


def test_who_watches_the_door_sees_when_it_is_on_the_phone(house: House) -> None:
    """PUBLISH to a presence server, and its NOTIFY to a telephone; at the end of the daemon it is taken back."""
    with (
        stopping(Kamailio(house.folder, IP, USERS, presence=True)),
        house.door(registrar=IP, edit=WATCHED) as door,
        stopping(Linphone("202", house.folder, IP, "p202", watches="door")) as watcher,
        stopping(Linphone("201", house.folder / "rung", IP, "p201", ip="127.0.0.39")) as phone,
    ):
        watcher.await_news('Friend "door" .* is Online')
        phone.wait_registered()
        pressed = watcher.mark()
        door.press()
        watcher.await_news("is Busy", after=pressed)
        phone.await_news("incoming call")
        ended = watcher.mark()
        phone.tell("terminate")
        watcher.await_news("is Online", after=ended)
        door.stop()
        watcher.await_news("is Offline", after=ended)
    interop_table.add(
        "unified communications",
        "the door's presence, from the door itself (PUBLISH)",
        interop_table.peer("kamailio"),
        interop_table.peer("linphone"),
    )


def test_a_server_without_presence_is_called_through_all_the_same(house: House) -> None:
    """It refuses what the door tells it, and nothing comes of that."""
    with house.door(edit=WATCHED) as door:
        door.press(SIDE_BUTTON)

        assert door.await_visit().outcome == "busy"
        assert not door.records("condition-began", condition="line home")
