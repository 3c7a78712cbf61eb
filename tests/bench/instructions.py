"""`./setup.sh bench instructions`: what the door asks of a processor, counted by valgrind, and what that is on a Pi.

The start, an idle second, a press, 10 ms of a conversation: of the intercom, of gpiozero with baresip, of a loop around
pjsua2. Nothing is timed, so it hardly matters what else this machine does, or how fast it is.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.side import counted, live, report, table
from bench.side.figures import BARESIP, OURS, Figure, Results
from bench.side.progress import Progress
from bench.side.rounds import Book, enter

from lab import namespace, processes

PER_CYCLE, HERTZ = 0.6, 1e9
PERIODS, TRIES = 300, 2
BEGIN, END = "<!-- instructions -->", "<!-- end of instructions -->"
DAEMON = """import intercom.__main__, intercom.cli.commands.run
from intercom.process import import_trim as spared
with spared.without("ssl"): import intercom.app.run"""
IMPORTS = (
    ("nothing", "nothing: an interpreter", "pass"),
    ("asyncio", "asyncio, as the daemon does (without ssl)", "with spared.without('ssl'): import asyncio"),
    ("gpiozero", "gpiozero, as the daemon does", "with spared.fixed_pin_factories(): import gpiozero"),
    ("argparse", "argparse", "import argparse"),
    ("core", "our own core", "import intercom.core.machine"),
    ("pjsua2", "pjsua2", "import pjsua2"),
    ("numpy", "numpy", "import numpy"),
)
"""What is read at a start: a name, in words, and code that does it alone. They share some of what they read."""
ROWS = (
    Figure("start", "start, all its processes, to registered", "millions"),
    Figure("start-daemon", "of that the modules of the daemon", "millions"),
    Figure("start-engine", "of that the modules of the voice engine, before it registers", "millions"),
    Figure("start-sound", "and what it reads for sounds, after it has registered", "millions"),
    *(Figure(f"import {name}", f"reading {what}", "millions") for name, what, _ in IMPORTS),
    Figure("idle", "an idle second", "millions"),
    Figure("press", "a press, edge to 180; ours opens the card meanwhile, and chimes", "millions"),
    Figure("call", "10 ms of a conversation (PCMU)", "millions"),
    Figure(
        "call-bare",
        "the same, ours without canceller and suppressor",
        "millions",
        "1.5 of baresip",
        lambda results: results.ratio("call-bare", BARESIP) <= 1.5,
    ),
    Figure("period", "of 10 ms: Python, canceller, suppressor, without PJSIP", "millions"),
)
EXAMPLES = """examples:
  sudo ./setup.sh bench instructions --folder before                ten minutes; then change something, and
  sudo ./setup.sh bench instructions --compare before/results.json  everything that is worse by a quarter
  sudo ./setup.sh bench instructions --part period                  two minutes, and no more than this
  sudo ./setup.sh bench instructions --write                        and put the table into tests/README.md
"""


def modules(folder: Path, book: Book, next_step: Callable[[], None]) -> None:
    """Count what it takes to read the modules of both processes."""
    next_step()
    counted.script(
        folder, "-c", "import intercom.app.run, intercom.engine.__main__, intercom.engine.call_monitor"
    )  # whoever is first compiles
    enter(book, "start-daemon", OURS, counted.script(folder, "-c", DAEMON) / 1e6)
    next_step()
    engine = counted.script(folder, "-c", "import intercom.engine.__main__")
    enter(book, "start-engine", OURS, engine / 1e6)
    next_step()
    whole = counted.script(folder, "-c", "import intercom.engine.__main__, intercom.engine.call_monitor")
    enter(book, "start-sound", OURS, (whole - engine) / 1e6)


def imports(folder: Path, book: Book, next_step: Callable[[], None]) -> None:
    """Count what is read at a start, one after the other, each without the interpreter."""
    nothing = 0
    for name, _, code in IMPORTS:
        next_step()
        count = counted.script(
            folder, "-c", f"from intercom.process import import_trim as spared\n{code}" if "spared" in code else code
        )
        enter(book, f"import {name}", OURS, (count - nothing) / 1e6)
        nothing = nothing or count


def periods(folder: Path, book: Book, next_step: Callable[[], None]) -> None:
    """Count periods of audio without PJSIP, whose start takes another number each time."""
    next_step()
    counted.script(folder, "-m", "bench.side.periods", "1")  # whoever is first compiles
    few, many = (counted.script(folder, "-m", "bench.side.periods", str(n)) for n in (PERIODS, 2 * PERIODS))
    enter(book, "period", OURS, counted.difference(many, few, PERIODS) / 1e6)


PARTS = {
    "modules": (modules, (("the daemon's modules", 60.0), ("the engine's", 30.0), ("the sound's", 30.0))),
    "imports": (imports, tuple((f"reading {what}", 15.0) for _, what, _ in IMPORTS)),
    "period": (periods, (("periods of audio, without PJSIP", 50.0),)),
    "doors": (live.doors, live.DOORS),
    "calls": (live.calls, live.CALLS),
}
"""What counts, and its steps: their names, and about how many seconds each takes on two cores."""


def count(folder: Path, parts: Sequence[str]) -> tuple[Book, list[str]]:
    """Return what was counted, and the parts that broke off twice."""
    book: Book = defaultdict(dict)
    broken = []
    for place, name in enumerate(parts):
        for left in reversed(range(TRIES)):
            progress = Progress([step for later in parts[place:] for step in PARTS[later][1]])
            tried: Book = defaultdict(dict)
            try:
                room = folder / f"{name}-{left}"
                room.mkdir()
                PARTS[name][0](room, tried, progress.next)
                book.update(tried)
                break
            except (processes.LabError, AssertionError, OSError) as error:
                progress.say(f"broken off: {error}{'; once more' if left else ''}")
                processes.stop_all()
        else:
            broken.append(name)
    return book, broken


def lines_of(results: Results, footer: str) -> list[str]:
    """Return the table, with an estimate beside each of ours."""
    lines = table.table(results, ROWS)
    shown = [figure for figure in ROWS if results.samples.get(figure.key)]
    ends = ["ours on a Zero 2 W, estimated", "---", *(estimate(results.median(figure.key)) for figure in shown)]
    return [*(f"{line} {end} |" for line, end in zip(lines, ends, strict=True)), "", footer]


def estimate(millions: float) -> str:
    """Return in words how long a Zero 2 W takes for so many instructions."""
    seconds = millions * 1e6 / (PER_CYCLE * HERTZ)
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.{1 if seconds < 0.01 else 0}f} ms"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="./setup.sh bench instructions",
        description=__doc__.partition("\n\n")[2],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=Path("bench-instructions"), help="where table and counts go")
    parser.add_argument("--part", choices=PARTS, action="append", help="count no more than this; may come again")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="results.json of an earlier run")
    parser.add_argument("--write", action="store_true", help="put the table into tests/README.md")
    return parser.parse_args()


def main() -> int:
    """Count, show, keep, compare. Returns 1 when something became worse."""
    options = arguments()
    folder: Path = options.folder.resolve()
    parts = [name for name in PARTS if name in (options.part or PARTS)]
    os.environ["PYTHONHASHSEED"] = "0"
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    try:
        earlier = report.load(options.compare) if options.compare else None
        folder.mkdir(parents=True, exist_ok=True)
        namespace.enter()
        with tempfile.TemporaryDirectory(prefix="bench-") as place:
            book, broken = count(Path(place), parts)
    except (processes.LabError, AssertionError, OSError, ValueError) as error:
        print(f"broken off: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing is kept", file=sys.stderr)
        return 130
    finally:
        processes.stop_all()
    if not book:
        return 1
    results = report.results_of(book)
    missing = "".join(f" Broke off twice: {name}." for name in broken)
    footer = f"From a run on {report.today()}: {report.versions()}.{missing}"
    lines = lines_of(results, footer)
    report.leave(folder, results, footer, lines)
    print("\n".join(lines), flush=True)
    if options.write:
        report.put(BEGIN, END, lines)
    sentences = report.compare(earlier, results, "nothing is worse by a quarter")
    return 1 if sentences or broken else 0


if __name__ == "__main__":
    sys.exit(main())
