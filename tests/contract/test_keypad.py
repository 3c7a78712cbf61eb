# SPDX-License-Identifier: GPL-2.0-or-later
"""Keypads and readers at the door, on mock pins that are wired as real ones are."""

import contextlib
import queue
import threading
from collections.abc import Iterator

import pytest
from gpiozero.pins.mock import MockFactory, MockPin
from panel_rigs import mock_pins

from intercom.adapters.keypad import LONGEST, MatrixKeypad, WiegandReader, decoded
from intercom.core.events import BadgeRead, ConditionBegan, ConditionEnded, Event, KeypadDigit
from intercom.errors import HardwareError

ROWS, COLUMNS = ("5", "6", "13", "19"), ("12", "20", "21")
KEYS = ["123", "456", "789", "*0#"]
AWAIT_S = 5.0


class Matrix:
    """Fingers on a matrix of keys: a column is low while a key joins it with a row that is driven low."""

    def __init__(self, factory: MockFactory) -> None:
        self.down: set[str] = set()
        self.rows = [factory.pin(f"GPIO{pin}", pin_class=MockPin) for pin in ROWS]
        matrix = self

        class Column(MockPin):  # type: ignore[misc]
            place = 0

            def _get_state(self) -> int:
                low = any(
                    row.function == "output" and not row.state and keys[self.place] in matrix.down
                    for row, keys in zip(matrix.rows, KEYS, strict=True)
                )
                return 0 if low else 1

        self.columns = [factory.pin(f"GPIO{pin}", pin_class=Column) for pin in COLUMNS]
        for place, column in enumerate(self.columns):
            column.place = place

    def hold(self, *keys: str) -> None:
        """Hold these keys and no others; gpiozero hears of it as of an edge."""
        self.down = set(keys)
        for column in self.columns:
            low = any(keys[column.place] in self.down for keys in KEYS)
            (column.drive_low if low else column.drive_high)()


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    with mock_pins() as factory:
        yield factory


@pytest.fixture
def posted() -> "queue.Queue[Event]":
    return queue.Queue()


def keyed(matrix: Matrix, posted: "queue.Queue[Event]", key: str) -> Event:
    matrix.hold(key)
    event = posted.get(timeout=AWAIT_S)
    matrix.hold()
    return event


def test_every_key_is_told_once_by_its_print(factory: MockFactory, posted: "queue.Queue[Event]") -> None:
    """However long it is held, and though its contact bounces."""
    matrix = Matrix(factory)
    pad = MatrixKeypad("front", ROWS, COLUMNS, posted.put, stuck_s=60)
    told = []
    for key in "".join(KEYS):
        told.append(keyed(matrix, posted, key))
        threading.Event().wait(0.08)  # a finger's time between two keys
    pad.close()

    assert told == [KeypadDigit("front", key) for key in "".join(KEYS)]
    assert posted.empty()


def test_rows_are_never_driven_against_each_other(factory: MockFactory, posted: "queue.Queue[Event]") -> None:
    """Two keys of a column join two rows: both low, or one of them floating; and neither key counts."""
    matrix = Matrix(factory)
    pad = MatrixKeypad("front", ROWS, COLUMNS, posted.put, stuck_s=60)
    matrix.hold("1", "4")
    threading.Event().wait(0.1)
    matrix.hold()
    told = keyed(matrix, posted, "9")
    pad.close()

    assert told == KeypadDigit("front", "9")
    assert not any(state.state for row in matrix.rows for state in row.states if row.function == "output")


def test_a_key_that_sticks_is_told_and_its_release_too(factory: MockFactory, posted: "queue.Queue[Event]") -> None:
    """Chewing gum is a classic."""
    matrix = Matrix(factory)
    pad = MatrixKeypad("front", ROWS, COLUMNS, posted.put, stuck_s=0.05)
    matrix.hold("5")
    told = [posted.get(timeout=AWAIT_S) for _ in range(2)]
    matrix.hold()
    told.append(posted.get(timeout=AWAIT_S))
    pad.close()

    assert told == [
        KeypadDigit("front", "5"),
        ConditionBegan("keypad front", "a key is held down: stuck?"),
        ConditionEnded("keypad front"),
    ]


def test_a_keypad_at_rest_is_not_scanned(factory: MockFactory, posted: "queue.Queue[Event]") -> None:
    """It costs nothing while nobody touches it, and its thread ends with it."""
    matrix = Matrix(factory)
    before = threading.active_count()
    pad = MatrixKeypad("front", ROWS, COLUMNS, posted.put, stuck_s=60)
    threading.Event().wait(0.2)
    scanned = [len(row.states) for row in matrix.rows]
    threading.Event().wait(0.2)
    still = [len(row.states) for row in matrix.rows]
    pad.close()

    assert still == scanned
    assert threading.active_count() == before


def parity(number: int, bits: int) -> str:
    body = f"{number:0{bits}b}"
    half = bits // 2
    return str(body[:half].count("1") % 2) + body + str((body[half:].count("1") + 1) % 2)


def send(factory: MockFactory, bits: str) -> None:
    """Send a message as a reader does: a pulse for each bit, on the one wire or on the other."""
    for bit in bits:
        pin = factory.pin("GPIO9" if bit == "0" else "GPIO10")
        pin.drive_low()
        pin.drive_high()


@pytest.mark.parametrize(
    ("bits", "told"),
    [
        ("0101", KeypadDigit("side", "5")),
        ("10100101", KeypadDigit("side", "5")),
        ("1010", KeypadDigit("side", "*")),
        ("1011", KeypadDigit("side", "#")),
        (parity(12345678, 24), BadgeRead("side", "12345678")),
        (parity(4123456789, 32), BadgeRead("side", "4123456789")),
    ],
)
def test_a_wiegand_message_is_a_key_or_a_card(
    factory: MockFactory, posted: "queue.Queue[Event]", bits: str, told: Event
) -> None:
    """The four layouts that readers are sold with."""
    reader = WiegandReader("side", "9", "10", posted.put)
    send(factory, bits)
    got = posted.get(timeout=AWAIT_S)
    reader.close()

    assert got == told


@pytest.mark.parametrize(
    "bits", ["", "1", "111", "1100", "1111000", "00000000", "1" * 25, parity(1, 24)[:-1] + "1", "0" * 26, "1" * 99]
)
def test_noise_is_no_message(bits: str) -> None:
    """A spike, a message cut short, a parity that is wrong: nobody has keyed anything."""
    if bits == parity(1, 24):
        bits = parity(1, 24)[:-1] + "0"

    assert decoded(bits) is None


def test_a_data_wire_that_is_held_low_is_told(factory: MockFactory, posted: "queue.Queue[Event]") -> None:
    """Cut off and bridged, or without supply."""
    reader = WiegandReader("side", "9", "10", posted.put)
    factory.pin("GPIO9").drive_low()
    began = posted.get(timeout=AWAIT_S)
    factory.pin("GPIO9").drive_high()
    ended = posted.get(timeout=AWAIT_S)
    reader.close()

    assert began == ConditionBegan("keypad side", "a data wire is held low: stuck, or cut off?")
    assert ended == ConditionEnded("keypad side")


def test_a_line_that_never_pauses_is_bounded_and_told(factory: MockFactory, posted: "queue.Queue[Event]") -> None:
    """Hum on a wire, or somebody who feeds it 100 kHz: no memory grows, and a card counts again afterwards."""
    reader = WiegandReader("side", "9", "10", posted.put)
    zero, one = (factory.pin(pin) for pin in (9, 10))
    told: Event | None = None
    most = 0
    while told is None:
        for _ in range(100):
            zero.drive_low()
            zero.drive_high()
        most = max(most, len(reader._bits))
        with contextlib.suppress(queue.Empty):
            told = posted.get_nowait()
    ended = posted.get(timeout=AWAIT_S)
    for bit in parity(4711, 24):
        (one if bit == "1" else zero).drive_low()
        (one if bit == "1" else zero).drive_high()
    card = posted.get(timeout=AWAIT_S)
    reader.close()

    assert told == ConditionBegan("keypad side", "the data wires are never at rest: hum, or a loose wire?")
    assert ended == ConditionEnded("keypad side")
    assert most <= LONGEST + 1
    assert card == BadgeRead("side", "4711")


def test_a_pin_that_cannot_be_had_is_told_with_who_wants_it(factory: MockFactory) -> None:
    """And the others are given back."""
    with pytest.raises(HardwareError, match=r"^keypad 'side': pin 99 cannot be had"):
        WiegandReader("side", "9", "99", lambda _: None)
    WiegandReader("side", "9", "10", lambda _: None).close()
