"""The house calls the door: who may, and that nobody listens unheard."""

import re
import time

import pytest

from lab.baresip import Phone
from lab.house import PHONE_HZ, SIPP_IP, VISITOR_HZ, Door, House, heard_by, stopping
from lab.sipp import Sipp
from lab.tones import find_tone, level_dbfs, speech_tone


def test_an_allowed_caller_is_announced_then_heard(house: House, door: Door, phone: Phone) -> None:
    """The warning tone comes first, the microphone after it."""
    house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
    phone.call("door")
    arrived = door.await_record("call-arrived")
    answered = door.await_record("call-answered")
    at = time.monotonic()
    time.sleep(2.5)  # a conversation takes time
    heard = find_tone(house.room.heard(at, at + 2.5), house.room.rate, PHONE_HZ)
    warned = level_dbfs(house.room.heard(at - 1.0, at))
    phone.hang_up()
    visit = door.await_visit()

    assert arrived["INTERCOM_CALLER"] == "201"
    assert arrived["__REALTIME_TIMESTAMP"] < answered["__REALTIME_TIMESTAMP"]
    assert warned > -40
    assert visit.outcome == "talked"
    assert heard.heard
    assert heard_by(phone).heard


def test_another_extension_is_refused(house: House, door: Door) -> None:
    """Being known to the service is not being allowed to listen."""
    with stopping(house.phone("202", ip="127.0.0.32")) as other:
        other.call("door")
        refused = door.await_record("call-refused")
        closed = other.await_event("CALL_CLOSED")

        assert refused["INTERCOM_REASON"] == "not an allowed caller"
        assert "403" in closed.param
        assert not house.room.ports_open()


@pytest.mark.parametrize("name", ["201", "stranger"])
def test_a_stranger_gets_no_answer_whatever_name_he_gives(house: House, door: Door, name: str) -> None:
    """A From header proves nothing: the call did not come from the account's server."""
    with stopping(Sipp("uac_stranger", house.folder, SIPP_IP, 5090, to=door.sip_address(), FROM=name)) as stranger:
        told = door.await_record("strangers-refused")
        stranger.require()

        assert (told["INTERCOM_SOURCE"], told["INTERCOM_REQUEST"]) == (SIPP_IP, "INVITE")
        assert not re.search(r"^SIP/2\.0 ", stranger.conversation(), re.MULTILINE)
        assert not door.records("call-arrived") + door.records("call-refused")
        assert not house.room.ports_open()


def test_a_caller_is_told_busy_while_a_visit_is_under_way(house: House, door: Door, phone: Phone) -> None:
    """A visit is never interrupted, and never joined by a third ear."""
    door.press()
    phone.await_event("CALL_INCOMING")
    phone.answer()
    door.await_record("call-answered")
    with stopping(house.phone("202", ip="127.0.0.32")) as other:
        other.call("door")
        other.await_event("CALL_CLOSED")
    phone.hang_up()

    assert door.await_visit().outcome == "talked"
