# SPDX-License-Identifier: GPL-2.0-or-later
"""What a text of the configuration may look like: a check, and beside it the words that say so.

Nothing here lets a control character, a quote or a space through to SIP, where it would end a header.
"""

import ipaddress
import re

NAME = "text of 1 to 60 printable characters without quotes or angle brackets"
KEY = "letters, digits, - and _, beginning with a letter, at most 32 of them"
SERVER = 'a host or host:port without "sip:", such as "pbx.example" or "192.0.2.1:5060"'
USER = 'a SIP user such as "201" or "front-door"'
TARGETS = 'users ("201") or addresses ("sip:201@pbx.example")'
CALLERS = 'users ("201"), or "*" for anyone the server lets through'
PASSWORD = "1 to 128 printable characters"  # noqa: S105  (it only says what one is)
CODE = "2 to 12 digits, each 0 to 9"
CARD = 'the name of a card in /proc/asound/cards, or "" for the default'
BIND = 'an IP address of this machine, or "" for all'

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
# RFC 3261 section 25.1, `user`, without the rarer characters that PJSIP or a shell would trip over.
_USER = re.compile(r"[A-Za-z0-9_.!~*'+$&=-]{1,64}")
_ADDRESS = re.compile(r"sips?:(?P<user>[^@;?]+)@(?P<server>[^@;?]+)(?P<parameters>(;[A-Za-z0-9_.=-]{1,64}){0,8})")
_CARD = re.compile(r"[A-Za-z0-9_:,=. -]{0,64}")


def is_name(text: str) -> bool:
    """Whether a text is fit to be shown on a phone."""
    return 1 <= len(text) <= 60 and text.isprintable() and not set(text) & set('"<>\\')


def is_key(text: str) -> bool:
    """Whether a text is fit to be the second word of a section's name."""
    return _KEY.fullmatch(text) is not None


def is_user(text: str) -> bool:
    """Whether a text is the user part of a SIP address."""
    return _USER.fullmatch(text) is not None


def is_caller(text: str) -> bool:
    """Whether a text is a user who may call, or the asterisk that stands for all of them."""
    return is_user(text)


def is_server(text: str) -> bool:
    """Whether a text is host, host:port, or [IPv6 address]:port."""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        return bool(bracket) and _is_address(host, 6) and (not port or (port[0] == ":" and _is_port(port[1:])))
    host, colon, port = text.partition(":")
    return _is_host(host) and (not colon or _is_port(port))


def is_target(text: str) -> bool:
    """Whether a text can be called."""
    address = _ADDRESS.fullmatch(text)
    return is_user(text) if address is None else is_user(address["user"]) and is_server(address["server"])


def is_proxy(text: str) -> bool:
    """Whether a text is an outbound proxy, or none."""
    return not text or is_server(text)


def is_password(text: str) -> bool:
    """Whether a text can be logged in with."""
    return 1 <= len(text) <= 128 and text.isprintable()


def is_code(text: str) -> bool:
    """Whether a text can be keyed on a phone. Other scripts' digits cannot."""
    return 2 <= len(text) <= 12 and text.isascii() and text.isdigit()


def is_card(text: str) -> bool:
    """Whether a text can be a card's name."""
    return _CARD.fullmatch(text) is not None


def is_bind(text: str) -> bool:
    """Whether a text is a local address, or none."""
    return not text or _is_address(text)


def _is_host(text: str) -> bool:
    if not 1 <= len(text) <= 253:
        return False
    labels = text.removesuffix(".").split(".")
    if labels[-1].isdigit():
        return _is_address(text, 4)
    return all(_LABEL.fullmatch(label) for label in labels)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535


def _is_address(text: str, version: int | None = None) -> bool:
    try:
        return ipaddress.ip_address(text).version in (version or 4, version or 6) and "%" not in text
    except ValueError:
        return False
