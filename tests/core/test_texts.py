# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts: who is told that a visitor found nobody, who may ask the door how it is, and that nobody else may."""

import time
from dataclasses import replace

import pytest
from door_story import RULES, Story

from intercom.core.commands import (
    CheckCode,
    Command,
    KeepUntold,
    Kind,
    NotifyOutage,
    NotifyUnanswered,
    SendMessage,
    SetStrike,
)
from intercom.core.events import (
    ButtonPressed,
    CallAnswered,
    CallEnded,
    CallProgressed,
    DigitReceived,
    EngineLost,
    EngineStarted,
    Event,
    LineLost,
    LineUp,
    MessageDelivered,
    MessageReceived,
    UntoldFound,
)
from intercom.core.machine import step
from intercom.core.outputs import next_deadline
from intercom.core.snapshot import NOTHING, Press, Stage, Untold
from intercom.daemon.notices import outage_text, unanswered_text

TOLD = replace(
    RULES,
    probe_s=float("inf"),
    text_unanswered_to="200",
    names={"front": "Front door"},
    texters={"home": frozenset({"201"})},
)
FRONT = ButtonPressed("front", "panel")


class Taken(Story):
    """A door whose texts are answered at once, with `code`."""

    code = 200

    def tell(self, *events: Event, after: float = 0.01) -> list[Command]:
        """Let events happen, and answer the texts of each."""
        commands: list[Command] = []
        for event in events:
            commands = super().tell(event, after=after)
            self.answer(commands)
        return commands

    def answer(self, commands: list[Command]) -> None:
        """Answer the texts among them."""
        for order in commands:
            if isinstance(order, NotifyOutage | NotifyUnanswered):
                self.tell(MessageDelivered(order.account, order.target, self.code, order.number), after=0.0)

    def pass_on(self, seconds: float) -> None:
        """Let time pass, and answer what is sent meanwhile."""
        until = self.now + seconds
        while (due := next_deadline(self.state)) is not None and due <= until:
            seen = len(self.diary)
            self.wait(max(0.0, due - self.now))
            self.answer(self.diary[seen:])
        self.now = until

    def texts(self) -> list[NotifyOutage]:
        """What was told of outages."""
        return [order for order in self.diary if isinstance(order, NotifyOutage)]


FROM_201 = MessageReceived("home", "201", "192.0.2.1:5060", trusted=True, text="Status")


@pytest.mark.parametrize(("code", "why"), [(486, "busy"), (603, "declined"), (404, "not found")])
def test_a_visit_that_nobody_took_is_told(code: int, why: str) -> None:
    """Somebody should know that there was somebody."""
    story = Story(replace(TOLD, accounts=("home",))).online()
    story.tell(FRONT)
    pressed = story.now
    story.tell(CallEnded("boot-1.1", code, ""))

    press = Press("Front door", pressed, why)
    assert story.wanted(NotifyUnanswered) == [NotifyUnanswered("home", "200", "Front door", press, 1)]
    assert story.records(Kind.TEXT_SENT) == []
    story.tell(MessageDelivered("home", "200", 200, 1))
    assert story.records(Kind.TEXT_SENT)[0]["target"] == "200"
    assert story.state.untold == NOTHING


def test_ringing_out_is_told_once() -> None:
    """However many phones rang, and however often it was pressed meanwhile."""
    story = Taken(TOLD).online()
    story.tell(FRONT, CallProgressed("boot-1.1", 180), FRONT)
    story.wait(60)

    told = [order.press.outcome for order in story.wanted(NotifyUnanswered) if isinstance(order, NotifyUnanswered)]
    assert told == ["no answer"]


def test_a_visit_that_was_talked_is_not_told() -> None:
    """Whoever answered knows."""
    story = Story(TOLD).online()
    story.tell(FRONT, CallAnswered("boot-1.1"), CallEnded("boot-1.1", 200, ""))

    assert story.wanted(NotifyUnanswered) == []


def test_without_a_line_it_is_left_to_the_end_of_the_outage() -> None:
    """There is no way to say it now, and `text_missed_to` says it then."""
    story = Story(replace(TOLD, text_missed_to="200")).online()
    story.tell(LineLost("home", 408, "gone"), LineLost("spare", 408, "gone"), FRONT)
    story.wait(100)

    assert story.wanted(NotifyUnanswered) == []
    assert len(story.state.untold.missed) == 1


def test_who_may_text_the_door_is_told_how_it_is() -> None:
    """In the words of the status."""
    story = Story(TOLD).online()

    assert story.tell(FROM_201)[0] == SendMessage("home", "201", "idle; home registered, spare registered")
    assert story.records(Kind.TEXT_ARRIVED)[0]["request"] == "status"


def test_anything_else_is_answered_with_what_is_understood() -> None:
    """Silence would look like a broken door."""
    story = Story(TOLD).online()
    story.tell(replace(FROM_201, text="please let me in, the code is 4711"))
    (answer,) = story.wanted(SendMessage)

    assert isinstance(answer, SendMessage)
    assert "status" in answer.text
    assert "4711" not in repr(story.diary)


OPEN = replace(FROM_201, text="open 1234")


def answers(story: Story) -> list[str]:
    return [order.text for order in story.wanted(SendMessage) if isinstance(order, SendMessage)]


def checks(story: Story) -> list[CheckCode]:
    return [order for order in story.wanted(CheckCode) if isinstance(order, CheckCode)]


def test_a_code_in_a_text_opens_its_door_and_is_told() -> None:
    """Without a visit; the door locks by itself as ever."""
    story = Story(TOLD).online()
    story.tell(OPEN)

    assert answers(story) == ["open: front"]
    assert SetStrike("front", released=True) in story.diary
    assert story.records(Kind.DOOR_RELEASED)[0]["source"] == "201@home"
    assert story.state.keying == ()
    story.wait(60)
    assert SetStrike("front", released=False) in story.diary
    assert "1234" not in repr([entry for entry in story.diary if not isinstance(entry, CheckCode)])


def test_a_wrong_code_in_a_text_counts_and_locks_out_as_on_the_phone() -> None:
    """Texting is no quicker way to guess: after so many nobody even compares, and the answer stays the same."""
    story = Story(TOLD).online()
    for _ in range(TOLD.tries):
        story.tell(replace(OPEN, text="open 9999"))
    compared = len(checks(story))
    story.tell(OPEN)

    assert len(checks(story)) == compared == TOLD.tries
    assert answers(story) == ["no"] * (TOLD.tries + 1)
    assert len(story.records(Kind.CODE_WRONG)) == TOLD.tries
    assert story.records(Kind.LOCKED_OUT)[0]["source"] == "201@home"
    assert SetStrike("front", released=True) not in story.diary


def test_who_was_locked_out_by_texts_is_not_heard_on_his_phone_either() -> None:
    """One user, one account of tries."""
    story = Story(TOLD).online()
    for _ in range(TOLD.tries):
        story.tell(replace(OPEN, text="open 9999"))
    compared = len(checks(story))
    story.tell(FRONT, CallAnswered("boot-1.1"))
    story.tell(*(DigitReceived("boot-1.1", key, "RFC 4733") for key in "1234"))

    assert len(checks(story)) == compared


@pytest.mark.parametrize("text", ["open 123456789012", "open x", "open 1"])
def test_what_can_be_no_code_opens_nothing_and_guesses_nothing(text: str) -> None:
    """It is not compared, so it costs nothing; the answer is the same."""
    story = Story(TOLD).online()
    story.tell(replace(OPEN, text=text))

    assert answers(story) == ["no"]
    assert checks(story) == []
    assert story.records(Kind.CODE_WRONG) == []


def test_a_second_code_before_the_first_one_is_compared_is_refused() -> None:
    """It comes too early, and is told so like any other refusal."""
    story = Story(TOLD).online()
    asked, first = step(story.state, OPEN, now=story.now, rules=TOLD)
    _, second = step(asked, OPEN, now=story.now, rules=TOLD)

    assert [order for order in first if isinstance(order, CheckCode | SendMessage)] == [CheckCode(1, "1234")]
    assert [order for order in second if isinstance(order, CheckCode | SendMessage)] == [
        SendMessage("home", "201", "no")
    ]


@pytest.mark.parametrize(
    "stranger",
    [
        replace(FROM_201, sender="202"),
        replace(FROM_201, account="spare"),
        replace(FROM_201, trusted=False),
        replace(FROM_201, sender=""),
        replace(FROM_201, sender="202", text="open 1234"),
        replace(FROM_201, trusted=False, text="open 1234"),
    ],
)
def test_nobody_else_gets_an_answer(stranger: MessageReceived) -> None:
    """Neither a user who is not named, nor one who only says that he is; and it is told."""
    story = Story(TOLD).online()
    story.tell(stranger)

    assert story.wanted(SendMessage) == []
    assert story.wanted(CheckCode) == []
    assert len(story.records(Kind.TEXT_REFUSED)) == 1


def test_a_door_that_is_not_told_so_answers_no_texts() -> None:
    """Off unless configured."""
    story = Story().online()
    story.tell(FROM_201)

    assert story.wanted(SendMessage) == []


def test_a_text_that_nobody_took_is_told() -> None:
    """Else everybody believes that somebody knows."""
    story = Story(TOLD).online()
    story.tell(MessageDelivered("home", "200", 200), MessageDelivered("home", "200", 404))

    assert [record["code"] for record in story.records(Kind.TEXT_FAILED)] == [404]


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        ("no answer", "Front door rang at 00:02, nobody answered"),
        ("busy", "Front door rang at 00:02, all were busy"),
        ("declined", "Front door rang at 00:02, the call was declined"),
        ("not found", "Front door rang at 00:02, the number called does not exist"),
    ],
)
def test_the_text_says_where_and_when(monkeypatch: pytest.MonkeyPatch, outcome: str, text: str) -> None:
    """By the clock on the wall."""
    monkeypatch.setenv("TZ", "UTC")

    monkeypatch.setattr(time, "time", lambda: 3600.0)

    press = Press("Front door", 100.0, outcome)
    assert unanswered_text(NotifyUnanswered("home", "200", "Front door", press), 20.0) == text
    monkeypatch.setattr(time, "time", lambda: 90000.0)
    assert " 1970-01-01 00:02, " in unanswered_text(NotifyUnanswered("home", "200", "Front door", press), 20.0)


OUTAGE = replace(
    TOLD, accounts=("home",), patience_s=1.0, closing_s=0.5, text_missed_to="200", text_unanswered_to="",
    retry_s=(1e6,), hush_s=1e6,
)  # fmt: skip
BACK = LineUp("home", 1.0, 300)


def missed(story: Taken, presses: int) -> None:
    """Have people press without a line."""
    story.tell(LineLost("home", 408, "gone"))
    for _ in range(presses):
        story.tell(FRONT)
        story.pass_on(5)


@pytest.mark.parametrize("presses", [1, 19, 20, 21, 25])
def test_an_outage_is_told_with_the_true_number_and_once(monkeypatch: pytest.MonkeyPatch, presses: int) -> None:
    """However many presses can be named."""
    monkeypatch.setenv("TZ", "UTC")
    story = Taken(OUTAGE).online()
    missed(story, presses)
    story.tell(BACK, BACK)
    story.pass_on(10_000)
    story.tell(BACK)

    (told,) = story.texts()
    assert (f", {presses} rings: " if presses > 1 else ", 1 ring: ") in outage_text(told, 0.0)
    assert [record["presses"] for record in story.records(Kind.OUTAGE_TOLD)] == [presses]
    assert story.state.untold == NOTHING


def test_a_text_that_nobody_takes_is_kept_and_sent_again() -> None:
    """The door is back within seconds, the phone within minutes; then it is told, once."""
    story = Taken(OUTAGE).online()
    story.code = 480
    missed(story, 2)
    story.tell(BACK)
    story.pass_on(3000)
    tried = len(story.texts())
    story.code = 202
    story.pass_on(4000)
    story.pass_on(100_000)

    assert tried >= 3
    assert len(story.texts()) == tried + 1
    assert len(story.records(Kind.TEXT_FAILED)) == 1, "told once, not at each try"
    assert len(story.records(Kind.OUTAGE_TOLD)) == 1
    assert all(len(told.presses) == 2 for told in story.texts())


def test_a_text_without_an_answer_is_sent_again() -> None:
    """The engine died with it, or the answer never came."""
    story = Story(OUTAGE).online()
    story.tell(LineLost("home", 408, "x"), FRONT)
    story.wait(10)
    story.tell(BACK, EngineLost("x"), EngineStarted("e"), BACK)
    twice = len(story.wanted(NotifyOutage))
    story.wait(200)

    assert twice == 2
    assert len(story.wanted(NotifyOutage)) == 3
    assert len(story.state.untold.missed) == 1


def test_the_answer_to_another_text_takes_nothing_away() -> None:
    """Somebody is answered who asked for the status: that says nothing of what he has to be told."""
    story = Story(OUTAGE).online()
    story.tell(LineLost("home", 408, "x"), FRONT)
    story.wait(10)
    story.tell(BACK, MessageDelivered("home", "200", 200), MessageDelivered("home", "200", 200, 999))

    assert len(story.state.untold.missed) == 1


def test_what_is_to_be_told_is_kept_for_the_next_daemon() -> None:
    """Noted before anything else happens, told by the next one, and then forgotten."""
    story = Taken(OUTAGE).online()
    missed(story, 3)
    kept = [order.untold for order in story.diary if isinstance(order, KeepUntold)][-1]
    later = Taken(OUTAGE)
    later.tell(UntoldFound(kept), EngineStarted("e"), BACK)

    assert len(kept.missed) == 3
    assert [len(told.presses) for told in later.texts()] == [3]
    assert [order.untold for order in later.diary if isinstance(order, KeepUntold)][-1] == NOTHING


def test_a_visit_that_nobody_took_is_told_when_a_line_is_back() -> None:
    """A phone rang and then the server died: that is no outage, and nobody has heard of it."""
    story = Taken(replace(OUTAGE, text_unanswered_to="200")).online()
    story.tell(FRONT, CallProgressed("boot-1.1", 180), LineLost("home", 503, "x"), CallEnded("boot-1.1", 503, "x"))
    story.pass_on(100)
    before = story.wanted(NotifyUnanswered)
    story.tell(BACK)

    assert before == []
    assert len(story.wanted(NotifyUnanswered)) == 1
    assert story.texts() == []


def test_a_door_without_an_account_texts_by_the_way_it_calls() -> None:
    """To an address of its own: what the configuration accepts is done."""
    peer = "sip:201@192.0.2.7"
    rules = replace(
        OUTAGE, accounts=(), buttons={"front": (Stage((peer,), 5.0),)}, direct=frozenset({peer}),
        text_missed_to=peer, text_unanswered_to=peer,
    )  # fmt: skip
    story = Taken(rules)
    story.tell(EngineStarted("e"), FRONT, CallProgressed("boot-1.1", 180))
    story.pass_on(20)
    story.tell(FRONT, CallEnded("boot-2.1", 408, "x"))
    story.pass_on(100)

    assert [order.account for order in story.wanted(NotifyUnanswered)] == ["no account"]  # type: ignore[attr-defined]
    assert [order.account for order in story.texts()] == ["no account"]


def test_an_outage_of_days_is_told_with_its_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """22:28 of which day? And what an earlier boot left has its hour by the clock on the wall."""
    monkeypatch.setenv("TZ", "UTC")
    day, old = 86400.0, Press("flat", -5.0, epoch_s=1000.0)
    told = NotifyOutage("home", "200", (Press("front", 1000.0), Press("front", 3 * day + 30)), 0, 900.0, 3 * day + 90)

    assert outage_text(told, 0.0) == (
        "unreachable 1970-01-01 00:15-00:01, 2 rings: front 1970-01-01 00:16, front 00:00"
    )
    assert outage_text(replace(told, presses=(old,), began_at=-5.0), 0.0) == (
        "unreachable 1970-01-01 00:16-00:01, 1 ring: flat 1970-01-01 00:16"
    )


def test_only_a_visitor_s_press_is_kept_and_only_where_somebody_is_told() -> None:
    """Without `text_missed_to` nothing gathers, and nothing is written to the card."""
    story = Taken(replace(OUTAGE, text_missed_to="")).online()
    missed(story, 3)

    assert story.wanted(KeepUntold) == []
    assert story.state.untold == Untold()
