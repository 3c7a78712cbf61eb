"""A certificate authority and one server certificate, made by openssl for this run."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.processes import LabError


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority's certificate; a server's certificate and key."""

    authority: Path
    certificate: Path
    key: Path


def make(folder: Path, ip: str, name: str = "registrar.test") -> Certificates:
    """A new authority and a certificate of it for this address and name."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    authority_key = folder / "ca.key"
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl(*new, "-days", "2", "-subj", "/CN=Lab authority", "-keyout", authority_key, "-out", made.authority)
    _openssl(
        *new, "-days", "2", "-subj", f"/CN={name}", "-keyout", made.key, "-out", made.certificate,
        "-CA", made.authority, "-CAkey", authority_key,
        "-addext", f"subjectAltName=IP:{ip},DNS:{name}",
        "-addext", "basicConstraints=critical,CA:FALSE",
    )  # fmt: skip
    return made


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
