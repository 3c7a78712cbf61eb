"""`./setup.sh bench run`: how fast and how thrifty the intercom is, beside what one would take instead.

The intercom, a gpiozero script that has baresip dial, and a loop around pjsua2 that looks every 50 ms: on the same
machine, SIP service, phone and card, in turn, several times. Prints a table, and leaves it with plots and all samples
in a folder.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.side import many, table, trouble
from bench.side.calls import Calls, never_still
from bench.side.contestants import USERS, GpioBaresip, Intercom, Loop, dark
from bench.side.figures import BARESIP, LOOP, OURS, Results, worse
from bench.side.rounds import Book, Rounds
from bench.side.rows import MANY, ROWS
from bench.side.wire import Wire

from lab import namespace, processes
from lab.house import House, stopping

README = Path(__file__).parents[1] / "README.md"
PLOTS = Path(__file__).parent / "plots"
BEGIN, END = "<!-- side by side -->", "<!-- end of side by side -->"
PARTS = ("rounds", "calls", "buttons")
EXAMPLES = """examples:
  sudo ./setup.sh bench run --quick                        two minutes, to see whether it works
  sudo ./setup.sh bench run --folder before                ten minutes; then change something, and
  sudo ./setup.sh bench run --compare before/results.json  every ratio that is worse by a quarter
  sudo ./setup.sh bench run --write                        and put the table and the plots into tests/README.md
"""


def say(text: str) -> None:
    """Show how far it is."""
    print(f"\033[2m{text}\033[0m" if sys.stderr.isatty() else text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Extent:
    """How much of everything."""

    rounds: int = 3
    presses: int = 34
    idle_s: float = 15.0
    calls: int = 4
    call_s: float = 12.0
    skip: int = 1
    """Of the numbers of buttons every n-th is measured."""
    service: bool = True
    """Whether the SIP service goes away."""


QUICK = Extent(rounds=1, presses=8, idle_s=5.0, calls=1, call_s=6.0, skip=3, service=False)


def run(extent: Extent, parts: Sequence[str], folder: Path) -> Book:
    """Measure; return all samples."""
    house = House(folder / "house", more={**USERS, **many.USERS})
    # As rooms have it; in one without any echo WebRTC's canceller waits for one.
    house.room.echo(delay_ms=20, gain_db=-12)
    book: Book = defaultdict(dict)
    wire = Wire()
    for who in (
        Intercom(house, folder / "first"),
        GpioBaresip(house, folder / "first-b"),
        Loop(house, folder / "first-l"),
    ):
        # Uncounted: whoever comes first after a change has Python compile it.
        Rounds(wire, [who], defaultdict(dict), say).alone(who)
    for number in range(extent.rounds if "rounds" in parts else 0):
        place = folder / f"round-{number + 1}"
        contestants = [
            Intercom(house, place / "intercom"),
            GpioBaresip(house, place / "baresip"),
            Loop(house, place / "loop"),
        ]
        # Another one is first in each round.
        turn = number % len(contestants)
        measuring = Rounds(wire, contestants[turn:] + contestants[:turn], book, say)
        say(f"round {number + 1} of {extent.rounds}")
        for who in measuring.contestants:
            say(f"  {who.name}, alone")
            measuring.alone(who)
        with stopping(house.phone()) as phone:
            try:
                measuring.together(phone, extent.idle_s, extent.presses)
                say("  SIGKILL")
                for who in measuring.contestants:
                    trouble.kill(wire, who, book)
                if extent.service and number == extent.rounds - 1:
                    say("  the SIP service goes, and comes back")
                    trouble.leave(wire, house.registrar, measuring.contestants, book)
            finally:
                measuring.stop()
    if "calls" in parts:
        converse(wire, house, book, extent, folder)
    if "buttons" in parts:
        say("1, 2, 4, 8 buttons")
        with stopping(house.phone()) as phone:
            numbers, idle_s = many.NUMBERS[:: extent.skip], extent.idle_s / 2
            many.measure(wire, house, phone, book, folder, numbers=numbers, idle_s=idle_s, times=extent.presses // 4)
    house.close()
    return book


def converse(wire: Wire, house: House, book: Book, extent: Extent, folder: Path) -> None:
    """Conversations: ours, baresip's, and ours without what takes the echo and the noise out."""
    with stopping(house.phone(codecs=("pcmu",), voice=never_still(120))) as phone:
        bare = Intercom(
            house, folder / "bare", edit=lambda text: dark(text).replace("[sound]", "[sound]\necho_cancelling = false")
        )
        baresip = GpioBaresip(house, folder / "baresip")
        for who in (Intercom(house, folder / "calls"), baresip, bare):
            say(f"  conversations of {who.name}")
            began = time.monotonic()
            who.begin()
            wire.registered(who.ip, began, 20)
            time.sleep(1)
            kept: Book = defaultdict(dict)
            Calls(wire, house, phone, kept).answers(who, extent.calls, extent.call_s)
            who.stop()
            if who is bare:
                book["call-cpu-bare"] = {OURS: kept["call-cpu"][OURS], BARESIP: book["call-cpu"][BARESIP]}
            else:
                for key, figures in kept.items():
                    book[key].update(figures)


def versions() -> str:
    """Return what was measured, and on what."""
    from importlib.metadata import version

    def first(*argv: str) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip().splitlines()[0]

    release = platform.freedesktop_os_release()["PRETTY_NAME"]
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    service = first("kamailio", "-v").split(" (")[0].removeprefix("version: ")
    phone = first("baresip", "-h").split(" Copyright")[0]
    return (
        f"{os.cpu_count()} cores ({model}), {release}, Python {platform.python_version()}, {service}, {phone}, "
        f"pjsua2 {version('pjsua2')}, gpiozero {version('gpiozero')}"
    )


def load(path: Path) -> Results:
    """Return what an earlier run has left."""
    kept = json.loads(path.read_text())
    return Results(kept["samples"], OURS, (BARESIP, LOOP))


def write(lines: Sequence[str], plots: dict[str, str]) -> None:
    """Put a run into the page."""
    PLOTS.mkdir(exist_ok=True)
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    for name, plot in plots.items():
        (PLOTS / f"{name}.svg").write_text(plot)
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    README.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}")


def main() -> int:
    """Measure, show, keep, compare. Returns 1 when a ratio became worse."""
    parser = argparse.ArgumentParser(
        prog="./setup.sh bench run",
        description=__doc__.partition("\n\n")[2],
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=Path("bench-run"), help="where table, plots and samples go")
    parser.add_argument("--quick", action="store_true", help="once, and few presses")
    parser.add_argument("--rounds", type=int, default=0, help="how often everything is begun anew (3, or 1)")
    parser.add_argument("--part", choices=PARTS, action="append", help="measure no more than this")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="results.json of an earlier run")
    parser.add_argument("--write", action="store_true", help="put the run into tests/README.md")
    parser.add_argument(
        "--first", action="store_true", help="run before everything else on this machine, if it is busy"
    )
    options = parser.parse_args()
    extent = QUICK if options.quick else Extent()
    extent = replace(extent, rounds=options.rounds or extent.rounds)
    earlier = load(options.compare) if options.compare else None
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    began, busy = time.monotonic(), os.getloadavg()[0]
    if options.first:
        # All that is started inherits it.
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
    try:
        namespace.enter()
        with tempfile.TemporaryDirectory(prefix="bench-") as place:
            book = run(extent, options.part or PARTS, Path(place))
    except processes.LabError as error:
        print(f"broken off: {error}", file=sys.stderr)
        return 1
    finally:
        processes.stop_all()
    results = Results(book, OURS, (BARESIP, LOOP))
    now = f"{datetime.datetime.now().astimezone():%Y-%m-%d}"
    first = ", everything of it before all else (SCHED_RR)" if options.first else ""
    took = f"{(time.monotonic() - began) / 60:.0f} minutes, load before it {busy:.1f}{first}"
    footer = f"From a run on {now}, {took}: {versions()}."
    plots = {figure.key: table.plot(results, figure) for figure in ROWS if figure.plot and book.get(figure.key)}
    pictures = [f"![{name}](bench/plots/{name}.svg)" for name in plots]
    several = table.many(results, many.NUMBERS, MANY)
    lines = [*table.table(results, ROWS), "", *several, "", footer, "", *pictures]
    (folder / "results.json").write_text(json.dumps({"told": footer, "samples": book}, indent=1))
    (folder / "table.md").write_text("\n".join(lines) + "\n")
    for name, plot in plots.items():
        (folder / f"{name}.svg").write_text(plot)
    print("\n".join(lines), flush=True)
    if options.write:
        write(lines, plots)
    told = worse(earlier, results) if earlier else []
    for sentence in told:
        print(f"worse by a quarter: {sentence}")
    if earlier and not told:
        print("no ratio is worse by a quarter")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
