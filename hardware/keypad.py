# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws keypad.svg: a matrix of keys, and a reader with Wiegand wires."""

from collections.abc import Mapping

from picture import COLOURS, INK, PAPER, Picture

WIDTH, HEIGHT = 1200, 760
ROW, COLUMN, RED, GROUND = COLOURS["button"], COLOURS["sensor"], COLOURS["power"], COLOURS["ground"]
KEYS = ("123", "456", "789", "*0#")
TOP, PITCH, LEFT = 130, 84, 90
PINS_X = 450

Places = Mapping[str, tuple[str, int]]
"""What is wired -> the pin's name, and its place on the header."""


def draw_keypad(places: Places) -> str:
    """Return the picture."""
    picture = Picture(WIDTH, HEIGHT, "Wiring of a matrix keypad and of a reader with Wiegand wires")
    picture.box(0, 0, WIDTH, HEIGHT, fill=PAPER, line="none", round_=0)
    _matrix(picture, places)
    _reader(picture, places)
    return picture.done()


def _pin(picture: Picture, places: Places, use: str, x: float, y: float, colour: str) -> None:
    """Draw a pin of the header, its left end at `x`."""
    label, header = places[use]
    picture.box(x, y - 15, x + 90, y + 15, fill=colour, line=colour, round_=6)
    picture.text(x + 45, y + 6, label, size=16, fill=PAPER, bold=True)
    picture.text(x + 100, y + 6, f"pin {header}", size=16, anchor="start")


def _matrix(picture: Picture, places: Places) -> None:
    """Draw the keys: each joins its row with its column."""
    picture.text(300, 44, "Matrix keypad", size=22, bold=True, fill=ROW)
    picture.text(300, 72, "7 wires, no ground, no supply", size=17)
    for number in range(3):
        x, y = LEFT + 110 * number, TOP + PITCH * 4 + 50 * number
        picture.wire(COLUMN, (x, TOP - 30), (x, y), (PINS_X, y))
        _pin(picture, places, f"keypad column {number + 1}", PINS_X, y, COLUMN)
    for number, keys in enumerate(KEYS):
        y = TOP + PITCH * number
        picture.wire(ROW, (LEFT - 40, y + 22), (PINS_X, y + 22))
        _pin(picture, places, f"keypad row {number + 1}", PINS_X, y + 22, ROW)
        for place, key in enumerate(keys):
            x = LEFT + 110 * place
            picture.dot(x, y + 22, ROW, 4)
            picture.box(x - 26, y - 30, x + 26, y + 16, line=INK, thick=2.5)
            picture.text(x, y + 2, key, size=22, bold=True)
    for number, note in enumerate((
        "The resistors inside the Pi pull rows and columns up.",
        "A key pulls its column down while its row is driven low;",
        "the other rows float, so two keys at once short nothing.",
        "Look which wire is which: their order differs by maker.",
    )):  # fmt: skip
        picture.text(50, 636 + 28 * number, note, size=17, anchor="start")


def _reader(picture: Picture, places: Places) -> None:
    """Draw the reader, its supply and what keeps 5 V away from the Pi."""
    picture.text(920, 44, "Reader with Wiegand wires", size=22, bold=True, fill=COLUMN)
    picture.text(920, 72, "cards (26 or 34 bits), keys (4 or 8 bits)", size=17)
    picture.box(660, 120, 800, 470, fill="#f8fafc", line=INK, thick=3)
    picture.text(730, 300, "Reader", size=20, bold=True)
    for y, name in ((170, "D0"), (260, "D1"), (350, "GND"), (430, "+12 V")):
        picture.terminal(800, y)
        picture.text(786, y + 6, name, size=16, anchor="end")
    for use, y in (("reader data 0", 170), ("reader data 1", 260)):
        picture.wire(COLUMN, (800, y), (1010, y))
        picture.box(876, y - 34, 944, y + 34, line="#a16207", fill="#fefce8", dash="6 4", thick=2.5, round_=4)
        picture.text(910, y - 8, "level", size=15, fill="#854d0e")
        picture.text(910, y + 20, "5 → 3.3", size=15, fill="#854d0e")
        _pin(picture, places, use, 1010, y, COLUMN)
    picture.wire(GROUND, (800, 350), (1010, 350))
    _pin(picture, places, "reader ground", 1010, 350, GROUND)
    picture.wire(RED, (800, 430), (960, 430))
    picture.text(972, 436, "supply, its own fuse", size=16, anchor="start")
    for number, note in enumerate((
        "Level: where the reader drives 5 V, a converter, or 1 kΩ in",
        "series and 2 kΩ to ground behind it. Open collectors need",
        "none: the resistors inside the Pi pull them up to 3.3 V.",
        "A wire that stays low is told as stuck or cut off.",
        "Without supply the reader is dead; phone, keypad and exit",
        "button still open.",
    )):  # fmt: skip
        picture.text(640, 520 + 28 * number, note, size=17, anchor="start")
    note = "These wires can be tapped, and played again: not for a bank."
    picture.text(640, 706, note, size=17, anchor="start", fill="#991b1b")
