# SPDX-License-Identifier: GPL-2.0-or-later
"""Each key of the configuration with each of a hundred nasty values: `python nasty_values.py FOLDER`.

A program of its own, so that it also runs as another user and by another Python. The keys are those of sample.toml
and of config.py; what comes out as anything but a configuration or a complaint is printed, one line each.
"""

import copy
import datetime
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from itertools import zip_longest
from pathlib import Path
from typing import Any

from intercom.config import model
from intercom.config.loader import load, parse
from intercom.errors import ConfigError

SAMPLE = Path(model.__file__).parents[1] / "sample.toml"
SECTIONS: dict[str, type] = {
    "accounts": model.Account,
    "contacts": model.Contact,
    "buttons": model.Button,
    "profiles": model.Profile,
    "doors": model.Door,
    "codes": model.Code,
    "tampers": model.Tamper,
    "keypads": model.Keypad,
    "calendar": model.Calendar,
    "lamp": model.LampConfig,
    "calls": model.Calls,
    "sound": model.SoundConfig,
    "sounds": model.Sounds,
    "network": model.Network,
}
NAMED = 8
"""So many of them are sections of sections: `[accounts.home]`."""
SECRETS = ("_file", "_credential")
NUMBERS = [0, 1, -1, 54, 10**400, -(10**400), 2.5, float("nan"), float("inf"), -float("inf"), 1e308, True, False]
TEXTS = [
    "", " ", "a", "\0", "\n", "\ud800", "\u202e", "ä" * 300, "a" * 5000, "٣٤", "\uff11\uff12", "²", "*",
    "%", "%zz", "..", ".",
    "9999-12-31", "9999-12-31 24:00", "9999-12-31 23:59", "0001-01-01", "2026-02-30", "24:00", "00:60", "²:00", "-1:00",
    "mon--fri", "fri-mon", ",", "-", "1.2.3.4", "1.2.3.4:99999", "1.2.3.4/0", "[::1]", "[", "]", "[]:1", "::1%eth0",
    "fe80::1%1", "host:", ":1", "host:²", "sip:", "sip:@", "tel:", "tel:+", "sip:a@[", "sip:a@[]", "sip:a@[::1%1]",
    "sip:a@[::1]:5060;transport=tls", "sip:a@h;transport=", "sips:a@h", "sip:a@h;;", "sip:a:b@h",
    "$scrypt$ln=15,r=16,keys=4$" + "A" * 22 + "$" + "A" * 43, "$scrypt$ln=13,r=8,keys=0$" + "A" * 22 + "$" + "A" * 43,
    "card ", "card 1", "card ²", "4711", "17", "GPIO17", "J8:11", "BOARD11", "BOARD1", "WPI0", "ID_SD", "\u017f", "<http://a>",
    "Speaker = 80%", "Speaker = 999999999999%", "own", "udp", "up", "high",
]  # fmt: skip
PATHS = ["/", "/dev/null", "/dev/zero", "/proc/self/mem", "/etc", "/" + "a/" * 2000, "/" + "b" * 300, "/etc/shadow"]
OTHERS: list[Any] = [
    [], [[]], [""], ["a", "a"], [1], [True], [{}], [[[[]]]], {}, {"a": 1}, {"": {}}, ["9999-12-31"], ["a"] * 1000,
    datetime.date(2026, 1, 1), datetime.date(1, 1, 1), datetime.date(9999, 12, 31),
    datetime.datetime.fromisoformat("2026-01-01"),
    datetime.time(1, 1), [datetime.datetime.fromisoformat("2026-01-01")], [datetime.date(9999, 12, 31)],
]  # fmt: skip


def made(folder: Path) -> list[str]:
    """Make paths that are no good in one way each; return their names."""
    (folder / "closed").mkdir(exist_ok=True)
    (folder / "closed/in.wav").write_bytes(b"RIFF")
    (folder / "half.wav").write_bytes(b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\0\0")
    (folder / "secret").write_text("4711")
    (folder / "wide.wav").write_bytes(b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\1\0\xff\xff\x40\x1f\0\0" + b"\xff" * 60)
    if not (folder / "pipe").exists():
        os.mkfifo(folder / "pipe")
        (folder / "round").symlink_to("round")
    names = ["closed", "closed/in.wav", "half.wav", "wide.wav", "secret", "pipe", "round", "gone"]
    (folder / "secret").chmod(0)
    (folder / "closed").chmod(0)
    return [str(folder / name) for name in names]


def whole() -> dict[str, Any]:
    """Return the sample with everything in it, and each key of the model that it does not show."""
    text = re.sub(r"^#(?=[\w\[])", "", SAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    document = tomllib.loads(text)
    for number, (name, kind) in enumerate(SECTIONS.items()):
        tables = document[name].values() if number < NAMED else [document[name]]
        for table in tables:
            for field in fields(kind):
                if isinstance(field.default, model.Secret) or field.type in ("Secret", model.Secret):
                    table.update({f"{field.name}{ending}": None for ending in SECRETS})
                    table["credential"] = None
                elif field.name not in ("key", "start_minute", "end_minute"):
                    table.setdefault(field.name, None)
    return document


def places(table: dict[str, Any], at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value."""
    for key, value in table.items():
        yield (*at, key)
        if isinstance(value, dict):
            yield from places(value, (*at, key))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from places(value[0], (*at, key, 0))


def rounds(found: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield places that can be spoilt at once, one of each section at most: where nothing escapes, all were read."""
    outer = {place[:length] for place in found for length in range(1, len(place))}
    groups: dict[Any, list[tuple[Any, ...]]] = {}
    for place in found:
        if place in outer:
            yield [place]
        else:
            groups.setdefault(place[:2] if len(place) > 2 else place[:1], []).append(place)
    yield from ([place for place in some if place is not None] for some in zip_longest(*groups.values()))


def told_well(line: str, file: Path) -> bool:
    """Whether a complaint names the file, is fit for one line, and comes of a check that was meant for it."""
    return line.startswith(f"{file}: ") and line.isprintable() and "cannot be used (" not in line


def without_none(value: Any) -> Any:
    """Return a document without the keys that nobody has given yet."""
    if isinstance(value, dict):
        return {key: without_none(one) for key, one in value.items() if one is not None}
    return [without_none(one) for one in value] if isinstance(value, list) else value


def main(folder: Path) -> int:
    """Try them all; return how many were neither a configuration nor a complaint."""
    document = whole()
    spoilt_paths = made(folder)
    values = [*NUMBERS, *TEXTS, *PATHS, *OTHERS, *spoilt_paths]
    found = list(places(document))
    file = folder / "intercom.toml"
    environ = {"CREDENTIALS_DIRECTORY": str(folder)}
    escaped = tried = 0
    for together in rounds(found):
        for value in values:
            spoilt = copy.deepcopy(document)
            for place in together:
                table = spoilt
                for step in place[:-1]:
                    table = table[step]
                table[place[-1]] = value
            tried += 1
            try:
                parse(without_none(spoilt), file, environ=environ)
            except ConfigError as error:
                bad = [line for line in error.problems if not told_well(line, file)]
            except BaseException as error:
                bad = [repr(error)]
            else:
                bad = []
            if bad:
                escaped += 1
                print(f"{together}: {str(value)[:50]!r}: {bad[:3]}")
    for path in (*PATHS, *spoilt_paths, "\0", ""):
        tried += 1
        try:
            load(Path(path))
        except ConfigError:
            continue
        except BaseException as error:
            print(f"load {path[:50]!r}: {error!r}")
        escaped += 1
    print(f"{len(found)} keys, {tried} documents, {escaped} escaped, uid {os.getuid()}, {sys.version_info[:2]}")
    return escaped


if __name__ == "__main__":
    sys.exit(min(1, main(Path(sys.argv[1]))))
