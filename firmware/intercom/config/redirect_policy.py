# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a call may be sent by somebody else: a server's 302 makes the door call another number.

So it is the door's own decision, and a narrow one. Unasked nobody is called so. With "own" those of the account's own
server are that the configuration calls anyway, or whose number it names; other hosts have to be named as well. Star
codes and whatever may be an emergency number are never called by anything received.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from intercom import sip_address
from intercom.config import validators
from intercom.config.model import OWN, Account
from intercom.core.rules import Redirect

# What is left when nothing is encoded any more: no star code, no "#", no second "%", nobody else's digits.
_PLAIN = re.compile(r"\+?[A-Za-z0-9_.!~'&=$-]+")


def policy(accounts: Sequence[Account], targets: Iterable[str] = ()) -> Callable[[str, str], Redirect]:
    """Return the function that judges what a far end wants called instead: account, its URI -> whom to call.

    `targets` are all whom the configuration calls.
    """
    known = {account.key: account for account in accounts}
    called = [address for target in targets if (address := sip_address.parse(target)) is not None]

    def judge(account: str, contact: str) -> Redirect:
        if account not in known:
            return Redirect(refused="who is called at an address of their own stays there")
        return _judge(known[account], contact, called)

    return judge


def _judge(account: Account, contact: str, called: Sequence[sip_address.Address]) -> Redirect:
    address = sip_address.parse(contact.partition("?")[0])
    if address is None or not address.scheme:
        return Redirect(refused="not an address that can be called")
    if address.scheme == "sips" and account.transport != "tls":
        return Redirect(refused="it asks for TLS, which the account does not use")
    if address.transport not in ("", account.transport):
        return Redirect(refused=f"it asks for {address.transport}, the account uses {account.transport}")
    number, own = sip_address.digits(address.user), not address.host or _is_own(account, address.host)
    if sip_address.is_emergency(address.user):
        return Redirect(refused="it looks like an emergency number")
    if not _PLAIN.fullmatch(number):
        return Redirect(refused="it looks like a star code")
    ours = own and number in _numbers(account, called)
    if not ours and sip_address.may_be_emergency(address.user):
        return Redirect(refused="it looks like an emergency number")
    if own:
        if number == sip_address.digits(account.user):
            return Redirect(refused="that is the door itself")
        named = any(fnmatchcase(number, one) for one in account.redirects if validators.is_numbers(one))
        if not named and not (ours and OWN in account.redirects):
            return Redirect(refused="the account follows no redirection there")
        return Redirect(target=f"tel:{address.user}{address.context}" if address.scheme == "tel" else address.user)
    if any(sip_address.is_within(address.host, place) for place in account.redirects):
        by = "" if account.transport == "udp" else f";transport={account.transport}"
        return Redirect(target=f"{address.scheme}:{address.user}@{address.host}{by}")
    return Redirect(refused="it leads to another host")


def _is_own(account: Account, host: str) -> bool:
    return any(sip_address.same_place(host, server) for server in (account.server, account.proxy) if server)


def _numbers(account: Account, called: Sequence[sip_address.Address]) -> set[str]:
    """Return what the configuration itself calls at the account's server."""
    return {sip_address.digits(one.user) for one in called if not one.host or _is_own(account, one.host)}
