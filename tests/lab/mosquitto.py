"""Mosquitto: the house's MQTT broker, and somebody who listens to it."""

from __future__ import annotations

import queue
import secrets
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho

from lab.certificates import Certificates
from lab.processes import LabError, Process, start, wait_until


class Mosquitto:
    """A broker on `ip`, port 1883; who may come in may do everything there."""

    def __init__(
        self, folder: Path, ip: str = "127.0.0.24", *, secure: Certificates | None = None, **users: str
    ) -> None:
        """With `users` (name -> password) nobody else comes in; with `secure` only by TLS."""
        self.ip, self.secure, self.users, self._folder = ip, secure, users, folder
        self._config, passwords = folder / "mosquitto.conf", folder / "mosquitto.passwords"
        lines = [f"listener 1883 {ip}", "user root", f"allow_anonymous {'false' if users else 'true'}"]
        if secure:
            lines += [f"certfile {secure.certificate}", f"keyfile {secure.key}"]
        if users:
            passwords.write_text("".join(f"{user}:{password}\n" for user, password in users.items()))
            subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
            lines.append(f"password_file {passwords}")
        self._config.write_text("\n".join([*lines, ""]))
        self.process: Process | None = None
        self.start()

    def start(self) -> None:
        """Start (again), having forgotten everything."""
        self.process = start("mosquitto", ["mosquitto", "-c", self._config], self._folder)
        wait_until(self._listens, 5, "mosquitto listens", self.process)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def _listens(self) -> bool:
        table = Path("/proc/net/tcp").read_text()
        address = "".join(f"{int(part):02X}" for part in reversed(self.ip.split(".")))
        return f"{address}:075B 00000000:0000 0A" in table


class Listener:
    """Hears everything that is told to the broker."""

    def __init__(self, broker: Mosquitto) -> None:
        self._heard: queue.Queue[paho.MQTTMessage] = queue.Queue()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        subscribed = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = lambda _client, _data, message: self._heard.put(message)
        if broker.secure:
            self._client.tls_set(str(broker.secure.authority))
        for user, password in list(broker.users.items())[:1]:
            self._client.username_pw_set(user, password)
        self._client.connect(broker.ip)
        self._client.loop_start()
        if not subscribed.wait(10):
            raise LabError("the broker did not take a subscription within 10 s")

    def await_message(self, topic: str, seconds: float = 10, containing: str = "") -> str:
        """Await a message on a topic; what comes before it is passed over."""
        deadline, passed = time.monotonic() + seconds, []
        while True:
            try:
                message = self._heard.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise LabError(f"nothing on {topic} with {containing!r}, but: {passed[-20:]}") from None
            text = message.payload.decode()
            if message.topic == topic and containing in text:
                return text
            passed.append(f"{message.topic} {text[:80]}")

    def until(self, topic: str, containing: str = "", seconds: float = 10) -> list[tuple[str, str]]:
        """Await a message; return all that came before it, and itself as the last: topic and text of each."""
        heard, deadline = [], time.monotonic() + seconds
        while True:
            try:
                message = self._heard.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise LabError(f"nothing on {topic} with {containing!r}, but: {heard[-20:]}") from None
            heard.append((message.topic, message.payload.decode()))
            if message.topic == topic and containing in heard[-1][1]:
                return heard

    def fence(self) -> list[tuple[str, str]]:
        """Return all that the broker has sent so far."""
        mark = secrets.token_hex(8)
        self.say("fence", mark)
        return self.until("fence", mark)[:-1]

    def say(self, topic: str, text: str, **options: Any) -> None:
        """Tell the broker something."""
        self._client.publish(topic, text, 1, **options).wait_for_publish(5)

    def stop(self) -> None:
        """Listen no more."""
        self._client.disconnect()
        self._client.loop_stop()
