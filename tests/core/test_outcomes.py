# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of histories and outcomes in firmware/README.md: each of its rows is played."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from door_story import RULES, Story

from intercom.core.commands import Kind, NotifyOutage, NotifyUnanswered, PlayTone
from intercom.core.events import (
    ButtonPressed,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallProgressed,
    CallRequested,
    DigitReceived,
    EngineLost,
    EngineStarted,
    Event,
    HangUpRequested,
    LineLost,
    LineUp,
    ServerResponded,
    StopRequested,
)
from intercom.core.snapshot import Stage
from intercom.core.transitions import OUTCOME_TONES, Outcome

PAGE = Path(__file__).resolve().parents[2] / "firmware" / "README.md"
ROW = re.compile(r"^\| (?P<history>[^|]+) \| (?P<outcome>[^|]+) \| (?P<told>[^|]+) \|$", re.MULTILINE)
HEAD = "| what the visit has been through | outcome | who is told by text |\n| --- | --- | --- |\n"
DOOR = replace(
    RULES,
    accounts=("home",),
    probe_s=1e6,
    text_unanswered_to="200",
    text_missed_to="200",
    callers={"home": frozenset({"201"})},
)
BOTH = replace(DOOR, buttons={"front": (Stage(("201", "202"), 30.0),)})
STAGES = replace(DOOR, buttons={"front": (Stage(("201",), 30.0), Stage(("202",), 30.0))})
CONFIRM = replace(DOOR, confirm=frozenset({"front"}))
FRONT, RINGS = ButtonPressed("front", "panel"), CallProgressed("boot-1.1", 180)
RINGING = (FRONT, RINGS)
CRASH = (EngineLost("x"), EngineStarted("e"), LineUp("home", 1.0, 300))
TALKING = (*RINGING, CallAnswered("boot-1.1"))
LIVES = ServerResponded("home", 1.0)
CALLED = CallArrived("in-1", "home", "201", "192.0.2.1:5060", trusted=True)
Told = Callable[[Story], None]


def ends(code: int, leg: int = 1) -> CallEnded:
    return CallEnded(f"boot-1.{leg}", code, "x")


HISTORIES: dict[str, tuple[object, list[tuple[Event, ...]]]] = {
    "somebody talked, and one of the two hung up or the time was over": (
        DOOR,
        [(*TALKING, ends(200)), (*TALKING, HangUpRequested("uid 0")), TALKING, (FRONT, CallAnswered("boot-1.1"))],
    ),
    "somebody talked, was cut off, and did not answer when called back": (
        DOOR,
        [
            (*TALKING, *CRASH),
            (*TALKING, *CRASH, CallProgressed("boot-1.2", 180)),
            (*TALKING, *CRASH, CallProgressed("boot-1.2", 180), ends(486, 2)),
            (*TALKING, *CRASH, ends(404, 2)),
            (*TALKING, EngineLost("x")),
        ],
    ),
    "somebody talked, and was cut off twice": (DOOR, [(*TALKING, *CRASH, CallAnswered("boot-1.2"), *CRASH)]),
    "a phone rang until its time was over": (DOOR, [RINGING, (*RINGING, FRONT)]),
    "a phone rang, and the server gave up with 408, 480, 487 or 503": (
        DOOR,
        [(*RINGING, ends(code), LIVES) for code in (408, 480, 487, 503, 500, 404, 403, 302, 0)],
    ),
    "a phone rang, and a later stage reached nobody": (
        STAGES,
        [
            *((*RINGING, ends(480), ends(code, 2), LIVES) for code in (404, 408, 480, 486, 503, 603)),
            (*RINGING, ends(480), CallProgressed("boot-1.2", 100)),
            (*RINGING, ends(480)),
        ],
    ),
    "a phone rang, and then no line was left": (
        DOOR,
        [
            (*RINGING, LineLost("home", 503, "x"), ends(503), LineUp("home", 1.0, 300), ends(404, 2)),
            (*RINGING, *CRASH, LineLost("home", 503, "x"), ends(503, 2), LineUp("home", 1.0, 300), ends(404, 3)),
            (*RINGING, LineLost("home", 503, "x"), ends(503)),
            (*RINGING, EngineLost("x")),
        ],
    ),
    "something picked up and did not key 1": (
        CONFIRM,
        [
            (FRONT, CallAnswered("boot-1.1")),
            (FRONT, CallAnswered("boot-1.1"), ends(200)),
            (FRONT, CallAnswered("boot-1.1"), DigitReceived("boot-1.1", "2", "RFC 4733"), ends(503), LIVES),
        ],
    ),
    "a phone rang and was refused with 486 or 600": (
        DOOR,
        [(*RINGING, ends(486)), (*RINGING, ends(600))],
    ),
    "a phone rang and was refused with 603": (DOOR, [(*RINGING, ends(603))]),
    "one phone was refused, another one rang until its time was over": (
        BOTH,
        [(*RINGING, ends(603)), *((*RINGING, ends(603), CallProgressed("boot-1.2", code)) for code in (100, 180))],
    ),
    "no phone rang: 486 or 600": (DOOR, [(FRONT, ends(486)), (FRONT, ends(600))]),
    "no phone rang: 403 or 603": (DOOR, [(FRONT, ends(403)), (FRONT, ends(603))]),
    "no phone rang: 404, 410, 484 or 604": (DOOR, [(FRONT, ends(code)) for code in (404, 410, 484, 604)]),
    "no phone rang, for whatever other reason": (
        DOOR,
        [
            *((FRONT, ends(code), LIVES) for code in (0, 302, 408, 480, 487, 488, 500, 503)),
            (FRONT, CallProgressed("boot-1.1", 100)),
            (FRONT,),
        ],
    ),
    "there was no line, and none came": (DOOR, [(LineLost("home", 408, "x"), FRONT), (EngineLost("x"), FRONT)]),
    "the voice engine died too often before anybody answered": (
        DOOR,
        [(FRONT, *CRASH, *CRASH, *CRASH, *CRASH), (*RINGING, *CRASH, *CRASH, *CRASH, *CRASH)],
    ),
    "another button was pressed before anybody answered": (DOOR, [(*RINGING, ButtonPressed("flat", "panel"))]),
    "the daemon was stopped before anybody answered": (
        DOOR,
        [(FRONT, StopRequested("x")), (*RINGING, StopRequested("x"))],
    ),
    "an operator called, and nobody answered": (
        DOOR,
        [(CallRequested("777", "uid 0"), RINGS), (CallRequested("777", "uid 0"), RINGS, ends(480))],
    ),
    "an operator called, and nobody could be reached": (DOOR, [(CallRequested("777", "uid 0"), ends(480))]),
    "the house called, and hung up too early": (DOOR, [(CALLED, CallEnded("in-1", 487, "x"))]),
}
"""What the page says -> how that may come about, each with the time that passes afterwards."""


def rows() -> list[tuple[str, str, str]]:
    """The rows of the page."""
    table = PAGE.read_text(encoding="utf-8").partition(HEAD)[2].partition("\n\n")[0]
    return [(row["history"], row["outcome"], row["told"]) for row in ROW.finditer(table)]


@pytest.mark.parametrize(("history", "outcome", "told"), rows())
def test_the_outcome_is_what_the_visit_has_been_through(history: str, outcome: str, told: str) -> None:
    """Whatever was its last signal; and who missed a visitor hears of it by exactly one way."""
    rules, ways = HISTORIES[history]
    for events in ways:
        story = Story(rules).online()  # type: ignore[arg-type]
        story.tell(*events)
        tones = story.wanted(PlayTone)
        story.wait(200.0)

        first = story.records(Kind.VISIT_ENDED)[0]
        of_it = {"front", "an operator", ""}
        told_now: list[object] = [*story.wanted(NotifyUnanswered)]
        kept = [press for press in story.state.untold.missed if press.button in of_it] + story.wanted(NotifyOutage)
        told_now += story.state.untold.unanswered
        assert first["outcome"] == outcome, events
        assert (bool(told_now), bool(kept)) == (told == "text_unanswered_to", told == "text_missed_to"), events
        tone = OUTCOME_TONES.get(Outcome(outcome))
        assert tone is None or PlayTone(tone) in (tones or story.wanted(PlayTone)) or PlayTone(tone) in story.diary


def test_the_page_knows_every_outcome_and_every_history_is_played() -> None:
    """A row that nobody plays promises what nobody has seen."""
    assert {outcome for _, outcome, _ in rows()} == set(map(str, Outcome))
    assert {history for history, _, _ in rows()} == set(HISTORIES)
    assert len(rows()) == len(HISTORIES)
