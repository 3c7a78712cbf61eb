# SPDX-License-Identifier: GPL-2.0-or-later
"""/etc/machine-id: by which UUID a registrar (RFC 5626 section 4.1), and a broker, tell this door from others.

Not the machine's id itself, which is not for strangers (machine-id(5)), but one that is made of it for this purpose
alone, in the way of sd_id128_get_machine_app_specific(3).
"""

import hashlib
import hmac
import re
import uuid
from pathlib import Path

MACHINE_ID = Path("/etc/machine-id")
_REGISTRAR = bytes.fromhex("b22e464c6fd74fdc80ab7260f74a0d74")
"""Drawn once, and never changed: each door would be a new one to its registrars."""
_BROKER = bytes.fromhex("5d1f0c3a9b7e4d628f41c0e7a2b95836")
"""The same for brokers, and for Home Assistant behind them."""


def instance(file: Path = MACHINE_ID) -> str:
    """Return the UUID of this door: the same at every start. Empty where the machine has no id."""
    made = _derived(file, _REGISTRAR)
    return str(uuid.UUID(bytes=made, version=4)) if made else ""


def at_brokers(file: Path = MACHINE_ID) -> str:
    """Return by what brokers know this door, 12 hexadecimal digits. Empty where the machine has no id."""
    return _derived(file, _BROKER)[:6].hex()


def _derived(file: Path, application: bytes) -> bytes:
    """Return the 16 bytes that sd_id128_get_machine_app_specific(3) makes, before it marks them as a UUID."""
    try:
        machine = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return b""
    if re.fullmatch(r"(?!0{32})[0-9a-f]{32}", machine) is None:
        return b""  # "uninitialized" in the first moments of a new card
    return hmac.new(bytes.fromhex(machine), application, hashlib.sha256).digest()[:16]
