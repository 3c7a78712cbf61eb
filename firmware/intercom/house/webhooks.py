# SPDX-License-Identifier: GPL-2.0-or-later
"""Webhooks: one POST with JSON for each record, tried again when the other side does not take it.

No redirection is followed: a POST would become a GET without its content, or go where nobody has said that it may.
"""

import asyncio
import hashlib
import hmac
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

from intercom import __version__
from intercom.adapters.records import printable
from intercom.house.bridge import Queue
from intercom.house.settings import Webhook

TRIES_S = (1.0, 5.0, 30.0, 120.0, 600.0)
"""Waits before it is tried again."""
PATIENCE_S = 10.0
_LATER = frozenset({408, 425, 429})


class _Stay(urllib.request.HTTPRedirectHandler):
    """Leaves a redirection to be told as the error that it is."""

    def redirect_request(self, *_: Any) -> None:
        """Make no other request."""


_OPENER = urllib.request.build_opener(_Stay)


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
            headers["X-Intercom-Timestamp"] = now = str(int(time.time()))
            signed = hmac.new(self._webhook.secret.reveal().encode(), f"{now}.".encode() + body, hashlib.sha256)
            headers["X-Intercom-Signature"] = f"sha256={signed.hexdigest()}"
        request = urllib.request.Request(self._webhook.url, body, headers)  # noqa: S310  (settings.py allows http only)
        try:
            with _OPENER.open(request, timeout=PATIENCE_S):
                return "", False
        except urllib.error.HTTPError as error:
            with error:
                place = error.headers.get("Location", "") if 300 <= error.code < 400 else ""
                why = f"{error.code} {error.reason}"
                if place:
                    why += f": it has moved to {place[:200]}; no redirection is followed, see url in house.toml"
                return printable(why), error.code >= 500 or error.code in _LATER
        except (OSError, ValueError, http.client.HTTPException) as error:
            return printable(str(getattr(error, "reason", error)) or repr(error)), True
