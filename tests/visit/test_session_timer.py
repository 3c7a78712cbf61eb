"""The session timer, where it is the door's part to refresh. In a file of its own: it takes long, and does nothing."""

from __future__ import annotations

import interop_table

from lab import script
from lab.house import House, stopping

TIMER = ("Require: timer", "Session-Expires: 90;refresher=uac", "Allow: INVITE, ACK, BYE, UPDATE")
"""As short as RFC 4028 section 4 lets it be: PJSIP takes nothing below."""


def no_timeout(text: str) -> str:
    """The script sends no sound, which ends a call after a while."""
    return text.replace("[calls]\n", "[calls]\nrtp_timeout_s = 0\n")


def test_the_door_refreshes_a_session_after_half_of_its_time(house: House) -> None:
    """RFC 4028 section 10: a call that nobody refreshes is one that a provider ends."""
    talk = (script.receive("INVITE"), script.answer(200, *TIMER, sdp=script.audio()), script.receive("ACK"))
    refreshed = (script.receive("UPDATE", seconds=60), script.answer(200, *TIMER))
    ended = (script.wait(0.2), script.ask("BYE"), script.expect(200))
    scenario = script.phone(*talk, *refreshed, *ended)
    with (
        house.door(target="script", talk_s=120, warn_s=5, edit=no_timeout) as door,
        stopping(house.odd_phone("script", "uas_timer", script=scenario)) as phone,
    ):
        door.press()
        answered = door.await_record("call-answered")["__REALTIME_TIMESTAMP"]
        over = door.await_record("call-ended", 60)["__REALTIME_TIMESTAMP"]
        phone.require(5)

        assert door.await_visit().outcome == "talked"
        assert 40 < (over - answered).total_seconds() < 60
        assert "Session-Expires: 90;refresher=uac" in phone.conversation().partition("UPDATE sip:")[2]
    peers = interop_table.peer("kamailio"), interop_table.peer("sipp")
    interop_table.add("user agent", "session timer: the door refreshes", *peers)
