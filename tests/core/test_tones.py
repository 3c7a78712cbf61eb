"""The door's sounds: what each is, and who plays when."""

from __future__ import annotations

import itertools
from typing import get_args

import numpy as np
import pytest

from intercom.config.model import Country
from intercom.core.commands import Tone
from intercom.engine.audio.cadences import TELEPHONES
from intercom.engine.audio.tones import FADE_S, PEAK, TAIL_S, Player, Tones

RATE, PERIOD = 16000, 160
FULL = 32768.0


@pytest.fixture(params=["eu", "fr", "jp", "uk", "us"])
def tones(request: pytest.FixtureRequest) -> Tones:
    return Tones(RATE, request.param)


@pytest.fixture
def player() -> Player:
    return Player(Tones(RATE))


def periods(player: Player, count: int) -> tuple[np.ndarray, list[Tone]]:
    """So many periods of what plays over silence, and the tones that ended meanwhile."""
    sound, ended = np.zeros(count * PERIOD, np.int16), []
    for at in range(0, len(sound), PERIOD):
        ended += player.mix_into(sound[at : at + PERIOD])
    return sound, ended


def pitch(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    return float(spectrum.argmax() * RATE / (8 * len(samples)))


def assert_no_click(samples: np.ndarray, hz: float) -> None:
    """No step is steeper than a sine of that pitch and of the tones' peak."""
    steepest = np.abs(np.diff(samples.astype(np.int32), prepend=0, append=0)).max()
    assert steepest <= 1.1 * PEAK * FULL * 2 * np.sin(np.pi * hz / RATE) + 2


@pytest.mark.parametrize("tone", Tone)
def test_every_tone_is_loud_enough_and_leaves_room_for_a_voice(tones: Tones, tone: Tone) -> None:
    loudest = 20 * np.log10(np.abs(tones.samples(tone)).max() / FULL)
    assert -18.5 < loudest < -11.5


@pytest.mark.parametrize("tone", Tone)
def test_no_tone_clicks(tones: Tones, tone: Tone) -> None:
    # Two pitches at half the peak each are never steeper than the higher one alone; a bell has an octave in it.
    assert_no_click(tones.samples(tone), 2 * 1046.5 if tone is not Tone.NOT_FOUND else 1800)


@pytest.mark.parametrize("tone", sorted(set(Tone) - {Tone.RINGBACK}))
def test_a_one_shot_ends_in_silence_so_that_closing_the_card_cuts_nothing(tones: Tones, tone: Tone) -> None:
    assert not tones.samples(tone)[-int(TAIL_S * RATE) :].any()


def test_tones_tell_different_things(tones: Tones) -> None:
    """No visitor may take one for another: their outlines or their pitches differ clearly."""

    def picture(tone: Tone) -> np.ndarray:
        """Energy by time (50 ms) and by pitch (third octaves), of the first 1.5 s."""
        sound = np.zeros(int(1.5 * RATE))
        samples = tones.samples(tone)[: len(sound)]
        sound[: len(samples)] = samples
        frames = np.abs(np.fft.rfft(sound.reshape(30, -1) * np.hanning(800), axis=1)) ** 2
        band = np.clip(np.round(3 * np.log2(np.maximum(np.fft.rfftfreq(800, 1 / RATE), 1) / 100)), 0, 18).astype(int)
        bands = np.array([frames[:, band == n].sum(axis=1) for n in range(19)])
        flat = np.sqrt(bands).ravel()
        return flat / np.linalg.norm(flat)

    alike = {(a, b): float(picture(a) @ picture(b)) for a, b in itertools.combinations(Tone, 2)}
    closest = max(alike, key=lambda pair: alike[pair])
    assert alike[closest] < 0.9, (closest, alike[closest])


@pytest.mark.parametrize(
    ("country", "on_off", "pitches"),
    [("eu", (1.0, 4.0), (425,)), ("us", (2.0, 4.0), (440, 480)), ("uk", (0.4, 0.2, 0.4, 2.0), (400, 450))],
)
def test_ringback_is_the_countrys_own(country: str, on_off: tuple[float, ...], pitches: tuple[int, ...]) -> None:
    samples = Tones(RATE, country).samples(Tone.RINGBACK)
    assert len(samples) == round(sum(on_off) * RATE)
    start = 0.0
    for index, seconds in enumerate(on_off):
        part = samples[round(start * RATE) : round((start + seconds) * RATE)]
        assert bool(part.any()) == (index % 2 == 0)
        start += seconds
    on = samples[: round(on_off[0] * RATE)]
    spectrum = np.abs(np.fft.rfft(on * np.hanning(len(on)), 4 * RATE))
    for hz in pitches:
        assert spectrum[4 * hz - 8 : 4 * hz + 9].max() > 0.5 * spectrum.max()


def test_the_chime_is_two_falling_notes() -> None:
    chime = Tones(RATE).samples(Tone.CHIME)
    assert 0.8 < len(chime) / RATE < 1.1
    assert pitch(chime[: RATE // 4]) == pytest.approx(659.3, abs=3)
    assert pitch(chime[RATE // 2 : RATE * 3 // 4]) == pytest.approx(523.3, abs=3)


def test_a_tone_is_made_once() -> None:
    tones = Tones(RATE)
    assert tones.samples(Tone.BUSY) is tones.samples(Tone.BUSY)
    with pytest.raises(ValueError, match="read-only"):
        tones.samples(Tone.BUSY)[0] = 1


def test_every_country_of_the_configuration_has_its_tones() -> None:
    """And each is as loud as the others, to its last sample, in a rhythm of sound and silence."""
    assert get_args(Country) == tuple(TELEPHONES)
    for country, (_, ring, _, busy) in TELEPHONES.items():
        tones = Tones(RATE, country)
        assert len(tones.samples(Tone.RINGBACK)) == round(sum(ring) * RATE), country
        assert 3 * sum(busy) <= len(tones.samples(Tone.BUSY)) / RATE < 3 * sum(busy) + 2 * TAIL_S, country
        for tone in (Tone.RINGBACK, Tone.BUSY):
            assert abs(int(np.abs(tones.samples(tone)).max()) - PEAK * 32767) < 2, country


def test_an_unknown_country_is_refused() -> None:
    with pytest.raises(ValueError, match="no tones for country 'xx': there are eu, ar, at, "):
        Tones(RATE, "xx")


def test_a_one_shot_plays_once_whole_and_tells_its_end(player: Player) -> None:
    warning = Tones(RATE).samples(Tone.WARNING)
    player.play(Tone.WARNING)
    sound, ended = periods(player, 200)
    assert ended == [Tone.WARNING]
    assert (sound[: len(warning)] == warning).all()
    assert not sound[len(warning) :].any()


def test_a_newer_one_shot_cuts_the_older_softly(player: Player) -> None:
    """The older one told of something that is no longer so; only what was heard to its end is told as played."""
    opened = Tones(RATE).samples(Tone.DOOR_OPEN)
    player.play(Tone.UNANSWERED)
    before, _ = periods(player, 31)
    player.play(Tone.DOOR_OPEN)
    sound, ended = periods(player, 100)
    assert ended == [Tone.DOOR_OPEN]
    fade = int(FADE_S * RATE)
    assert (sound[fade : len(opened)] == opened[fade:]).all()
    assert_no_click(np.concatenate([before, sound]), 2 * 1046.5)


def test_a_one_shot_ends_in_the_period_of_its_last_sample(player: Player) -> None:
    player.play(Tone.WARNING)
    length = -(-len(Tones(RATE).samples(Tone.WARNING)) // PERIOD)
    assert periods(player, length - 1)[1] == []
    assert periods(player, 1)[1] == [Tone.WARNING]


def test_a_loop_repeats_without_a_seam(player: Player) -> None:
    ring = Tones(RATE, "eu").samples(Tone.RINGBACK)
    player.loop(Tone.RINGBACK)
    sound, ended = periods(player, 1200)
    assert ended == []
    assert (sound == np.tile(ring, 3)[: len(sound)]).all()


def test_the_same_loop_again_changes_nothing(player: Player) -> None:
    player.loop(Tone.RINGBACK)
    first, _ = periods(player, 30)
    player.loop(Tone.RINGBACK)
    second, _ = periods(player, 30)
    ring = Tones(RATE).samples(Tone.RINGBACK)
    assert (np.concatenate([first, second]) == ring[: 60 * PERIOD]).all()


def test_a_one_shot_comes_before_the_loop_which_then_begins_anew(player: Player) -> None:
    player.loop(Tone.RINGBACK)
    before, _ = periods(player, 31)
    player.play(Tone.STILL_RINGING)
    sound, ended = periods(player, 100)
    blip, ring = Tones(RATE).samples(Tone.STILL_RINGING), Tones(RATE).samples(Tone.RINGBACK)
    assert ended == [Tone.STILL_RINGING]
    fade = int(FADE_S * RATE)
    assert (sound[fade : len(blip)] == blip[fade:]).all()
    assert (sound[len(blip) :] == ring[: len(sound) - len(blip)]).all()
    assert_no_click(np.concatenate([before, sound]), 659.3 + 425)


def test_a_cut_loop_fades_and_is_gone(player: Player) -> None:
    player.loop(Tone.RINGBACK)
    before, _ = periods(player, 31)
    assert abs(int(before[-1])) > 5000, "cut where it is loud"
    player.loop(None)
    after, _ = periods(player, 3)
    assert_no_click(np.concatenate([before, after]), 425)
    assert not after[int(FADE_S * RATE) :].any()


def test_stop_silences_all_and_forgets_what_waits(player: Player) -> None:
    player.loop(Tone.RINGBACK)
    player.play(Tone.CHIME)
    player.play(Tone.BUSY)
    periods(player, 10)
    player.stop()
    sound, ended = periods(player, 300)
    assert ended == []
    assert not sound[PERIOD:].any()


def test_what_is_ordered_after_a_stop_plays(player: Player) -> None:
    player.play(Tone.CHIME)
    periods(player, 10)
    player.stop()
    player.play(Tone.CLOSING)
    player.loop(Tone.RINGBACK)
    sound, ended = periods(player, 100)
    assert ended == [Tone.CLOSING]
    assert sound[-PERIOD:].any()


def test_tones_never_pile_up(player: Player) -> None:
    """A stuck audio thread must not leave a minute of old chimes for the next visitor."""
    for tone in Tone:
        player.play(tone)
    assert periods(player, 1000)[1] == [list(Tone)[-1]]


def test_mixing_saturates_where_it_would_wrap_round(player: Player) -> None:
    player.loop(Tone.RINGBACK)
    loud = np.full(100 * PERIOD, 32000, np.int16)
    for at in range(0, len(loud), PERIOD):
        player.mix_into(loud[at : at + PERIOD])
    assert loud.max() == 32767
    assert loud.min() > 32000 - PEAK * FULL - 1
