# SPDX-License-Identifier: GPL-2.0-or-later
"""What the two processes read at their start: each module costs every start, and memory for as long as they run."""

import importlib.metadata
import subprocess
import sys

import pytest

from intercom.process import import_trim

NOT_FOR_THE_DOOR = {
    "difflib",
    "dns",
    "email",
    "importlib.metadata",
    "numpy",
    "pjsua2",
    "pyroute2",
    "secrets",
    "ssl",
    "zipfile",
}
NOT_FOR_THE_VOICE = {
    "argparse", "asyncio", "dns", "email", "gpiozero", "importlib.metadata", "intercom.app.run",
    "intercom.core.machine", "logging", "ssl", "statistics", "subprocess", "zipfile",
}  # fmt: skip
NOT_BEFORE_IT_IS_HEARD = {"numpy", "pyaudio", "pywebrtc_audio", "samplerate"}
DOOR = """
from intercom.process import spawn_engine as early
from intercom.__main__ import main
early.prespawn = lambda: None
main(["run", "--config", "/nowhere"])
"""
TELL = "\nimport sys\nprint(*(name for name, module in sys.modules.items() if module is not None))"


def read_by(code: str) -> set[str]:
    """The modules that a process has after this."""
    done = subprocess.run([sys.executable, "-P", "-c", code + TELL], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_daemon_reads_nothing_that_it_has_no_use_for() -> None:
    """As `intercom run` goes, up to a configuration that is missing. Names and TLS files load what they need later."""
    read = read_by(DOOR)

    assert "intercom.daemon.shell" in read
    assert read & NOT_FOR_THE_DOOR == set()


def test_the_voice_engine_reads_nothing_that_it_has_no_use_for() -> None:
    """It has no event loop of Python's, no pins and no decisions; and it registers before it knows any sound."""
    pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")
    read = read_by("import intercom.engine.__main__")

    assert "pjsua2" in read
    assert read & (NOT_FOR_THE_VOICE | NOT_BEFORE_IT_IS_HEARD) == set()
    assert read_by("import intercom.engine.call_monitor") & NOT_FOR_THE_VOICE == set()


def test_what_is_left_out_is_there_afterwards() -> None:
    """Certificate files in the configuration are checked with it."""
    code = (
        "from intercom.process.import_trim import without\n"
        "with without('ssl'):\n import asyncio\nimport ssl\nassert ssl.SSLContext"
    )

    assert "ssl" in read_by(code)


def test_the_pin_factories_are_those_that_gpiozero_describes() -> None:
    """A new version of it may have others."""
    described = importlib.metadata.entry_points(group="gpiozero_pin_factories")

    assert {(one.name, one.value) for one in described} == set(import_trim.PIN_FACTORIES)
    with import_trim.fixed_pin_factories():
        import importlib_metadata

        assert {one.name for one in importlib_metadata.entry_points(group="gpiozero_pin_factories")} == {
            one.name for one in described
        }
    assert import_trim.PIN_FACTORIES[1].load().__name__ == "MockFactory"
