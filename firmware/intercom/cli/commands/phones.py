# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom phones`: the extensions of the SIP service beside the door, each with a password of its own.

The file is part of that service's configuration (Kamailio, systemd/intercom-registrar.cfg): one line a phone, which
this command alone writes, so that nothing but letters and digits ever gets into it.
"""

import argparse
import os
import re
import secrets
import socket
import sys
from pathlib import Path

from intercom.cli.command import Command
from intercom.cli.terminal import paint_for, table
from intercom.errors import IntercomError

FILE = Path("/etc/intercom-registrar/phones.cfg")
SERVICE = "intercom-registrar.service"
DOOR = "door"
"""The door's own extension."""
HEADS = ("extension", "password", "server")
_LINE = re.compile(r'\s*\$sht\(password=>([a-z0-9]+)\) = "([A-Za-z0-9]+)";')
_NUMBER = re.compile(r"[0-9]{1,8}|door")
_LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without those that look like each other: people copy a password from a screen into a telephone."""
_LONG = 16


class PhonesError(IntercomError):
    """The phones cannot be read or changed."""


def read(path: Path) -> dict[str, str]:
    """Return extension -> password. Raises PhonesError."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        raise PhonesError(f"{path}: there is no SIP service here: sudo ./setup.sh install --with-registrar") from None
    except (OSError, ValueError) as error:
        raise PhonesError(f"{path}: {error}; try with sudo") from error
    return {found[1]: found[2] for line in lines if (found := _LINE.fullmatch(line))}


def write(path: Path, phones: dict[str, str]) -> None:
    """Write them all, or nothing. Raises PhonesError."""
    text = "# Written by `intercom phones`; one line a phone.\n"
    text += "".join(f'    $sht(password=>{number}) = "{word}";\n' for number, word in sorted(phones.items()))
    new = path.with_suffix(".new")
    try:
        known = path.stat() if path.exists() else path.parent.stat()
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "w", encoding="ascii") as file:
            file.write(text)
            os.fsync(file.fileno())
        os.chown(new, 0 if os.geteuid() == 0 else -1, known.st_gid)
        new.replace(path)
    except OSError as error:
        raise PhonesError(f"{path}: {error}; try with sudo") from error


def password() -> str:
    """Return a new one: 94 bits, in letters and digits that can be told apart."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LONG))


def phones(path: Path, what: str, numbers: list[str]) -> int:
    """List, add or remove. Returns 0, or 1 when an extension is not what it should be for that."""
    known = {} if what == "add" and not path.exists() else read(path)
    for number in numbers:
        if not _NUMBER.fullmatch(number):
            print(f"intercom: {number!r} must be an extension of 1 to 8 digits", file=sys.stderr)
            return 1
        if (number in known) == (what == "add"):
            print(f"intercom: {number} is {'there already' if what == 'add' else 'not there'}", file=sys.stderr)
            return 1
    for number in numbers:
        if what == "add":
            known[number] = password()
        else:
            del known[number]
    if numbers:
        write(path, known)
        _restart(path)
    server = own_address()
    rows = [[number, word, server] for number, word in sorted(known.items()) if number != DOOR or DOOR in numbers]
    print("\n".join(table(HEADS, rows, paint_for(sys.stdout))) if rows else "no phones")
    return 0


def own_address() -> str:
    """Return the address at which the phones of the house find this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address of nobody (RFC 5737); nothing is sent
            return str(probe.getsockname()[0])
        except OSError:
            return "this machine"


def _restart(path: Path) -> None:
    """Have the service read its file anew. It forgets who is registered: phones come back within their renewal."""
    if path != FILE or not Path("/run/systemd/system").is_dir():
        return
    import subprocess  # noqa: PLC0415  (only who changes something pays for it)

    done = subprocess.run(["systemctl", "restart", SERVICE], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PhonesError(f"{SERVICE} did not start again: {done.stderr.strip()}")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="?", default="list", choices=("list", "add", "remove"), help="default: %(default)s"
    )
    parser.add_argument("numbers", nargs="*", metavar="EXTENSION", help="whom to add or remove")
    parser.add_argument("--file", type=Path, default=FILE, metavar="FILE", help="default: %(default)s")


COMMAND = Command(
    purpose="the phones of a house without a PBX, and their passwords",
    more=(
        "For the SIP service beside the door (sudo ./setup.sh install --with-registrar). Put extension, password and "
        "server into the phone or the app, with TCP (or UDP) and port 5060; several phones may share an extension, and "
        "then ring together. Adding and removing starts the service anew: phones are back when they renew."
    ),
    examples=("sudo intercom phones", "sudo intercom phones add 205", "sudo intercom phones remove 205"),
    exits={0: "done", 1: "it could not be done"},
    asks_daemon=False,
    arguments=_arguments,
    run=lambda arguments: phones(arguments.file, arguments.what, arguments.numbers),
)
