"""What the tests of faults share: the next press after one must ring, and its outcome must be told."""

from __future__ import annotations

import time

from lab.baresip import Phone
from lab.house import Door

SOON = "probe_s = 5\n"
"""A door that asks its server as often as it may: most of these tests await what it finds out."""


def asks_often(text: str) -> str:
    """Edit a configuration so."""
    return text.replace("[calls]\n", f"[calls]\n{SOON}")


def rings(door: Door, phone: Phone) -> None:
    """Press, have the phone ring, and let it decline: the door works."""
    before, ended = time.monotonic(), len(door.records("visit-ended"))
    door.press()
    phone.await_event("CALL_INCOMING", 20, since=before)
    phone.reject()
    door.await_records("visit-ended", ended + 1)
