"""A table between two marks of tests/README.md, into which several files of tests put their rows."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Sequence
from pathlib import Path


def put(readme: Path, begin: str, end: str, head: Sequence[str], lines: Iterable[str]) -> None:
    """Put rows in, each in the place of the one with the same first cell; several files of tests may end at once."""
    with readme.open("r+", encoding="utf-8") as page:
        fcntl.flock(page, fcntl.LOCK_EX)
        before, _, rest = page.read().partition(begin)
        inside, _, after = rest.partition(end)
        table = [line for line in inside.splitlines() if line.startswith("| ") and line not in head]
        words = "\n".join(line for line in inside.splitlines() if not line.startswith("| ")).strip()
        rows = {line.split(" | ")[0]: line for line in (*table, *lines)}
        page.seek(0)
        page.truncate()
        page.write("\n".join([f"{before}{begin}", "", *head, *rows.values(), "", words, "", f"{end}{after}"]))
