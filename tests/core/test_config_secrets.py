# SPDX-License-Identifier: GPL-2.0-or-later
"""Secrets of the configuration: from wherever they come, they are never told."""

import copy
import json
import os
import pickle
import time
import tomllib
from pathlib import Path

import pytest
from config_files import BASE, loaded, problems, written

from intercom.config.loader import load, parse
from intercom.config.model import Secret
from intercom.config.validators import CODE
from intercom.errors import ConfigError
from intercom.security import code_hash


def test_no_code_begins_with_another_and_neither_is_told(tmp_path: Path) -> None:
    """The shorter one would open before the longer one is keyed."""
    codes = '[codes.a]\nsecret = "47112"\n[codes.b]\nsecret = "4711"\n[codes.c]\nsecret = "5711"\n'

    assert problems(tmp_path, BASE + codes) == [
        "[codes.b] secret = ***: must not be, begin or continue the code of [codes.a]"
    ]


def test_cards_are_read_whole_and_may_begin_alike(tmp_path: Path) -> None:
    """Their numbers are counted up at the works. The same one twice is a mistake, and a code is never a card."""
    cards = '[codes.a]\nsecret = "card 1234567"\n[codes.b]\nsecret = "card 12345678"\n'
    twice = '[codes.c]\nsecret = "card 12345678"\n'
    keyed = '[codes.d]\nsecret = "1234567"\n'

    assert len(loaded(tmp_path, BASE + cards + keyed).codes) == 3
    assert problems(tmp_path, BASE + cards + twice) == [
        "[codes.c] secret = ***: must not be, begin or continue the code of [codes.b]"
    ]


def test_many_codes_are_compared_in_a_time_that_grows_with_their_number(tmp_path: Path) -> None:
    """Five hundred hashed codes: what was a matter of minutes would hold up a start, a reload and the watchdog."""
    made = str(code_hash.hashed("471147", code_hash.ScryptParams(b"s" * 16, work=10)))
    secrets = [made[:-6] + f"{number:04}QQ" for number in range(500)]
    codes = {f"c{number}": {"secret": secret} for number, secret in enumerate(secrets)}
    document = tomllib.loads(BASE) | {"codes": codes}
    began = time.process_time()
    found = parse(document, tmp_path / "x.toml")

    assert len(found.codes) == 500
    assert time.process_time() - began < 3


@pytest.mark.parametrize(("work", "block"), [(15, 16), (15, 8), (14, 16), (10, 1)])
def test_a_hash_that_could_never_be_compared_is_refused(work: int, block: int) -> None:
    """What wants more memory than a guess may take is told when the file is read, not when somebody keys a code."""
    text = f"$scrypt$ln={work},r={block},keys=6${'A' * 22}${'A' * 43}"
    known = code_hash.parse(text)
    try:
        code_hash.ScryptParams(b"s" * 16, work, block).grind("471147")
    except ValueError:
        assert known is None
    else:
        assert known is not None


def test_a_password_inside_an_address_is_not_told(tmp_path: Path) -> None:
    """Some providers hand out addresses that hold one; pasted here, it is a mistake."""
    (told,) = problems(tmp_path, BASE.replace("pbx.example", "sip:door:hunter2@pbx.example"))

    assert told.startswith('[accounts.home] server = "sip:door:***@pbx.example": must be')


def test_a_secret_may_live_in_a_file_beside_the_configuration(tmp_path: Path) -> None:
    """A configuration can then be shown around."""
    (tmp_path / "code").write_text("471147\n")
    (tmp_path / "code").chmod(0o600)

    got = loaded(tmp_path, BASE + '[codes.a]\nsecret_file = "code"')

    assert (got.codes[0].secret, got.warnings) == (Secret("471147"), ())


def test_a_secret_may_be_a_credential_of_systemd(tmp_path: Path) -> None:
    """The service manager can keep it encrypted on the disk."""
    (tmp_path / "home.password").write_text("hunter2")
    (tmp_path / "home.password").chmod(0o400)
    document = tomllib.loads(BASE)
    document["accounts"]["home"]["credential"] = "home.password"

    got = parse(document, Path("/f"), environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})

    assert (got.accounts[0].password, got.warnings) == (Secret("hunter2"), ())


def test_a_credential_missing_stops_the_service_but_not_who_only_checks() -> None:
    """Only the service is given credentials, so nobody else can tell whether they are there."""
    document = tomllib.loads(BASE)
    document["accounts"]["home"]["credential"] = "x"
    with pytest.raises(ConfigError, match=r"make x\.cred with systemd-creds encrypt"):
        parse(document, Path("f"), environ={})

    got = parse(document, Path("f"), environ={}, in_service=False)

    assert got.warnings == ("f: [accounts.home] credential: not checked: only the service itself is given credentials",)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "code cannot be read: No such file or directory"),
        (b"\xff\n", "code is not text in UTF-8"),
        (b"4711\n4712\n", "code must be one line of at most 4096 bytes"),
        (b"4711" * 1025, "code must be one line of at most 4096 bytes"),
        (b"", f"what is in it must be {CODE}"),
        (b"hunter2", f"what is in it must be {CODE}"),
    ],
)
def test_a_bad_secret_file_is_told_without_what_is_in_it(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    """Complaints are read by more people than secrets."""
    if content is not None:
        (tmp_path / "code").write_bytes(content)
    (told,) = problems(tmp_path, BASE + '[codes.a]\nsecret_file = "code"')

    assert told.startswith("[codes.a] secret_file: ")
    assert told.endswith(complaint)


def test_a_pipe_instead_of_a_secret_file_does_not_hold_up_the_door(tmp_path: Path) -> None:
    """Opening one waits for a writer, by default for ever."""
    os.mkfifo(tmp_path / "code", 0o600)

    assert problems(tmp_path, BASE + '[codes.a]\nsecret_file = "code"') == [
        f"[codes.a] secret_file: what is in it must be {CODE}"
    ]


def test_secrets_that_everybody_can_read_are_warned_of(tmp_path: Path) -> None:
    """It works, so it is no error; but it should be told."""
    secret = tmp_path / "code"
    secret.write_text("471147")
    secret.chmod(0o644)
    text = BASE.replace('user = "door"', 'user = "door"\npassword = "x"') + '[codes.a]\nsecret_file = "code"'
    path = written(tmp_path, text)
    path.chmod(0o644)

    assert load(path).warnings == (
        f"{path}: [codes.a] secret_file: everybody can read {secret}; sudo chmod o= {secret}",
        f"{path}: everybody can read the secrets in it; sudo chmod o= {path}",
    )


def test_a_short_code_is_warned_of(tmp_path: Path) -> None:
    """A keypad that is worked day and night hears ten thousand guesses within 13 months."""
    (tmp_path / "code").write_text("47114")
    (tmp_path / "code").chmod(0o600)
    (told,) = loaded(tmp_path, BASE + '[codes.a]\nsecret_file = "code"').warnings

    assert told.endswith("[codes.a] secret: has fewer than 6 digits: easily guessed")


def test_a_code_in_the_open_is_warned_of_and_a_hashed_one_is_not(tmp_path: Path) -> None:
    """Whoever copies the file, or looks over a shoulder, has it."""
    mill = code_hash.ScryptParams(b"s" * 16, work=10)
    codes = '[codes.a]\nsecret = "471147"\n[codes.b]\nsecret = "' + str(code_hash.hashed("571147", mill)) + '"\n'
    (told,) = loaded(tmp_path, BASE + codes).warnings

    assert told.endswith("[codes.a] secret: can be read by who reads it; `intercom code hash` hides it")


def test_hashes_are_refused_when_two_are_one_and_warned_of_when_they_make_trouble(tmp_path: Path) -> None:
    """Nobody can see whether a hashed code begins like a longer one, and many salts make every code slow."""
    mills = [code_hash.ScryptParams(bytes([number]) * 16, work=10) for number in range(3)]
    made = [
        str(code_hash.hashed(code, mill)) for code, mill in zip(("471100", "5711000", "671100"), mills, strict=True)
    ]
    codes = "".join(f'[codes.{name}]\nsecret = "{text}"\n' for name, text in zip("abc", made, strict=True))
    twice = f'[codes.a]\nsecret = "{made[0]}"\n[codes.b]\nsecret = "{made[0]}"\n'

    assert [told.partition("[codes]: ")[2] for told in loaded(tmp_path, BASE + codes).warnings] == [
        "hashed codes of different lengths: one that begins like a shorter one never counts",
        "3 salts: each makes every code slower; make them with one --config",
    ]
    assert problems(tmp_path, BASE + twice) == [
        "[codes.b] secret = ***: must not be, begin or continue the code of [codes.a]"
    ]


def test_a_secret_does_not_show(tmp_path: Path) -> None:
    """Neither in a log, nor in a traceback, nor on the way to another process."""
    secret = Secret("hunter2")
    shown = f"{secret} {secret!r} {secret!s:>3} {[secret]} %s" % secret
    got = loaded(tmp_path, BASE.replace('user = "door"', 'user = "door"\npassword = "hunter2"'))

    assert "hunter2" not in shown + repr(got) + str(vars(type(secret)))
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError, match="not pickled"):
        copy.copy(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
