# SPDX-License-Identifier: GPL-2.0-or-later
"""50,000 random events over generated rules: none of the promises is broken (`random_door.py` says which)."""

import random
from dataclasses import replace

import pytest
from door_story import RULES, Story
from random_door import NAMES, live, rules_of

from intercom.config import validators
from intercom.core import words
from intercom.core.commands import Kind, PlaceCall, Report
from intercom.core.events import (
    ButtonPressed,
    CallAnswered,
    CallEnded,
    CallProgressed,
    CallRequested,
)
from intercom.core.snapshot import Stage

EVENTS, DOORS = 50_000, 5
SEED = 20_000
FIELDS = ("visit", "button", "account", "target", "got", "code")


@pytest.mark.parametrize("part", range(DOORS))
def test_no_random_event_breaks_a_promise(part: int) -> None:
    """Accounts, stages, contacts, codes, keypads, callers, hours, confirmations, redirections, reloads and deaths."""
    seen = live(EVENTS // DOORS, SEED + part)

    assert seen["visits"] > 300
    assert seen["rang"] > 30
    assert seen["daemons"] > 50
    assert seen["taken"] > 0


def played(account: str, button: str, target: str) -> tuple[list[object], list[object]]:
    """What a door does whose account, button and contact are called so: an operator's call, then the button's."""
    rules = replace(
        RULES,
        accounts=(account, "spare"),
        buttons={button: (Stage((target,), 30.0),)},
        callers={account: frozenset(), "spare": frozenset()},
    )
    story = Story(rules).online()
    story.tell(CallRequested("777", "uid 0"), ButtonPressed(button, "panel"))
    for leg in (1, 2):
        story.tell(CallProgressed(f"boot-2.{leg}", 100), CallEnded(f"boot-2.{leg}", 503, "x"))
    story.tell(CallProgressed("boot-2.3", 180), CallAnswered("boot-2.3"))
    known = {account: "ACCOUNT", button: "BUTTON", target: "TARGET"}
    calls = [
        (order.leg, known.get(order.account, order.account), known.get(order.target, order.target))
        for order in story.diary
        if isinstance(order, PlaceCall)
    ]
    told = [
        (order.kind, [known.get(str(order.fields.get(field)), order.fields.get(field)) for field in FIELDS])
        for order in story.diary
        if isinstance(order, Report) and order.kind in (Kind.PRESS_ACCEPTED, Kind.PRESS_ANSWERED, Kind.CALL_ENDED)
    ]
    return calls, told  # type: ignore[return-value]


@pytest.mark.parametrize("name", [*NAMES, "unreachable", "panel", "none", "main"])
def test_any_name_behaves_like_any_other(name: str) -> None:
    """Also one that happens to be a word of ours: the account fails over, the button rings, the target is called."""
    usual = played("ACC", "BTN", "TGT")

    assert played(name, "BTN", "TGT") == usual
    assert played("ACC", name, "TGT") == usual
    assert played("ACC", "BTN", name) == usual


def test_no_word_of_ours_can_be_a_name() -> None:
    """Each has what no section's name and nobody who can be called has."""
    ours = [value for key, value in vars(words).items() if key.isupper()]

    assert len(ours) >= 2
    assert not [
        word for word in ours if validators.is_key(word) or validators.is_target(word) or validators.is_user(word)
    ]


def test_random_rules_are_of_all_kinds() -> None:
    """A walk over one kind of door proves nothing of the others."""
    rules = [rules_of(random.Random(seed)) for seed in range(300)]
    assert {len(one.accounts) for one in rules} == {0, 1, 2, 3}
    assert any(one.confirm for one in rules)
    assert any("direct" in one.accounts for one in rules)
    assert any("operator" in one.buttons for one in rules)
