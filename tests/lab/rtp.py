"""A pair of ears and a mouth for sipp's phones: RTP with A-law, each packet seen, in pieces of any length."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter

import numpy as np
import numpy.typing as npt

from lab.tones import speech_tone


class Rtp:
    """A socket on `ip` and `port`. It notes what arrives, and speaks to whoever was heard first."""

    def __init__(self, ip: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((ip, port))
        self._socket.settimeout(0.1)
        self._closed = False
        self._heard: Counter[int] = Counter()
        self._from = threading.Event()
        self._peer: tuple[str, int] = ("", 0)
        self.sources: set[tuple[str, int]] = set()
        """Where packets came from."""
        self.kinds: Counter[int] = Counter()
        """Payload type -> packets."""
        self._thread = threading.Thread(target=self._listen, name="rtp", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._closed:
            try:
                data, source = self._socket.recvfrom(2048)
            except TimeoutError:
                continue
            if len(data) <= 12:
                continue
            self._heard[len(data) - 12] += 1
            self.kinds[data[1] & 0x7F] += 1
            self.sources.add(source[:2])
            self._peer = source[:2]
            self._from.set()

    def length(self) -> int:
        """Return how many bytes most packets had that carried A-law."""
        return self._heard.most_common(1)[0][0] if self._heard else 0

    def packets(self) -> int:
        """Return how many came."""
        return sum(self._heard.values())

    def speak(self, hz: float, seconds: float, ptime_ms: int, to: tuple[str, int] | None = None) -> None:
        """Say a tone in packets of `ptime_ms`, as a phone would; without `to`, to whoever is heard."""
        if to is None:
            assert self._from.wait(5), "nobody speaks to us"
        size = 8 * ptime_ms
        coded = alaw(32767 * speech_tone(hz, seconds, rate=8000))
        due = time.monotonic()
        for number in range(len(coded) // size):
            head = bytes((0x80, 8)) + (number + 1).to_bytes(2, "big") + (number * size).to_bytes(4, "big") + b"ear0"
            self._socket.sendto(head + coded[number * size : (number + 1) * size], to or self._peer)
            due += ptime_ms / 1000
            time.sleep(max(0.0, due - time.monotonic()))

    def close(self) -> None:
        """Be deaf from now on."""
        self._closed = True
        self._thread.join()
        self._socket.close()

    stop = close


def alaw(samples: npt.NDArray[np.float32]) -> bytes:
    """Return samples of full scale 32767 as A-law (ITU-T G.711)."""
    value = samples.astype(np.int32)
    sign = np.where(value >= 0, 0x80, 0)
    size = np.minimum(np.where(value >= 0, value, -value - 1) >> 3, 4095)
    exponent = np.maximum(np.floor(np.log2(np.maximum(size, 1))).astype(np.int32) - 4, 0)
    code = np.where(exponent > 0, (exponent << 4) | ((size >> exponent) & 0x0F), size >> 1)
    return bytes(((sign | code) ^ 0x55).astype(np.uint8))
