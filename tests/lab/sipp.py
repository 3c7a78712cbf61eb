"""sipp: the phones that behave badly, and the stranger. One scenario, one call, then it ends.

Scenarios are in sipp/; `@NAME@` in them is filled in from `values`. A scenario's phone is reached through
Kamailio by a fixed contact, for instance `static={"204": "sip:204@127.0.0.44:5060"}`.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import rtp_events
from lab.processes import LabError, Process, start, wait_until

SCENARIOS = Path(__file__).with_name("sipp")
SOUND = Path("/usr/share/sip-tester/g711a.pcap")
DEFAULTS = {
    "DIGITS": "5",  # uas_info_digits
    "SECONDS": "30",  # uas_vanish, uas_silent: how long it keeps silent
    "TARGET": "sip:busy@127.0.0.20",  # uas_redirect
    "CODE": "486",  # uas_reply
    "REASON": "Refused",
    "SOUND": str(SOUND),  # uas_early_media, uas_elsewhere
    "MEDIA": "127.0.0.45",  # uas_elsewhere: where its SDP says that its sound is
    "FROM": "stranger@127.0.0.66",  # uac_stranger
}


class Sipp:
    """One run of a scenario. A `uac_…` calls `to` (address:port); a `uas_…` awaits its call.

    It is a file of sipp/, or with `script` (see script.py) whatever that says, and `scenario` is only its name.
    """

    def __init__(
        self,
        scenario: str,
        log_dir: Path,
        ip: str = "127.0.0.44",
        port: int = 5060,
        args: Sequence[str] = (),
        *,
        to: str | None = None,
        user: str = "204",
        transport: str = "udp",
        seconds: int = 120,
        script: str = "",
        **values: str,
    ) -> None:
        self.name = f"sipp-{scenario}-{ip}-{port}"
        folder = log_dir / self.name
        folder.mkdir(parents=True, exist_ok=True)
        played = folder / f"{scenario}.xml"
        text = script or _fill((SCENARIOS / f"{scenario}.xml").read_text(), {**DEFAULTS, **values})
        played.write_text(text)
        if scenario == "uas_both_digits":
            for place, key in enumerate({**DEFAULTS, **values}["DIGITS"]):
                rtp_events.write(folder / f"key-{place + 2}.pcap", key, place, payload_type=121)
        self.messages = folder / "messages.log"
        self.messages.unlink(missing_ok=True)
        command: list[str | Path] = ["sipp", "-sf", played, "-i", ip, "-p", str(port), "-mi", ip, "-s", user]
        command += ["-t", {"udp": "u1", "tcp": "t1"}[transport], "-m", "1", "-nostdin", "-timeout", str(seconds)]
        command += ["-timeout_error", "-trace_msg", "-message_file", self.messages]
        command += ["-trace_err", "-error_file", folder / "errors.log", *args]
        if scenario in ("uas_vanish", "uas_silent"):
            command += ["-default_behaviors", "none"]  # sipp is polite to what it did not expect
        if to:
            command.append(to)
        self.process: Process = start(self.name, command, log_dir, {"TERM": "dumb"}, cwd=folder)
        if scenario.startswith("uas"):
            # A UDP or TCP listener can be seen in /proc/net.
            wait_until(lambda: _bound(ip, port, transport), 5, f"{self.name} listens", self.process)

    def wait(self, seconds: float = 30.0) -> int:
        """Await the scenario's end. 0: all went as written; else not so (97: stopped or timed out)."""
        return self.process.wait(seconds)

    def require(self, seconds: float = 30.0) -> None:
        """Await the end and insist that all went as written."""
        if code := self.wait(seconds):
            raise LabError(f"{self.name} ended with {code}; its messages:\n{self.conversation()[-4000:]}")

    def conversation(self) -> str:
        """Every SIP message it sent and received."""
        return self.messages.read_text("utf-8", "replace") if self.messages.exists() else ""

    def stop(self) -> None:
        """End it now."""
        self.process.stop()


def _fill(text: str, values: Mapping[str, str]) -> str:
    def repeat(part: re.Match[str]) -> str:
        digits = values["DIGITS"]
        return "".join(
            part[1].replace("@DIGIT@", digit).replace("@CSEQ@", str(number))
            for number, digit in enumerate(digits, start=2)
        )

    text = re.sub(r" *<!-- for each digit -->\n(.*?) *<!-- end -->\n", repeat, text, flags=re.DOTALL)
    return re.sub(r"@([A-Z]+)@", lambda name: values[name[1]], text)


def _bound(ip: str, port: int, transport: str) -> bool:
    if ":" in ip:
        # The kernel shows each 32 bits in the machine's own order.
        packed = socket.inet_pton(socket.AF_INET6, ip)
        address = "".join(packed[at : at + 4][::-1].hex().upper() for at in range(0, 16, 4)) + f":{port:04X}"
        transport += "6"
    else:
        address = "".join(f"{int(part):02X}" for part in reversed(ip.split("."))) + f":{port:04X}"
    return any(line.split()[1] == address for line in Path(f"/proc/net/{transport}").read_text().splitlines()[1:])
