# SPDX-License-Identifier: GPL-2.0-or-later
"""The wiring that hardware/ tells people to make is the one that the firmware expects."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from config_files import loaded

from intercom.cli.commands.pins import boot_lines, wired
from intercom.config import model
from intercom.config.gpio_pins import HEADER

HARDWARE = Path(__file__).parents[2] / "hardware"
PINS: list[dict[str, Any]] = tomllib.loads((HARDWARE / "pins.toml").read_text())["pin"]
SAMPLE = Path(model.__file__).parents[1] / "sample.toml"
PULLED_DOWN_AT_RESET = range(9, 28)


def by_use(use: str) -> dict[str, Any]:
    (found,) = (pin for pin in PINS if pin["use"] == use)
    return found


@pytest.fixture
def sample(tmp_path: Path) -> model.Config:
    """The sample with everything switched on that it shows."""
    return loaded(tmp_path, re.sub(r"^#(?=[\w\[])", "", SAMPLE.read_text(), flags=re.MULTILINE))


def test_the_table_is_the_sample_s(sample: model.Config) -> None:
    """Who wires by the table and starts with the sample has a door."""
    assert sample.lamp is not None
    wired = {f"GPIO{pin['bcm']}": pin["use"] for pin in PINS if "setting" in pin}

    door = sample.doors[0]
    assert wired == {
        sample.buttons[0].pin: "button",
        door.strike_pin: "strike",
        sample.lamp.pin: "lamp",
        door.exit_pin: "exit button",
        door.contact_pin: "door contact",
        sample.tampers[0].pin: "tamper switch",
    }
    assert (by_use("button")["direction"], by_use("strike")["direction"], by_use("lamp")["direction"]) == (
        "in",
        "out",
        "out",
    )


def test_every_setting_is_a_key_of_the_sample() -> None:
    """The table names sections and keys as the configuration does."""
    shown = SAMPLE.read_text()

    for pin in PINS:
        if "setting" in pin:
            section, key = pin["setting"].split()
            body = re.split(rf"^#?{re.escape(section)}$", shown, flags=re.MULTILINE)[1].split("\n[")[0]
            assert re.search(rf"^#?{key} = {pin['bcm']}$", body, re.MULTILINE), pin


def test_keypad_and_reader_are_the_sample_s(sample: model.Config) -> None:
    """In the order in which the configuration lists their wires."""
    listed: dict[str, list[str]] = {}
    for pin in PINS:
        if "listed" in pin:
            listed.setdefault(pin["listed"], []).append(f"GPIO{pin['bcm']}")
    matrix, reader = sample.keypads

    assert listed == {
        "[keypads.front] rows": list(matrix.rows),
        "[keypads.front] columns": list(matrix.columns),
        "[keypads.side] data0": [reader.data0],
        "[keypads.side] data1": [reader.data1],
    }


def test_the_safe_level_is_the_one_that_the_firmware_starts_with(sample: model.Config) -> None:
    """An output at its safe level releases nothing and lights nothing; an open button is not pressed."""
    assert sample.lamp is not None
    opposite = {"high": "low", "low": "high"}

    assert by_use("strike")["safe"] == opposite[sample.doors[0].active]
    assert by_use("lamp")["safe"] == opposite[sample.lamp.active]
    assert by_use("button")["safe"] == {"up": "high", "down": "low"}[sample.buttons[0].pull]
    levels = {"closed": "low", "open": "high"}
    assert by_use("door contact")["safe"] == levels[sample.doors[0].contact_shut]
    assert by_use("tamper switch")["safe"] == levels[sample.tampers[0].shut]
    assert by_use("exit button")["safe"] == "high"


def test_places_on_the_header_are_right() -> None:
    """A number off by one is 5 V on an input."""
    for pin in PINS:
        assert 1 <= pin["header"] <= 40
        assert HEADER.get(pin["header"]) == pin.get("bcm"), pin
    assert {pin["header"] for pin in PINS if pin["direction"] == "ground"} <= {6, 9, 14, 20, 25, 30, 34, 39}
    assert {pin["header"] for pin in PINS if pin["direction"] == "power"} <= {2, 4}


def test_no_two_wires_share_a_pin() -> None:
    """Also not with what is kept free for I2S."""
    places = [pin["header"] for pin in PINS]

    assert len(set(places)) == len(places)
    assert {pin["bcm"] for pin in PINS if pin["direction"] == "reserved"} == {18, 19, 20, 21}


def test_the_strike_is_locked_from_power_on() -> None:
    """Before any program runs, only the resistor inside the Pi speaks: it has to say the safe level."""
    strike = by_use("strike")

    assert strike["bcm"] in PULLED_DOWN_AT_RESET
    assert strike["safe"] == "low"
    assert f"\ngpio={strike['bcm']}=op,dl\n" in (HARDWARE / "README.md").read_text()


def test_what_is_generated_is_fresh() -> None:
    """Picture and tables are made from pins.toml; `python hardware/draw.py` makes them again."""
    check = [sys.executable, HARDWARE / "draw.py", "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_boot_loader_is_told_the_same_by_the_table_and_by_the_command(sample: model.Config) -> None:
    """The page shows what setup.sh puts into config.txt for the sample's pins."""
    shown = (HARDWARE / "README.md").read_text().partition("<!-- config.txt")[2].partition("<!-- end")[0]
    lines = [line for line in boot_lines(list(wired(sample))) if not line.startswith("#")]

    assert [line for line in shown.splitlines() if re.match(r"\w+=", line)] == lines


def test_every_pin_of_the_sample_is_shown(sample: model.Config) -> None:
    """With the level at which nothing happens, as in the table."""
    at_rest = {one.pin: (one.output, one.rest) for one in wired(sample)}

    for pin in PINS:
        if "setting" in pin:
            assert at_rest[f"GPIO{pin['bcm']}"] == (pin["direction"] == "out", pin["safe"]), pin["use"]


def test_active_low_rests_high(tmp_path: Path) -> None:
    """A relay that releases on low has to be high from power-on."""
    text = re.sub(r'^#active = "high"', 'active = "low"', SAMPLE.read_text(), flags=re.MULTILINE, count=1)
    lines = list(boot_lines(list(wired(loaded(tmp_path, text)))))

    assert "gpio=27=op,dh" in lines


def test_no_board_hides_which_pins_it_takes() -> None:
    """What it takes and what is wired already is told to move; I2S stays free for it."""
    page = (HARDWARE / "README.md").read_text()
    ours = {pin["bcm"]: pin["use"] for pin in PINS if "bcm" in pin and pin["direction"] != "reserved"}
    boards = tomllib.loads((HARDWARE / "boards.toml").read_text())["board"]

    assert len(boards) >= 4
    for board in boards:
        row = next(line for line in page.splitlines() if line.startswith(f"| {board['name']} |"))
        for number in map(int, board["pins"]):
            assert number in HEADER.values()
            assert (f"{ours[number]} ({number})" in row) if number in ours else True
        assert all(re.fullmatch(r"dt(overlay|param)=[\w=-]+", line) for line in board["overlay"])


def words_of(sheet: str) -> list[str]:
    """What is written in a drawing."""
    picture = ElementTree.parse(HARDWARE / f"{sheet}.svg").getroot()
    return [text.text or "" for text in picture.iter("{http://www.w3.org/2000/svg}text")]


def test_the_pictures_show_every_pin() -> None:
    """It is well-formed, stays inside its frame, and names what the table names."""
    shown = {sheet: words_of(sheet) for sheet in ("wiring", "door", "keypad")}
    words = shown["wiring"]

    for pin in PINS:
        if pin["direction"] in ("in", "out", "scan"):
            assert shown[pin.get("sheet", "wiring")].count(f"GPIO{pin['bcm']}") == 1
        if (sheet := pin.get("sheet", "wiring")) != "wiring":
            assert f"pin {pin['header']}" in shown[sheet]
    grounds = [pin.get("sheet", "wiring") for pin in PINS if pin["direction"] == "ground"]
    assert words.count("I2S") == 4
    assert words.count("GND") == 1 + grounds.count("wiring")  # the relay module has one
    assert shown["door"].count("GND") == grounds.count("door")
    assert [str(number) for number in range(1, 41)] == [word for word in words if word and word.isdigit()][:40]
