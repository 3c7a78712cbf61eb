# SPDX-License-Identifier: GPL-2.0-or-later
"""Who calls: what the addresses in a request's headers say of its sender and of the way it came.

The addresses come from PJSIP's parser (`Library.parties`). No text is searched here: a display name, a comment or a
parameter may hold anything, and none of it is the caller.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from intercom import sip_address

LONGEST = 60
"""Characters of a name; what is longer is no name."""


class Party(NamedTuple):
    """One address of a header, with nothing percent-encoded any more."""

    name: str
    """The display name, with its backslashes."""
    user: str
    """The user of a SIP URI, or the number of a `tel:` URI."""
    host: str
    """The host of a SIP URI, or the context of a `tel:` URI."""
    scheme: str
    """"sip", "sips" or "tel"; empty for what is no address that we know."""


class Caller(NamedTuple):
    """Who sent a request."""

    claimed: str
    """Whom it has to be for the sender to be let in."""
    asserted: str
    """Whom it has to be besides; empty: nobody else."""


def named(party: Party, is_own: Callable[[str], bool]) -> str:
    """Return whom an address names: the user alone where the host is the account's own, else `user@host`.

    `is_own` tells whether a host is the account's. A telephone number in the From header (`tel:`) is nobody's: it has
    no host, and so no server that has checked it.
    """
    if party.scheme not in ("sip", "sips") or not party.host:
        return f"{party.scheme or 'unknown'}:{party.user}"
    return sip_address.party(party.user, "" if is_own(party.host) else party.host)


def caller(sender: Sequence[Party], vouched: Sequence[Party], is_own: Callable[[str], bool], rule: str) -> Caller:
    """Return who calls. `rule` is the account's `caller_is`: "both", "from" or "asserted"."""
    claimed = named(sender[0], is_own) if sender else ""
    asserted = _asserted(vouched, is_own) if rule != "from" else ""
    return Caller(asserted, "") if asserted and rule == "asserted" else Caller(claimed, asserted)


def _asserted(vouched: Sequence[Party], is_own: Callable[[str], bool]) -> str:
    """Return whom the server vouches for (RFC 3325, P-Asserted-Identity); nothing where it vouches for nobody.

    That header has one SIP address, one telephone number, or both. A SIP user of the server's own decides; else a
    number that is valid everywhere, which a server that vouches for it has checked.
    """
    own = [named(party, is_own) for party in vouched if party.scheme in ("sip", "sips") and is_own(party.host)]
    numbers = [sip_address.party(party.user) for party in vouched if party.scheme == "tel" and party.user[:1] == "+"]
    return next(iter([*own, *numbers, *(named(party, is_own) for party in vouched)]), "")


def shown(sender: Sequence[Party], vouched: Sequence[Party]) -> str:
    """Return whom a phone would show: who the server vouches for, else who the caller says to be."""
    return next((text for party in (*vouched, *sender) if (text := who(party))), "")


def diverted_by(diversion: Sequence[Party], history: Sequence[Party]) -> str:
    """Return whom the call was meant for before it was forwarded to us, where it was (RFC 5806, RFC 7044)."""
    if diversion:
        return who(diversion[0])
    # One entry is the call itself; the one before the last is whom it came from.
    return who(history[-2]) if len(history) > 1 else ""


def who(party: Party) -> str:
    """Return name and number of an address: `Kitchen (201)`, or what there is of them; nothing where it is none."""
    if not party.scheme:
        return ""
    name = _shown(re.sub(r"\\(.)", r"\1", party.name, flags=re.DOTALL))
    number = _shown(party.user.partition(";")[0])
    return f"{name} ({number})" if name and name != number else number


def _shown(text: str) -> str:
    """Return a text of a stranger's as it may be printed."""
    return "".join(character for character in text if character.isprintable())[:LONGEST].strip()
