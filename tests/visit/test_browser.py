"""A browser answers the door: JsSIP in Chromium, through Asterisk, over WSS with ICE and DTLS-SRTP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import interop_table
import pytest

from intercom.control.client import ask
from intercom.core.transitions import Outcome
from lab import browser
from lab.asterisk import MUSIC_HZ, PBX_IP
from lab.browser import BrowserPhone
from lab.house import CODE, PHONE_HZ, STRIKE, VISITOR_HZ, Door, stopping
from lab.pbx import Pbx
from lab.tones import speech_tone

pytestmark = pytest.mark.skipif(bool(browser.available()), reason=browser.available())
NUMBER = "207"


@pytest.fixture(scope="module")
def tablet(pbx_of_the_session: Pbx) -> Iterator[BrowserPhone]:
    """The browser's telephone, registered at the PBX."""
    with browser.home_network():
        server = f"wss://{PBX_IP}:8089/ws"
        phone = BrowserPhone(NUMBER, pbx_of_the_session.folder, server, PBX_IP, f"p{NUMBER}", PHONE_HZ)
        with stopping(phone):
            phone.wait_registered()
            yield phone


@pytest.fixture(scope="module")
def door(pbx_of_the_session: Pbx) -> Iterator[Door]:
    """A door whose button rings it by a Dial without features."""
    edit = ('callers = ["201"]', f'callers = ["{NUMBER}"]')
    with pbx_of_the_session.door(target=f"7{NUMBER}", edit=lambda text: text.replace(*edit)) as door:
        yield door


def works(pbx: Pbx, case: str) -> None:
    """Note what was seen."""
    interop_table.add("collaboration", case, pbx.asterisk.version, browser.version())


def rung(door: Door, tablet: BrowserPhone) -> float:
    """Have somebody press and the browser ring; return when."""
    since = time.monotonic()
    door.press()
    tablet.await_news("incoming", since=since, where=lambda told: "Front door" in told["from"])
    return since


def answered(pbx: Pbx, door: Door, tablet: BrowserPhone) -> float:
    """Have somebody press and the browser answer; return when."""
    pbx.house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
    since = rung(door, tablet)
    tablet.answer()
    door.await_record("call-answered", visit=door.current_visit())
    tablet.await_news("media", since=since, where=lambda told: told["state"] == "connected")
    return since


def both_hear(pbx: Pbx, tablet: BrowserPhone) -> None:
    """Have both speak for a moment, and be heard."""
    tablet.heard(VISITOR_HZ)
    assert pbx.heard_at_the_door(PHONE_HZ, 1.6)
    there = tablet.heard(VISITOR_HZ)
    print(f"heard in the browser: {there}")
    assert there.heard, there


@pytest.mark.parametrize("way", ["RFC2833", "INFO"])
def test_a_browser_answers_the_door_hears_it_and_opens(pbx: Pbx, door: Door, tablet: BrowserPhone, way: str) -> None:
    """Keys by the browser's own RTCDTMFSender, a doubled digit among them, and by requests. Either side hangs up."""
    since = answered(pbx, door, tablet)
    both_hear(pbx, tablet)
    tablet.key(CODE, way)
    door.await_record("door-released", visit=door.current_visit())
    door.pins.await_level(STRIKE, 1)
    if way == "INFO":
        ask(door.socket, {"do": "hangup"})
        assert tablet.await_news("ended", since=since).fields["by"] == "remote"
    else:
        tablet.hang_up()

    assert door.await_visit(visit=door.current_visit()).outcome == Outcome.TALKED
    assert not door.records("code-wrong", visit=door.current_visit())
    works(pbx, f"a browser is rung, both hear each other, its keys open ({way})")


def test_a_browser_calls_the_door_and_holds(pbx: Pbx, door: Door, tablet: BrowserPhone) -> None:
    """The visitor hears the music of the PBX meanwhile, and the house again after it."""
    pbx.house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
    since = time.monotonic()
    tablet.call("door")
    leg = str(door.await_record("call-arrived", caller=NUMBER)["INTERCOM_LEG"])
    door.await_record("call-answered", leg=leg)
    tablet.await_news("media", since=since, where=lambda told: told["state"] == "connected")
    both_hear(pbx, tablet)
    tablet.hold()
    tablet.await_news("held", since=since)
    assert pbx.heard_at_the_door(MUSIC_HZ, 1.6)
    tablet.resume()
    tablet.await_news("resumed", since=since)
    both_hear(pbx, tablet)
    tablet.hang_up()

    assert door.await_record("call-ended", leg=leg)["INTERCOM_CODE"] == "200"
    works(pbx, "a browser calls the door, holds and resumes")


def test_a_browser_that_talks_already_is_busy(pbx: Pbx, door: Door, tablet: BrowserPhone) -> None:
    """Its second call is refused by the page (486), and the first one goes on."""
    since = time.monotonic()
    tablet.call("600")
    tablet.await_news("media", since=since, where=lambda told: told["state"] == "connected")
    door.press()
    assert door.await_visit(visit=door.current_visit()).outcome == Outcome.BUSY
    tablet.hang_up()
    tablet.await_news("ended", since=since)


def test_a_page_that_is_reloaded_in_a_call_is_rung_by_the_next_press(
    pbx: Pbx, door: Door, tablet: BrowserPhone
) -> None:
    """Whether it takes leave or the PBX misses its sound after a while: the door hears of it."""
    answered(pbx, door, tablet)
    since = time.monotonic()
    tablet.open()
    tablet.await_news("registered", since=since)
    assert door.await_visit(20, visit=door.current_visit()).outcome == Outcome.TALKED
    since = rung(door, tablet)
    tablet.hang_up()
    door.await_record("visit-ended", visit=door.current_visit())
    works(pbx, "a browser's page is reloaded in a call, and is rung again")


def test_a_browser_is_back_after_its_pbx(pbx: Pbx, door: Door, tablet: BrowserPhone) -> None:
    """The PBX is killed in a call: the WebSocket is gone with it, and all registrations."""
    answered(pbx, door, tablet)
    since = time.monotonic()
    pbx.asterisk.kill()
    tablet.await_news("disconnected", since=since)
    pbx.asterisk.start()
    tablet.await_news("registered", 20, since=since)
    tablet.hang_up()
    ask(door.socket, {"do": "hangup"})
    door.await_record("visit-ended", 20, visit=door.current_visit())
    pbx.asterisk.await_event("ContactStatus", 40, since, where=lambda told: told.get("AOR") == "door")
    answered(pbx, door, tablet)
    both_hear(pbx, tablet)
    tablet.hang_up()
    assert door.await_visit(visit=door.current_visit()).outcome == Outcome.TALKED
    works(pbx, "a browser is back after its PBX was killed in a call")
