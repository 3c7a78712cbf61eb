"""What happens is told at least once and in order; what rings late rings not at all."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import itertools
import json
import queue
import signal
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bridges import Bridge

from intercom.core.commands import Kind
from intercom.core.words import OPERATOR
from intercom.errors import ConfigError
from intercom.integrations import messages, mqtt, settings, webhooks
from intercom.integrations.outbox import Outbox
from lab import certificates
from lab.house import stopping
from lab.mosquitto import Listener, Mosquitto
from lab.processes import wait_until
from lab.scripted_daemon import ScriptedDaemon


def record(kind: str, **fields: Any) -> dict[str, Any]:
    return {"number": 1, "at": 1.0, "monotonic": 0.0, "kind": kind, "text": "told", "fields": fields}


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("button", ["front", OPERATOR, ""])
@pytest.mark.parametrize("age_s", [0.0, 10.0, 10.1, 3600.0])
def test_what_rings(kind: Kind, button: str, age_s: float) -> None:
    """Every press of a button, also in a conversation; no operator's call, and nothing that is more than 10 s old."""
    told = messages.of_record(record(kind, button=button, by="panel"), age_s)
    bells = [content for topic, content in told if topic.startswith("doorbell/")]
    rings = kind in (Kind.PRESS_ACCEPTED, Kind.PRESS_ANSWERED) and button == "front" and age_s <= 10
    assert len(bells) == rings
    assert all(bell["event_type"] == "ring" and bell["at"] == "1970-01-01T00:00:01.000+00:00" for bell in bells)
    assert told[-1][0] == "event", "a record it is in any case"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that lets everybody say everything."""
    with stopping(Mosquitto(tmp_path)) as broker:
        yield broker


def numbers(heard: list[tuple[str, str]], base: str) -> list[int]:
    return [json.loads(text)["number"] for topic, text in heard if topic == f"{base}/event"]


def test_what_was_in_flight_when_the_broker_died_is_told_again(tmp_path: Path, broker: Mosquitto) -> None:
    """Frozen with the press in flight, killed, and begun anew: nothing is lost, and the order stays."""
    with stopping(Bridge(tmp_path, "aaa", f'[mqtt]\nserver = "{broker.ip}"\n')) as bridging:
        with stopping(Listener(broker)) as before:
            before.await_message(f"{bridging.base}/availability", containing="online")
        assert broker.process is not None
        broker.process.signal(signal.SIGSTOP)
        bridging.daemon.tell("press-accepted", button="front", by="panel")
        for _ in range(5):
            bridging.daemon.tell("call-placed")
        bridging.daemon.tell("visit-ended")
        broker.process.signal(signal.SIGKILL)
        broker.process.popen.wait(10)
        broker.start()
        with stopping(Listener(broker)) as after:
            heard = after.until(f"{bridging.base}/event", "visit-ended", 20)
    told = numbers(heard, bridging.base)
    assert [number for number, _ in itertools.groupby(told)] == [1, 2, 3, 4, 5, 6, 7]
    bells = [topic for topic, _ in heard if "/doorbell/" in topic]
    assert bells, "within 10 s it still is a bell"


def test_a_press_of_an_outage_is_a_record_and_no_bell(
    tmp_path: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a longer one: here everything that is older than nothing at all. The outage is told, and its end."""
    with stopping(Bridge(tmp_path, "aaa", f'[mqtt]\nserver = "{broker.ip}"\n')) as bridging:
        with stopping(Listener(broker)) as before:
            before.await_message(f"{bridging.base}/availability", containing="online")
        broker.stop()
        monkeypatch.setattr(messages, "FRESH_S", 0.0)
        bridging.daemon.tell("press-accepted", button="front", by="panel")
        said = []

        def failed() -> bool:
            said.append(capsys.readouterr().err)
            return f"mqtt: {broker.ip}: " in "".join(said)

        wait_until(failed, 10, "the first failure is told", None)
        broker.start()
        with stopping(Listener(broker)) as after:
            heard = after.until(f"{bridging.base}/event", "press-accepted", 20)
            wait_until(lambda: said.append(capsys.readouterr().err) or "connected again" in "".join(said), 10, "told")
    assert not [topic for topic, _ in heard if "/doorbell" in topic]
    assert len("".join(said).splitlines()) <= 4, "one line for each way of failing, and one for its end"


def test_availability_says_offline_only_when_it_is(
    tmp_path: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at a start, before the daemon has answered; not between two records; and when the daemon dies."""
    text, gate, answer = f'[mqtt]\nserver = "{broker.ip}"\n', threading.Event(), ScriptedDaemon._answer

    def late(daemon: ScriptedDaemon, request: dict[str, Any]) -> dict[str, Any]:
        gate.wait(20)
        return answer(daemon, request)

    monkeypatch.setattr(ScriptedDaemon, "_answer", late)
    with stopping(Listener(broker)) as listener, stopping(Bridge(tmp_path, "aaa", text)) as bridging:
        listener.until(f"{bridging.base}/owner")
        listener.say("homeassistant/status", "online")
        assert not [text for topic, text in listener.fence() if topic.endswith("/availability")]
        gate.set()
        heard = listener.until(f"{bridging.base}/availability")
        assert [text for topic, text in heard if topic.endswith("/availability")] == ["online"]
        for _ in range(5):
            bridging.daemon.tell("call-placed")
        bridging.daemon.tell("visit-ended")
        heard = listener.until(f"{bridging.base}/event", "visit-ended")
        assert not [text for topic, text in heard if topic.endswith("/availability")]
        bridging.daemon.stop()
        listener.await_message(f"{bridging.base}/availability", containing="offline")


class Receiver:
    """A web server that can be down, and keeps the kinds of record that it took."""

    def __init__(self, ip: str) -> None:
        self.took: queue.Queue[str] = queue.Queue()
        self.headers: list[dict[str, str]] = []
        self.down = threading.Event()
        self.refused = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.headers.append(dict(self.headers))
                self.send_response(503 if receiver.down.is_set() else 204)
                self.end_headers()
                if receiver.down.is_set():
                    receiver.refused.set()
                else:
                    receiver.took.put(body["kind"])

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = http.server.ThreadingHTTPServer((ip, 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_a_receiver_that_is_back_is_told_with_the_next_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that it missed, in order, though the wait had an hour to go; the first failure was told at once."""
    with contextlib.closing(Receiver("127.0.0.25")) as receiver, pytest.MonkeyPatch.context() as patched:
        patched.setattr(webhooks.Caller.__init__, "__kwdefaults__", {"tries_s": (3600.0,)})
        receiver.down.set()
        text = f'[webhooks.a]\nurl = "http://127.0.0.25:{receiver.port}/"\nkinds = ["press-accepted", "visit-ended"]\n'
        with stopping(Bridge(tmp_path, "aaa", text)) as bridging:
            wait_until(lambda: "is followed" in capsys.readouterr().out, 10, "it begins", None)
            bridging.daemon.tell("press-accepted", button="front")
            bridging.daemon.tell("visit-ended")
            assert receiver.refused.wait(10)
            said = []
            wait_until(lambda: said.append(capsys.readouterr().err) or "".join(said), 10, "it is told", None)
            receiver.down.clear()
            bridging.daemon.tell("press-accepted", button="front")
            took = [receiver.took.get(timeout=10) for _ in range(3)]
    assert took == ["press-accepted", "visit-ended", "press-accepted"]
    assert "".join(said) == ("webhook a: press-accepted not told: 503 Service Unavailable; it is tried again\n")


def test_a_dead_receiver_holds_up_no_other(tmp_path: Path, broker: Mosquitto) -> None:
    """Neither another web server nor MQTT."""
    with contextlib.closing(Receiver("127.0.0.25")) as well, contextlib.closing(Receiver("127.0.0.26")) as dead:
        dead.down.set()
        hooks = "".join(
            f'[webhooks.{name}]\nurl = "http://{ip}:{one.port}/"\n'
            for name, ip, one in (("dead", "127.0.0.26", dead), ("well", "127.0.0.25", well))
        )
        text = f'[mqtt]\nserver = "{broker.ip}"\n[webhooks.gone]\nurl = "http://127.0.0.99:9/"\n{hooks}'
        with stopping(Listener(broker)) as listener, stopping(Bridge(tmp_path, "aaa", text)) as bridging:
            listener.await_message(f"{bridging.base}/availability", containing="online")
            bridging.daemon.tell("press-accepted", button="front")
            bridging.daemon.tell("visit-ended")
            assert [well.took.get(timeout=5) for _ in range(2)] == ["press-accepted", "visit-ended"]
            listener.await_message(f"{bridging.base}/event", containing="visit-ended")


def test_headers_of_one_s_own_and_an_authority_of_one_s_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A token goes along and is never shown; a server that signs for itself is believed by its file alone."""
    secure = certificates.make(tmp_path / "receiver", "127.0.0.25")
    receiver = Receiver("127.0.0.25")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(secure.certificate, secure.key)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    path = tmp_path / "house.toml"
    url = f"https://127.0.0.25:{receiver.port}/"
    known = f'[webhooks.a]\nurl = "{url}"\nheaders = {{ Authorization = "Bearer t0ken" }}\n'
    with contextlib.closing(receiver):
        for extra, taken in (("", False), (f'ca_file = "{secure.authority}"\n', True)):
            path.write_text(known + extra)
            caller = webhooks.Caller(settings.load(path).webhooks[0])
            done = asyncio.run(caller.tell(record("visit-ended")))
            assert done == taken
    assert receiver.headers[-1]["Authorization"] == "Bearer t0ken"
    said = capsys.readouterr()
    assert "certificate verify failed" in said.err
    assert "t0ken" not in said.err + repr(caller._webhook)


@pytest.mark.parametrize("url", [
    "http://user:pw@host/x", "http://host:port/x", "http://[::1/x", "http://host:70000/", "http:///x", "http://", "ftp://x",
    "http://user@host/", "http://fe80::1/", "http://a b/", "http://host:/", "http://ho_st..x/", "https://[::g]/",
    "http://host/#x",
])  # fmt: skip
def test_an_address_that_cannot_be_asked_is_refused_at_the_check(url: str, tmp_path: Path) -> None:
    """Not at the first press."""
    path = tmp_path / "house.toml"
    path.write_text(f'[webhooks.a]\nurl = "{url}"\n')
    with pytest.raises(ConfigError, match=r"\[webhooks.a\] url"):
        settings.load(path)


@pytest.mark.parametrize("url", [
    "http://host/x?y=z", "https://house.example", "http://192.0.2.1:8123/api/webhook/a-b", "http://[fd00::5]:80/",
    "http://[::1]/", "http://localhost:1",
])  # fmt: skip
def test_an_address_that_can_be_asked_is_taken(url: str, tmp_path: Path) -> None:
    """In every spelling; and asking it fails in words, if it does."""
    path = tmp_path / "house.toml"
    path.write_text(f'[webhooks.a]\nurl = "{url}"\n')
    assert settings.load(path).webhooks[0].url == url


@pytest.mark.parametrize("headers", [
    '{ Host = "x" }', '{ "Content-Length" = "1" }', '{ X-Intercom-Signature = "sha256=1" }', '{ "a b" = "x" }',
    '{ a = "x\\r\\ny: z" }', "{ a = 1 }", '"x"', '{ a = "ü" }', '{ "" = "x" }',
])  # fmt: skip
def test_headers_that_would_end_a_header_are_refused(headers: str, tmp_path: Path) -> None:
    """Nor may one's own take the place of ours."""
    path = tmp_path / "house.toml"
    path.write_text(f'[webhooks.a]\nurl = "http://host/"\nheaders = {headers}\n')
    with pytest.raises(ConfigError, match=r"\[webhooks.a\] headers = \*\*\*"):
        settings.load(path)


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_a_file_that_tells_nobody_is_told(text: str, tmp_path: Path) -> None:
    """It would run for ever."""
    path = tmp_path / "house.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="nobody would be told"):
        settings.load(path)


def test_an_outbox_forgets_the_oldest_and_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """And never the one that is told just now in the place of another."""
    monkeypatch.setattr("intercom.integrations.outbox.KEPT", 3)
    outbox = Outbox()
    records = [{"number": number} for number in range(5)]
    outbox.add({}, records[:3])
    first = outbox.head
    outbox.add({}, records[3:])
    assert first is not None
    outbox.done(first)
    left = []
    while (head := outbox.head) is not None:
        left.append(head["number"])
        outbox.done(head)
    assert (left, outbox.lost) == ([2, 3, 4], 2)


def test_no_pause_of_a_broker_is_longer_than_a_quarter_of_a_minute() -> None:
    """One that is back hears of it soon, also where nothing happens."""
    assert max(mqtt.PAUSES_S) <= 15
    assert max(webhooks.TRIES_S) <= 60
