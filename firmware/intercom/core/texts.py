# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts (RFC 3428): what the door writes to people by itself, and what it answers when they write to it.

A text can be forged more easily than a call can be listened to, so it counts only from the account's own server, and
only from users who are named; there is no "anybody" here. Nothing that somebody wrote is ever recorded.
"""

from intercom.core import codes
from intercom.core.commands import Kind, SendText, TellUnanswered
from intercom.core.events import TextAnswered, TextArrived
from intercom.core.levels import line_up, status
from intercom.core.phases import Outcome
from intercom.core.rules import is_named
from intercom.core.turn import Turn

UNANSWERED = (Outcome.NO_ANSWER, Outcome.BUSY, Outcome.DECLINED, Outcome.NOT_FOUND)
"""Visits that somebody should hear of. Those that an outage took are told when it is over (`line.up`)."""
HELP = "I understand: status, open CODE"


def unanswered(turn: Turn, outcome: Outcome) -> None:
    """Write that somebody rang and nobody came."""
    visit, target, line = turn.visit, turn.rules.text_unanswered_to, line_up(turn.state)
    if not visit.by_visitor or not target or line is None or outcome not in UNANSWERED:
        return
    door = turn.rules.names.get(visit.button, visit.button)
    turn.order(TellUnanswered(line.name, target, door, visit.began_at, outcome.value))
    turn.tell(Kind.TEXT_SENT, target=target, account=line.name, about="an unanswered visit")


def arrived(turn: Turn, event: TextArrived) -> None:
    """Somebody wrote: do what he may ask for, and answer; anybody else gets nothing."""
    allowed = turn.rules.texters.get(event.account, frozenset())
    if not event.trusted or not is_named(event.sender, event.asserted, allowed):
        reason = "not an allowed sender" if event.trusted else "not from the account's server"
        turn.tell(
            Kind.TEXT_REFUSED,
            visit="",
            caller=event.sender,
            account=event.account,
            source=event.source,
            reason=reason,
        )
        return
    words = event.text.lower().split()
    asked = words[0] if words == ["status"] or (len(words) == 2 and words[0] == "open") else "unknown"
    turn.tell(Kind.TEXT_ARRIVED, visit="", caller=event.sender, account=event.account, request=asked)
    if asked != "open":
        turn.order(SendText(event.account, event.sender, status(turn.state) if asked == "status" else HELP))
    elif not codes.texted(turn, event.account, event.sender, words[1]):
        turn.order(SendText(event.account, event.sender, codes.REFUSED))


def taken(turn: Turn, event: TextAnswered) -> None:
    """A text got its answer; who did not take it is told, because nobody knows what it said."""
    if event.code >= 300:
        turn.tell(Kind.TEXT_FAILED, visit="", target=event.target, account=event.account, code=event.code)
