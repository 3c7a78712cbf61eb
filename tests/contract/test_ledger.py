# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger: uses of codes and lock-outs survive the daemon, and pulling the plug shortens nothing."""

from pathlib import Path

import pytest

from intercom.adapters.ledger import LedgerFile
from intercom.core.doorway import Ledger, Tries

LEDGER = Ledger((("cleaner", 3),), (Tries("201", (90.0, 95.0), 2, 1000.0),))


def at(folder: Path, now: float, boot: str = "one") -> LedgerFile:
    (folder / "boot").write_text(boot)
    return LedgerFile(folder / "codes", boot_id=folder / "boot", clock=lambda: now)


def kept(folder: Path, *ledgers: Ledger) -> None:
    """Write at 100 s of the first boot."""
    file = at(folder, 100.0)
    for ledger in ledgers:
        file.keep(ledger)
    file.close()


def test_a_new_door_has_an_empty_ledger(tmp_path: Path) -> None:
    """Nothing is there, and nothing is said about it."""
    assert at(tmp_path, 1.0).load() == Ledger()


def test_the_next_daemon_finds_what_this_one_wrote(tmp_path: Path) -> None:
    """The newest of them, with instants that still mean the same."""
    kept(tmp_path, Ledger(), Ledger((("cleaner", 2),)), LEDGER)

    assert at(tmp_path, 200.0).load() == LEDGER
    assert (tmp_path / "codes").stat().st_mode & 0o777 == 0o600


def test_a_loss_of_power_does_not_shorten_a_lock_out(tmp_path: Path) -> None:
    """The clock of the new boot begins at nought: what was left goes on from there."""
    kept(tmp_path, LEDGER)
    found = at(tmp_path, 5.0, boot="two").load()

    assert found == Ledger((("cleaner", 3),), (Tries("201", (-5.0, 0.0), 2, 905.0),))


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"format": 2}', b'{"format": 1, "boot": 1}', b"[" * 100_000])
def test_rubbish_is_told_and_forgotten(tmp_path: Path, rubbish: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """A door must start, whatever a memory card has made of a file."""
    (tmp_path / "codes").write_bytes(rubbish)

    assert at(tmp_path, 1.0).load() == Ledger()
    assert "lock-outs are forgotten" in capfd.readouterr().err


def test_a_folder_that_is_gone_is_told_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The door goes on without it."""
    file = LedgerFile(tmp_path / "gone" / "codes", clock=lambda: 1.0)
    file.keep(LEDGER)
    file.keep(Ledger())
    file.close()

    assert capfd.readouterr().err.count("would not survive") == 1
