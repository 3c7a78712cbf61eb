# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts by SIP (MESSAGE, RFC 3428): sent with a ticket that comes back with the answer, and told as they come."""

import itertools
from collections.abc import Callable
from dataclasses import replace

from intercom.core.events import Event, MessageDelivered, MessageReceived
from intercom.engine.sip import uri
from intercom.engine.sip.account import Line
from intercom.engine.sip.caller_id import Caller
from intercom.engine.sip.native import Library

Post = Callable[[Event], None]


class Texts:
    """All texts of one engine."""

    def __init__(self, library: Library, post: Post) -> None:
        self._library, self._post = library, post
        self._sent: dict[int, MessageDelivered] = {}
        self._tickets = itertools.count(1)

    def send(self, account: Line, target: str, text: str, number: int = 0) -> None:
        """Send a MESSAGE; `MessageDelivered` follows, with its number."""
        ticket, settings = next(self._tickets), account.settings
        self._sent[ticket] = MessageDelivered(settings.name, target, 503, number)
        address = uri.uri(target, settings)
        if self._library.send_text(account.getId(), address, uri.clip(text), ticket):
            self.answered(ticket, 503)

    def answered(self, ticket: int, code: int) -> None:
        """Tell what became of a text, once."""
        if text := self._sent.pop(ticket, None):
            self._post(replace(text, code=code))

    def arrived(self, account: Line, sender: Caller, source: str, text: str, *, trusted: bool) -> None:
        """Tell of a text; PJSIP has taken it with 200 already."""
        shown = text[: uri.LONGEST_TEXT]
        self._post(MessageReceived(account.settings.name, sender.claimed, source, trusted, shown, sender.asserted))
