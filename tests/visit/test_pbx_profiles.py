"""The profiles that have a peer here are played as they stand, with only the names changed; the others are told."""

import re
from collections.abc import Callable
from pathlib import Path

import interop_table

from intercom.core.transitions import Outcome
from lab.asterisk import PBX_IP, SPARE_IP, TRUNK_IP
from lab.baresip import Phone
from lab.house import DOOR_IP, REGISTRAR_IP, Door, House, stopping
from lab.pbx import Pbx

FOLDER = Path(__file__).parents[2] / "firmware/profiles"
CUSTOMER_IP = "127.0.0.101"


def profile(name: str, names: dict[str, str], bind: str = DOOR_IP) -> Callable[[str], str]:
    """Return the edit that makes a profile the whole configuration; `names` are its examples and what they are here."""
    text = (FOLDER / f"{name}.toml").read_text()
    for example, here in names.items():
        assert example in text, example
        text = text.replace(example, here)
    card = '[sound]\ninput = "system"\noutput = "system"\n'
    text = text.replace("[sound]\n", card) if "[sound]" in text else f"{text}\n{card}"
    return lambda _: f'{text}\n[network]\nbind = "{bind}"\n'


def rings(door: Door, phone: Phone) -> str:
    """Press, have a phone decline, and return how the visit ended."""
    phone.await_event("CALL_INCOMING", since=door.press())
    phone.reject()
    return door.await_visit().outcome


def test_the_profile_for_asterisk_rings_its_group(pbx: Pbx) -> None:
    """The PBX knows who is in it."""
    phone = pbx.phone("201")
    names = {"192.0.2.10": PBX_IP, 'user = "100"': 'user = "door"', "change-me": "secret"}
    with pbx.door(edit=profile("asterisk", names)) as door:
        assert rings(door, phone) == Outcome.BUSY
    interop_table.add("profiles", "Asterisk, FreePBX", pbx.asterisk.version)


def test_the_profile_for_kamailio_rings_its_first_stage(house: House) -> None:
    """Then the second one, which has the same phone in it, and another one that is off."""
    edit = profile("kamailio", {"192.0.2.20": REGISTRAR_IP, "change-me": "secret"})
    with stopping(house.phone("201", ip="127.0.0.37")) as phone, house.door(edit=edit) as door:
        phone.await_event("CALL_INCOMING", since=door.press())
        phone.reject()
        first = phone.await_event("CALL_CLOSED")
        phone.await_event("CALL_INCOMING", since=first.at)
        phone.reject()

        assert door.await_visit().outcome == Outcome.BUSY
    interop_table.add("profiles", "Kamailio and other proxies", interop_table.peer("kamailio"))


def test_the_profile_for_trunks_reaches_a_person_who_confirms(pbx: Pbx) -> None:
    """By its address through the first provider, and the key 1 comes back through it."""
    names = {
        "trunk.example": TRUNK_IP,
        'server = "sip.other.example"\nuser = "+49305550000"\nlogin = "customer7"\n': f'server = "{SPARE_IP}"\n'
        'user = "4930555001"\n',
        "+49305550000": "4930555000",
        "change-me": "spare-secret",
        "+491701234567": "+493071234",
    }
    with pbx.door(edit=profile("trunk", names, CUSTOMER_IP)) as door:
        door.press()
        door.await_record("call-unconfirmed")
        door.await_record("call-answered")
        pbx.asterisk.command("channel request hangup all")

        assert door.await_visit().outcome == Outcome.TALKED
    interop_table.add("profiles", "trunks such as Twilio's or Telnyx'", f"{pbx.asterisk.version} as the provider")


def test_a_profile_without_a_peer_here_says_so() -> None:
    """In the table, too."""
    rows = re.findall(r"^\| `\w+\.toml` \| (.*) \| not tested \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    for service in rows:
        interop_table.add("profiles", service, "-", result="not tested: there is none here")

    assert rows
