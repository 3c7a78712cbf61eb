"""`./setup.sh test` ends here: pytest, in a private world when that is allowed.

As root: own network (loopback only), own /run and /dev/shm, so that the visit tier has a journald, a
registrar and phones of its own. Otherwise those tests are left out, and it says so.

Without a file among its arguments it runs everything, file by file: `file_by_file.py`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
PATHS = (TESTS, TESTS.parent / "firmware")
INHERITED = [path for path in [os.environ.get("PYTHONPATH", "")] if path]
PROGRAMMES = ("kamailio", "baresip", "sipp", "jackd", "setpriv")
MODULES = ("gpiozero", "jack", "numpy", "pjsua2", "pyaudio", "systemd")


def missing() -> list[str]:
    """What the visit tier needs and this machine lacks."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # Kamailio lives where only root's shell looks
    lacking = [name for name in PROGRAMMES if not shutil.which(name)]
    return lacking + [f"module {name}" for name in MODULES if not importlib.util.find_spec(name)]


def prepare() -> str | None:
    """Enter the private world; else the reason why not."""
    if lacking := missing():
        return f"{', '.join(lacking)} not installed"
    from lab import namespace
    from lab.processes import LabError

    try:
        namespace.enter()
    except LabError as error:
        return str(error)
    # Processes that the tests start as another user find them there.
    os.environ["PYTHONPATH"] = os.pathsep.join([*(str(namespace.readable(path)) for path in PATHS), *INHERITED])
    return None


def main(arguments: list[str]) -> int:
    """Run the suite; `arguments` go to pytest."""
    sys.dont_write_bytecode = True
    sys.path[:0] = map(str, PATHS)
    # The daemons the tests start find the same packages.
    os.environ["PYTHONPATH"] = os.pathsep.join([*map(str, PATHS), *INHERITED])
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    if not any(Path(name.split("::")[0]).exists() for name in arguments if not name.startswith("-")):
        import file_by_file

        return file_by_file.run(TESTS, arguments)
    reason = prepare()
    # conftest.py skips what is marked `visit` when this says so.
    os.environ["INTERCOM_LAB"] = reason or "ready"
    if reason:
        print(f"Left out: the visit tier, because {reason}.", flush=True)
    import pytest

    return int(pytest.main(["-p", "no:cacheprovider", *arguments]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
