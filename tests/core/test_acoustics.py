"""What is made of a self test: which part, how much, and where in the spectrum."""

from dataclasses import replace

import pytest

from intercom.core.acoustics import Acoustics, verdict

GOOD = Acoustics((-20.0, -14.0, -12.0, -12.0, -16.0), (-50.0,) * 5, (-70.0, -72.0, -75.0, -78.0, -80.0), 25.0)


def less(values: tuple[float, ...], *drops: float) -> tuple[float, ...]:
    return tuple(value - drop for value, drop in zip(values, drops, strict=True))


def heard(*response: float, noise: tuple[float, ...] = (0, 0, 0, 0, 0)) -> Acoustics:
    return replace(GOOD, response_db=less(GOOD.response_db, *response), noise_db=less(GOOD.noise_db, *noise))


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (heard(0, 0, 0, 0, 0), {}),
        (heard(3, -4, 5, 5, 5), {}),
        (heard(9, 9, 9, 9, 9, noise=(8, 8, 8, 8, 8)), {"microphone": "9 dB down"}),
        (heard(9, 9, 9, 9, 9), {"loudspeaker": "9 dB down"}),
        (heard(0, 1, 2, 8, 10, noise=(0, 0, 2, 8, 9)), {"microphone": "9 dB down from 2 kHz up"}),
        (heard(0, 0, 0, 7, 13), {"loudspeaker": "10 dB down from 2 kHz up"}),
        (heard(12, 8, 0, 0, 0), {"loudspeaker": "10 dB down up to 500 Hz"}),
        (heard(0, 0, 9, 0, 0), {"loudspeaker": "9 dB down around 1 kHz"}),
        (heard(0, 9, 9, 0, 0), {"loudspeaker": "9 dB down between 500 Hz and 1 kHz"}),
        (heard(60, 60, 60, 60, 60), {"loudspeaker": "silent"}),
        (heard(37, 36, 35, 35, 38), {"loudspeaker": "silent"}),
        (heard(60, 60, 60, 60, 60, noise=(30, 30, 30, 30, 30)), {"microphone": "silent"}),
        (replace(heard(60, 60, 60, 60, 60), noise_db=(-120.0,) * 5), {"microphone": "silent"}),
    ],
)
def test_the_verdict_names_the_part_the_amount_and_the_pitch(now: Acoustics, said: dict[str, str]) -> None:
    """Who climbs the ladder knows what to bring."""
    assert verdict(now, GOOD) == said


def test_without_a_reference_only_silence_can_be_told() -> None:
    """How loud it should be only the installation knows."""
    assert verdict(heard(20, 20, 20, 20, 20), None) == {}
    assert verdict(heard(60, 60, 60, 60, 60), None) == {"loudspeaker": "silent"}
    assert verdict(replace(heard(60, 60, 60, 60, 60), noise_db=(-120.0,) * 5), None) == {"microphone": "silent"}


def test_what_the_reference_did_not_hear_either_is_no_fault() -> None:
    """A small loudspeaker has no bass: its weakness there is not news."""
    thin = replace(GOOD, response_db=(-60.0, -14.0, -12.0, -12.0, -16.0), floor_db=(-62.0, -50.0, -50.0, -50.0, -50.0))

    assert verdict(replace(thin, response_db=(-75.0, -14.0, -12.0, -12.0, -16.0)), thin) == {}
