# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom audio`: the sound, for somebody on a ladder with a telephone in the other hand."""

import argparse
import base64
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from intercom.adapters.systemd.records import printable
from intercom.cli.command import Command
from intercom.cli.commands import speak
from intercom.cli.terminal import BAD, BOLD, DIM, GOOD, Paint, paint_for, table
from intercom.control.client import granted
from intercom.core.commands import Tone
from intercom.errors import ControlError, SoundFileError

RATE_HZ = 16000
PART = 40_000
"""Bytes of a file sent at once: as base64 they fit in one line of the control socket."""
WIDTH, LOWEST_DB = 24, -72.0
"""Of a bar, in characters, and where it is empty: three decibels a character."""
_Answer = dict[str, Any]


def devices(socket: Path, *, as_json: bool) -> int:
    """Show the sound cards: through the daemon, so that none is fought over; without a daemon by itself."""
    try:
        answer = granted(socket, {"do": "audio-cards"}, timeout_s=10)
    except ControlError as error:
        if not isinstance(error.__cause__, FileNotFoundError | ConnectionRefusedError):
            raise
        answer = _surveyed()
    if as_json:
        print(json.dumps(answer["cards"], indent=2))
        return 0 if answer["cards"] else 1
    print("\n".join(_cards(answer, paint_for(sys.stdout))))
    return 0 if answer["cards"] else 1


def _surveyed() -> _Answer:
    from dataclasses import asdict  # noqa: PLC0415  (these load PortAudio, which only this one needs)

    from intercom.engine.audio.devices import survey  # noqa: PLC0415

    return {"cards": [asdict(card) for card in survey(tried=True)], "in_use": False}


def _cards(answer: _Answer, paint: Paint) -> list[str]:
    cards = answer["cards"]
    if not cards:
        return [paint("no sound card", BAD) + ": is it plugged in? See: cat /proc/asound/cards, dmesg"]
    closed = "in use" if answer["in_use"] else "does not open"
    rows = [
        [card["name"], str(card["inputs"] or "-"), str(card["outputs"] or "-"),
         " ".join(f"{rate / 1000:g}" for rate in card["rates_hz"]) or closed, card["label"]]
        for card in cards
    ]  # fmt: skip
    lines = table(["name", ">in", ">out", "opens at kHz", "what it is"], rows, paint)
    whole = next((card for card in cards if card["inputs"] and card["outputs"]), None)
    if whole is not None:
        name = printable(whole["name"])
        lines += [
            "",
            paint("for /etc/intercom/intercom.toml:", DIM),
            "[sound]",
            f'input = "{name}"',
            f'output = "{name}"',
        ]
    return lines


def levels(socket: Path, seconds: float, *, as_json: bool) -> int:
    """Show how loud microphone and loudspeaker are: a bar that moves on a terminal, lines elsewhere."""
    until, moving, paint = time.monotonic() + seconds, sys.stdout.isatty() and not as_json, paint_for(sys.stdout)
    try:
        while time.monotonic() < until:
            shown = granted(socket, {"do": "audio-levels"}, timeout_s=10)
            both = {part: float(shown[f"{part}_db"]) for part in ("microphone", "loudspeaker")}
            if as_json:
                print(json.dumps({f"{part}_db": level for part, level in both.items()}), flush=True)
            elif moving:
                print(f"\r{bar(both['microphone'], paint)}", end="", flush=True)
            else:
                print(
                    f"microphone {both['microphone']:.1f} dBFS, loudspeaker {both['loudspeaker']:.1f} dBFS", flush=True
                )
    finally:
        if moving:
            print()
    return 0


def bar(level_db: float, paint: Paint) -> str:
    """Return a level as a bar: green where speech should be, red where it is about to be cut."""
    full = round(max(0.0, min(1.0, 1 - level_db / LOWEST_DB)) * WIDTH)
    colour = BAD if level_db > -6 else GOOD if level_db > -45 else DIM
    return f"{level_db:6.1f} dBFS {paint('#' * full, colour)}{'.' * (WIDTH - full)}"


def test(socket: Path, *, reference: bool, as_json: bool) -> int:
    """Have the self test run, and show what it heard. Return 0 when all is well."""
    answer = granted(socket, {"do": "audio-test", "reference": reference}, timeout_s=None)
    if as_json:
        print(json.dumps(answer, indent=2))
    else:
        print("\n".join(_tested(answer, paint_for(sys.stdout), reference=reference)))
    return 0 if answer["outcome"] == "well" else 1


def _tested(answer: _Answer, paint: Paint, *, reference: bool) -> list[str]:
    well = answer["outcome"] == "well"
    lines = [paint("well" if well else printable(answer["outcome"]), GOOD if well else BAD)]
    heard, known = answer.get("heard"), answer.get("reference")
    if heard is None:
        return lines
    rows = [["now", *_numbers(heard["response_db"])]]
    rows += [["reference", *_numbers(known["response_db"])]] if known else []
    rows += [["noise, dBFS", *_numbers(heard["noise_db"])]]
    lines += ["", *table(["dB", *(f">{hz} Hz" for hz in answer["bands_hz"])], rows, paint)]
    lines += [f"delay {heard['delay_ms']:g} ms"]
    if reference and well:
        lines += [paint("kept as the reference", BOLD)]
    elif known is None:
        lines += ["no reference yet: when it sounds as it should, intercom test --reference"]
    return lines


def _numbers(values: list[float]) -> list[str]:
    return [f"{value:.1f}" for value in values]


def play(socket: Path, sound: str) -> int:
    """Play a tone or a WAV file at the door."""
    if sound not in list(Tone):
        _send(socket, Path(sound))
    answer = granted(socket, {"do": "audio-play", "tone": sound if sound in list(Tone) else ""}, timeout_s=None)
    print(printable(answer["outcome"]))
    return 0 if answer["outcome"] == "played" else 1


def _send(socket: Path, path: Path) -> None:
    """Hand a file over: the daemon may not look into people's folders."""
    from intercom.engine.audio import wav  # noqa: PLC0415  (numpy is slow to load)

    if not path.exists():
        raise SoundFileError(f"{path}: no such file, and no tone of that name; there is {', '.join(Tone)}")
    samples = wav.read(path, RATE_HZ)
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        wav.write(Path(file.name), samples, RATE_HZ)
        data = Path(file.name).read_bytes()
    for at in range(0, len(data), PART):
        part = base64.b64encode(data[at : at + PART]).decode()
        granted(socket, {"do": "audio-send", "at": at, "data": part})


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for scripts")


def _for_levels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=30.0, metavar="S", help="how long, default: %(default)g")
    _json(parser)


def _for_test(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reference", action="store_true", help="keep the result: later tests are compared with it")
    _json(parser)


def _for_play(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sound", metavar="FILE", help=f"a WAV file, or a tone: {', '.join(Tone)}")


TEST = Command(
    purpose="the self test: a chirp through loudspeaker and microphone",
    more="Waits for a visit to end.",
    examples=("intercom test", "intercom test --reference"),
    exits={1: "something is weak or silent"},
    arguments=_for_test,
    run=lambda arguments: test(arguments.socket, reference=arguments.reference, as_json=arguments.json),
)
"""Also `intercom test`."""

COMMAND = Command(
    purpose="try microphone and loudspeaker",
    more="Nothing of it leaves the door, and a press ends it at once.",
    examples=("intercom audio devices", "intercom audio levels", "intercom audio test", "intercom audio play chime"),
    asks_daemon=False,
    parts={
        "devices": Command(
            purpose="which sound cards there are, and what the configuration calls them",
            more="Works without the daemon, too.",
            examples=("intercom audio devices", "intercom audio devices --json"),
            exits={1: "there is none"},
            arguments=_json,
            run=lambda arguments: devices(arguments.socket, as_json=arguments.json),
        ),
        "levels": Command(
            purpose="a live meter of the microphone",
            more="Speak at the door: speech should reach -30 to -12 dBFS. In a pipe each reading is a line.",
            examples=("intercom audio levels", "intercom audio levels --seconds 5 | tail -n 1"),
            exits={1: "refused, or ended by a visit"},
            arguments=_for_levels,
            run=lambda arguments: levels(arguments.socket, arguments.seconds, as_json=arguments.json),
        ),
        "test": replace(TEST, examples=("intercom audio test", "intercom audio test --reference")),
        "play": Command(
            purpose="play a sound at the door",
            examples=("intercom audio play chime", "intercom audio play welcome.wav"),
            exits={1: "refused, or cut short by a visit"},
            arguments=_for_play,
            run=lambda arguments: play(arguments.socket, arguments.sound),
        ),
        "speak": speak.COMMAND,
    },
)
