# SPDX-License-Identifier: GPL-2.0-or-later
"""A visit survives the daemon in a file, and whatever else is found in its place is thrown away without a word."""

import json
import os
import resource
import stat
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.adapters.storage.visit_snapshot import LONGEST, SnapshotStore, UntoldFile
from intercom.core.snapshot import NOTHING, Pending, Press, Stage, Untold

VISIT = Pending("boot-7", "front", "panel", 1234.5, 2, (Stage(("201", "202"), 20.0), Stage(("203",), 30.0, "night")))

texts = st.text(max_size=20)
seconds = st.floats(allow_nan=False, allow_infinity=False)
stages = st.builds(Stage, st.lists(texts, max_size=3).map(tuple), seconds, texts)
visits = st.builds(
    Pending, texts, texts, texts, seconds, st.integers(0, 10**9), st.lists(stages, max_size=3).map(tuple),
    *(st.booleans(), st.integers(0, 9), st.booleans(), st.booleans()),
)  # fmt: skip
presses = st.lists(st.builds(Press, texts, seconds, texts, st.none() | seconds), max_size=3).map(tuple)
untolds = st.builds(Untold, presses, st.integers(0, 10**9), presses)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "pending"


@given(visits)
def test_what_is_kept_is_what_is_found(visit: Pending) -> None:
    """By the next daemon, which has an object of its own."""
    with TemporaryDirectory() as folder:
        assert SnapshotStore(Path(folder, "pending")).keep(visit)
        assert SnapshotStore(Path(folder, "pending")).load() == visit


def test_the_last_one_counts_and_nothing_is_left_beside_it(place: Path) -> None:
    """It is written at each turn of a visit."""
    file = SnapshotStore(place)
    file.keep(VISIT)
    file.keep(replace(VISIT, dialled=3))

    assert SnapshotStore(place).load() == replace(VISIT, dialled=3)
    assert list(place.parent.iterdir()) == [place]


def test_no_visit_is_no_file(place: Path) -> None:
    """Ended, or never begun: the next start finds nothing to go on with."""
    file = SnapshotStore(place)

    assert file.keep(None)
    file.keep(VISIT)
    assert file.keep(None)
    assert not place.exists()
    assert file.load() is None


def test_only_the_intercom_may_read_it(place: Path) -> None:
    """It says who rang when; not even a loose file that was there before it lends it its mode."""
    place.with_name(".pending.new").touch(0o666)
    SnapshotStore(place).keep(VISIT)

    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_visit_of_another_boot_is_thrown_away(place: Path, tmp_path: Path) -> None:
    """The monotonic clock began anew: its instants mean nothing, and the visitor has gone."""
    boot = tmp_path / "boot_id"
    boot.write_text("one\n")
    SnapshotStore(place, boot_id=boot).keep(VISIT)
    boot.write_text("two\n")

    assert SnapshotStore(place, boot_id=boot).load() is None
    assert not place.exists()


def test_without_a_boot_s_name_nothing_is_believed(place: Path, tmp_path: Path) -> None:
    """Then nobody can tell which boot it was."""
    SnapshotStore(place, boot_id=tmp_path / "none").keep(VISIT)

    assert SnapshotStore(place, boot_id=tmp_path / "none").load() is None


def written(place: Path) -> dict[str, object]:
    SnapshotStore(place).keep(VISIT)
    note = json.loads(place.read_text())
    assert isinstance(note, dict)
    return note


def test_a_note_of_another_format_is_thrown_away(place: Path) -> None:
    """An older or a newer daemon meant something else by the same words."""
    place.write_text(json.dumps(written(place) | {"format": 0}))

    assert SnapshotStore(place).load() is None
    assert not place.exists()


def test_a_half_written_note_is_thrown_away_wherever_it_breaks_off(place: Path) -> None:
    """Not that it could happen with rename(2); but a disk can be full, and a file system poor."""
    written(place)
    whole = place.read_bytes()
    for length in range(len(whole)):
        place.write_bytes(whole[:length])

        assert SnapshotStore(place).load() is None
        assert not place.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("visit", None),
        ("began_at", "soon"),
        ("began_at", float("nan")),
        ("began_at", 10**400),
        ("dialled", True),
        ("dialled", 1.5),
        ("called_back", 0),
        ("cuts", True),
        ("cuts", "1"),
        ("rang", 1),
        ("talked", None),
        ("stages", {}),
        ("stages", [{"targets": "201", "ring_s": 1.0, "profile": ""}]),
        ("stages", [{"targets": [201], "ring_s": 1.0, "profile": ""}]),
        ("stages", [{"targets": [], "ring_s": float("inf"), "profile": ""}]),
        ("stages", [[]]),
    ],
)
def test_a_value_of_another_kind_is_thrown_away(place: Path, key: str, value: object) -> None:
    """The core trusts what it is given: nothing may come in that its types deny."""
    note = written(place)
    pending = note["pending"]
    assert isinstance(pending, dict)
    place.write_text(json.dumps(note | {"pending": pending | {key: value}}))

    assert SnapshotStore(place).load() is None
    assert not place.exists()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_rubbish_is_thrown_away_and_raises_nothing(rubbish: bytes) -> None:
    """A door that does not start because of a file nobody needs would be a bad joke."""
    with TemporaryDirectory() as folder:
        place = Path(folder, "pending")
        place.write_bytes(rubbish)

        assert SnapshotStore(place).load() is None
        assert not place.exists()


def test_deep_and_endless_rubbish_too(place: Path) -> None:
    """What the random rubbish does not reach."""
    for rubbish in (b"[" * LONGEST, b"9" * LONGEST, b" " * 10 * LONGEST):
        place.write_bytes(rubbish)
        assert SnapshotStore(place).load() is None


def test_a_pipe_in_its_place_makes_nobody_wait(place: Path) -> None:
    """Reading a pipe that nobody writes to never ends, and the door would never start."""
    os.mkfifo(place)

    assert SnapshotStore(place).load() is None
    assert not place.exists()


def test_a_link_is_not_followed(place: Path, tmp_path: Path) -> None:
    """Neither for reading nor for writing: what it points at is not ours."""
    other = tmp_path / "other"
    SnapshotStore(other).keep(VISIT)
    before = other.read_bytes()
    place.symlink_to(other)
    place.with_name(".pending.new").symlink_to(other)

    assert SnapshotStore(place).load() is None
    assert not SnapshotStore(place).keep(replace(VISIT, dialled=9))
    assert other.read_bytes() == before


def test_a_folder_that_takes_nothing_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Full or read-only: the visit goes on, and the journal has one line about it."""
    file = SnapshotStore(tmp_path / "gone" / "pending")

    assert not file.keep(VISIT)
    assert not file.keep(VISIT)
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert file.load() is None


def test_a_full_disk_leaves_the_last_good_note(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was known a moment ago is better than nothing."""
    file = SnapshotStore(place)
    file.keep(VISIT)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # bytes of a file; Python gets EFBIG like ENOSPC
    try:
        assert not file.keep(replace(VISIT, dialled=9))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "pending" in capsys.readouterr().err
    assert SnapshotStore(place).load() == VISIT


@given(untolds)
def test_what_is_to_be_told_is_found_by_the_next_daemon(untold: Untold) -> None:
    """Word for word in the same boot; and where nothing is left to tell, nothing is left on the card."""
    with TemporaryDirectory() as folder:
        place = Path(folder, "texts")
        assert UntoldFile(place).keep(untold)
        assert UntoldFile(place).load() == untold
        assert place.exists() == (untold != NOTHING)


def test_what_an_earlier_boot_left_keeps_its_hour(tmp_path: Path) -> None:
    """CLOCK_MONOTONIC begins anew with each boot: from then on the press is dated by the clock on the wall."""
    boot, place = tmp_path / "boot_id", tmp_path / "texts"
    boot.write_text("one\n")
    pressed_s = time.time() - 100
    UntoldFile(place, boot_id=boot).keep(Untold((Press("front", time.monotonic() - 100),), 7))
    boot.write_text("two\n")
    found = UntoldFile(place, boot_id=boot).load()
    assert UntoldFile(place, boot_id=boot).keep(found)
    boot.write_text("three\n")
    again = UntoldFile(place, boot_id=boot).load()

    assert found.more == 7
    (press,) = found.missed
    assert press.epoch_s == pytest.approx(pressed_s, abs=1.0)
    assert again == found


@pytest.mark.parametrize(
    "rubbish", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": 2, "untold": {}}', b"\xff", b"[" * 9999]
)
def test_rubbish_in_its_place_tells_nothing(tmp_path: Path, rubbish: bytes) -> None:
    """A door with a damaged card rings."""
    place = tmp_path / "texts"
    place.write_bytes(rubbish)

    assert UntoldFile(place).load() == NOTHING


def test_texts_that_cannot_be_kept_are_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And cost nothing else."""
    file = UntoldFile(tmp_path / "gone" / "texts")

    assert not file.keep(Untold((Press("front", 1.0),)))
    assert not file.keep(Untold((Press("front", 2.0),)))
    assert capsys.readouterr().err.count("texts would not survive a restart") == 1
