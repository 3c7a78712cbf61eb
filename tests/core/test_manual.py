# SPDX-License-Identifier: GPL-2.0-or-later
"""Manual pages and completion are made of the commands' own descriptions, and other programs find no fault in them."""

import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from intercom.__main__ import COMMANDS, parser
from intercom.cli.command import Command
from intercom.cli.docs import completion, manpage
from lab.terminal import Terminal

WHOLE = parser()
SENTENCE = "Leading .dots, 'quotes' and back\\slashes-."


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help=".first")
    parser.add_argument("--how", choices=("well", "badly"), help="'quoted'")


PART = Command(
    "do it",
    ("intercom odd do x",),
    run=lambda _: 0,
    arguments=_arguments,
    asks_daemon=False,
)
ODD = Command("be odd", ("intercom odd do x --how well",), more=SENTENCE, parts={"do": PART})


def odd() -> completion.Parser:
    """A command line as awkward as one may become."""
    root = Command("test", (), parts={"odd": ODD, "plain": PART})
    return completion.Parser(prog="intercom", command=root)


needs_mandoc = pytest.mark.skipif(not shutil.which("mandoc"), reason="needs mandoc")


@needs_mandoc
@pytest.mark.parametrize("whole", [WHOLE, odd()])
def test_no_manual_page_has_a_fault(tmp_path: Path, whole: completion.Parser) -> None:
    """mandoc is the strictest reader there is; man(1) shows some faults as missing text."""
    for name, text in manpage.pages(whole).items():
        (tmp_path / f"{name}.1").write_text(text)
    done = subprocess.run(
        ["mandoc", "-T", "lint", *tmp_path.iterdir()],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


@needs_mandoc
def test_a_page_says_all_that_the_help_says() -> None:
    """Whatever a command can do is found with `man`, as it is written there."""
    page = manpage.pages(odd())["intercom-odd"]
    shown = subprocess.run(
        ["mandoc", "-T", "ascii"],
        input=page,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    plain = " ".join(
        subprocess.run(["col", "-bx"], input=shown, capture_output=True, text=True, check=True).stdout.split()
    )

    for part in (
        SENTENCE,
        "intercom odd do [-h] [--how {well,badly}] FILE",
        ".first",
        "--how HOW 'quoted'",
    ):
        assert part in plain, plain


def test_every_command_has_a_page_and_every_option_is_on_it() -> None:
    """A command that is added later is not forgotten."""
    pages = manpage.pages(WHOLE)

    assert set(pages) == {"intercom", *(f"intercom-{name}" for name in COMMANDS)}
    for name, part in WHOLE.parts.items():
        options = [option for action in part._actions for option in action.option_strings]
        assert [option for option in options if option.replace("-", "\\-") not in pages[f"intercom-{name}"]] == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("intercom pre", {"press"}),
        ("intercom --v", {"--version"}),
        ("intercom visits --s", {"--since", "--socket"}),
        ("intercom press --wait --", {"--help", "--wait", "--try", "--socket"}),
        ("intercom visits --since ", set()),
        ("intercom check in", {"intercom.toml"}),
    ],
)
def test_bash_completes(tmp_path: Path, line: str, expected: set[str]) -> None:
    """Ten minutes and a small screen: nobody should have to type options."""
    (tmp_path / "intercom.toml").touch()

    assert completed(tmp_path, completion.bash(WHOLE), line) == expected


def test_bash_completes_commands_of_commands(tmp_path: Path) -> None:
    """And their choices."""
    script = completion.bash(odd())

    assert completed(tmp_path, script, "intercom odd ") == {"do", "-h", "--help"}
    assert completed(tmp_path, script, "intercom odd do --how w") == {"well"}


def completed(folder: Path, script: str, line: str) -> set[str]:
    """What bash itself makes of a line."""
    words = line.split(" ")
    ask = f"COMP_WORDS=({' '.join(words[:-1])} '{words[-1]}'); COMP_CWORD={len(words) - 1}; _intercom"
    code = f"{script}\n{ask}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
def test_zsh_completes_too(tmp_path: Path) -> None:
    """From the first key on, in a real terminal: it is bash's completion, which zsh takes."""
    manpage.write(tmp_path)
    start = f"fpath=({tmp_path}/share/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D; PS1='ready> '"
    with Terminal(["zsh", "-f", "-i"], env={"HOME": str(tmp_path)}) as shell:
        shell.type(f"{start}\n")
        shell.await_text("^ready>$")
        shell.type("intercom vis\t--sin\t")
        shell.await_text("^ready> intercom visits --since")
