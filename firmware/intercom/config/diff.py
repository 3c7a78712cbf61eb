# SPDX-License-Identifier: GPL-2.0-or-later
"""A configuration as one list of keys and values, "accounts.home.user", to compare two of them."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from intercom.config.model import Secret

MASKED = "***"


def flatten(value: Any) -> dict[str, str]:
    """Return key -> value as text. Secrets are in the clear: keep it among those who may know them."""
    return dict(_pairs(value, ""))


def differing(old: Mapping[str, str], new: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return key, old and new value of what differs, in order; empty where one has no such key, secrets masked."""
    return [
        (key, _shown(key, old.get(key, "")), _shown(key, new.get(key, "")))
        for key in dict.fromkeys([*old, *new])
        if old.get(key, "") != new.get(key, "")
    ]


def _pairs(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if is_dataclass(value):
        for field in fields(value):
            if field.name not in {"key", "warnings"}:
                yield from _pairs(getattr(value, field.name), f"{path}.{field.name}".removeprefix("."))
    elif isinstance(value, tuple) and value and is_dataclass(value[0]):
        for place, part in enumerate(value):
            yield from _pairs(part, f"{path}.{getattr(part, 'key', place)}")
    elif isinstance(value, Secret):
        yield path, value.reveal()
    elif value is not None:
        yield path, ", ".join(map(str, sorted(value, key=str))) if isinstance(value, frozenset) else str(value)


def _shown(key: str, value: str) -> str:
    return MASKED if value and key.rpartition(".")[2] in {"password", "secret"} else value
