# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket, both ends: questions are answered, and nobody who connects can hurt the door."""

import asyncio
import contextlib
import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from intercom.control.client import ask, login
from intercom.control.server import CLIENTS, LONGEST, Control, Message, Peer
from intercom.errors import ControlError, HardwareError

SOON_S = 5.0


class Daemon:
    """A control socket on a loop of its own, and what it was asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[Message] = []
        self.cancelled = threading.Event()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.control = Control(path, self.answer, idle_s=0.3)

    def answer(self, request: Message, peer: Peer) -> Message | Coroutine[Any, Any, Message]:
        self.asked.append(request)
        match request:
            case {"do": "who"}:
                return {"ok": True, "peer": [peer.uid, peer.pid, peer.gid]}
            case {"do": "later"}:
                return self.later()
            case {"do": "never"}:
                return self.never()
            case {"do": "refuse"}:
                raise HardwareError("the card is gone")
            case {"do": "fail"}:
                raise KeyError("x")
            case {"do": "nonsense"}:
                return {"ok": object()}
        return {"ok": True, "echo": request}

    async def later(self) -> Message:
        await asyncio.sleep(0)
        return {"ok": True, "later": "ja \udc80"}

    async def never(self) -> Message:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return {}

    def call(self, work: Callable[[], Any]) -> Any:
        """Do something on the loop and await it."""

        async def on_loop() -> Any:
            result = work()
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(on_loop(), self.loop).result(SOON_S)

    def end(self) -> None:
        """Stop the loop, after everything on it has ended."""
        self.call(self.control.close)
        self.call(self.others)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(SOON_S)
        self.loop.close()

    async def others(self) -> None:
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path / "control.sock")
    daemon.call(daemon.control.start)
    yield daemon
    daemon.end()


def connected(daemon: Daemon) -> socket.socket:
    """A client that may say anything."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(SOON_S)
    client.connect(str(daemon.path))
    return client


def said(daemon: Daemon, content: bytes) -> list[Any]:
    """All answers to a piece of content, after which no more is said."""
    with connected(daemon) as client, client.makefile("rb") as lines:
        client.sendall(content)
        client.shutdown(socket.SHUT_WR)
        return [json.loads(line) for line in lines]


def test_a_question_is_answered_at_once_or_later(daemon: Daemon) -> None:
    """Some answers wait for the end of a visit."""
    assert ask(daemon.path, {"do": "status", "x": "ä"}) == {
        "ok": True,
        "echo": {"do": "status", "x": "ä", "login": login()},
    }
    assert ask(daemon.path, {"do": "later"}) == {"ok": True, "later": "ja \udc80"}


def test_the_daemon_knows_who_asks(daemon: Daemon) -> None:
    """The journal tells who pressed without a button; the kernel vouches for it."""
    assert ask(daemon.path, {"do": "who"})["peer"] == [os.getuid(), os.getpid(), os.getgid()]


def test_one_connection_carries_many_questions(daemon: Daemon) -> None:
    """In the order they were asked, and also for who says at once that there are no more."""
    assert said(daemon, b'{"do": 1}\n{"do": 2}\n{"do": 3}') == [
        {"ok": True, "echo": {"do": number}} for number in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("rubbish", "error"),
    [
        (b"\n", "not JSON"),
        (b"\xff\xfe\x00\n", "not JSON"),
        (b"[" * 50_000 + b"\n", "not JSON"),
        (b"1" * 5000 + b"\n", "not JSON"),
        (b'["do"]\n', "not a JSON object"),
    ],
)
def test_rubbish_is_refused_and_the_next_question_answered(daemon: Daemon, rubbish: bytes, error: str) -> None:
    """Somebody will point a browser at it."""
    assert said(daemon, rubbish + b'{"do": 1}\n') == [
        {"ok": False, "error": error},
        {"ok": True, "echo": {"do": 1}},
    ]


def test_a_line_without_end_is_refused(daemon: Daemon) -> None:
    """The daemon's memory is not for strangers to fill."""
    with connected(daemon) as client, client.makefile("rb") as lines:
        client.sendall(b"x" * (LONGEST + 1))
        told = lines.readline()

        assert json.loads(told) == {"ok": False, "error": "a line is longer than 65536 bytes"}
    assert ask(daemon.path, {"do": 1})["ok"]


@pytest.mark.parametrize(
    ("question", "error"),
    [
        ("refuse", "the card is gone"),
        ("fail", "the daemon could not answer: KeyError('x')"),
        ("nonsense", "the daemon could not answer: TypeError('Object of type object is not JSON serializable')"),
    ],
)
def test_a_question_that_goes_wrong_is_told_and_hurts_nobody(daemon: Daemon, question: str, error: str) -> None:
    """Half of the questions are asked because something is broken already."""
    assert ask(daemon.path, {"do": question}) == {"ok": False, "error": error}
    assert ask(daemon.path, {"do": 1})["ok"]


def test_who_says_nothing_is_let_go(daemon: Daemon) -> None:
    """A forgotten connection would hold a place for ever."""
    with connected(daemon) as client:
        client.sendall(b'{"do": ')

        assert client.recv(100) == b""


def test_who_waits_for_an_answer_is_not_let_go_but_may_leave(daemon: Daemon) -> None:
    """A visit lasts minutes; but when nobody waits for its end any more, the place is free again."""
    with connected(daemon) as client:
        client.sendall(b'{"do": "never"}\n')
        client.settimeout(1.0)  # more than three times what an idle client gets
        with pytest.raises(TimeoutError):
            client.recv(100)

    assert daemon.cancelled.wait(SOON_S)


def test_there_are_only_so_many_places(daemon: Daemon) -> None:
    """One too many is told so; when somebody leaves there is room again."""
    clients = [connected(daemon) for _ in range(CLIENTS)]
    for client in clients:
        client.sendall(b'{"do": "never"}\n')
    for _ in range(10_000):
        daemon.call(lambda: None)
        if len(daemon.asked) == CLIENTS:
            break
    refused = ask(daemon.path, {"do": 1})
    for client in clients:
        client.close()

    assert refused == {"ok": False, "error": "16 others ask already; try again"}
    assert daemon.cancelled.wait(SOON_S)
    daemon.call(daemon.control.close)  # the other fifteen may still be on their way out


def test_only_the_owner_and_the_group_may_ask(daemon: Daemon) -> None:
    """The door can be pressed and watched through it."""
    assert stat.S_IMODE(daemon.path.stat().st_mode) == 0o660


def test_a_dead_daemons_socket_is_replaced_and_a_living_ones_is_not(tmp_path: Path) -> None:
    """After a crash the door comes back by itself; two daemons would fight over its pins."""
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    first, second = Daemon(path), Daemon(path)
    try:
        first.call(first.control.start)
        with pytest.raises(HardwareError, match="another intercom runs here; stop it first"):
            second.call(second.control.start)

        assert ask(path, {"do": 1})["ok"]
    finally:
        second.end()
        first.end()
    assert not path.exists()


def test_a_socket_put_there_by_somebody_else_is_left_alone(daemon: Daemon) -> None:
    """A successor may have started already."""
    daemon.path.unlink()
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(str(daemon.path))
        daemon.call(daemon.control.close)

        assert daemon.path.exists()


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: path.write_text("x"), "something else is there; remove it"),
        (lambda path: path.parent.rmdir(), "No such file or directory"),
    ],
)
def test_a_socket_that_cannot_be_had_is_told(tmp_path: Path, make: Callable[[Path], Any], error: str) -> None:
    """With its path: it may have been mistyped."""
    path = tmp_path / "run/control.sock"
    path.parent.mkdir()
    make(path)
    daemon = Daemon(path)
    try:
        with pytest.raises(HardwareError, match=f"control socket {path}: {error}"):
            daemon.call(daemon.control.start)
    finally:
        daemon.end()


def test_a_client_is_told_what_to_do_when_nobody_answers(tmp_path: Path) -> None:
    """A dead socket and none at all mean the same to whoever asks."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    for path in (tmp_path / "dead", tmp_path / "none"):
        with pytest.raises(ControlError, match=r"does not run .*: sudo systemctl start intercom"):
            ask(path, {"do": "status"})


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"", "no intercom answers there"), (b"[]\n", "no intercom answers there"), (b"{", "no intercom answers there")],
)
def test_a_client_does_not_take_rubbish_for_an_answer(tmp_path: Path, answer: bytes, error: str) -> None:
    """The path may be another program's."""
    path = tmp_path / "other.sock"
    with socket.create_server(str(path), family=socket.AF_UNIX) as other:

        def serve() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ControlError, match=error):
            ask(path, {"do": "status"})
        thread.join(SOON_S)


def test_a_client_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A daemon that hangs is told as such."""
    with (
        socket.create_server(str(tmp_path / "s"), family=socket.AF_UNIX),
        pytest.raises(ControlError, match=r"did not answer within 0\.1 s .*: see journalctl -u intercom"),
    ):
        ask(tmp_path / "s", {"do": "status"}, timeout_s=0.1)


def test_a_client_without_the_right_is_told_to_use_sudo(tmp_path: Path) -> None:
    """The most likely reason of all, on the first day."""
    path = tmp_path / "control.sock"
    with socket.create_server(str(path), family=socket.AF_UNIX):
        path.chmod(0)
        child = os.fork()
        if child == 0:
            # Root may do everything, so somebody else has to try.
            with contextlib.suppress(PermissionError):
                os.setuid(65534)
            try:
                ask(path, {"do": "status"})
            except ControlError as error:
                os._exit(0 if str(error).endswith(": use sudo") else 1)
            finally:
                os._exit(2)
        _, status = os.waitpid(child, 0)

    assert status == 0
