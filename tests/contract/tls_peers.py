# SPDX-License-Identifier: GPL-2.0-or-later
"""A SIP server behind TLS, which takes every registration."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import warnings
from typing import Any

from lab.certificates import Certificates


class TlsServer:
    """It accepts connections on an address of its own and answers REGISTER and OPTIONS with 200."""

    def __init__(
        self,
        shown: Certificates,
        ip: str = "127.0.0.1",
        believes: Certificates | None = None,
        *,
        version: ssl.TLSVersion | None = None,
    ) -> None:
        """`believes` signs the certificates that it asks doors for; without it it asks for none.

        It speaks no other version of TLS than `version`, where one is given.
        """
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if version is not None:
            self._context.set_ciphers("ALL:@SECLEVEL=0")  # else OpenSSL 3 does not have the old ones
            with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
                self._context.minimum_version = self._context.maximum_version = version
        self._context.load_cert_chain(shown.certificate, shown.key)
        if believes is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(believes.authority)
        self.requests: list[str] = []
        self.subjects: list[Any] = []
        """Whom the doors' certificates name, connection by connection."""
        self._socket = socket.create_server((ip, 0))
        self.address = f"{ip}:{self._socket.getsockname()[1]}"
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._socket.accept()
                threading.Thread(target=self._talk, args=(plain,), daemon=True).start()

    def _talk(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain, self._context.wrap_socket(plain, server_side=True) as link:
            self.subjects.append(link.getpeercert())
            data = b""
            while more := link.recv(65536):
                data += more
                while b"\r\n\r\n" in data:
                    request, _, data = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
                    if request:
                        self.requests.append(request.decode())
                        link.sendall(answer(request.decode()))

    def close(self) -> None:
        self._socket.close()


def answer(request: str) -> bytes:
    """200 to a request, with the contact that it registers."""
    kept = "".join(f"{line}\r\n" for line in re.findall(r"(?m)^(?:Via|From|Call-ID|CSeq):.*?$", request))
    to, contact = (re.findall(rf"(?m)^{name}:(.*?)\r?$", request) for name in ("To", "Contact"))
    known = f"Contact:{contact[-1]};expires=300\r\n" if contact and request.startswith("REGISTER") else ""
    kept = kept.replace("\r\r", "\r")
    return f"SIP/2.0 200 OK\r\n{kept}To:{to[0]};tag=tls\r\n{known}Content-Length: 0\r\n\r\n".encode()
