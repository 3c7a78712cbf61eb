"""The house is told: a real broker, a real web server, Prometheus' own parser; and none of them holds the door up."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from prometheus_client.parser import text_string_to_metric_families

from intercom.adapters.instance import at_brokers
from intercom.control.client import ask
from lab import certificates
from lab.house import Door, House, stopping
from lab.mosquitto import Listener, Mosquitto
from lab.processes import Process, start
from lab.terminal import intercom


@pytest.fixture(scope="module")
def station(house: House) -> Iterator[Door]:
    """One start of the daemon for all of these."""
    with house.door() as door:
        yield door


class Hook(http.server.BaseHTTPRequestHandler):
    """A web server that is down twice before it takes anything."""

    heard: ClassVar[queue.Queue[tuple[int, dict[str, str], bytes]]] = queue.Queue()
    refusals: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.refusals.pop() if self.refusals else 204
        self.heard.put((status, dict(self.headers), body))
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def bridge(door: Door, text: str) -> Process:
    """Start the house's bridge with these settings."""
    settings = door.folder / "house.toml"
    settings.write_text(text)
    asks = door.socket.with_name("house.sock")
    argv = [sys.executable, "-m", "intercom", "house", "--config", settings, "--socket", asks]
    process = start("bridge", argv, door.folder, env=dict(os.environ))
    process.await_line("the intercom is followed", 30)
    return process


def test_the_broker_knows_the_door_and_hears_the_bell(house: House, station: Door) -> None:
    """Home Assistant finds it by itself; what is allowed can be asked for, what is not cannot."""
    broker = Mosquitto(station.folder)
    settings = f'[mqtt]\nserver = "{broker.ip}"\ntopic = "intercom/front"\ncommands = ["press"]\n'
    with (
        stopping(broker),
        stopping(Listener(broker)) as listener,
        stopping(house.phone()) as phone,
        stopping(bridge(station, settings)) as bridging,
    ):
        found = json.loads(listener.await_message(f"homeassistant/device/intercom_{at_brokers()}/config"))
        idle = json.loads(listener.await_message("intercom/front/state", containing='"idle"'))
        station.press()
        bell = json.loads(listener.await_message("intercom/front/doorbell/front"))
        listener.await_message("intercom/front/state", containing='"ringing"')
        phone.await_event("CALL_INCOMING")
        phone.reject()
        told = json.loads(listener.await_message("intercom/front/event", containing="visit-ended"))
        listener.await_message("intercom/front/state", containing='"idle"')
        listener.say("intercom/front/command", "release front")
        bridging.await_line("'release' is not allowed")
        listener.say("intercom/front/command", "press front")
        phone.await_event("CALL_INCOMING")
        phone.reject()
        began = time.monotonic()
        bridging.signal(signal.SIGINT)
        bridging.popen.wait(5)
        took_s = time.monotonic() - began
        gone = listener.await_message("intercom/front/availability", containing="offline")

    components = found["cmps"]
    assert components["ring_front"]["event_types"] == ["ring"]
    assert {"phase", "line", "problem", "strike_front", "press_front"} <= components.keys()
    assert len({component["unique_id"] for component in components.values()}) == len(components)
    assert components["strike_front"]["p"] == "binary_sensor", "no right to release: nothing to release with"
    assert (idle["line"], idle["doors"]) == ("ON", {"front": "LOCKED"})
    assert (bell["event_type"], bell["button"], bell["got"]) == ("ring", "front", "new")
    assert told["fields"]["outcome"] == "busy"
    assert (gone, took_s < 3) == ("offline", True), "Ctrl-C ends it at once, and it says goodbye"
    assert not station.records("door-released")


def test_the_house_s_socket_knows_what_house_toml_allows_and_no_more(station: Door) -> None:
    """Whatever asks there: another configuration, a call to anywhere and what is not allowed are refused."""
    house = station.socket.with_name("house.sock")
    (station.folder / "house.toml").write_text('[mqtt]\nserver = "x"\ncommands = ["hangup"]\n')
    for request in (
        {"do": "status"},
        {"do": "call", "target": "sip:evil@192.0.2.1"},
        {"do": "try", "path": str(station.config), "within_s": 60},
        {"do": "release", "door": "front", "released": True, "hold": False},
        {"do": "press", "button": "front"},
    ):
        assert ask(house, request)["ok"] is False, request
    assert ask(house, {"do": "hangup"})["error"] == "nobody is at the door"
    assert ask(house, {"do": "next", "since": -1, "within_s": 0})["ok"] is True
    assert (house.stat().st_mode & 0o777) == 0o660
    assert not station.records("door-released")


def test_a_door_that_is_held_is_locked_from_the_house(station: Door) -> None:
    """What an operator holds released for an hour, the house may lock; the journal says that it was the house."""
    with stopping(Mosquitto(station.folder)) as broker, stopping(Listener(broker)) as listener:
        settings = f'[mqtt]\nserver = "{broker.ip}"\ntopic = "hall"\ncommands = ["release"]\n'
        with stopping(bridge(station, settings)):
            listener.await_message("hall/availability", containing="online")
            with intercom("open", "front", "--hold", "--socket", station.socket) as terminal:
                assert terminal.await_end() == 0
            listener.await_message("hall/state", containing="UNLOCKED")
            listener.say("hall/command", "lock front")
            station.await_record("door-locked", by="the house")
            listener.await_message("hall/state", containing='{"front": "LOCKED"}')


def test_a_dead_broker_delays_no_ring(house: House, station: Door) -> None:
    """It is frozen in the middle of things; the press rings, and the house hears of it when the broker is back."""
    broker = Mosquitto(station.folder)
    settings = f'[mqtt]\nserver = "{broker.ip}"\ntopic = "intercom/front"\n'
    with stopping(broker), stopping(house.phone()) as phone, stopping(bridge(station, settings)):
        with stopping(Listener(broker)) as before:
            before.await_message("intercom/front/state")
        assert broker.process is not None
        broker.process.signal(signal.SIGSTOP)
        visits = len(station.records("visit-ended"))
        station.press()
        phone.await_event("CALL_INCOMING")
        phone.reject()
        station.await_record("card-closed")
        visit = station.records("visit-ended")[-1]
        timeline = json.loads(visit["INTERCOM_TIMELINE"])
        broker.process.signal(signal.SIGCONT)
        broker.stop()
        broker.start()
        with stopping(Listener(broker)) as after:
            again = json.loads(after.await_message("intercom/front/state", 20))

    print(f"press to ring with a dead broker: {timeline['ringing']:.0f} ms")
    assert len(station.records("visit-ended")) == visits + 1
    assert visit["INTERCOM_OUTCOME"] == "busy"
    assert again["line"] == "ON"


def test_a_broker_that_wants_a_password_over_tls(station: Door, tmp_path: Path) -> None:
    """The right one comes in; a wrong one, and a broker whose authority nobody knows, are told in words."""
    secure = certificates.make(tmp_path / "broker", "127.0.0.24")
    with stopping(Mosquitto(tmp_path, secure=secure, door="pass word")) as broker:
        known = f'[mqtt]\nserver = "{broker.ip}:1883"\nuser = "door"\ntls = true\n'
        trusting = f'{known}ca_file = "{secure.authority}"\n'
        with stopping(bridge(station, f'{trusting}password = "wrong"\n')) as refused:
            refused.await_line("(?i)not authori[sz]ed")
        with stopping(bridge(station, f'{known}password = "pass word"\n')) as stranger:
            stranger.await_line("certificate verify failed")
        with (
            stopping(Listener(broker)) as listener,
            stopping(bridge(station, f'{trusting}password = "pass word"\n')) as bridging,
        ):
            told = json.loads(listener.await_message(f"intercom/{at_brokers()}/state"))

    assert told["line"] == "ON"
    assert "pass word" not in bridging.log_tail()


def test_a_webhook_is_tried_until_it_is_taken(house: House, station: Door) -> None:
    """Signed, once for each record, in order; a server that is down for a moment misses nothing."""
    server = http.server.ThreadingHTTPServer(("127.0.0.25", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Hook.refusals.extend([503])
    place = f"http://127.0.0.25:{server.server_port}/door"
    hook = f'url = "{place}"\nsecret = "key"\nkinds = ["press-accepted", "visit-ended"]\n'
    try:
        with stopping(house.phone()) as phone, stopping(bridge(station, f"[webhooks.house]\n{hook}")):
            station.press()
            phone.await_event("CALL_INCOMING")
            phone.reject()
            first, again, ended = (Hook.heard.get(timeout=15) for _ in range(3))
    finally:
        server.shutdown()

    assert [first[0], again[0], ended[0]] == [503, 204, 204]
    assert first[2] == again[2]
    assert [json.loads(one[2])["kind"] for one in (again, ended)] == ["press-accepted", "visit-ended"]
    signed = ended[1]["X-Intercom-Timestamp"].encode() + b"." + ended[2]
    signature = hmac.new(b"key", signed, hashlib.sha256).hexdigest()
    assert ended[1]["X-Intercom-Signature"] == f"sha256={signature}"


def test_prometheus_understands_the_figures(station: Door, tmp_path: Path) -> None:
    """Its own parser reads the file, and the figures are those of this door."""
    output = tmp_path / "intercom.prom"
    with intercom("metrics", "--output", output, "--socket", station.socket) as terminal:
        assert terminal.await_end() == 0
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(output.read_text())
        for sample in family.samples
    }

    assert (output.stat().st_mode & 0o777) == 0o644, "the node exporter is another user"
    assert found["intercom_up",] == 1
    assert found["intercom_line_up", "home"] == 1
    assert found["intercom_door_released", "front"] == 0
    assert found["intercom_visits_total", "busy"] == len(station.records("visit-ended"))
    assert found["intercom_records_total", "press-accepted"] == len(station.records("press-accepted"))


def test_settings_that_are_wrong_are_told(station: Door, tmp_path: Path) -> None:
    """All at once, as with the door's own configuration."""
    path = tmp_path / "house.toml"
    path.write_text(
        '[mqtt]\nserver = "two words"\ncommands = ["dance"]\nca_file = "none.crt"\ntls = true\n'
        '[webhooks.a]\nurl = "ftp://x"\nlink = 1\n'
    )
    with intercom("house", "--config", path, "--socket", station.socket, columns=200) as terminal:
        status = terminal.await_end()

    assert status == 1
    for part in ("[mqtt] server", "[mqtt] ca_file", "[mqtt] commands", "[webhooks.a] url", "[webhooks.a] link"):
        assert part in terminal.text()
