"""What an operator does over SSH: calls, hangs up, watches, reads the journal. Each is told with who did it."""

import re
import time
from collections.abc import Iterator

import pytest

from lab.house import VISITOR_HZ, Door, House, stopping
from lab.terminal import intercom
from lab.tones import speech_tone


@pytest.fixture(scope="module")
def station(house: House) -> Iterator[Door]:
    """One start of the daemon for all of these."""
    with house.door() as door:
        yield door


def test_the_door_calls_whom_no_button_calls(house: House, station: Door) -> None:
    """And a second call, or a hang-up when nobody is there, is refused in words."""
    with stopping(house.phone("202")) as phone:
        with intercom("call", "202", "--wait", "--socket", station.socket) as call:
            phone.await_event("CALL_INCOMING")
            with intercom("call", "201", "--socket", station.socket) as again:
                refused = again.await_end()
            phone.answer()
            station.await_record("call-answered", target="202")
            with intercom("hangup", "--socket", station.socket) as hangup:
                assert hangup.await_end() == 0
            status = call.await_end()
        phone.await_event("CALL_CLOSED")
    told = station.await_visit(button="an operator")
    hung_up = station.await_record("hung-up", visit=told.id)
    with intercom("hangup", "--socket", station.socket) as nobody:
        nothing = nobody.await_end()
    with intercom("call", "not a number", "--socket", station.socket) as rubbish:
        assert rubbish.await_end() == 1

    assert call.text().splitlines()[0] == f"visit {told.id}: new"
    assert call.text().splitlines()[1].startswith(f"visit {told.id}: talked, 202 rang after ")
    assert status == 0
    assert (refused, again.text()) == (1, "busy")
    assert hangup.text() == f"visit {told.id}: hung up"
    assert (told.record["INTERCOM_BY"], hung_up["INTERCOM_BY"]) == ("uid 0", "uid 0")
    assert (nothing, nobody.text()) == (1, "intercom: nobody is at the door")


def test_watching_shows_what_happens_as_it_happens(house: House, station: Door) -> None:
    """In little: only lines that changed are drawn, and the terminal is left as it was."""
    with stopping(house.phone()) as phone, intercom("watch", "--socket", station.socket, columns=120) as terminal:
        terminal.await_text("^Front door: would it ring now")
        station.press()
        terminal.await_text("201 rings$")
        before = len(terminal.raw)
        phone.reject()
        terminal.await_text("ended: busy")
        terminal.await_text("^idle")
        drawn = len(terminal.raw) - before
        terminal.type("\x03")
        status = terminal.await_end()

    assert status == 130
    assert drawn < 6000, "bytes for an ended call and an idle door"
    assert terminal.raw.endswith(b"\x1b[?25h\x1b[?1049l")


def test_the_journal_is_read_with_our_words(station: Door) -> None:
    """By kind, by visit, with fields."""
    visit = station.await_visit(button="an operator").id
    with intercom("logs", "--visit", visit, columns=200) as all_of_it:
        all_of_it.await_end()
    with intercom("logs", "--kind", "hung-up", "--fields", "-n", "1", columns=200) as fields:
        fields.await_end()
    with intercom("logs", "--kind", "nonsense") as wrong:
        status = wrong.await_end()

    assert f"visit {visit} ended: talked" in all_of_it.text()
    assert "202 rings" in all_of_it.text()
    assert '"INTERCOM_BY" : "uid 0"' in fields.text()
    assert status == 2


def test_watching_a_conversation_shows_how_loud_it_is(house: House, station: Door) -> None:
    """Both sides, in little: a line as slow as an old modem has room for it."""
    with stopping(house.phone()) as phone, intercom("watch", "--socket", station.socket, columns=120) as terminal:
        house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
        station.press()
        phone.await_event("CALL_INCOMING")
        phone.answer()
        level = terminal.await_text(r"^levels   microphone +(-\d+) dBFS [#.]{12}  loudspeaker +(-\d+) dBFS [#.]{12}$")
        terminal.await_text("answered$")
        lines, began = [level[0]], time.monotonic()
        before = len(terminal.raw)
        for speaks in (False, True, False):
            if speaks:
                house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
            else:
                house.room.hush()
            lines.append(terminal.await_text(f"^(?!{re.escape(lines[-1])}$)levels .*dBFS.*dBFS.*$")[0])
        drawn, lasted = len(terminal.raw) - before, time.monotonic() - began
        phone.hang_up()
        terminal.await_text("ended: talked")
        terminal.await_text("^idle")

    print(f"{drawn / lasted:.0f} bytes a second in a conversation ({drawn} in {lasted:.1f} s)")
    assert -40 < float(level[1]) < -3
    assert -40 < float(level[2]) < -3
    assert drawn < 3 * 400, "bytes for three changes of the levels, and what else may have happened"
    assert "levels" not in terminal.text()
