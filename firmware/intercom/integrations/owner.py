# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose a topic is. A copied configuration must not make one command open two doors.

Each door says at the topic `owner`, retained, which machine it is and which run of the program, and obeys only after
its own word has come back. A broker delivers in one order to all: so of two that claim a topic at once the later one
has it, and the earlier one hears of it before any command that the later one obeys.
"""

import json
from typing import Any

from intercom.integrations.announced import Announced
from intercom.integrations.settings import Mqtt


class Claim:
    """A door's claim of its topic."""

    def __init__(self, settings: Mqtt, run: str, known: dict[str, str]) -> None:
        """`run` is of this process alone, and the same at each connection. `known` is what was retained."""
        self.topic = f"{settings.base}/owner"
        self.text = json.dumps({"identity": settings.identity, "run": run})
        self._settings, self._run = settings, run
        self.refused = self._refused(known)
        """Why the topic cannot be had; empty when it can."""

    @staticmethod
    def topics(settings: Mqtt) -> tuple[str, ...]:
        """Return what has to be known before."""
        return f"{settings.base}/owner", f"{settings.base}/availability", Announced.topic(settings)

    @staticmethod
    def owner(text: str) -> str:
        """Return the identity that has a topic; empty for none."""
        return str(_parsed(text).get("identity", ""))

    def contested(self, text: str) -> str:
        """Return why we have to leave now that `owner` says this; empty when it is ours."""
        other = _parsed(text)
        if other.get("run") == self._run:
            return ""
        if not other:
            return f"{self.topic} was cleared"
        return self._told(str(other.get("identity", "")))

    def _refused(self, known: dict[str, str]) -> str:
        other = _parsed(known.get(self.topic, ""))
        identity = str(other.get("identity", ""))
        if not other or known.get(f"{self._settings.base}/availability") != "online":
            return ""  # its owner is not there: we replace it
        if identity != self._settings.identity:
            return self._told(identity)
        return ""  # a run of ours that the broker has not missed yet, or a copy that hears us now and leaves

    def _told(self, identity: str) -> str:
        if identity == self._settings.identity:
            return (
                f"another bridge with this machine's identity has begun at {self._settings.base}: this one obeys"
                " nothing; a copied memory card needs an id of its own (/etc/machine-id)"
            )
        return (
            f"topic {self._settings.base} belongs to another door ({identity}): nothing is told or obeyed here;"
            " give this one a topic of its own in house.toml, or none"
        )


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
