# SPDX-License-Identifier: GPL-2.0-or-later
"""firmware/README.md says what is so: its table of phases is the core's, and every file and name on it exists."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pytest

from intercom.__main__ import COMMANDS
from intercom.core.rules import Rules
from intercom.core.transitions import NEXT, PHASES, Phase, PhaseOutputs, Signal

FIRMWARE = Path(__file__).parents[2] / "firmware"
PACKAGE = FIRMWARE / "intercom"
README = FIRMWARE / "README.md"
TEXT = README.read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
CHAINS = [line for block in BLOCKS for line in block.splitlines() if re.match(r"\S+\.py ", line)]
MARKS = re.findall(r"`([^`\n]+)`", re.sub(r"^```\n.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL))


# ---------------------------------------------------------------------------- the table of phases


class Names:
    """Stands in for `Rules`: every duration is its own name."""

    def __getattr__(self, name: str) -> str:
        return name


def lasts(row: PhaseOutputs) -> str:
    if row.lasts is None:
        return "until something happens"
    name = cast("str", row.lasts(cast("Any", Names())))
    default = next(field.default for field in fields(Rules) if field.name == name)
    return f"`{name}`: {default:g} s"


def sound(row: PhaseOutputs) -> str:
    if not row.card:
        return "none: the card is closed"
    if row.talk:
        return "both ways"
    heard = [f"loops {row.loop.value}"] if row.loop else []
    heard += ["the far end's own when it sends any"] if row.early else []
    return "; ".join(heard) or "card open, microphone unheard"


def followers(phase: Phase) -> str:
    by_target: dict[Phase, list[str]] = {}
    for signal, entered in NEXT[phase].items():
        by_target.setdefault(entered, []).append(f"`{signal.name}`")
    return "<br>".join(f"{', '.join(names)} → **{entered.value}**" for entered, names in by_target.items())


def phase_table() -> str:
    rows = ["| phase | lamp | sound | lasts at most | signals → next phase |", "| --- | --- | --- | --- | --- |"]
    for phase, row in PHASES.items():
        cells = (f"**{phase.value}**", row.lamp.value, sound(row), lasts(row), followers(phase))
        rows.append(f"| {' | '.join(cells)} |")
    rows += ["", "| signal | means |", "| --- | --- |"]
    return "\n".join(rows + [f"| `{signal.name}` | {signal.value} |" for signal in Signal])


def test_the_table_of_phases_is_the_core_s() -> None:
    """What newcomers read is what the door does."""
    shown = TEXT.partition("<!-- phases -->")[2].partition("<!-- end of phases -->")[0].strip()

    if shown != phase_table():
        pytest.fail(f"{README}: put this between the markers of the phases:\n\n{phase_table()}\n", pytrace=False)


def test_every_signal_leads_somewhere() -> None:
    """A signal in no row would be missing in the table, and is missing in the door."""
    assert {signal for row in NEXT.values() for signal in row} == set(Signal)


# ---------------------------------------------------------------------------- files and names


def defined(path: Path) -> Iterator[str]:
    """Names that a file defines: functions, classes, their members and fields, constants."""
    for node in ast.parse(path.read_text()).body:
        yield from named(node, "")


def named(node: ast.AST, prefix: str) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        yield prefix + node.name
        for inner in node.body:
            yield from named(inner, f"{prefix}{node.name}.")
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield prefix + node.name
        # What __init__ makes is a member like any other.
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store) and prefix:
                yield prefix + inner.attr
    elif isinstance(node, ast.Assign):
        yield from (prefix + target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield prefix + node.target.id


KNOWN: dict[str, set[str]] = {}
"""File of the package -> what it defines. The command line is a client beside the road, so it is left out."""
for _path in sorted(set(PACKAGE.rglob("*.py")) - set(PACKAGE.rglob("cli/**/*.py"))):
    KNOWN[_path.relative_to(PACKAGE).as_posix()] = set(defined(_path))
ALL = {name for names in KNOWN.values() for name in names}
ALL |= {f"{Path(file).stem}.{name}" for file, names in KNOWN.items() for name in names}
ALL |= {name.rpartition(".")[2] for name in ALL}


def is_there(path: str) -> bool:
    return any((folder / path).exists() for folder in (PACKAGE, FIRMWARE))


def test_the_page_has_chains_and_marks() -> None:
    """The tests below compare nothing when the page is written another way."""
    assert len(CHAINS) > 30
    assert len(MARKS) > 100


@pytest.mark.parametrize("line", CHAINS)
def test_every_step_of_a_chain_is_in_its_file(line: str) -> None:
    """A road with a missing stone leads newcomers nowhere."""
    file, _, steps = line.partition(" ")
    names = [step.strip() for step in steps.split("->")]

    assert all(name.endswith("()") for name in names), line
    assert [name for name in names if name.removesuffix("()") not in KNOWN[file]] == []


@pytest.mark.parametrize("mark", sorted(set(MARKS)))
def test_every_file_and_name_in_code_marks_exists(mark: str) -> None:
    """Renamed in the code means renamed on the page."""
    if re.fullmatch(r"[\w./-]+\.(py|md|toml|sh|catalog|lock|txt)|[\w./]+/", mark):
        assert is_there(mark)
    elif re.fullmatch(r"[\w.]+(\(\))?", mark):
        keys = set(re.findall(r"^#?(\w+) = ", (PACKAGE / "sample.toml").read_text(), re.MULTILINE))
        assert mark in {"match", "case", "events", "intercom"} or mark.removesuffix("()") in ALL | keys


def test_every_file_named_beside_a_name_defines_it() -> None:
    """In "`core/state.py`: `NEXT`, `PHASES`" both are there."""
    for file, names in re.findall(r"`([\w/]+\.py)`: ((?:`\w+`(?:, )?)+)", TEXT):
        assert set(re.findall(r"\w+", names)) <= KNOWN[file], file


def test_the_page_names_every_file_of_the_package() -> None:
    """A file that nobody is told of is not found: beside the chains, the tables name the rest."""
    told = {line.split()[0] for line in CHAINS} | set(MARKS)
    plumbing = {
        "daemon/ports.py",
        "errors.py",
        "config/loader.py",
        "config/toml_section.py",
        "config/secrets.py",
        "config/gpio_pins.py",
        "core/context.py",
    }
    quiet = {file for file in KNOWN if Path(file).name == "__init__.py"}

    assert sorted(set(KNOWN) - told - plumbing - quiet) == [], "give them a place in firmware/README.md"


# ---------------------------------------------------------------------------- README.md


def test_the_readme_shows_every_command() -> None:
    """Whoever adds one adds it to visit/test_transcripts.py, which writes what it shows; here it is only missed."""
    shown = (FIRMWARE.parent / "README.md").read_text()
    inside = shown.partition("<!-- transcripts -->")[2].partition("<!-- end of transcripts -->")[0]

    assert tuple(re.findall(r"^```\n\$ sudo intercom (\S+)", inside, re.MULTILINE)) == COMMANDS


# ---------------------------------------------------------------------------- tests/README.md, docs/who-is-who.md


@pytest.mark.parametrize("page", ["tests/README.md", "firmware/docs/who-is-who.md"])
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    """A promise with the name of a test that is gone is one that nothing holds."""
    root = FIRMWARE.parent
    named = set(re.findall(r"`(test_[a-z_0-9]+)`", (root / page).read_text()))
    there = {
        name
        for file in (root / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }

    assert len(named) > 10
    assert sorted(named - there) == []
