# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts (RFC 3428): what the door writes to people by itself, and what it answers when they write to it.

A text can be forged more easily than a call can be listened to, so it counts only from the account's own server, and
only from users who are named; there is no "anybody" here. Nothing that somebody wrote is ever recorded.
"""

from dataclasses import replace

from intercom.core import codes, outage, refusals
from intercom.core.commands import Kind, NotifyOutage, NotifyUnanswered, SendMessage
from intercom.core.context import StepContext
from intercom.core.events import MessageDelivered, MessageReceived
from intercom.core.outputs import line_up, status
from intercom.core.rules import is_named
from intercom.core.snapshot import NOTHING, Press, Untold
from intercom.core.state import Posting
from intercom.core.transitions import Outcome
from intercom.core.words import DIRECT

UNANSWERED = (Outcome.NO_ANSWER, Outcome.BUSY, Outcome.DECLINED, Outcome.NOT_FOUND)
"""Visits that somebody should hear of. Those that an outage took are told when it is over (`line.up`)."""
AGAIN_S = (60.0, 300.0, 900.0, 3600.0)
"""Waits after a text that was not taken; the last one repeats."""
ANSWER_S = 64.0
"""PJSIP itself gives a text up after 32 s (timer F, RFC 3261 section 17.1.2.2)."""
HELP = "I understand: status, open CODE"


def unanswered(turn: StepContext, outcome: Outcome) -> None:
    """Have it written that somebody rang and nobody came."""
    visit = turn.visit
    if not visit.by_visitor or not turn.rules.text_unanswered_to or outcome not in UNANSWERED:
        return
    press = Press(turn.rules.names.get(visit.button, visit.button), visit.began_at, outcome.value)
    untold = turn.state.untold
    turn.set(untold=replace(untold, unanswered=(*untold.unanswered, press)[-outage.MISSED_KEPT :]))
    if not turn.state.post_failed:
        turn.set(post_at=None)


def found(turn: StepContext, untold: Untold) -> None:
    """The daemon before this one left something to be told."""
    mine = turn.state.untold
    turn.set(
        untold=Untold(
            (*untold.missed, *mine.missed)[-outage.MISSED_KEPT :],
            untold.more + mine.more + max(0, len(untold.missed) + len(mine.missed) - outage.MISSED_KEPT),
            (*untold.unanswered, *mine.unanswered)[-outage.MISSED_KEPT :],
        )
    )


def follow(turn: StepContext) -> None:
    """After everything else of a step: send what is to be told as soon as there is a way, one text at a time.

    It stays to be told until it was taken. A text that is not taken is sent again after a while, later each time, and
    when a line has come up.
    """
    state = turn.state
    if state.posting is not None and turn.now >= state.posting.until:
        _not_taken(turn, 408, turn.rules.text_missed_to)
    if state.posting is None and state.untold == NOTHING:
        turn.set(post_at=None, post_failed=0)
    elif state.post_at is not None and turn.now >= state.post_at:
        turn.set(post_at=None)
    state = turn.state
    if state.posting is None and state.post_at is None and state.stopping_until is None and state.untold != NOTHING:
        _post(turn)


def _post(turn: StepContext) -> None:
    """Send the next text, if there is a way; what the configuration wants to be told to nobody is forgotten."""
    rules, untold = turn.rules, turn.state.untold
    if untold.unanswered and not rules.text_unanswered_to:
        untold = replace(untold, unanswered=())
    if (untold.missed or untold.more) and not rules.text_missed_to:
        untold = replace(untold, missed=(), more=0)
    turn.set(untold=untold)
    number, until = turn.state.posts + 1, turn.now + ANSWER_S
    if untold.unanswered and (way := _way(turn, rules.text_unanswered_to)):
        press = untold.unanswered[0]
        turn.order(NotifyUnanswered(way, rules.text_unanswered_to, press.button, press, number))
        turn.set(posts=number, posting=Posting(number, (press,), 0, until))
    elif untold.missed and (way := _way(turn, rules.text_missed_to)):
        began = untold.missed[0].at
        if untold.missed[0].epoch_s is None and turn.state.down_since is not None:
            began = min(began, turn.state.down_since)
        turn.order(NotifyOutage(way, rules.text_missed_to, untold.missed, untold.more, began, turn.now, number))
        turn.set(posts=number, posting=Posting(number, untold.missed, untold.more, until))


def _way(turn: StepContext, target: str) -> str:
    """Return the account through which a text goes now; empty where there is none."""
    if not turn.state.engine_up:
        return ""
    if target in turn.rules.direct:
        return DIRECT
    line = line_up(turn.state)
    return "" if line is None else line.name


def engine_lost(turn: StepContext) -> None:
    """Nobody knows whether the text that was on its way has arrived: it is sent again."""
    turn.set(posting=None)


def _not_taken(turn: StepContext, code: int, target: str) -> None:
    failed = turn.state.post_failed
    if not failed:
        turn.tell(Kind.TEXT_FAILED, visit="", target=target, code=code)
    turn.set(posting=None, post_failed=failed + 1, post_at=turn.now + AGAIN_S[min(failed, len(AGAIN_S) - 1)])


def arrived(turn: StepContext, event: MessageReceived) -> None:
    """Somebody wrote: do what he may ask for, and answer; anybody else gets nothing."""
    allowed = turn.rules.texters.get(event.account, frozenset())
    if not event.trusted or not is_named(event.sender, event.asserted, allowed):
        reason = "not an allowed sender" if event.trusted else "not from the account's server"
        refusals.refused(
            turn,
            Kind.TEXT_REFUSED,
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
        turn.order(SendMessage(event.account, event.sender, status(turn.state) if asked == "status" else HELP))
    elif not codes.texted(turn, event.account, event.sender, words[1]):
        turn.order(SendMessage(event.account, event.sender, codes.REFUSED))


def taken(turn: StepContext, event: MessageDelivered) -> None:
    """A text got its answer; who did not take it is told, because nobody knows what it said."""
    posting, untold = turn.state.posting, turn.state.untold
    if posting is None or event.number != posting.number:
        if event.code >= 300:
            turn.tell(Kind.TEXT_FAILED, visit="", target=event.target, account=event.account, code=event.code)
        return
    if event.code >= 300:
        _not_taken(turn, event.code, event.target)
        return
    about_visit = posting.presses[0] in untold.unanswered
    turn.set(
        posting=None,
        post_failed=0,
        untold=Untold(
            untold.missed if about_visit else tuple(press for press in untold.missed if press not in posting.presses),
            untold.more if about_visit else max(0, untold.more - posting.more),
            untold.unanswered[1:] if about_visit else untold.unanswered,
        ),
    )
    if about_visit:
        turn.tell(Kind.TEXT_SENT, visit="", target=event.target, account=event.account, about="an unanswered visit")
    else:
        presses = len(posting.presses) + posting.more
        turn.tell(Kind.OUTAGE_TOLD, visit="", target=event.target, account=event.account, presses=presses)
