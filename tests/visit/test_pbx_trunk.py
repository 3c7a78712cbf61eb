"""The door on a provider's trunk (Asterisk): whole numbers, announcements, who may call out, and the next provider."""

import socket
import time
from collections.abc import Callable, Iterator

import interop_table
import pytest

from intercom.core.transitions import Outcome
from lab.asterisk import SPARE_IP, TRUNK_IP
from lab.house import DOOR_IP, VISITOR_HZ, Door
from lab.pbx import Pbx
from lab.tones import find_tone, speech_tone

PART = "SIP trunk"
CUSTOMER_IP = "127.0.0.101"
"""Where the provider knows a customer by his address."""
SILENT_IP = "127.0.0.98"
NUMBER, SPARE_NUMBER = "4930555000", "4930555001"
ANNOUNCEMENT_HZ = 620
ANNOUNCED, BUSY, OVERLOADED, FORBIDDEN, ANSWERED, CHANGED = (f"+4930{digit}1234" for digit in range(1, 7))
"""What is called, by what the provider does about it."""


def account(name: str, server: str, user: str, password: str = "", **more: str) -> str:
    """Return an account's section."""
    lines = {"server": f'"{server}"', "user": f'"{user}"', "password": f'"{password}"', **more}
    return f"[accounts.{name}]\n" + "\n".join(f"{key} = {value}" for key, value in lines.items() if value != '""')


REGISTERED = account("home", TRUNK_IP, NUMBER, "trunk-secret", login='"customer7"')
BY_ADDRESS = account("home", TRUNK_IP, NUMBER, register="false", identity='"asserted"')
SPARE = account("spare", SPARE_IP, SPARE_NUMBER, "spare-secret")


def through(*accounts: str, bind: str = DOOR_IP) -> Callable[[str], str]:
    """Return the edit of a configuration that gives the door these accounts instead of its own."""

    def edit(text: str) -> str:
        _, _, rest = text.partition("[buttons.front]")
        return "\n\n".join([*accounts, "[buttons.front]" + rest]).replace(f'"{DOOR_IP}"', f'"{bind}"')

    return edit


@pytest.fixture
def silent_server() -> Iterator[None]:
    """A server that holds its port and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind((SILENT_IP, 5060))
        yield


def heard(pbx: Pbx, hz: float, since: float, seconds: float) -> bool:
    """Return whether a pitch was at the loudspeaker in that time."""
    return find_tone(pbx.house.room.heard(since, since + seconds), pbx.house.room.rate, hz).heard


def echoed(pbx: Pbx, door: Door) -> bool:
    """Talk for a moment to somebody who gives back what he hears; return whether the visitor heard himself."""
    door.await_record("call-answered", 15)
    pbx.house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
    time.sleep(0.5)  # there and back
    back = pbx.heard_at_the_door(VISITOR_HZ, 1.6)
    pbx.asterisk.command("channel request hangup all")
    return back


def works(pbx: Pbx, case: str) -> None:
    """Note what was seen."""
    interop_table.add(PART, case, pbx.asterisk.version)


def test_an_announcement_is_heard_before_the_answer_and_the_called_after_it(pbx: Pbx) -> None:
    """A registered trunk, a whole number, the provider's sound instead of our own ring-back, and then a voice."""
    with pbx.door(ANNOUNCED, edit=through(REGISTERED)) as door:
        pressed = door.press()
        shown = pbx.asterisk.await_event("UserEvent", since=pressed)
        door.await_record("call-answered", 15)
        answered = time.monotonic()

        assert heard(pbx, ANNOUNCEMENT_HZ, answered - 2, 1.6)
        assert not heard(pbx, 425, answered - 2, 1.6)
        assert echoed(pbx, door)
        visit = door.await_visit()
        assert visit.outcome == Outcome.TALKED
        assert visit.timeline["early_media"] < visit.timeline["answered"]
        assert (shown.fields["Number"], shown.fields["Called"]) == (NUMBER, ANNOUNCED)
    works(pbx, "registered trunk, login other than the number")
    works(pbx, "numbers in E.164")
    works(pbx, "early media heard at the door")


def test_an_announcement_without_an_answer_is_heard_too(pbx: Pbx) -> None:
    """ "This number has changed" reaches the visitor; sound counts as ringing, and the call's end says why."""
    with pbx.door(CHANGED, edit=through(REGISTERED)) as door:
        pressed = door.press()
        visit = door.await_visit()

        assert heard(pbx, ANNOUNCEMENT_HZ, pressed + 1.2, 1.6)
        assert visit.outcome == Outcome.NO_ANSWER
        assert door.records("call-ended")[-1]["INTERCOM_CODE"] == "404"
        assert "answered" not in visit.timeline
    works(pbx, "announcement without an answer")


def test_a_trunk_that_knows_the_door_by_its_address_needs_no_registration(pbx: Pbx) -> None:
    """`register = false`: the line is up at once, and nobody is asked for a password."""
    with pbx.door(ANSWERED, edit=through(BY_ADDRESS, bind=CUSTOMER_IP)) as door:
        pressed = door.press()
        shown = pbx.asterisk.await_event("UserEvent", since=pressed)

        assert echoed(pbx, door)
        assert door.await_visit().outcome == Outcome.TALKED
        assert f"<sip:{NUMBER}@" in shown.fields["Asserted"]
    works(pbx, "trunk that knows the door by its address")
    works(pbx, "caller's number in From and P-Asserted-Identity")


def test_a_number_that_is_not_the_door_s_own_is_not_let_out(pbx: Pbx) -> None:
    """Providers refuse strangers' numbers with 403; the door shows its account's, so this is a wrong configuration."""
    stranger = BY_ADDRESS.replace(NUMBER, "4989999999")
    with pbx.door(ANSWERED, edit=through(stranger, bind=CUSTOMER_IP)) as door:
        pressed = door.press()
        shown = pbx.asterisk.await_event("UserEvent", since=pressed)

        assert shown.fields["Number"] == "4989999999"
        assert door.await_visit().outcome == Outcome.DECLINED
    works(pbx, "a number that is not ours is refused")


@pytest.mark.parametrize(("number", "refusal"), [(OVERLOADED, "503"), (FORBIDDEN, "403"), ("+4940999", "404")])
def test_another_provider_is_tried_when_the_first_one_refuses(pbx: Pbx, number: str, refusal: str) -> None:
    """Overload, no credit, a number that it does not know: the other one may well connect the call."""
    with pbx.door(number, edit=through(REGISTERED, SPARE)) as door:
        door.await_record("line-up", account="spare")
        door.press()

        assert echoed(pbx, door)
        assert door.await_visit().outcome == Outcome.TALKED
        assert next(str(record["INTERCOM_CODE"]) for record in door.records("call-ended")) == refusal
        assert [record["INTERCOM_ACCOUNT"] for record in door.records("call-placed")] == ["home", "spare"]
    works(pbx, "second trunk when the first one refuses (403, 404, 503)")


def test_another_provider_is_tried_when_the_first_one_is_silent(pbx: Pbx, silent_server: None) -> None:
    """Nothing at all comes back, not even a 100."""
    silent = account("home", SILENT_IP, NUMBER, register="false")
    with pbx.door(ANSWERED, edit=through(silent, SPARE)) as door:
        door.await_record("line-up", account="spare")
        door.press()

        assert echoed(pbx, door)
        assert door.await_visit().outcome == Outcome.TALKED
    works(pbx, "second trunk when the first one is silent")


def test_who_is_busy_is_not_asked_again_through_another_provider(pbx: Pbx) -> None:
    """486 is the person's own answer: it would be the same through any trunk."""
    with pbx.door(BUSY, edit=through(REGISTERED, SPARE)) as door:
        door.await_record("line-up", account="spare")
        door.press()

        assert door.await_visit().outcome == Outcome.BUSY
        assert len(door.records("call-placed")) == 1
    works(pbx, "busy is not asked again through another trunk")
