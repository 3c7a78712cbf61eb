# SPDX-License-Identifier: GPL-2.0-or-later
"""Which code an entry is: the only place where what was keyed meets what was configured.

Hashing takes too long for the event loop, so it is a thread's work, one entry after the other; the answer is posted.
"""

import hmac
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from intercom.config.model import Code
from intercom.core.commands import CheckCode
from intercom.core.events import CodeChecked
from intercom.daemon.ports import Post
from intercom.local_time import first_at
from intercom.security import code_hash


class CodeChecker:
    """All codes of the door."""

    def __init__(
        self,
        codes: Sequence[Code],
        post: Post,
        *,
        clock_known: Callable[[], bool],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Post a `CodeChecked` for every entry that is checked. `now` is in seconds of the epoch."""
        self._post, self._clock_known, self._now = post, clock_known, now
        self._expires = {code.key: code.expires for code in codes if code.expires is not None}
        self._plain: list[tuple[str, bytes]] = []
        self._mills: dict[code_hash.ScryptParams, list[tuple[str, code_hash.Hashed]]] = {}
        for code in codes:
            known = code_hash.parse(code.secret.reveal())
            if known is None:
                self._plain.append((code.key, code.secret.reveal().encode()))
            else:
                self._mills.setdefault(known.mill, []).append((code.key, known))
        self._thread = ThreadPoolExecutor(1, "code book")

    def check(self, order: CheckCode) -> None:
        """Find out which code an entry is; return at once."""
        if self._mills:
            self._thread.submit(self._answer, order)
        else:
            self._answer(order)

    def close(self) -> None:
        """Answer nobody any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def find(self, entry: str) -> str:
        """Return the name of the code that an entry is, empty for none.

        It looks at every code whatever it finds, so the time it takes tells nothing of how near a guess came.
        """
        found = ""
        for name, plain in self._plain:
            if hmac.compare_digest(plain, entry.encode()):
                found = name
        for mill, codes in self._mills.items():
            key = mill.grind(entry)
            for name, known in codes:
                if known.is_made_of(key):
                    found = name
        return found

    def _answer(self, order: CheckCode) -> None:
        try:
            found = self.find(order.entry)
        except Exception as error:  # noqa: BLE001  (no memory, for instance: an entry without an answer would wait for ever)
            print(f"intercom: a code could not be compared: {type(error).__name__}", file=sys.stderr)
            found = ""
        self._post(CodeChecked(order.check, found, self._is_expired(found)))

    def _is_expired(self, name: str) -> bool:
        until = self._expires.get(name)
        return until is not None and (not self._clock_known() or self._now() >= first_at(until))
