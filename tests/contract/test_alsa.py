"""What ALSA is given to see, on made-up cards, and that the real libraries take it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from intercom.engine.audio import alsa_config

CARDS = """\
 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones
                      bcm2835 Headphones
 2 [Device         ]: USB-Audio - USB Audio Device
                      C-Media Electronics Inc. USB Audio Device at usb-0000:01:00.0-1.3, full speed
 3 [sndrpigooglevoi]: RPi-simple - snd_rpi_googlevoicehat_soundcar
                      snd_rpi_googlevoicehat_soundcar
"""
PCM = """\
00-00: bcm2835 Headphones : bcm2835 Headphones : playback 8
02-00: USB Audio : USB Audio : playback 1 : capture 1
03-00: Google voiceHAT SoundCard HiFi voicehat-hifi-0 : Google voiceHAT : playback 1 : capture 1
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "cards").write_text(CARDS)
    (tmp_path / "pcm").write_text(PCM)
    return tmp_path


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `confine` sets is taken back."""
    monkeypatch.setenv("ALSA_CONFIG_PATH", "untouched")
    yield
    monkeypatch.undo()


def test_cards_are_found_by_name_by_part_of_their_label_and_by_what_they_can(
    proc: Path,
) -> None:
    """A name that stays, whatever number the kernel gives today; without one, the first card that has a microphone."""
    there = alsa_config.cards(proc)

    assert [(card.number, card.name, card.plays, card.records) for card in there] == [
        (0, "Headphones", True, False),
        (2, "Device", True, True),
        (3, "sndrpigooglevoi", True, True),
    ]
    for name, records, found in (
        ("Device", True, "Device"),
        ("device", False, "Device"),
        ("googlevoicehat", True, "sndrpigooglevoi"),
        ("", True, "Device"),
        ("", False, "Headphones"),
        ("Headphones", True, None),
        ("none such", False, None),
    ):
        card = alsa_config.find(name, there, records=records)
        assert (card.name if card else None) == found, name


def test_alsa_sees_the_configured_cards_and_nothing_else(proc: Path) -> None:
    """Each alias of the usual configuration costs time at a press, and prints."""
    assert alsa_config.confine("device", "head", proc) == ("Device", "Headphones")

    shown = Path(os.environ["ALSA_CONFIG_PATH"]).read_text()
    assert 'pcm."Device" { type hw card "Device" }' in shown
    assert 'pcm."Headphones" { type hw card "Headphones" }' in shown
    assert "sndrpi" not in shown


def test_a_name_that_is_no_card_leaves_the_system_s_configuration_alone(
    proc: Path,
) -> None:
    """Somebody may have made a device of his own in /etc/asound.conf."""
    assert alsa_config.confine("my own mixer", "Device", proc) == ("my own mixer", "Device")

    assert "ALSA_CONFIG_PATH" not in os.environ


@pytest.mark.parametrize("where", ["no cards at all", "the card went meanwhile"])
def test_the_real_libraries_take_it(where: str, proc: Path, tmp_path: Path) -> None:
    """PortAudio 19.6 aborts the whole process over a configuration of which every device can be opened."""
    folder = proc if where == "the card went meanwhile" else tmp_path / "nothing"
    code = (
        "import sys, pathlib; from intercom.engine.audio import alsa_config as alsa, stream as card\n"
        "alsa.confine('', 'Device', pathlib.Path(sys.argv[1]))\n"
        "for _ in range(2):\n"
        "  audio = card.pyaudio.PyAudio()\n"
        "  print(audio.get_device_count()); audio.terminate()\n"
    )
    environ = {
        **os.environ,
        "JACK_DEFAULT_SERVER": "nobody",
        "JACK_NO_START_SERVER": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, folder],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "0\n0\n"), done.stderr
