# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger: uses of codes and lock-outs survive the daemon, and pulling the plug shortens nothing."""

import json
from pathlib import Path

import pytest

from intercom.adapters.storage.ledger import LONGEST_S, LedgerStore
from intercom.core.door_state import AccessLedger, FailedAttempts
from intercom.core.rules import What

TRIES = FailedAttempts(
    "201@home", What.CODES, (190.0, 2000.0), 1000.0, noticed=500.0, guessing_until=400.0, slipped=95.0
)
LEDGER = AccessLedger((("a mark", 3),), (TRIES,))


def at(folder: Path, now: float, boot: str = "one") -> LedgerStore:
    (folder / "boot").write_text(boot)
    return LedgerStore(folder / "codes", boot_id=folder / "boot", clock=lambda: now)


def kept(folder: Path, *ledgers: AccessLedger) -> None:
    """Write at 100 s of the first boot."""
    file = at(folder, 100.0)
    for ledger in ledgers:
        file.keep(ledger)
    file.close()


def test_a_new_door_has_an_empty_ledger(tmp_path: Path) -> None:
    """Nothing is there, and nothing is said about it."""
    assert at(tmp_path, 1.0).load() == AccessLedger()


def test_the_next_daemon_finds_what_this_one_wrote(tmp_path: Path) -> None:
    """The newest of them, with instants that still mean the same."""
    kept(tmp_path, AccessLedger(), AccessLedger((("a mark", 2),)), LEDGER)

    assert at(tmp_path, 200.0).load() == LEDGER
    assert (tmp_path / "codes").stat().st_mode & 0o777 == 0o600


def test_a_loss_of_power_does_not_shorten_a_lock_out(tmp_path: Path) -> None:
    """The clock of the new boot begins at nought: what was left goes on from there."""
    kept(tmp_path, LEDGER)
    found = at(tmp_path, 5.0, boot="two").load()
    moved = FailedAttempts(
        "201@home", What.CODES, (95.0, 1905.0), 905.0, noticed=405.0, guessing_until=305.0, slipped=0.0
    )

    assert found == AccessLedger((("a mark", 3),), (moved,))


def test_a_lock_out_ends_at_last_however_often_the_door_boots(tmp_path: Path) -> None:
    """A door on a timer switch: each boot goes on where the one before was, and none begins the lock-out anew."""
    kept(tmp_path, LEDGER)
    left: list[float] = []
    for number in range(4):
        boot = f"boot {number}"
        first = at(tmp_path, 5.0, boot)
        (tries,) = first.load().tries
        first.close()
        left.append(tries.locked_until - 5.0)
        later = at(tmp_path, 305.0, boot)
        assert later.load().tries[0].locked_until == pytest.approx(tries.locked_until)
        later.close()  # in good order, after five minutes

    assert left == pytest.approx([900.0, 600.0, 300.0, 0.0])


def test_a_boot_that_ends_without_a_word_adds_no_more_than_itself(tmp_path: Path) -> None:
    """The power went: what was written at the start of that boot is what the next one goes on from."""
    kept(tmp_path, LEDGER)
    for number in range(3):
        file = at(tmp_path, 5.0, f"boot {number}")
        assert file.load().tries[0].locked_until == pytest.approx(905.0)
        file.keep(AccessLedger())  # what was forgotten meanwhile is forgotten
        file.close()
        kept(tmp_path, LEDGER)


def test_nothing_is_written_anew_while_there_is_nothing_to_date(tmp_path: Path) -> None:
    """A memory card wears out by it: a door at which nobody was wrong writes nothing at its starts and ends."""
    kept(tmp_path, AccessLedger((("a mark", 3),)))
    before = (tmp_path / "codes").stat()
    file = at(tmp_path, 5.0, "two")
    file.load()
    file.close()

    assert (tmp_path / "codes").stat().st_ino == before.st_ino


def test_what_an_older_intercom_wrote_keeps_its_uses_and_lock_outs(tmp_path: Path) -> None:
    """Uses by the names of their sections, as they were counted then. A lock-out was for all that a source could give,
    and an upgrade does not lift it.
    """
    old = {"format": 1, "boot": "one", "at": 1.0, "uses": [["guest", 2]],
           "tries": [{"name": "201", "wrong": [1.0], "locks": 1, "locked_until": 900.0},
                     {"name": "keypad front", "wrong": [], "locks": 1, "locked_until": 0.5}]}  # fmt: skip
    (tmp_path / "codes").write_text(json.dumps(old))
    locked = tuple(FailedAttempts("201", what, locked_until=900.0) for what in What)

    assert at(tmp_path, 5.0).load() == AccessLedger((("guest", 2),), locked)


def noted(at: float = 1.0, what: str = "codes", whole: float = 1.0) -> bytes:
    """What a ledger's file could hold."""
    tries = {"name": "a", "what": what, "whole_at": [whole], "locked_until": 1.0, "noticed": 1.0,
             "guessing_until": None, "slipped": 1.0}  # fmt: skip
    return json.dumps({"format": 2, "boot": "another", "at": at, "uses": [], "tries": [tries]}).encode()


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"{", b"[]", b'{"format": 3}', b'{"format": 2}', b'{"format": 1, "boot": 1}', b"[" * 100_000,
     noted(what="rubbish"), noted(whole=float("nan")), noted(at=float("inf"))],
)  # fmt: skip
def test_rubbish_is_told_and_forgotten(tmp_path: Path, rubbish: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """A door must start, whatever a memory card has made of a file."""
    (tmp_path / "codes").write_bytes(rubbish)

    assert at(tmp_path, 1.0).load() == AccessLedger()
    assert "lock-outs are forgotten" in capfd.readouterr().err


def test_no_instant_is_years_away(tmp_path: Path) -> None:
    """Whatever stands in the file, nobody is locked out for longer than a purse takes to fill."""
    kept(
        tmp_path, AccessLedger((), (FailedAttempts("201@home", What.CODES, (1e12,), 1e12, noticed=1e12, slipped=1e12),))
    )
    (found,) = at(tmp_path, 100.0).load().tries

    assert found.forgotten_at <= 100.0 + LONGEST_S


def test_a_folder_that_is_gone_is_told_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The door goes on without it."""
    file = LedgerStore(tmp_path / "gone" / "codes", clock=lambda: 1.0)
    file.keep(LEDGER)
    file.keep(AccessLedger())
    file.close()

    assert capfd.readouterr().err.count("codes cannot be written: No such file or directory") == 1
