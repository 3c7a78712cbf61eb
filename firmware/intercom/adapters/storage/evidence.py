# SPDX-License-Identifier: GPL-2.0-or-later
"""Who opened the door, and who was locked out: kept in the door's own folder, where no other record washes it away.

The journal is in memory and of a limited size, so somebody who has calls refused without end could push a release out
of it. Releases and refusals are in files of their own here, each with its last few hundred lines: many of the one kind
cost none of the other. What happens again and again by the same hand is one line every few minutes, with a count.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intercom.adapters.storage.visit_history import VisitHistory
from intercom.adapters.systemd.records import sentence
from intercom.core.commands import Kind, Report

RELEASES = frozenset({Kind.DOOR_RELEASED, Kind.LOCK_LIFTED})
REFUSALS = frozenset({Kind.LOCKED_OUT, Kind.GUESSING, Kind.DOOR_FORCED, Kind.TAMPERED})
KEPT = 1000
"""Lines of each file; twice as many stand in it before it is made anew."""
AGAIN_S = 600.0
"""How long the same thing by the same hand is only counted."""
_WHO = ("kind", "door", "by", "source", "code_name", "what", "condition")
"""What makes two records the same thing by the same hand."""
Record = dict[str, Any]


class Evidence:
    """Two files in one folder."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time, kept: int = KEPT) -> None:
        """Keep them in `folder`, which is there and is ours. `clock` is the time of day."""
        self._clock = clock
        self._files = {
            kinds: VisitHistory(folder / name, kept=kept, holds="kind")
            for kinds, name in ((RELEASES, "releases"), (REFUSALS, "refusals"))
        }
        self._again: dict[tuple[str, ...], Record] = {}
        """What was written lately -> what has come of it since, with "times"."""

    def record(self, report: Report) -> None:
        """Keep a record that is evidence; return at once."""
        if not any(report.kind in kinds for kinds in self._files):
            return
        now = self._clock()
        self._settle(now)
        record = {**report.fields, "kind": report.kind.value, "text": sentence(report), "at": now}
        which = tuple(str(record.get(name, "")) for name in _WHO)
        if which in self._again:
            self._again[which] = {**record, "times": self._again[which].get("times", 0) + 1,
                                  "until": self._again[which]["until"]}  # fmt: skip
        else:
            self._again[which] = {"until": now + AGAIN_S}
            self._keep(record)

    def load(self) -> list[Record]:
        """Return what is kept, the oldest first; none where nothing can be read."""
        found = [record for file in self._files.values() for record in file.load()]
        return sorted(found, key=lambda record: float(record["at"]))

    def close(self) -> None:
        """Write what was only counted, and wait until that is done."""
        self._settle(float("inf"))
        for file in self._files.values():
            file.close()

    def _settle(self, now: float) -> None:
        """Write what was counted long enough; a clock that was set back ends every count."""
        for which, again in [*self._again.items()]:
            if not again["until"] - AGAIN_S <= now < again["until"]:
                del self._again[which]
                if again.pop("until") and "times" in again:
                    self._keep(again)

    def _keep(self, record: Record) -> None:
        next(file for kinds, file in self._files.items() if record["kind"] in kinds).keep(record)
