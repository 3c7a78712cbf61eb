"""A PBX that is restarted (Asterisk): how soon the door is known to it again, and that it still rings."""

import time

import fault_table
from healing import SOON

from intercom.control.client import ask
from lab.pbx import Pbx, Ring


def asks_soon(text: str) -> str:
    """Edit a configuration so that its server is asked as often as may be."""
    return text.replace("[calls]\n", f"[calls]\n{SOON}")


def test_a_pbx_that_was_away_is_registered_with_as_soon_as_it_is_back(pbx: Pbx) -> None:
    """Its sockets are open before it has read who its extensions are: what it says then is no last word."""
    with pbx.door("600", edit=asks_soon) as door:
        left = time.time()
        pbx.asterisk.kill()
        began = door.await_record("condition-began", 20, condition="line home")
        pbx.asterisk.start()
        back = time.time()
        kept = "door/sip:" in pbx.asterisk.command("pjsip show contacts")
        print(f"Asterisk had {'kept' if kept else 'forgotten'} the door")
        up = door.await_records("line-up", 2, 30)[-1]
        visit = Ring(door, "front")
        visit.record("call-answered")
        ask(door.socket, {"do": "hangup"})

        assert visit.outcome() == "talked"
        fault_table.add(
            "the PBX (Asterisk) is killed, and started when that is noticed",
            door,
            fault_table.at(began) - left,
            began["INTERCOM_DETAIL"],
            fault_table.at(up) - back,
        )
