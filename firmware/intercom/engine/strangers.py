# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is not let in: strangers, told at most once an hour, and calls that PJSIP refuses by itself.

Who is a stranger is decided in ../../pjsip/gate.c.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from intercom.core.events import CallTurnedAway, StrangersRefused
from intercom.engine import words
from intercom.engine.words import guarded

if TYPE_CHECKING:
    from intercom.engine.accounts import Line
    from intercom.engine.sip import Telephone

HOUR_S = 3600.0


class Strangers:
    """Sums up what was refused. The first knock is told at once, what follows it once an hour."""

    def __init__(self, refused: Callable[[], tuple[int, str, str]]) -> None:
        """`refused` returns the count so far, who was the last one, and what he sent."""
        self._refused = refused
        self._told = 0
        self._told_at: float | None = None

    def news(self, now: float) -> StrangersRefused | None:
        """Return what there is to tell at an instant, in seconds; None when there is nothing, or not yet."""
        if self._told_at is not None and now < self._told_at + HOUR_S:
            return None
        count, source, request = self._refused()
        if count == self._told:
            return None
        new, self._told, self._told_at = count - self._told, count, now
        return StrangersRefused(new, source, request or "something")


class TurnedAway:
    """What `sip.py` makes a `pj.Endpoint` of: the callback that tells of a call that no account ever heard of."""

    pj: Any
    """The library; `sip.py` alone imports it."""

    def __init__(self, phone: "Telephone", lines: Mapping[str, "Line"]) -> None:
        self._phone, self._lines = phone, lines

    @guarded
    def onRejectedIncomingCall(self, prm: Any) -> None:  # noqa: D102, N802  (PJSUA2 names and documents it)
        source, code = str(prm.rdata.srcAddress), int(prm.statusCode)
        line = next((line for line in self._lines.values() if line.trusts(words.host(source))), None)
        in_clear = (
            line is not None and line.settings.srtp == "required" and code == self.pj.PJSIP_SC_NOT_ACCEPTABLE_HERE
        )
        reason = "the sound would not be encrypted" if in_clear else str(prm.reason)
        account, caller = (line.settings.name, self._phone.sender(line, prm.rdata)[0]) if line is not None else ("", "")
        self._phone.post(CallTurnedAway(account, caller, source, code, reason))
