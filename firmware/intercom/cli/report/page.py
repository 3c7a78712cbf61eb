# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of `intercom visits --html`: one page that opens from a file, with everything in it."""

import html
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from intercom.cli.report import plots, statistics
from intercom.cli.report.statistics import Outage
from intercom.cli.terminal import span

Record = dict[str, Any]

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark;
  --ink: #1d2733; --dim: #687686; --back: #fff; --line: #e3e8ee; --good: #1b7f5c; --bad: #c2382f }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e4e9ef; --dim: #93a0ae; --back: #14191f; --line: #2a333d; --good: #4cc38a; --bad: #ff6b5e }}
}}
body {{ font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); background: var(--back);
  max-width: 46rem; margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.5rem; margin-bottom: 0 }}
h2 {{ font-size: 1.1rem; margin: 2.2rem 0 .3rem }}
p {{ margin: .2rem 0; color: var(--dim) }}
svg {{ width: 100%; height: auto; display: block }}
svg text {{ font-size: 11px; fill: var(--dim) }}
.grid {{ stroke: var(--line) }}
.line {{ fill: none; stroke: var(--good); stroke-width: 1.5 }}
circle, rect {{ fill: var(--good) }}
.bad {{ fill: var(--bad) }}
table {{ border-collapse: collapse; width: 100%; font-size: .85rem }}
th {{ text-align: left; color: var(--dim); font-weight: normal }}
th, td {{ padding: .15rem .6rem .15rem 0; border-bottom: 1px solid var(--line) }}
td.n {{ text-align: right; font-variant-numeric: tabular-nums }}
</style>
<h1>{title}</h1>
<p>{period}</p>
{sections}
</html>
"""
_SHOWN = 200
"""Visits in the table at the end."""
_SOUND = (
    ("lost_pct", "%", "packets that never came, or too late"),
    ("jitter_ms", "ms", "jitter of what the door receives"),
    ("round_trip_ms", "ms", "round trip of the sound's packets"),
    ("echo_db", "dB", "echo taken out"),
)


def page(
    visits: Sequence[Record], wrong: Sequence[Outage], began: float, now: float, name: str, tests: Sequence[Record] = ()
) -> str:
    """Return the page: `visits` and `wrong` in the order in which they happened, from `began` to `now`."""
    parts = [
        _quick("Press to ring", statistics.moments(visits, "ringing"), began, now),
        _quick("Press to talk", statistics.moments(visits, "answered"), began, now),
        _outcomes(visits),
        _sound(visits, began, now),
        _outages(wrong, began, now),
        _tests(tests, began, now),
        _table(visits),
    ]
    period = f"{_day(began)} to {_day(now)}, {len(visits)} visit{'' if len(visits) == 1 else 's'}"
    return _PAGE.format(title=html.escape(f"{name}: visits"), period=html.escape(period), sections="\n".join(parts))


def _quick(head: str, found: Sequence[tuple[float, float]], began: float, now: float) -> str:
    if not found:
        return _section(head, "None in this time.")
    values = [ms for _, ms in found]
    series = [(at, ms, f"{_moment(at)}: {ms:.0f} ms") for at, ms in found]
    drawn = plots.points(series, "ms", began, now) + plots.columns(statistics.histogram(values), "ms")
    return _section(head, statistics.told(values), drawn)


def _outcomes(visits: Sequence[Record]) -> str:
    counts: dict[str, int] = {}
    for record in visits:
        counts[str(record.get("outcome", "?"))] = counts.get(str(record.get("outcome", "?")), 0) + 1
    told = ", ".join(f"{outcome} {number}" for outcome, number in sorted(counts.items(), key=lambda item: -item[1]))
    return _section("How they ended", told or "Nobody came.")


def _sound(visits: Sequence[Record], began: float, now: float) -> str:
    measured = [(record["at"], record["sound"]) for record in visits if isinstance(record.get("sound"), dict)]
    drawn = []
    for key, unit, meaning in _SOUND:
        series = [
            (at, float(sound[key]), f"{_moment(at)}: {sound[key]:g} {unit}") for at, sound in measured if key in sound
        ]
        if series:
            drawn.append(f"<p>{html.escape(meaning)}</p>{plots.points(series, unit, began, now)}")
    return _section("Call quality", "" if drawn else "No call was measured in this time.", "".join(drawn))


def _outages(wrong: Sequence[Outage], began: float, now: float) -> str:
    if not wrong:
        return _section("What was wrong", "Nothing.")
    rows: dict[str, list[tuple[float, float, str]]] = {}
    for outage in wrong:
        lasted = span(outage.ended - outage.began)
        text = f"{_moment(outage.began)}, {lasted}{'' if outage.over else ' and still'}: {outage.detail}"
        rows.setdefault(outage.condition, []).append((outage.began, outage.ended, text))
    told = "; ".join(
        f"{name} {'once' if len(row) == 1 else f'{len(row)} times'}, {span(sum(end - begin for begin, end, _ in row))}"
        for name, row in rows.items()
    )
    return _section("What was wrong", told, plots.spans(list(rows.items()), began, now))


def _tests(tests: Sequence[Record], began: float, now: float) -> str:
    """Return how the self tests went; one that failed is a mark of its own colour."""
    if not tests:
        return _section("Self tests", "None in this time.")
    rows: dict[str, list[tuple[float, float, str]]] = {"well": [], "not well": []}
    for test in tests:
        row = "well" if test.get("outcome") == "well" else "not well"
        rows[row].append((test["at"], test["at"], f"{_moment(test['at'])}: {test.get('outcome')}"))
    told = ", ".join(f"{name} {len(row)}" for name, row in rows.items() if row)
    return _section("Self tests", told, plots.spans(list(rows.items()), began, now, good="well"))


def _table(visits: Sequence[Record]) -> str:
    from intercom.cli.commands.visits import HEADS, row  # noqa: PLC0415  (which imports this file)

    heads = "".join(f"<th>{html.escape(head.removeprefix('>'))}</th>" for head in HEADS)
    lines = []
    for record in visits[: -_SHOWN - 1 : -1]:
        cells = zip(HEADS, row(record), strict=True)
        cells_html = (f"<td{' class=n' if head[0] == '>' else ''}>{html.escape(cell)}</td>" for head, cell in cells)
        lines.append(f"<tr>{''.join(cells_html)}</tr>")
    return _section(f"The last {len(lines)}", "", f"<table><tr>{heads}</tr>{''.join(lines)}</table>")


def _section(head: str, text: str, drawn: str = "") -> str:
    return f"<h2>{html.escape(head)}</h2>\n{f'<p>{html.escape(text)}</p>' if text else ''}{drawn}"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d}"


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S}"
