# SPDX-License-Identifier: GPL-2.0-or-later
"""Records: each kind has its number, its sentence and its page in the catalogue."""

import re
import shutil
import subprocess
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.adapters.systemd.conditions import PAGES
from intercom.adapters.systemd.records import TABLE, Priority, sentence
from intercom.core.commands import Kind, Report

CATALOGUE = Path(__file__).parents[2] / "systemd/intercom.catalog"
FIELDS = ("visit", "button", "by", "target", "leg", "account", "caller", "source", "code", "reason", "outcome", "door",
          "code_name", "left", "condition", "detail", "lasted_s", "took_ms", "expires_s", "card", "versions",
          "timeline", "total_ms", "talked_s", "got", "method", "pulse_s", "boot", "contact", "shown", "count",
          "request", "about", "direction", "hearer", "cause", "echo_db", "codec", "sound", "one_way",
          "duplex", "changed", "what", "lasts_s", "trial")  # fmt: skip
VALUES = st.text() | st.integers() | st.floats() | st.dictionaries(st.text(), st.floats(), max_size=2)


def test_every_kind_has_a_number_of_its_own() -> None:
    """A record without a MESSAGE_ID cannot be found; two kinds with one cannot be told apart."""
    numbers = [TABLE[kind].message_id for kind in Kind]

    assert len(set(numbers)) == len(Kind) == len(TABLE)
    assert [UUID(number).hex for number in numbers] == numbers


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (Report(Kind.STARTED, {"boot": "a1b2c3"}), "intercom started, boot a1b2c3"),
        (Report(Kind.STOPPING, {"reason": "SIGTERM"}), "intercom stopping: SIGTERM"),
        (Report(Kind.ENGINE_STARTED, {"versions": "PJSIP 2.17"}), "voice engine ready: PJSIP 2.17"),
        (
            Report(Kind.PRESS_ACCEPTED, {"button": "front", "by": "panel", "visit": "a1-1"}),
            "front pressed (panel): visit a1-1",
        ),
        (Report(Kind.PRESS_ANSWERED, {"button": "front", "got": "still ringing"}), "front pressed: still ringing"),
        (
            Report(Kind.CALL_ARRIVED, {"caller": "201", "account": "home", "source": "192.0.2.1:5060"}),
            "call from 201 through home (192.0.2.1:5060)",
        ),
        (
            Report(Kind.STRANGERS_REFUSED, {"count": 3, "source": "192.0.2.9", "request": "INVITE"}),
            "strangers got no answer, 3 times; the last was 192.0.2.9 with INVITE",
        ),
        (
            Report(Kind.CALL_REFUSED, {"visit": "", "caller": "100", "source": "192.0.2.9:5060", "reason": "no"}),
            "call from 100 (192.0.2.9:5060) refused: no",
        ),
        (Report(Kind.CALL_PLACED, {"target": "201", "account": "home"}), "calling 201 through home"),
        (Report(Kind.CALL_RINGING, {"target": "201"}), "201 rings"),
        (Report(Kind.CALL_ANSWERED, {"target": "201"}), "201 answered"),
        (
            Report(Kind.CALL_ENDED, {"target": "201", "code": 486, "reason": "Busy Here"}),
            "call with 201 ended: 486 Busy Here",
        ),
        (Report(Kind.CODE_WRONG, {"leg": "a1-1.1", "left": 0}), "wrong code on a1-1.1, tries left: 0"),
        (
            Report(Kind.DOOR_RELEASED, {"door": "front", "code_name": "family", "pulse_s": 4.0}),
            "door front released by code family for 4 s",
        ),
        (Report(Kind.DOOR_LOCKED, {"door": "front", "lasted_s": 4.012}), "door front locked after 4.0 s"),
        (
            Report(Kind.VISIT_ENDED, {"visit": "a1-1", "outcome": "talked", "total_ms": 12345.6}),
            "visit a1-1 ended: talked after 12346 ms",
        ),
        (Report(Kind.LINE_UP, {"account": "home", "took_ms": 41.7}), "line home is up, registered in 42 ms"),
        (
            Report(Kind.CONDITION_BEGAN, {"condition": "line home", "detail": "403 Forbidden"}),
            "trouble with line home: 403 Forbidden",
        ),
        (
            Report(Kind.CONDITION_ENDED, {"condition": "line home", "lasted_s": 61.2}),
            "line home is well again after 61 s",
        ),
        (Report(Kind.CARD_OPENED, {"card": "USB"}), "microphone and loudspeaker open: USB"),
        (Report(Kind.CARD_CLOSED), "microphone and loudspeaker closed"),
        (Report(Kind.TRACE_BEGAN, {"by": "uid 0", "lasts_s": 300.0}), "SIP is traced by uid 0, for 300 s at most"),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Report) else "",
)
def test_a_record_reads_as_a_sentence(report: Report, expected: str) -> None:
    """Whoever reads the journal at night should not have to decode it."""
    assert expected == sentence(report)


def test_a_missing_field_costs_its_clause_and_nothing_else() -> None:
    """A record with a hole is better than no record."""
    assert sentence(Report(Kind.VISIT_ENDED)) == "visit ? ended: ?"
    assert sentence(Report(Kind.CALL_ENDED, {"target": "201", "code": 486})) == "call with 201 ended"
    assert sentence(Report(Kind.VISIT_ENDED, {"total_ms": "soon"})) == "visit ? ended: ? after soon ms"


def test_what_a_stranger_sent_stays_on_its_line() -> None:
    """A caller's name may hold line breaks, terminal commands and braces; none of them works."""
    report = Report(Kind.CALL_REFUSED, {"caller": "a\r\nb\x1b[2J{reason}[x]" + "x" * 999, "reason": "no"})

    assert sentence(report).startswith("call from a\ufffd\ufffdb\ufffd[2J{reason}[x]xxx")
    assert sentence(report).endswith("... refused: no")


@given(st.sampled_from(Kind), st.dictionaries(st.sampled_from(FIELDS) | st.text(), VALUES))
def test_any_report_makes_one_line(kind: Kind, fields: dict[str, str | int | float | dict[str, float]]) -> None:
    """The journal is the last place to raise an error in."""
    assert sentence(Report(kind, fields)).isprintable()


def test_trouble_weighs_more_than_news() -> None:
    """`journalctl -p warning` shows what somebody should look at, and nothing else."""
    heavy = {kind for kind, entry in TABLE.items() if entry.priority <= Priority.WARNING}

    refused = {Kind.CALL_REFUSED, Kind.REDIRECT_REFUSED, Kind.TEXT_REFUSED}
    unheard = {Kind.ONE_WAY, Kind.HALF_DUPLEX, Kind.SOUND_LOST, Kind.KEYS_UNREAD}
    at_door = {Kind.CODE_WRONG, Kind.LOCKED_OUT, Kind.DOOR_FORCED, Kind.DOOR_HELD, Kind.TAMPERED}
    at_door |= {Kind.GUESSING}
    assert heavy == refused | unheard | at_door | {Kind.CONDITION_BEGAN, Kind.TEXT_FAILED}


def test_the_catalogue_explains_every_record() -> None:
    """`journalctl -x` has an answer to each of them, with fields that the sentences know."""
    pages = re.split(r"^-- ", CATALOGUE.read_text(), flags=re.MULTILINE)[1:]
    known = {f"INTERCOM_{field.upper()}" for field in FIELDS}

    numbers = [page.split("\n", 1)[0] for page in pages]

    assert [number for number in numbers if number not in PAGES.values()] == [TABLE[kind].message_id for kind in Kind]
    assert [number for number in numbers if number in PAGES.values()] == list(PAGES.values())
    assert {field for page in pages for field in re.findall(r"@(\w+)@", page)} - known == set()
    for page in pages:
        number, subject, definer, empty, *text = page.rstrip().split("\n")
        assert (subject[:9], definer, empty) == ("Subject: ", "Defined-By: intercom", ""), number
        assert text, number


@pytest.mark.skipif(shutil.which("journalctl") is None, reason="no journalctl here")
def test_journalctl_takes_the_catalogue(tmp_path: Path) -> None:
    """A file with a mistake in it is skipped, and nobody would notice."""
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(CATALOGUE, folder)
    database = ["journalctl", f"--root={tmp_path}"]
    subprocess.run([*database, "--update-catalog"], check=True)
    listed = subprocess.run([*database, "--list-catalog"], check=True, capture_output=True, text=True).stdout

    assert sorted(line.split()[0] for line in listed.splitlines()) == sorted(
        [*(entry.message_id for entry in TABLE.values()), *PAGES.values()]
    )
