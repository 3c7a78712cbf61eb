"""The interoperability matrix: what of SIP works with whom, printed at the end of the run.

A test that has seen a case work says so in its last line: `interop_table.add("hosted PBX", "ring group", peers)`. What
the world prevents stands in the table with its reason: `add(..., result="not tested: no such server here")`.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- interop -->", "<!-- end of interop -->"
HEAD = ("| part | case | with | result |", "| --- | --- | --- | --- |")
PARTS = (
    "registrar",
    "proxy",
    "redirect",
    "user agent",
    "URI",
    "headers",
    "SDP",
    "hosted PBX",
    "SIP trunk",
    "unified communications",
    "collaboration",
    "profiles",
    "fleet",
)
"""In the order of the table."""
PACKAGES = {
    "kamailio": "kamailio",
    "baresip": "baresip-core",
    "linphone": "linphone-cli",
    "sipp": "sip-tester",
    "coturn": "coturn",
}
WRITE = "INTERCOM_INTEROP"
"""Set to "write" in the environment: the rows of this run replace those of the same cases in tests/README.md."""


@dataclass(frozen=True)
class Row:
    """One case that was played."""

    part: str
    case: str
    peers: str
    result: str

    def __str__(self) -> str:
        return f"| {self.part} | {self.case} | {self.peers} | {self.result} |"


ROWS: dict[tuple[str, str], Row] = {}
"""By part and case: a case that several tests play has one row, with everybody who took part."""


def add(part: str, case: str, *peers: str, result: str = "works") -> None:
    """Note a case that a test has seen; `peers` are texts like "Asterisk 22.10.1" (see `peer`)."""
    assert part in PARTS, part
    known = ROWS.get((part, case))
    told = [*(known.peers.split(", ") if known else ()), *peers]
    ROWS[part, case] = Row(part, case, ", ".join(dict.fromkeys(told)), result)


def peer(programme: str) -> str:
    """Return a peer of this machine with its version, such as "Kamailio 5.6.3"."""
    query = ["dpkg-query", "-W", "-f", "${source:Upstream-Version}", PACKAGES[programme]]
    version = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    shown = {"kamailio": "Kamailio", "linphone": "Linphone"}.get(programme, programme)
    return f"{shown} {re.split(r'[+~]', version)[0]}"


def lines(rows: dict[tuple[str, str], Row] | None = None) -> list[str]:
    """Return the table in Markdown: by part, and within a part in the order in which the cases were played."""
    found = ROWS if rows is None else rows
    return [*HEAD, *(str(row) for row in sorted(found.values(), key=lambda row: PARTS.index(row.part)))]


def told(text: str) -> dict[tuple[str, str], Row]:
    """Return the rows that a page already has between its markers."""
    inside = text.partition(BEGIN)[2].partition(END)[0]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in inside.splitlines()]
    return {(row[0], row[1]): Row(*row) for row in cells if len(row) == 4 and row[0] in PARTS}


def merged(text: str) -> str:
    """Return a page with this run's rows put into its table; the rows of other runs stay."""
    before, _, rest = text.partition(BEGIN)
    table = lines({**told(text), **ROWS})
    return "\n".join([f"{before}{BEGIN}", "", *table, "", f"{END}{rest.partition(END)[2]}"])


def finish() -> None:
    """Put the rows into tests/README.md where that was asked for; several files of tests may end at once."""
    if os.environ.get(WRITE) == "write" and ROWS:
        with README.open("r+", encoding="utf-8") as page:
            fcntl.flock(page, fcntl.LOCK_EX)
            text = merged(page.read())
            page.seek(0)
            page.truncate()
            page.write(text)
