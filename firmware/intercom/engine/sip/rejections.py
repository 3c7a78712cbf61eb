# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is not let in: strangers, told at most once an hour, and calls that PJSIP refuses by itself.

Who is a stranger is decided in ../../pjsip/gate.c.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from intercom.core.events import CallRejected, UnknownSourcesDropped
from intercom.engine.sip.native import Refused
from intercom.engine.sip.uri import guarded

if TYPE_CHECKING:
    from intercom.engine.sip.user_agent import Telephone

HOUR_S = 3600.0


CAUSES = (
    "from strangers",
    "connections of strangers",
    "answers to nothing",
    "in no call of ours",
    "in a call, but not from its far end",
    "calls or texts without the account's Contact",
    "not on the account's own transport or connection",
    "whose answer would have gone elsewhere",
    "with a header twice",
    "more than a server may send",
)
"""What the gate refuses, in the order of `enum cause` there."""


class UnknownSources:
    """Sums up what was refused. The first knock is told at once, what follows it once an hour."""

    def __init__(self, refused: Callable[[], Refused]) -> None:
        """`refused` returns what was refused so far."""
        self._refused = refused
        self._told = (0,) * len(CAUSES)
        self._told_at: float | None = None

    def news(self, now: float) -> UnknownSourcesDropped | None:
        """Return what there is to tell at an instant, in seconds; None when there is nothing, or not yet."""
        if self._told_at is not None and now < self._told_at + HOUR_S:
            return None
        refused = self._refused()
        if refused.counts == self._told:
            return None
        new = [count - told for count, told in zip(refused.counts, self._told, strict=True)]
        self._told, self._told_at = refused.counts, now
        causes = ", ".join(f"{count} {cause}" for count, cause in zip(new, CAUSES, strict=True) if count)
        return UnknownSourcesDropped(sum(new), refused.source, refused.request or "something", causes)


class TurnedAway:
    """What `user_agent.py` makes a `pj.Endpoint` of: the callback for a call that no account ever heard of."""

    pj: Any
    """The library; `engine/sip/user_agent.py` alone imports it."""

    def __init__(self, phone: "Telephone") -> None:
        self._phone = phone

    @guarded
    def onRejectedIncomingCall(self, prm: Any) -> None:  # noqa: D102, N802  (PJSUA2 names and documents it)
        source, code = str(prm.rdata.srcAddress), int(prm.statusCode)
        line = self._phone.let_in(prm.rdata)
        in_clear = (
            line is not None and line.settings.srtp == "required" and code == self.pj.PJSIP_SC_NOT_ACCEPTABLE_HERE
        )
        reason = "the sound would not be encrypted" if in_clear else str(prm.reason)
        account, caller = (line.settings.name, self._phone.sender(line, prm.rdata)[0]) if line is not None else ("", "")
        self._phone.post(CallRejected(account, caller, source, code, reason))
