"""baresip: the phone that the door calls. It plays a tone, records what it hears, and tells its events.

It is driven through ctrl_tcp: netstrings with JSON. A thread reads them and stamps every event with
time.monotonic(). Works with baresip 1.0 (Debian 12) and 1.1 (Debian 13).
"""

from __future__ import annotations

import contextlib
import json
import queue
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from lab.processes import LabError, Process, start, wait_until
from lab.tones import Samples, speech_tone, write_wav

MODULES = Path("/usr/lib/baresip/modules")
CONTROL_PORT = 4444
CODECS = {"opus": "opus/48000/2", "g722": "G722/16000/1", "pcma": "PCMA/8000/1", "pcmu": "PCMU/8000/1"}
CODEC_MODULES = {"opus": "opus", "g722": "g722", "pcma": "g711", "pcmu": "g711"}
TONE_SECONDS = 180
RTP_PORTS = "31000-31998"
"""Of all phones; each has a part of its own, by the last number of its address."""
_PARTS, _PART, _FIRST = 20, 48, 31000


class Registrar(Protocol):
    """What a phone must know of the service; lab.kamailio.Kamailio is one."""

    ip: str


@dataclass(frozen=True)
class Event:
    """One event of the phone: `type` as baresip calls it (CALL_INCOMING, CALL_ESTABLISHED, …)."""

    at: float
    type: str
    fields: dict[str, Any]

    @property
    def param(self) -> str:
        """What it tells besides: a digit, a reason."""
        return str(self.fields.get("param", ""))


class Phone:
    """A SIP phone on an address of its own."""

    def __init__(
        self,
        number: str,
        log_dir: Path,
        registrar: Registrar | str,
        password: str,
        ip: str = "127.0.0.31",
        answer: Literal["auto", "manual"] = "manual",
        tone_hz: float = 440.0,
        codecs: Sequence[str] = ("opus", "g722", "pcma", "pcmu"),
        mediaenc: str | None = None,
        medianat: str | None = None,
        inside: Sequence[str] = (),
        transport: str = "udp",
        authority: Path | None = None,
        tone_level_dbfs: float = -15.0,
        voice: Samples | None = None,
        one_port: bool = False,
        sip_port: int = 5060,
        tree: Path | None = None,
    ) -> None:
        """`inside` is what its command line begins with; in `tree`, another release's, it stays in this network."""
        self.number, self.ip, self.sip_port = number, ip, sip_port
        if tree:
            inside = ("chroot", str(tree))
        self._modules = (tree or Path("/")) / MODULES.relative_to("/")
        self.registrar = registrar if isinstance(registrar, str) else registrar.ip
        self.folder = log_dir / f"phone-{number}"
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob("dump-*.wav"):
            old.unlink()
        if voice is None:
            # A second of it, over and over: seamless for a whole number of hertz.
            voice = np.tile(speech_tone(round(tone_hz), 1, level_dbfs=tone_level_dbfs), TONE_SECONDS)
        write_wav(self.folder / "tone.wav", voice)
        account = [
            f"<sip:{number}@{self.registrar};transport={transport}>",
            f"auth_user={number}",
            f"auth_pass={password}",
            f"answermode={answer}",
            "regint=600",
            f"audio_codecs={','.join(CODECS[codec] for codec in codecs)}",
        ]
        if mediaenc:
            account.append(f"mediaenc={mediaenc}")
        if medianat:
            account.append(f"medianat={medianat}")
        (self.folder / "accounts").write_text(";".join(account) + "\n")
        (self.folder / "contacts").write_text("")
        tls = f"sip_cafile {authority}\nsip_verify_server yes\n" if authority else ""
        settings = self._configuration(codecs)
        if one_port:
            settings = settings.replace("rtcp_mux no", "rtcp_mux yes")
        (self.folder / "config").write_text(tls + settings)
        self._news = threading.Condition()
        self._events: list[Event] = []
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.sends_from_its_address = bool(tree) or not inside
        if self.sends_from_its_address:
            self._name_sender()
        self.process: Process = start(f"phone-{number}", [*inside, "baresip", "-f", self.folder, "-s"], log_dir)
        wait_until(self._connect, 60 if inside else 10, f"phone {number} takes orders", self.process)
        threading.Thread(target=self._read, name=f"phone {number}", daemon=True).start()

    def _configuration(self, codecs: Sequence[str]) -> str:
        modules = [CODEC_MODULES[codec] for codec in codecs]
        modules += ["auconv", "auresamp", "aufile", "aubridge", "sndfile", "srtp", "dtls_srtp", "plc", "ice"]
        present = [name for name in dict.fromkeys(modules) if (self._modules / f"{name}.so").exists()]
        if "sndfile" not in present:
            raise LabError(f"no sndfile.so in {self._modules}: is baresip installed?")
        # The player, aubridge, plays to nobody; it is there to give the receiving side a clock.
        return f"""\
sip_listen {self.ip}:{self.sip_port}
net_interface {self.ip}
call_local_timeout 120
call_max_calls 4
call_hold_other_calls no
audio_source aufile,{self.folder / "tone.wav"}
audio_player aubridge,ear{self.number}
audio_alert aubridge,bell{self.number}
audio_level no
ausrc_srate 16000
auplay_srate 16000
ausrc_channels 1
auplay_channels 1
audio_txmode thread
audio_buffer 20-160
rtp_ports {"-".join(map(str, self._rtp_ports()))}
rtcp_mux no
jitter_buffer_delay 2-10
rtp_stats yes
opus_bitrate 28000
module_path {MODULES}
{chr(10).join(f"module {name}.so" for name in present)}
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {self.ip}:{CONTROL_PORT}
snd_path {self.folder}
"""

    def _rtp_ports(self) -> tuple[int, int]:
        first = _FIRST + _PART * (int(self.ip.rpartition(".")[2]) % _PARTS)
        return first, first + _PART - 1

    def _name_sender(self) -> None:
        """Have its sound come from its own address.

        baresip binds RTP to all addresses of the machine, so the kernel would name the first one, which is another
        host to whoever goes by addresses.
        """
        first, last = self._rtp_ports()
        rules = f"""table ip {self._table()} {{
            chain out {{ type filter hook output priority raw; udp sport {first}-{last} ip saddr set {self.ip}; }}
        }}"""
        self._unname_sender()
        subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True, timeout=10)

    def _unname_sender(self) -> None:
        if self.sends_from_its_address:
            delete = ["nft", "delete", "table", "ip", self._table()]
            subprocess.run(delete, capture_output=True, check=False, timeout=10)

    def _table(self) -> str:
        return f"phone_{self._rtp_ports()[0]}"

    # Orders

    def command(self, name: str, params: str = "") -> str:
        """One baresip command; what it printed. Raises when it was refused."""
        order = json.dumps({"command": name, "params": params, "token": name}).encode()
        self._control.sendall(b"%d:%s," % (len(order), order))
        try:
            answer = self._answers.get(timeout=5)
        except queue.Empty:
            raise LabError(f"phone {self.number}: no answer to {name}\n{self.process.log_tail()}") from None
        if not answer.get("ok"):
            raise LabError(f"phone {self.number} refused {name} {params}: {answer.get('data')}")
        return str(answer.get("data", ""))

    def answer(self) -> None:
        """Answer the call that rings."""
        self.command("accept")

    def reject(self) -> None:
        """Refuse the call that rings: 486, the one code that baresip 1.0 and 1.1 know."""
        self.command("hangup")

    def hang_up(self) -> None:
        """End the call."""
        self.command("hangup")

    def call(self, uri: str) -> None:
        """Call a number of the registrar, or a whole URI."""
        self.command("dial", uri if uri.startswith("sip") else f"sip:{uri}@{self.registrar}")

    def press_key(self, keys: str) -> None:
        """Press telephone keys one after the other (RFC 4733)."""
        for key in keys:
            self.command("sndcode", key)

    def hold(self) -> None:
        """Put the call on hold."""
        self.command("hold")

    def resume(self) -> None:
        """Take it back."""
        try:
            self.command("resume")
        except LabError as error:
            # baresip 1.1 resumes, and complains that there was no other call to put on hold.
            if "Invalid argument" not in str(error):
                raise

    def busy(self) -> bool:
        """Whether a call rings or is up."""
        return re.search(r"\(([1-9]\d*)\)", self.command("listcalls")) is not None

    # News

    @property
    def events(self) -> list[Event]:
        """All events so far."""
        with self._news:
            return list(self._events)

    def mark(self) -> float:
        """The time now; see `since` of `await_event`."""
        return time.monotonic()

    def await_event(
        self,
        kind: str,
        seconds: float = 15.0,
        since: float = 0.0,
        where: Callable[[Event], object] = lambda event: True,
    ) -> Event:
        """The first event of this type since a monotonic time, be it past or still to come."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                for event in self._events:
                    if event.type == kind and event.at >= since and where(event):
                        return event
                left = deadline - time.monotonic()
                if left <= 0:
                    told = ", ".join(event.type for event in self._events)
                    raise LabError(
                        f"phone {self.number}: no {kind} within {seconds:g} s (it told: {told}); "
                        f"its log ends:\n{self.process.log_tail()}"
                    )
                self._news.wait(left)

    def wait_registered(self, seconds: float = 10.0) -> None:
        """Await the registration."""
        # It may have registered before we were there to hear of it.
        if "OK" not in self.command("reginfo"):
            self.await_event("REGISTER_OK", seconds)

    def codec(self) -> str:
        """The codec of the latest call, as `"opus"`, `"g722"`, `"pcma"` or `"pcmu"`; empty before the first."""
        told = re.findall(r"Set audio encoder: (\w+)", "\n".join(self.process.lines()))
        return told[-1].lower() if told else ""

    def recordings(self, seconds: float = 3.0) -> list[Path]:
        """What it heard, one WAV for each call, oldest first. Awaits their closing: hang up first."""
        wait_until(self._recordings_closed, seconds, f"phone {self.number} closes its recordings", self.process)
        return sorted(self.folder.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime)

    def _recordings_closed(self) -> bool:
        if not self.process.running:
            return True
        for descriptor in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if descriptor.readlink().name.startswith("dump-"):
                    return False
        return True

    def stop(self) -> None:
        """End it as one ends a phone: it hangs up and unregisters."""
        with contextlib.suppress(OSError, LabError):
            if self.process.running:
                self.command("quit")
                self.process.wait(3)
        self.process.stop()
        self._control.close()
        self._unname_sender()

    def kill(self) -> None:
        """Pull its plug: no BYE, no unregistration."""
        self.process.popen.kill()
        self.process.stop()
        self._unname_sender()

    # The control connection

    def _connect(self) -> bool:
        with contextlib.suppress(OSError):
            self._control = socket.create_connection((self.ip, CONTROL_PORT), 1)
            self._control.settimeout(None)
            return True
        return False

    def _read(self) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while data := self._control.recv(65536):
                at = time.monotonic()
                buffer += data
                while b":" in buffer:
                    length, rest = buffer.split(b":", 1)
                    if len(rest) <= int(length):
                        break
                    self._take(json.loads(rest[: int(length)]), at)
                    buffer = rest[int(length) + 1 :]

    def _take(self, message: dict[str, Any], at: float) -> None:
        if not message.get("event"):
            self._answers.put(message)
            return
        with self._news:
            self._events.append(Event(at, str(message.get("type", "")), message))
            self._news.notify_all()
