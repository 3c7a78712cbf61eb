"""Levels of a card's mixer: `amixer` is a script here that keeps a card's controls in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from sound_rigs import Door, FakeBridge

from intercom.core.commands import Audio
from intercom.core.events import AudioDeviceLost
from intercom.engine.audio import alsa_mixer
from lab.processes import wait_until

AMIXER = """#!/bin/bash
# amixer -q -c CARD -- sset CONTROL VALUE, of a card that has the controls in the folder beside this script.
[[ $1 == -q && $2 == -c && $3 == Device && $4 == -- && $5 == sset ]] || { echo "amixer: bad call: $*" >&2; exit 1; }
[[ -e ${0%/*}/controls/$6 ]] || { echo "amixer: Unable to find simple control '$6',0" >&2; exit 1; }
printf '%s\\n' "$7" >>"${0%/*}/controls/$6"
"""
LISTED = " 1 [Device         ]: USB-Audio - USB Audio Device\n                      Generic USB Audio Device at usb-1\n"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel's list of cards with one USB card, and that card's mixer."""
    (tmp_path / "cards").write_text(LISTED)
    (tmp_path / "pcm").write_text("01-00: USB Audio : USB Audio : playback 1 : capture 1\n")
    (tmp_path / "amixer").write_text(AMIXER)
    (tmp_path / "amixer").chmod(0o755)
    (tmp_path / "controls").mkdir()
    for control in ("Speaker", "Auto Gain Control"):
        (tmp_path / "controls" / control).touch()
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def levels(kernel: Path, control: str) -> list[str]:
    """What a control was set to, one after the other."""
    return (kernel / "controls" / control).read_text().split()


def test_each_control_is_set_on_the_doors_card(kernel: Path) -> None:
    """By the card's name, not its number."""
    assert alsa_mixer.restore("Device", "usb audio", ("Speaker = 80%", "Auto Gain Control=off"), kernel)
    assert levels(kernel, "Speaker") == ["80%"]
    assert levels(kernel, "Auto Gain Control") == ["off"]


def test_a_control_that_is_not_there_is_told_and_the_others_are_set(
    kernel: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With amixer's own words."""
    assert not alsa_mixer.restore("", "", ("Master = -3dB", "Speaker = 5%"), kernel)
    assert levels(kernel, "Speaker") == ["5%"]
    assert capfd.readouterr().err == (
        "mixer: 'Master = -3dB' cannot be set: Device: amixer: Unable to find simple control 'Master',0\n"
    )


def test_without_a_card_nothing_is_set_and_it_is_tried_again(kernel: Path) -> None:
    """It may be plugged in later."""
    (kernel / "cards").write_text("")
    assert not alsa_mixer.restore("Device", "Device", ("Speaker = 80%",), kernel)
    assert levels(kernel, "Speaker") == []


def test_a_missing_amixer_is_told(
    kernel: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With its package."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert not alsa_mixer.restore("", "", ("Speaker = 80%",), kernel)
    assert "amixer is not installed (package alsa-utils)" in capfd.readouterr().err


def test_the_engine_sets_them_at_the_start_and_when_the_card_comes(
    kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at each opening: a press does not wait for a mixer."""
    asked: list[bool] = []
    there = iter([False, True])

    def restore(*_: object) -> bool:
        asked.append(next(there))
        return asked[-1]

    monkeypatch.setattr(alsa_mixer, "restore", restore)
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "nobody")
    door = Door(FakeBridge(), levels=("Speaker = 80%",))
    try:
        wait_until(lambda: len(asked) == 1, 5, "the mixer is set at the start")
        door.sound.set(Audio(card=True))
        door.wait_for(AudioDeviceLost)  # this machine has no card
        assert asked == [False, True], "tried again when a card was sought"
        door.sound.close()
        assert len(asked) == 2, "it was set already"
    finally:
        door.sound.close()
