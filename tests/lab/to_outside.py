"""A proxy from the tests' network, which has only a loopback, to the world outside: what an installation fetches with.

It is handed a socket that listens in the tests' network, and itself runs in the network outside.
It takes CONNECT and GET (RFC 9110 section 9.3.6, RFC 9112 section 3.2.2); where this machine has a proxy of its own,
everything goes there as it is.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from lab import namespace
from lab.processes import start


def begin(ip: str, folder: Path) -> str:
    """Start one at a free port of an address; return its URL."""
    with socket.create_server((ip, 0)) as listening:
        argv = ["nsenter", f"--net={namespace.OUTSIDE}", sys.executable, "-m", "lab.to_outside"]
        start("to-outside", [*argv, str(listening.fileno())], folder, pass_fds=[listening.fileno()])
        return f"http://{ip}:{listening.getsockname()[1]}"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    beyond: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    back: asyncio.Task[None] | None = None
    where = ("", 0)
    try:
        own = _own_proxy()
        if own is not None:
            beyond = await asyncio.open_connection(*own)
            await _both(reader, writer, *beyond)
            return
        while head := await _head(reader):
            method, target, version = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            if method == "CONNECT":
                host, _, port = target.rpartition(":")
                beyond = await asyncio.open_connection(host.strip("[]"), int(port))
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                await _both(reader, writer, *beyond)
                return
            url = urlsplit(target)
            wanted = (url.hostname or "", url.port or 80)
            if beyond is None:
                beyond, where = await asyncio.open_connection(*wanted), wanted
                back = asyncio.create_task(_copy(beyond[0], writer))
            if wanted != where:
                return  # the client comes back for another server
            path = f"{url.path or '/'}{f'?{url.query}' if url.query else ''}"
            beyond[1].write(f"{method} {path} {version}\r\n".encode("latin-1") + head.split(b"\r\n", 1)[1])
            await beyond[1].drain()
        if back is not None:
            await back
    except (OSError, ValueError, asyncio.IncompleteReadError):
        pass  # whoever fetches something notices
    finally:
        writer.close()
        if beyond is not None:
            beyond[1].close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    """Return the next request's head; nothing where the client has no more."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


async def _both(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far: asyncio.StreamReader, to_far: asyncio.StreamWriter
) -> None:
    await asyncio.gather(_copy(reader, to_far), _copy(far, writer))


async def _copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    while piece := await source.read(1 << 16):
        to.write(piece)
        await to.drain()
    if to.can_write_eof():
        to.write_eof()


def _own_proxy() -> tuple[str, int] | None:
    """This machine's own way to the world, where it has one."""
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"):
        if url := os.environ.get(name):
            parts = urlsplit(url if "//" in url else f"//{url}")
            return parts.hostname or "", parts.port or 80
    return None


async def _main() -> None:
    server = await asyncio.start_server(_serve, sock=socket.socket(fileno=int(sys.argv[1])))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
