"""The house's bridge against real HTTP servers and a real broker: what is told where, and what is only refused."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intercom.config.model import Secret
from intercom.core.commands import Kind
from intercom.errors import ConfigError
from intercom.integrations import follower, mqtt, orders, settings, webhooks
from intercom.integrations.outbox import Outbox
from lab.mosquitto import Listener, Mosquitto
from lab.processes import wait_until

RECORD = {"number": 1, "at": 1.0, "kind": "visit-ended", "text": "visit ended", "fields": {"outcome": "busy"}}


class Server:
    """An HTTP server that answers with what it is told, raw, and keeps what it heard."""

    def __init__(self, ip: str, answer: bytes) -> None:
        self.heard: list[bytes] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle(self) -> None:
                head, length = b"", 0
                while (line := self.rfile.readline()).strip():
                    head += line
                    if line.startswith(b"Content-Length:"):
                        length = int(line.split()[1])
                server.heard.append(head + b"\r\n" + self.rfile.read(length))
                self.request.sendall(answer)

        self.server = http.server.ThreadingHTTPServer((ip, 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://{ip}:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def told(url: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Tell one record once; return what is printed."""
    caller = webhooks.Caller(settings.Webhook("a", url, (Kind.VISIT_ENDED,), Secret("key")))
    asyncio.run(caller.tell(RECORD))
    return capsys.readouterr().err


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308, 399])
def test_no_redirection_is_followed(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The new place hears nothing, neither a GET nor the signature; the failure is told with where it would lead."""
    with contextlib.closing(Server("127.0.0.26", b"HTTP/1.1 204 N\r\n\r\n")) as elsewhere:
        answer = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere.url}/internal\r\nContent-Length: 0\r\n\r\n"
        with contextlib.closing(Server("127.0.0.25", answer.encode())) as first:
            said = told(first.url, capsys)
            assert len(first.heard) == 1
        assert elsewhere.heard == []
    assert said.startswith(f"webhook a: visit-ended not told: {status} Moved")
    assert f"{elsewhere.url}/internal" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("rubbish", [
    b"", b"\r\n\r\n", b"hello\r\n\r\n", b"HTTP/1.1 999999 x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300 + b"\r\n", b"HTTP/1.1 " + b"2" * 70000,
    b"\xff\xfe\x00", b"HTTP/1.1 302 \x1b[31m\r\nLocation: http://[::1\r\n\r\n",
])  # fmt: skip
def test_a_server_that_answers_rubbish_is_told_in_one_line(rubbish: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """And ends nothing: not the bridge, not another receiver."""
    with contextlib.closing(Server("127.0.0.25", rubbish)) as broken:
        said = told(broken.url, capsys)
    assert said.startswith("webhook a: visit-ended not told: ")
    assert said.rstrip("\n").isprintable()


def test_what_is_signed_has_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    """So that what was overheard cannot be told a second time a day later."""
    with contextlib.closing(Server("127.0.0.25", b"HTTP/1.1 204 N\r\n\r\n")) as server:
        assert told(server.url, capsys) == ""
        head, body = server.heard[0].split(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    at = headers["X-Intercom-Timestamp"]
    assert abs(int(at) - time.time()) < 60
    right = hmac.new(b"key", f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-Intercom-Signature"] == f"sha256={right}"
    assert json.loads(body)["kind"] == "visit-ended"


@pytest.mark.parametrize(("server", "tls", "address"), [
    ("[::1]:1884", False, ("::1", 1884)), ("[::1]", False, ("::1", 1883)), ("::1", True, ("::1", 8883)),
    ("fd00::5", False, ("fd00::5", 1883)), ("[fd00::5]:8884", True, ("fd00::5", 8884)),
    ("broker.example", True, ("broker.example", 8883)), ("192.0.2.1:1", False, ("192.0.2.1", 1)),
])  # fmt: skip
def test_a_broker_s_address_is_read_as_it_is_written(
    server: str, tls: bool, address: tuple[str, int], tmp_path: Path
) -> None:
    """In every spelling that the check lets through."""
    path = tmp_path / "house.toml"
    path.write_text(f'[mqtt]\nserver = "{server}"\ntls = {str(tls).lower()}\n')
    broker = settings.load(path).mqtt
    assert broker is not None
    assert broker.address == address


@pytest.mark.parametrize("server", [
    "user:password@broker.example", "user@broker.example:1883", "mqtt://broker.example", "[::1]1883", "[::1]:", "::1:x",
    "[broker.example]", "fe80::1%eth0", "broker:70000", "::g", "[]", "",
])  # fmt: skip
def test_what_is_no_broker_s_address_is_refused_at_the_check(server: str, tmp_path: Path) -> None:
    """With a sentence that says what is wanted, and where the user and the password go."""
    path = tmp_path / "house.toml"
    path.write_text(f'[mqtt]\nserver = "{server}"\n')
    with pytest.raises(ConfigError) as refused:
        settings.load(path)
    assert "user and password have keys of their own" in str(refused.value)


class Broken:
    """Somebody who cannot be told anything."""

    def __init__(self) -> None:
        self.outbox, self.times, self.thrice = Outbox(), 0, asyncio.Event()

    async def run(self) -> None:
        self.times += 1
        if self.times == 3:
            self.thrice.set()
        raise RuntimeError("broken")


class Well(Broken):
    """Somebody who can."""

    async def run(self) -> None:
        await asyncio.Event().wait()


def test_one_broken_receiver_ends_no_other(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It begins again after a while; the others are told all the time."""
    monkeypatch.setattr(follower, "AGAIN_S", 0.01)

    async def watched() -> tuple[int, bool]:
        broken, well = Broken(), Well()
        running = asyncio.create_task(follower.bridge(Path("/nowhere"), [broken, well]))
        await asyncio.wait_for(well.outbox.changed(), 10)
        await asyncio.wait_for(broken.thrice.wait(), 10)
        done = running.done()
        running.cancel()
        return broken.times, done

    times, done = asyncio.run(watched())
    assert (times, done) == (3, False)
    assert "RuntimeError('broken')" in capsys.readouterr().err


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that lets everybody say everything."""
    broker = Mosquitto(tmp_path)
    yield broker
    broker.stop()


def test_a_flood_of_commands_is_one_line(broker: Mosquitto, capsys: pytest.CaptureFixture[str]) -> None:
    """A megabyte is no command, a thousand that are not allowed are summed up, and what is allowed gets through."""
    asked: list[dict[str, Any]] = []

    def granted(_: Path, request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request)
        return {"ok": True}

    async def flooded() -> None:
        wanted = settings.Mqtt(broker.ip, topic="front", commands=("press",), identity="aaa")
        bridging = mqtt.MqttPublisher(wanted, Path("/nowhere"))
        running = asyncio.create_task(bridging.run())
        listener = Listener(broker)
        try:
            await asyncio.to_thread(listener.await_message, "front/owner")
            for _ in range(1000):
                listener.say("front/command", "release front")
            listener.say("front/command", "press " + "x" * 1_000_000)
            listener.say("front/command", "\x1b[31m\n" + "y" * 150)
            listener.say("front/command", "press front")
            await asyncio.to_thread(wait_until, lambda: asked, 20, "the press is asked for", None)
        finally:
            listener.stop()
            running.cancel()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(orders, "granted", granted)
        asyncio.run(flooded())
    said = capsys.readouterr().err
    assert asked == [{"do": "press", "button": "front", "login": "MQTT"}]
    assert said == "mqtt: 'release' is not allowed: see commands in house.toml\n"


def test_a_broker_on_an_ipv6_address_is_reached(tmp_path: Path) -> None:
    """With brackets and without."""
    with contextlib.closing(socket.create_server(("::1", 0), family=socket.AF_INET6)) as listening:
        port = listening.getsockname()[1]
        client = mqtt.MqttPublisher(settings.Mqtt(f"[::1]:{port}"), tmp_path)

        async def tried() -> None:
            running = asyncio.create_task(client.run())
            listening.setblocking(False)
            await asyncio.wait_for(asyncio.get_running_loop().sock_accept(listening), 10)
            running.cancel()

        asyncio.run(tried())
