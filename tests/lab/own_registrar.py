"""The SIP service that `install --with-registrar` puts beside a door: the same configuration, on addresses of ours."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from intercom.cli.commands import phones
from lab.kamailio import Kamailio

CONFIGURATION = Path(__file__).parents[2] / "systemd" / "intercom-registrar.cfg"
HERE, OUTSIDE, PHONE = "127.0.0.1", "10.9.0.1", "10.9.0.31"
"""Where the door talks to it, where the phones do, and one of those."""


class OwnRegistrar(Kamailio):
    """Listens on `ip`, and on `others` besides; `users` are extensions and their passwords."""

    def __init__(self, log_dir: Path, ip: str, users: Mapping[str, str], others: Sequence[str] = ()) -> None:
        self.listens = (ip, *others)
        super().__init__(log_dir, ip, users)

    def _configuration(self, tcp: bool) -> str:
        phones.write(self.folder / "phones.cfg", self.users)
        return CONFIGURATION.read_text()

    def _command(self) -> list[str | Path]:
        listens = [f"{kind}:{ip}:5060" for ip in self.listens for kind in ("udp", "tcp")]
        one = [] if len(self.listens) > 1 else ["-A", "ONE_ADDRESS"]
        return [*super()._command(), *one, *(word for listen in listens for word in ("-l", listen))]

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        """Have the kernel guard its port and count connections, as the unit does; here service and door are root's."""
        who = ("-D", "service=0", "-D", "door=0")
        subprocess.run(["nft", *who, "-f", CONFIGURATION.with_suffix(".nft")], check=True)
        try:
            yield
        finally:
            subprocess.run(["nft", "delete", "table", "inet", "intercom_registrar"], check=True)

    def reload(self) -> None:
        """Start it anew with the passwords that are in its file now, as `intercom phones` has systemd do it."""
        self.stop()
        self.start()


@contextlib.contextmanager
def network_of_the_house() -> Iterator[None]:
    """Have addresses in the network of a house: this machine's own, and a phone's."""
    for address in (OUTSIDE, PHONE):
        subprocess.run(["ip", "addr", "add", f"{address}/24", "dev", "lo", "label", f"lo:{address[-2:]}"], check=True)
    subprocess.run(["ip", "route", "add", "default", "dev", "lo", "src", OUTSIDE], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "route", "del", "default"], check=True)
        for address in (PHONE, OUTSIDE):
            subprocess.run(["ip", "addr", "del", f"{address}/24", "dev", "lo"], check=True)
