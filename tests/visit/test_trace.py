"""`intercom trace`: what somebody sees of a visit's SIP in Wireshark, and that nothing secret is in it."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.house import CODE, Door, House, stopping
from lab.kamailio import Kamailio
from lab.terminal import intercom

TLS_IP = "127.0.0.23"
pytestmark = pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark")


@pytest.fixture(scope="module")
def station(house: House) -> Iterator[Door]:
    """One start of the daemon for all of these."""
    with house.door(target="info") as door:
        yield door


def shown(file: Path, *fields: str) -> list[tuple[str, ...]]:
    """What Wireshark makes of each packet; one that it does not take for SIP has empty fields."""
    words = [word for field in fields for word in ("-e", field)]
    argv = ["tshark", "-r", str(file), "-T", "fields", *words]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [tuple(line.split("\t")) for line in told.splitlines()]


def methods(file: Path) -> list[str]:
    """Requests and answers, in order."""
    return [method or code for method, code in shown(file, "sip.Method", "sip.Status-Code")]


def test_a_visit_is_traced_and_ends_the_trace(house: House, station: Door, tmp_path: Path) -> None:
    """All of it, from the INVITE to the BYE; and the code that was keyed by SIP INFO is nowhere in it."""
    file = tmp_path / "visit.pcap"
    arguments = ("trace", file, "--socket", station.socket)
    odd = house.odd_phone("info", "uas_info_digits", DIGITS=CODE)
    with stopping(odd), intercom(*arguments, columns=160) as terminal:
        terminal.await_text("^Tracing: ring now")
        with intercom("trace", tmp_path / "second", "--socket", station.socket) as second:
            refused = second.await_end()
        station.press()
        station.await_record("door-released")
        with intercom("hangup", "--socket", station.socket) as hangup:
            hangup.await_end()
        status = terminal.await_end()
    visit = station.await_visit()
    began, ended = station.await_record("trace-began"), station.await_record("trace-ended")
    seen = methods(file)

    assert seen[:4] == ["INVITE", "407", "ACK", "INVITE"]
    assert seen.count("INFO") == len(CODE)
    assert [method for method in seen if not method.isdigit() and method != "INFO"] == [
        "INVITE", "ACK", "INVITE", "ACK", "BYE",
    ]  # fmt: skip
    assert seen[-1] == "200"
    assert "" not in seen, "Wireshark takes every packet for SIP"
    content = file.read_bytes()
    assert b"Signal=" not in content
    assert content.count(b"characters are not shown") == len(CODE)
    assert b" nonce=***" in content
    assert b"response=***" in content
    assert b'nonce="' not in content
    assert b'username="door"' in content
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert terminal.text().splitlines()[-1] == f"visit {visit.id} is over: {len(seen)} messages in {file}"
    assert status == 0
    assert (began["INTERCOM_BY"], ended["INTERCOM_OUTCOME"]) == ("uid 0", f"visit {visit.id} is over")
    assert (refused, second.text()) == (1, "intercom: uid 0 traces already")
    assert not (tmp_path / "second").exists()


def test_ctrl_c_and_a_lost_connection_end_it(station: Door, tmp_path: Path) -> None:
    """Nobody is watched on and on."""
    trace = ("trace", tmp_path / "trace.pcap", "--socket", station.socket)
    with intercom(*trace, columns=160) as terminal:
        terminal.await_text("^Tracing")
        terminal.type("\x03")
        status = terminal.await_end()
    station.await_record("trace-ended", outcome="ended by uid 0")
    with intercom(*trace) as lost:
        lost.await_text("^Tracing")
        time.sleep(0.3)  # somebody reads that
        os.kill(lost.pid, signal.SIGKILL)
    station.await_record("trace-ended", 25, outcome="ended by nobody, who reads it no more")

    assert status == 1
    assert "by Ctrl-C: 0 messages" in terminal.text()


def test_what_is_encrypted_on_the_wire_is_read_in_the_trace(house: House, tmp_path: Path) -> None:
    """TLS hides it from tcpdump; keys of the sound stay hidden here as well."""
    secure = Kamailio(tmp_path, TLS_IP, {"door": "secret", "201": "p201"}, tls=True)
    assert secure.certificates is not None
    keys = f'transport = "tls"\nca_file = "{secure.certificates.authority}"\nsrtp = "optional"\ncallers'
    edit = lambda text: text.replace("callers", keys)  # noqa: E731
    file = tmp_path / "visit.pcap"
    with (
        stopping(secure),
        house.door(edit=edit, registrar=TLS_IP) as door,
        intercom("trace", file, "--for", "30s", "--socket", door.socket) as terminal,
    ):
        terminal.await_text("^Tracing")
        door.press()
        status = terminal.await_end(30)

    assert status == 0
    assert methods(file)[0] == "INVITE"
    assert {port for _, port in shown(file, "sip.Method", "udp.dstport")} >= {"5061"}
    content = file.read_bytes()
    assert b"SIP/2.0/TLS" in content
    assert content.count(b"inline:") == content.count(b"inline:***") > 0
