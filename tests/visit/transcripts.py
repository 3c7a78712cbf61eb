"""What each command shows, as README.md has it: put in there by a run that was asked to, and held to by all others.

`sudo INTERCOM_TRANSCRIPTS=write ./setup.sh test tests/visit/test_transcripts.py` writes them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- transcripts -->", "<!-- end of transcripts -->"
_MACHINE = re.compile(
    r"^(?:trouble .*|\S+ +(?:clock|disk|supply|mixer) .*|\S+  trouble with clock.*)\n?|, but there is trouble with \w+",
    re.MULTILINE,
)
"""What only this machine decides: whether its clock is set, and what it measures."""
_HOST = re.compile(r"(?<=\.\d{6} )\S+ intercom\[")
_DIFFERS = (
    (re.compile(r"(?<=lamp )\w+"), "..."),
    (re.compile(r"(?<=^machine  ).*|(?<=^engine   ).*", re.MULTILINE), "..."),
    (re.compile(r"\b[0-9a-f]{6}-\d+"), "VISIT"),
    # The server is asked now and then whether it lives.
    (re.compile(r", answers in [\d.]+ ms|^.* (?:OPTIONS sip:\S+|200 Here)\n", re.MULTILINE), ""),
    (re.compile(r"(?<=boot )\w+"), "BOOT"),
    (re.compile(r"\$scrypt[^\"]+|\b[A-Za-z0-9]{16}\b"), "SECRET"),
    (re.compile(r"^[A-Z][a-z]{2} (?=\d)", re.MULTILINE), "MONTH "),
    (re.compile(r"[#.]{8,}"), "BAR"),
    (re.compile(r"-?\d+(\.\d+)*"), "N"),
    (re.compile(r" {2,}"), "  "),
)


def tidied(text: str) -> str:
    """Return what a command has shown, without what only this machine decides."""
    text = _HOST.sub("door intercom[", _MACHINE.sub("", text))
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def shape(text: str) -> list[str]:
    """Return the lines of a transcript without its figures; a line that came twice counts once, in any order."""
    for pattern, instead in _DIFFERS:
        text = pattern.sub(instead, text)
    return sorted(set(text.splitlines()))


def shown() -> dict[str, str]:
    """Return what README.md shows: the command -> its transcript."""
    inside = README.read_text().partition(BEGIN)[2].partition(END)[0]
    blocks = re.findall(r"^```\n(?:\$ sudo intercom (\S+).*?)\n```$", inside, re.MULTILINE | re.DOTALL)
    texts = re.findall(r"^```\n(.*?)\n```$", inside, re.MULTILINE | re.DOTALL)
    return dict(zip(blocks, texts, strict=True))


def finish(told: dict[str, str]) -> None:
    """Put the transcripts into README.md, where that was asked for."""
    if os.environ.get("INTERCOM_TRANSCRIPTS") == "write":
        before, _, rest = README.read_text().partition(BEGIN)
        blocks = "\n\n".join(f"```\n{text}\n```" for text in told.values())
        README.write_text(f"{before}{BEGIN}\n\n{blocks}\n\n{END}{rest.partition(END)[2]}")
