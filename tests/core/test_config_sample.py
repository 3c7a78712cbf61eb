# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped sample: it loads, and it is the whole reference."""

import re
from dataclasses import fields, is_dataclass, replace
from datetime import date, datetime
from pathlib import Path

from config_files import loaded, written

from intercom.config import model
from intercom.config.loader import load
from intercom.config.model import Secret

SAMPLE = Path(model.__file__).parents[1] / "sample.toml"


def test_the_sample_loads_as_it_is(tmp_path: Path) -> None:
    """It is the first file anybody tries; it says itself what is still to be changed."""
    path = written(tmp_path, SAMPLE.read_bytes())
    got = load(path)

    assert got.warnings == (f"{path}: [accounts.home] password: is still the sample's",)
    assert got.calls == model.Calls()
    assert (got.codes, got.profiles, got.calendar) == ((), (), model.Calendar())


def test_the_sample_loads_with_everything_in_it(tmp_path: Path) -> None:
    """Whatever the sample shows may be switched on, and what it calls a default is the default."""
    everything = re.sub(r"^#(?=[\w\[])", "", SAMPLE.read_text(), flags=re.MULTILINE)
    got = loaded(tmp_path, everything)
    plain = loaded(tmp_path, SAMPLE.read_text())

    assert (got.calls, got.sound, got.network, got.name) == (plain.calls, plain.sound, plain.network, plain.name)
    assert replace(got.doors[0], exit_pin="", contact_pin="") == plain.doors[0]
    assert got.codes[0] == model.Code("family", Secret("471147"), ("front",))
    assert replace(got.codes[1], secret=Secret()) == model.Code(
        "cleaner", Secret(), ("front",), "office", datetime.fromisoformat("2026-12-31 18:00"), 20
    )
    assert got.keypads == (
        model.Keypad("front", ("GPIO5", "GPIO6", "GPIO13", "GPIO26"), ("GPIO12", "GPIO7", "GPIO8")),
        model.Keypad("side", data0="GPIO9", data1="GPIO10"),
    )
    assert got.tampers == (model.Tamper("case", "GPIO16"),)
    assert got.lamp == model.LampConfig("GPIO22")
    assert replace(got.buttons[0], name="front") == plain.buttons[0]
    assert got.calendar.holidays == {date(2026, 12, 25), date(2026, 12, 26)}
    assert got.buttons[1] == model.Button(
        key="back",
        pin="GPIO23",
        stages=(model.StageConfig(("201",), 15.0, "office"), model.StageConfig(("201", "202"), 30.0, "office")),
        fallback=("202", "sip:203@192.0.2.7"),
        name="back",
    )
    assert got.profiles == (model.Profile("office", frozenset(range(5)), 480, 1080, "never"),)
    usual = ("is still the sample's", "`intercom code hash` hides it", "begins like a shorter one never counts")
    assert [line for line in got.warnings if not line.endswith(usual)] == []


def test_the_sample_shows_every_key_there_is() -> None:
    """A key that is in no sample does not exist for anybody."""
    sample = SAMPLE.read_text()
    sections = {kind for kind in vars(model).values() if isinstance(kind, type) and is_dataclass(kind)}
    inner = {model.Config, model.StageConfig}
    keys = {field.name for kind in sections - inner for field in fields(kind)} - {"key", "start_minute", "end_minute"}
    keys |= {"from", "to", "targets"}
    keys -= {"red", "green", "blue"}  # shown beside `pin`, which they take the place of
    (stages,) = re.findall(r"^#stages = .*", sample, re.MULTILINE)

    assert [key for key in sorted(keys) if not re.search(rf"^#?{key} = ", sample, re.MULTILINE)] == []
    assert [field.name for field in fields(model.StageConfig) if f" {field.name} = " not in stages] == []
    # Each key's sentence stands under it.
    assert re.findall(r"^#?\w+ = .*\n(?!# )", sample, re.MULTILINE) == []
