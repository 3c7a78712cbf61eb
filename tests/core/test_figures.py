# SPDX-License-Identifier: GPL-2.0-or-later
"""Percentiles, histograms and outages: the figures by which people judge a door must be right."""

import math
import re
from datetime import datetime
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intercom.cli.report import page as report_page
from intercom.cli.report import plots, statistics
from intercom.cli.report.statistics import Outage

NOW = 1_790_000_000.0
DAY = 86400.0


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5], 50, 5),
        ([3, 1, 2], 50, 2),
        (list(range(1, 101)), 95, 95),
        ([1, 2], 50, 1),
        ([1, 2], 51, 2),
        ([4, 9], 99, 9),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, expected: float) -> None:
    """The nearest rank: nobody is told a figure that no visit had."""
    assert statistics.percentile(values, share) == expected


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=50))
def test_a_histogram_loses_nobody(values: list[float]) -> None:
    """Every visit is in exactly one class, the classes touch, and the outermost are not empty."""
    classes = statistics.histogram(values)

    assert sum(number for _, _, number in classes) == len(values)
    assert all(one[1] == other[0] for one, other in pairwise(classes))
    assert classes[0][2] and classes[-1][2]


def test_bars_are_as_long_as_there_are_visits() -> None:
    """What a terminal shows of it."""
    assert statistics.bars([21, 25, 28, 31, 60, 210], width=8) == [
        "  20 to 30 ms  ████████ 3",
        "  30 to 50 ms  ███ 1",
        "  50 to 70 ms  ███ 1",
        " 70 to 100 ms",
        "100 to 200 ms",
        "200 to 300 ms  ███ 1",
    ]


def condition(kind: str, at: float, name: str = "line home", **more: Any) -> dict[str, Any]:
    return {"kind": f"condition-{kind}", "condition": name, "at": at, "detail": "408", **more}


def test_outages_are_beginnings_with_their_ends() -> None:
    """Also where the beginning is too old, the end is still to come, or the daemon died in between."""
    records = [
        condition("ended", 50.0, lasted_s=20.0),
        condition("began", 100.0),
        condition("began", 110.0, "sound card"),
        condition("ended", 130.0),
        {"kind": "started", "at": 140.0},
        condition("began", 150.0),
    ]

    assert statistics.outages(records, 200.0) == [
        Outage("line home", "408", 30.0, 50.0),
        Outage("line home", "408", 100.0, 130.0),
        Outage("sound card", "408", 110.0, 140.0),
        Outage("line home", "408", 150.0, 200.0, over=False),
    ]


def made_up_visits(number: int = 200) -> list[dict[str, Any]]:
    """A month at a door; some of it odd, some of it hostile."""
    return [
        {
            "visit": f"a-{n}", "at": NOW - 30 * DAY * (1 - n / number), "button": "front", "target": "201",
            "outcome": "talked" if n % 3 else "no answer", "talked_s": 12.0 + n % 7,
            "timeline": {"ringing": 25 + 20 * abs(math.sin(n)), **({"answered": 3000.0 + 9 * n} if n % 3 else {})},
            "sound": {"lost_pct": n % 5 / 4, "jitter_ms": 2 + n % 3, "round_trip_ms": 18.0, "echo_db": 31.5},
        }
        for n in range(number)
    ]  # fmt: skip


class Reader(HTMLParser):
    """Which elements a page has, and whether each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: dict[str, int] = {}
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_report_shows_every_visit_and_needs_nothing_else() -> None:
    """It is mailed around, and opened in ten years on a machine without a network."""
    visits = made_up_visits()
    wrong = [
        Outage("line home", "408 Request Timeout", NOW - 3 * DAY, NOW - 2.9 * DAY),
        Outage("clock", "", NOW - 60, NOW, False),
    ]
    page = report_page.page(visits, wrong, NOW - 30 * DAY, NOW, "Front door")
    reader = read(page)

    assert reader.links == []
    assert "script" not in reader.seen
    rang = talked = quality = 0
    for visit in visits:
        rang += 1
        talked += "answered" in visit["timeline"]
        quality += len(visit["sound"])
    assert reader.seen["circle"] == rang + talked + quality
    assert reader.seen["tr"] == 201
    assert "line home once, 2 h 24 min" in page
    assert datetime.fromtimestamp(NOW).astimezone().strftime("%Y-%m-%d") in page


def test_a_report_of_nothing_says_so() -> None:
    """A new door has no visits yet."""
    page = report_page.page([], [], NOW - DAY, NOW, "Front door")

    read(page)
    assert "0 visits" in page
    assert "Nobody came." in page


def test_what_a_stranger_sent_is_text_in_the_report() -> None:
    """A caller's name may be a script; a browser must not run it."""
    evil = "<script>alert(1)</script>"
    visit = {**made_up_visits(1)[0], "target": evil, "outcome": evil}
    page = report_page.page([visit], [Outage(evil, evil, NOW - 9, NOW)], NOW - DAY, NOW, evil)

    assert "script" not in read(page).seen


def test_a_histogram_counts_in_whole_visits() -> None:
    """Nobody has had a quarter of a visit."""
    drawn = plots.columns([(20, 30, 5), (30, 50, 1)], "ms")

    assert re.findall(r">([\d.]+)</text>", drawn) == ["0", "2", "4", "6", "8"]
