"""Asterisk 16 with chan_sip (127.0.0.13), as many a house still has it; otherwise the PBX of `asterisk.py`."""

from __future__ import annotations

from pathlib import Path

from lab.asterisk import Asterisk

EXTENSIONS = Path(__file__).with_name("chan_sip") / "sip.conf"


class ChanSip(Asterisk):
    """A PBX of the time before PJSIP; `tree` is debian-tree.sh's "chan_sip"."""

    ip = "127.0.0.13"

    def _configure(self, etc: Path) -> None:
        (etc / "pjsip.conf").unlink()
        (etc / "sip.conf").write_text(EXTENSIONS.read_text().replace("@IP@", self.ip))
        for name, old, new in (
            ("modules.conf", "noload = chan_sip.so", "noload = chan_pjsip.so"),
            ("extensions.conf", "PJSIP/", "SIP/"),
        ):
            file = etc / name
            file.write_text(file.read_text().replace(old, new))
