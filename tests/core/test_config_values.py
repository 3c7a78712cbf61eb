# SPDX-License-Identifier: GPL-2.0-or-later
"""Single values of the configuration: each limit is told, and nothing misspelt gets through."""

import re
import tomllib
from pathlib import Path

import pytest
from config_files import BASE, problems

from intercom.config import gpio_pins
from intercom.config.loader import parse
from intercom.errors import ConfigError


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('[calls]\nring_s = "30"', '[calls] ring_s = "30": must be a number of seconds from 1 to 600'),
        ("[calls]\nring_s = nan", "[calls] ring_s = nan: must be a number of seconds from 1 to 600"),
        ("[calls]\nring_s = inf", "[calls] ring_s = inf: must be a number of seconds from 1 to 600"),
        ("[calls]\nring_s = true", "[calls] ring_s = true: must be a number of seconds from 1 to 600"),
        (f"[calls]\nring_s = 1{'0' * 400}", "[calls] ring_s = a huge number: must be a number of seconds"),
        (f"[calls]\nring_s = 0x1{'0' * 9000}", "[calls] ring_s = a huge number: must be a number of seconds"),
        ("[calls]\nwrong_codes = 3.0", "[calls] wrong_codes = 3.0: must be a whole number of tries from 1 to 10"),
        ("[calls]\nring_s = 2001-01-01", "[calls] ring_s = a date or time: must be a number of seconds"),
        ("[sound]\nperiod_ms = 10.0", "[sound] period_ms = 10.0: must be 10 or 20"),
        ("[sound]\nmicrophone_db = 41", "[sound] microphone_db = 41: must be a number of dB from -40 to 40"),
        ("[sound]\nloudspeaker_db = 13", "[sound] loudspeaker_db = 13: must be a number of dB from -40 to 12"),
        ('[sound]\ntest_at = "24:00"', '[sound] test_at = "24:00": must be a time from "00:00" to "23:59", or ""'),
        ('[sound]\nmixer = ["Speaker 80%"]', '[sound] mixer = ["Speaker 80%"]: must be a list of levels such as'),
        ('[sound]\nmixer = ["Speaker = 101%"]', '[sound] mixer = ["Speaker = 101%"]: must be a list of levels such as'),
        ('[sound]\nmixer = "Speaker = 1%"', "[sound] mixer = "),
        ("[sound]\nperiod_ms = true", "[sound] period_ms = true: must be 10 or 20"),
        ("[sound]\necho_cancelling = 1", "[sound] echo_cancelling = 1: must be true or false"),
        ("[sound]\ncodecs = []", '[sound] codecs = []: must be a list of "opus" or'),
        ('[sound]\ncodecs = ["opus", "opus"]', '[sound] codecs = ["opus", "opus"]: must be a list of'),
        (f"[sound]\ncodecs = {'[' * 90}{']' * 90}", "[sound] codecs = [...]: must be a list of"),
        ('[calls]\ntext_missed_to = "a b"', '[calls] text_missed_to = "a b": must be a user ("201") or an address'),
        ("[calls]\ndeaf_days = 0", "[calls] deaf_days = 0: must be a whole number of days from 1 to 60"),
        ("[calls]\ndeaf_days = 1.5", "[calls] deaf_days = 1.5: must be a whole number of days from 1 to 60"),
        ("[calls]\nstuck_s = 9.9", "[calls] stuck_s = 9.9: must be a number of seconds from 10 to 3600"),
        ("[calls]\nprobe_s = 26", "[calls] probe_s = 26: must be a number of seconds from 5 to 25"),
        ('[sounds]\nchime = "none.wav"', "[sounds] chime: "),
        ('[sounds]\nfolder = "none"', '[sounds] folder = "none": must be a folder that is there'),
        ("[sounds]\nbusy = 1", '[sounds] busy = 1: must be a file or folder, or "" for none, in quotes'),
        ('[network]\nbind = "localhost"', '[network] bind = "localhost": must be an IP address'),
        ("[network]\nbind = 1", "[network] bind = 1: must be an IP address of this machine"),
        ('[lamp]\nactive = "hihg"', '[lamp] active = "hihg": must be "high" or "low"; did you mean "high"?'),
        ("[lamp]", "[lamp] pin: missing; must be a BCM number (17)"),
        ("[[lamp]]", "[lamp]: must be a section of keys, not a list"),
        ("[codes]\nhome = 1", "[codes.home]: must be a section of keys, not a number"),
        ('[codes."1234"]', "[codes.***]: the name must be letters"),
        ('[doors."a\\nb"]', '[doors."a\\u000ab"]: the name must be letters'),
        ('"a\\nb" = 1', '"a\\u000ab": no such key'),
        ("[codes.a]\nsecret = 4711", "[codes.a] secret = ***: must be text in quotes"),
        ('[codes.a]\nsecret = "47 11"', "[codes.a] secret = ***: must be 2 to 12 digits"),
        ('[codes.a]\nsecret = "٤٧١١"', "[codes.a] secret = ***: must be 2 to 12 digits"),
        ("[codes.a]", "[codes.a] secret: missing; must be 2 to 12 digits, each 0 to 9, "),
        ('[codes.a]\nsecret = "card x"', "[codes.a] secret = ***: must be 2 to 12 digits"),
        ('[codes.a]\nsecret = "$scrypt$ln=20,r=8,keys=4$x$y"', "[codes.a] secret = ***: must be 2 to 12 digits"),
        ('[codes.a]\nsecret = "4711"\nuses = -1', "[codes.a] uses = -1: must be a whole number of times, 0 for ever"),
        ('[codes.a]\nsecret = "4711"\nhold = 1', "[codes.a] hold = 1: must be true or false"),
        ('[codes.a]\nsecret = "4711"\nexpires = "soon"', '[codes.a] expires = "soon": must be a day such as'),
        ('[codes.a]\nsecret = "4711"\nexpires = "2026-02-30"', '[codes.a] expires = "2026-02-30": must be a day'),
        ('[codes.a]\nsecret = "4711"\nwhen = "x"', "[codes.a] when: there is no [profiles.NAME]"),
        ('[codes.a]\nsecret = "4711"\ndoors = ["x"]', '[codes.a] doors = ["x"]: must be a list of "front"'),
        ('[codes.a]\nsecret = "4711"\ndoors = []', '[codes.a] doors = []: must be a list of "front"'),
        ('[codes.a]\nsecret = "4711"\ndoor = "front"\ndoors = ["front"]', "[codes.a]: door and doors exclude"),
        ("[doors.b]\nstrike_pin = 5\nhold_s = 1", "[doors.b] hold_s = 1: must be a number of seconds from 10 to 86400"),
        ("[doors.b]\nstrike_pin = 5\nexit_pin = 99", "[doors.b] exit_pin = 99: must be a BCM number"),
        ("[doors.b]\nstrike_pin = 5\nexit_pin = 5", "[doors.b] exit_pin = \"GPIO5\": must be a pin of its own"),
        ("[doors.b]\nstrike_pin = 5\ncontact_pin = 17", '[doors.b] contact_pin = "GPIO17": must be a pin of its own'),
        ('[doors.b]\nstrike_pin = 5\ncontact_shut = "shut"', '[doors.b] contact_shut = "shut": must be "closed" or'),
        ("[doors.b]\nstrike_pin = 5\nheld_s = 1", "[doors.b] held_s = 1: must be a number of seconds from 5"),
        ("[doors.b]\nstrike_pin = 5\nhandle = 0", "[doors.b] handle = 0: must be true or false"),
        ("[keypads.a]", "[keypads.a] rows: missing; must be a list of 4 pins, each a BCM number"),
        ("[keypads.a]\nrows = [5, 6, 13, 19]\ncolumns = [12, 20]", "[keypads.a] columns = [12, 20]: must be a list"),
        ("[keypads.a]\nrows = [5, 6, 13, 17]\ncolumns = [12, 20, 21]", "[keypads.a] rows = \"GPIO17\": must be a pin"),
        ("[keypads.a]\ndata0 = 5", "[keypads.a] data1: missing; must be a BCM number"),
        ("[keypads.a]\ndata0 = 5\ndata1 = 5", '[keypads.a] data1 = "GPIO5": must be a pin of its own'),
        ("[keypads.a]\ndata0 = 5\nrows = [5]", "[keypads.a]: rows and columns, or data0 and data1; not both"),
        ("[lamp]\nred = 5", "[lamp] green: missing; must be a BCM number"),
        ("[lamp]\npin = 5\nred = 6\ngreen = 13\nblue = 26", "[lamp]: pin, or red, green and blue; not both"),
        ("[lamp]\nred = 5\ngreen = 5\nblue = 26", '[lamp] green = "GPIO5": must be a pin of its own'),
        ("[tampers.case]", "[tampers.case] pin: missing; must be a BCM number"),
        ("[tampers.case]\npin = 17", '[tampers.case] pin = "GPIO17": must be a pin of its own'),
        ('[tampers.case]\npin = 5\nshut = "no"', '[tampers.case] shut = "no": must be "closed" or "open"'),
        ("[calls]\nwrong_codes_lately = 0", "[calls] wrong_codes_lately = 0: must be a whole number of tries from 1"),
        ("[calls]\nreminder_s = -1", "[calls] reminder_s = -1: must be a number of seconds, 0 for no tone, from 0"),
        ('[codes.a]\nsecret = "4711"\nsecret_file = "x"', "[codes.a]: secret and secret_file exclude each other"),
        ('[codes.a]\nsecret = "4711"\ndoor = "frnot"', '[codes.a] door = "frnot": must be "front"; did you mean'),
    ],
)  # fmt: skip
def test_a_bad_value_is_told_with_its_section_key_value_and_limit(tmp_path: Path, lines: str, complaint: str) -> None:
    """The line alone says what to write instead."""
    whole = BASE + lines if lines.startswith("[") else lines + BASE
    told = [line for line in problems(tmp_path, whole) if line.startswith(complaint)]

    assert len(told) == 1, problems(tmp_path, whole)


@pytest.mark.parametrize(
    "pin", [-1, 54, "", "GPIO", "GPIO99", "BOARD1", "BOARD39", "J8:99", "P1:11", "17 ", "\u0661\u0667", 1.5, True]
)
def test_what_is_no_pin_is_refused(pin: object) -> None:
    """Power, ground and slips of the pen are found before anything is wired to them."""
    document = {**tomllib.loads(BASE), "lamp": {"pin": pin}}
    with pytest.raises(ConfigError, match=r"\[lamp\] pin = .*: must be a BCM number"):
        parse(document, Path("f"))


def test_the_two_tables_of_pins_agree() -> None:
    """Both name the same wires of one header, so each has to hold all 28 of them once."""
    assert sorted(gpio_pins.HEADER.values()) == sorted(gpio_pins.WIRING_PI.values()) == list(range(28))


@pytest.mark.parametrize(
    "server", ["pbx.example", "pbx", "192.0.2.1:5060", "[::1]", "[::1]:5060", "a-b.c_d.example.:1"]
)
def test_servers_are_hosts_with_or_without_a_port(server: str) -> None:
    """All spellings that a provider's letter may hold."""
    document = tomllib.loads(BASE)
    document["accounts"]["home"]["server"] = server

    assert parse(document, Path("f")).accounts[0].server == server


@pytest.mark.parametrize(
    ("section", "key", "value", "complaint"),
    [
        ("accounts.home", "caller_is", "to", 'must be "both" or "from" or "asserted"'),
        ("accounts.home", "trust", "name", 'must be "contact" or "address"'),
        ("accounts.home", "addresses", ["pbx.example"], "must be a list of IP addresses or networks"),
        ("accounts.home", "addresses", ["0.0.0.0/0"], "must be a list of IP addresses or networks"),
        ("accounts.home", "domains", ["pbx.example:5060"], 'must be a list of hosts ("fritz.box")'),
        ("accounts.home", "callers", ["201@pbx.example:5060"], "must be a list of users"),
        ("accounts.home", "texters", ["201@"], "must be a list of users"),
        ("accounts.home", "identity", "assert", 'must be "none" or "preferred" or "asserted"'),
        ("accounts.home", "presence", "yes", "must be true or false"),
        ("accounts.home", "ice", "yes", "must be true or false"),
        ("accounts.home", "turn", "turn.example:3478", "must be an IP address with a port, such as "),
        ("accounts.home", "turn", "192.0.2.7", "must be an IP address with a port, such as "),
        ("accounts.home", "turn_user", "a b", "must be up to 64 printable characters without spaces"),
        ("accounts.home", "turn_password", "p" * 257, "must be up to 256 printable characters"),
        ("accounts.home", "redirects", ["sip:pbx"], "must be a list of "),
        ("accounts.home", "redirects", ["own", "own"], "must be a list of "),
        ("accounts.home", "redirects", ["10.0.0.1/8"], "must be a list of "),
        ("accounts.home", "redirects", "own", "must be a list of "),
        ("buttons.front", "ring", "Bellcore-dr4", "must be an Alert-Info such as "),
        ("buttons.front", "ring", "<http://x>\r\nX: y", "must be an Alert-Info such as "),
        ("buttons.front", "ring", '<a>;info="x"', "must be an Alert-Info such as "),
    ],
)
def test_a_bad_word_about_calls_is_told(section: str, key: str, value: object, complaint: str) -> None:
    """What goes out in a header, or lets a call go elsewhere, is checked like an address."""
    document = tomllib.loads(BASE)
    one, other = section.split(".")
    document[one][other][key] = value
    with pytest.raises(ConfigError, match=rf"\[{section}\] {key} = .*{re.escape(complaint)}"):
        parse(document, Path("f"))


@pytest.mark.parametrize(
    "server",
    ["", "sip:pbx", "a b", "a\r\nb", "pbx:0", "pbx:65536", "pbx:", "[::1", "[1.2.3.4]", "1.2.3", "-a", "a..b", "a@b",
     "[::1%lo]", "a" * 64, "pbx:\u0665", "x" + ".y" * 127],
)  # fmt: skip
def test_what_is_no_server_is_refused(server: str) -> None:
    """A line break here would become a header of its own in every request."""
    document = tomllib.loads(BASE)
    document["accounts"]["home"]["server"] = server
    with pytest.raises(ConfigError, match=r"\[accounts.home\] server = "):
        parse(document, Path("f"))


@pytest.mark.parametrize(
    "target", ["", "a b", "sip:@x", "sip:a@", "tel:", "201@", "sip:a@b\r\nX: y", 'a"', "sip:a@b?X=y"]
)
def test_what_cannot_be_called_is_refused(target: str) -> None:
    """It would be found out when somebody stands in the rain."""
    document = tomllib.loads(BASE)
    document["buttons"]["front"]["targets"] = [target]
    with pytest.raises(ConfigError, match=r"\[buttons.front\] targets = "):
        parse(document, Path("f"))
