# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket: the command line asks, the daemon answers. One JSON object per line, both ways.

Who may ask is decided by the socket's group and mode; whoever may is still only a stranger with a limited number of
connections, short lines and little time.
"""

import asyncio
import contextlib
import json
import os
import select
import socket
import stat
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from intercom.core.fast_dataclass import dataclass
from intercom.errors import HardwareError, IntercomError

MODE = 0o660
OWNERLESS = 0o060
"""In the service (systemd names its RuntimeDirectory): the group may ask, and the daemon's own user may not. As that
user only a voice engine asks that a stranger has taken over (engine/sandbox.py)."""
LONGEST = 64 * 1024
"""Bytes of one line."""
CLIENTS = 16
"""Connections at the same time."""
IDLE_S = 10.0
"""How long a client may take to ask, or to take its answer, in seconds."""
LOOK_S = 1.0
"""How often to look whether a client that waits for its answer is still there, in seconds."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who asks, as the kernel knows it (SO_PEERCRED, unix(7))."""

    uid: int
    pid: int
    gid: int
    name: str = ""
    """Who it is where the way by which it came says so."""


Message = dict[str, Any]
Answer = Callable[[Message, Peer], Awaitable[Message] | Message]


class Control:
    """The listening socket and its clients."""

    def __init__(self, path: Path, answer: Answer, *, idle_s: float = IDLE_S) -> None:
        """Prepare to have `answer` called for each request that comes in at `path`."""
        self._path, self._answer, self._idle_s = path, answer, idle_s
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises HardwareError when the socket cannot be had, or another intercom has it."""
        try:
            listener = _listen(self._path)
            self._inode = self._path.stat().st_ino
        except OSError as error:
            if isinstance(error, HardwareError):
                raise
            raise HardwareError(f"control socket {self._path}: {error.strerror or error}") from error
        self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=LONGEST)

    def close(self) -> None:
        """Stop listening, and let go of every client."""
        if self._server is None:
            return
        self._server.close()
        for client in self._clients:
            client.cancel()
        with contextlib.suppress(OSError):
            # Not one that somebody else has put there since.
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        full = len(self._clients) >= CLIENTS
        self._clients.add(task)
        try:
            if full:
                await self._write(writer, _refusal(f"{CLIENTS} others ask already; try again"))
            else:
                await self._serve(reader, writer)
        except (OSError, TimeoutError):
            pass  # it went away or fell asleep: its own affair
        except Exception as error:  # noqa: BLE001  (a question must never hurt the door)
            print(f"intercom: a question at the control socket: {error!r}", file=sys.stderr)
        except asyncio.CancelledError:
            pass  # we close; asyncio would log the cancellation of a task that is its own
        finally:
            self._clients.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer(writer)
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    line = await reader.readline()
            except ValueError:
                # The rest of the line cannot be told from the next request.
                await self._write(writer, _refusal(f"a line is longer than {LONGEST} bytes"))
                return
            if not line:
                return
            reply = await self._reply(line, peer, writer)
            if reply is None:
                return
            await self._write(writer, reply)

    async def _reply(self, line: bytes, peer: Peer, writer: asyncio.StreamWriter) -> bytes | None:
        """Return the answer to a line; None when the client left before there was one."""
        try:
            request = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError):
            return _refusal("not JSON")
        if not isinstance(request, dict):
            return _refusal("not a JSON object")
        work = asyncio.ensure_future(self._work(request, peer))
        try:
            while not work.done():
                await asyncio.wait([work], timeout=LOOK_S)
                if not work.done() and _left(writer):
                    return None
            return work.result()
        finally:
            work.cancel()

    async def _work(self, request: Message, peer: Peer) -> bytes:
        try:
            reply = self._answer(request, peer)
            return _line(reply if isinstance(reply, dict) else await reply)
        except IntercomError as error:
            return _refusal(str(error))
        except Exception as error:  # noqa: BLE001  (a question must never hurt the door)
            return _refusal(f"the daemon could not answer: {error!r}")

    async def _write(self, writer: asyncio.StreamWriter, line: bytes) -> None:
        writer.write(line)
        async with asyncio.timeout(self._idle_s):
            await writer.drain()


def refuse_second(path: Path) -> None:
    """Raise HardwareError when another intercom serves this socket: what lies beside it is that one's."""
    if not (path.is_symlink() or path.exists()):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise HardwareError(f"control socket {path}: something else is there; remove it")
    mode = stat.S_IMODE(path.lstat().st_mode)
    with contextlib.suppress(PermissionError):
        path.chmod(mode | stat.S_IWUSR)  # or we could not ask whether somebody serves it
    if _is_served(path):
        with contextlib.suppress(PermissionError):
            path.chmod(mode)
        raise HardwareError(f"control socket {path}: another intercom runs here; stop it first")


def _listen(path: Path) -> socket.socket:
    """Return a listening socket, in the place of one that a dead daemon has left."""
    refuse_second(path)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    # Born with its mode: nobody shall slip in between bind and chmod.
    before = os.umask(0o777 & ~_mode())
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.listen()
    return listener


def _mode() -> int:
    return OWNERLESS if "RUNTIME_DIRECTORY" in os.environ else MODE


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            return True  # so many ask that there is a queue
    return True


def _peer(writer: asyncio.StreamWriter) -> Peer:
    raw = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, gid = struct.unpack("3i", raw)
    return Peer(uid=uid, pid=pid, gid=gid)


def _left(writer: asyncio.StreamWriter) -> bool:
    """Whether a client is gone. One that only said that it has no more to ask still listens."""
    if writer.transport.is_closing():
        return True  # asyncio has noticed it first, and the socket has no number any more
    poll = select.poll()
    poll.register(writer.get_extra_info("socket").fileno(), 0)
    return any(happened & (select.POLLHUP | select.POLLERR) for _, happened in poll.poll(0))


def _no_number(text: str) -> float:
    """Refuse what JSON does not know (RFC 8259 section 6), but Python takes: NaN compares with nothing."""
    raise ValueError(text)


def _line(reply: Message) -> bytes:
    return json.dumps(reply).encode() + b"\n"


def _refusal(text: str) -> bytes:
    return _line({"ok": False, "error": text})
