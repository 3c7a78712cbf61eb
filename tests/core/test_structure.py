# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things are: each foreign library behind one file, and nobody above the daemon below it."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import intercom

PACKAGE = Path(intercom.__file__).parent
SOURCES = {str(path.relative_to(PACKAGE)): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
FOREIGN = {
    "gpiozero": {"adapters/gpio.py", "adapters/keypad.py"},
    "aiomqtt": {"house/mqtt.py"},
    "tomlkit": {"cli/set.py"},
    "pjsua2": {"engine/sip.py"},
    "pyaudio": {"engine/card.py"},
    "dns": {"adapters/names.py"},
    "pywebrtc_audio": {"engine/echo.py"},
    "samplerate": {"engine/convert.py"},
    "systemd.daemon": {"adapters/notify.py"},
    "systemd.journal": {"adapters/journal.py"},
}


def modules(tree: ast.AST) -> Iterator[str]:
    """Every module that a file may mean: of `from a import b` both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_each_foreign_library_is_met_in_one_file() -> None:
    """Who changes a library changes one file; who reads any other need not know that it exists."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, tree in SOURCES.items():
        for module in modules(tree):
            for library in FOREIGN:
                if module == library or module.startswith(f"{library}."):
                    found[library].add(path)

    assert dict(found) == FOREIGN


def test_systemd_is_met_only_by_its_two_halves() -> None:
    """A plain `import systemd` would get around the table above."""
    plain = {
        path
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "systemd" for alias in node.names)
    }

    assert plain == set()


def test_the_daemon_does_not_import_its_adapters() -> None:
    """It knows ports; which adapter is behind one is decided in app.py alone."""
    too_low = {
        (path, module)
        for path in ("daemon.py", "ports.py")
        for module in modules(SOURCES[path])
        if module.startswith(("intercom.adapters", "intercom.engine", "intercom.app"))
    }

    assert too_low == set()


def test_the_two_processes_share_words_and_nothing_else() -> None:
    """The engine knows the core's events and commands, not its decisions, and nothing of the daemon's world."""
    shared = {
        module
        for path, tree in SOURCES.items()
        if path.startswith("engine/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (module := node.module) and module.startswith("intercom")
    }

    assert {module for module in shared if not module.startswith("intercom.engine")} <= {
        "intercom",
        "intercom.addresses",
        "intercom.core",
        "intercom.core.acoustics",
        "intercom.core.commands",
        "intercom.core.events",
        "intercom.core.values",
        "intercom.errors",
        "intercom.secrecy",  # both keep their memory to themselves
        "intercom.written",  # and count what they write
    }


def test_threads_may_only_post() -> None:
    """One way into the event loop from foreign threads, so there is one place to look for races."""
    doors = {
        path
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "call_soon_threadsafe"
    }

    assert doors == {"daemon.py"}


def test_every_file_says_what_it_is_for_and_under_which_licence() -> None:
    """The first two lines are all that most readers will see of most files."""
    silent = {
        path
        for path, tree in SOURCES.items()
        if not ast.get_docstring(tree)
        or not (PACKAGE / path).read_text().startswith("# SPDX-License-Identifier: GPL-2.0-or-later\n")
    }

    assert silent == set()
