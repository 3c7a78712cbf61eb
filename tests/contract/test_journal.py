# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal: every record arrives whole and in order, and nothing that goes wrong with it reaches the door.

The real one needs a journald of its own, which tests/run.py's private /run makes possible.
"""

import contextlib
import io
import json
import os
import signal
import time
from collections.abc import Iterator
from itertools import count
from typing import Any, Protocol

import pytest
from fakes import FakeJournal

from intercom.adapters.systemd.journal import SOCKET, Journal, StderrJournal, read_visits
from intercom.adapters.systemd.records import TABLE, Priority
from intercom.core.commands import Kind, Report

_numbers = count()
TIMELINE = {"accepted": 0.0, "sent": 12.5, "ended": 2250.125}


def fresh_visit() -> str:
    """A name that no other record of this machine carries."""
    return f"test-{os.getpid()}-{next(_numbers)}"


class Kept(Protocol):
    """A journal under test, and what it keeps of one visit."""

    journal: Any

    def told(self, visit: str, number: int) -> list[dict[str, Any]]:
        """The first `number` records of a visit: kind, and fields as text, lower case."""


class KeptByFake:
    """The fake."""

    def __init__(self) -> None:
        self.journal = FakeJournal()

    def told(self, visit: str, number: int) -> list[dict[str, Any]]:
        reports = [report for report in self.journal.reports if report.fields.get("visit") == visit]
        return [
            {"kind": report.kind.value, **{name: str(value) for name, value in report.fields.items()}}
            for report in reports[:number]
        ]


class KeptByJournald:
    """The real one, read back through journald's own files."""

    def __init__(self, journald: Any) -> None:
        self.journald = journald
        self.journal = Journal()

    def entries(self, visit: str, number: int) -> list[dict[str, Any]]:
        """The whole entries, as journald has them."""
        from lab.processes import wait_until

        found: list[dict[str, Any]] = []

        def enough() -> bool:
            found[:] = self.journald.records(INTERCOM_VISIT=visit)
            return len(found) >= number

        wait_until(enough, 5, f"{number} records of {visit}")
        return found

    def told(self, visit: str, number: int) -> list[dict[str, Any]]:
        return [
            {name.removeprefix("INTERCOM_").lower(): value for name, value in entry.items() if name.startswith("INT")}
            for entry in self.entries(visit, number)
        ]


@pytest.fixture(scope="module")
def journald(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A journald that is ours alone."""
    if os.environ.get("INTERCOM_LAB") != "ready":
        pytest.skip("no private /run for a journald of our own: run ./setup.sh test as root")
    from lab.journal import Journald

    if SOCKET.exists():
        pytest.skip(f"{SOCKET} belongs to another journald of this test run")
    own = Journald(tmp_path_factory.mktemp("journald"))
    yield own
    own.stop()


@pytest.fixture
def real(journald: Any) -> KeptByJournald:
    return KeptByJournald(journald)


@pytest.fixture(params=["fake", "real"])
def kept(request: pytest.FixtureRequest) -> Kept:
    chosen: Kept = KeptByFake() if request.param == "fake" else request.getfixturevalue("real")
    return chosen


@pytest.fixture
def no_journald() -> None:
    """Only at the beginning of this file: later there is the one of the fixture above."""
    if SOCKET.exists():
        pytest.skip("this machine's own journald would get it")


@pytest.mark.usefixtures("no_journald")
def test_without_journald_records_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A developer's shell has no journald, and one that died must not take the records along."""
    report = Report(Kind.CALL_ENDED, {"visit": "a-1", "target": "201", "code": 486, "reason": ""})
    for journal in (StderrJournal(), Journal()):
        journal.record(report)
    fallback, dead = capsys.readouterr().err.splitlines()

    assert fallback == dead == "call with 201 ended  {visit=a-1 target=201 code=486}"


def test_records_arrive_whole_and_in_order(kept: Kept) -> None:
    """A visit is told by its records, one after another, and by every field of each."""
    visit = fresh_visit()
    kept.journal.record(Report(Kind.PRESS_ACCEPTED, {"visit": visit, "button": "front", "by": "panel"}))
    kept.journal.record(Report(Kind.CALL_ENDED, {"visit": visit, "target": "201", "code": 486, "reason": "Grüße\n2"}))

    assert kept.told(visit, 2) == [
        {"kind": "press-accepted", "visit": visit, "button": "front", "by": "panel"},
        {"kind": "call-ended", "visit": visit, "target": "201", "code": "486", "reason": "Grüße\n2"},
    ]


def test_no_report_is_too_strange(kept: Kept) -> None:
    """What strangers send ends up in fields; the next record must still come."""
    visit = fresh_visit()
    strange: dict[str, Any] = {
        "visit": visit,
        "reason": "a\0b\ud800" + "x" * 100_000,
        "ödd näme=": "1",
        "x" * 99: "2",
        "": "3",
    }
    kept.journal.record(Report(Kind.CALL_REFUSED, strange))
    kept.journal.record(Report(Kind.CARD_CLOSED, {"visit": visit}))

    assert [record["kind"] for record in kept.told(visit, 2)] == ["call-refused", "card-closed"]


def test_a_record_can_be_found_by_its_number_weight_and_fields(real: KeptByJournald) -> None:
    """`journalctl MESSAGE_ID=...`, `-p warning`, `-t intercom` and INTERCOM_VISIT=... are how people look."""
    visit = fresh_visit()
    fields: dict[str, Any] = {"visit": visit, "outcome": "talked", "total_ms": 2250.125, "timeline": TIMELINE}
    real.journal.record(Report(Kind.VISIT_ENDED, fields))
    (entry,) = real.entries(visit, 1)

    assert entry["MESSAGE"] == f"visit {visit} ended: talked after 2250 ms"
    assert entry["MESSAGE_ID"].hex == TABLE[Kind.VISIT_ENDED].message_id
    assert (entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]) == (Priority.NOTICE, "intercom")
    assert {name: value for name, value in entry.items() if name.startswith("INTERCOM_")} == {
        "INTERCOM_KIND": "visit-ended",
        "INTERCOM_VISIT": visit,
        "INTERCOM_OUTCOME": "talked",
        "INTERCOM_TOTAL_MS": "2250.125",
        "INTERCOM_MS_ACCEPTED": "0.0",
        "INTERCOM_MS_SENT": "12.5",
        "INTERCOM_MS_ENDED": "2250.125",
        "INTERCOM_TIMELINE": json.dumps(TIMELINE),
    }


def test_visits_are_read_back_as_they_were_reported(real: KeptByJournald) -> None:
    """`intercom visits` shows what happened before the last restart too."""
    began = time.time()
    visits = [fresh_visit(), fresh_visit()]
    reports = [
        Report(Kind.VISIT_ENDED, {"visit": visit, "target": "201", "total_ms": 2.5, "timeline": TIMELINE})
        for visit in visits
    ]
    for report in reports:
        real.journal.record(report)
    real.journal.record(Report(Kind.CARD_CLOSED, {"visit": visits[1]}))
    real.entries(visits[1], 2)
    found = [record for record in read_visits() if record["visit"] in visits]

    assert all(began <= record.pop("at") <= time.time() for record in found)
    assert found == [dict(report.fields) for report in reversed(reports)]
    assert [record["visit"] for record in read_visits("1h") if record["visit"] in visits] == visits[::-1]
    assert list(read_visits(time.strftime("%Y-%m-%d", time.localtime(time.time() + 86400)))) == []
    with pytest.raises(ValueError, match="no such moment"):
        list(read_visits("soon"))


def test_a_line_that_is_no_record_is_kept_with_its_weight(real: KeptByJournald) -> None:
    """Noise of libraries belongs into the journal too, but not among the records."""
    text = f"noise of {fresh_visit()}"
    real.journal.log(Priority.DEBUG, text)
    entry = real.journald.await_record(lambda record: record.get("MESSAGE") == text, 5, SYSLOG_IDENTIFIER="intercom")

    assert entry["PRIORITY"] == Priority.DEBUG
    assert "INTERCOM_KIND" not in entry


def test_a_journald_that_hangs_costs_neither_time_nor_records(real: KeptByJournald) -> None:
    """The library would wait for ever, with Python's only lock: a door that hangs because its diary does."""
    visit = fresh_visit()
    real.journald.process.popen.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        for number in range(300):
            real.journal.record(Report(Kind.CODE_WRONG, {"visit": visit, "left": number}))
        took_s = time.monotonic() - began
    finally:
        real.journald.process.popen.send_signal(signal.SIGCONT)
    real.journald.await_record(lambda record: record.get("INTERCOM_VISIT") == visit, 5)
    real.journal.record(Report(Kind.CODE_WRONG, {"visit": visit, "left": 300}))
    # What was kept goes out with the next records, as fast as journald reads.
    deadline = time.monotonic() + 5
    while len(real.entries(visit, 1)) < 301 and time.monotonic() < deadline:
        real.journal.record(Report(Kind.CARD_CLOSED))

    assert took_s < 1
    assert [record["left"] for record in real.told(visit, 301)] == [str(number) for number in range(301)]


def test_standard_error_gets_one_line_for_one_record() -> None:
    """Whatever is in it, so that a stranger cannot forge a second one."""
    stream = io.StringIO()
    journal = StderrJournal(stream)
    journal.record(Report(Kind.CALL_REFUSED, {"caller": "x\nvisit 1 ended", "timeline": TIMELINE}))

    assert stream.getvalue() == (
        "call from x\ufffdvisit 1 ended refused  "
        '{caller=x\ufffdvisit 1 ended timeline={"accepted": 0.0, "sent": 12.5, "ended": 2250.125}}\n'
    )


def test_a_broken_standard_error_hurts_nobody() -> None:
    """The terminal it belonged to may be long gone."""
    reader, writer = os.pipe()
    os.close(reader)
    gone, closed = os.fdopen(writer, "w"), io.StringIO()
    closed.close()
    for stream in (gone, closed):
        journal = StderrJournal(stream)
        journal.record(Report(Kind.STARTED, {"boot": "a"}))
        journal.log(Priority.ERROR, "still here")
    with contextlib.suppress(BrokenPipeError):
        gone.close()


def test_the_visits_command_shows_what_journald_keeps(real: KeptByJournald, capsys: pytest.CaptureFixture[str]) -> None:
    """Also while the daemon does not run."""
    from intercom.__main__ import main

    visit = fresh_visit()
    real.journal.record(Report(Kind.VISIT_ENDED, {"visit": visit, "target": "0201", "timeline": TIMELINE}))
    real.entries(visit, 1)
    status = main(["visits", "--json", "-n", "1", "--socket", "/nonexistent"])
    (record,) = json.loads(capsys.readouterr().out)

    assert (status, record["visit"], record["target"], record["timeline"]) == (0, visit, "0201", TIMELINE)
