# SPDX-License-Identifier: GPL-2.0-or-later
"""Manual pages out of the commands' descriptions: roff, with the macros of man(7).

`python -m intercom.cli.docs.manpage PREFIX` writes them and the shells' completion to PREFIX/share; setup.sh does.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from intercom import __version__
from intercom.__main__ import parser
from intercom.cli.command import Command, Parser
from intercom.cli.docs import completion

SECTION = 1


def pages(whole: Parser) -> dict[str, str]:
    """Return name of a page ("intercom-status") -> its text: one for the command line, one for each command."""
    return {_page_name(one): _page(one, whole) for one in (whole, *whole.parts.values())}


def _page(one: Parser, whole: Parser) -> str:
    command = one.described
    made = datetime.now(UTC)
    lines = [
        f'.TH {_page_name(one).upper()} {SECTION} {made:%Y-%m-%d} "intercom {__version__}" "The intercom"',
        ".SH NAME",
        f"{_text(_page_name(one))} \\- {_text(command.purpose)}",
        ".SH SYNOPSIS",
        *_synopsis(one),
        ".SH DESCRIPTION",
        *_prose(command.described()),
        *_options(one, "OPTIONS"),
    ]
    if one is whole:
        lines += [".SH COMMANDS", *_commands(whole)]
    else:
        for part in one.parts.values():
            lines += [f".SH {_text(part.prog.upper())}", *_prose(part.described.described()), *_options(part, "")]
    lines += [".SH EXIT STATUS", *_statuses(command), ".SH EXAMPLES", ".nf"]
    lines += [_text(example) for example in _examples(command)]
    lines += [".fi", ".SH SEE ALSO", _see_also(one, whole)]
    return "\n".join(lines) + "\n"


def _synopsis(one: Parser) -> Iterator[str]:
    for number, shown in enumerate(one.parts.values() if not one.described.run and one.prog != "intercom" else (one,)):
        usage = re.sub(r"\s+", " ", shown.format_usage().partition(":")[2]).strip()
        if number:
            yield ".br"
        yield f".B {_text(shown.prog)}"
        yield _wrapped(usage.removeprefix(shown.prog).strip())


def _options(one: Parser, head: str) -> Iterator[str]:
    if head:
        yield f".SH {head}"
    for action in one._actions:  # noqa: SLF001  (argparse has no other way to ask)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            continue
        name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        value = f" {name}" if action.nargs != 0 and action.option_strings else ""
        shown = ", ".join(f"{option}{value}" for option in action.option_strings) or name
        yield ".TP"
        yield f"\\fB{_text(shown)}\\fR"
        yield _wrapped((action.help or "") % {"default": action.default, "prog": one.prog})


def _commands(whole: Parser) -> Iterator[str]:
    for name, part in whole.parts.items():
        yield ".TP"
        yield f"\\fB{_text(name)}\\fR"
        yield _text(part.described.purpose)


def _statuses(command: Command) -> Iterator[str]:
    for status, meaning in command.statuses().items():
        yield ".TP"
        yield f"\\fB{status}\\fR"
        yield _text(meaning)


def _examples(command: Command) -> Iterator[str]:
    yield from command.examples
    for part in command.parts.values():
        if not part.parts and not command.run:
            yield from (example for example in part.examples if example not in command.examples)


def _prose(text: str) -> Iterator[str]:
    """Yield paragraphs; lines that are indented stay as they are."""
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        kept = "\n " in paragraph
        yield from [".nf", _text(paragraph), ".fi"] if kept else [_wrapped(paragraph)]


def _see_also(one: Parser, whole: Parser) -> str:
    others = whole.parts.values() if one is whole else (whole,)
    shown = [f".BR {_text(_page_name(other))} ({SECTION})" for other in others]
    return " ,\n".join([*shown, ".BR journalctl (1)"])


def _page_name(one: Parser) -> str:
    return one.prog.replace(" ", "-")


def _wrapped(text: str) -> str:
    return _text("\n".join(textwrap.wrap(text, 70, break_long_words=False, break_on_hyphens=False)))


def _text(text: str) -> str:
    """Return text as roff takes it: no command at the beginning of a line, no hyphen that becomes a dash."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in escaped.split("\n"))


def write(prefix: Path) -> None:
    """Write everything where man(1) and the shells look for it, below `prefix`/share."""
    whole = parser()
    files = {prefix / f"share/man/man{SECTION}/{name}.{SECTION}": text for name, text in pages(whole).items()}
    files[prefix / "share/bash-completion/completions/intercom"] = completion.bash(whole)
    files[prefix / "share/zsh/site-functions/_intercom"] = completion.zsh(whole)
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
