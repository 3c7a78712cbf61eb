# SPDX-License-Identifier: GPL-2.0-or-later
"""Events and commands <-> lines of JSON: what the daemon and the voice engine say to each other.

A line is `[instant, "Name", {fields}]`; the instant is CLOCK_MONOTONIC in seconds, which both processes share. The
first line an engine gets is its settings.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from intercom.core import commands, events
from intercom.core.commands import Tone
from intercom.core.fast_dataclass import dataclass
from intercom.errors import WireError

LONGEST = 1 << 20
"""A line longer than this, in bytes, is rubbish."""


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One SIP account, ready for PJSIP."""

    name: str
    id_uri: str
    """Address of record with display name: `"Front door" <sip:door@pbx>`."""
    registrar_uri: str
    """Empty when the account does not register."""
    user: str
    password: str
    proxy_uri: str
    transport: str
    """"udp", "tcp" or "tls"."""
    expires_s: int
    domain: str
    """Completes a bare target: "201" is called as sip:201@domain."""
    presence: bool = False
    """Whether its server is told whether we are on the phone."""
    ice: bool = False
    turn: str = ""
    """IP address and port of the TURN server; empty: none."""
    turn_user: str = ""
    turn_password: str = ""
    identity: str = "none"
    """Which header of RFC 3325 tells the server who calls: "none", "preferred" or "asserted"."""
    caller_is: str = "both"
    """Who counts as a caller: "from", "asserted" (RFC 3325) or "both"."""
    domains: tuple[str, ...] = ()
    """Hosts beside `domain` whose users are the account's own."""
    contact_key: str = ""
    """What its registrar is told in the Contact, and whoever calls has to know; empty: the engine makes one up."""
    trust: str = "contact"
    """What a call is known by: "contact", that key, or "address", the server's address."""
    addresses: tuple[str, ...] = ()
    """IP addresses and networks that the server calls from besides, with `trust` "address"."""
    keys_in_band: bool = False
    """Whether keys count that come as tones in the sound."""
    srtp: str = "off"
    """"off", "optional" or "required"."""
    srtp_keys: str = "sdes"
    """"sdes" (RFC 4568) or "dtls" (RFC 5763): how keys are agreed on when we call."""
    ca_file: str = ""
    """Authorities whose signature counts (PEM); empty: the system's."""
    cert_file: str = ""
    """Our own certificate for TLS (PEM), and beside it its key; empty: none."""
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class ButtonSettings:
    """How phones tell one button's calls from others."""

    button: str
    shown: str
    """The name that they show, fit to stand between quotes; empty: the account's own."""
    ring: str = ""
    """An Alert-Info header, or nothing."""


@dataclass(frozen=True, slots=True)
class ToneFile:
    """A file to be played instead of a built-in tone."""

    tone: Tone
    path: str


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Everything a voice engine has to know before it starts."""

    accounts: tuple[AccountSettings, ...]
    codecs: tuple[str, ...]
    bind: str
    """Local IP address to use, or empty for all."""
    port: int
    """Local port of SIP; TLS takes the next one."""
    card_in: str
    card_out: str
    microphone_db: float
    loudspeaker_db: float
    rate_hz: int
    period_ms: int
    echo: bool
    country: str
    tone_files: tuple[ToneFile, ...]
    user_agent: str
    gain: bool = True
    mixer: tuple[str, ...] = ()
    buttons: tuple[ButtonSettings, ...] = ()
    transports: tuple[str, ...] = ()
    """What is opened besides the accounts' own, for targets that ask for it: "udp", "tcp", "tls"."""
    instance: str = ""
    """UUID of this door, which lasts (RFC 5626 section 4.1); empty: none is known."""
    trace_level: int = 1
    """PJSIP's own log level, 0 to 5; level 5 holds whole messages."""
    played: str = ""
    """Folder of the sounds that an operator sends to be played; empty: none are."""


_KNOWN: dict[str, type] = {
    kind.__name__: kind for kind in (*get_args(events.Event), *get_args(commands.EngineCommand), EngineSettings)
}


def encode(message: object, at: float | None = None) -> bytes:
    """Return one line for an event, a command or the settings."""
    instant = time.monotonic() if at is None else at
    line = json.dumps([instant, type(message).__name__, _plain(message)], ensure_ascii=False) + "\n"
    # A name that came off the wire need not be UTF-8, and Python keeps such bytes as surrogates that are none either.
    return line.encode("utf-8", "replace")


def decode(line: bytes) -> tuple[float, Any]:
    """Return what a line says and when that was.

    Raises WireError for anything that `encode` would not have written: the other side may have died half-way.
    """
    try:
        instant, name, content = json.loads(line)
        return _finite(float(instant)), _build(_KNOWN[name], content)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise WireError(f"not a line of ours ({error}): {line[:80]!r}") from error


class Lines:
    """Cuts a stream of bytes into lines."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every line that `data` completes. Raises WireError when one grows past `LONGEST`."""
        self._rest += data
        while (end := self._rest.find(b"\n")) >= 0:
            line = bytes(self._rest[:end])
            del self._rest[: end + 1]
            yield line
        if len(self._rest) > LONGEST:
            raise WireError(f"a line of more than {LONGEST} bytes")


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def _build(kind: Any, value: Any) -> Any:
    """Return `value` as an instance of the annotation `kind`, or raise TypeError/ValueError/KeyError."""
    origin = get_origin(kind)
    if origin is UnionType:
        options = [option for option in get_args(kind) if option is not NoneType]
        return None if value is None else _build(options[0], value)
    if origin is tuple:
        return tuple(_build(get_args(kind)[0], item) for item in value)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        if not isinstance(value, dict):
            raise TypeError(f"{value!r} is no {kind.__name__}")
        if unknown := value.keys() - hints.keys():
            raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
        return kind(**{name: _build(hints[name], item) for name, item in value.items()})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is float and type(value) in (int, float):
        return _finite(float(value))
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value


def _finite(number: float) -> float:
    """Return a number that can be compared and added to; JSON as Python reads it knows others."""
    if not math.isfinite(number):
        raise ValueError(f"{number} is no number to reckon with")
    return number


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the annotations of a dataclass; looked up once, because that costs more than all the rest."""
    return get_type_hints(kind)
