# SPDX-License-Identifier: GPL-2.0-or-later
"""By what a registrar tells one door from another (RFC 5626 section 4.1)."""

from pathlib import Path
from uuid import UUID

import pytest

from intercom.adapters.instance import instance

ID = "0123456789abcdef0123456789abcdef"


def test_each_machine_has_one_of_its_own_that_lasts(tmp_path: Path) -> None:
    """Unique, the same again, and not the machine's own id."""
    (tmp_path / "a").write_text(f"{ID}\n")
    (tmp_path / "b").write_text(ID.replace("0", "1"))
    first, other = instance(tmp_path / "a"), instance(tmp_path / "b")

    assert first == instance(tmp_path / "a") == "05cf285b-c186-48a1-a663-002ce1e41078"
    assert UUID(first).version == UUID(other).version == 4
    assert len({first, other, str(UUID(ID))}) == 3


@pytest.mark.parametrize("text", ["", "uninitialized\n", "0" * 32, "xyz", ID.upper(), ID[1:], "\xff" * 32])
def test_a_machine_without_an_id_has_none(tmp_path: Path, text: str) -> None:
    """Nothing is made of nothing: all such machines would be one."""
    (tmp_path / "id").write_text(text)

    assert instance(tmp_path / "id") == ""
    assert instance(tmp_path / "missing") == ""
