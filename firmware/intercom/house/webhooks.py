# SPDX-License-Identifier: GPL-2.0-or-later
"""Webhooks: one POST with JSON for each record, tried again when the other side does not take it."""

import asyncio
import hashlib
import hmac
import json
import sys
import urllib.error
import urllib.request
from typing import Any

from intercom import __version__
from intercom.house.bridge import Queue
from intercom.house.settings import Webhook

TRIES_S = (1.0, 5.0, 30.0, 120.0, 600.0)
"""Waits before it is tried again."""
PATIENCE_S = 10.0
_LATER = frozenset({408, 425, 429})


class Caller:
    """Tells one web server, in order."""

    def __init__(self, webhook: Webhook, *, tries_s: tuple[float, ...] = TRIES_S) -> None:
        self._webhook, self._tries_s = webhook, tries_s
        self.queue = Queue()

    async def run(self) -> None:
        """Tell, for ever."""
        while True:
            _, records = await self.queue.get()
            for record in records:
                if record["kind"] in self._webhook.kinds:
                    await self._tell(record)

    async def _tell(self, record: dict[str, Any]) -> None:
        body = json.dumps({name: record[name] for name in ("at", "kind", "text", "fields")}).encode()
        why = ""
        for wait_s in (*self._tries_s, None):
            why, again = await asyncio.to_thread(self._post, body)
            if not again or wait_s is None:
                break
            await asyncio.sleep(wait_s)
        if why:
            print(f"webhook {self._webhook.key}: {record['kind']} not told: {why}", file=sys.stderr, flush=True)

    def _post(self, body: bytes) -> tuple[str, bool]:
        """Return what went wrong, if anything, and whether another try makes sense."""
        headers = {"Content-Type": "application/json", "User-Agent": f"intercom/{__version__}"}
        if self._webhook.secret:
            signed = hmac.new(self._webhook.secret.reveal().encode(), body, hashlib.sha256).hexdigest()
            headers["X-Intercom-Signature"] = f"sha256={signed}"
        request = urllib.request.Request(self._webhook.url, body, headers)  # noqa: S310  (settings.py allows http only)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S):  # noqa: S310
                return "", False
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.reason}", error.code >= 500 or error.code in _LATER
        except (OSError, ValueError) as error:
            return str(getattr(error, "reason", error)), True
