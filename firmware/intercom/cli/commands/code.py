# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom code`: makes door codes that the configuration can keep without telling them."""

import argparse
import getpass
import secrets
import sys
from pathlib import Path

from intercom import paths
from intercom.cli.command import Command, UsageError
from intercom.config import validators
from intercom.errors import IntercomError
from intercom.security import code_hash

DIGITS = 6
GUESSED = 20
"""Attempts at a new code that no other one begins like."""


def new(config: Path, digits: int) -> int:
    """Make a code, show it once, and show what to write down of it. Return 0."""
    known = _known(config)
    mill = _mill(known)
    for _ in range(GUESSED):
        code = "".join(secrets.choice("0123456789") for _ in range(digits))
        if not _is_taken(code, known):
            break
    else:
        raise IntercomError("no code is left that begins like no other; give --digits a larger number")
    print(f"code    {code}", file=sys.stderr if not sys.stdout.isatty() else sys.stdout)
    print(f'secret = "{code_hash.hashed(code, mill)}"')
    return 0


def make_hash(config: Path) -> int:
    """Ask for a code, twice and unseen on a terminal, and show its hash. Return 0."""
    if sys.stdin.isatty():
        code = getpass.getpass("Code (unseen): ")
        if code != getpass.getpass("Once more: "):
            raise IntercomError("the two differ; nothing was made")
    else:
        code = sys.stdin.readline().rstrip("\r\n")
    if not validators.is_code(code):
        raise UsageError('a code is 2 to 12 digits, or "card " and the number of a card')
    known = _known(config)
    if _is_taken(code, known):
        raise IntercomError("another code begins like this one; take a different one")
    print(f'secret = "{code_hash.hashed(code, _mill(known))}"')
    return 0


def _known(config: Path) -> list[str]:
    """Return the codes and hashes of a configuration; none where there is no such file yet."""
    from intercom.config.loader import load  # noqa: PLC0415

    if not config.exists():
        return []
    return [code.secret.reveal() for code in load(config, in_service=False).codes if code.secret]


def _mill(known: list[str]) -> code_hash.ScryptParams:
    """Return the mill of the codes that are there: with one salt for all of them a code is found in one run."""
    mills = [made.mill for secret in known if (made := code_hash.parse(secret)) is not None]
    return mills[0] if mills else code_hash.new_mill()


def _is_taken(code: str, known: list[str]) -> bool:
    """Whether a code that is known already begins like this one. Longer hashed ones cannot be seen through."""
    for secret in known:
        made = code_hash.parse(secret)
        if made is None:
            if code.startswith(secret) or secret.startswith(code):
                return True
        elif 0 < made.keys <= len(code) and made.is_made_of(made.mill.grind(code[: made.keys])):
            return True
    return False


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 4 <= int(text[:3]) <= 12):
        raise argparse.ArgumentTypeError("must be a whole number from 4 to 12")
    return int(text)


def _takes_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=paths.CONFIG, metavar="FILE", help="whose codes it joins, default: %(default)s"
    )


def _takes_digits(parser: argparse.ArgumentParser) -> None:
    _takes_config(parser)
    parser.add_argument("--digits", type=_whole, default=DIGITS, metavar="N", help="how many, default: %(default)s")


COMMAND = Command(
    purpose="make door codes",
    more="They are kept as hashes, in sections like [codes.family].",
    examples=("intercom code new", "intercom code hash"),
    parts={
        "new": Command(
            purpose="make a code that nobody guesses",
            more="Its digits are shown this once.",
            examples=("intercom code new", "intercom code new --digits 8"),
            asks_daemon=False,
            arguments=_takes_digits,
            run=lambda arguments: new(arguments.config, arguments.digits),
        ),
        "hash": Command(
            purpose="hash a code of your own",
            more='Asks for it, or reads a line. A card is "card 1234".',
            examples=("intercom code hash",),
            asks_daemon=False,
            arguments=_takes_config,
            run=lambda arguments: make_hash(arguments.config),
        ),
    },
)
