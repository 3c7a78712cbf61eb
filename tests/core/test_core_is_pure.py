# SPDX-License-Identifier: GPL-2.0-or-later
"""The core reads no clock, opens nothing and waits for nothing: its imports prove it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import intercom.core

CORE = Path(intercom.core.__file__).parent
ALLOWED = {"collections.abc", "dataclasses", "enum", "operator", "typing"}
IMPURE = {"open", "print", "input", "eval", "exec", "compile", "__import__", "breakpoint"}


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module a file imports, wherever in it; `from a import b` may mean module a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: path.name)
def test_the_core_imports_nothing_that_could_reach_the_world(path: Path) -> None:
    """What needs no clock, thread or file can be told any story in any order, and always answers the same."""
    foreign = {
        name
        for name in imports(ast.parse(path.read_text()))
        if name not in ALLOWED and name != "intercom.core" and not name.startswith("intercom.core.")
    }

    assert foreign == set()


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: path.name)
def test_the_core_calls_no_built_in_that_could(path: Path) -> None:
    """There are ways to the world that need no import."""
    called = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}

    assert called & IMPURE == set()


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: path.name)
def test_the_core_keeps_nothing_outside_its_state(path: Path) -> None:
    """A `global` would be a second state, that no test could give it and no walk could see."""
    kept = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Global | ast.Nonlocal)]

    assert kept == []
