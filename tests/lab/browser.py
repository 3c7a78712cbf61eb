"""A browser that is a telephone: JsSIP in headless Chromium, over WebSocket, with ICE and DTLS-SRTP.

It is told what to do through the DevTools protocol, on two pipes; what happens in the page is an event. It plays a tone
and keeps what it hears. The script is what browser-phone.sh made (`INTERCOM_BROWSER_PHONE`).
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.processes import LabError, Process, start
from lab.tones import Samples, ToneReport, find_tone

BROWSER = "chromium-headless-shell"
PAGE = Path(__file__).with_name("browser") / "phone.js"
HOME_IP = "10.66.0.1"
"""An address that is not on the loopback: neither a browser nor Asterisk offers one of those as an ICE candidate."""
WORLD_IP = "8.8.8.8"
OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--autoplay-policy=no-user-gesture-required"),
    # It says its addresses as they are: a page that may use the microphone does, and Asterisk cannot ask for .local.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
)


@dataclass(frozen=True)
class Event:
    """One event of the page: `news` is JsSIP's word for it, or "incoming", or "media"."""

    at: float
    news: str
    fields: dict[str, Any]


def available() -> str:
    """Return why there is no such telephone here; nothing if there is one."""
    if not shutil.which(BROWSER):
        return f"needs {BROWSER}"
    return "" if os.environ.get("INTERCOM_BROWSER_PHONE") else "npm did not give JsSIP"


def version() -> str:
    """Return the peer's name and version for the table of interoperability."""
    told = subprocess.run([BROWSER, "--version"], capture_output=True, text=True, check=True).stdout
    chromium = next(word for word in told.split() if word[0].isdigit())
    lock = json.loads((PAGE.parent / "package-lock.json").read_text())
    return f"JsSIP {lock['packages']['node_modules/jssip']['version']} in Chromium {chromium.partition('.')[0]}"


@contextlib.contextmanager
def home_network() -> Iterator[None]:
    """Have a network besides the loopback for as long: a cable whose two ends are here."""
    _ip("link", "add", "home0", "type", "veth", "peer", "name", "home1")
    try:
        _ip("address", "add", f"{HOME_IP}/24", "dev", "home0")
        for end in ("home0", "home1"):
            _ip("link", "set", end, "up")
        # Chromium offers a page without a microphone the address alone from which it would reach this one. Nobody is
        # there, and who asks there for a name is told so at once.
        _ip("route", "add", WORLD_IP, "dev", "home0")
        refuse = "table ip home { chain out { type filter hook output priority 0; udp dport 53 reject; }; }"
        subprocess.run(["nft", "-f", "-"], input=refuse, text=True, check=True)
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "ip", "home"], check=False)
        _ip("link", "delete", "home0")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


class BrowserPhone:
    """A page with a telephone in it; it rings until it is told to answer."""

    def __init__(self, number: str, log_dir: Path, server: str, domain: str, password: str, hz: float) -> None:
        """`server` is a WebSocket's URL. The browser starts here; `hz` is the pitch that it speaks in."""
        self.number, self.domain, self.hz = number, domain, hz
        self._options = {
            "server": server,
            "uri": f"sip:{number}@{domain}",
            "password": password,
            "hz": round(hz),
        }
        self._news = threading.Condition()
        self._events: list[Event] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._tickets = itertools.count(1)
        self._session = ""
        folder = log_dir / f"browser-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        self.process = self._start(folder)
        threading.Thread(target=self._read, name=f"browser {number}", daemon=True).start()
        self.open()

    def _start(self, folder: Path) -> Process:
        theirs, ours = (_high(end) for end in os.pipe())
        from_it, to_us = (_high(end) for end in os.pipe())
        # It reads from descriptor 3 and writes to 4.
        redirect = f'exec "$@" 3<&{theirs} 4>&{to_us}'
        options = [*OPTIONS, f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"]
        command = ["bash", "-c", redirect, "bash", BROWSER, *options]
        env = {"HOME": str(folder)}
        process = start(f"browser-{self.number}", command, folder, env=env, pass_fds=(theirs, to_us))
        for end in (theirs, to_us):
            os.close(end)
        self._orders, self._told = ours, from_it
        return process

    def open(self) -> None:
        """Load the page, once more if it is there: a page that is reloaded takes leave of nobody."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        old, self._target = getattr(self, "_target", ""), target
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        if old:
            self._ask("Target.closeTarget", browser=True, targetId=old)
        self._ask("Runtime.enable")
        self._ask("Runtime.addBinding", name="tell")
        self._evaluate(Path(os.environ["INTERCOM_BROWSER_PHONE"]).read_text() + "\n;0")
        self._evaluate(PAGE.read_text() + "\n;0")
        self._evaluate(f"phone.start({json.dumps(self._options)})")

    # Orders

    def answer(self) -> None:
        """Answer the call that rings."""
        self._evaluate("phone.answer()")

    def call(self, number: str) -> None:
        """Call a number of its service."""
        self._evaluate(f"phone.call({json.dumps(f'sip:{number}@{self.domain}')})")

    def hang_up(self) -> None:
        """End the call, or refuse the one that rings (480)."""
        self._evaluate("phone.session.terminate()")

    def key(self, keys: str, way: str = "RFC2833") -> None:
        """Press keys: "RFC2833" is the browser's own RTCDTMFSender, "INFO" a request for each."""
        self._evaluate(f"phone.key({json.dumps(keys)}, {json.dumps(way)})")

    def hold(self) -> None:
        """Put the call on hold."""
        self._evaluate("phone.hold()")

    def resume(self) -> None:
        """Take it back."""
        self._evaluate("phone.resume()")

    def heard(self, hz: float) -> ToneReport:
        """Return what was heard of a pitch since the last time this was asked, or since the call began."""
        told = self._evaluate("phone.take_heard()")
        samples: Samples = np.frombuffer(base64.b64decode(told["samples"]), "<i2").astype(np.float32) / 32768
        return find_tone(samples, int(told["rate"]), hz)

    def codec(self) -> str:
        """Return what the far end's sound comes in, such as "audio/opus"."""
        return str(self._evaluate("phone.codec()"))

    # News

    def mark(self) -> float:
        """The time now; see `since` of `await_news`."""
        return time.monotonic()

    def await_news(
        self,
        news: str,
        seconds: float = 15.0,
        since: float = 0.0,
        where: Callable[[dict[str, Any]], object] = lambda fields: True,
    ) -> Event:
        """The first event of this name since a monotonic time, be it past or still to come."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                for event in self._events:
                    if event.news == news and event.at >= since and where(event.fields):
                        return event
                left = deadline - time.monotonic()
                if left <= 0:
                    told = "; ".join(f"{event.news} {event.fields}" for event in self._events[-20:])
                    raise LabError(f"browser {self.number}: no {news} within {seconds:g} s (it told: {told})")
                self._news.wait(left)

    def wait_registered(self, seconds: float = 20.0) -> None:
        """Await the registration."""
        self.await_news("registered", seconds)

    def stop(self) -> None:
        """End it: it hangs up and unregisters."""
        with contextlib.suppress(OSError, LabError, ValueError):
            if self.process.running:
                self._evaluate("phone.ua.stop()")
                self._ask("Browser.close", browser=True)
                self.process.wait(3)
        self.kill()

    def kill(self) -> None:
        """End it by SIGKILL: no BYE, no unregistration."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.stop()
        if self._orders >= 0:
            os.close(self._orders)
        self._orders = -1

    # The DevTools protocol: JSON, each message ended by a zero byte

    def _ask(self, method: str, *, browser: bool = False, **parameters: Any) -> dict[str, Any]:
        ticket = next(self._tickets)
        order: dict[str, Any] = {"id": ticket, "method": method, "params": parameters}
        if self._session and not browser and not method.startswith("Target."):
            order["sessionId"] = self._session
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        with self._news:
            if not self._news.wait_for(lambda: ticket in self._answers, 20):
                raise LabError(f"the browser does not answer {method}\n{self.process.log_tail()}")
            answer = self._answers.pop(ticket)
        if "error" in answer:
            raise LabError(f"the browser refused {method}: {answer['error']}")
        return dict(answer["result"])

    def _evaluate(self, script: str) -> Any:
        done = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in done:
            raise LabError(f"the page: {done['exceptionDetails']}")
        return done["result"].get("value")

    def _read(self) -> None:
        buffer = b""
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self._told, 1 << 20):
                *messages, buffer = (buffer + data).split(b"\0")
                for message in messages:
                    self._take(json.loads(message))
        os.close(self._told)

    def _take(self, message: dict[str, Any]) -> None:
        with self._news:
            if "id" in message:
                self._answers[message["id"]] = message
            elif message.get("method") == "Runtime.bindingCalled":
                told = json.loads(message["params"]["payload"])
                self._events.append(Event(time.monotonic(), told.pop("news"), told))
            self._news.notify_all()


def _high(descriptor: int) -> int:
    """Move a descriptor out of the way of 3 and 4."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10)
    finally:
        os.close(descriptor)
