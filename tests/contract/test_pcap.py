# SPDX-License-Identifier: GPL-2.0-or-later
"""The file of a SIP trace, before the programs that read it: Wireshark's and tcpdump's own eyes."""

import shutil
import subprocess
from pathlib import Path

import pytest

from intercom.cli import pcap

MESSAGE = b"OPTIONS sip:door@192.0.2.9 SIP/2.0\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
CASES = [
    (("192.0.2.9:34001", "192.0.2.1:5060"), MESSAGE),
    (("192.0.2.1:5061", "192.0.2.9:34001"), MESSAGE + b"odd"),
    (("[2001:db8::9]:34001", "[2001:db8::1]:5060"), MESSAGE),
    (("0.0.0.0:34001", "[fe80::1%eth0]:5060"), MESSAGE),
    (("192.0.2.9:34001", "192.0.2.1:5060"), MESSAGE + b"x" * 7900),
]
needs = pytest.mark.skipif(not (shutil.which("tshark") and shutil.which("tcpdump")), reason="needs tshark and tcpdump")


def read(*argv: str | Path) -> list[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()


@needs
def test_every_packet_is_read_and_its_sums_are_right(tmp_path: Path) -> None:
    """IPv4 and IPv6, any port, any length: and it is SIP to them."""
    file = tmp_path / "trace.pcap"
    records = (pcap.packet(1_700_000_000.25 + number, *ends, text) for number, (ends, text) in enumerate(CASES))
    file.write_bytes(pcap.head() + b"".join(records))
    fields = ("frame.time_epoch", "ip.src", "ipv6.dst", "udp.srcport", "udp.dstport", "ip.checksum.status",
              "udp.checksum.status", "sip.Method")  # fmt: skip
    checked = ("-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE")
    shown = read("tshark", "-r", file, *checked, "-T", "fields", *(word for field in fields for word in ("-e", field)))
    dumped = read("tcpdump", "-n", "-r", file)

    first = "1700000000.250000000\t192.0.2.9\t\t34001\t5060\t1\t1\tOPTIONS"
    assert shown[0] == first, "a status of 1 is a good sum"
    assert [line.split("\t", 1)[1] for line in shown[1:]] == [
        "192.0.2.1\t\t5061\t34001\t1\t1\tOPTIONS",
        "\t2001:db8::1\t34001\t5060\t\t1\tOPTIONS",
        "\tfe80::1\t34001\t5060\t\t1\tOPTIONS",
        "192.0.2.9\t\t34001\t5060\t1\t1\tOPTIONS",
    ]
    assert len(dumped) == len(CASES)
    assert "IP 192.0.2.9.34001 > 192.0.2.1.5060: SIP" in dumped[0]
