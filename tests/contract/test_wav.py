"""Sounds of an installation's own: WAV files of every kind, what is refused and why, and spoken ones."""

from __future__ import annotations

import wave
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from intercom import wav_file
from intercom.cli.commands.speak import LANGUAGES, prompts, speak
from intercom.config import model
from intercom.core.commands import Tone
from intercom.engine.audio import wav
from intercom.engine.audio.tones import TAIL_S, Tones
from intercom.errors import SoundFileError
from lab.tones import find_tone, level_dbfs

RATE = 16000


def written(path: Path, sound: np.ndarray, rate: int = 48000, width: int = 2, channels: int = 1) -> Path:
    """A WAV file of `sound` (-1 to 1) on all its channels."""
    whole = np.rint(np.repeat(sound, channels) * (2.0 ** (8 * width - 1) - 1)).astype(np.int64)
    data = (
        (whole + 128).astype(np.uint8) if width == 1 else whole.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width]
    )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data.tobytes())
    return path


def sine(rate: int, seconds: float = 1.0, peak: float = 0.25) -> np.ndarray:
    return peak * np.sin(2 * np.pi * 700 * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (44100, 1), (16000, 1), (8000, 2)])
def test_any_plain_pcm_is_taken(tmp_path: Path, width: int, rate: int, channels: int) -> None:
    """People bring what they have; it comes out at our rate, on one channel, as loud as it was."""
    samples = wav.read(written(tmp_path / "a.wav", sine(rate), rate, width, channels), RATE) / np.float32(32768)

    assert len(samples) == pytest.approx(RATE, abs=20)
    assert find_tone(samples, RATE, 700).level_dbfs == pytest.approx(level_dbfs(sine(RATE)), abs=0.2)


def test_what_is_too_loud_is_made_softer(tmp_path: Path) -> None:
    """A file from a shop is at full scale; at a door it would distort."""
    samples = wav.read(written(tmp_path / "a.wav", sine(RATE, peak=1.0), RATE), RATE)

    assert np.abs(samples).max() == pytest.approx(wav.LOUDEST * 32767, abs=2)


def test_what_cannot_be_played_is_told_with_its_file_and_a_remedy(tmp_path: Path) -> None:
    """One line that says which file and what to do."""
    no_wav = tmp_path / "song.mp3"
    no_wav.write_bytes(b"ID3 and so on" * 100)
    complaints = {
        no_wav: "not a WAV file of plain PCM",
        tmp_path / "none.wav": "cannot be read: No such file",
        written(tmp_path / "long.wav", sine(RATE, 4.0), RATE): "4.0 s long; must be at most 3.5 s",
        written(tmp_path / "soft.wav", sine(RATE, peak=0.001), RATE): "nothing to hear",
        written(tmp_path / "slow.wav", sine(4000), 4000): "4000 Hz; must be 8000 to 96000",
        written(tmp_path / "empty.wav", np.zeros(0)): "nothing to hear",
    }

    for path, complaint in complaints.items():
        with pytest.raises(SoundFileError, match=complaint) as told:
            wav.read(path, RATE, wav_file.LONGEST_TONE_S)
        assert str(told.value).startswith(f"{path}: ")
    with pytest.raises(SoundFileError, match="ffmpeg -i"):
        wav.read(no_wav, RATE)


def test_a_file_replaces_its_tone_and_no_other(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """And one that went bad since it was checked costs only itself."""
    path = written(tmp_path / "chime.wav", sine(RATE), RATE)
    tones = Tones(RATE, "eu", {Tone.CHIME: str(path), Tone.BUSY: str(tmp_path / "gone.wav")})
    plain = Tones(RATE)

    assert len(tones.samples(Tone.CHIME)) == RATE + round(TAIL_S * RATE)
    for tone in set(Tone) - {Tone.CHIME}:
        assert (tones.samples(tone) == plain.samples(tone)).all()
    assert "gone.wav: cannot be read" in capfd.readouterr().err


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_spoken_and_fits(tmp_path: Path, language: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the real espeak-ng: each sentence is short enough for its place, and can be heard."""
    assert set(LANGUAGES) == set(prompts())
    assert speak(language, tmp_path / "spoken") == 0

    spoken = {path.stem for path in (tmp_path / "spoken").iterdir()}
    assert spoken == prompts()[language].keys() - {"voice"}
    assert spoken <= {field.name for field in fields(model.Sounds)}
    assert not spoken & {"warning", "door_open"}, "no speech over speech"
    for path in (tmp_path / "spoken").iterdir():
        samples = wav.read(path, RATE, wav_file.LONGEST.get(path.stem.replace("_", "-"), wav_file.LONGEST_TONE_S))
        assert len(samples) > 0.3 * RATE
        assert level_dbfs(samples / np.float32(32768)) > -35
    assert 'folder = "' in capsys.readouterr().out
