# SPDX-License-Identifier: GPL-2.0-or-later
"""PJSIP's own log, without what must not be in one: passwords, keys, what was keyed, and strangers' prose."""

import re
import sys
import time
from collections.abc import Callable, Collection
from typing import Any

from intercom.engine.sip import trace
from intercom.engine.sip.uri import guarded

QUIET_LEVEL = 3
"""Up to this level a log is for a person, and a peer must not be able to fill it."""
MOST, PER_S = 20, 60.0
"""Entries up to `QUIET_LEVEL` in so many seconds."""
LONGEST = 300
_SECRETS = (
    # RFC 3261 section 20.7: with the response and the rest a password can be guessed at leisure.
    (re.compile(r'\b(response|password)\s*=\s*("[^"]*"?|[^\s,]+)', re.IGNORECASE), r"\1=***"),
    # RFC 4568: the key of the sound; RFC 8839: that of its way.
    (re.compile(r"\binline:[^\s|;]+", re.IGNORECASE), "inline:***"),
    (re.compile(r"\ba=ice-pwd:\S+", re.IGNORECASE), "a=ice-pwd:***"),
    (re.compile(r"\bkey=\S.*"), "key=***"),
    # What is keyed may be a code: SIP INFO's bodies (application/dtmf-relay, application/dtmf), and PJSIP's own words.
    (re.compile(r"\b(Signal\s*=\s*)\S+", re.IGNORECASE), r"\1***"),
    (re.compile(r"(application/dtmf\b(?!-relay).*?\r?\n\r?\n)\s*\S+", re.IGNORECASE | re.DOTALL), r"\1***"),
    (re.compile(r"\b(DTMF digit(?: id)?|(?:dialing|sending) DTMF|digit) [0-9A-D*#]+", re.IGNORECASE), r"\1 ***"),
)


class Log:
    """What `user_agent.py` makes a `pj.LogWriter` of: it prints entries to stderr, as they are fit to be printed."""

    def __init__(self, secrets: Collection[str], level: int = 5) -> None:
        """`secrets` are never shown, wherever they stand. What is above `level` is not printed."""
        self.reader: Callable[[str], None] | None = None
        """Is given every entry that is fit for no log, while somebody traces."""
        self._level = level
        self._secrets = sorted((secret for secret in secrets if secret), key=len, reverse=True)
        self._began, self._count = 0.0, 0

    @guarded
    def write(self, entry: Any) -> None:  # noqa: D102  (PJSUA2 names and documents it)
        if self.reader is not None:
            self.reader(entry.msg)
        if entry.level <= self._level and (text := self.fit(entry.msg, entry.level)):
            print(text, file=sys.stderr)

    def fit(self, text: str, level: int, now: float | None = None) -> str:
        """Return an entry as it may be printed; nothing when there have been too many."""
        if level <= QUIET_LEVEL:
            text = self._bounded(text, time.monotonic() if now is None else now)
        text = trace.fit_for_a_log(text, self._secrets)
        for pattern, instead in _SECRETS:
            text = pattern.sub(instead, text)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text.rstrip()

    def _bounded(self, text: str, now: float) -> str:
        if now >= self._began + PER_S:
            self._began, self._count = now, 0
        self._count += 1
        if self._count > MOST:
            return ""
        if self._count == MOST:
            return f"more of this is left out for {PER_S:.0f} s"
        # Errors quote what came off the wire: one line of it is enough, and no terminal commands.
        return "".join(character for character in text.strip().split("\n")[0][:LONGEST] if character.isprintable())
