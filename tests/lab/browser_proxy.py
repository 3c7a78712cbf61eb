"""Kamailio 6 with WebSocket, and rtpengine behind it (127.0.0.14): browsers' telephones without any PBX."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from pathlib import Path

from lab.kamailio import Kamailio
from lab.processes import Process, start, wait_until
from lab.tree import Tree

IP, PORT, MEDIA_PORT = "127.0.0.14", 8443, 2223


class BrowserProxy(Kamailio):
    """Both, out of a tree with Debian 13. `home_ip` is where rtpengine meets browsers."""

    url = f"wss://{IP}:{PORT}"

    def __init__(self, tree: Tree, log_dir: Path, users: Mapping[str, str], home_ip: str) -> None:
        self.tree, self._home_ip = tree, home_ip
        self.media: Process | None = None
        super().__init__(log_dir, IP, users, tls=True)

    def versions(self) -> tuple[str, str]:
        """Return the names of both with their versions."""
        return (
            f"Kamailio {self.tree.version('kamailio')}",
            f"rtpengine {self.tree.version('rtpengine-daemon')}",
        )

    def start(self) -> None:
        """Start both (again)."""
        ports = ["--port-min=34000", "--port-max=34999", "--table=-1", "--pidfile=/dev/null"]
        interfaces = [f"--interface=sip/{IP}", f"--interface=home/{self._home_ip}", f"--listen-ng={IP}:{MEDIA_PORT}"]
        command = ["rtpengine", "--foreground", "--log-stderr", "--log-level=5", *interfaces, *ports]
        self.media = start("rtpengine", [*self.tree.inside, *command], self.log_dir)
        wait_until(self._media_answers, 10, "rtpengine answers", self.media)
        super().start()

    def _media_answers(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ping, contextlib.suppress(OSError):
            ping.connect((IP, MEDIA_PORT))
            ping.settimeout(0.1)
            ping.send(b"lab d7:command4:pinge")
            return b"pong" in ping.recv(2048)
        return False

    def stop(self) -> None:
        """End both."""
        super().stop()
        if self.media:
            self.media.stop()

    def _command(self) -> list[str | Path]:
        return [*self.tree.inside, *super()._command()]

    def _configuration(self, tcp: bool) -> str:
        text = super()._configuration(tcp)
        modules = next(self.tree.path.glob("usr/lib/*/kamailio/modules")).relative_to(self.tree.path)
        lines = [
            f'mpath="/{modules}/"' if line.startswith("mpath=") else line
            for line in text.replace("auto_aliases=no", f"auto_aliases=no\nlisten=tls:{IP}:{PORT}").splitlines()
        ]
        return "\n".join([lines[0], "#!define WEBSOCKET", "tcp_accept_no_cl=yes", *lines[1:], ""])
