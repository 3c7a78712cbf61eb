# SPDX-License-Identifier: GPL-2.0-or-later
"""PJSIP's conference bridge, one period at a time: what the calls say comes out, what they shall hear goes in.

With no sound device of its own PJSIP hands out the bridge's master port, and whoever calls it is the clock of all
calls (pjsua_set_no_snd_dev() in pjsua-lib/pjsua.h: "Application can use this function to use its own sound device").
The calls go through `ctypes`, which lets go of Python's lock and costs microseconds; a Python AudioMediaPort costs
ten times that, runs on a clock of its own, and corrupts the heap when it is deleted while connected.
"""

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from intercom.errors import EngineError

Samples = npt.NDArray[np.int16]

FRAME_NONE, FRAME_AUDIO = 0, 1  # pjmedia_frame_type


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
    """PJMEDIA's conference bridge, through its master port.

    `put` and `get` are called by one thread at a time, which PJSIP knows (`libRegisterThread`); each is called once
    per period, `put` first: what it brings is sent by the `get` that follows.
    """

    def __init__(self, library: str, rate_hz: int, period_ms: int) -> None:
        """`library` is the file of the `_pjsua2` extension module: the PJSIP that is already in this process."""
        self.samples = rate_hz * period_ms // 1000
        self._heard: Samples = np.zeros(self.samples, np.int16)
        self._said: Samples = np.zeros(self.samples, np.int16)
        self._down, self._up = self._frame(self._heard), self._frame(self._said)
        self._down_at, self._up_at = ctypes.byref(self._down), ctypes.byref(self._up)
        self._library = ctypes.CDLL(library)
        self._library.pjsua_set_no_snd_dev.restype = ctypes.c_void_p
        self._get: Any = self._library.pjmedia_port_get_frame
        self._put: Any = self._library.pjmedia_port_put_frame
        for function in (self._get, self._put):
            function.argtypes = [ctypes.c_void_p, ctypes.POINTER(Frame)]
            function.restype = ctypes.c_int
        self._port: ctypes.c_void_p | None = None

    @staticmethod
    def _frame(samples: Samples) -> Frame:
        return Frame(FRAME_AUDIO, samples.ctypes.data, samples.nbytes, 0, 0)

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

    def get(self) -> Samples:
        """What the calls say in this period: int16, (samples,). A view that the next `get` overwrites."""
        frame = self._down
        frame.type, frame.size, frame.timestamp = FRAME_AUDIO, 2 * self.samples, frame.timestamp + self.samples
        self._check(self._get(self._port, self._down_at), "pjmedia_port_get_frame")
        if frame.type != FRAME_AUDIO:  # nobody speaks, and the buffer was not written
            self._heard.fill(0)
        return self._heard

    def put(self, frame: Samples) -> None:
        """What the calls shall hear in this period: int16, (samples,)."""
        self._said[:] = frame
        up = self._up
        up.type, up.size, up.timestamp = FRAME_AUDIO, 2 * self.samples, up.timestamp + self.samples
        self._check(self._put(self._port, self._up_at), "pjmedia_port_put_frame")

    @staticmethod
    def _check(status: int, function: str) -> None:
        if status:
            raise EngineError(f"{function} of the conference bridge fails with PJSIP status {status}")
