"""The whole suite: each file in a process and a private world of its own, as many at once as there are cores.

Most of a visit is waiting, so two at once take little more time than one; and no test can be red or green only because
of what another file left behind. One line a file as it ends; the whole output of one that failed.

A file that failed runs once more at the end, with nothing beside it: real peers on a busy machine miss a time limit now
and then. What needed that is told by name, and what is broken fails twice. INTERCOM_SECOND=no: no such second chance.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TOGETHER = ("core", "appliance", "device")
"""Folders of which the files go together: too quick to be worth a process each, or sharing what is slow to make."""
ALONE = ("core/test_walk.py",)
"""Except these."""
SECOND_CHANCES = 6
"""More red files than this are no accident."""
NOTHING_CHOSEN = 5
"""pytest's exit status for a file of which the arguments (-k) chose nothing."""
SLOWEST = 10
"""So many are named at the end, with how much of their time they computed and did not wait."""


@dataclass
class Job:
    """Some files, and what became of them."""

    name: str
    arguments: list[str]
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_s: float = 0.0
    status: int = 0
    output: Path = Path()
    began: float = 0.0
    process: subprocess.Popen[bytes] | None = None
    first: str = ""
    """What went wrong the first time, when this is the second."""


def run(tests: Path, arguments: list[str]) -> int:
    """Run everything under `tests`; `arguments` go to each pytest. Return the exit status of the whole."""
    began = time.monotonic()
    at_once = int(os.environ.get("INTERCOM_JOBS", "0")) or len(os.sched_getaffinity(0))
    times = _Times()
    waiting = sorted(_jobs(tests), key=lambda job: -times.of(job.name))
    print(
        f"{len(waiting)} jobs, {at_once} at once (INTERCOM_JOBS=1: one after the other)",
        flush=True,
    )
    done: list[Job] = []
    with (
        tempfile.TemporaryDirectory(prefix="intercom-") as folder,
        _stopping(running := []),
    ):
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_start(waiting.pop(0), tests, arguments, Path(folder)))
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            for job in [job for job in running if _ended(job)]:
                running.remove(job)
                done.append(job)
                times.note(job.name, job.seconds)
                _show(job, f"{len(done)} of {len(done) + len(running) + len(waiting)}")
        red = [job for job in done if job.status]
        if os.environ.get("INTERCOM_SECOND") != "no" and len(red) <= SECOND_CHANCES:
            for job in red:
                again = Job(f"{job.name}-again", job.arguments, first=_failed(job))
                running.append(_start(again, tests, arguments, Path(folder)))
                assert again.process is not None
                again.process.wait()
                _ended(again)
                running.remove(again)
                _show(again, "a second time")
                done[done.index(job)] = again
    times.keep()
    return _tell(done, time.monotonic() - began)


def _jobs(tests: Path) -> Iterator[Job]:
    """Everything that there is to run."""
    for folder in TOGETHER:
        ignored = [f"--ignore={tests / name}" for name in ALONE if name.startswith(f"{folder}/")]
        yield Job(folder, [str(tests / folder), *ignored])
    for path in sorted(tests.rglob("test_*.py")):
        name = str(path.relative_to(tests))
        if name in ALONE or path.parent.name not in TOGETHER:
            yield Job(name, [str(path)])


def _start(job: Job, tests: Path, arguments: list[str], folder: Path) -> Job:
    stem = job.name.replace("/", "-")
    job.output, report = folder / f"{stem}.log", folder / f"{stem}.xml"
    # A folder of its own, and a short one: pytest keeps the temporary ones of its last three runs, which may be of
    # now; and the names of sockets are short, as are the lines of a terminal.
    command = [sys.executable, str(tests / "run.py"), *job.arguments, *arguments]
    command += [f"--junitxml={report}", f"--basetemp={tempfile.mkdtemp(dir=folder)}", "--color=no"]
    with job.output.open("wb") as output:
        job.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    job.began = time.monotonic()
    return job


def _ended(job: Job) -> bool:
    assert job.process is not None
    before = _computed_s()
    status = job.process.poll()
    if status is None:
        return False
    # The kernel adds a child's time to ours in the moment in which it is taken off its hands.
    job.cpu_s = _computed_s() - before
    job.seconds, job.status = (
        time.monotonic() - job.began,
        0 if status == NOTHING_CHOSEN else status,
    )
    job.counts = _counts(job.output.with_suffix(".xml"))
    return True


def _computed_s() -> float:
    """Seconds of CPU of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _counts(report: Path) -> dict[str, int]:
    with contextlib.suppress(OSError, ET.ParseError):
        suite = ET.parse(report).getroot().find("testsuite")
        if suite is not None:
            total, bad, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "skipped"))
            bad += int(suite.get("errors", 0))
            return {"passed": total - bad - skipped, "failed": bad, "skipped": skipped}
    return {"passed": 0, "failed": 0, "skipped": 0}


def _show(job: Job, place: str) -> None:
    told = ", ".join(f"{count} {word}" for word, count in job.counts.items() if count) or "nothing chosen"
    if job.status:
        print(f"\n{job.output.read_text(errors='replace')}\n", flush=True)
        told += f" (exit status {job.status})"
    print(f"[{place}] {job.name}: {told} in {job.seconds:.0f} s", flush=True)
    if not job.status:
        print(_sections(job.output.read_text(errors="replace")), end="", flush=True)


def _sections(output: str) -> str:
    """The tables that a job printed at its end: what it has seen is worth showing."""
    lines = [line for line in output.splitlines() if line.startswith(("| ", "SKIPPED"))]
    return "".join(f"    {line}\n" for line in lines)


def _failed(job: Job) -> str:
    """The names of the tests that failed, as pytest's summary has them."""
    lines = job.output.read_text(errors="replace").splitlines()
    return "; ".join(line.partition(" ")[2] for line in lines if line.startswith(("FAILED ", "ERROR "))) or "broke off"


def _tell(done: list[Job], seconds: float) -> int:
    red = [job for job in done if job.status]
    # A job that broke off has no report: it failed, whatever it counted.
    broken = sum(not job.counts["failed"] for job in red)
    passed, failed, skipped = (sum(job.counts[word] for job in done) for word in ("passed", "failed", "skipped"))
    print(
        f"\n{len(done)} jobs in {seconds:.0f} s, {sum(job.seconds for job in done):.0f} s one after the other, "
        f"{sum(job.cpu_s for job in done):.0f} s of them computing; the slowest:"
    )
    for job in sorted(done, key=lambda job: -job.seconds)[:SLOWEST]:
        print(f"{job.seconds:6.0f} s, {job.cpu_s:4.0f} s computing: {job.name}")
    for job in done:
        if job.first and not job.status:
            print(f"green only the second time: {job.name}: {job.first}")
    for job in red:
        print(f"red: {job.name}")
    print(f"{passed} passed, {failed + broken} failed, {skipped} skipped", flush=True)
    return 1 if red or not passed else 0


@contextlib.contextmanager
def _stopping(running: list[Job]) -> Iterator[None]:
    """Have whatever runs ended, however this ends."""
    try:
        yield
    finally:
        for job in running:
            if job.process is not None and job.process.poll() is None:
                job.process.terminate()
                job.process.wait()


class _Times:
    """How long each job took last time: the longest goes first, so that none is left over at the end."""

    def __init__(self) -> None:
        self._file = Path(os.environ.get("INTERCOM_TEST_TIMES", "/nonexistent"))
        self._known: dict[str, float] = {}
        with contextlib.suppress(OSError, ValueError):
            self._known = json.loads(self._file.read_text())

    def of(self, name: str) -> float:
        """Seconds; an unknown one may be long."""
        return self._known.get(name, 60.0)

    def note(self, name: str, seconds: float) -> None:
        """Remember."""
        self._known[name] = round(seconds, 1)

    def keep(self) -> None:
        """Write it down, where that can be done."""
        with contextlib.suppress(OSError):
            self._file.write_text(json.dumps(self._known, indent=1, sort_keys=True))
