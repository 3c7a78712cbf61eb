# SPDX-License-Identifier: GPL-2.0-or-later
"""Fakes of the journal and the service manager. Each keeps a diary; tests/contract holds them to the real ones."""

from typing import Any

from intercom.adapters.systemd.records import sentence
from intercom.core.commands import Report


class FakeJournal:
    """A journal in memory."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.reports: list[Report] = []
        self.lines: list[tuple[int, str]] = []
        """What `log` was told: syslog priority and text."""

    def record(self, report: Report) -> None:
        """Keep one record."""
        self.reports.append(report)

    def log(self, level: int, text: str) -> None:
        """Keep a line that is no record."""
        self.lines.append((int(level), text))

    def sentences(self) -> list[str]:
        """What a person would read."""
        return [sentence(report) for report in self.reports]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The fields of all records of one kind."""
        return [dict(report.fields) for report in self.reports if report.kind == kind]


class FakeNotify:
    """A service manager that only listens."""

    def __init__(self, watchdog_s: float | None = None) -> None:
        """Want to be fed every `watchdog_s` seconds."""
        self.watchdog_s = watchdog_s
        self.diary: list[str] = []

    def ready(self) -> None:
        """Note that the daemon serves."""
        self.diary.append("READY=1")

    def status(self, text: str) -> None:
        """Note the line to show."""
        self.diary.append("STATUS=" + " ".join(text.split()))

    def watchdog(self) -> None:
        """Note that it was fed."""
        self.diary.append("WATCHDOG=1")

    def stopping(self) -> None:
        """Note that the daemon leaves."""
        self.diary.append("STOPPING=1")
