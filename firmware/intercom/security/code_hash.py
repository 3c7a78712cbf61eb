# SPDX-License-Identifier: GPL-2.0-or-later
"""Codes that are kept as hashes: who reads the configuration does not read the codes.

The function is scrypt (RFC 7914), because it is slow and wants 16 MB for every guess. All codes of a door had best
share one salt, so that one run compares an entry with all of them.

A hash keeps a code from who reads the file by chance, not from who steals it: the configuration, a backup, the memory
card. One guess was measured at 68 ms of one x86-64 core (35 ms with ln=13, 142 ms with ln=15), for all codes of a salt
at once. So one core tries all codes of four digits in 11 minutes, of six in 19 hours, of eight in 79 days; many cores
and graphics cards are quicker by their number. When a file is gone, the codes have to be changed.
"""

import base64
import binascii
import functools
import hashlib
import hmac
import os
import re

from intercom.core.fast_dataclass import dataclass

WORK = 14
"""Binary logarithm of scrypt's n: 16 MB with `BLOCK`."""
MEMORY = 64 << 20
"""Bytes that one guess may take; a hash that wants more could never be compared."""
BLOCK = 8
SALT_BYTES = 16
KEY_BYTES = 32
CARD = "card "
_FORM = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),keys=(\d{1,2})\$([A-Za-z0-9_-]{22})\$([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class ScryptParams:
    """What two hashes must share to be made in one run."""

    salt: bytes
    work: int = WORK
    block: int = BLOCK

    def grind(self, entry: str) -> bytes:
        """Return the key of an entry. It takes a while, and lets other threads run."""
        return hashlib.scrypt(
            entry.encode(), salt=self.salt, n=1 << self.work, r=self.block, p=1, dklen=KEY_BYTES, maxmem=MEMORY
        )


@dataclass(frozen=True, slots=True)
class Hashed:
    """A code that nobody knows from it."""

    mill: ScryptParams
    keys: int
    """How many digits it has; 0 for a card. Known, so that it can be taken at its last one."""
    key: bytes

    def __str__(self) -> str:
        mill = self.mill
        return f"$scrypt$ln={mill.work},r={mill.block},keys={self.keys}${_text(mill.salt)}${_text(self.key)}"

    def is_made_of(self, key: bytes) -> bool:
        """Whether an entry's key is this one's, in a time that does not tell how near it came."""
        return hmac.compare_digest(self.key, key)


def new_mill() -> ScryptParams:
    """Return a mill with a salt of its own."""
    return ScryptParams(os.urandom(SALT_BYTES))


def hashed(code: str, mill: ScryptParams) -> Hashed:
    """Return the hash of a code, or of "card " and a card's number."""
    return Hashed(mill, 0 if code.startswith(CARD) else len(code), mill.grind(code))


def parse(text: str) -> Hashed | None:
    """Return what a text of the configuration says, or None where it is no hash of ours."""
    return _parsed(text) if text.startswith("$") else None


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> Hashed | None:
    """Asked for five times by each check of a configuration; hashes alone are remembered, never codes."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    work, block, keys = (int(found[place]) for place in (1, 2, 3))
    if not (10 <= work <= 15 and 1 <= block <= 16 and (keys == 0 or 2 <= keys <= 12)):
        return None
    if 128 * block * ((1 << work) + 3) > MEMORY:  # as OpenSSL counts it, with p=1
        return None
    try:
        salt, key = (base64.urlsafe_b64decode(found[place] + "=" * (-len(found[place]) % 4)) for place in (4, 5))
    except (ValueError, binascii.Error):
        return None
    return Hashed(ScryptParams(salt, work, block), keys, key)


@functools.lru_cache(maxsize=64)
def mark(secret: str) -> str:
    """Return what a secret of the configuration is known by where its uses are counted: as hard to see through."""
    if parse(secret) is not None:
        return hashlib.sha256(secret.encode()).hexdigest()[:32]
    return ScryptParams(b"uses of a secret").grind(secret).hex()[:32]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
