"""`./setup.sh bench scenarios FOLDER...`: other people's sipp scenarios, played at the voice engine one by one.

It fetches nothing: FOLDER is what is at hand, such as tests/pjsua/scripts-sipp of pjproject or tests/channels/pjsip of
Asterisk's testsuite. A scenario that begins with a request calls the engine, which answers; one that awaits an INVITE
is called, and one that awaits a REGISTER is registered with. Each meets an engine of its own. What counts is that the
engine lives and takes orders afterwards; whether the scenario ended as it is written stands beside it, for many of them
await what their own user agent is told to do meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "contract"))

from sip_peers import Engine, Peer, account, running  # noqa: E402

from intercom.core.commands import AnswerCall, Audio, HangUp, PlaceCall, Probe, Register, SetAudio  # noqa: E402
from intercom.core.events import CallAnswered, CallArrived  # noqa: E402
from lab import namespace  # noqa: E402

IP = "127.0.0.44"
ENDS = {
    0: "as written",
    1: "otherwise",
    97: "waited in vain",
    99: "sent nothing",
    255: "time ran out",
    254: "no port",
}
"""sipp's exit status."""
EMPTY = (
    "Where a scenario ended otherwise and nothing stands beside it, what it awaited did not come in time, or did not "
    "pass its own checks, such as the words of another's SDP."
)


@dataclass(frozen=True)
class Result:
    """One scenario."""

    name: str
    part: str
    """"calls", "is called" or "registrar"."""
    end: str
    lives: bool
    why: str = ""
    """What came instead of what it awaited."""


def part_of(text: str) -> str:
    """Return whose part a scenario plays, by its first step."""
    step = re.search(r"<(send|recv|nop|recvCmd|sendCmd)\b([^>]*)", re.sub(r"(?s)<!--.*?-->|<nop.*?</nop>", "", text))
    if not step or "Cmd" in step[1]:
        return ""
    if step[1] == "send":
        return "calls"
    return "registrar" if 'request="REGISTER"' in step[2] else "is called"


def scenarios(folders: list[Path]) -> Iterator[tuple[str, Path, str]]:
    """Yield name, file and part of each scenario that is one."""
    for folder in folders:
        for path in sorted(folder.rglob("*.xml")):
            text = path.read_text("utf-8", "replace")
            part = part_of(text) if "<scenario" in text else ""
            # What is read from a file beside it, or sent to a second sipp, has a driver of its own.
            if part and not re.search(r"\[field\d|<(send|recv)Cmd", text):
                yield str(path.relative_to(folder)), path, part


def accompany(engine: Engine, ended: threading.Event, seconds: float) -> None:
    """Answer what calls, have sound in what was answered, and hang up after so long."""
    seen, until = 0, time.monotonic() + seconds
    legs: set[str] = set()
    while not ended.is_set():
        if legs and time.monotonic() > until:
            engine.send(*(HangUp(leg) for leg in legs))
            legs.clear()
        told = engine.told(CallArrived, CallAnswered)
        for event in told[seen:]:
            if isinstance(event, CallArrived):
                engine.send(AnswerCall(event.leg))
            if isinstance(event, CallArrived | CallAnswered):
                engine.send(SetAudio(Audio(card=True, hear=event.leg, speak=event.leg)))
                legs.add(event.leg)
        seen = len(told)
        ended.wait(0.05)


def play(path: Path, part: str, seconds: int, folder: Path, srtp: str) -> tuple[str, bool, str]:
    """Play one; return how it ended, whether the engine lives, and what sipp complained of."""
    peer = Peer(IP, OPTIONS=200)
    # A server that does not know us by a registration knows our address.
    trunk = {} if part == "registrar" else {"registrar_uri": "", "trust": "address"}
    with running(account(peer, srtp=srtp, **trunk), codecs=("opus", "g722", "pcma", "pcmu")) as engine:
        door = ""
        if trunk:
            engine.send(Probe("house"))
            ip, port = peer.wait("OPTIONS").source
            door = f"{ip}:{port}"
        let_go(peer)
        command = ["sipp", "-sf", path, "-i", IP, "-p", str(peer.port), "-m", "1", "-s", "door", "-nostdin"]
        complaints = folder / "errors"
        complaints.unlink(missing_ok=True)
        command += ["-trace_err", "-error_file", complaints]
        command += [
            "-timeout",
            str(seconds),
            "-timeout_error",
            "-recv_timeout",
            str(1000 * seconds),
            door or "127.0.0.1",
        ]
        ended = threading.Event()
        helper = threading.Thread(target=accompany, args=(engine, ended, 0.6 * seconds), daemon=True)
        helper.start()
        with (folder / "sipp.log").open("wb") as log:
            sipp = subprocess.Popen([*map(str, command)], stdout=log, stderr=log, cwd=folder)
            if part == "registrar":
                engine.send(Register("house"))
            elif part == "is called":
                time.sleep(0.3)  # sipp says nowhere that it listens
                engine.send(PlaceCall("1.1", "house", "201"))
            with contextlib.suppress(subprocess.TimeoutExpired):
                sipp.wait(seconds + 3)
            sipp.kill()
            status = sipp.wait()
        ended.set()
        helper.join()
        return ENDS.get(status, f"status {status}"), answers(engine), why(complaints, folder / "sipp.log")


def why(complaints: Path, log: Path) -> str:
    """Return what came and what was awaited, as sipp complains of the first of them; or why it did not begin."""
    told = complaints.read_text("utf-8", "replace") if complaints.exists() else ""
    found = re.search(r"while expecting '([^']*)'.*?received '([^\r\n]*)", told, re.DOTALL)
    if found:
        return f"{found[2].strip()[:60]}, not {found[1]}"
    refused = re.findall(r"(?m)^.*(?:Unable|Unknown|ERROR|Invalid).*$", log.read_text("utf-8", "replace"))
    return refused[0].strip()[:100].replace("|", "/") if refused else ""


def let_go(peer: Peer) -> None:
    """Close a peer's port. What waits at it for a message keeps it open until one comes."""
    peer.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            other.sendto(b"\r\n", (IP, peer.port))
            with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind((IP, peer.port))
                return
            time.sleep(0.01)


def answers(engine: Engine) -> bool:
    """Whether the engine lives and its loop goes round."""
    beats, until = len(engine.beats()), time.monotonic() + 6
    while engine.process.poll() is None and time.monotonic() < until:
        if len(engine.beats()) > beats:
            return True
        time.sleep(0.05)
    return False


def page(results: list[Result], source: str) -> str:
    """Return the results in Markdown."""
    counted = Counter((result.part, result.end) for result in results)
    lines = [f"# Other people's scenarios: {source}", ""]
    lines += [f"{len(results)} played, {sum(not result.lives for result in results)} engines lost.", ""]
    lines += [EMPTY, ""]
    lines += ["| sipp | ended | scenarios |", "| --- | --- | --- |"]
    lines += [f"| {part} | {end} | {count} |" for (part, end), count in sorted(counted.items())]
    lines += ["", "| scenario | sipp | ended | what came | engine |", "| --- | --- | --- | --- | --- |"]
    for result in results:
        engine = "lives" if result.lives else "LOST"
        lines.append(f"| {result.name} | {result.part} | {result.end} | {result.why} | {engine} |")
    return "\n".join([*lines, ""])


def main() -> int:
    parser = argparse.ArgumentParser(prog="./setup.sh bench scenarios", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="where scenarios are, in folders within folders")
    parser.add_argument("--source", default="", help="what they are, with their version, for the page")
    parser.add_argument("--seconds", type=int, default=8, help="how long each may take (8)")
    parser.add_argument("--srtp", default="optional", choices=("off", "optional", "required"))
    parser.add_argument("--part", default="", help='only those that play this part: "calls", "is called", "registrar"')
    parser.add_argument(
        "--write", type=Path, help="where to put the results, such as tests/results/scenarios-pjproject.md"
    )
    options = parser.parse_args()
    if missing := [str(folder) for folder in options.folders if not folder.is_dir()]:
        parser.error(f"no such folder: {', '.join(missing)}")
    namespace.enter()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, path, part in scenarios(options.folders):
            if options.part not in ("", part):
                continue
            result = Result(name, part, *play(path, part, options.seconds, Path(folder), options.srtp))
            results.append(result)
            print(f"{name}: {part}: {result.end}{'' if result.lives else ', ENGINE LOST'}; {result.why}", flush=True)
    text = page(results, options.source or ", ".join(folder.name for folder in options.folders))
    print(text)
    if options.write:
        options.write.parent.mkdir(exist_ok=True)
        options.write.write_text(text)
    return int(any(not result.lives for result in results))


if __name__ == "__main__":
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    sys.exit(main())
