# SPDX-License-Identifier: GPL-2.0-or-later
"""Who calls: what the headers of a request say of its sender and of the way it came, as short texts."""

import re

from intercom.addresses import number

LONGEST = 60
"""Characters of a name; what is longer is no name."""
_COMPACT = {"From": "f"}
_ADDRESS = re.compile(r'\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^<"]*?))\s*<(?:sips?|tel):(?P<user>[^@;>]+)')
_ENTRY = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^",<])*<[^>]+>[^,]*')
"""One of the addresses of a list: a name, which may hold a comma between its quotes, and what follows."""
_BARE = re.compile(r"\s*(?:sips?|tel):(?P<user>[^@;>]+)")


def header(message: str, name: str) -> str:
    """Return the first value of a header, unfolded; nothing where there is none (RFC 3261 section 7.3)."""
    return next(iter(headers(message, name)), "")


def headers(message: str, name: str) -> list[str]:
    """Return the values of all headers of a name, unfolded, in their order."""
    head = re.split(r"\r?\n\r?\n", message, maxsplit=1)[0]
    spelt = "|".join((re.escape(name), *filter(None, [_COMPACT.get(name)])))
    found = re.findall(rf"(?im)^(?:{spelt})[ \t]*:[ \t]*((?:.*)(?:\r?\n[ \t]+.*)*)", head)
    return [re.sub(r"\s+", " ", value).strip() for value in found]


def who(value: str) -> str:
    """Return name and number of an address: `Kitchen (201)`, or what there is of them; nothing where it is none."""
    found = _ADDRESS.match(value) or _BARE.match(value)
    if found is None:
        return ""
    parts = found.groupdict()
    name = _shown(re.sub(r"\\(.)", r"\1", parts.get("quoted") or parts.get("token") or ""))
    user = _shown(number(parts["user"]))
    return f"{name} ({user})" if name and name != user else user


def caller(message: str) -> str:
    """Return whom a phone would show: who the server vouches for (RFC 3325), else who the caller says to be."""
    return who(header(message, "P-Asserted-Identity")) or who(header(message, "From"))


def diverted_by(message: str) -> str:
    """Return whom the call was meant for before it was forwarded to us, where it was (RFC 5806, RFC 7044)."""
    if diversion := header(message, "Diversion"):
        return who(diversion)
    # The last ones are enough, and a stranger's long header costs no time.
    entries = _ENTRY.findall(",".join(headers(message, "History-Info"))[-1000:])
    # One entry is the call itself; the one before the last is whom it came from.
    return who(entries[-2]) if len(entries) > 1 else ""


def _shown(text: str) -> str:
    """Return a text of a stranger's as it may be printed."""
    return "".join(character for character in text if character.isprintable())[:LONGEST].strip()
