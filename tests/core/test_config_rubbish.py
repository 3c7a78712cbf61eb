# SPDX-License-Identifier: GPL-2.0-or-later
"""Any file at all: a configuration or a complaint, never a traceback."""

import json
import random
import tomllib
from pathlib import Path

import pytest
from config_files import BASE, problems
from hypothesis import example, given
from hypothesis import strategies as st

from intercom.config import model
from intercom.config.loader import load, parse
from intercom.errors import ConfigError


@pytest.mark.parametrize("pin", [17, "17", "GPIO17", "bcm17", "BOARD11", "J8:11", "WPI0"])
def test_a_pin_has_many_names_and_is_used_once(tmp_path: Path, pin: str | int) -> None:
    """A strike on a button's pin would move by itself."""
    (told,) = problems(tmp_path, BASE + f"[lamp]\npin = {json.dumps(pin)}")

    assert told.endswith("must be a pin of its own; GPIO17 is taken by [buttons.front] pin")


SECRET = "73190246"
SECTIONS = ["accounts", "buttons", "profiles", "calendar", "doors", "codes", "lamp", "calls", "sound", "network",
            "name", "nmae"]  # fmt: skip
KEYS = ["server", "user", "transport", "register", "expires_s", "proxy", "callers", "pin", "pull", "targets",
        "name", "strike_pin", "active", "pulse_s", "door", "ring_s", "debounce_ms", "input", "period_ms", "codecs",
        "bind", "stages", "fallback", "confirm", "when", "days", "from", "to", "holidays", "text_missed_to",
        "deaf_days", "stuck_s", "probe_s"]  # fmt: skip
SCALARS = (
    st.booleans() | st.integers() | st.integers(10**4000, 10**5000) | st.floats() | st.text(max_size=40)
    | st.datetimes() | st.dates() | st.times()
    | st.sampled_from(["201", "udp", "up", "high", "front", "eu", "a:5060", "mon-fri", "08:00", "2026-12-25"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
PLAIN = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=12), VALUES, max_size=6)
HIDDEN = st.dictionaries(
    st.sampled_from(["password", "secret", "pasword", "secert"]),
    st.sampled_from([SECRET, int(SECRET), [SECRET], " " + SECRET]),
)
STAGES = st.dictionaries(
    st.just("stages"),
    st.lists(st.dictionaries(st.sampled_from(["targets", "ring_s", "when", "wehn"]), VALUES, max_size=4), max_size=3),
)
TABLES = st.builds(lambda plain, staged, hidden: {**plain, **staged, **hidden}, PLAIN, STAGES, HIDDEN)
DOCUMENTS = st.dictionaries(
    st.sampled_from(SECTIONS) | st.text(max_size=12),
    VALUES
    | TABLES
    | st.dictionaries(st.sampled_from(["front", "home", "a"]) | st.text(max_size=5), TABLES | VALUES, max_size=3),
    max_size=6,
)


@given(DOCUMENTS)
@example({"codes": {SECRET: {"secret": SECRET}}})
def test_any_document_is_a_configuration_or_a_complaint(document: dict[str, object]) -> None:
    """No traceback, whatever is in the file, and no secret in what is told."""
    base = tomllib.loads(BASE)
    for whole in (document, {**base, **document}):
        try:
            told = repr(parse(whole, Path("f"), environ={}))
        except ConfigError as error:
            told = "".join(error.problems)
            misshapen = [line for line in error.problems if not line.startswith("f: ") or not line.isprintable()]
            assert misshapen == []

        assert SECRET not in told


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_file_is_a_configuration_or_a_complaint(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Rubbish on an SD card must not end in a traceback either."""
    path = tmp_path_factory.getbasetemp() / "rubbish.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        load(path)


SAMPLE = (Path(model.__file__).parents[1] / "sample.toml").read_text() + f'\n[codes.b]\nsecret = "{SECRET}"\n'
PIECES = ('"', "'", "[", "]", "=", "\n", ".", "{", "}", ",", "#", "\\", "-", "0", "9" * 20, "nan", "\0", "\ud7ff")


def test_two_thousand_slips_of_the_pen_are_configurations_or_complaints(tmp_path: Path) -> None:
    """The sample as people spoil it: seeded, so that what fails can be played again. No secret is in what is told."""
    chance = random.Random(1974)
    path = tmp_path / "f"
    for _ in range(2000):
        text = SAMPLE
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(text))
            match chance.randrange(4):
                case 0:
                    text = text[:at] + chance.choice(PIECES) + text[at:]
                case 1:
                    text = text[:at] + text[at + chance.randrange(1, 20) :]
                case 2:
                    text = text[:at] + text[at : at + 30] + text[at:]
                case 3:
                    text = text.replace("#", "", chance.randrange(1, 40))
        path.write_text(text)
        try:
            told = repr(load(path))
        except ConfigError as error:
            told = "".join(error.problems)

        assert SECRET not in told
