"""The table of what was reported names tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_each_test_that_the_table_names_exists() -> None:
    """A promise whose test was renamed would look kept."""
    table = (TESTS / "REPORTS.md").read_text(encoding="utf-8")
    files = [path.read_text(encoding="utf-8") for path in TESTS.glob("*/test_*.py")]
    defined = set(re.findall(r"(?m)^(?:async )?def (test_\w+)", "\n".join(files)))
    named = set(re.findall(r"`(test_\w+)`", table))

    assert len(named) > 40
    assert named <= defined, named - defined
