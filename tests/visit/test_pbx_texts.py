"""What the door tells a house beside its calls, through a real PBX: texts both ways, and lamps that show its state."""

import time
from collections.abc import Iterator

import interop_table
import pytest

from intercom.core.transitions import Outcome
from lab.house import CODE, STRIKE, Door, stopping
from lab.linphone import Linphone
from lab.pbx import DESK, Pbx

PART = "unified communications"


def works(pbx: Pbx, case: str) -> None:
    """Note what was seen."""
    interop_table.add(PART, case, pbx.asterisk.version)


def texting(text: str) -> str:
    """Let the desk phone text the door, and tell it of visits that nobody took."""
    return text.replace('callers = ["201"]', f'callers = ["201"]\ntexters = ["{DESK}"]').replace(
        "[calls]", f'[calls]\ntext_unanswered_to = "{DESK}"'
    )


@pytest.fixture(scope="module")
def texter(pbx_of_the_session: Pbx) -> Iterator[Door]:
    """A door that texts."""
    with pbx_of_the_session.door(edit=texting) as door:
        yield door


def test_a_visit_that_nobody_took_is_told_by_text(pbx: Pbx, texter: Door) -> None:
    """201 wants no calls; somebody at a desk reads that there was a visitor."""
    pbx.asterisk.command("database put DND 201 1")
    pressed = texter.press()
    told = pbx.desk.await_text("rang at", 10, since=pressed)
    visit = texter.await_visit()

    assert visit.outcome == Outcome.BUSY
    assert told.startswith("front rang at ")
    assert told.endswith(", all were busy")
    works(pbx, "text when nobody answered (MESSAGE)")


def test_the_door_says_how_it_is_when_it_is_asked(pbx: Pbx, texter: Door) -> None:
    """The question goes through the PBX, and so does the answer."""
    code = pbx.desk.text("door", "status")
    told = pbx.desk.await_text("home registered")

    assert code // 100 == 2
    assert told.startswith(("idle", "closing"))
    assert texter.await_record("text-arrived")["INTERCOM_CALLER"] == DESK
    works(pbx, "text to the door: status")


def test_a_code_in_a_text_opens_the_door(pbx: Pbx, texter: Door) -> None:
    """A wrong one is refused in one word, the right one releases the strike; both are answered by text."""
    pbx.desk.text("door", "open 9999")
    refused = pbx.desk.await_text("^no$")
    sent = time.monotonic()
    pbx.desk.text("door", f"open {CODE}")
    texter.pins.await_level(STRIKE, 1, since=sent)
    told = pbx.desk.await_text("^open: ", since=sent)

    assert (refused, told) == ("no", "open: front")
    assert texter.await_record("door-released", method="text")["INTERCOM_CODE_NAME"] == "family"
    works(pbx, "text to the door: open and a code")


def test_somebody_else_s_text_is_ignored_and_told(pbx: Pbx, texter: Door) -> None:
    """The PBX lets it through, and the door does not answer."""
    pbx.desk.text("door", "status", sender="207")

    assert texter.await_record("text-refused")["INTERCOM_CALLER"] == "207"
    assert not texter.records("text-arrived", caller="207")
    works(pbx, "text from anybody else is ignored")


def test_a_phone_that_watches_the_door_sees_when_it_is_in_a_call(pbx: Pbx, texter: Door) -> None:
    """Linphone subscribes to the door's presence at the PBX, and shows it beside the door's name."""
    phone = pbx.phone("201")
    watching = Linphone("203", pbx.folder, pbx.asterisk.ip, "p203", realm="asterisk", watches="door")
    with stopping(watching):
        watching.await_news('Friend "door" .* is Online', 10)
        pressed = watching.mark()
        since = texter.press()
        phone.await_event("CALL_INCOMING", since=since)
        phone.answer()
        watching.await_news("is (Busy|On the phone)", after=pressed)
        ended = watching.mark()
        phone.hang_up()
        watching.await_news("is Online", after=ended)
    case = "the door's presence, from the PBX, seen by a phone"
    interop_table.add(PART, case, pbx.asterisk.version, interop_table.peer("linphone"))


@pytest.mark.parametrize(
    ("event", "free", "busy"),
    [
        ("dialog", "<state>terminated</state>", "<state>confirmed</state>"),
        ("presence", "Ready", "On the phone"),
    ],
)
def test_a_lamp_at_the_desk_shows_whether_somebody_is_at_the_door(
    pbx: Pbx, texter: Door, event: str, free: str, busy: str
) -> None:
    """The PBX knows of the door's calls, and tells who has a lamp for it (BLF), or its presence."""
    phone = pbx.phone("201")
    pbx.desk.watch("door", event)
    idle = pbx.desk.await_lamp(free)
    pressed = texter.press()
    phone.await_event("CALL_INCOMING", since=pressed)
    phone.answer()
    lit = pbx.desk.await_lamp(busy, since=pressed)
    phone.hang_up()
    pbx.desk.await_lamp(free, since=lit.at)

    assert idle.at < lit.at
    works(pbx, {"dialog": "lamp for the door at a phone (BLF)", "presence": "the door's presence, from the PBX"}[event])
