# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws door.svg: exit button, door contact and tamper switch, and both kinds of strike with their time limit."""

from collections.abc import Mapping

from picture import COLOURS, INK, PAPER, Picture

WIDTH, HEIGHT = 1200, 800
RED, GROUND, PINK = COLOURS["power"], COLOURS["ground"], COLOURS["sensor"]
MINUS = "\N{MINUS SIGN}"

Places = Mapping[str, tuple[str, int]]
"""What is wired -> the pin's name, and its place on the header."""


def draw_door(places: Places) -> str:
    """Return the picture."""
    picture = Picture(WIDTH, HEIGHT, "Wiring of exit button, door contact, tamper switch and both kinds of strike")
    picture.box(0, 0, WIDTH, HEIGHT, fill=PAPER, line="none", round_=0)
    _sensors(picture, places)
    _strike(picture, 640, "Fail-secure", "locked without current", safe=False)
    _strike(picture, 930, "Fail-safe", "open without current", safe=True)
    for number, note in enumerate((
        "The relay at rest means locked, with both.",
        "Pi without power: both are locked. No 12 V: a fail-safe one is open.",
    )):  # fmt: skip
        picture.text(620, 746 + 26 * number, note, size=17, anchor="start")
    return picture.done()


def _sensors(picture: Picture, places: Places) -> None:
    """Three switches, each between a pin and one ground."""
    picture.text(300, 40, "Inputs: switches to ground", size=22, bold=True, fill=PINK)
    rows = (
        ("exit button", 130, "closes when pressed", "inside; works without network or telephone"),
        ("door contact", 310, "closed while the door is shut", "reed switch in the frame, magnet on the leaf"),
        ("tamper switch", 490, "closed while the housing is shut", "opens, or its wire is cut: tampered"),
    )
    for use, y, rest, note in rows:
        label, header = places[use]
        picture.text(60, y - 44, use[:1].upper() + use[1:], size=20, bold=True, anchor="start")
        picture.text(60, y + 62, rest, size=17, anchor="start")
        picture.text(60, y + 86, note, size=16, anchor="start", fill="#4b5563")
        # The Pi's pin, the guard of a long cable, and the switch.
        picture.box(430, y - 15, 520, y + 15, fill=PINK, line=PINK, round_=6)
        picture.text(475, y + 6, label, size=16, fill=PAPER, bold=True)
        picture.text(530, y + 6, f"pin {header}", size=16, anchor="start")
        picture.wire(PINK, (430, y), (390, y))
        picture.box(322, y - 10, 390, y + 10, line=INK, thick=2.5, round_=3)
        picture.text(356, y - 18, "1 kΩ", size=16)
        picture.wire(PINK, (322, y), (250, y))
        _switch(picture, y, closed=use != "exit button")
        picture.wire(GROUND, (130, y), (40, y), (40, 660))
    label, header = places["sensor ground"]
    picture.wire(GROUND, (40, 660), (430, 660))
    picture.box(430, 645, 520, 675, fill=GROUND, line=GROUND, round_=6)
    picture.text(475, 666, label, size=16, fill=PAPER, bold=True)
    picture.text(530, 666, f"pin {header}", size=16, anchor="start")
    for number, note in enumerate((
        "The resistor inside the Pi pulls each input up.",
        "1 kΩ in series, and 100 nF from the pin to ground,",
        "where the cable is longer than 3 m.",
    )):  # fmt: skip
        picture.text(60, 714 + 26 * number, note, size=17, anchor="start")


def _switch(picture: Picture, y: float, *, closed: bool) -> None:
    picture.wire(PINK, (130, y), (150, y))
    picture.wire(PINK, (230, y), (250, y))
    picture.wire(PINK, (150, y), (230, y) if closed else (222, y - 30))
    picture.terminal(150, y)
    picture.terminal(230, y)


def _strike(picture: Picture, left: float, title: str, means: str, *, safe: bool) -> None:
    """One strike with the firmware's relay and the time limit; `safe` is the kind that opens without current.

    The relay energises the time relay in both. A fail-secure strike hangs on its working contact (15-18); a fail-safe
    one has its current by the resting contact (15-16), which takes it away for the pulse.
    """
    middle = left + 130
    picture.box(left - 20, 70, left + 260, 716, fill="#f8fafc", line="#94a3b8", dash="8 6", round_=16)
    picture.text(middle - 10, 34, title, size=20, bold=True)
    picture.text(middle - 10, 58, means, size=17)
    feed_x, minus_x = left + 30, left + 236
    # Supply.
    picture.text(feed_x, 96, "+12 V", size=17, bold=True)
    picture.text(minus_x - 10, 96, MINUS, size=20, bold=True)
    picture.wire(RED, (feed_x, 106), (feed_x, 196))
    picture.box(feed_x - 10, 128, feed_x + 10, 172, line=RED, thick=3, round_=4)
    picture.text(feed_x + 18, 156, "F1", size=17, anchor="start", bold=True)
    picture.wire(GROUND, (minus_x - 10, 106), (minus_x - 10, 640))
    # The firmware's relay: COM and NO in both.
    picture.box(left, 196, left + 150, 290, fill="#f5f3ff", line=COLOURS["strike"], thick=3)
    picture.text(left + 92, 240, "Relay", size=18, bold=True, fill=COLOURS["strike"])
    picture.text(left + 92, 264, "of the Pi", size=16)
    picture.terminal(feed_x, 196)
    picture.text(feed_x + 12, 216, "COM", size=15, anchor="start")
    picture.terminal(feed_x, 290)
    picture.text(feed_x + 12, 284, "NO", size=15, anchor="start")
    # The time relay.
    picture.wire(RED, (feed_x, 290), (feed_x, 366))
    picture.box(left, 366, left + 200, 470, fill="#fefce8", line="#a16207", dash="8 5", thick=3)
    picture.text(left + 100, 412, "Time limit", size=18, bold=True, fill="#854d0e")
    picture.text(left + 100, 436, "interval, 10 s", size=16)
    picture.terminal(feed_x, 366)
    picture.text(feed_x - 4, 350, "A1", size=16, anchor="end")
    picture.wire(GROUND, (left + 200, 418), (minus_x - 10, 418))
    picture.dot(minus_x - 10, 418, GROUND)
    picture.terminal(left + 200, 418)
    picture.text(left + 192, 456, "A2", size=16, anchor="end")
    contact_x = left + 120
    picture.terminal(contact_x, 366)
    picture.text(contact_x + 12, 356, "15", size=16, anchor="start")
    if safe:
        picture.dot(feed_x, 184, RED)
        picture.wire(RED, (feed_x, 184), (left + 180, 184), (left + 180, 326), (contact_x, 326), (contact_x, 366))
    else:
        picture.dot(feed_x, 326, RED)
        picture.wire(RED, (feed_x, 326), (contact_x, 326), (contact_x, 366))
    picture.terminal(contact_x, 470)
    picture.text(contact_x - 12, 494, "16" if safe else "18", size=16, anchor="end")
    # Strike and diode.
    picture.wire(RED, (contact_x, 470), (contact_x, 600))
    picture.wire(INK, (contact_x, 540), (minus_x - 10, 540), thick=3)
    picture.dot(contact_x, 540, RED)
    picture.dot(minus_x - 10, 540, GROUND)
    picture.add(f'<polygon points="{left + 190},526 {left + 190},554 {left + 166},540" fill="{INK}"/>')
    picture.wire(INK, (left + 165, 526), (left + 165, 554), thick=4)
    picture.text(left + 156, 528, "D1", size=16, anchor="end", bold=True)
    picture.box(left + 10, 600, left + 200, 690, fill="#fef2f2", line=RED, thick=3)
    picture.text(left + 105, 642, "Strike", size=18, bold=True, fill="#991b1b")
    picture.text(left + 105, 666, "current: locked" if safe else "current: released", size=16)
    picture.terminal(contact_x, 600)
    picture.text(contact_x - 12, 588, "+", size=18, anchor="end", bold=True)
    picture.wire(GROUND, (left + 200, 640), (minus_x - 10, 640))
    picture.terminal(left + 200, 640)
