"""The door at a PBX of the time before PJSIP: Asterisk 16 with chan_sip, each of its ways to send keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import interop_table
import pytest
from telephone_day import Baresip, answered, heard_at_the_door, spend

from intercom.control.client import ask
from intercom.core.transitions import Outcome
from lab.baresip import Phone
from lab.buttons import account
from lab.chan_sip import ChanSip
from lab.house import PHONE_HZ, House, stopping

TREE = os.environ.get("INTERCOM_CHAN_SIP", "")
pytestmark = pytest.mark.skipif(not TREE, reason="no mirror of this machine gave Asterisk 16")
PART, BARESIP = "hosted PBX", interop_table.peer("baresip")
WAYS = {
    "door": ("rfc2833", "RFC 4733"),
    "doorinfo": ("info", "SIP INFO"),
    "doorauto": ("auto", "RFC 4733"),
    "doortones": ("inband", "in-band"),
}
"""The door's extension -> `dtmfmode` of it, and how keys come then."""


@pytest.fixture(scope="module")
def pbx(house: House) -> Iterator[ChanSip]:
    """The PBX."""
    with stopping(ChanSip(Path(TREE), house.folder / "chan_sip")) as pbx:
        yield pbx


@pytest.fixture(scope="module")
def kitchen(house: House, pbx: ChanSip) -> Iterator[Baresip]:
    """Its extension 201."""
    phone = Phone("201", pbx.folder, pbx, "p201", ip="127.0.0.36", tone_hz=PHONE_HZ)
    with stopping(Baresip(phone, BARESIP)) as phone:
        yield phone


@pytest.mark.parametrize("user", WAYS)
def test_the_door_lives_at_chan_sip(house: House, pbx: ChanSip, kitchen: Baresip, user: str) -> None:
    """Whatever way the PBX sends keys in, by a Dial without features."""
    mode, method = WAYS[user]
    in_band = account("keys_in_band = true") if user == "doortones" else str

    def edit(text: str) -> str:
        return in_band(text).replace('user = "door"', f'user = "{user}"')

    with house.door(registrar=pbx.ip, target="7201", edit=edit) as door:
        spend(house, door, kitchen, pbx.ip, user)
        assert door.await_record("door-released")["INTERCOM_METHOD"] == method
    case = f"chan_sip, dtmfmode={mode}: rings, both heard, a code opens, holds, is called"
    interop_table.add(PART, case, pbx.version, BARESIP)


def test_the_door_is_back_after_its_chan_sip(house: House, pbx: ChanSip, kitchen: Baresip) -> None:
    """It is killed in a call, which nobody but the door and the phone can end then."""
    with house.door(registrar=pbx.ip, target="7201") as door:
        answered(house, door, kitchen)
        pbx.kill()
        pbx.start()
        ask(door.socket, {"do": "hangup"})
        kitchen.hang_up()
        assert door.await_visit(40, visit=door.current_visit()).outcome == Outcome.TALKED
        since = answered(house, door, kitchen)
        assert heard_at_the_door(house).heard
        kitchen.hang_up()
        kitchen.await_end(since)
        assert door.await_visit(visit=door.current_visit()).outcome == Outcome.TALKED
    interop_table.add(PART, "chan_sip is killed in a call, and rings again", pbx.version, BARESIP)
