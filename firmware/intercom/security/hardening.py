# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps secrets in: processes that leave no core dump and let nobody look into them."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4
"""prctl(2)."""


def disable_core_dumps() -> None:
    """Let this process leave no core dump, and nobody but root read its memory: passwords and speech are in it.

    The limit alone does not hold where core dumps go to a program (core(5)).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
