# SPDX-License-Identifier: GPL-2.0-or-later
"""The five answers that make a first configuration: from options, from a file, or from somebody at a terminal.

A password or a code is never an option: every user of a machine sees the others' command lines.
"""

import argparse
import getpass
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from intercom.cli.command import UsageError
from intercom.config import gpio_pins, validators
from intercom.errors import IntercomError

NONE = "-"
"""Instead of a pin: there is no such thing."""


@dataclass(frozen=True, slots=True)
class Question:
    """Something to know. Its answer is text; several things in one are separated by commas."""

    key: str
    """Its name in a file of answers, and of its option."""
    text: str
    allowed: str
    good: Callable[[str], bool]
    usual: str = ""
    hidden: bool = False


def listed(text: str) -> list[str]:
    """Return the parts of an answer."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _are_targets(text: str) -> bool:
    return bool(listed(text)) and all(map(validators.is_target, listed(text)))


def _are_pins(text: str) -> bool:
    parts = listed(text)
    named = [gpio_pins.canonical(_number(part)) for part in parts if part != NONE]
    return 1 <= len(parts) <= 3 and parts[0] != NONE and None not in named and len(set(named)) == len(named)


def _number(part: str) -> str | int:
    return int(part) if part.isascii() and part.isdigit() and len(part) < 4 else part


def _is_code(text: str) -> bool:
    return validators.is_code(text) and len(text) >= 4 and text.isdigit()


QUESTIONS = (
    Question("server", "SIP server (host name or address)", "a host name or an address", validators.is_server),
    Question("user", "The door's extension there", "the user part of a SIP address", validators.is_user),
    Question("password", "Its password (not shown)", "up to 256 characters", validators.is_password, hidden=True),
    Question("ring", "Whom to ring (several with commas)", validators.TARGETS, _are_targets),
    Question("pins", "Pins of button, strike and lamp (- for none)",
             f"one to three different pins with commas, each {gpio_pins.ALLOWED}, or - for none",
             _are_pins, "17, 27, 22"),
)  # fmt: skip
CODE = Question("code", "", "4 to 12 digits", _is_code)
"""Not asked for: where none is given, one that nobody guesses is made."""
TRANSPORT = Question("transport", "", "udp, tcp or tls", lambda text: text in ("udp", "tcp", "tls"))
"""Not asked for: the sample's, where none is given."""
UNASKED = (CODE, TRANSPORT)


def pins_of(text: str) -> list[str | int | None]:
    """Return the pins of button, strike and lamp; None where there is no such thing."""
    parts = [*listed(text), NONE, NONE][:3]
    return [None if part == NONE else _number(part) for part in parts]


def gather(options: Mapping[str, str | Path | None]) -> dict[str, str]:
    """Return an answer to each question, as far as there is one. `options` are what `take_options` takes.

    Raises UsageError for an answer that cannot be, IntercomError for a file that cannot be read.
    """
    answers = _from_file(Path(file)) if (file := options.get("answers")) else {}
    for question in (*QUESTIONS, *UNASKED):
        if (value := options.get(question.key)) is not None:
            answers[question.key] = str(value)
        if (secret := options.get(f"{question.key}_file")) is not None:
            answers[question.key] = _line(str(secret))
        if question.key in answers and not question.good(answers[question.key]):
            raise UsageError(f"{question.key}: must be {question.allowed}")
    return answers


def ask_for(answers: Mapping[str, str]) -> dict[str, str]:
    """Return all answers, asking for those that are missing. Raises UsageError where nobody can be asked."""
    missing = [question for question in QUESTIONS if question.key not in answers]
    if missing and not sys.stdin.isatty():
        options = " ".join(f"--{one.key}{'-file FILE' if one.hidden else f' {one.key.upper()}'}" for one in missing)
        raise UsageError(f"there is no terminal to ask at; give {options}, or --answers FILE")
    asked = {}
    for number, question in enumerate(QUESTIONS, 1):
        asked[question.key] = answers.get(question.key) or ask(
            f"{number}. {question.text}", question.usual, question.good, hidden=question.hidden
        )
    return {**asked, **{question.key: answers[question.key] for question in UNASKED if question.key in answers}}


def ask(text: str, usual: str, good: Callable[[str], bool], *, hidden: bool = False) -> str:
    """Return an answer that is good; who gives none that is, is asked again. An empty one is the usual one."""
    shown = f"{text}{f' [{usual}]' if usual else ''}: "
    while True:
        try:
            answer = (getpass.getpass(shown) if hidden else input(shown)).strip() or usual
        except EOFError:
            raise IntercomError("no more answers; nothing was changed") from None
        if answer and good(answer):
            return answer
        print("  That cannot be; please again.")


def _from_file(path: Path) -> dict[str, str]:
    """Return the answers in a file of TOML: each is text, a number, or a list of these."""
    import tomllib  # noqa: PLC0415  (slow to load)

    try:
        readable_by_all = path.stat().st_mode & stat.S_IROTH
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IntercomError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if readable_by_all:
        print(f"warning: everybody can read {path}; chmod o= {path}", file=sys.stderr)
    known = {question.key for question in (*QUESTIONS, *UNASKED)}
    if strange := given.keys() - known:
        raise UsageError(f"{path}: {', '.join(sorted(strange))}: no such answer; there is {', '.join(sorted(known))}")
    return {key: ",".join(map(str, value)) if isinstance(value, list) else str(value) for key, value in given.items()}


def _line(name: str) -> str:
    """Return the first line of a file, or of the standard input for "-"."""
    try:
        text = sys.stdin.readline() if name == "-" else Path(name).read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, ValueError) as error:
        raise IntercomError(f"{name}: {getattr(error, 'strerror', None) or error}") from error
    return text.rstrip("\r\n")


def take_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each answer."""
    for question in (*QUESTIONS, *UNASKED):
        secret = question.hidden or question is CODE
        name, what = (f"--{question.key}-file", "FILE") if secret else (f"--{question.key}", question.key.upper())
        meaning = f"{question.key} in the first line of a file, - for standard input" if secret else question.allowed
        parser.add_argument(name, metavar=what, help=meaning)
    parser.add_argument("--answers", type=Path, metavar="FILE", help="all of them in TOML, under these names")
