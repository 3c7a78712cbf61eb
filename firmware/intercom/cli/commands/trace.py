# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom trace`: the SIP of the next visit in a file for Wireshark, without anything secret."""

import argparse
import os
import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from intercom.adapters.systemd.records import printable
from intercom.cli import pcap
from intercom.cli.command import Command
from intercom.cli.commands.apply import seconds
from intercom.cli.terminal import DIM, Paint, paint_for
from intercom.control.client import ask, granted
from intercom.errors import IntercomError

FOR_S = 300.0
LONGEST = 100
"""Characters of a first line."""


def trace(socket: Path, path: Path, for_s: float) -> int:
    """Write the messages into `path` ("-": standard output) until the visit is over. Return 0 when there were any."""
    piped = str(path) == "-"
    told = sys.stderr if piped else sys.stdout
    with ExitStack() as closing:
        granted(socket, {"do": "trace", "for_s": for_s})
        closing.callback(ask, socket, {"do": "trace-end"})
        file = sys.stdout.buffer if piped else closing.enter_context(_opened(path))
        count, over = 0, ""
        file.write(pcap.head())
        try:
            print("Tracing: ring now. It ends with the visit, or with Ctrl-C.", file=told, flush=True)
            while not over:
                answer = granted(socket, {"do": "trace-read"}, timeout_s=15)
                count += _written(answer["messages"], file, told)
                over = answer["over"]
        except KeyboardInterrupt:
            over = "by Ctrl-C"
    print(printable(f"{over}: {count} message{'s' * (count != 1)} in {path}"), file=told)
    return 0 if count else 1


def _opened(path: Path) -> BinaryIO:
    """Open the file anew, for nobody else: it tells who calls whom."""
    try:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb")
        os.fchmod(file.fileno(), 0o600)
    except OSError as error:
        raise IntercomError(f"{path}: {error.strerror}") from error
    return file


def _written(messages: list[dict[str, Any]], file: BinaryIO, told: TextIO) -> int:
    paint = paint_for(told)
    for message in messages:
        ends = (message["local"], message["remote"])
        content = str(message["text"]).encode("latin-1")
        file.write(pcap.packet(message["at"], *(ends if message["sent"] else ends[::-1]), content))
        print(_line(message, content, paint), file=told, flush=True)
    file.flush()
    return len(messages)


def _line(message: dict[str, Any], content: bytes, paint: Paint) -> str:
    at = f"{datetime.fromtimestamp(message['at']).astimezone():%H:%M:%S.%f}"[:-3]
    first = content.decode("utf-8", "replace").partition("\r\n")[0].replace(" SIP/2.0", "").removeprefix("SIP/2.0 ")
    way = f"{'to' if message['sent'] else 'from':4} {message['remote']} {message['transport']}"
    return f"{paint(at, DIM)}  {paint(printable(way), DIM)}  {printable(first[:LONGEST])}"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help='where to; "-" for standard output')
    parser.add_argument(
        "--for", type=seconds, default=FOR_S, metavar="TIME", dest="for_s", help="at most so long, default: 5m"
    )


COMMAND = Command(
    purpose="write the SIP of the next visit into a file",
    more="For Wireshark, tshark, tcpdump or sngrep. Passwords and what follows from them, keys of the sound, keyed "
    "digits and the texts of messages are not in it; numbers and addresses are. TLS is shown as it was before it was "
    "encrypted. The journal tells who traced.",
    examples=("intercom trace visit.pcap", "ssh door sudo intercom trace - | wireshark -k -i -"),
    exits={1: "nothing was sent or received; or somebody else traces"},
    arguments=_arguments,
    run=lambda arguments: trace(arguments.socket, arguments.file, arguments.for_s),
)
