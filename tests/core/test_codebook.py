# SPDX-License-Identifier: GPL-2.0-or-later
"""What was keyed meets what was configured: plain, hashed, cards, and codes that have ended."""

import queue
import threading
from datetime import datetime

import pytest

from intercom.adapters.code_checker import CodeChecker
from intercom.config.model import Code, Secret
from intercom.core.commands import CheckCode
from intercom.core.events import CodeChecked, Event
from intercom.security import code_hash

MILL = code_hash.ScryptParams(b"0123456789abcdef", work=10)


def code(key: str, secret: str, expires: datetime | None = None) -> Code:
    return Code(key, Secret(secret), ("front",), expires=expires)


def hashed(key: str, secret: str, mill: code_hash.ScryptParams = MILL) -> Code:
    return code(key, str(code_hash.hashed(secret, mill)))


CODES = [
    code("plain", "4711"),
    hashed("hash", "5711"),
    hashed("long", "123456"),
    hashed("card", "card 0012345"),
    hashed("salted", "8888", code_hash.ScryptParams(b"another salt here"[:16], work=10)),
]


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("4711", "plain"),
        ("5711", "hash"),
        ("123456", "long"),
        ("8888", "salted"),
        ("card 0012345", "card"),
        ("0012345", ""),
        ("card 4711", ""),
        ("4712", ""),
        ("57110", ""),
        ("", ""),
    ],
)
def test_an_entry_is_the_code_that_it_is(entry: str, found: str) -> None:
    """And a card's number keyed by hand is none."""
    book = CodeChecker(CODES, lambda _: None, clock_known=lambda: True)

    assert book.find(entry) == found
    book.close()


def test_one_run_serves_all_codes_of_a_salt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty codes are as quick as one."""
    runs: list[bytes] = []
    scrypt = code_hash.hashlib.scrypt
    book = CodeChecker(
        [hashed(f"c{place}", f"{place:04}") for place in range(20)], lambda _: None, clock_known=lambda: True
    )
    monkeypatch.setattr(code_hash.hashlib, "scrypt", lambda *a, **k: runs.append(k["salt"]) or scrypt(*a, **k))

    assert book.find("0019") == "c19"
    assert len(runs) == 1
    book.close()


def test_hashing_is_another_thread_s_work() -> None:
    """The loop that the strike and the watchdog hang on goes on meanwhile."""
    posted: queue.Queue[tuple[Event, int]] = queue.Queue()
    book = CodeChecker(CODES, lambda event: posted.put((event, threading.get_ident())), clock_known=lambda: True)
    book.check(CheckCode(7, "5711"))
    event, thread = posted.get(timeout=10)
    book.close()

    assert event == CodeChecked(7, "hash")
    assert thread != threading.get_ident()


@pytest.mark.parametrize(
    ("clock_known", "now", "expired"),
    [
        (True, datetime.fromisoformat("2026-06-30 23:59"), False),
        (True, datetime.fromisoformat("2026-07-01 00:00"), True),
        (False, datetime.fromisoformat("2026-01-01 00:00"), True),
    ],
)
def test_a_code_ends_with_its_last_minute_or_while_the_clock_is_not_set(
    clock_known: bool, now: datetime, expired: bool
) -> None:
    """A Pi without a battery wakes up in the past, where every code still counts."""
    posted: list[Event] = []
    codes = [code("guest", "4711", datetime.fromisoformat("2026-07-01 00:00")), code("family", "4712")]
    book = CodeChecker(codes, posted.append, clock_known=lambda: clock_known, now=now.timestamp)
    book.check(CheckCode(1, "4711"))
    book.check(CheckCode(2, "4712"))
    book.check(CheckCode(3, "4713"))
    book.close()

    assert posted == [CodeChecked(1, "guest", expired), CodeChecked(2, "family"), CodeChecked(3, "")]


@pytest.mark.parametrize(
    ("ends", "before", "after"),
    [
        ("2026-10-25 02:30", "2026-10-25 00:29", ("2026-10-25 00:30", "2026-10-25 01:15", "2026-10-25 02:00")),
        ("2026-03-29 02:30", "2026-03-29 00:59", ("2026-03-29 01:00", "2026-03-29 01:30")),
    ],
    ids=["the hour comes twice", "the hour never comes"],
)
def test_a_code_that_has_ended_does_not_come_back_with_the_hour(
    monkeypatch: pytest.MonkeyPatch, ends: str, before: str, after: tuple[str, ...]
) -> None:
    """Summer time ends, and the clock on the wall shows 02:15 once more. `before` and `after` are UTC."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    posted: list[Event] = []
    for moment in (before, *after):
        now = datetime.fromisoformat(f"{moment}+00:00").timestamp
        codes = [code("guest", "4711", datetime.fromisoformat(ends))]
        book = CodeChecker(codes, posted.append, clock_known=lambda: True, now=now)
        book.check(CheckCode(1, "4711"))
        book.close()

    assert posted == [CodeChecked(1, "guest", is_over) for is_over in (False, *(True for _ in after))]


def test_a_comparison_that_fails_is_a_wrong_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An entry without an answer would wait for ever; and the complaint tells no digits."""
    posted: list[Event] = []
    book = CodeChecker([code("plain", "4711")], posted.append, clock_known=lambda: True)
    monkeypatch.setattr(book, "find", lambda _: 1 / 0)
    book.check(CheckCode(1, "4711"))
    book.close()

    assert posted == [CodeChecked(1, "")]
    assert "4711" not in capsys.readouterr().err


def test_a_hash_is_read_as_it_was_written_and_nothing_else_is() -> None:
    """A hash of another make is refused when the file is read, not when somebody stands at the door."""
    made = code_hash.hashed("123456", MILL)
    text = str(made)

    assert code_hash.parse(text) == made
    assert "123456" not in text
    for bad in ("", "4711", text[:-1], text + "A", text.replace("keys=6", "keys=1"), text.replace("ln=10", "ln=9"),
                text.replace("r=8", "r=99"), text.replace("ln=10", "ln=16"), text.replace("$", "%")):  # fmt: skip
        assert code_hash.parse(bad) is None


def test_digits_show_in_no_order_and_no_event() -> None:
    """asyncio prints what a callback was given when it fails."""
    from intercom.core.door_state import CodeEntry
    from intercom.core.events import BadgeRead, DigitReceived, KeypadDigit

    told = [CheckCode(1, "4711"), DigitReceived("a", "4711", "x"), KeypadDigit("a", "4711"), BadgeRead("a", "4711"),
            CodeEntry("a", "b", digits="4711", waiting="4711")]  # fmt: skip

    assert "4711" not in repr(told)
