"""Linphone: a second phone inside, of another family than baresip (its own SIP, RTP and codecs).

It is linphonec, the console, with files in the place of a sound card. Orders are lines on its standard input, and what
happens is a line on its output. Works with Linphone 5.1 (Debian 12) and 5.3 (Debian 13).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lab.processes import LabError, Process, start, wait_until
from lab.tones import speech_tone, write_wav

TONE_SECONDS = 120
RATE = 16000
_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
# On a loopback alone it would find itself without a network after five seconds, so it is not to look.
# It checks who signed a server's certificate. Not the name: its mbedTLS knows no IP addresses in certificates.
CONFIGURATION = """\
[sip]
sip_port={udp}
sip_udp_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
guess_hostname=0
contact="{number}" <sip:{number}@{ip}>
bind_address={ip}
inc_timeout=30
use_ipv6=0
default_proxy=0
auto_net_state_mon=0
register_only_when_network_is_up=0
media_encryption={encryption}
media_encryption_mandatory={mandatory}
root_ca={authority}
verify_server_certs=1
verify_server_cn=0
publish=0
[rtp]
audio_rtp_port=33000-33400
bind_address={ip}
audio_multicast_enabled=0
[net]
mtu=1300
[proxy_0]
reg_proxy=<sip:{server};transport={transport}>
reg_identity="Linphone" <sip:{number}@{server}>
reg_expires=120
reg_sendregister=1
publish=0
[auth_info_0]
username={number}
passwd={password}
realm={realm}
domain={server}
[sound]
echocancellation=0
[misc]
hide_auto_answer=0
[video]
enabled=0
capture=0
display=0
"""
FRIEND = """\
[friend_0]
url=<sip:{watches}@{server}>
pol=accept
subscribe=1
"""
ICE = """\
[nat_policy_0]
ref=ice
stun_server={stun}
protocols=stun,ice
[net]
nat_policy_ref=ice
"""


class Linphone:
    """A SIP phone on an address of its own; it rings until it is told to answer."""

    def __init__(
        self,
        number: str,
        log_dir: Path,
        server: str,
        password: str,
        *,
        ip: str = "127.0.0.38",
        transport: str = "udp",
        authority: Path | None = None,
        encryption: str = "none",
        tone_hz: float = 440.0,
        realm: str = "",
        watches: str = "",
        ice_by: str = "",
        inside: Sequence[str] = (),
    ) -> None:
        """`server` is an IP address, and its realm where none is given.

        `encryption` is none, srtp or dtls; what is not so is refused. `watches` is whose presence it shows, `ice_by` a
        STUN server (it then does ICE), `inside` what its command line begins with.
        """
        self.number, self.folder = number, log_dir / f"linphone-{number}"
        (self.folder / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
        self.heard, tone = self.folder / "heard.wav", self.folder / "tone.wav"
        voice = np.tile(speech_tone(round(tone_hz), 1, rate=RATE), TONE_SECONDS)
        write_wav(tone, voice, RATE)
        configuration = self.folder / "linphonerc"
        configuration.write_text(
            CONFIGURATION.format(
                number=number,
                ip=ip,
                server=server,
                realm=realm or server,
                password=password,
                transport=transport,
                **{kind: _PORTS[kind] if kind == transport else 0 for kind in ("udp", "tcp", "tls")},
                encryption=encryption,
                mandatory=int(encryption != "none"),
                authority=authority or "",
            )
            + (FRIEND.format(watches=watches, server=server) if watches else "")
            + (ICE.format(stun=ice_by) if ice_by else "")
        )
        # What its libraries have no sound card for is none of ours.
        env = {"HOME": str(self.folder), "ALSA_CONFIG_PATH": "/dev/null"}
        self.process: Process = start(
            f"linphone-{number}",
            [*inside, "linphonec", "-d", "6", "-l", self.folder / "log", "-c", configuration],
            log_dir,
            env=env,
            orders=True,
        )
        self.tell("soundcard use files")
        self.await_news("Using wav files")
        self.tell(f"record {self.heard}", f"play {tone}")

    def tell(self, *orders: str) -> None:
        """Type lines at its console, each when the one before has been obeyed: 5.3 keeps one line at a time."""
        for order in orders:
            self.process.tell(f"{order}\n")
            wait_until(lambda: not self.process.unread(), 5, f"Linphone reads {order}", self.process)
            seen = self._rounds()
            wait_until(lambda seen=seen: self._rounds() > seen + 3, 5, f"Linphone obeys {order}", self.process)

    def _rounds(self) -> int:
        """How often its main loop has slept; it looks for an order each time it wakes."""
        status = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/status").read_text()
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    def mark(self) -> int:
        """Return the position in its news; see `await_news`."""
        return self.process.mark()

    def await_news(self, pattern: str, seconds: float = 15, after: int = 0) -> str:
        """Await a line of its console; return it."""
        return self.process.await_line(pattern, seconds, after).string

    def wait_registered(self, seconds: float = 10) -> None:
        """Await the registration."""

        def registered() -> bool:
            asked = self.mark()
            self.tell("status register")
            return "registered, identity=" in self.await_news("registered", 2, asked)

        wait_until(registered, seconds, f"Linphone {self.number} registers", self.process)

    def stop(self) -> None:
        """End it: it hangs up and unregisters."""
        with contextlib.suppress(OSError, LabError):
            if self.process.running:
                self.process.tell("quit\n")
                self.process.wait(5)
        self.process.stop()
