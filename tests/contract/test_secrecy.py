# SPDX-License-Identifier: GPL-2.0-or-later
"""Secrets stay in: no core dump, no look into the memory, nothing in a log at any level."""

import contextlib
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from sip_peers import Peer, account, running

from intercom.core.commands import HangUp, PlaceCall, Register
from intercom.core.events import CallAnswered, CallEnded, DigitReceived, LineUp
from intercom.engine.sip.log import MOST, PER_S, Log

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


def test_nothing_secret_is_in_pjsips_log_at_its_loudest() -> None:
    """At level 5 it holds whole messages. The password's answer, the sound's key and the code's digits stay out."""
    answers = {"REGISTER": (407, 200), "INVITE": (407, 200), "BYE": 200}
    with contextlib.closing(Peer(**answers)) as server:
        trusted = account(server, password="pass-in-no-log", srtp="optional")
        with running(trusted, trace_level=5) as engine:
            engine.send(Register("house"))
            engine.wait(LineUp)
            engine.send(PlaceCall("a", "house", "201"))
            engine.wait(CallAnswered)
            invite = server.wait("INVITE", 2)
            head = f"Via: SIP/2.0/UDP {server.address};branch=z9hG4bKinfo;rport\r\nMax-Forwards: 70\r\n"
            head += f"From: {invite.header('To')};tag=peer\r\nTo: {invite.header('From')}\r\nCSeq: 9 INFO\r\n"
            head += f"Call-ID: {invite.header('Call-ID')}\r\nContent-Type: application/dtmf-relay\r\n"
            body = "Signal=7\r\nDuration=160\r\n"
            uri = re.findall("<(sip:[^>]+)>", invite.header("Contact"))[0]
            info = f"INFO {uri} SIP/2.0\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}"
            server.socket.sendto(info.encode(), invite.source)
            assert engine.wait(DigitReceived).digit == "7"
            engine.send(HangUp("a"))
            engine.wait(CallEnded)
        log = "".join(engine.stderr)

    assert "Proxy-Authorization: Digest" in log, "else it is not the log that was meant"
    assert "a=crypto" in invite.body
    assert "pass-in-no-log" not in log
    assert set(re.findall(r"response=\s*(\S+)", log)) == {"***"}
    assert set(re.findall(r"inline:(\S{3})", log)) == {"***"}
    assert set(re.findall(r"(?i)(?:signal=|digit )\s*(\S{1,3})", log)) <= {"***"}


def test_a_peer_cannot_fill_the_log() -> None:
    """PJSIP quotes what it cannot read, whole and as an error; the journal belongs to the door."""
    log = Log(())
    told = [log.fit(f"Error {number}\x1b[31m\n{'x' * 999}", 1, now=5.0) for number in range(1000)]

    assert told[0] == "Error 0[31m"
    assert sum(bool(line) for line in told) == MOST
    assert log.fit("later", 1, now=5.0 + PER_S) == "later"
    assert log.fit("a\nwhole message", 5) == "a\nwhole message"
