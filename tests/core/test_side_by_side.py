"""What `./setup.sh bench run` makes of its samples: with made-up numbers, a change for the worse has to be told."""

import math
from collections.abc import Mapping, Sequence

import pytest
from bench import instructions
from bench.run import chosen
from bench.side import table
from bench.side.extent import QUICK, Extent
from bench.side.figures import BARESIP, LOOP, OURS, Results, worse
from bench.side.parts import PARTS
from bench.side.progress import Progress
from bench.side.rows import ROWS, VISITS

from lab.processes import LabError

RIVALS = (BARESIP, LOOP)


def run(key: str = "press-invite", **samples: Sequence[float]) -> Results:
    """Return the results of one figure: `ours`, `baresip`, `loop`."""
    names = {"ours": OURS, "baresip": BARESIP, "loop": LOOP}
    figure: Mapping[str, Sequence[float]] = {names[who]: values for who, values in samples.items()}
    return Results({key: figure}, OURS, RIVALS)


def test_a_ratio_that_grew_by_a_quarter_is_told() -> None:
    """2.5 of 1 is 25 % more than 2 of 1; the other rival became slower by as much, so nothing changed to it."""
    told = worse(run(ours=[2, 2, 9], baresip=[1], loop=[20]), run(ours=[2.5, 2.5, 1], baresip=[1], loop=[25]))

    assert told == ["press-invite: 2 of gpiozero and baresip's before, 2.5 now"]


def test_a_slower_machine_is_no_change_for_the_worse() -> None:
    """Everybody takes three times as long: the ratios are the same."""
    assert worse(run(ours=[2], baresip=[1], loop=[20]), run(ours=[6], baresip=[3], loop=[60])) == []


def test_a_little_worse_and_better_are_not_told() -> None:
    """Below a quarter runs differ by themselves."""
    assert worse(run(ours=[2], baresip=[1]), run(ours=[2.4], baresip=[1])) == []
    assert worse(run(ours=[2], baresip=[1]), run(ours=[0.1], baresip=[1])) == []


def test_without_a_rival_ours_is_compared_with_ours() -> None:
    """What a rival does not do, or does with nothing at all, gives no ratio."""
    assert worse(run("buttons-8", ours=[4]), run("buttons-8", ours=[5])) == ["buttons-8: 4 before, 5 now"]
    assert worse(run(ours=[4], baresip=[0]), run(ours=[5], baresip=[0])) == ["press-invite: 4 before, 5 now"]
    assert worse(run("buttons-8", ours=[4]), run("buttons-8", ours=[4.9])) == []


def test_what_never_ends_any_more_is_told() -> None:
    """A measurement that ran out of time counts as infinite."""
    told = worse(run(ours=[2], loop=[3]), run(ours=[math.inf], loop=[3]))

    assert told == ["press-invite: 0.667 of pjsua2, every 50 ms's before, inf now"]


def test_a_rival_that_never_came_to_an_end_is_beaten() -> None:
    """Its cell says so, and the ratio is nought."""
    results = run(ours=[2], loop=[math.inf])

    assert table.cell(results, ROWS[0], LOOP) == "never"
    assert results.ratio("press-invite", LOOP) == 0


def test_a_figure_that_was_not_measured_is_neither_better_nor_worse() -> None:
    """A quick run leaves figures out, and a newer one has more of them."""
    assert worse(run(ours=[2], loop=[3]), run("other", ours=[9], loop=[1])) == []
    assert worse(run("other", ours=[9], loop=[1]), run(ours=[2], loop=[3])) == []


def test_the_table_says_whether_an_aim_is_met() -> None:
    """3 ms beyond the debounce, a tenth of the loop, and within 3 ms of baresip; all of it, or it is missed."""
    good = table.table(run(ours=[2.0], baresip=[0.5], loop=[25.0]), ROWS)
    slow = table.table(run(ours=[3.1], baresip=[0.5], loop=[40.0]), ROWS)
    near = table.table(run(ours=[2.0], baresip=[0.5], loop=[10.0]), ROWS)

    assert len(good) == 3, "what was not measured has no row"
    assert good[2].endswith("| yes |")
    assert "| 2.00 | 0.50 | 25.0 | 4.00 | 0.08 |" in good[2]
    assert slow[2].endswith("| **no** |")
    assert near[2].endswith("| **no** |")


def test_the_spread_of_many_samples_is_what_99_of_100_keep() -> None:
    """One stray sample in a hundred does not show; of few samples the least and the most are told."""
    many = run(ours=[*(1.0 for _ in range(99)), 50.0])

    assert table.cell(many, ROWS[0], OURS) == "1.00 (99 %: 1.00)"
    assert table.cell(run(ours=[1, 3, 2]), ROWS[0], OURS) == "2.00 (1.00 to 3.00)"


def test_a_plot_has_a_mark_for_every_sample() -> None:
    """Also for what never came to its end: at the edge, not outside."""
    plot = table.plot(run(ours=[2, 3], baresip=[0], loop=[20, math.inf]), ROWS[0])

    assert plot.count("<circle") == 5
    assert max(float(part.split('"')[0]) for part in plot.split('cx="')[1:]) <= table.WIDTH


def test_every_part_fills_rows_of_the_table() -> None:
    """A figure that no row shows, or a plot that cannot be told from another, would be measured for nothing."""
    keys = [figure.key for figure in ROWS]

    assert len(set(keys)) == len(keys)
    assert len({figure.text for figure in ROWS}) == len(ROWS)


def test_a_whole_run_takes_less_than_twenty_minutes() -> None:
    """By the estimates that the progress is told with; a quick one takes less than six."""
    whole, quick = (
        sum(part.seconds(extent) * part.times(extent) for part in PARTS.values()) for extent in (Extent(), QUICK)
    )

    assert whole < 20 * 60
    assert quick < 6 * 60


def test_what_is_left_is_told_by_the_pace_so_far() -> None:
    """The first step took twice its estimate here, so the others may, too; a step that goes on has nothing left."""
    now = 0.0
    progress = Progress([("one", 10), ("two", 10), ("three", 30)], lambda: now)
    progress.next()
    assert progress.left_s() == 50
    now = 20.0
    progress.next()
    assert progress.left_s() == 80
    now = 25.0
    assert progress.left_s() == 75
    now = 60.0
    assert progress.left_s() == 60


def test_a_part_that_cannot_be_had_is_left_out_with_a_sentence_or_refused_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody waits for a quarter of an hour to learn that Asterisk was never there."""
    monkeypatch.delenv("INTERCOM_ASTERISK", raising=False)
    monkeypatch.setenv("INTERCOM_REFERENCE", "/somewhere")

    parts, sentences = chosen(None)

    assert parts == [name for name in PARTS if name != "asterisk"]
    assert len(sentences) == 1
    assert sentences[0].startswith("left out: presses through Asterisk, because no package mirror of this machine")
    assert chosen(["visits", "rounds"]) == (["rounds", "visits"], [])
    with pytest.raises(LabError, match="--part asterisk: no package mirror"):
        chosen(["asterisk"])


def test_visits_in_a_row_are_shown_early_and_late() -> None:
    """What was flat can be read off, not only that it was."""
    samples = {
        f"visits-{end}-{key}": {OURS: [value]} for end, value in (("first", 1.0), ("last", 2.0)) for key, _ in VISITS
    }
    shown = table.visits(Results({**samples, "visits-number": {OURS: [1000]}}, OURS, RIVALS), VISITS)

    assert shown[2:] == ["| the first | 1.00 | 1.00 | 1.00 |", "| the last of 1000 | 2.00 | 2.00 | 2.00 |"]
    assert table.visits(run(ours=[1]), VISITS) == []


def test_what_is_counted_has_an_estimate_beside_it() -> None:
    """600 million instructions a second, as a Zero 2 W is taken to have, and the ratio to the others."""
    samples = {"start": {OURS: [1200.0], BARESIP: [60.0]}, "call-bare": {OURS: [0.6], BARESIP: [0.3]}}
    lines = instructions.lines_of(Results(samples, OURS, RIVALS), "From a run.")

    assert len(lines) == 6, "what was not counted has no row"
    assert lines[2].endswith("| 1200 | 60.0 | - | 20.0 | - |  |  | 2.0 s |")
    assert lines[3].endswith("| 2.00 | - | 1.5 of baresip | **no** | 1.0 ms |")
    assert lines[-1] == "From a run."
