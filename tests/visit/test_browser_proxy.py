"""A browser answers the door without a PBX: JsSIP in Chromium, through Kamailio's WebSocket and rtpengine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import interop_table
import pytest
from telephone_day import Telephone, answered, heard_at_the_door, spend

from intercom.control.client import ask
from intercom.core.transitions import Outcome
from lab import browser
from lab.browser import BrowserPhone
from lab.browser_proxy import BrowserProxy
from lab.buttons import account
from lab.house import PHONE_HZ, VISITOR_HZ, House, stopping
from lab.tones import ToneReport
from lab.tree import Tree

TREE = os.environ.get("INTERCOM_PEERS", "")
MISSING = browser.available() or ("" if TREE else "no mirror of this machine gave Debian 13's Kamailio and rtpengine")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)
NUMBER = "201"


class Tablet:
    """The page, in the words of telephone_day.py; keys are the browser's own (RTCDTMFSender)."""

    def __init__(self, phone: BrowserPhone) -> None:
        self.name, self.phone, self._since = browser.version(), phone, 0.0
        self.key, self.hang_up = phone.key, phone.hang_up
        self.kill, self.stop = phone.kill, phone.stop

    def await_ring(self, since: float) -> None:
        self._since = since
        self.phone.await_news("incoming", since=since)

    def answer(self) -> None:
        self.phone.answer()
        self._await_sound()

    def _await_sound(self) -> None:
        self.phone.await_news("media", since=self._since, where=lambda told: told["state"] == "connected")

    def hold(self) -> None:
        self.phone.hold()
        self.phone.await_news("held", since=self._since)

    def resume(self) -> None:
        self.phone.resume()
        self.phone.await_news("resumed", since=self._since)

    def call_door(self, server: str, number: str = "door") -> None:
        self._since = self.phone.mark()
        self.phone.call(number)
        self._await_sound()

    def await_end(self, since: float) -> None:
        self.phone.await_news("ended", since=since)

    def heard(self) -> ToneReport:
        return self.phone.heard(VISITOR_HZ)


@pytest.fixture(scope="module")
def proxy(house: House) -> Iterator[BrowserProxy]:
    """The two servers, and a network for the sound besides the loopback."""
    with browser.home_network(), stopping(Tree(Path(TREE), house.folder)) as tree:
        users = {"door": "secret", NUMBER: f"p{NUMBER}"}
        with stopping(BrowserProxy(tree, house.folder, users, browser.HOME_IP)) as proxy:
            yield proxy


@pytest.fixture(scope="module")
def tablet(house: House, proxy: BrowserProxy) -> Iterator[Telephone]:
    """The browser's telephone, registered there."""
    phone = BrowserPhone(NUMBER, house.folder, proxy.url, proxy.ip, f"p{NUMBER}", PHONE_HZ)
    with stopping(phone):
        phone.wait_registered()
        yield Tablet(phone)


def works(proxy: BrowserProxy, tablet: Telephone, case: str) -> None:
    """Note what was seen."""
    interop_table.add("collaboration", case, *proxy.versions(), tablet.name)


@pytest.mark.parametrize("srtp", ["off", "optional"])
def test_a_browser_answers_the_door_without_a_pbx(
    house: House, proxy: BrowserProxy, tablet: Telephone, srtp: str
) -> None:
    """It is rung, hears, opens, holds, is hung up from both ends, and calls the door."""
    with house.door(registrar=proxy.ip, edit=account(f'srtp = "{srtp}"')) as door:
        spend(house, door, tablet, proxy.ip)
    works(proxy, tablet, f"a browser without a PBX: rung, both heard, its keys open, holds, calls (srtp {srtp})")


def test_a_browser_is_back_after_its_proxy(house: House, proxy: BrowserProxy, tablet: Tablet) -> None:
    """Kamailio and rtpengine are restarted in a call: the call is lost, the next press is not."""
    with house.door(registrar=proxy.ip) as door:
        since = answered(house, door, tablet)
        proxy.stop()
        tablet.phone.await_news("disconnected", since=since)
        proxy.start()
        tablet.phone.await_news("registered", 20, since=since)
        tablet.hang_up()
        ask(door.socket, {"do": "hangup"})
        door.await_record("visit-ended", 40, visit=door.current_visit())
        since = answered(house, door, tablet)
        assert heard_at_the_door(house).heard
        tablet.hang_up()
        assert door.await_visit(visit=door.current_visit()).outcome == Outcome.TALKED
    works(proxy, tablet, "a browser without a PBX is back after its server was restarted in a call")
