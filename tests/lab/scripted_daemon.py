"""A daemon that says what a test wants, at a socket of its own, to the real `intercom house`."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from pathlib import Path
from typing import Any

STATUS: dict[str, Any] = {
    "name": "Front door", "version": "1.2.3", "phase": "idle", "lamp": "ready",
    "lines": [{"account": "home", "state": "registered"}],
    "buttons": [{"button": "front", "name": "Family Müller", "through": "home", "pressed": False}],
    "doors": [{"door": "front", "released": False, "for_s": 0.0, "contact": "shut", "has_contact": True}],
    "tampers": [{"tamper": "tamper case", "opened": False}],
    "conditions": [], "locked_out": [], "machine": {"temperature_c": 45.5, "supply": "well"},
}  # fmt: skip


class ScriptedDaemon:
    """Answers `next` with what it was given to tell, and keeps every other question."""

    def __init__(self, path: Path) -> None:
        self.path, self.asked = path, list[dict[str, Any]]()
        self.status: dict[str, Any] = json.loads(json.dumps(STATUS))
        self._records: list[dict[str, Any]] = []
        self._told, self._changed, self._ended = 0, threading.Condition(), False
        daemon = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline()
                answer = daemon._answer(json.loads(line)) if line else {}
                if answer:
                    self.wfile.write(json.dumps(answer).encode() + b"\n")

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A bridge that leaves while it is answered is no error."""

        self._server = Server(str(path), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def tell(self, kind: str, **fields: Any) -> None:
        """Have something happened, now."""
        with self._changed:
            self._told += 1
            record = {"number": self._told, "at": time.time(), "monotonic": time.monotonic(), "kind": kind}
            self._records.append({**record, "text": f"{kind} told", "fields": fields})
            self._changed.notify_all()

    def is_now(self, **status: Any) -> None:
        """Be in another state, which some record tells."""
        self.status |= status
        self.tell("configured")

    def stop(self) -> None:
        """Answer no more, and leave whoever waits for an answer."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self.path.unlink(missing_ok=True)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] != "next":
            self.asked.append({name: value for name, value in request.items() if name != "login"})
            return {"ok": True}
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._told != request["since"], request["within_s"])
            if self._ended:
                return {}
            records = [record for record in self._records if record["number"] > request["since"]]
            return {"ok": True, "told": self._told, "records": records, "status": self.status}
