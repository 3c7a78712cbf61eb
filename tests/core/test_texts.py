# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts: who is told that a visitor found nobody, who may ask the door how it is, and that nobody else may."""

from dataclasses import replace

import pytest
from door_story import RULES, Story

from intercom.core.commands import CheckCode, Kind, SendText, SetStrike, TellUnanswered
from intercom.core.events import (
    ButtonPressed,
    CallAnswered,
    CallEnded,
    CallProgressed,
    DigitReceived,
    LineLost,
    TextAnswered,
    TextArrived,
)
from intercom.core.machine import step
from intercom.letters import unanswered_text

TOLD = replace(
    RULES,
    probe_s=float("inf"),
    text_unanswered_to="200",
    names={"front": "Front door"},
    texters={"home": frozenset({"201"})},
)
FRONT = ButtonPressed("front", "panel")
FROM_201 = TextArrived("home", "201", "192.0.2.1:5060", trusted=True, text="Status")


@pytest.mark.parametrize(("code", "why"), [(486, "busy"), (603, "declined"), (404, "not found")])
def test_a_visit_that_nobody_took_is_told(code: int, why: str) -> None:
    """Somebody should know that there was somebody."""
    story = Story(replace(TOLD, accounts=("home",))).online()
    story.tell(FRONT)
    pressed = story.now
    story.tell(CallEnded("boot-1.1", code, ""))

    assert story.wanted(TellUnanswered) == [TellUnanswered("home", "200", "Front door", pressed, why)]
    assert story.records(Kind.TEXT_SENT)[0]["target"] == "200"


def test_ringing_out_is_told_once() -> None:
    """However many phones rang, and however often it was pressed meanwhile."""
    story = Story(TOLD).online()
    story.tell(FRONT, CallProgressed("boot-1.1", 180), FRONT)
    story.wait(60)

    assert [order.outcome for order in story.wanted(TellUnanswered) if isinstance(order, TellUnanswered)] == [
        "no answer"
    ]


def test_a_visit_that_was_talked_is_not_told() -> None:
    """Whoever answered knows."""
    story = Story(TOLD).online()
    story.tell(FRONT, CallAnswered("boot-1.1"), CallEnded("boot-1.1", 200, ""))

    assert story.wanted(TellUnanswered) == []


def test_without_a_line_it_is_left_to_the_end_of_the_outage() -> None:
    """There is no way to say it now, and `text_missed_to` says it then."""
    story = Story(TOLD).online()
    story.tell(LineLost("home", 408, "gone"), LineLost("spare", 408, "gone"), FRONT)
    story.wait(100)

    assert story.wanted(TellUnanswered) == []
    assert len(story.state.missed) == 1


def test_who_may_text_the_door_is_told_how_it_is() -> None:
    """In the words of the status."""
    story = Story(TOLD).online()

    assert story.tell(FROM_201)[0] == SendText("home", "201", "idle; home registered, spare registered")
    assert story.records(Kind.TEXT_ARRIVED)[0]["request"] == "status"


def test_anything_else_is_answered_with_what_is_understood() -> None:
    """Silence would look like a broken door."""
    story = Story(TOLD).online()
    story.tell(replace(FROM_201, text="please let me in, the code is 4711"))
    (answer,) = story.wanted(SendText)

    assert isinstance(answer, SendText)
    assert "status" in answer.text
    assert "4711" not in repr(story.diary)


OPEN = replace(FROM_201, text="open 1234")


def answers(story: Story) -> list[str]:
    return [order.text for order in story.wanted(SendText) if isinstance(order, SendText)]


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

    assert [order for order in first if isinstance(order, CheckCode | SendText)] == [CheckCode(1, "1234")]
    assert [order for order in second if isinstance(order, CheckCode | SendText)] == [SendText("home", "201", "no")]


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
def test_nobody_else_gets_an_answer(stranger: TextArrived) -> None:
    """Neither a user who is not named, nor one who only says that he is; and it is told."""
    story = Story(TOLD).online()
    story.tell(stranger)

    assert story.wanted(SendText) == []
    assert story.wanted(CheckCode) == []
    assert len(story.records(Kind.TEXT_REFUSED)) == 1


def test_a_door_that_is_not_told_so_answers_no_texts() -> None:
    """Off unless configured."""
    story = Story().online()
    story.tell(FROM_201)

    assert story.wanted(SendText) == []


def test_a_text_that_nobody_took_is_told() -> None:
    """Else everybody believes that somebody knows."""
    story = Story(TOLD).online()
    story.tell(TextAnswered("home", "200", 200), TextAnswered("home", "200", 404))

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

    assert unanswered_text(TellUnanswered("home", "200", "Front door", 100.0, outcome), 20.0) == text
