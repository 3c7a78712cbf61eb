"""Kamailio: the service the door registers with, and the proxy all calls go through."""

from __future__ import annotations

import re
import shutil
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import certificates
from lab.processes import LabError, Process, start, wait_until

TEMPLATE = Path(__file__).with_name("kamailio.cfg.in")
TABLES = Path("/usr/share/kamailio/dbtext/kamailio")
"""Empty ones, which its presence server wants for what it keeps."""
PING = (
    "OPTIONS sip:{user}{ip} SIP/2.0\r\nVia: SIP/2.0/UDP {own}:{port};branch=z9hG4bK{port};rport\r\n"
    "From: <sip:lab@{own}>;tag={port}\r\nTo: <sip:{ip}>\r\nCall-ID: ping-{port}@{own}\r\n"
    "CSeq: 1 OPTIONS\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n\r\n"
)


class Kamailio:
    """A registrar and proxy on `ip`, port 5060 (UDP, TCP) and 5061 (TLS).

    `users` maps names to passwords, `static` maps names to fixed contacts that need no registration.
    Dialling `busy`, `declined` or `unavailable` gives 486, 603 or 503; unknown names give 404, known ones
    that are not registered 480; calls without the right password are challenged (407). `redirects` maps names to the
    Contact headers that calls to them are sent on to: one of them in a 302, several in a 300.
    """

    def __init__(
        self,
        log_dir: Path,
        ip: str = "127.0.0.20",
        users: Mapping[str, str] | None = None,
        tcp: bool = True,
        tls: bool = False,
        static: Mapping[str, str] | None = None,
        *,
        redirects: Mapping[str, Sequence[str]] | None = None,
        algorithm: str = "MD5",
        expires: tuple[int, int] = (10, 3600),
        contacts: int = 1,
        service_route: bool = False,
        outbound: bool = False,
        ask_phones: bool = False,
        presence: bool = False,
        sip_port: int = 5060,
    ) -> None:
        self.ip = ip
        self.log_dir = log_dir
        self.users = dict(users if users is not None else {"door": "secret", "201": "p201"})
        self.static = dict(static or {})
        self.redirects = dict(redirects or {})
        self.sip_port = sip_port
        self._asked = {
            "DEFINES": "\n".join(
                f"#!define {name}"
                for name, wanted in (
                    ("SERVICE_ROUTE", service_route),
                    ("OUTBOUND", outbound),
                    ("ASK_PHONES", ask_phones),
                    ("PRESENCE", presence),
                )
                if wanted
            ),
            "ALGORITHM": algorithm,
            "LEAST": str(expires[0]),
            "MOST": str(expires[1]),
            "CONTACTS": str(contacts),
            "REPLACE": "0x04" if contacts == 1 else "0x00",
        }
        self.certificates = certificates.make(log_dir / f"certificates-{ip}", ip) if tls else None
        self.folder = log_dir / f"kamailio-{ip.replace(':', '_')}"
        self.folder.mkdir(parents=True, exist_ok=True)
        if presence:
            shutil.copytree(TABLES, self.folder / "presence", dirs_exist_ok=True)
        self._config = self.folder / "kamailio.cfg"
        self._config.write_text(self._configuration(tcp))
        self.process: Process | None = None
        self.start()

    def start(self) -> None:
        """Start (again), with empty tables, on the same ports; returns when it answers."""
        if self.process is not None:
            raise LabError("Kamailio runs already")
        self.process = start(f"kamailio-{self.ip}", self._command(), self.log_dir, death_signal="TERM")
        wait_until(self.answers, 10, f"Kamailio answers on {self.ip}", self.process)

    def _command(self) -> list[str | Path]:
        folder = self.folder
        command: list[str | Path] = ["kamailio", "-DD", "-E", "-f", self._config, "-w", folder, "-Y", folder]
        return [*command, "-P", folder / "pid", "-m", "32", "-M", "4"]

    def stop(self) -> None:
        """End it: its port is closed, so the kernel refuses what is sent to it."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def kill(self) -> None:
        """End it by SIGKILL, as a crash does: it takes leave of nobody."""
        self.running().signal(signal.SIGKILL)
        self.stop()

    def pause(self) -> None:
        """Freeze it: it falls silent, as a cut network would."""
        self.running().signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on; it then answers what waits in its sockets."""
        self.running().signal(signal.SIGCONT)

    def answer_registers(self, code: int) -> None:
        """Answer the door's REGISTERs with this status from now on: 200 is the usual way, 423 wants 600 s or more."""
        if not self.answers(1, f"register-{code}@"):
            raise LabError(f"Kamailio {self.ip} takes no orders")

    def change_password(self, user: str, password: str) -> None:
        """Have another password for a user from now on (letters and digits)."""
        if not self.answers(1, f"password-{user}-{password}@"):
            raise LabError(f"Kamailio {self.ip} takes no orders")

    def answers(self, seconds: float = 0.05, user: str = "") -> bool:
        """Whether an OPTIONS over UDP is answered; one to a `user` is an order of the laboratory."""
        family = socket.AF_INET6 if ":" in self.ip else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as ping:
            try:
                ping.connect((self.ip, self.sip_port))
                own, port = ping.getsockname()[:2]
                ping.settimeout(seconds)
                own, ip = (f"[{name}]" if ":" in name else name for name in (own, self.ip))
                ping.send(PING.format(user=user, ip=ip, own=own, port=port).encode())
                return ping.recv(2048).startswith(b"SIP/2.0 200")
            except OSError:  # refused or silent
                return False

    def mark(self) -> int:
        """The log's position now; see `await_registered`."""
        return self.running().mark()

    def await_registered(self, user: str, seconds: float = 15.0, after: int = 0) -> None:
        """Await a REGISTER of this user that was accepted (after a `mark()`)."""
        self.running().await_line(rf"REGISTERED user={re.escape(user)} ", seconds, after)

    def await_unregistered(self, user: str, seconds: float = 15.0, after: int = 0) -> None:
        """Await that this user's registration was taken back (after a `mark()`)."""
        self.running().await_line(rf"REGISTERED user={re.escape(user)} expires=0 ", seconds, after)

    def await_request(self, method: str, user: str, seconds: float = 15.0, after: int = 0) -> str:
        """Await a request from this user, authenticated or not; the line that tells of it."""
        pattern = rf"REQUEST {method} from={re.escape(user)} .*"
        return self.running().await_line(pattern, seconds, after).group()

    def running(self) -> Process:
        """Return its process, whose log tells what it did."""
        if self.process is None:
            raise LabError("Kamailio is stopped")
        return self.process

    def _configuration(self, tcp: bool) -> str:
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        listen, tls = [f"listen=udp:{host}:{self.sip_port}"], ""
        if tcp:
            listen.append(f"listen=tcp:{host}:{self.sip_port}")
        if not (tcp or self.certificates):
            listen.append("disable_tcp=yes")
        if self.certificates:
            listen += ['alias="registrar.test"', "enable_tls=yes", f"listen=tls:{self.ip}:5061"]
            tls = (
                'loadmodule "tls.so"\n'
                f'modparam("tls", "certificate", "{self.certificates.certificate}")\n'
                f'modparam("tls", "private_key", "{self.certificates.key}")\n'
                'modparam("tls", "tls_method", "TLSv1.2+")'
            )
        tables = [f'    $sht(password=>{name}) = "{word}";' for name, word in self.users.items()]
        tables += [f'    $sht(static=>{name}) = "{uri}";' for name, uri in self.static.items()]
        for name, contacts in self.redirects.items():
            tables.append(f'    $sht(static=>to-{name}) = "{", ".join(contacts)}";')
            tables.append(f"    $sht(static=>code-{name}) = {302 if len(contacts) == 1 else 300};")
        values = {
            "LISTEN": "\n".join(listen),
            "MODULES": f"{modules()}/",
            "TLS": tls,
            "TABLES": "\n".join(tables),
            "REALM": self.ip,
            "FOLDER": str(self.folder),
            **self._asked,
        }
        return re.sub(r"@([A-Z]+)@", lambda m: values.get(m[1], m[0]), TEMPLATE.read_text())


def modules() -> Path:
    """Return the folder of its modules, which is another one on each architecture."""
    for place in sorted(Path("/usr").glob("lib*/**/kamailio/modules")):
        if (place / "tm.so").exists():
            return place
    raise LabError("Kamailio's modules are not under /usr/lib: is kamailio installed?")
