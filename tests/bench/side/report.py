"""What is left of a run: table, plots and samples in a folder; in the page, when asked."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.side import many, table
from bench.side.figures import BARESIP, LOOP, OURS, Results, worse
from bench.side.rows import MANY, ROWS, VISITS

README = Path(__file__).parents[2] / "README.md"
PLOTS = Path(__file__).parents[1] / "plots"
HEAD = 2
"""Lines of a table before its rows."""
BEGIN, END = "<!-- side by side -->", "<!-- end of side by side -->"


def results_of(samples: Mapping[str, Mapping[str, Sequence[float]]]) -> Results:
    """Return samples with the contestants' parts in them."""
    return Results(samples, OURS, (BARESIP, LOOP))


def load(path: Path) -> Results:
    """Return what an earlier run has left."""
    return results_of(json.loads(path.read_text())["samples"])


def keep(folder: Path, results: Results, footer: str, date: str) -> tuple[list[str], dict[str, str]]:
    """Leave a run in a folder; return its page and its plots."""
    plots = table.plots(results, ROWS, date)
    pictures = [f"![{name}](bench/plots/{name}.svg)" for name in plots]
    several = table.many(results, many.NUMBERS, MANY), table.visits(results, VISITS)
    whole = [each for each in (table.table(results, ROWS), *several) if len(each) > HEAD]
    lines = [*(line for each in whole for line in (*each, "")), footer, "", *pictures]
    leave(folder, results, footer, lines)
    for name, plot in plots.items():
        (folder / f"{name}.svg").write_text(plot)
    return lines, plots


def leave(folder: Path, results: Results, footer: str, lines: Sequence[str]) -> None:
    """Leave samples and table in a folder, for `load` and for people."""
    (folder / "results.json").write_text(json.dumps({"told": footer, "samples": results.samples}, indent=1))
    (folder / "table.md").write_text("\n".join(lines) + "\n")


def compare(earlier: Results | None, results: Results, well: str) -> list[str]:
    """Print what became worse since an earlier run, or that all is well; return the sentences."""
    sentences = worse(earlier, results) if earlier else []
    for sentence in sentences:
        print(f"worse by a quarter: {sentence}")
    if earlier and not sentences:
        print(well)
    return sentences


def write(lines: Sequence[str], plots: Mapping[str, str]) -> None:
    """Put a run into the page of the tests."""
    PLOTS.mkdir(exist_ok=True)
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    for name, plot in plots.items():
        (PLOTS / f"{name}.svg").write_text(plot)
    put(BEGIN, END, lines)


def put(begin: str, end: str, lines: Sequence[str]) -> None:
    """Put lines between two marks of the page."""
    before, _, rest = README.read_text().partition(begin)
    after = rest.partition(end)[2]
    README.write_text(f"{before}{begin}\n\n" + "\n".join(lines) + f"\n\n{end}{after}")


def today() -> str:
    """Return the date."""
    return f"{datetime.datetime.now().astimezone():%Y-%m-%d}"


def machine() -> str:
    """Return what it was measured on."""
    release = platform.freedesktop_os_release()["PRETTY_NAME"]
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.partition(":")[2].strip() for line in lines if "model name" in line)
    return f"{os.cpu_count()} cores ({next(models, platform.machine())}), {release}, Python {platform.python_version()}"


def versions() -> str:
    """Return what was measured, and on what."""
    service = _first("kamailio", "-v").split(" (")[0].removeprefix("version: ")
    phone = _first("baresip", "-h").split(" Copyright")[0]
    return f"{machine()}, {service}{_asterisk()}, {phone}, pjsua2 {version('pjsua2')}, gpiozero {version('gpiozero')}"


def _asterisk() -> str:
    if not (tree := os.environ.get("INTERCOM_ASTERISK", "")):
        return ""
    return ", " + " ".join(_first("chroot", tree, "asterisk", "-V").split("~")[0].split("+")[0].split()[:2])


def _first(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]
