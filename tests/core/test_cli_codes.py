# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom code` and `intercom open`: codes that nobody reads, and a door opened from this machine."""

import io
import re
import sys
from pathlib import Path

import pytest
from config_files import BASE, loaded, written
from test_cli import Canned, daemon

from intercom.__main__ import main
from intercom.config.model import Secret
from intercom.security import code_hash

__all__ = ["daemon"]
LOCKED = {"door": "front", "released": False, "for_s": 0.0, "contact": ""}


def piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_a_new_code_is_shown_once_and_kept_as_a_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is to be pasted goes to the output, the digits beside it, so that a pipe into a file gets no digits."""
    assert main(["code", "new", "--digits", "7", "--config", str(tmp_path / "none.toml")]) == 0
    out, err = capsys.readouterr()
    (code,) = re.findall(r"^code    (\d{7})$", err, re.MULTILINE)
    got = loaded(tmp_path, f"{BASE}[codes.a]\n{out}")
    made = code_hash.parse(got.codes[0].secret.reveal())

    assert code not in out
    assert made is not None
    assert made.is_made_of(made.mill.grind(code))
    assert got.warnings == ()


def test_a_code_of_ones_own_joins_the_salt_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Then one run compares all of them."""
    mill = code_hash.ScryptParams(b"s" * 16, work=10)
    path = written(tmp_path, BASE + f'[codes.a]\nsecret = "{code_hash.hashed("4711", mill)}"\n')
    piped(monkeypatch, "5711\n")

    assert main(["code", "hash", "--config", str(path)]) == 0
    assert capsys.readouterr().out == f'secret = "{code_hash.hashed("5711", mill)}"\n'


@pytest.mark.parametrize(
    ("keyed", "status", "complaint"),
    [
        ("47110\n", 1, "another code begins like this one"),
        ("4711\n", 1, "another code begins like this one"),
        ("99\n", 1, "another code begins like this one"),
        ("x\n", 2, "a code is 2 to 12 digits"),
        ("", 2, "a code is 2 to 12 digits"),
    ],
)
def test_a_code_that_would_not_work_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    keyed: str, status: int, complaint: str,
) -> None:  # fmt: skip
    """Before it is written anywhere, and without telling the other one."""
    made = code_hash.hashed("4711", code_hash.ScryptParams(b"s" * 16, work=10))
    path = written(tmp_path, BASE + f'[codes.a]\nsecret = "{made}"\n[codes.b]\nsecret = "9911"\n')
    piped(monkeypatch, keyed)

    assert main(["code", "hash", "--config", str(path)]) == status
    told = capsys.readouterr()
    assert complaint in told.err
    assert told.out == ""
    assert "9911" not in told.err


def test_open_says_what_came_of_it(daemon: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    """And asks for what was meant: a pulse, holding it, or the end of that."""
    path = str(daemon.path)
    daemon.answers["release"] = {"ok": True, "door": {**LOCKED, "released": True, "for_s": 600.0}}
    held = main(["open", "front", "--hold", "--socket", path])
    daemon.answers["release"] = {"ok": True, "door": LOCKED}
    ended, refused = (main(["open", *how, "--socket", path]) for how in (["--end"], []))

    assert (held, ended, refused) == (0, 0, 1)
    assert capsys.readouterr().out.splitlines() == ["door front: released for 10 min", *["door front: locked"] * 2]
    assert daemon.asked[0] == {"do": "release", "door": "front", "released": True, "hold": True}
    assert daemon.asked[1] == {"do": "release", "door": "", "released": False, "hold": False}


def test_unlock_says_whose_codes_are_heard_again(daemon: Canned, capsys: pytest.CaptureFixture[str]) -> None:
    """All, or one source by its name; and why not."""
    path = str(daemon.path)
    daemon.answers["unlock"] = {"ok": True, "sources": ["201@home", "keypad front"]}
    everybody = main(["unlock", "--socket", path])
    daemon.answers["unlock"] = {"ok": False, "error": "nobody has keyed a wrong code lately"}
    one = main(["unlock", "keypad front", "--socket", path])
    told = capsys.readouterr()

    assert (everybody, one) == (0, 1)
    assert told.out.splitlines() == ["codes from 201@home are heard again", "codes from keypad front are heard again"]
    assert told.err == "intercom: nobody has keyed a wrong code lately\n"
    assert daemon.asked == [{"do": "unlock", "source": ""}, {"do": "unlock", "source": "keypad front"}]


def test_a_secret_that_is_a_hash_does_not_show_either() -> None:
    """Short codes can be tried out from it."""
    made = str(code_hash.hashed("4711", code_hash.ScryptParams(b"s" * 16, work=10)))

    assert made not in repr(Secret(made))
