# SPDX-License-Identifier: GPL-2.0-or-later
"""How much a configuration may have: the loader, the library's compile-time numbers and the engine agree."""

import os
import re
import time
from pathlib import Path

import pytest
from config_files import BASE, loaded, problems

from intercom import limits
from intercom.engine.sip import settings
from intercom.security import code_hash
from intercom.security.code_hash import ScryptParams

PJSIP = Path(limits.__file__).parents[1] / "pjsip"
SITE = dict(re.findall(r"#define (PJ\w+) +(\d+)$", (PJSIP / "config_site.h").read_text(), re.MULTILINE))


def accounts(count: int) -> str:
    return "".join(f'[accounts.a{one}]\nserver = "192.0.2.1"\nuser = "door{one}"\n' for one in range(count))


def contacts(count: int) -> str:
    return "".join(f'[contacts.c{one}]\ncall = "{400 + one}"\n' for one in range(count))


def codes(count: int) -> str:
    return "".join(f'[codes.k{one}]\nsecret = "{100_000 + one}"\n' for one in range(count))


def several(count: int, key: str) -> str:
    names = ", ".join(f'"{2000 + one}"' for one in range(count))
    if key == "targets":
        return f"[buttons.back]\npin = 5\ntargets = [{names}]\n"
    if key == "stages":
        return f'[buttons.back]\npin = 5\nstages = [{{targets = ["201"]}}, {{targets = [{names}]}}]\n'
    return (
        f'[profiles.p]\n[buttons.back]\npin = 5\nstages = [{{targets = ["201"], when = "p"}}]\nfallback = [{names}]\n'
    )


LIMITS = {
    "accounts": (lambda count: accounts(count - 1), limits.ACCOUNTS, "[accounts]"),
    "contacts": (contacts, limits.CONTACTS, "[contacts]"),
    "codes": (codes, limits.CODES, "[codes]"),
    "targets": (lambda count: several(count, "targets"), limits.TARGETS, "[buttons.back] stage 1"),
    "stages": (lambda count: several(count, "stages"), limits.TARGETS, "[buttons.back] stage 2"),
    "fallback": (lambda count: several(count, "fallback"), limits.TARGETS, "[buttons.back] fallback"),
}


@pytest.mark.parametrize("what", LIMITS)
def test_as_many_as_the_limit_are_good_and_one_more_is_told(tmp_path: Path, what: str) -> None:
    """Told by the loader, not found out by an engine that never starts."""
    text, most, where = LIMITS[what]
    loaded(tmp_path, BASE + text(most))
    told = problems(tmp_path, BASE + text(most + 1))

    assert any(line.startswith(f"{where}: has {most + 1}; there must be at most {most} ") for line in told)


def test_the_library_is_built_for_what_the_configuration_may_have() -> None:
    """One table in two languages: pjsip/config_site.h and limits.py."""
    assert int(SITE["PJSUA_MAX_ACC"]) == limits.ACCOUNTS + 1
    assert int(SITE["PJSUA_MAX_CALLS"]) == limits.CALLS
    assert int(SITE["PJSUA_MAX_TRANSPORTS"]) == limits.TRANSPORTS
    assert int(SITE["PJ_IOQUEUE_MAX_HANDLES"]) >= limits.HANDLES
    assert settings.RTP_ROOM >= 2 * limits.CALLS
    patch = (PJSIP / "patches/60-many-transports.patch").read_text()
    assert "+    pjsua_transport_data tpdata[PJSUA_MAX_TRANSPORTS];" in patch


def test_the_greatest_configuration_is_checked_soon(tmp_path: Path) -> None:
    """500 hashed codes are read on the loop of a door that runs: not by comparing each with each."""
    salt = "B" * 22
    secrets = [code_hash._text(os.urandom(code_hash.KEY_BYTES)) for _ in range(limits.CODES)]
    hashed = "".join(
        f'[codes.k{n}]\nsecret = "$scrypt$ln=13,r=8,keys=6${salt}${secret}"\n' for n, secret in enumerate(secrets)
    )
    text = BASE + accounts(limits.ACCOUNTS - 1) + contacts(limits.CONTACTS) + hashed + several(64, "targets")
    loaded(tmp_path, text)
    began = time.process_time()
    got = loaded(tmp_path, text)
    took_s = time.process_time() - began

    print(f"checking {len(got.codes)} codes and all else took {1000 * took_s:.0f} ms of this processor")
    assert len(got.codes) == limits.CODES
    assert took_s < 0.3


@pytest.mark.parametrize("one", ["471", "4711", "47110", "card 4711", "card 47110"])
@pytest.mark.parametrize("other", ["471", "4711", "47110", "card 4711", "card 47110"])
def test_what_is_keyed_must_not_begin_alike_and_cards_are_whole(tmp_path: Path, one: str, other: str) -> None:
    """A keyed code counts at its last digit; a card is read as a whole, and says so before its number."""
    text = f'{BASE}[codes.a]\nsecret = "{one}"\n[codes.b]\nsecret = "{other}"\n'
    keyed = not any(code.startswith("card") for code in (one, other))
    alike = one == other or (keyed and (one.startswith(other) or other.startswith(one)))
    if not alike:
        assert len(loaded(tmp_path, text).codes) == 2
        return
    (told,) = problems(tmp_path, text)
    assert told == "[codes.b] secret = ***: must not be, begin or continue the code of [codes.a]"


def test_equal_hashes_are_told_among_many(tmp_path: Path) -> None:
    """The same hash twice is the same code twice."""
    known = str(code_hash.hashed("123456", ScryptParams(b"x" * 16, 10, 1)))
    told = problems(tmp_path, f'{BASE}{codes(5)}[codes.x]\nsecret = "{known}"\n[codes.y]\nsecret = "{known}"\n')

    assert [line for line in told if "[codes.y]" in line and "[codes.x]" in line]


@pytest.mark.parametrize(
    ("login", "good"),
    [
        ("anonymous@t-online.de", True),
        ("491234567@provider.example", True),
        ("front door", True),
        ("HOUSE\\door", True),
        ("tür", True),
        ("", True),
        ("a" * 128, True),
        ("a" * 129, False),
        ('a"b', False),
        ("door\\", False),
        (" door", False),
        ("do\nor", False),
    ],
)
def test_a_login_is_any_quoted_string(tmp_path: Path, login: str, good: bool) -> None:
    """RFC 7616 section 3.4: providers' logins are addresses, domains and names of people."""
    written = login.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    text = BASE.replace('user = "door"', f'user = "door"\nlogin = "{written}"')
    if good:
        assert loaded(tmp_path, text).accounts[0].login == login
    else:
        assert "[accounts.home] login" in problems(tmp_path, text)[0]


def test_an_empty_password_is_one_and_an_empty_file_is_none(tmp_path: Path) -> None:
    """Who writes it means it; a file without anything in it has been made and not filled."""
    inline = BASE.replace('user = "door"', 'user = "door"\npassword = ""')
    (tmp_path / "empty").write_text("")
    (tmp_path / "empty").chmod(0o600)
    file = BASE.replace('user = "door"', 'user = "door"\npassword_file = "empty"')

    assert loaded(tmp_path, inline).accounts[0].password.reveal() == ""
    assert "what is in it must be" in problems(tmp_path, file)[0]
    long = BASE.replace('user = "door"', f'user = "door"\npassword = "{"p" * 257}"')
    assert "[accounts.home] password = ***" in problems(tmp_path, long)[0]


ODD = {
    "sip:201@192.0.2.7;transport=sctp": "the transport must be",
    "sip:201@192.0.2.7;transport=": "cannot",
    "sip:201@192.0.2.7;transport": "the transport must be",
    "sip:201@192.0.2.7;transport=tls": 'needs an account with transport = "tls"',
    "sips:201@192.0.2.7": 'needs an account with transport = "tls"',
    "sip:201@192.0.2.7;transport=tcp;Transport=udp": "says a parameter twice",
    "sip:201@192.0.2.7;maddr=192.0.2.8": "must not say maddr",
    "sip:201@192.0.2.7;method=BYE": "must not say method",
    "sip:201@0.0.0.0": "no address of anybody",
    "sip:201@[::]": "no address of anybody",
    "sip:201@224.0.1.75": "the address of many",
    "sip:201@[ff02::1]": "the address of many",
    "sip:201@255.255.255.255": "the address of many",
    "sip:201@[fe80::1]": "of one cable only",
    "sip:201@[::ffff:192.0.2.7]": "is IPv4 written as IPv6",
}


@pytest.mark.parametrize("target", ODD)
@pytest.mark.parametrize("place", ["button", "stage", "fallback", "contact", "text"])
def test_a_target_to_which_nothing_can_be_sent_is_told(tmp_path: Path, target: str, place: str) -> None:
    """Wherever a target may stand: each press would only find out anew."""
    text = {
        "button": BASE.replace('"201"', f'"{target}"'),
        "stage": BASE.replace('targets = ["201"]', f'stages = [{{targets = ["{target}"]}}]'),
        "fallback": "[profiles.p]\n" + BASE.replace(
            'targets = ["201"]', f'stages = [{{targets = ["201"], when = "p"}}]\nfallback = ["{target}"]'),
        "contact": BASE + f'[contacts.c]\ncall = "{target}"\n',
        "text": BASE + f'[calls]\ntext_missed_to = "{target}"\n',
    }[place]  # fmt: skip
    told = problems(tmp_path, text)

    assert any(ODD[target] in line or "must be" in line for line in told)


@pytest.mark.parametrize(
    ("bind", "server", "target", "told"),
    [
        ("192.0.2.9", "[2001:db8::1]", "201", "[accounts.home] server"),
        ("2001:db8::9", "192.0.2.1", "201", "[accounts.home] server"),
        ("192.0.2.9", "192.0.2.1", "sip:201@[2001:db8::7]", "[buttons.front]"),
        ("2001:db8::9", "[2001:db8::1]", "sip:201@192.0.2.7", "[buttons.front]"),
        ("0.0.0.0", "192.0.2.1", "201", "[network] bind"),
        ("::", "192.0.2.1", "201", "[network] bind"),
        ("224.0.0.1", "192.0.2.1", "201", "[network] bind"),
        ("", "224.0.0.1", "201", "[accounts.home] server"),
        ("", "0.0.0.0", "201", "[accounts.home] server"),
    ],
)
def test_an_address_of_the_other_family_than_the_own_is_told(
    tmp_path: Path, bind: str, server: str, target: str, told: str
) -> None:
    """With one address of ours there is one family of theirs."""
    text = BASE.replace('"pbx.example"', f'"{server}"').replace('"201"', f'"{target}"')
    lines = problems(tmp_path, text + f'[network]\nbind = "{bind}"\n')

    assert len(lines) == 1
    assert lines[0].startswith(told)


@pytest.mark.parametrize("pin", [0, 1, 14, 15, 18, 19, 20, 21])
def test_a_pin_that_the_pi_may_use_itself_is_warned_of(tmp_path: Path, pin: int) -> None:
    """A strike there may move at the boot, before any daemon."""
    (told,) = loaded(tmp_path, BASE.replace("strike_pin = 27", f"strike_pin = {pin}")).warnings

    assert f'[doors.front] strike_pin = "GPIO{pin}": is also ' in told
