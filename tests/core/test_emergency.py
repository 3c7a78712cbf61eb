# SPDX-License-Identifier: GPL-2.0-or-later
"""Emergency numbers: the configuration refuses them, and the core rings none, whoever asks."""

from dataclasses import replace
from pathlib import Path

import pytest
from config_files import BASE, loaded, problems
from door_story import RULES, Story

from intercom.config import core_rules
from intercom.core.commands import Kind, PlaceCall
from intercom.core.events import ButtonPressed, CallRequested, VisitRestored
from intercom.core.snapshot import Pending, Stage

WRONG = ["112", "911", "999", "110", "000", "0112", "+112", "tel:911", "sip:112@pbx.example", "%31%31%32", "9911"]


@pytest.mark.parametrize("number", WRONG)
def test_a_target_that_looks_like_one_is_refused(tmp_path: Path, number: str) -> None:
    """Anybody can press a button, and nobody at it could say what has happened."""
    (complaint,) = problems(tmp_path, BASE.replace('"201"', f'"{number}"'))

    assert complaint.startswith(f'[buttons.front]: "{number}": looks like an emergency number')
    assert f'[calls] emergency = ["{number}"]' in complaint


def test_a_contact_and_a_later_stage_are_looked_at_too(tmp_path: Path) -> None:
    """Wherever a number can stand, it can stand by mistake."""
    stages = BASE.replace('targets = ["201"]', 'stages = [{ targets = ["201"] }, { targets = ["202", "110"] }]')
    found = problems(tmp_path, stages + '[contacts.help]\ncall = "112"\n')

    assert [complaint.partition(": looks")[0] for complaint in found] == [
        '[buttons.front]: "110"',
        '[contacts.help] call: "112"',
    ]


def test_an_extension_may_look_like_one_where_that_is_said(tmp_path: Path) -> None:
    """A house may have a telephone 112."""
    config = loaded(tmp_path, BASE.replace('"201"', '"112"') + '[calls]\nemergency = ["112"]\n')
    rules = core_rules.rules(config, lambda: 0.5)

    assert rules.may_dial("112")
    assert not rules.may_dial("110")
    assert not rules.may_dial("sip:911@192.0.2.7")
    assert rules.may_dial("201")


@pytest.mark.parametrize("number", ["201", "+4930112", "1120", "**112", "front-112", "100"])
def test_ordinary_numbers_are_none(tmp_path: Path, number: str) -> None:
    """What merely contains one is somebody's number."""
    assert loaded(tmp_path, BASE.replace('"201"', f'"{number}"')).buttons[0].targets == (number,)


def test_only_what_looks_like_one_can_be_allowed(tmp_path: Path) -> None:
    """An extension in that list would be there by a misunderstanding."""
    (complaint,) = problems(tmp_path, BASE + '[calls]\nemergency = ["201"]\n')

    assert "[calls] emergency" in complaint


def test_the_core_rings_none_whoever_asks() -> None:
    """A visit left behind by a daemon with another configuration, or a rule that slipped through: nobody is called."""
    rules = replace(RULES, may_dial=lambda number: number != "112", dial={"help": "112"})
    story = Story(replace(rules, buttons={"front": (Stage(("112", "201", "help"), 30.0),)})).online()
    story.tell(ButtonPressed("front", "panel"))
    story.tell(VisitRestored(Pending("old-1", "front", "panel", 0.0, 0, (Stage(("112",), 30.0),))))
    restored = Story(rules)
    restored.tell(VisitRestored(Pending("old-1", "front", "panel", restored.now, 0, (Stage(("112",), 30.0),))))
    restored.online()
    restored.wait(200)

    assert [order.target for order in story.wanted(PlaceCall) if isinstance(order, PlaceCall)] == ["201"]
    assert restored.wanted(PlaceCall) == []
    assert restored.state.visit is None or restored.state.visit.outcome is not None


@pytest.mark.parametrize("target", ["112", "help"])
def test_an_operator_is_refused_at_once(target: str) -> None:
    """Instead of waiting for a line that would not help; the answer says why."""
    story = Story(replace(RULES, may_dial=lambda number: number != "112", dial={"help": "112"})).online()
    story.tell(CallRequested(target, "uid 0"))

    assert [told["got"] for told in story.records(Kind.PRESS_ANSWERED)] == [
        "the configuration does not let the door call this number"
    ]
    assert story.state.visit is None
