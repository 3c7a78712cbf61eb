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
    "aiomqtt": {"integrations/mqtt.py"},
    "tomlkit": {"cli/commands/set.py"},
    "pjsua2": {"engine/sip/user_agent.py"},
    "pyaudio": {"engine/audio/stream.py"},
    "dns": {"adapters/monitors/dns.py"},
    "pywebrtc_audio": {"engine/audio/echo_canceller.py"},
    "samplerate": {"engine/audio/resample.py"},
    "systemd.daemon": {"adapters/systemd/notify.py"},
    "systemd.journal": {"adapters/systemd/journal.py"},
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


FLOORS = (
    {"core", "errors", "limits", "local_time", "paths", "process"},
    {"ipc", "security", "sip_address", "wav_file"},
    {"config"},
    {"daemon", "engine"},
    {"adapters"},
    {"control"},
    {"app", "integrations"},
    {"cli"},
    {"__main__"},
)
"""From the ground up: who is on a floor may use what is below, and what is in its own room."""
BACK_UP = {("cli/docs/manpage.py", "__main__")}
"""The manual pages are made of the parser."""


def test_every_arrow_between_rooms_points_down() -> None:
    """So a room can be understood with what is below it, and nothing goes round in a circle."""
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    up = set()
    for path, tree in SOURCES.items():
        mine = path.partition("/")[0].removesuffix(".py")
        for module in modules(tree):
            other = module.removeprefix("intercom.").partition(".")[0]
            if (
                module.startswith("intercom.")
                and other in floor
                and other != mine
                and floor[other] >= floor.get(mine, 99)
            ):
                up.add((path, other))

    assert up == BACK_UP


def test_nothing_is_loose_in_the_root() -> None:
    """Entry, errors, paths, and what several rooms need."""
    loose = {path.removesuffix(".py") for path in SOURCES if "/" not in path}
    rooms = {path.partition("/")[0] for path in SOURCES if "/" in path}

    assert len(loose) <= 8
    assert (loose | rooms) - {"__init__"} == set().union(*FLOORS)


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
    """It knows ports; which adapter is behind one is decided in app/run.py alone."""
    too_low = {
        (path, module)
        for path in ("daemon/shell.py", "daemon/ports.py")
        for module in modules(SOURCES[path])
        if module.startswith(("intercom.adapters", "intercom.engine", "intercom.app.run"))
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
        "intercom.sip_address",
        "intercom.core",
        "intercom.core.acoustics",
        "intercom.core.commands",
        "intercom.core.events",
        "intercom.core.fast_dataclass",
        "intercom.config",  # how a mixer's level is written
        "intercom.errors",
        "intercom.ipc",
        "intercom.ipc.protocol",
        "intercom.security.hardening",  # both keep their memory to themselves
        "intercom.process.disk_io",  # and count what they write
    }


def test_threads_may_only_post() -> None:
    """One way into the event loop from foreign threads, so there is one place to look for races."""
    doors = {
        path
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "call_soon_threadsafe"
    }

    assert doors == {"daemon/shell.py"}


def test_every_file_says_what_it_is_for_and_under_which_licence() -> None:
    """The first two lines are all that most readers will see of most files."""
    silent = {
        path
        for path, tree in SOURCES.items()
        if not ast.get_docstring(tree)
        or not (PACKAGE / path).read_text().startswith("# SPDX-License-Identifier: GPL-2.0-or-later\n")
    }

    assert silent == set()
