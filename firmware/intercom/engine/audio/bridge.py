# SPDX-License-Identifier: GPL-2.0-or-later
"""PJSIP's conference bridge, one period at a time: what the calls say comes out, what they shall hear goes in.

With no sound device of its own PJSIP hands out the bridge's master port, and whoever calls it is the clock of all
calls (pjsua_set_no_snd_dev() in pjsua-lib/pjsua.h: "Application can use this function to use its own sound device").
The calls go through `ctypes`, which lets go of Python's lock and costs microseconds; a Python AudioMediaPort costs
ten times that, runs on a clock of its own, and corrupts the heap when it is deleted while connected.
"""

import ctypes
from typing import Any

from intercom.errors import EngineError

FRAME_AUDIO = 1  # PJMEDIA_FRAME_TYPE_AUDIO


class Frame(ctypes.Structure):
    """pjmedia_frame of pjmedia/frame.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("buf", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("timestamp", ctypes.c_uint64),
        ("bit_info", ctypes.c_uint32),
    ]


class Bridge:
    """PJMEDIA's conference bridge, through its master port. A period is int16, mono, as bytes.

    `put` and `get` are called by one thread at a time, which PJSIP knows (`libRegisterThread`); each is called once
    per period, `put` first: what it brings is sent by the `get` that follows.
    """

    def __init__(self, library: str, rate_hz: int, period_ms: int) -> None:
        """`library` is the file of the `_pjsua2` extension module: the PJSIP that is already in this process."""
        self.samples = rate_hz * period_ms // 1000
        self._silence = bytes(2 * self.samples)
        self._heard, self._said = (ctypes.create_string_buffer(2 * self.samples) for _ in range(2))
        self._said_at = memoryview(self._said).cast("B")
        self._down, self._up = self._frame(self._heard), self._frame(self._said)
        # Made once: all that Python does here it does a hundred times a second.
        self._down_at, self._up_at = ctypes.byref(self._down), ctypes.byref(self._up)
        self._time = 0
        self._library = ctypes.CDLL(library)
        self._library.pjsua_set_no_snd_dev.restype = ctypes.c_void_p
        self._get: Any = self._library.pjmedia_port_get_frame
        self._put: Any = self._library.pjmedia_port_put_frame
        self._port: ctypes.c_void_p | None = None

    @staticmethod
    def _frame(samples: ctypes.Array[ctypes.c_char]) -> Frame:
        return Frame(FRAME_AUDIO, ctypes.addressof(samples), len(samples), 0, 0)

    def attach(self) -> None:
        """Take the bridge's clock. Call it after `libStart`, from the thread that called that.

        Raises EngineError when PJSIP refuses, or when the bridge's period is not ours.
        """
        port = self._library.pjsua_set_no_snd_dev()
        if not port:
            raise EngineError("PJSIP gives no master port of its conference bridge")
        self._port = ctypes.c_void_p(port)
        # `get` writes one period of the bridge's own, whatever the size of the buffer: past the end of a shorter one.
        # `put` compares the sizes first (PJMEDIA_ENCSAMPLESPFRAME).
        if self._put(self._port, self._up_at):
            raise EngineError(
                f"the conference bridge has no periods of {self.samples} samples: "
                "its clockRate and audioFramePtime do not fit the sound card's rate_hz and period_ms"
            )

    def get(self) -> bytes:
        """What the calls say in this period."""
        frame = self._down
        self._time += self.samples
        frame.timestamp = self._time
        if status := self._get(self._port, self._down_at):
            raise EngineError(f"pjmedia_port_get_frame of the conference bridge fails with PJSIP status {status}")
        # Otherwise nobody speaks, and the buffer was not written.
        return self._heard.raw if frame.type == FRAME_AUDIO else self._silence

    def put(self, frame: bytes) -> None:
        """What the calls shall hear in this period."""
        self._said_at[:] = frame
        if status := self._put(self._port, self._up_at):
            raise EngineError(f"pjmedia_port_put_frame of the conference bridge fails with PJSIP status {status}")
