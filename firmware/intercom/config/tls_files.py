# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificate files of the configuration, checked while somebody is there to be told."""

import stat
from pathlib import Path
from typing import TypedDict

from intercom.config.toml_section import Section

FILE = 'the path of a file (PEM), or "" for none'


class Files(TypedDict):
    """Absolute paths; empty where there is none."""

    ca_file: str
    cert_file: str
    key_file: str


def read(section: Section, folder: Path, *, encrypted: bool) -> Files:
    """Read the three keys of a section; relative paths are in `folder`. `encrypted` tells whether there is TLS."""
    files = {key: _path(section, key, folder) for key in ("ca_file", "cert_file", "key_file")}
    if any(files.values()) and not encrypted:
        used = next(key for key in files if files[key])
        section.problems.error(f"{section.title} {used}", 'is of use only with transport = "tls"')
    elif bool(files["cert_file"]) != bool(files["key_file"]):
        section.problems.error(section.title, "cert_file and key_file need each other; give both, or none")
    else:
        check_authorities(section, files["ca_file"])
        _check_own(section, files["cert_file"], files["key_file"])
    return Files(ca_file=files["ca_file"], cert_file=files["cert_file"], key_file=files["key_file"])


def _path(section: Section, key: str, folder: Path) -> str:
    name = section.text(key, "", FILE, str.isprintable)
    return str(folder / name) if name else ""


def check_authorities(section: Section, file: str) -> None:
    """Have a file that holds no authority's certificate told; nothing is no file."""
    if not file:
        return
    import ssl  # noqa: PLC0415  (see process/import_trim.py)

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        section.problems.lack(section.title, "ca_file", f"{file} holds no certificate in PEM")
    except OSError as error:
        section.problems.lack(section.title, "ca_file", f"{file} cannot be read: {error.strerror}")


def _check_own(section: Section, certificate: str, key: str) -> None:
    if not certificate:
        return
    import ssl  # noqa: PLC0415  (see process/import_trim.py)

    try:
        # A key with a password would ask for it on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=lambda: "")
        mode = Path(key).stat().st_mode
    except (ssl.SSLError, ValueError):
        text = f"{certificate} and {key} are not a certificate and its key in PEM, without a password"
        section.problems.lack(section.title, "cert_file", text)
    except OSError as error:
        section.problems.lack(section.title, "cert_file", f"{certificate} or {key} cannot be read: {error.strerror}")
    else:
        if mode & stat.S_IROTH:
            section.problems.warn(f"{section.title} key_file", f"everybody can read {key}; sudo chmod o= {key}")
