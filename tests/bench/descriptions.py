"""`./setup.sh bench descriptions`: a hundred thousand session descriptions out of a grammar, played at real engines.

Offers and answers by RFC 8866, plausible and damaged, one call after the other, with SRTP off, optional and required by
turns. An engine that ends is a fault, as is a call that does not come about although a reader of the RFC finds a voice.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "contract"))

from conversations import play  # noqa: E402

from lab import namespace  # noqa: E402
from lab.descriptions import Writer  # noqa: E402

PART = 1000
"""With each seed and each engine; so one can be played again alone."""
SRTP = ("off", "optional", "required")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./setup.sh bench descriptions", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="how many descriptions (100000)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no part after this time")
    options = parser.parse_args()
    began, counts, wrong, seed = time.monotonic(), Counter[str](), list[str](), options.seed
    while (seed - options.seed) * PART < options.count and time.monotonic() - began < options.seconds:
        srtp = SRTP[seed % len(SRTP)]
        outcome = play(Writer(seed, srtp), srtp, PART)
        counts.update(outcome.counts)
        wrong += [f"seed {seed}, srtp {srtp}, {what}\n{text}" for what, text in outcome.wrong]
        seed += 1
        print(f"{time.monotonic() - began:6.0f} s  {sum(counts.values())} played, {len(wrong)} wrong", flush=True)
    for what, count in sorted(counts.items()):
        print(f"{count:7d}  {what}")
    print("\n\n".join(wrong[:20]))
    return 1 if wrong else 0


if __name__ == "__main__":
    namespace.enter()
    sys.exit(main())
