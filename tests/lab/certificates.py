"""A certificate authority and one server certificate, made by openssl for this run."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab import clock
from lab.processes import LabError


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority's certificate; a server's certificate and key."""

    authority: Path
    certificate: Path
    key: Path


_SETTINGS = """\
[ca]
default_ca = lab
[lab]
new_certs_dir = {folder}
database = {folder}/index
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


def make(
    folder: Path,
    ip: str,
    name: str = "registrar.test",
    ends: datetime | None = None,
    *,
    subject: str = "",
    names: str | None = None,
) -> Certificates:
    """A new authority and a certificate of it for this address and name; it is valid for two days, or until `ends`.

    `subject` and `names` are openssl's -subj and subjectAltName, where they are to say something else; "" is no name.
    """
    names = f"IP:{ip},DNS:{name}" if names is None else names
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificates(folder / "ca.crt", folder / "server.crt", folder / "server.key")
    authority_key = folder / "ca.key"
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl(*new, "-days", "2", "-subj", "/CN=Lab authority", "-keyout", authority_key, "-out", made.authority)
    _openssl(
        *new, "-days", "2", "-subj", subject or f"/CN={name}", "-keyout", made.key, "-out", made.certificate,
        "-CA", made.authority, "-CAkey", authority_key,
        *(["-addext", f"subjectAltName={names}"] if names else []),
        "-addext", "basicConstraints=critical,CA:FALSE",
    )  # fmt: skip
    if ends is not None:
        _date(folder, made, authority_key, ends)
    return made


def _date(folder: Path, made: Certificates, authority_key: Path, ends: datetime) -> None:
    """Have the certificate signed once more, for other days: only `openssl ca` takes an end in the past."""
    (folder / "index").touch()
    (folder / "ca.cnf").write_text(_SETTINGS.format(folder=folder))
    days = [f"{day.astimezone(UTC):%Y%m%d%H%M%SZ}" for day in (ends - timedelta(days=30), ends)]
    request = folder / "server.csr"
    _openssl(
        "x509",
        "-x509toreq",
        "-in",
        made.certificate,
        "-signkey",
        made.key,
        "-out",
        request,
        "-copy_extensions",
        "copyall",
    )
    _openssl(
        "ca", "-batch", "-notext", "-config", folder / "ca.cnf", "-cert", made.authority, "-keyfile", authority_key,
        "-startdate", days[0], "-enddate", days[1], "-in", request, "-out", made.certificate,
    )  # fmt: skip


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


def issue_again(made: Certificates, ip: str, name: str = "registrar.test", *, days_ago: int = 0) -> None:
    """Put another certificate of the same authority in place of a server's, made so long ago: it holds for two days."""
    faked = {"LD_PRELOAD": clock.library(), "FAKETIME": f"-{days_ago}d"} if days_ago else {}
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", f"/CN={name}", "-keyout", made.key, "-out", made.certificate,
        "-CA", made.authority, "-CAkey", made.authority.with_name("ca.key"),
        "-addext", f"subjectAltName=IP:{ip},DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE",
    ]  # fmt: skip
    subprocess.run(command, env={**os.environ, **faked}, capture_output=True, check=True)
