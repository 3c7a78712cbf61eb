# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom setup`: five answers, tried at once, become the first configuration."""

import argparse
import importlib.resources
import json
import re
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from intercom import paths
from intercom.adapters.systemd.records import printable
from intercom.cli.command import Command, UsageError
from intercom.cli.config_file import replace_text
from intercom.cli.doctor_checks.finding import Health
from intercom.cli.setup_questions import ask, ask_for, gather, listed, pins_of, take_options
from intercom.cli.terminal import BAD, BOLD, GOOD, paint_for
from intercom.security import code_hash

DIGITS = 6
"""Of a code that is made here."""
_UNTOUCHED = re.compile(r'^password = "change-me"$', re.MULTILINE)
"""So the sample says, and nobody's server."""


def setup(path: Path, options: Mapping[str, str | Path | None], *, tries: bool = True, replaces: bool = False) -> int:
    """Ask what is not answered yet, try, write. Return 1 when the answers were thrown away."""
    import tomllib  # noqa: PLC0415  (slow to load, as is what follows)

    from intercom.config.loader import parse  # noqa: PLC0415

    answers = gather(options)
    paint, asks = paint_for(sys.stdout), sys.stdin.isatty()
    is_there = path.exists() and not _UNTOUCHED.search(path.read_text(encoding="utf-8"))
    if is_there and not (replaces or asks):
        raise UsageError(f"{path} is there already; --replace takes its place")
    if asks:
        print(f"{paint('Five questions', BOLD)}; an empty answer takes what is in brackets. Ctrl-C leaves all as is.\n")
    answers = ask_for(answers)
    made = "" if "code" in answers or not asks else "".join(secrets.choice("0123456789") for _ in range(DIGITS))
    text = first(answers, answers.get("code", made))
    config = parse(tomllib.loads(text), path, in_service=False)
    if tries:
        print("\nTrying it:" if asks else "Trying it:", flush=True)
        if not _tried(config.accounts[0], config.network.bind) and not (
            asks and _yes("Keep these answers all the same?")
        ):
            print("Nothing was changed." if asks else "Nothing was changed; --untried keeps what does not work yet.")
            return 1
    if asks and is_there and not replaces and not _yes(f"{path} is there already. Replace it?"):
        return 1
    replace_text(path, text)
    print(f"{paint(f'{path} is written.', GOOD)} The door goes by it from its next start:")
    print("sudo systemctl restart intercom")
    if made and config.codes:
        print(f"The code that opens the door: {paint(made, BOLD)}. It is shown this once; others: intercom code new")
    return 0


def first(answers: Mapping[str, str], code: str) -> str:
    """Return the text of a first configuration: the sample with these answers in it."""
    from intercom.cli.commands.set import changed  # noqa: PLC0415  (loads a library)

    button, strike, lamp = pins_of(answers["pins"])
    changes: list[tuple[list[str], str | None]] = [
        (["accounts", "home", "server"], _quoted(answers["server"])),
        (["accounts", "home", "user"], _quoted(answers["user"])),
        (["accounts", "home", "password"], _quoted(answers["password"])),
        (["buttons", "front", "targets"], f"[{', '.join(map(_quoted, listed(answers['ring'])))}]"),
        (["buttons", "front", "pin"], json.dumps(button)),
        (["doors", "front"], None) if strike is None else (["doors", "front", "strike_pin"], json.dumps(strike)),
    ]
    if "transport" in answers:
        changes.append((["accounts", "home", "transport"], _quoted(answers["transport"])))
    if lamp is not None:
        changes.append((["lamp", "pin"], json.dumps(lamp)))
    if code and strike is not None:
        changes.append((["codes", "family", "secret"], _quoted(str(code_hash.hashed(code, code_hash.new_mill())))))
    return changed(importlib.resources.files("intercom").joinpath("sample.toml").read_text(encoding="utf-8"), changes)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _tried(account: "object", bind: str) -> bool:
    from intercom.cli.doctor_checks import account as account_checks  # noqa: PLC0415  (reads much)
    from intercom.config.model import Account  # noqa: PLC0415

    assert isinstance(account, Account)
    paint, good = paint_for(sys.stdout), True
    for finding in account_checks.checks(account, bind):
        if finding.health is Health.BROKEN:
            print(f"  {paint(printable(finding.sentence()), BAD)}")
            good = False
        elif finding.health is Health.WELL:
            print(f"  {printable(finding.sentence())}")
    return good


def _yes(question: str) -> bool:
    return ask(f"{question} y/n", "n", lambda answer: answer in {"y", "n"}) == "y"


def _arguments(parser: argparse.ArgumentParser) -> None:
    take_options(parser)
    parser.add_argument("--untried", action="store_true", help="keep them without asking the server")
    parser.add_argument("--replace", action="store_true", help="take the place of a configuration that is there")
    parser.add_argument("--config", type=Path, default=paths.CONFIG, metavar="FILE", help="default: %(default)s")


COMMAND = Command(
    purpose="make the first configuration out of five answers",
    more=(
        "Server, extension, password, whom to ring, pins: what neither options nor a file tell is asked for. "
        "The answers are tried at the server before they are kept. A code for the door is made where none is given."
    ),
    examples=(
        "sudo intercom setup",
        "sudo intercom setup --server pbx.example --user door --password-file - --ring 201,202 --pins 17,27,-",
        "sudo intercom setup --answers door.toml",
    ),
    exits={0: "it is written", 1: "nothing was changed"},
    asks_daemon=False,
    arguments=_arguments,
    run=lambda given: setup(given.config, vars(given), tries=not given.untried, replaces=given.replace),
)
