# SPDX-License-Identifier: GPL-2.0-or-later
"""The service manager is told how we are, in the words of sd_notify(3), and its absence is no trouble."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeNotify

from intercom.adapters.systemd.notify import Notify


class Heard:
    """A notifier under test, and what its manager heard."""

    def __init__(self, notify: Any, manager: socket.socket | None) -> None:
        self.notify, self._manager = notify, manager

    def diary(self) -> list[str]:
        """Everything told so far."""
        if self._manager is None:
            return list(self.notify.diary)
        told = []
        while True:
            try:
                told.append(self._manager.recv(4096).decode())
            except BlockingIOError:
                return told


@pytest.fixture(params=["fake", "real"])
def heard(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    if request.param == "fake":
        yield Heard(FakeNotify(), None)
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield Heard(Notify(), manager)


def test_the_manager_hears_every_word_in_order(heard: Heard) -> None:
    """The manager starts what waits for us, shows our line, and kills us when the watchdog starves."""
    heard.notify.ready()
    heard.notify.status("idle; home registered")
    heard.notify.watchdog()
    heard.notify.stopping()

    assert heard.diary() == ["READY=1", "STATUS=idle; home registered", "WATCHDOG=1", "STOPPING=1"]


def test_a_status_is_one_line_whatever_is_in_it(heard: Heard) -> None:
    """A SIP server's answer stands in it, and a line break would begin an order to systemd."""
    heard.notify.status("down (403 No\r\nMAINPID=1\n)")

    assert heard.diary() == ["STATUS=down (403 No MAINPID=1 )"]


@pytest.mark.parametrize("where", [None, "/nonexistent/notify", "rubbish", ""])
def test_a_missing_manager_is_no_trouble(where: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's shell has none, and a door must outlive its manager's mistakes."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if where is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", where)
    notify = Notify()
    notify.ready()
    notify.status("a\0b")
    notify.watchdog()
    notify.stopping()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_is_meant_for_us(
    environment: dict[str, str], expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The voice engine inherits the environment, and is not the one that systemd watches."""
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert Notify().watchdog_s == expected
