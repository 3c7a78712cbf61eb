# SPDX-License-Identifier: GPL-2.0-or-later
"""What a process writes to disks, as the kernel counts it.

The same as `write_bytes` of proc_pid_io(5), which processes that let nobody look into them
(`security/hardening.py`) cannot read even of themselves. A tmpfs such as /run is no disk.
"""

import resource

BLOCK = 512
"""Bytes that `ru_oublock` counts by (getrusage(2))."""


def own_bytes() -> int:
    """Return how many bytes this process has had written to disks since its start."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_oublock * BLOCK
