"""An outbound proxy before the registrar: a Kamailio that knows nobody and hands everything on."""

from __future__ import annotations

import re
from pathlib import Path

from lab.kamailio import Kamailio, modules

TEMPLATE = Path(__file__).with_name("proxy.cfg.in")


class Proxy(Kamailio):
    """Listens at `ip` as a registrar does; `onward` is the server behind it, an IP address, by TLS where `tls` is."""

    def __init__(self, log_dir: Path, ip: str, onward: str, *, tls: bool = False) -> None:
        self.onward = onward
        super().__init__(log_dir, ip, {}, tls=tls)

    def _configuration(self, tcp: bool) -> str:
        whole = super()._configuration(tcp)
        listen = re.findall(r"^(?:listen=|enable_tls).*", whole, re.MULTILINE)
        tls = re.findall(r'^(?:loadmodule "tls|modparam\("tls).*', whole, re.MULTILINE)
        secure = self.certificates is not None
        values = {
            "LISTEN": "\n".join(listen),
            "MODULES": f"{modules()}/",
            "TLS": "\n".join(tls),
            "NEXT": f"{self.onward}:5061;transport=tls" if secure else f"{self.onward}:5060",
            "NEXTIP": self.onward,
            "OWN": self.ip,
        }
        return re.sub(r"@([A-Z]+)@", lambda m: values.get(m[1], m[0]), TEMPLATE.read_text())
