# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom --version`: which intercom, and which voice engine with what in it."""

import subprocess
import sys
from collections.abc import Sequence

from intercom import __version__

ENGINE = (sys.executable, "-m", "intercom.engine", "--versions")
PATIENCE_S = 10.0


def versions(command: Sequence[str] = ENGINE) -> str:
    """Return both versions. The engine is asked in a process of its own, as ever: loading it may go wrong."""
    return f"intercom {__version__}\n{_engine(command)}"


def _engine(command: Sequence[str]) -> str:
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return "voice engine not installed"
    told = asked.stdout.strip()
    return f"voice engine {told}" if asked.returncode == 0 and told else "voice engine not installed"
