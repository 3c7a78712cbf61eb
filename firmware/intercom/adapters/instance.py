# SPDX-License-Identifier: GPL-2.0-or-later
"""/etc/machine-id: by which UUID a registrar tells this door from others (RFC 5626 section 4.1).

Not the machine's id itself, which is not for strangers (machine-id(5)), but one that is made of it for this purpose
alone, in the way of sd_id128_get_machine_app_specific(3).
"""

import hashlib
import hmac
import re
import uuid
from pathlib import Path

_APPLICATION = bytes.fromhex("b22e464c6fd74fdc80ab7260f74a0d74")
"""Drawn once, and never changed: each door would be a new one to its registrars."""


def instance(file: Path = Path("/etc/machine-id")) -> str:
    """Return the UUID of this door: the same at every start. Empty where the machine has no id."""
    try:
        machine = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    if re.fullmatch(r"(?!0{32})[0-9a-f]{32}", machine) is None:
        return ""  # "uninitialized" in the first moments of a new card
    made = hmac.new(bytes.fromhex(machine), _APPLICATION, hashlib.sha256).digest()[:16]
    return str(uuid.UUID(bytes=made, version=4))
