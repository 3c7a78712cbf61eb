"""`./setup.sh bench fuzz`: a hundred thousand pieces of rubbish for an engine that notices what goes wrong unseen.

PJSIP is built with AddressSanitizer and UBSan (`SANITIZE=yes firmware/pjsip/build.sh`), and each block of its pools is
one of malloc's. What ended an engine, and what was sent before, is kept in a folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "contract"))

import sip_peers  # noqa: E402
from fuzzing import Found, Fuzzer  # noqa: E402

from lab import namespace  # noqa: E402

PART = 5000
"""With each seed; so one can be played again alone."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="./setup.sh bench fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="how many pieces (100000)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--plain", action="store_true", help="the engine as it is installed, without sanitizers")
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()) / "intercom-fuzz")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not options.plain:
            sanitized(Path(folder))
        return report(*play(options.count, options.seed, options.kept), options.kept)


def sanitized(folder: Path) -> None:
    """Have every engine that is started here be a sanitized one (fuzz.sh has built it)."""
    with zipfile.ZipFile(os.environ["INTERCOM_SANITIZED"]) as wheel:
        wheel.extractall(folder)
    # With C++'s own library, which Python lacks: else the sanitizer ends the engine at PJSUA2's first exception.
    names = ("libasan.so", "libstdc++.so")
    found = [subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip() for name in names]
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    sip_peers.ENGINE_ENVIRONMENT.update(
        PYTHONPATH=path,
        LD_PRELOAD=" ".join(found),
        # Python's own memory is not looked at: it would only hide what is PJSIP's.
        PYTHONMALLOC="malloc",
        ASAN_OPTIONS="detect_leaks=0:abort_on_error=0:exitcode=99:detect_stack_use_after_return=0",
        UBSAN_OPTIONS="print_stacktrace=0",
    )


def play(count: int, seed: int, kept: Path) -> tuple[list[Found], float]:
    began, parts = time.monotonic(), []
    while sum(part.all_sent for part in parts) < count:
        fuzzer = Fuzzer(seed + len(parts), kept / f"seed-{seed + len(parts)}")
        try:
            parts.append(fuzzer.run(min(PART, count), 3600))
        finally:
            fuzzer.close()
        sent = sum(part.all_sent for part in parts)
        print(
            f"{time.monotonic() - began:6.0f} s  {sent} sent, {sum(len(part.ends) for part in parts)} engines ended",
            flush=True,
        )
    return parts, time.monotonic() - began


def report(parts: list[Found], seconds: float, kept: Path) -> int:
    sent = {what: sum(part.sent[what] for part in parts) for what in parts[0].sent}
    ends = [end for part in parts for end in part.ends]
    faults = sorted({fault for part in parts for fault in part.faults})
    print(f"sent in {seconds:.0f} s: {', '.join(f'{number} {what}' for what, number in sent.items())}")
    print(f"engines that ended: {len(ends)}{f', what was sent before: {kept}' if ends else ''}")
    for fault in faults:
        print(f"  {fault}")
    return 1 if ends or faults else 0


if __name__ == "__main__":
    namespace.enter()
    sys.exit(main())
