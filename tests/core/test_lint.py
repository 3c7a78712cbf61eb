"""The tools that read the code have nothing to say. One test each, so that the failing one is named."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "firmware" / "pyproject.toml"
TOOLS = {
    "ruff": ["ruff", "check", "--no-cache", "--config", SETTINGS, "firmware", "tests", "hardware"],
    "ruff format": ["ruff", "format", "--check", "--no-cache", "--config", SETTINGS, "firmware", "tests", "hardware"],
    "mypy": ["mypy", "--config-file", SETTINGS, "--cache-dir=/dev/null", "firmware/intercom", "hardware/draw.py"],
    "codespell": ["codespell", "--toml", SETTINGS, "firmware", "tests", "hardware", "systemd", "setup.sh", "README.md"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_tool_has_no_complaint(tool: str) -> None:
    """Style, types and spelling are settled by machines, not in reviews."""
    argv = [sys.executable, "-m", *map(str, TOOLS[tool])]
    if tool == "codespell":
        argv[2] = "codespell_lib"

    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_the_shell_scripts_have_no_flaw() -> None:
    """Shell is where quoting errors live."""
    # Those of firmware/setup are read with setup.sh, of which they are parts.
    alone = [path for path in sorted(ROOT.glob("*/*/*.sh")) if path.parent.name != "setup"]
    argv = ["shellcheck", "-x", "-a", "setup.sh", *(path.relative_to(ROOT) for path in alone)]

    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
