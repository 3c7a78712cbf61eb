# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that can be wrong: each has its two records, and shows in the status line, the status and on the lamp."""

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from door_story import RULES, Story

import intercom
from intercom.adapters.systemd.conditions import PAGES, message_id, message_ids
from intercom.adapters.systemd.records import TABLE, sentence
from intercom.core import acoustics, door_state
from intercom.core.commands import Kind, Lamp, Report, SetLamp, SetStatus
from intercom.core.events import (
    AudioDeviceLost,
    AudioDeviceOpened,
    ButtonChanged,
    ButtonPressed,
    CallEnded,
    CallProgressed,
    ConditionBegan,
    ConditionEnded,
    EngineLost,
    EngineStarted,
    Event,
    LineLost,
    LineUp,
    TonePlayed,
)
from intercom.core.outputs import conditions, lamp

DAY_S = 86400.0
PACKAGE = Path(intercom.__file__).parent
WATCHED = ("disk", "temperature", "supply", "clock", "memory", "network", "names home", "restarts", "certificate home")
"""What watchers of the daemon find: the core takes any name from them."""


def told(*events: Event) -> Callable[[Story], None]:
    return lambda story: story.tell(*events) and None


def held_down(story: Story) -> None:
    story.tell(ButtonChanged("front", pressed=True))
    story.wait(RULES.stuck_s + 1)
    story.tell(CallEnded("boot-1.1", 486, "Busy Here"), TonePlayed("busy"))


def never_rings(story: Story) -> None:
    for number in range(1, 5):
        story.tell(ButtonPressed("front", "panel"), CallEnded(f"boot-{number}.1", 480, "x"), TonePlayed("unreachable"))
        story.now += DAY_S


def rings(story: Story) -> None:
    story.tell(ButtonPressed("front", "panel"), CallProgressed("boot-5.1", 180), CallEnded("boot-5.1", 486, "Busy"))


STORIES: dict[str, tuple[Callable[[Story], None], Callable[[Story], None]]] = {
    "line home": (told(LineLost("home", 503, "x")), told(LineUp("home", 1.0, 300))),
    "sound card": (told(AudioDeviceLost("unplugged")), told(AudioDeviceOpened("USB"))),
    "voice engine": (told(EngineLost("ended by SIGKILL")), told(EngineStarted("test"))),
    "button front": (held_down, told(ButtonChanged("front", pressed=False), ButtonChanged("front", pressed=False))),
    "target 201": (never_rings, rings),
    **{name: (told(ConditionBegan(name, "because")), told(ConditionEnded(name))) for name in WATCHED},
}


@pytest.mark.parametrize("name", STORIES)
def test_a_condition_is_told_twice_and_shown_as_long_as_it_lasts(name: str) -> None:
    """Whoever looks, wherever he looks, sees it; and afterwards the journal says how long it was."""
    begins, ends = STORIES[name]
    # No probes: these stories leap over days.
    story = Story(replace(RULES, accounts=("home",), probe_s=1e9)).online()
    begins(story)
    lit, shown = lamp(story.state), conditions(story.state)
    texts = [order.text for order in story.diary if isinstance(order, SetStatus)]
    patterns = [order.lamp for order in story.diary if isinstance(order, SetLamp)]
    ends(story)
    story.wait(1)
    began = [entry for entry in story.records(Kind.CONDITION_BEGAN) if entry["condition"] == name]
    ended = [entry for entry in story.records(Kind.CONDITION_ENDED) if entry["condition"] == name]

    assert (len(began), len(ended)) == (1, 1)
    assert ended[0]["lasted_s"] > 0  # type: ignore[operator]
    assert name in shown
    assert name in texts[-1] or f"{name.removeprefix('line ')} " in texts[-1]
    assert lit in (Lamp.FAULT, Lamp.NO_LINE)
    assert patterns[-1] is lit
    assert name not in conditions(story.state)


def test_both_records_have_numbers_of_their_own_and_name_the_condition() -> None:
    """Scripts match the number; people read the sentence."""
    numbers = {TABLE[kind].message_id for kind in (Kind.CONDITION_BEGAN, Kind.CONDITION_ENDED)}
    fields: dict[str, str | float | dict[str, float]] = {"condition": "disk", "detail": "full", "lasted_s": 61.0}

    assert len(numbers) == 2
    assert "disk" in sentence(Report(Kind.CONDITION_BEGAN, fields))
    assert "disk" in sentence(Report(Kind.CONDITION_ENDED, fields))
    assert "61 s" in sentence(Report(Kind.CONDITION_ENDED, fields))


def possible() -> set[str]:
    """The first words of every condition that the code can name."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        found |= set(re.findall(r'ConditionBegan\(\s*f?"([a-z ]+?)(?: \{|")', text))
    found |= set(re.findall(r'f"([a-z]+) \{', inspect.getsource(conditions) + inspect.getsource(door_state.conditions)))
    found |= set(re.findall(r'wrong\["([a-z ]+)"\]', inspect.getsource(conditions)))
    found |= set(re.findall(r'"(microphone|loudspeaker)"', inspect.getsource(acoustics)))
    return found | set(
        re.findall(
            r'^            "([a-z]+)": self\._', (PACKAGE / "adapters/monitors/host.py").read_text(), re.MULTILINE
        )
    )


def test_every_condition_has_a_page_of_its_own() -> None:
    """`journalctl -x` says of each what it means and what to do; what happens at a door has kinds of its own."""
    at_door = {"door"}
    found = possible()

    assert found - at_door == set(PAGES)
    assert {"line", "disk", "voice engine", "restarts", "contact"} <= found


def test_a_record_carries_the_number_of_its_condition() -> None:
    """By the first words of its name; a name that nobody knows has the general page."""
    began = [
        Report(Kind.CONDITION_BEGAN, {"condition": name}) for name in ("line home", "line", "lines", "voice engine")
    ]

    assert [message_id(report) for report in began] == [
        PAGES["line"],
        PAGES["line"],
        TABLE[Kind.CONDITION_BEGAN].message_id,
        PAGES["voice engine"],
    ]
    assert (
        message_id(Report(Kind.CONDITION_ENDED, {"condition": "line home"})) == TABLE[Kind.CONDITION_ENDED].message_id
    )
    assert {*PAGES.values(), TABLE[Kind.CONDITION_BEGAN].message_id} == message_ids(Kind.CONDITION_BEGAN)
    assert len(set(PAGES.values()) | {entry.message_id for entry in TABLE.values()}) == len(PAGES) + len(TABLE)
