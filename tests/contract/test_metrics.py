"""Figures for Prometheus: exact, for another user's eyes, and none that outlives the door."""

from __future__ import annotations

import copy
import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from intercom.cli.commands.metrics import exposition, metrics
from intercom.cli.config_file import replace_text
from intercom.errors import ControlError

ALERTS = Path(__file__).parents[2] / "firmware" / "docs" / "prometheus-alerts.yml"
STATUS: dict[str, Any] = {
    "uptime_s": 12.5, "phase": "idle", "engine": {"starts": 1}, "counts": {"press-accepted": 3},
    "outcomes": {"talked": 2}, "machine": {"written_kb": 71377256, "disk_free_mb": 1000},
    "lines": [{"account": "home", "state": "registered", "round_trip_ms": 3.25}],
    "doors": [
        {"door": "front", "released": False, "contact": "open"}, {"door": "gate", "released": True, "contact": ""},
    ],
    "locked_out": [{"source": "keypad front", "what": "codes", "for_s": 3.0}],
    "conditions": [{"condition": 'a "b" \\ c', "detail": "x", "since_s": 1.0}],
    "visits": [{"timeline": {"accepted": 0.5}}, {"timeline": {"ringing": 151.5}}, {"timeline": {"ringing": 9.0}}],
}  # fmt: skip


def parsed(text: str) -> dict[tuple[str, ...], float]:
    """Return what Prometheus' own parser reads: name and labels -> value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_a_door_has_to_show_is_shown() -> None:
    """With the door that stands open, who is locked out, and the last press that rang."""
    found = parsed(exposition(STATUS))
    assert found["intercom_up",] == 1
    assert found["intercom_door_open", "front"] == 1
    assert ("intercom_door_open", "gate") not in found
    assert found["intercom_locked_out", "keypad front", "codes"] == 1
    assert found["intercom_press_to_ring_seconds",] == pytest.approx(0.1515)
    assert found["intercom_condition", 'a "b" \\ c'] == 1
    assert found["intercom_written_bytes_total",] == 71377256 * 1024


@pytest.mark.parametrize("value", [0, 1, 999_999, 1_000_001, 73_093_100_001, 2**53, 0.1, 1e-9, 123456.789, 1 / 3])
def test_no_digit_is_lost(value: float) -> None:
    """Else a counter moves in tens from a million on."""
    status = copy.deepcopy(STATUS)
    status["uptime_s"], status["counts"] = value, {"press-accepted": value}
    found = parsed(exposition(status))
    assert found["intercom_records_total", "press-accepted"] == value
    assert math.isclose(found["intercom_up_seconds",], value, rel_tol=0)


def test_a_dead_door_leaves_no_old_figure(tmp_path: Path) -> None:
    """The file that said that the line is up says that the door is dead, and the command still fails."""
    output = tmp_path / "intercom.prom"
    replace_text(output, exposition(STATUS))
    assert (output.stat().st_mode & 0o777) == 0o640, "as it was before"
    with pytest.raises(ControlError):
        metrics(tmp_path / "nobody.sock", output)
    assert parsed(output.read_text()) == {("intercom_up",): 0}
    assert (output.stat().st_mode & 0o777) == 0o644


def test_another_user_can_read_the_file(tmp_path: Path) -> None:
    """Debian's exporter is the user prometheus; whatever the umask of who writes."""
    output = tmp_path / "intercom.prom"
    before = os.umask(0o077)
    try:
        with pytest.raises(ControlError):
            metrics(tmp_path / "nobody.sock", output)
    finally:
        os.umask(before)
    assert output.stat().st_mode & 0o004


def test_every_alert_is_about_a_figure_that_there_is() -> None:
    """Its own, and the exporter's."""
    named = {word for word in ALERTS.read_text().replace("(", " ").replace(")", " ").split() if word[:9] == "intercom_"}
    known = {name for name, *_ in parsed(exposition(STATUS))}
    assert len(named) >= 3
    assert named <= known


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's package prometheus is not there")
def test_prometheus_itself_takes_figures_and_alerts() -> None:
    """By promtool, its checker."""
    told = subprocess.run(["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    text = exposition(STATUS)
    told = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout + told.stderr) == (0, "")
