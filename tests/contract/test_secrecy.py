# SPDX-License-Identifier: GPL-2.0-or-later
"""Secrets stay in: no core dump, no look into the memory, nothing in a log at any level."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from sip_peers import running

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_an_engine_leaves_no_core_and_lets_nobody_look_into_it() -> None:
    """Its memory holds the password and what was said at the door; its own user may not read it either."""
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    with running(argv=drop) as engine:
        limits = Path(f"/proc/{engine.process.pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))

        assert core.split()[4:6] == ["0", "0"]
        # proc(5): a process that is not "dumpable" belongs to root in /proc.
        assert Path(f"/proc/{engine.process.pid}/mem").stat().st_uid == 0
        engine.process.send_signal(signal.SIGABRT)
        engine.process.wait(5)
