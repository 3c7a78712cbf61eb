"""What every tier shares: which tests this machine can run."""

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def pytest_pycollect_makemodule(module_path: Path) -> None:
    """Give made-up examples all the time they need: how long one takes says what else the machine does."""
    if "from hypothesis import" in module_path.read_text():
        from hypothesis import settings

        settings.register_profile("unhurried", deadline=None)
        settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the visit tier where the laboratory cannot be built, and say why; CI runs as root and skips nothing."""
    lab = os.environ.get("INTERCOM_LAB", "run ./setup.sh test for the laboratory")
    if lab == "ready":
        return
    for item in items:
        if item.path.is_relative_to(TESTS / "visit"):
            item.add_marker(pytest.mark.skip(reason=lab))
