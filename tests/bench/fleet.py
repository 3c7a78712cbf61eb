"""`./setup.sh bench fleet`: many doors on one SIP service, all pressed within ten seconds; what grows, what does not.

Four doors are real daemons with their voice engines; the others are registrations and calls of sipp, which cost the
service the same. Everything is on loopback, in a network of the run's own; four runs, each less than a minute.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab import namespace, script
from lab.processes import LabError, Process, start

IP, DOORS_IP, PHONES_IP = "127.0.0.23", "127.0.0.50", "127.0.0.44"
REAL = 4
SIZES = (4, 50, 100, 200)
WITHIN_S = 10.0
BACK_S = 1.5
"""A service that is back has all doors of a fleet register within this: so often they knock (KNOCK_S of wiring.py)."""
TALK_S = 3.0
WORD = "secret"
REGISTER = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="register">
  <send retrans="500" start_rtd="1"><![CDATA[
{first}
  ]]></send>
  <recv response="401" auth="true"/>
  <send retrans="500"><![CDATA[
{second}
  ]]></send>
  <recv response="200" rtd="1"/>
</scenario>
"""


@dataclass
class Run:
    """What one size of the fleet did."""

    doors: int
    register_ms: float
    ringing_ms: Sequence[float]
    """Of the real doors: from the press to the 180."""
    others_ms: float
    """Of the simulated ones: from the INVITE to the 180, their mean."""
    lost: int
    """Calls that did not come to their end."""
    cpu_s: float
    memory_mb: float

    def row(self) -> str:
        """Return it as a row of the table."""
        real = f"{statistics.median(self.ringing_ms):.0f} ({max(self.ringing_ms):.0f})"
        others = f"{self.others_ms:.1f}" if self.others_ms else "-"
        cells = (
            self.doors,
            f"{self.register_ms:.1f}",
            real,
            others,
            self.lost,
            f"{self.cpu_s:.2f}",
            f"{self.memory_mb:.0f}",
        )
        return f"| {' | '.join(map(str, cells))} |"


HEAD = (
    "| doors | REGISTER ms | real doors: press to ringing ms, median (most) | simulated: INVITE to ringing ms, mean "
    "| calls lost | CPU of the service s | memory of the service MB |\n| --- | --- | --- | --- | --- | --- | --- |"
)


class Fleet:
    """The simulated part: sipp, once for the registrations, once for the calls, once for all the phones."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder / f"fleet-{size}", size
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"d{n:03};[authentication username=d{n:03} password={WORD}]" for n in range(size)]
        (self.folder / "doors.csv").write_text("\n".join(["SEQUENTIAL", *lines, ""]))
        steps = (script.receive("INVITE"), script.answer(180), script.wait(0.5), script.answer(200, sdp=script.audio()))
        phone = script.phone(*steps, script.receive("ACK"), script.receive("BYE", seconds=60), script.answer(200))
        self.phones = self._sipp("phones", phone, PHONES_IP, [])

    def register(self) -> tuple[float, int]:
        """Register all of them; return how long one took on average, in milliseconds, and how many failed."""
        lines = [f"REGISTER sip:{IP} SIP/2.0", "Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]"]
        lines += [f"From: <sip:[field0]@{IP}>;tag=[call_number]", f"To: <sip:[field0]@{IP}>", "Call-ID: [call_id]"]
        rest = ["Max-Forwards: 70", "Contact: <sip:[field0]@[local_ip]:[local_port]>", "Expires: 300"]
        first = "\n".join([*lines, "CSeq: 1 REGISTER", *rest, "Content-Length: 0", ""])
        second = "\n".join([*lines, "CSeq: 2 REGISTER", *rest, "[field1]", "Content-Length: 0", ""])
        return self._all("register", REGISTER.format(first=first, second=second), rate=self.size / BACK_S, seconds=30)

    def press(self) -> Process:
        """Begin to press all their buttons, evenly within the time."""
        ends = (script.expect(200), script.ask("ACK"), script.wait(TALK_S), script.ask("BYE"), script.expect(200))
        calls = script.caller(*ends, user="[field0]", login="[field1]", sdp=script.audio())
        # From the first INVITE to the first sign of ringing.
        calls = calls.replace('<send retrans="500">', '<send retrans="500" start_rtd="1">', 1)
        calls = calls.replace(
            '<recv response="180" optional="true"/>', '<recv response="180" optional="true" rtd="1"/>', 1
        )
        return self._sipp("press", calls, DOORS_IP, self._many(self.size / WITHIN_S))

    def result(self, name: str) -> tuple[float, int]:
        """Return what sipp counted at its end: the mean of the response time in milliseconds, calls that failed."""
        with (self.folder / f"{name}.csv").open() as file:
            last = list(csv.DictReader(file, delimiter=";"))[-1]
        hours, minutes, seconds, micros = map(int, last["ResponseTime1(C)"].split(":"))
        lost = self.size - int(last["SuccessfulCall(C)"])
        return 1000 * (3600 * hours + 60 * minutes + seconds) + micros / 1000, lost

    def _all(self, name: str, xml: str, rate: float, seconds: float) -> tuple[float, int]:
        self._sipp(name, xml, DOORS_IP, self._many(rate)).wait(seconds)
        return self.result(name)

    def _many(self, rate: float) -> list[str]:
        return [
            "-m",
            str(self.size),
            "-r",
            f"{round(10 * rate)}",
            "-rp",
            "10000",
            "-inf",
            str(self.folder / "doors.csv"),
        ]

    def _sipp(self, name: str, xml: str, ip: str, more: Sequence[str]) -> Process:
        scenario = self.folder / f"{name}.xml"
        scenario.write_text(xml)
        command: list[str | Path] = [
            "sipp",
            "-sf",
            scenario,
            "-i",
            ip,
            "-p",
            "5060",
            "-mi",
            ip,
            "-s",
            "hall",
            "-nostdin",
        ]
        command += ["-t", "u1", "-l", "400", "-timeout", "90", *more]
        command += ["-trace_err", "-error_file", self.folder / f"{name}.errors"]
        if more:
            command += ["-trace_stat", "-fd", "1", "-stf", self.folder / f"{name}.csv", IP]
        return start(f"{name}-{self.size}", command, self.folder, {"TERM": "dumb"}, cwd=self.folder)


def play(folder: Path, size: int) -> Run:
    """Bring a fleet up, press every button once, and measure."""
    from lab.house import House
    from lab.kamailio import Kamailio

    simulated = size - REAL
    users = {f"real{n}": WORD for n in range(REAL)} | {f"d{n:03}": WORD for n in range(max(simulated, 0))}
    house = House(folder / f"house-{size}")
    service = Kamailio(folder / f"service-{size}", IP, users, static={"hall": f"sip:hall@{PHONES_IP}:5060"})
    fleet = Fleet(folder, simulated)
    doors = {}
    for n in range(REAL):
        door = house.door(registrar=IP, target="hall", talk_s=2, warn_s=1, edit=partial(_named, f"real{n}"))
        # They share a journal: each one's records bear its own start in their visit's name.
        doors[str(door.records("started")[-1]["INTERCOM_BOOT"])] = door
    try:
        registered = fleet.register() if simulated else (0.0, 0)
        if not simulated:
            registered = (
                statistics.mean(float(door.await_record("line-up")["INTERCOM_TOOK_MS"]) for door in doors.values()),
                0,
            )
        before = _cpu_s(service.running().pid)
        calls = fleet.press() if simulated else None
        for door in doors.values():
            time.sleep(WITHIN_S / (REAL + 1))  # the others press meanwhile
            door.press()
        ringing, lost = [], registered[1]
        for boot, door in doors.items():
            visit = door.await_visit(30, visit=f"{boot}-1")
            ringing.append(visit.timeline["ringing"])
            lost += visit.outcome != "talked"
        others = 0.0
        if calls is not None:
            calls.wait(60)
            others, failed = fleet.result("press")
            lost += failed
        cpu, memory = _cpu_s(service.running().pid) - before, _memory_mb(service.running().pid)
        return Run(size, registered[0], ringing, others, lost, cpu, memory)
    finally:
        for door in doors.values():
            door.stop()
        fleet.phones.stop()
        service.stop()
        house.close()


def _named(user: str, configuration: str) -> str:
    return configuration.replace('"door"', f'"{user}"')


def _processes(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def _cpu_s(pid: int) -> float:
    """Return the processor time that a process and its children have used, in seconds."""
    ticks = 0
    for one in _processes(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    """Return their memory, what they share counted once (PSS), in megabytes."""
    total = 0
    for one in _processes(pid):
        rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
        total += int(rollup.partition("\nPss:")[2].split()[0])
    return total / 1024


def main(arguments: Sequence[str]) -> int:
    """Play the sizes, and print the table. Returns 1 when a call was lost."""
    parser = argparse.ArgumentParser(prog="./setup.sh bench fleet", description=__doc__.partition("\n\n")[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, metavar="DOORS", help="default: 4 50 100 200")
    sizes = parser.parse_args(arguments).sizes
    namespace.enter()
    lost = 0
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        for size in sizes:
            try:
                run = play(Path(folder), size)
            except LabError as error:
                print(f"{size} doors: {error}", file=sys.stderr)
                return 1
            print(run.row(), flush=True)
            lost += run.lost
    return 1 if lost else 0


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]
    sys.exit(main(sys.argv[1:]))
