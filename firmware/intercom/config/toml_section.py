# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads one table of a TOML file key by key, and complains instead of raising.

The limit stands in the call that reads the value, and the complaint is made of it. A key that nobody asked for is a
complaint too, so a slip of the pen cannot hide. Values of unknown keys are never shown: they may be misspelt secrets.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date
from typing import TypeVar

_T = TypeVar("_T")
_Check = Callable[[str], bool]

LONGEST = 60
"""Characters of a value that a complaint shows."""
_PASSWORD = re.compile(r"(?i)(?<!sip)(?<!sips):[^@]*@")
"""The password of "sip:user:password@host", which has no business there."""


class Problems:
    """All complaints about one file, and all warnings, in the order of their discovery."""

    def __init__(self, file: str, *, lenient: bool = False) -> None:
        """With `lenient` a file or a credential that cannot be had is missing, and no error."""
        self.file, self.lenient = file, lenient
        self.missing: dict[str, str] = {}
        """What a section has to do without: its title and key -> why."""
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.reading = ""
        """The key that was asked for last: where something unforeseen has happened."""

    def error(self, where: str, text: str) -> None:
        """Note what cannot be used."""
        self.errors.append(f"{self.file}: {where}: {text}")

    def lack(self, title: str, key: str, text: str) -> None:
        """Note that something outside the file, which it names, cannot be had or used."""
        if self.lenient:
            self.missing.setdefault(f"{title} {key}", text)
        else:
            self.error(f"{title} {key}", text)

    def warn(self, where: str, text: str) -> None:
        """Note what is allowed but unwise."""
        self.warnings.append(f"{self.file}: {where}: {text}")


class Section:
    """One table. Every reader returns something usable, so that reading goes on after a complaint."""

    def __init__(self, title: str, table: object, problems: Problems) -> None:
        """Read `table`, which the file calls `title` ("[calls]"; empty for the top of the file)."""
        self.title, self.problems = title, problems
        self._table: dict[str, object] = {}
        self._asked: list[str] = []
        if isinstance(table, dict):
            self._table = table
        else:
            problems.error(title, f"must be a section of keys, not {kind(table)}")

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def complain(self, key: str, allowed: str, *, secret: bool = False) -> None:
        """Say that a key's value is not allowed, or that the key is missing."""
        where = f"{self.title} {key}".strip()
        if key not in self._table:
            self.problems.error(where, f"missing; must be {allowed}")
        else:
            value = "***" if secret else show(self._table[key])
            self.problems.error(f"{where} = {value}", f"must be {allowed}")

    def take(self, key: str) -> object:
        """Return a key's raw value, or None where it is left out."""
        self.problems.reading = f"{self.title} {key}".strip()
        if key not in self._asked:
            self._asked.append(key)
        return self._table.get(key)

    def text(self, key: str, default: str | None, allowed: str, check: _Check, *, secret: bool = False) -> str:
        """Return text that passes `check`; no default means that the key must be there."""
        value = self.take(key)
        if value is None and default is not None and key not in self._table:
            return default
        if isinstance(value, str) and check(value):
            return value
        self.complain(key, allowed if isinstance(value, str) else f"{allowed}, in quotes", secret=secret)
        return default or ""

    def number(self, key: str, default: float, low: float, high: float, unit: str) -> float:
        """Return a number from `low` to `high`."""
        value = self.take(key)
        if key not in self._table:
            return default
        # Compared before it is converted: TOML's whole numbers have no end, and NaN compares with nothing.
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        self.complain(key, f"a number of {unit} from {low:g} to {high:g}")
        return default

    def whole(self, key: str, default: int, low: int, high: int, unit: str) -> int:
        """Return a whole number from `low` to `high`."""
        value = self.take(key)
        if key not in self._table:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.complain(key, f"a whole number of {unit} from {low} to {high}")
        return default

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.take(key)
        if isinstance(value, bool) or key not in self._table:
            return default if value is None else bool(value)
        self.complain(key, "true or false")
        return default

    def choice(self, key: str, default: _T, allowed: tuple[_T, ...], *, needed: bool = False) -> _T:
        """Return one of `allowed`."""
        value = self.take(key)
        if key not in self._table and not needed:
            return default
        for choice in allowed:
            # True equals 1 in Python, but not in TOML.
            if type(value) is type(choice) and value == choice:
                return choice
        self.complain(key, _either(allowed) + _meant(value, [item for item in allowed if isinstance(item, str)]))
        return default

    def texts(self, key: str, default: tuple[str, ...] | None, allowed: str, check: _Check) -> tuple[str, ...]:
        """Return a list of different texts that each pass `check`; no default means at least one is needed."""
        value = self.take(key)
        if key not in self._table and default is not None:
            return default
        if isinstance(value, list) and (value or default is not None):
            good = [item for item in value if isinstance(item, str) and check(item)]
            if len(good) == len(value) == len(set(good)):
                return tuple(good)
        self.complain(key, f"a list of {allowed}, none of them twice")
        return default or ()

    def dates(self, key: str, allowed: str, parse: Callable[[str], date | None]) -> frozenset[date]:
        """Return different days, TOML's own dates or texts that `parse` takes; none where the key is left out."""
        value = self.take(key)
        allowed = f"a list of {allowed}, none of them twice"
        if not isinstance(value, list):
            if key in self._table:
                self.complain(key, allowed)
            return frozenset()
        found: set[date] = set()
        for item in value:
            # A time of day would make a `datetime`, which is a `date` too.
            given = parse(item) if isinstance(item, str) else item
            if type(given) is date and given not in found:
                found.add(given)
            else:  # by itself: a year's holidays are too many to show
                told = str(item) if type(item) is date else show(item)
                self.problems.error(f"{self.title} {key}: {told}", f"must be {allowed}")
        return frozenset(found)

    def tables(self, key: str, word: str, allowed: str) -> "list[Section]":
        """Return a list of tables, each titled with its `word` and number ("stage 2"); at least one is needed."""
        value = self.take(key)
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            titles = (f"{self.title} {word} {number}" for number in range(1, len(value) + 1))
            return [Section(title, item, self.problems) for title, item in zip(titles, value, strict=True)]
        self.complain(key, allowed)
        return []

    def section(self, key: str) -> "Section":
        """Return a section of this one (`[calls]`); it is empty where the file has none."""
        value = self.take(key)
        return Section(f"[{key}]", value if key in self._table else {}, self.problems)

    def sections(self, key: str, allowed: str, check: _Check) -> "list[tuple[str, Section]]":
        """Return named sections in the order of the file (`[accounts.home]` as "home"). `check` is for the names."""
        value = self.take(key)
        if key not in self._table:
            return []
        if not isinstance(value, dict):
            self.problems.error(f"[{key}]", f"must be sections like [{key}.NAME], not {kind(value)}")
            return []
        for name in value:
            if not check(name):
                # A name that starts with a digit may be a code in the wrong place.
                shown = "***" if name[:1].isdigit() else bare(name)
                self.problems.error(f"[{key}.{shown}]", f"the name must be {allowed}")
        good = [name for name in value if check(name)]
        return [(name, Section(f"[{key}.{name}]", value[name], self.problems)) for name in good]

    def close(self) -> None:
        """Complain about every key that nobody asked for."""
        for key, value in self._table.items():
            if key in self._asked:
                continue
            is_section = isinstance(value, dict) and not self.title
            where = f"[{bare(key)}]" if is_section else f"{self.title} {bare(key)}".strip()
            hint = _meant(key, self._asked) or f"; there are {', '.join(self._asked)}"
            self.problems.error(where, f"no such {'section' if is_section else 'key'}{hint}")


def kind(value: object) -> str:
    """Return what a value is, in words of TOML, without showing it."""
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a section"}
    return names.get(type(value), "a date or time")


def show(value: object) -> str:
    """Return a value as the file has it, on one line, shortened, and without a password inside an address."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        # Python refuses to print very long ones.
        return str(value) if abs(value) < 10**LONGEST else "a huge number"
    if isinstance(value, str):
        text = _PASSWORD.sub(":***@", value)
        return _shorten('"' + "".join(map(_printable, text)) + '"')
    if isinstance(value, list):
        # Not deeper: lists inside lists may be nested beyond what Python can follow.
        return _shorten(f"[{', '.join('...' if isinstance(item, list) else show(item) for item in value[:LONGEST])}]")
    return _shorten(str(value)) if isinstance(value, float) else kind(value)


def bare(key: str) -> str:
    """Return a key fit for one line."""
    return key if key.isascii() and re.fullmatch(r"[A-Za-z0-9_-]{1,40}", key) else show(key)


def _printable(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\u{ord(character):04x}"


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _either(allowed: Iterable[object]) -> str:
    return " or ".join(show(item) for item in allowed)


def _meant(value: object, known: list[str]) -> str:
    import difflib  # noqa: PLC0415  (most configurations are right)

    close = difflib.get_close_matches(value, known, n=1) if isinstance(value, str) else []
    return f'; did you mean "{close[0]}"?' if close else ""
