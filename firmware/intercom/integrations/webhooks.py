# SPDX-License-Identifier: GPL-2.0-or-later
"""Webhooks: one POST with JSON for each record, in order, tried again until the other side takes it.

No redirection is followed: a POST would become a GET without its content, or go where nobody has said that it may.
"""

import asyncio
import hashlib
import hmac
import http.client
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from typing import Any

from intercom import __version__
from intercom.adapters.systemd.records import printable
from intercom.integrations.outbox import Outbox
from intercom.integrations.settings import Webhook

TRIES_S = (1.0, 5.0, 30.0, 60.0)
"""Waits before it is tried again, in seconds; the last one from then on. A new record ends a wait."""
PATIENCE_S = 10.0
_LATER = frozenset({408, 425, 429})


class _Stay(urllib.request.HTTPRedirectHandler):
    """Leaves a redirection to be told as the error that it is."""

    def redirect_request(self, *_: Any) -> None:
        """Make no other request."""


class Caller:
    """Tells one web server, in order."""

    def __init__(self, webhook: Webhook, *, tries_s: tuple[float, ...] = TRIES_S) -> None:
        self._webhook, self._tries_s = webhook, tries_s
        self._failed = 0
        self._opener: urllib.request.OpenerDirector | None = None
        self.outbox = Outbox()

    async def run(self) -> None:
        """Tell, for ever."""
        while True:
            await self.outbox.changed()
            while (record := self.outbox.head) is not None:
                if record["kind"] not in self._webhook.kinds or await self.tell(record):
                    self.outbox.done(record)
                else:
                    await self.outbox.pause(self._tries_s[min(self._failed, len(self._tries_s)) - 1])
            if self.outbox.lost:
                self._say(f"{self.outbox.lost} records were too many, and are lost")
                self.outbox.lost = 0

    async def tell(self, record: dict[str, Any]) -> bool:
        """Tell one record; return whether it needs no other try. The first failure of a row is said."""
        body = json.dumps({name: record[name] for name in ("at", "kind", "text", "fields")}).encode()
        why, again = await asyncio.to_thread(self._post, body)
        if why and (not again or not self._failed):
            self._say(f"{record['kind']} not told: {why}{'; it is tried again' if again else ''}")
        if why and again:
            self._failed += 1
            return False
        if self._failed:
            self._say("it answers again")
        self._failed = 0
        return True

    def _say(self, text: str) -> None:
        print(f"webhook {self._webhook.key}: {text}", file=sys.stderr, flush=True)

    def _post(self, body: bytes) -> tuple[str, bool]:
        """Return what went wrong, if anything, and whether another try makes sense."""
        headers = {name: value.reveal() for name, value in self._webhook.headers}
        headers |= {"Content-Type": "application/json", "User-Agent": f"intercom/{__version__}"}
        if self._webhook.secret:
            headers["X-Intercom-Timestamp"] = now = str(int(time.time()))
            signed = hmac.new(self._webhook.secret.reveal().encode(), f"{now}.".encode() + body, hashlib.sha256)
            headers["X-Intercom-Signature"] = f"sha256={signed.hexdigest()}"
        try:
            request = urllib.request.Request(self._webhook.url, body, headers)  # noqa: S310  (integrations/settings.py: http only)
            self._opener = self._opener or _opener(self._webhook.ca_file)
            with self._opener.open(request, timeout=PATIENCE_S):
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


def _opener(ca_file: str) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context(cafile=ca_file or None)
    return urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=context))
