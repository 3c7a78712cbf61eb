"""A program that may not ask the kernel of its clock: `python -m lab.unset_clock PROGRAM ARGUMENTS...`.

So it is under systemd's `ProtectClock=`, and on a machine whose clock is set a test finds one that nobody can tell of.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys

NUMBERS = {"x86_64": (159, 305), "aarch64": (171, 266)}
"""adjtimex and clock_adjtime (asm/unistd_64.h, asm-generic/unistd.h)."""
_LOAD, _IF_EQUAL, _RETURN, _ALLOW, _REFUSE = 0x20, 0x15, 0x06, 0x7FFF0000, 0x00050000


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def main(argv: list[str]) -> None:
    """Become that program."""
    first, second = NUMBERS[platform.machine()]
    rules = (_Instruction * 5)(
        _Instruction(_LOAD, 0, 0, 0),
        _Instruction(_IF_EQUAL, 1, 0, first),
        _Instruction(_IF_EQUAL, 0, 1, second),
        _Instruction(_RETURN, 0, 0, _REFUSE | errno.EPERM),
        _Instruction(_RETURN, 0, 0, _ALLOW),
    )
    program = _Program(len(rules), ctypes.addressof(rules))
    c = ctypes.CDLL(None, use_errno=True)
    if c.prctl(38, 1, 0, 0, 0) or c.prctl(22, 2, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main(sys.argv[1:])
