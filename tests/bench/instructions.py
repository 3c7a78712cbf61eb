"""`./setup.sh bench instructions`: what the door asks of a processor, counted by valgrind, and what that is on a Pi.

Nothing is timed, so it does not matter what else this machine does, or how fast it is.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench.side import counted

from lab import namespace, processes

PER_CYCLE, HERTZ = 0.6, 1e9
PERIODS, STARTS = 300, 3
NOTE = f"""
The estimate takes {PER_CYCLE} instructions a cycle at {HERTZ / 1e9:g} GHz for a Cortex-A53: it does two at most,
in order, and Python waits for memory most of its time. Its instructions are not a PC's, whose numbers
for compiled C differ by some tenths. Nothing was measured on a Pi.
The rest of the engine's start differs from one to the next:
PJSIP makes an RSA key for DTLS each time, and has to look for primes."""


def count(folder: Path) -> list[tuple[str, float]]:
    """Return what was counted."""

    def say(text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)

    say("the daemon's start")
    counted.script(folder, "-c", "import intercom.app, intercom.engine.__main__")  # whoever is first compiles
    daemon = counted.script(folder, "-c", "import intercom.app")
    say("the engine's modules")
    modules = counted.script(folder, "-c", "import intercom.engine.__main__")
    say("the engine's start")
    starts = [counted.engine(folder, 1) for _ in range(STARTS)]
    say(f"{PERIODS} periods of audio")
    few, many = (counted.script(folder, "-m", "bench.side.periods", str(n)) for n in (PERIODS, 2 * PERIODS))
    return [
        ("start of the daemon: its modules", daemon),
        ("start of the engine: its modules", modules),
        (f"the rest of its start, to its first beat: the least of {STARTS}", min(starts) - modules),
        ("the same: the most", max(starts) - modules),
        (
            "10 ms of a conversation: Python, canceller, suppressor; without PJSIP's codec",
            counted.difference(many, few, PERIODS),
        ),
    ]


def main() -> int:
    """Count, and print."""
    argparse.ArgumentParser(prog="./setup.sh bench instructions", description=__doc__).parse_args()
    os.environ["PYTHONHASHSEED"] = "0"
    try:
        namespace.enter()
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            counts = count(Path(folder))
    except processes.LabError as error:
        print(f"broken off: {error}", file=sys.stderr)
        return 1
    finally:
        processes.stop_all()
    print("\n".join(counted.rows(counts, PER_CYCLE, HERTZ)))
    print(NOTE, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
