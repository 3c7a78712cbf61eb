# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped sample: it loads, and it is the whole reference."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path

from config_files import loaded, written

from intercom import config
from intercom.config import Secret
from intercom.loading import load

SAMPLE = Path(config.__file__).with_name("sample.toml")


def test_the_sample_loads_as_it_is(tmp_path: Path) -> None:
    """It is the first file anybody tries; it says itself what is still to be changed."""
    path = written(tmp_path, SAMPLE.read_bytes())
    got = load(path)

    assert got.warnings == (f"{path}: [accounts.home] password: is still the sample's",)
    assert got.calls == config.Calls()
    assert got.codes == ()


def test_the_sample_loads_with_everything_in_it(tmp_path: Path) -> None:
    """Whatever the sample shows may be switched on, and what it calls a default is the default."""
    everything = re.sub(r"^#(?=[\w\[])", "", SAMPLE.read_text(), flags=re.MULTILINE)
    got = loaded(tmp_path, everything)
    plain = loaded(tmp_path, SAMPLE.read_text())

    assert (got.calls, got.sound, got.network, got.name) == (plain.calls, plain.sound, plain.network, plain.name)
    assert got.doors == plain.doors
    assert got.codes == (config.Code("family", Secret("4711"), "front"),)
    assert got.lamp == config.LampConfig("GPIO22")


def test_the_sample_shows_every_key_there_is() -> None:
    """A key that is in no sample does not exist for anybody."""
    sample = SAMPLE.read_text()
    sections = {kind for kind in vars(config).values() if isinstance(kind, type) and is_dataclass(kind)}
    keys = {field.name for kind in sections - {config.Config} for field in fields(kind)} - {"key"}

    assert [key for key in sorted(keys) if not re.search(rf"^#?{key} = ", sample, re.MULTILINE)] == []
    # Each key's sentence stands under it.
    assert re.findall(r"^#?\w+ = .*\n(?!# )", sample, re.MULTILINE) == []
