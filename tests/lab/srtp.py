"""SRTP of a sender (RFC 3711), AES_CM_128_HMAC_SHA1_80, by the letter of the RFC: for numbers that begin anew."""

from __future__ import annotations

import base64
import ctypes
import ctypes.util
import hashlib
import hmac
import struct

_CRYPTO = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")
for _name in ("EVP_CIPHER_CTX_new", "EVP_aes_128_ctr"):
    getattr(_CRYPTO, _name).restype = ctypes.c_void_p


def _aes_ctr(key: bytes, counter: int, data: bytes) -> bytes:
    """AES-128 in counter mode (section 4.1.1)."""
    context = ctypes.c_void_p(_CRYPTO.EVP_CIPHER_CTX_new())
    made, size = ctypes.create_string_buffer(len(data) + 16), ctypes.c_int()
    start = counter.to_bytes(16, "big")
    try:
        _CRYPTO.EVP_EncryptInit_ex(context, ctypes.c_void_p(_CRYPTO.EVP_aes_128_ctr()), None, key, start)
        _CRYPTO.EVP_EncryptUpdate(context, made, ctypes.byref(size), data, len(data))
    finally:
        _CRYPTO.EVP_CIPHER_CTX_free(context)
    return made.raw[: size.value]


class Sealer:
    """Seals the packets of one master key; `rollover` is the sender's own counter."""

    def __init__(self, inline: str) -> None:
        """`inline` is the key of a=crypto, in base64: 16 bytes of key and 14 of salt."""
        whole = base64.b64decode(inline)
        key, salt = whole[:16], int.from_bytes(whole[16:30], "big")

        def derived(label: int, size: int) -> bytes:
            return _aes_ctr(key, (salt ^ label << 48) << 16, bytes(size))

        self.key, self.auth = derived(0, 16), derived(1, 20)
        self.salt = int.from_bytes(derived(2, 14), "big")
        self.rollover = 0

    def seal(self, packet: bytes) -> bytes:
        """Return an RTP packet without extensions as one of SRTP."""
        sequence, source = struct.unpack_from("!H", packet, 2)[0], struct.unpack_from("!I", packet, 8)[0]
        counter = self.salt << 16 ^ source << 64 ^ (self.rollover << 16 | sequence) << 16
        sealed = packet[:12] + _aes_ctr(self.key, counter, packet[12:])
        tag = hmac.new(self.auth, sealed + struct.pack("!I", self.rollover), hashlib.sha1).digest()[:10]
        return sealed + tag
