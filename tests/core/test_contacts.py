# SPDX-License-Identifier: GPL-2.0-or-later
"""Contacts: whom a word of our own means, and the keys that are pressed for it once it has answered."""

from dataclasses import replace
from pathlib import Path

import pytest
from config_files import BASE, loaded, problems
from door_story import RULES, Story

from intercom.config import core_rules, validators
from intercom.core.commands import PlaceCall, RequestConfirmation, SendDtmf
from intercom.core.events import ButtonPressed, CallAnswered, CallProgressed
from intercom.core.snapshot import Stage
from intercom.engine.sip.dtmf_sender import KEY_S, PAUSE_S, Keys

CONTACT = '\n[contacts.office]\ncall = "400"\nthen = "w1w201"\n'
FRONT = ButtonPressed("front", "panel")
ATTENDED = replace(
    RULES,
    buttons={"front": (Stage(("202", "office"), 30.0),)},
    dial={"office": "400"},
    keys={"office": "w1w201"},
)


def test_a_contact_is_called_by_its_number_and_told_by_its_name() -> None:
    """The keys may be a PIN: nothing that is recorded has them."""
    story = Story(ATTENDED).online()
    story.tell(FRONT)
    legs = [order for order in story.wanted(PlaceCall) if isinstance(order, PlaceCall)]
    story.tell(CallProgressed(legs[1].leg, 180), CallAnswered(legs[1].leg))

    assert [leg.target for leg in legs] == ["202", "400"]
    assert story.wanted(SendDtmf) == [SendDtmf(legs[1].leg, "w1w201")]
    assert "w1w201" not in repr(story.diary)
    assert "'office'" in repr(story.diary)


def test_only_the_contact_itself_gets_its_keys_and_only_once_it_has_answered() -> None:
    """Pressed at another phone, they would be noise, or a secret in the wrong ear."""
    story = Story(ATTENDED).online()
    story.tell(FRONT)
    (first, _) = story.wanted(PlaceCall)
    assert isinstance(first, PlaceCall)
    story.tell(CallAnswered(first.leg))

    assert story.wanted(SendDtmf) == []


def test_an_attendant_gets_its_keys_before_a_person_has_confirmed() -> None:
    """Else there would be no person who could."""
    story = Story(replace(ATTENDED, confirm=frozenset({"front"}))).online()
    story.tell(FRONT)
    leg = story.wanted(PlaceCall)[1]
    assert isinstance(leg, PlaceCall)
    story.tell(CallAnswered(leg.leg))

    assert story.wanted(SendDtmf) == [SendDtmf(leg.leg, "w1w201")]
    assert story.wanted(RequestConfirmation) == [RequestConfirmation(leg.leg)]


def test_the_configuration_hands_contacts_on(tmp_path: Path) -> None:
    """Under their keys, and the keys to press only where there are any."""
    text = BASE.replace('targets = ["201"]', 'targets = ["202", "office", "neighbour"]')
    config = loaded(tmp_path, text + CONTACT + '[contacts.neighbour]\ncall = "sip:7@192.0.2.7"\n')
    rules = core_rules.rules(config, lambda: 0.5)

    assert rules.dial == {"office": "400", "neighbour": "sip:7@192.0.2.7"}
    assert rules.keys == {"office": "w1w201"}
    assert rules.direct == {"neighbour"}
    assert "w1w201" not in repr(config)
    assert "w1w201" not in repr(rules)


def test_the_keys_may_be_kept_elsewhere(tmp_path: Path) -> None:
    """A PIN is a secret like a password."""
    pin = tmp_path / "pin"
    pin.write_text("ww2468#\n")
    pin.chmod(0o600)
    config = loaded(tmp_path, BASE + '[contacts.room]\ncall = "500"\nthen_file = "pin"\n')

    assert config.contacts[0].then.reveal() == "ww2468#"


@pytest.mark.parametrize("keys", ["", "1 2", "12E", "1,2", "\N{ARABIC-INDIC DIGIT ONE}", "1" * 65])
def test_keys_that_no_phone_has_are_refused_without_being_shown(tmp_path: Path, keys: str) -> None:
    """The complaint says what is allowed, and keeps the secret."""
    complaint = problems(tmp_path, BASE + f'[contacts.room]\ncall = "500"\nthen = "{keys}"\n')

    assert complaint == [f"[contacts.room] then = ***: must be {validators.KEYS}"]


def test_a_contact_without_a_number_is_missed(tmp_path: Path) -> None:
    """There is nobody to call."""
    assert problems(tmp_path, BASE + "[contacts.room]\n") == [
        f"[contacts.room] call: missing; must be {validators.TARGET}, in quotes"
    ]


def test_keys_come_one_by_one_and_pauses_are_waited_for() -> None:
    """An attendant that speaks its menu first hears the first key after it."""
    keys, now, pressed = Keys("w1ww20", 10.0), 10.0, []
    while now < 15:
        if key := keys.due(now):
            pressed.append((key, round(now - 10, 2)))
        now += 0.01

    one = PAUSE_S
    assert [key for key, _ in pressed] == ["1", "2", "0"]
    expected = [one, one + KEY_S + 2 * PAUSE_S, one + 2 * KEY_S + 2 * PAUSE_S]
    assert [at for _, at in pressed] == pytest.approx(expected, abs=0.05)


def test_a_late_loop_hurries_no_keys() -> None:
    """Two keys in the same instant would be one key to the far end."""
    keys = Keys("12", 0.0)

    assert (keys.due(5.0), keys.due(5.1), keys.due(5.0 + KEY_S)) == ("1", "", "2")
