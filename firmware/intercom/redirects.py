# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a call may be sent by somebody else: a server's 302 makes the door call another number.

So it is the door's own decision, and a narrow one. Unasked only users of the very server that redirects are called;
other hosts have to be named in the configuration, and emergency numbers are never called by anything received.
"""

from collections.abc import Callable, Sequence

from intercom import addresses
from intercom.config import OWN, Account
from intercom.core.rules import Redirect


def policy(accounts: Sequence[Account]) -> Callable[[str, str], Redirect]:
    """Return the function that judges what a far end wants called instead: account, its URI -> whom to call."""
    known = {account.key: account for account in accounts}

    def judge(account: str, contact: str) -> Redirect:
        if account not in known:
            return Redirect(refused="who is called at an address of their own stays there")
        return _judge(known[account], contact)

    return judge


def _judge(account: Account, contact: str) -> Redirect:
    address = addresses.parse(contact.partition("?")[0])
    if address is None or not address.scheme:
        return Redirect(refused="not an address that can be called")
    if address.scheme == "sips" and account.transport != "tls":
        return Redirect(refused="it asks for TLS, which the account does not use")
    if address.transport not in ("", account.transport):
        return Redirect(refused=f"it asks for {address.transport}, the account uses {account.transport}")
    if addresses.is_emergency(address.user):
        return Redirect(refused="it looks like an emergency number")
    if not address.host or any(addresses.same_place(address.host, own) for own in _own(account)):
        if OWN not in account.redirects:
            return Redirect(refused="the account follows no redirection there")
        if addresses.number(address.user) == addresses.number(account.user):
            return Redirect(refused="that is the door itself")
        return Redirect(target=f"tel:{address.user}{address.context}" if address.scheme == "tel" else address.user)
    if any(addresses.is_within(address.host, place) for place in account.redirects):
        by = "" if account.transport == "udp" else f";transport={account.transport}"
        return Redirect(target=f"{address.scheme}:{address.user}@{address.host}{by}")
    return Redirect(refused="it leads to another host")


def _own(account: Account) -> tuple[str, ...]:
    return tuple(server for server in (account.server, account.proxy) if server)
