"""The engines, each on the same card and calling the same far end: ours, baresip, and PJSIP's own sound device."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from bench.sound.far_end import ADDRESS
from contract.sip_peers import Engine, account

from intercom.core.commands import Audio, HangUp, PlaceCall, SetAudio
from intercom.core.events import CallAnswered, SoundMeasured, StreamMeasured
from lab.baresip import Phone
from lab.jackd import Jackd
from lab.processes import Process, start

HERE = Path(__file__).parent
DOOR_IP = "127.0.0.9"
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 300.0
"""With a start that is counted by valgrind."""


class Door(Protocol):
    """A call to the far end, from its making to `hang_up`."""

    name: str

    def pid(self) -> int:
        """The process that does the audio."""

    def hang_up(self) -> None:
        """End the call and the process."""


class Ours:
    """The product's voice engine, as the daemon runs it."""

    def __init__(
        self,
        jackd: Jackd,
        folder: Path,
        codec: str,
        echo: bool = True,
        *,
        quiet: bool = False,
        prefix: Sequence[str] = (),
    ) -> None:
        """`quiet` keeps what it has measured to itself; `prefix` comes before the command line."""
        os.environ.update(jackd.env)
        self._quiet = quiet
        self.name = "the intercom" if echo else "the intercom, no canceller"
        line = account(None, domain="127.0.0.50", registrar_uri="")
        self._engine = Engine(
            line,
            codecs=(codec,),
            bind=DOOR_IP,
            card_in="system",
            card_out="system",
            echo=echo,
            trace_level=1,
            argv=tuple(prefix),
            patience_s=20 if not prefix else PATIENCE_S,
        )
        self._engine.send(SetAudio(Audio(card=True)), PlaceCall("a", "house", ADDRESS))
        self._engine.wait(CallAnswered)
        self._engine.send(SetAudio(Audio(card=True, hear="a", speak="a")))

    def pid(self) -> int:
        return self._engine.process.pid

    def hang_up(self) -> None:
        self._engine.send(HangUp("a"))
        time.sleep(0.3)
        for told in () if self._quiet else self._engine.told(StreamMeasured, SoundMeasured)[-2:]:
            print(f"    {told}", file=sys.stderr)
        self._engine.close()


class Baresip(Phone):
    """baresip on its JACK module. Debian's build has no echo canceller (webrtc_aec is not in it)."""

    def __init__(
        self, jackd: Jackd, folder: Path, codec: str, tuned: bool = True, *, prefix: Sequence[str] = ()
    ) -> None:
        """Tuned, its buffers are the shortest that were found to work; else those that it writes for a new user."""
        os.environ.update(jackd.env)
        self.name = "baresip" if tuned else "baresip as it is delivered"
        self._buffers = ["audio_buffer 20-60"] if tuned else ["audio_buffer 20-160", "jitter_buffer_delay 5-10"]
        super().__init__("door", folder, "127.0.0.50", "none", ip=DOOR_IP, codecs=(codec,), inside=prefix)
        self.command("dial", ADDRESS)
        self.await_event("CALL_ESTABLISHED", 10)

    def _configuration(self, codecs: tuple[str, ...]) -> str:  # type: ignore[override]
        kept = [
            line
            for line in super()._configuration(codecs).splitlines()
            if not line.startswith(("audio_source", "audio_player", "audio_alert", "audio_buffer", "module sndfile"))
            and not (line.startswith("jitter_buffer_delay") and len(self._buffers) > 1)
            and "aufile" not in line
            and "aubridge" not in line
        ]
        own = ["audio_source jack", "audio_player jack", *self._buffers, "module jack.so"]
        own += ["jack_connect_ports no", "ausrc_format float", "auplay_format float"]
        return "\n".join(kept[:1] + own + kept[1:]) + "\n"

    def pid(self) -> int:
        return self.process.pid

    def hang_up(self) -> None:
        self.stop()


class Pjsip:
    """PJSIP with its own ALSA device (through ALSA's plug-in for JACK) and its own AEC3."""

    def __init__(self, jackd: Jackd, folder: Path, codec: str, wheel: Path) -> None:
        self.name = "PJSIP's own device"
        alsa = folder / "asound.conf"
        alsa.write_text(
            "pcm.door { type plug slave.pcm card hint { show on description door } }\n"
            'pcm.card { type jack playback_ports { 0 "system:playback_1" } capture_ports { 0 "system:capture_1" } }\n'
        )
        environment = {**jackd.env, "ALSA_CONFIG_PATH": str(alsa), "PYTHONPATH": f"{wheel}{os.pathsep}{HERE}"}
        command = [sys.executable, HERE / "pjsip_door.py", ADDRESS, codec, DOOR_IP]
        self._process: Process = start("pjsip-door", command, folder, environment)
        self._process.await_line("connected", 10)

    def pid(self) -> int:
        return self._process.pid

    def hang_up(self) -> None:
        self._process.stop()


def cpu_seconds(pid: int) -> float:
    """How much of a core a process has used since its start."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
