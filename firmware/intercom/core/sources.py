# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is held to account for what is keyed: one name for each phone, however it is spelt.

The same phone is "201" where it is called, a contact's name, "sip:201@pbx", the user who calls the door, and the user
who texts it. All of these are 201@home, where home is the account whose server knows the user. Two accounts at one
server are one.
"""

from dataclasses import replace

from intercom.core.door_state import FailedAttempts
from intercom.core.rules import Rules, What
from intercom.core.words import DIRECT

OTHERS = "other callers"
"""Stands for every user whom the configuration does not name: a caller may choose any name. No user has a space."""
_OTHERS_ONCE = "others"
"""What they were called before."""
_HEXADECIMAL = "0123456789abcdefABCDEF"
_SEPARATORS = str.maketrans("", "", "-.() ")
"""What people write between the digits of a number (RFC 3966 section 3, visual separators)."""


def keypad(name: str) -> str:
    """Return the source of a keypad or a reader at the door."""
    return f"keypad {name}"


def is_keypad(source: str) -> bool:
    """Whether a source is at the door; else it is a phone."""
    return source.startswith("keypad ")


def phone(rules: Rules, address: str, account: str) -> str:
    """Return the source of a phone: an address as it is called, or a user that the server of `account` told."""
    user, host = _parted(rules.dial.get(address, address))
    home = _home(rules, host, account)
    return f"{user}@{home}"


def payer(rules: Rules, source: str) -> str:
    """Return who pays for a source's wrong entries: itself, or the one for all whom the configuration does not name."""
    if is_keypad(source) or _is_named(rules, source):
        return source
    return f"{OTHERS}@{source.rpartition('@')[2]}"


def renamed(rules: Rules, tries: tuple[FailedAttempts, ...]) -> tuple[FailedAttempts, ...]:
    """Return accounts with each phone under its one name. Older intercoms kept them as the phone was spelt.

    A phone that was known without its server is the one of each account.
    """
    found: dict[tuple[str, What], FailedAttempts] = {}
    for one in tries:
        names = [one.name]
        if one.name == _OTHERS_ONCE:
            names = [f"{OTHERS}@{account}" for account in rules.accounts]
        elif not is_keypad(one.name) and (":" in one.name or "@" not in one.name):
            names = [phone(rules, one.name, account) for account in rules.accounts]
        for name in names:
            known = found.get((name, one.what))
            if known is None or known.locked_until < one.locked_until:
                found[name, one.what] = replace(one, name=name)
    return tuple(found.values())


def _is_named(rules: Rules, source: str) -> bool:
    """Whether the configuration names this phone, as whom it calls or as who may call or text.

    It is asked for at each key, so only the phones with this very user are looked at closely.
    """
    user, _, home = source.rpartition("@")
    stages = [target for stages in rules.buttons.values() for stage in stages for target in stage.targets]
    for target in {*stages, *(target for targets in rules.fallback.values() for target in targets), *rules.dial}:
        known, host = _parted(rules.dial.get(target, target))
        # Without a host it is called through each account.
        ways = ("",) if host else (*rules.accounts, DIRECT)
        if known == user and any(_home(rules, host, account) == home for account in ways):
            return True
    return any(
        phone(rules, name, account) == source
        for users in (rules.callers, rules.texters)
        for account in users
        for name in users[account]
        if name != "*"
    )


def _home(rules: Rules, host: str, account: str) -> str:
    """Return the account whose server a host is, the first one of several; the host itself where it is nobody's."""
    servers = {name: _host(server) for name, server in rules.servers.items()}
    server = host or servers.get(account, "")
    known = [name for name in rules.accounts if server and servers.get(name) == server]
    return known[0] if known else host or account


def _parted(address: str) -> tuple[str, str]:
    """Return user and host of an address, without what may be spelt in several ways (RFC 3261 section 19.1.4)."""
    text = address.strip().rpartition("<")[2].partition(">")[0]
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() in ("sip", "sips", "tel"):
        text = rest
    user, at, host = text.rpartition("@")
    if not at:
        user, host = host, ""
    user = _unescaped(user.partition(":")[0] if at else user).partition(";")[0]
    number = user.translate(_SEPARATORS)
    if number.removeprefix("+").isdigit():
        user = number
    return user, _host(host.partition(";")[0].partition("?")[0].lower())


def _host(text: str) -> str:
    """Return a host without its port; an IPv6 address keeps its brackets."""
    return text.partition("]")[0] + "]" if text.startswith("[") else text.partition(":")[0]


def _unescaped(text: str) -> str:
    """Return a text with its %41 and the like turned into what they stand for; only in ASCII, as numbers are."""
    head, *parts = text.split("%")
    for part in parts:
        code = part[:2]
        plain = len(code) == 2 and all(digit in _HEXADECIMAL for digit in code) and 32 < int(code, 16) < 127
        head += chr(int(code, 16)) + part[2:] if plain else f"%{part}"
    return head
