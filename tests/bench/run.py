"""`./setup.sh bench run`: how fast and how thrifty the intercom is, beside what one would take instead.

The intercom, a gpiozero script that has baresip dial, and a loop around pjsua2 that looks every 50 ms: on the same
machine, SIP service, phone and card, in turn, several times. Prints a table, and leaves it with plots and all samples
in a folder. A part that breaks off is tried once more; Ctrl-C keeps what was finished.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.side import many, report
from bench.side.contestants import USERS
from bench.side.extent import QUICK, Extent
from bench.side.parts import PARTS, warm_up
from bench.side.progress import Progress
from bench.side.rounds import Book
from bench.side.site import Site
from bench.side.wire import Wire

from lab import namespace, processes
from lab.house import House

WARM_UP_S = 20.0
TRIES = 2
Step = tuple[str, int]
"""A part, and which time it is measured."""
EXAMPLES = """examples:
  sudo ./setup.sh bench run --quick                        five minutes, to see whether it works
  sudo ./setup.sh bench run --folder before                a quarter of an hour; then change something, and
  sudo ./setup.sh bench run --compare before/results.json  every ratio that is worse by a quarter
  sudo ./setup.sh bench run --part visits --part trips     a few minutes, and no more than this
  sudo ./setup.sh bench run --write                        and put the table and the plots into tests/README.md
"""


class Run:
    """A run: its steps, what they have measured, what broke off."""

    def __init__(self, extent: Extent, parts: Sequence[str], place: Path) -> None:
        self.extent, self.place = extent, place
        self.steps: list[Step] = [(name, turn) for name in parts for turn in range(PARTS[name].times(extent))]
        self.book: Book = defaultdict(dict)
        self.broken: list[str] = []
        names = [self._name(*step) for step in self.steps]
        times = [PARTS[name].seconds(extent) for name, _ in self.steps]
        self.progress = Progress([("everybody starts once", WARM_UP_S), *zip(names, times, strict=True)])
        self._houses = 0

    def measure(self) -> None:
        """Go through all steps."""
        wire, house = Wire(), self._house()
        self.progress.next()
        warm_up(self._site(wire, house, "warm-up"))
        for step in self.steps:
            self.progress.next()
            for left in reversed(range(TRIES)):
                site = self._site(wire, house, f"{step[0]}-{step[1]}-{left}")
                try:
                    PARTS[step[0]].measure(site, step[1])
                    self._enter(site.book)
                    break
                except (processes.LabError, AssertionError, OSError) as error:
                    self.progress.say(f"broken off: {error}{'; once more' if left else ''}")
                    # Whatever it was, it may have spoilt more than itself.
                    with contextlib.suppress(processes.LabError, OSError):
                        house.close()
                    processes.stop_all()
                    house = self._house()
            else:
                self.broken.append(self._name(*step))
        house.close()

    def _name(self, part: str, turn: int) -> str:
        of = PARTS[part].times(self.extent)
        return PARTS[part].text + (f", {turn + 1} of {of}" if of > 1 else "")

    def _house(self) -> House:
        self._houses += 1
        return House(self.place / f"house-{self._houses}", more={**USERS, **many.USERS})

    def _site(self, wire: Wire, house: House, name: str) -> Site:
        return Site(wire, house, defaultdict(dict), self.extent, self.place / name, self.progress.say)

    def _enter(self, book: Book) -> None:
        """Add the samples of a step that came to its end."""
        for key, figures in book.items():
            for who, values in figures.items():
                self.book[key].setdefault(who, []).extend(values)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="./setup.sh bench run",
        description=__doc__.partition("\n\n")[2],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=Path("bench-run"), help="where table, plots and samples go")
    parser.add_argument("--quick", action="store_true", help="once, and few presses")
    parser.add_argument("--rounds", type=int, default=0, help="how often everything is begun anew (3, or 1)")
    parser.add_argument("--part", choices=PARTS, action="append", help="measure no more than this; may come again")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="results.json of an earlier run")
    parser.add_argument("--write", action="store_true", help="put the run into tests/README.md")
    parser.add_argument(
        "--first", action="store_true", help="run before everything else on this machine, if it is busy"
    )
    return parser.parse_args()


def chosen(asked: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Return the parts that can be measured, and a sentence for each of the others.

    Raises LabError when one was asked for by name and cannot be had.
    """
    wanted = [name for name in PARTS if name in (asked or PARTS)]
    lacking = {name: why for name in wanted if (why := PARTS[name].lacks(os.environ))}
    if asked and lacking:
        raise processes.LabError("; ".join(f"--part {name}: {why}" for name, why in lacking.items()))
    sentences = [f"left out: {PARTS[name].text}, because {why}" for name, why in lacking.items()]
    return [name for name in wanted if name not in lacking], sentences


def footer(began: float, busy: float, run: Run, *, first: bool, left_out: Sequence[str]) -> str:
    """Return when, where and how it was measured, and what is missing."""
    priority = ", everything of it before all else (SCHED_RR)" if first else ""
    took = f"{(time.monotonic() - began) / 60:.0f} minutes, load before it {busy:.1f}{priority}"
    missing = [*left_out, *(f"broke off twice: {name}" for name in run.broken)]
    return f"From a run on {report.today()}, {took}: {report.versions()}." + "".join(
        f" {sentence}." for sentence in missing
    )


def interrupted(*_: object) -> None:
    """End as with Ctrl-C when told to terminate."""
    raise KeyboardInterrupt


def main() -> int:
    """Measure, show, keep, compare. Returns 1 when a ratio became worse or a part broke off, 130 after Ctrl-C."""
    options = arguments()
    extent = QUICK if options.quick else Extent()
    extent = replace(extent, rounds=options.rounds or extent.rounds)
    folder: Path = options.folder.resolve()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    began, busy, stopped = time.monotonic(), os.getloadavg()[0], False
    signal.signal(signal.SIGTERM, interrupted)
    if options.first:
        # All that is started inherits it.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        try:
            earlier = report.load(options.compare) if options.compare else None
            folder.mkdir(parents=True, exist_ok=True)
            parts, left_out = chosen(options.part)
            namespace.enter()
            run = Run(extent, parts, Path(place))
            for sentence in left_out:
                run.progress.say(sentence)
            run.measure()
        except (processes.LabError, OSError, ValueError) as error:
            print(f"broken off: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            stopped = True
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            processes.stop_all()
    if stopped:
        print(f"stopped; {'what was finished is in ' + str(folder) if run.book else 'nothing was finished'}")
    if not run.book:
        return 130 if stopped else 1
    results = report.results_of(run.book)
    told = footer(began, busy, run, first=options.first, left_out=[*left_out, *(["stopped before its end"] * stopped)])
    lines, plots = report.keep(folder, results, told, report.today())
    print("\n".join(lines), flush=True)
    if options.write and not stopped:
        report.write(lines, plots)
    sentences = report.compare(earlier, results, "no ratio is worse by a quarter")
    return 130 if stopped else 1 if sentences or run.broken else 0


if __name__ == "__main__":
    sys.exit(main())
