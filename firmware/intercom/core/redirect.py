# SPDX-License-Identifier: GPL-2.0-or-later
"""Redirections: a server names others to call instead (RFC 3261 section 21.3), and the door decides whether it does.

They are called one after the other, the best first. Every call that a redirection caused counts one hop, and nobody is
called twice in a visit through the same account, so no server can send the door round in circles.
"""

from dataclasses import replace

from intercom.core import legs
from intercom.core.commands import Kind
from intercom.core.context import StepContext
from intercom.core.state import Leg

MOST_NAMED = 5
"""More than this many addresses in one answer are not even looked at."""


def followed(turn: StepContext, leg: Leg, contacts: tuple[str, ...]) -> Leg:
    """Return the leg with those of `contacts` that may be called after it, the best first; tell of every one."""
    allowed: list[str] = []
    for contact in contacts[:MOST_NAMED]:
        way = turn.rules.redirect(leg.account, contact)
        refused = way.refused
        if not refused and (way.target in allowed or (way.target, leg.account) in turn.visit.tried):
            refused = "called already: a loop"
        elif not refused and leg.hops >= turn.rules.most_hops:
            refused = f"sent on {leg.hops} times already"
        elif not refused and not turn.rules.may_dial(way.target):
            refused = "the door may not call this number"
        if refused:
            turn.tell(Kind.REDIRECT_REFUSED, leg=leg.name, target=leg.target, contact=contact, reason=refused)
        else:
            allowed.append(way.target)
            turn.tell(Kind.CALL_REDIRECTED, leg=leg.name, target=leg.target, contact=contact)
    return replace(leg, others=(*allowed, *leg.others))


def call_next(turn: StepContext, leg: Leg) -> bool:
    """Call the next one that a leg was sent to; return whether there was one."""
    others = [other for other in leg.others if (other, leg.account) not in turn.visit.tried]
    if not others or leg.hops >= turn.rules.most_hops:
        return False
    return legs.place(turn, others[0], leg.account, sent=leg, others=tuple(others[1:]))
