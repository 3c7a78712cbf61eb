"""`intercom visits` after real visits, in a real terminal and a real browser."""

import json
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.house import SIDE_BUTTON, Door, House, stopping
from lab.terminal import intercom

BROWSER = "chromium-headless-shell"
needs_browser = pytest.mark.skipif(not shutil.which(BROWSER), reason=f"needs {BROWSER}")


@pytest.fixture(scope="module")
def visited(house: House) -> Iterator[Door]:
    """A door with three visits behind it: talked, busy, and one that nobody answers."""
    with house.door(ring_s=3) as door:
        with stopping(house.phone()) as phone:
            for answered in (True, False):
                door.press()
                phone.await_event("CALL_INCOMING")
                if answered:
                    phone.answer()
                    door.await_record("call-answered")
                    phone.hang_up()
                door.await_record("visit-ended", outcome="talked" if answered else "no answer")
        door.press(SIDE_BUTTON)
        door.await_visit(button="side")
        yield door


def plain(text: str) -> list[str]:
    """A transcript without what differs from run to run."""
    return re.sub(r"\d+(\.\d+)*", "N", re.sub(r" {2,}", "  ", text)).splitlines()


def test_the_ledger_tells_every_visit_and_how_quick_they_were(visited: Door) -> None:
    """The whole transcript; it is read from the journal."""
    with intercom("visits", "--since", _moment(visited), "--socket", visited.socket) as terminal:
        status = terminal.await_end()

    assert plain(terminal.text()) == [
        "time  button  whom  to ring ms  to talk ms  talked s  outcome",
        "N-N-N N:N:N  front  N  N  N  N  talked",
        "N-N-N N:N:N  front  N  N  no answer",
        "N-N-N N:N:N  side  busy  busy",
        "",
        "press to ring  N % N ms, N % N ms, N % N ms, worst N ms (N)",
    ]
    assert status == 0


def test_the_histogram_is_drawn_in_the_terminal(visited: Door) -> None:
    """Two rang; both are in it."""
    with intercom("visits", "--since", _moment(visited), "--histogram", "--socket", visited.socket) as terminal:
        terminal.await_end()

    drawn = re.findall(r"(\d+) to (\d+) ms  (█+) (\d)$", terminal.text(), re.MULTILINE)
    assert sum(int(number) for *_, number in drawn) == 2


def test_scripts_get_every_moment(visited: Door) -> None:
    """In milliseconds since the press."""
    argv = [sys.executable, "-m", "intercom", "visits", "--json", "--since", _moment(visited)]
    told = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)

    assert [visit["outcome"] for visit in told] == ["talked", "no answer", "busy"]
    assert {"accepted", "sent", "ringing", "answered", "ended"} <= told[0]["timeline"].keys()


@needs_browser
def test_the_report_opens_in_a_browser(visited: Door, tmp_path: Path) -> None:
    """From a file, without a network; every visit is drawn, and something is seen."""
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    with intercom("visits", "--html", page, "--since", _moment(visited), "--socket", visited.socket) as terminal:
        assert terminal.await_end() == 0
    url = page.as_uri()
    options = ["--no-sandbox", "--hide-scrollbars", "--virtual-time-budget=2000", f"--user-data-dir={tmp_path / 'b'}"]
    shoot = [BROWSER, *options, "--window-size=800,2400", f"--screenshot={picture}", url]
    subprocess.run(shoot, capture_output=True, check=True, timeout=60)
    shown = subprocess.run(
        [BROWSER, *options, "--dump-dom", url], capture_output=True, text=True, check=True, timeout=60
    )

    assert terminal.text().replace("\n", "").startswith(f"{page}: 3 visits")
    assert shown.stdout.count("ms</title></circle>") >= 2 + 1
    assert shown.stdout.count("<tr>") == 1 + 3
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (800, 2400)
    assert len(picture.read_bytes()) > 20_000, "an empty page compresses to nothing"


def _moment(door: Door) -> str:
    from datetime import datetime

    return f"{datetime.fromtimestamp(door.began).astimezone():%Y-%m-%d %H:%M:%S}"
