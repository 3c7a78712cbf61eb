# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom setup`: five questions, tried at once, become the first configuration."""

import argparse
import getpass
import importlib.resources
import json
import sys
from collections.abc import Callable
from pathlib import Path

from intercom import grammar, hashing, paths
from intercom.adapters.records import printable
from intercom.cli.command import Command
from intercom.cli.files import replace_text
from intercom.cli.finding import Health
from intercom.cli.screen import BAD, BOLD, GOOD, paint_for
from intercom.errors import IntercomError

Good = Callable[[str], bool]


def setup(path: Path) -> int:
    """Ask, try, write. Return 1 when the answers were thrown away."""
    import tomllib  # noqa: PLC0415  (slow to load, as is what follows)

    from intercom.cli.set import changed  # noqa: PLC0415
    from intercom.loading import parse  # noqa: PLC0415

    paint = paint_for(sys.stdout)
    print(f"{paint('Five questions', BOLD)}; an empty answer takes what is in brackets. Ctrl-C leaves all as it is.\n")
    server = _ask("1. SIP server (host name or address)", "", grammar.is_server)
    user = _ask("2. The door's extension there", "", grammar.is_user)
    password = _ask("3. Its password (not shown)", "", grammar.is_password, hidden=True)
    targets = _ask("4. Whom to ring (several with commas)", "", lambda text: all(map(grammar.is_target, _listed(text))))
    code = _ask("5. The code that opens the door, 4 to 12 digits (none)", "-", _is_code, hidden=True)
    quoted = ", ".join(f'"{target}"' for target in _listed(targets))
    answers: list[tuple[list[str], str | None]] = [
        (["accounts", "home", "server"], server),
        (["accounts", "home", "user"], f'"{user}"'),
        (["accounts", "home", "password"], json.dumps(password, ensure_ascii=False)),
        (["buttons", "front", "targets"], f"[{quoted}]"),
    ]
    if code != "-":
        answers.append((["codes", "family", "secret"], f'"{hashing.hashed(code, hashing.new_mill())}"'))
    sample = importlib.resources.files("intercom").joinpath("sample.toml").read_text(encoding="utf-8")
    text = changed(sample, answers)
    config = parse(tomllib.loads(text), path, in_service=False)
    print("\nTrying it:")
    if not _tried(config.accounts[0]) and _ask("Keep these answers all the same? y/n", "n", lambda a: a in "yn") != "y":
        return 1
    if path.exists() and _ask(f"{path} is there already. Replace it? y/n", "n", lambda a: a in "yn") != "y":
        return 1
    replace_text(path, text)
    print(f"\n{paint(f'{path} is written.', GOOD)} The pins are those of the wiring plan.")
    print("Next: sudo systemctl restart intercom")
    return 0


def _tried(account: "object") -> bool:
    from intercom.cli import checks_line  # noqa: PLC0415  (reads much)
    from intercom.config import Account  # noqa: PLC0415

    assert isinstance(account, Account)
    paint, good = paint_for(sys.stdout), True
    for finding in checks_line.checks(account, ""):
        if finding.health is Health.BROKEN:
            print(f"  {paint(printable(finding.sentence()), BAD)}")
            good = False
        elif finding.health is Health.WELL:
            print(f"  {printable(finding.sentence())}")
    return good


def _ask(question: str, usual: str, good: Good, *, hidden: bool = False) -> str:
    """Return an answer that is good; who gives none that is, is asked again."""
    shown = f"{question}{f' [{usual}]' if usual and usual != '-' else ''}: "
    while True:
        try:
            answer = (getpass.getpass(shown) if hidden else input(shown)).strip() or usual
        except EOFError:
            raise IntercomError("no more answers; nothing was changed") from None
        if answer == usual != "" or (answer and good(answer)):
            return answer
        print("  That cannot be; please again.")


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_code(text: str) -> bool:
    return grammar.is_code(text) and len(text) >= 4


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=paths.CONFIG, metavar="FILE", help="default: %(default)s")


COMMAND = Command(
    purpose="make the first configuration by answering five questions",
    more="Server, extension, password, whom to ring, code. The answers are tried at the server before they are kept.",
    examples=("sudo intercom setup",),
    exits={0: "it is written", 1: "nothing was changed"},
    asks_daemon=False,
    arguments=_arguments,
    run=lambda arguments: setup(arguments.config),
)
