"""The suite passes wherever the checkout is: in a home that only its owner may enter, too (Debian's own default)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import namespace

pytestmark = pytest.mark.skipif(os.environ.get("INTERCOM_LAB") != "ready", reason="needs a /run of our own")


@pytest.mark.parametrize(("folders", "files"), [(0o700, 0o644), (0o700, 0o600), (0o755, 0o600)])
def test_what_another_user_starts_is_found_in_a_hidden_checkout(tmp_path: Path, folders: int, files: int) -> None:
    """As an engine is started: by a user of its own, with the package on its path."""
    package = tmp_path / f"made{folders:o}{files:o}" / "there"
    package.mkdir(parents=True)
    for name in ("__init__.py", "answer.py"):
        (package / name).write_text("print('found')\n")
        (package / name).chmod(files)
    package.chmod(folders)
    package.parent.chmod(folders)

    path = namespace.readable(package.parent)
    drop = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    argv = (*drop, sys.executable, "-P", "-c", "import there.answer")
    env = {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    assert done.stdout == "found\nfound\n", done.stderr


def test_a_checkout_that_all_may_read_is_used_as_it_is() -> None:
    """Nothing is copied where nothing has to be."""
    assert namespace.readable(Path("/usr/lib/python3")) == Path("/usr/lib/python3")
