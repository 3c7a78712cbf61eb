#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws wiring.svg, door.svg and keypad.svg, and writes the tables of README.md, from pins.toml and boards.toml.

python hardware/draw.py            writes them
python hardware/draw.py --check    says what is stale, and fails when something is
"""

import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from door import draw_door
from keypad import draw_keypad
from picture import COLOURS, INK, PAPER, Picture

HERE = Path(__file__).parent
TABLE = HERE / "pins.toml"
BOARDS = HERE / "boards.toml"
README = HERE / "README.md"
PICTURE = HERE / "wiring.svg"
DOOR = HERE / "door.svg"
KEYPAD = HERE / "keypad.svg"

GROUNDS = frozenset({6, 9, 14, 20, 25, 30, 34, 39})
"""Places on the header that carry ground, 3.3 V, 5 V."""
POWER_3V3 = frozenset({1, 17})
POWER_5V = frozenset({2, 4})
PULLED_UP_AT_RESET = range(9)
"""BCM2835 ARM Peripherals, section 6.2: GPIO 0 to 8 are pulled up at reset, 9 to 27 down."""


@dataclass(frozen=True)
class Pin:
    """One row of pins.toml."""

    use: str
    header: int
    direction: str
    note: str
    bcm: int | None = None
    safe: str = ""
    setting: str = ""
    listed: str = ""
    """The setting, where that is a list."""
    sheet: str = "wiring"
    """The drawing that shows it: "wiring", "door" or "keypad"."""

    @property
    def at_reset(self) -> str:
        """What the resistor inside the Pi does before anybody has said anything."""
        if self.bcm is None:
            return ""
        return "pulled up" if self.bcm in PULLED_UP_AT_RESET else "pulled down"

    @property
    def label(self) -> str:
        """Its name on the board."""
        if self.bcm is not None:
            return f"GPIO{self.bcm}"
        return "GND" if self.direction == "ground" else "5 V"


def pins() -> list[Pin]:
    """Return the table."""
    return [Pin(**row) for row in tomllib.loads(TABLE.read_text())["pin"]]


# ---------------------------------------------------------------------------- README.md


def pin_table(table: Iterable[Pin]) -> str:
    """Return the table of pins in Markdown."""
    rows = [
        "| use | GPIO (BCM) | header pin | direction | at reset | safe level | in the configuration | note |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for pin in table:
        number = "" if pin.bcm is None else str(pin.bcm)
        setting = f"`{pin.setting or pin.listed}`" if pin.setting or pin.listed else ""
        cells = (pin.use, number, str(pin.header), pin.direction, pin.at_reset, pin.safe, setting, pin.note)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def boot_lines(table: Iterable[Pin]) -> str:
    """Return what config.txt has to say. A comment needs a line of its own there."""
    levels = {"low": "dl", "high": "dh"}
    told: list[str] = []
    for pin in table:
        if pin.direction == "out":
            told += [f"# {pin.use}: an output at its safe level", f"gpio={pin.bcm}=op,{levels[pin.safe]}"]
    told += ["# a line whose program died becomes an input again, instead of keeping its level", "dtparam=strict_gpiod"]
    return "\n".join(["```ini", *told, "```"])


def board_table(table: Iterable[Pin]) -> str:
    """Return the sound boards in Markdown; a pin that one takes and that is wired already has to move."""
    ours = {pin.bcm: pin.use for pin in table if pin.bcm is not None and pin.direction != "reserved"}
    rows = ["| board | on it | in config.txt | takes | what has to move |", "| --- | --- | --- | --- | --- |"]
    for board in tomllib.loads(BOARDS.read_text())["board"]:
        taken = {int(number): what for number, what in board["pins"].items()}
        lines = "<br>".join(f"`{line}`" for line in board["overlay"])
        takes = ", ".join(f"{number} ({what})" for number, what in taken.items())
        moves = ", ".join(f"{ours[number]} ({number})" for number in taken if number in ours) or "nothing"
        rows.append(f"| {board['name']} | {board['parts']} | {lines} | {takes} | {moves} |")
    return "\n".join(rows)


def filled(text: str, name: str, content: str) -> str:
    """Return `text` with what stands between the markers of that name replaced."""
    begin, end = f"<!-- {name}: made by draw.py -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{README}: the markers of {name!r} are missing")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def readme() -> str:
    """Return README.md as it has to be."""
    table = pins()
    text = filled(README.read_text(), "pins", pin_table(table))
    text = filled(text, "boards", board_table(table))
    return filled(text, "config.txt", boot_lines(table))


# ---------------------------------------------------------------------------- wiring.svg

WIDTH, HEIGHT = 1200, 1010
TOP, PITCH = 190, 34
ODD_X, EVEN_X = 496, 532
BOARD = (372, 110, 648, 880)
LEFT_CHIP, RIGHT_CHIP = 384, 558
CHIP = 80


def row_y(header: int) -> float:
    """Return how far down a place on the header is."""
    return TOP + PITCH * ((header - 1) // 2)


def draw(table: list[Pin]) -> str:
    """Return the picture."""
    title = "Wiring of a door station: button, lamp, relay, strike, supply and USB sound"
    picture = Picture(WIDTH, HEIGHT, title)
    by_use = {pin.use: pin for pin in table if pin.direction != "reserved" and pin.sheet == "wiring"}
    picture.box(0, 0, WIDTH, HEIGHT, fill=PAPER, line="none", round_=0)
    picture.box(16, 58, 336, HEIGHT - 20, fill="#fff7ed", line="#fdba74", dash="8 6", round_=16)
    picture.box(352, 58, WIDTH - 16, HEIGHT - 20, fill="#eff6ff", line="#93c5fd", dash="8 6", round_=16)
    picture.text(176, 40, "AT THE DOOR", size=20, bold=True, fill="#9a3412")
    picture.text(776, 40, "INSIDE, OUT OF REACH", size=20, bold=True, fill="#1e40af")
    _board(picture, table)
    ends = {use: _chip(picture, pin) for use, pin in by_use.items()}
    for pin in table:
        if pin.direction == "reserved":
            _chip(picture, pin)
    _door_side(picture, ends)
    _relay(picture, ends)
    _supply(picture)
    _strike(picture)
    _sound(picture)
    return picture.done()


def _board(picture: Picture, table: list[Pin]) -> None:
    left, top, right, bottom = BOARD
    picture.box(left, top, right, bottom, fill="#dcfce7", line="#166534", thick=3, round_=16)
    picture.text((left + right) / 2, top + 34, "Raspberry Pi", size=22, bold=True, fill="#14532d")
    picture.text((left + right) / 2, top + 56, "pin 1 is the square one", size=16, fill="#14532d")
    picture.box(ODD_X - 18, TOP - 18, EVEN_X + 18, row_y(40) + 18, fill="#1f2937", line="#111827", round_=6)
    used = {pin.header for pin in table}
    for header in range(1, 41):
        x = ODD_X if header % 2 else EVEN_X
        fill = "#e5e7eb"
        if header in POWER_5V:
            fill = "#fca5a5"
        elif header in POWER_3V3:
            fill = "#fdba74"
        elif header in GROUNDS:
            fill = "#9ca3af"
        y = row_y(header)
        ring = "#facc15" if header in used else "none"
        if header == 1:
            picture.box(x - 13, y - 13, x + 13, y + 13, fill=fill, line=ring, thick=3, round_=2)
        else:
            picture.add(f'<circle cx="{x}" cy="{y:g}" r="13" fill="{fill}" stroke="{ring}" stroke-width="3"/>')
        picture.text(x, y + 5, str(header), size=14, fill="#111827", bold=header in used)


def _chip(picture: Picture, pin: Pin) -> tuple[float, float]:
    """Draw a pin's label beside the header; return where its wire begins.

    What is wired to the left comes from the odd row, all else from the even one; the strike's wire passes between two
    pins to the other side.
    """
    odd, y = pin.header % 2 == 1, row_y(pin.header)
    to_left = odd and pin.use != "strike"
    colour = COLOURS.get(pin.use, COLOURS.get(pin.direction, INK))
    if odd and not to_left:
        picture.wire(colour, (ODD_X + 10, y + 9), (ODD_X + 18, y + PITCH / 2), (RIGHT_CHIP, y + PITCH / 2))
        y += PITCH / 2
    else:
        start = ODD_X - 14 if to_left else EVEN_X + 14
        reserved = pin.direction == "reserved"
        target = LEFT_CHIP + CHIP if to_left else RIGHT_CHIP
        picture.wire(colour, (start, y), (target, y), thick=2 if reserved else 4)
    x = LEFT_CHIP if to_left else RIGHT_CHIP
    if pin.direction == "reserved":
        picture.box(x, y - 13, x + CHIP, y + 13, line=colour, dash="4 3", round_=6)
        picture.text(x + CHIP / 2, y + 6, pin.use, size=16, fill=colour)
    else:
        picture.box(x, y - 13, x + CHIP, y + 13, fill=colour, line=colour, round_=6)
        picture.text(x + CHIP / 2, y + 6, pin.label, size=16, fill=PAPER, bold=True)
    return (x if to_left else x + CHIP), y


def _door_side(picture: Picture, ends: dict[str, tuple[float, float]]) -> None:
    blue, ground, amber = COLOURS["button"], COLOURS["ground"], COLOURS["lamp"]
    ground_y, signal_y = ends["button ground"][1], ends["button"][1]
    middle = (ground_y + signal_y) / 2
    # The button: two contacts and the bridge that the finger closes.
    picture.text(120, middle - 74, "Button", size=20, bold=True, fill=blue)
    picture.add(f'<circle cx="120" cy="{middle:g}" r="58" fill="{PAPER}" stroke="{blue}" stroke-width="4"/>')
    picture.wire(ground, ends["button ground"], (132, ground_y))
    picture.wire(blue, ends["button"], (132, signal_y))
    picture.wire(blue, (96, ground_y - 4), (96, signal_y + 4))
    picture.wire(blue, (96, middle), (76, middle))
    picture.terminal(132, ground_y)
    picture.terminal(132, signal_y)
    picture.text(200, ground_y - 10, "twisted pair", size=16, anchor="start")
    # The lamp: a resistor inside, the diode in the button's ring.
    lamp_y, back_y = ends["lamp"][1], ends["lamp ground"][1]
    picture.wire(amber, ends["lamp"], (120, lamp_y), (120, lamp_y + 58))
    picture.wire(ground, ends["lamp ground"], (120, back_y), (120, lamp_y + 88))
    picture.box(214, lamp_y - 13, 288, lamp_y + 13, line=amber, thick=3, round_=3)
    picture.text(251, lamp_y + 36, "R1  330 Ω", size=17)
    top = lamp_y + 56
    picture.add(f'<polygon points="98,{top:g} 142,{top:g} 120,{top + 34:g}" fill="#fde68a" stroke="{amber}" '
                'stroke-width="3" stroke-linejoin="round"/>')  # fmt: skip
    picture.wire(amber, (98, top + 35), (142, top + 35), thick=4)
    for shift in (0, 14):
        picture.wire(amber, (78, top + 10 + shift), (58, top + shift), thick=3)
    picture.text(160, top + 16, "Lamp", size=20, bold=True, anchor="start", fill=amber)
    picture.text(160, top + 40, "in the button's ring", size=16, anchor="start")


RELAY = (730, 372, 906, 560)


def _relay(picture: Picture, ends: dict[str, tuple[float, float]]) -> None:
    left, top, right, bottom = RELAY
    supply_y, ground_y, signal_y = top + 30, ends["relay ground"][1], ends["strike"][1]
    picture.wire(COLOURS["power"], ends["relay supply"], (694, ends["relay supply"][1]), (694, supply_y),
                 (left, supply_y))  # fmt: skip
    picture.wire(COLOURS["strike"], ends["strike"], (672, signal_y), (672, top + 70), (left, top + 70))
    picture.wire(COLOURS["ground"], ends["relay ground"], (left, ground_y))
    # Keeps the relay off while nobody drives its wire.
    middle = (top + 70 + ground_y) / 2
    picture.wire(INK, (694, top + 70), (694, ground_y), thick=3)
    picture.box(686, middle - 17, 702, middle + 17, line=INK, thick=2.5, round_=3)
    picture.dot(694, top + 70, COLOURS["strike"], 5)
    picture.dot(694, ground_y, COLOURS["ground"], 5)
    picture.text(712, ground_y + 30, "10 kΩ", size=17, anchor="end")
    picture.box(left, top, right, bottom, fill="#f5f3ff", line=COLOURS["strike"], thick=3)
    picture.terminal(left, supply_y, "VCC")
    picture.terminal(left, top + 70, "IN")
    picture.terminal(left, ground_y, "GND")
    picture.terminal(right, top + 42, "COM", side="left")
    picture.terminal(right, top + 84, "NO", side="left")
    picture.terminal(right, top + 126, "NC", side="left")
    picture.text((left + right) / 2, bottom - 32, "Relay module", size=20, bold=True, fill=COLOURS["strike"])
    picture.text((left + right) / 2, bottom - 11, "high = released", size=16)


MINUS_X = 1150
MINUS = "\N{MINUS SIGN}"


def _supply(picture: Picture) -> None:
    red, ground = COLOURS["power"], COLOURS["ground"]
    relay_right, com_y = RELAY[2], RELAY[1] + 42
    # 12 V to the converter, 5 V to the Pi's own power socket.
    picture.wire(red, (986, 136), (906, 136))
    picture.wire(ground, (986, 186), (906, 186))
    picture.wire(red, (730, 136), (704, 136), (704, 88), (430, 88), (430, BOARD[1]))
    picture.box(400, BOARD[1] - 12, 460, BOARD[1] + 10, fill="#d1d5db", line=INK, round_=4)
    picture.text(446, 80, "5 V to the power socket", size=17, anchor="start")
    _fuse(picture, 946, 136, "F2", across=True)
    # 12 V to the relay's contact.
    picture.wire(red, (1040, 220), (1040, 330), (956, 330), (956, com_y), (relay_right, com_y))
    _fuse(picture, 1040, 276, "F1  1 A slow", across=False)
    picture.wire(ground, (MINUS_X, 220), (MINUS_X, 824), (1084, 824))
    picture.box(730, 104, 906, 220, line=INK, thick=3)
    picture.text(818, 150, "Converter", size=20, bold=True)
    picture.text(818, 176, "12 V to 5 V", size=17)
    picture.text(818, 202, "3 A, Pi 5: 5 A", size=17)
    picture.box(986, 104, 1180, 220, line=INK, thick=3)
    picture.text(1086, 150, "Supply", size=20, bold=True)
    picture.text(1086, 176, "12 V DC", size=17)
    for x, y in ((906, 136), (906, 186), (986, 136), (986, 186), (730, 136), (1040, 220), (MINUS_X, 220)):
        picture.terminal(x, y)
    picture.text(1040, 206, "+", size=20, bold=True)
    picture.text(MINUS_X, 206, MINUS, size=20, bold=True)


def _fuse(picture: Picture, x: float, y: float, name: str, *, across: bool) -> None:
    width, height = (22, 10) if across else (10, 22)
    picture.box(x - width, y - height, x + width, y + height, line=COLOURS["power"], thick=3, round_=4)
    if across:
        picture.wire(COLOURS["power"], (x - width, y), (x + width, y), thick=2)
        picture.text(x, y - 18, name, size=17, bold=True)
    else:
        picture.wire(COLOURS["power"], (x, y - height), (x, y + height), thick=2)
        picture.text(x - 20, y + 6, name, size=17, anchor="end", bold=True)


def _strike(picture: Picture) -> None:
    red, ground = COLOURS["power"], COLOURS["ground"]
    no_y = RELAY[1] + 84
    picture.wire(red, (RELAY[2], no_y), (960, no_y), (960, 596))
    picture.wire(red, (960, 690), (960, 784))
    # The limit that does not depend on any program.
    picture.wire(ground, (1084, 643), (MINUS_X, 643))
    picture.dot(MINUS_X, 643, ground)
    picture.box(864, 596, 1084, 690, fill="#fefce8", line="#a16207", dash="8 5", thick=3)
    picture.text(974, 640, "Time-limit relay", size=20, bold=True, fill="#854d0e")
    picture.text(974, 666, "interval, 10 s", size=17)
    picture.terminal(960, 596)
    picture.text(974, 588, "A1 + 15", size=17, anchor="start")
    picture.terminal(960, 690)
    picture.text(948, 712, "18", size=17, anchor="end")
    picture.terminal(1084, 643)
    picture.text(1094, 632, "A2", size=17, anchor="start")
    # The diode: its bar to plus.
    picture.wire(INK, (960, 740), (MINUS_X, 740), thick=3)
    picture.dot(960, 740, red)
    picture.dot(MINUS_X, 740, ground)
    picture.add(f'<polygon points="1072,724 1072,756 1042,740" fill="{INK}"/>')
    picture.wire(INK, (1041, 723), (1041, 757), thick=4)
    picture.text(1030, 726, "D1", size=17, anchor="end", bold=True)
    picture.box(864, 784, 1084, 866, fill="#fef2f2", line=red, thick=3)
    picture.text(974, 822, "Door strike", size=20, bold=True, fill="#991b1b")
    picture.text(974, 848, "12 V DC, fail-secure", size=17)
    picture.terminal(960, 784)
    picture.text(946, 776, "+", size=20, anchor="end", bold=True)
    picture.terminal(1084, 824)
    picture.text(1096, 814, MINUS, size=20, anchor="start", bold=True)
    notes = ("A fail-safe strike is wired otherwise: README.md.", "Dashed yellow: strongly recommended.",
             "Dashed green: kept free for an I2S sound card.")  # fmt: skip
    for number, note in enumerate(notes):
        picture.text(724, 912 + 26 * number, note, size=17, anchor="start")


def _sound(picture: Picture) -> None:
    usb = COLOURS["usb"]
    left, _, right, bottom = BOARD
    middle = (left + right) / 2 - 60
    picture.wire(usb, (middle, bottom), (middle, 922), (300, 922), thick=7)
    picture.box(middle - 44, bottom - 14, middle + 44, bottom + 12, fill="#d1d5db", line=INK, round_=4)
    picture.text(middle + 16, 912, "USB, 5 m at most", size=17, anchor="start")
    picture.box(36, 700, 300, 966, fill="#f0f9ff", line=usb, thick=3)
    picture.text(168, 738, "USB sound", size=20, bold=True, fill="#075985")
    picture.text(168, 764, "one device for both", size=17)
    # Microphone.
    picture.box(86, 796, 118, 850, fill=PAPER, line=usb, thick=3, round_=16)
    picture.add(f'<path d="M 74 828 a 28 28 0 0 0 56 0" fill="none" stroke="{usb}" stroke-width="3"/>')
    picture.wire(usb, (102, 856), (102, 876), thick=3)
    picture.text(102, 906, "microphone", size=16)
    # Loudspeaker.
    picture.add(f'<polygon points="208,818 224,818 248,798 248,866 224,846 208,846" fill="{PAPER}" stroke="{usb}" '
                'stroke-width="3" stroke-linejoin="round"/>')  # fmt: skip
    for reach in (12, 24):
        picture.add(
            f'<path d="M 256 {832 - reach} a {reach + 4} {reach + 4} 0 0 1 0 {2 * reach}" fill="none" '
            f'stroke="{usb}" stroke-width="3" stroke-linecap="round"/>'
        )
    picture.text(232, 906, "loudspeaker", size=16)


def main(arguments: list[str]) -> int:
    """Write all files, or only look whether they are fresh."""
    table = pins()
    places = {pin.use: (pin.label, pin.header) for pin in table}
    wanted = {PICTURE: draw(table), DOOR: draw_door(places), KEYPAD: draw_keypad(places), README: readme()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path} is stale: run python hardware/draw.py", file=sys.stderr)
        return 1 if stale else 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    for path in stale:
        path.write_text(wanted[path])
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
