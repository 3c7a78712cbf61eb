"""The interoperability matrix: rows of one run join those of others, and none is told twice."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "visit"))
import interop_table

PAGE = "before\n\n<!-- interop -->\n\n<!-- end of interop -->\n\nafter\n"


@pytest.fixture(autouse=True)
def nothing_played(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of the run that this test is part of is left alone."""
    monkeypatch.setattr(interop_table, "ROWS", {})


def test_rows_stand_by_part_and_keep_their_order_within_it() -> None:
    """Whatever the order of the test files, the reader finds the issue's own."""
    interop_table.add("SIP trunk", "second trunk", "sipp 3.6.1")
    interop_table.add("registrar", "423", "sipp 3.6.1")
    interop_table.add("registrar", "digest", "Kamailio 5.6.3")

    assert [line.split(" | ")[1] for line in interop_table.lines()[2:]] == ["423", "digest", "second trunk"]


def test_a_case_played_twice_is_one_row_with_both_peers() -> None:
    """One line answers "does it work?"."""
    interop_table.add("proxy", "forking", "Kamailio 5.6.3", "baresip 1.0.0")
    interop_table.add("proxy", "forking", "Kamailio 5.6.3", "sipp 3.6.1")

    assert interop_table.lines()[2:] == ["| proxy | forking | Kamailio 5.6.3, baresip 1.0.0, sipp 3.6.1 | works |"]


def test_a_run_replaces_its_own_rows_and_leaves_the_others() -> None:
    """Half a suite does not empty the table."""
    interop_table.add("proxy", "forking", "Kamailio 5.6.3")
    interop_table.add("URI", "tel:", "Kamailio 5.6.3")
    page = interop_table.merged(PAGE)
    interop_table.ROWS.clear()
    interop_table.add("proxy", "forking", "Kamailio 6.0.1")
    page = interop_table.merged(page)

    assert page.startswith("before\n\n<!-- interop -->\n\n| part |")
    assert page.endswith("|\n\n<!-- end of interop -->\n\nafter\n")
    assert "| proxy | forking | Kamailio 6.0.1 | works |" in page
    assert "| URI | tel: | Kamailio 5.6.3 | works |" in page
    assert "Kamailio 5.6.3 | works |\n| proxy" not in page


def test_a_part_that_nobody_knows_is_a_slip_of_the_pen() -> None:
    """A row in a part of its own would stand nowhere."""
    with pytest.raises(AssertionError, match="hosted pbx"):
        interop_table.add("hosted pbx", "park", "Asterisk")


def test_the_page_has_a_table_that_can_be_filled() -> None:
    """The markers are where `merged` looks for them."""
    text = interop_table.README.read_text()

    assert interop_table.merged(text).count(interop_table.HEAD[0]) == 1
    assert interop_table.BEGIN in text
    assert interop_table.END in text
