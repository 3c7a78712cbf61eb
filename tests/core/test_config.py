# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration: what is good is loaded whole, what is bad is told at once."""

from dataclasses import fields
from datetime import date, datetime
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from config_files import BASE, loaded, problems

from intercom.config import model, validators
from intercom.config.loader import load
from intercom.config.model import Secret
from intercom.core.commands import Tone
from intercom.engine.audio import wav
from intercom.errors import ConfigError

RINGS_201 = model.StageConfig(("201",), 30.0, "")


def test_the_shortest_file_gets_every_default(tmp_path: Path) -> None:
    """Who wants a plain door writes eight lines, and nothing is left to chance."""
    expected = model.Config(
        name="Door",
        accounts=(model.Account("home", "pbx.example", "door", Secret(), "udp", True, 300, "", ()),),
        buttons=(model.Button("front", "GPIO17", (RINGS_201,), ("201",), False, "up", "front"),),
        doors=(model.Door("front", "GPIO27", "high", 4.0),),
        codes=(),
        lamp=None,
        profiles=(),
        calendar=model.Calendar(frozenset()),
        calls=model.Calls(30.0, 120.0, 20.0, 10.0, 60.0, 10.0, 20, 5.0, 3, "", 3, 60.0, 20.0),
        sound=model.SoundConfig(
            "", "", 0.0, 0.0, (), 10, True, True, "eu", "10:30", True, ("opus", "g722", "pcma", "pcmu")
        ),
        network=model.Network(""),
        warnings=(),
    )

    assert expected == loaded(tmp_path, BASE)


def test_every_key_of_a_file_arrives(tmp_path: Path) -> None:
    """A key that is accepted and then forgotten is worse than one that is refused."""
    text = """
    name = "Haustür"
    [accounts.b]
    server = "192.0.2.5:5061"
    user = "door+1"
    password = "p w"
    transport = "tls"
    register = false
    expires_s = 60
    proxy = "edge.example:5060"
    callers = ["201", "*"]
    caller_is = "asserted"
    trust = "address"
    addresses = ["192.0.2.0/28", "2001:db8::5"]
    domains = ["fritz.box", "[2001:db8::1]"]
    texters = ["201@other.example"]
    [accounts.a]
    server = "192.0.2.1"
    user = "x"
    [buttons.front]
    pin = "board11"
    pull = "down"
    targets = ["201", "sip:202@host.example:5070;transport=tcp"]
    name = "Front door"
    confirm = true
    [buttons.back]
    pin = 5
    stages = [{ targets = ["201"], ring_s = 15, when = "office" }, { targets = ["202", "201"], when = "office" }]
    fallback = ["203"]
    [profiles.office]
    days = "mon-fri"
    from = "08:00"
    to = "18:30"
    holidays = "never"
    [calendar]
    holidays = ["2026-12-25", 2026-12-26]
    [doors.gate]
    strike_pin = "J8:13"
    active = "low"
    pulse_s = 30
    [doors.house]
    strike_pin = "WPI5"
    hold_s = 90
    exit_pin = 6
    contact_pin = "BOARD33"
    contact_shut = "open"
    handle = true
    held_s = 40
    [codes.family]
    secret_file = "code"
    door = "house"
    when = "office"
    expires = "2026-12-31"
    uses = 9
    hold = true
    [tampers.case]
    pin = 16
    shut = "open"
    [lamp]
    pin = "GPIO22"
    active = "low"
    [calls]
    ring_s = 31
    talk_s = 32
    warn_s = 33
    patience_s = 34
    confirm_s = 12
    rtp_timeout_s = 25
    debounce_ms = 35
    code_pause_s = 36
    wrong_codes = 7
    wrong_codes_lately = 6
    reminder_s = 0
    text_missed_to = "209"
    deaf_days = 8
    stuck_s = 37
    probe_s = 9
    [sound]
    input = "Device"
    output = "hw:CARD=Headphones,DEV=0"
    microphone_db = 12
    loudspeaker_db = -6.5
    period_ms = 20
    echo_cancelling = false
    gain_control = false
    mixer = ["Mic = 3dB"]
    country = "uk"
    test_at = ""
    test_at_start = false
    codecs = ["pcmu", "opus"]
    [network]
    bind = "192.0.2.2"
    """
    (tmp_path / "code").write_text("471147")
    (tmp_path / "code").chmod(0o600)
    callers = ("201", "*")
    targets = ("201", "sip:202@host.example:5070;transport=tcp")
    expected = model.Config(
        name="Haustür",
        accounts=(
            model.Account(
                "b",
                "192.0.2.5:5061",
                "door+1",
                Secret("p w"),
                "tls",
                False,
                60,
                "edge.example:5060",
                callers,
                "asserted",
                "address",
                ("192.0.2.0/28", "2001:db8::5"),
                ("fritz.box", "[2001:db8::1]"),
                texters=("201@other.example",),
            ),
            model.Account("a", "192.0.2.1", "x"),
        ),
        buttons=(
            model.Button("front", "BOARD11", (model.StageConfig(targets, 31.0),), targets, True, "down", "Front door"),
            model.Button(
                "back",
                "GPIO5",
                (model.StageConfig(("201",), 15.0, "office"), model.StageConfig(("202", "201"), 31.0, "office")),
                ("203",),
                name="back",
            ),
        ),
        profiles=(model.Profile("office", frozenset({0, 1, 2, 3, 4}), 480, 1110, "never"),),
        calendar=model.Calendar(frozenset({date(2026, 12, 25), date(2026, 12, 26)})),
        doors=(
            model.Door("gate", "J8:13", "low", 30.0),
            model.Door("house", "WPI5", "high", 4.0, 90.0, "GPIO6", "BOARD33", "open", True, 40.0),
        ),
        codes=(
            model.Code(
                "family", Secret("471147"), ("house",), "office", datetime.fromisoformat("2027-01-01 00:00"), 9, True
            ),
        ),
        tampers=(model.Tamper("case", "GPIO16", "open"),),
        lamp=model.LampConfig("GPIO22", "low"),
        calls=model.Calls(
            31.0, 32.0, 25.0, 33.0, 34.0, 12.0, 35, 36.0, 7, "209", 8, 37.0, 9.0, wrong_codes_lately=6, reminder_s=0.0
        ),
        sound=model.SoundConfig(
            "Device",
            "hw:CARD=Headphones,DEV=0",
            12.0,
            -6.5,
            ("Mic = 3dB",),
            20,
            False,
            False,
            "uk",
            "",
            False,
            ("pcmu", "opus"),
        ),
        network=model.Network("192.0.2.2"),
    )

    assert expected == loaded(tmp_path, text)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Who mounts ten doors does not want to run a check ten times for one file."""
    text = """
    nam = "x"
    [accounts.home]
    server = "sip:pbx"
    user = "a b"
    tranport = "udp"
    [account.work]
    [buttons.front]
    pin = 17
    targets = []
    [calls]
    ring_s = 0
    [sound]
    country = "ue"
    """

    assert problems(tmp_path, text) == [
        "[calls] ring_s = 0: must be a number of seconds from 1 to 600",
        f'[accounts.home] server = "sip:pbx": must be {validators.SERVER}',
        '[accounts.home] user = "a b": must be a SIP user such as "201" or "front-door"',
        f"[buttons.front] targets = []: must be a list of {validators.TARGETS}, none of them twice",
        '[sound] country = "ue": must be ' + " or ".join(f'"{name}"' for name in get_args(model.Country)),
        'nam: no such key; did you mean "name"?',
        '[account]: no such section; did you mean "accounts"?',
        '[accounts.home] tranport: no such key; did you mean "transport"?',
    ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("name = \n", "line 1, column 8: not TOML: invalid value"),
        ("[a]\nb = 1\nb = 2\n", "line 3, column 6: not TOML: cannot overwrite a value"),
        ('name = "', "end of document: not TOML: "),
        (b'name = "\n\xff"', "line 2: not text in UTF-8"),
        (f"a = {'[' * 5000}", "not a configuration: a number too long or lists nested too deep"),
        (f"a = {'1' * 5000}", "not a configuration: a number too long or lists nested too deep"),
        (b"#" * (1 << 20) + b"#", "larger than 1048576 bytes: not a configuration"),
    ],
)
def test_what_is_no_toml_is_told_with_its_place(tmp_path: Path, content: str | bytes, complaint: str) -> None:
    """No traceback, but where to look."""
    (told,) = problems(tmp_path, content)

    assert told.startswith(complaint)


def test_an_empty_file_is_told_what_a_door_needs(tmp_path: Path) -> None:
    """An empty file is a beginning, not a riddle."""
    assert problems(tmp_path, "") == [
        "[buttons.NAME]: missing; a door needs at least one",
        "[accounts.NAME]: missing; a door needs at least one, unless it calls only IP addresses (sip:201@192.0.2.7)",
    ]


@pytest.mark.parametrize(
    ("path", "reason"), [("none.toml", "No such file or directory"), (".", "Is a directory"), ("a\0b", "not a file")]
)
def test_a_file_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path, path: str, reason: str) -> None:
    """A slip in a path is the most likely mistake of all."""
    with pytest.raises(ConfigError, match=reason):
        load(tmp_path / path)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Some editors write one and nobody sees it."""
    assert loaded(tmp_path, BASE) == loaded(tmp_path, b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())


def test_a_code_belongs_to_the_only_door_or_says_to_which(tmp_path: Path) -> None:
    """With one door nothing has to be said; with two, guessing would open the wrong one; with none, it is a mistake."""
    code = '[codes.a]\nsecret = "4711"\n'
    none = BASE[: BASE.index("[doors")]

    assert loaded(tmp_path, BASE + code).codes == (model.Code("a", Secret("4711"), ("front",)),)
    assert problems(tmp_path, BASE + "[doors.gate]\nstrike_pin = 5\n" + code) == [
        '[codes.a] door: missing; must be "front" or "gate"'
    ]
    assert problems(tmp_path, none + code) == ["[codes.a]: there is no [doors.NAME] that it could release"]


def test_sounds_are_found_beside_the_file_and_in_their_folder(tmp_path: Path) -> None:
    """A name of its own comes before the folder, and what neither has stays built in."""
    (tmp_path / "spoken").mkdir()
    for name in ("chime.wav", "spoken/chime.wav", "spoken/door_open.wav"):
        wav.write(tmp_path / name, np.full(1600, 8000, np.int16), 16000)
    got = loaded(tmp_path, BASE + '[sounds]\nchime = "chime.wav"\nfolder = "spoken"\n').sounds

    assert got == model.Sounds(
        chime=str(tmp_path / "chime.wav"),
        door_open=str(tmp_path / "spoken/door_open.wav"),
        folder=str(tmp_path / "spoken"),
    )


def test_every_tone_has_a_key() -> None:
    """A tone without one could not be replaced, and would stop the daemon."""
    keys = {field.name for field in fields(model.Sounds)} - {"folder"}

    assert keys == {tone.value.replace("-", "_") for tone in Tone}
