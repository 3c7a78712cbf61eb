"""`sudo ./setup.sh bench audio`: how the door sounds, beside baresip and beside PJSIP's own sound device.

The same room, the same far end, the same words, one engine after the other. Prints a table in Markdown, and leaves in
a folder what each side heard of the same conversation: left the visitor's ear, right the house's.
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import platform
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bench.sound import measure, speech
from bench.sound.engines import Baresip, Ours, Pjsip, cpu_seconds
from bench.sound.far_end import FarEnd, Weather
from bench.sound.measure import RATE, Track, level
from bench.sound.round_trip import Call, await_sound
from bench.sound.round_trip import trips as round_trips

from lab import namespace, processes
from lab.jackd import Jackd
from lab.room import Room

Results = dict[str, dict[str, str]]
SINGLE_S, ALONE_S, DOUBLE_S = 12.0, 7.0, 12.0
"""Of the conversation: the house alone, the visitor alone, both at once."""
WEATHERS = (
    ("no loss", 0.0, 0.0),
    ("5 % loss", 0.05, 0),
    ("10 % loss", 0.1, 0),
    ("20 % loss", 0.2, 0),
    ("40 ms jitter", 0, 40),
)
WEATHER_S = 10.0
SOFT = 10 ** (-10 / 20)
REVERBERATION_S, NOISE_DBFS = 0.25, -65.0


def say(text: str) -> None:
    """Show how far it is."""
    print(f"\033[2m{text}\033[0m" if sys.stderr.isatty() else text, file=sys.stderr, flush=True)


def round_trip(room: Room, call: Call) -> dict[str, str]:
    """Microphone, network, far end, network, loudspeaker: 12 chirps that the far end sends back at once."""
    trips = round_trips(room, call, 12)
    return {"round trip, ms (median; least to most)": f"{np.median(trips):.0f}; {min(trips):.0f} to {max(trips):.0f}"}


def conversation(room: Room, call: Call, distortion: float, folder: Path) -> dict[str, str]:
    """House alone, visitor alone, both: what of the echo and of the visitor arrives at the house."""
    room.echo(30, 0, REVERBERATION_S, distortion)
    room.noise(NOISE_DBFS)
    far = FarEnd("opus")
    door = call("opus")
    await_sound(far)
    whole = SINGLE_S + ALONE_S + DOUBLE_S
    house, visitor = speech.lasting(speech.HOUSE, whole), speech.lasting(speech.VISITOR, whole)
    house[round(SINGLE_S * RATE) : round((SINGLE_S + ALONE_S) * RATE)] = 0
    # As softly as people do who are spoken to: with both alike nothing is left of either, in any engine.
    house[round((SINGLE_S + ALONE_S) * RATE) :] *= SOFT
    visitor = np.roll(visitor, round(SINGLE_S * RATE))
    visitor[: round(SINGLE_S * RATE)] = 0
    used, since = cpu_seconds(door.pid()), time.monotonic()
    began = far.say((house * 32767).astype(np.int16))
    spoken_at = room.say(visitor)
    time.sleep(whole + 0.7)
    share = 100 * (cpu_seconds(door.pid()) - used) / (time.monotonic() - since)
    arrived, microphone = Track(*far.heard()), Track(room.spoken(began), began)
    loudspeaker = Track(room.heard(began), began)
    door.hang_up()
    far.stop()
    room.hush()
    room.noise(None)
    kind = "small loudspeaker" if distortion else "linear room"
    keep(folder / f"{door.name.replace(' ', '-')}-{kind.replace(' ', '-')}.wav", loudspeaker, arrived, began, whole)
    alone = spoken_at + SINGLE_S + 0.5
    late = measure.lag(microphone.part(alone, 5), arrived.part(alone, 6))
    # A gain that comes with the visitor is none of the echo's, which was before.
    loss = max(0.0, level(microphone.part(alone, 5)) - level(arrived.part(alone + late, 5)))
    # What the house says is heard at the door a little later: from then on there is an echo.
    first = began + measure.lag(house[: 5 * RATE], loudspeaker.part(began, 6))
    taken = [
        level(microphone.part(first + second, 1)) - level(arrived.part(first + second + late, 1)) - loss
        for second in range(int(SINGLE_S) - 1)
    ]
    seconds = " ".join(f"{each:.0f}" for each in taken)
    say(f"    echo taken out, dB, second by second: {seconds}; the visitor loses {loss:.1f} dB")
    told = {
        f"{kind}: echo taken out in the third second, dB": f"{taken[2]:.0f}",
        f"{kind}: in the worst second after two, dB": f"{min(taken[2:]):.0f}",
    }
    double = spoken_at + SINGLE_S + ALONE_S + 0.5
    clean = Track(visitor, spoken_at)
    told[f"{kind}: visitor alone, PESQ"] = _score(clean, arrived, alone, late, ALONE_S - 1)
    told[f"{kind}: visitor while the house speaks too, PESQ"] = _score(clean, arrived, double, late, DOUBLE_S - 1)
    if not distortion:
        told["CPU of the process, % of a core"] = f"{share:.1f}"
    return told


def _score(clean: Track, arrived: Track, at: float, late: float, seconds: float) -> str:
    return f"{measure.quality(clean.part(at, seconds), arrived.part(at + late, seconds)):.2f}"


def bad_networks(room: Room, call: Call, folder: Path) -> dict[str, str]:
    """The house's words at the door's loudspeaker, over networks that get worse."""
    room.echo(gain_db=None)
    far = FarEnd("opus")
    door = call("opus")
    await_sound(far)
    script = speech.lasting(speech.HOUSE, WEATHER_S * len(WEATHERS))
    weather = [Weather(place * WEATHER_S, loss, jitter) for place, (_, loss, jitter) in enumerate(WEATHERS)]
    began = far.say((script * 32767).astype(np.int16), weather)
    time.sleep(len(script) / RATE + 0.7)
    heard = Track(room.heard(began), began)
    door.hang_up()
    far.stop()
    keep(folder / f"{door.name.replace(' ', '-')}-bad-networks.wav", heard, heard, began, len(script) / RATE)
    told = {}
    for place, (name, _, _) in enumerate(WEATHERS):
        at, seconds = began + place * WEATHER_S + 0.5, WEATHER_S - 1
        clean = Track(script, began).part(at, seconds)
        late = measure.lag(clean, heard.part(at, seconds + 1), 0.5)  # a jitter buffer holds no more
        told[f"house at the door, {name}: PESQ (delay, ms)"] = (
            f"{measure.quality(clean, heard.part(at + late, seconds)):.2f} ({1000 * late:.0f})"
        )
    return told


def xruns(room: Room, call: Call, minutes: float) -> dict[str, str]:
    """Periods that the card lost in a call of some minutes in which both speak."""
    room.echo(30, 0, REVERBERATION_S)
    far = FarEnd("opus")
    door = call("opus")
    await_sound(far)
    room.say(speech.lasting(speech.VISITOR, 30), loop=True)
    far.say((speech.lasting(speech.HOUSE, 60 * minutes) * 32767).astype(np.int16))
    before = room.xruns()
    for minute in range(math.ceil(minutes)):
        time.sleep(min(60.0, 60 * minutes - 60 * minute))
        say(f"    minute {minute + 1} of {minutes:g}: {room.xruns() - before} xruns")
    lost = room.xruns() - before
    room.hush()
    door.hang_up()
    far.stop()
    return {f"xruns in {minutes:g} min": str(lost)}


def keep(path: Path, visitor: Track, house: Track, since: float, seconds: float) -> None:
    """Leave a recording for ears: left what the visitor heard, right what the house heard."""
    both = np.stack([visitor.part(since, seconds), house.part(since, seconds)], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(both, -1, 1) * 32767).astype("<i2").tobytes())


def engines(jackd: Jackd, folder: Path) -> dict[str, Call]:
    """Return a way to make a call with each engine."""
    made: dict[str, Call] = {
        "the intercom": lambda codec: Ours(jackd, folder, codec),
        "baresip": lambda codec: Baresip(jackd, folder, codec),
    }
    if reference := os.environ.get("INTERCOM_REFERENCE"):
        made["PJSIP's own device"] = lambda codec: Pjsip(jackd, folder, codec, Path(reference))
    return made


def run(options: argparse.Namespace, folder: Path) -> Results:
    """Measure every engine."""
    jackd = Jackd(folder)
    room = Room(jackd, folder)
    results: Results = {}
    for name, call in engines(jackd, folder).items():
        if options.only and options.only not in name:
            continue
        rows = results[name] = {}
        say(f"{name}")
        for what, part in parts(room, call, options, folder).items():
            if options.part and options.part not in what:
                continue
            say(f"  {what}")
            rows.update(part())
            say("    " + "; ".join(f"{row}: {figure}" for row, figure in rows.items()).replace("\n", " ")[-300:])
        if name == "the intercom" and not options.part:
            say("  round trip without the canceller")
            bare = round_trip(room, lambda codec: Ours(jackd, folder, codec, echo=False))
            rows.update({f"{row}, no canceller": figure for row, figure in bare.items()})
        if name == "baresip" and not options.part:
            say("  round trip as it is delivered")
            usual = round_trip(room, lambda codec: Baresip(jackd, folder, codec, tuned=False))
            rows.update({f"{row}, as it is delivered": figure for row, figure in usual.items()})
    room.stop()
    jackd.stop()
    return results


def parts(room: Room, call: Call, options: argparse.Namespace, folder: Path) -> dict[str, Callable[[], dict[str, str]]]:
    """Return what is measured, in order."""
    chosen: dict[str, Callable[[], dict[str, str]]] = {
        "round trip": lambda: round_trip(room, call),
        "conversation in a linear room": lambda: conversation(room, call, 0.0, folder),
        "conversation with a small loudspeaker": lambda: conversation(room, call, 3.0, folder),
        "bad networks": lambda: bad_networks(room, call, folder),
    }
    if options.minutes:
        chosen["xruns"] = lambda: xruns(room, call, options.minutes)
    return chosen


def table(results: Results) -> list[str]:
    """Return it in Markdown."""
    rows = list(dict.fromkeys(row for figures in results.values() for row in figures))
    lines = [f"| | {' | '.join(results)} |", f"| --- |{' --- |' * len(results)}"]
    return lines + [f"| {row} | {' | '.join(figures.get(row, '-') for figures in results.values())} |" for row in rows]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="./setup.sh bench audio", description=__doc__.split("\n\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("bench-audio"), help="where the recordings go")
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="also count xruns, in a call of so many minutes each"
    )
    parser.add_argument("--only", default="", metavar="ENGINE", help="part of an engine's name")
    parser.add_argument("--part", default="", metavar="PART", help='part of a measurement\'s name, as "bad"')
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    began, load = time.monotonic(), os.getloadavg()[0]
    try:
        namespace.enter()
        results = run(options, folder)
    finally:
        processes.stop_all()
    print("\n".join(table(results)))
    now = f"{datetime.datetime.now().astimezone():%Y-%m-%d %H:%M}"
    print(
        f"\nFrom a run on {now}, {time.monotonic() - began:.0f} s, {os.cpu_count()} cores ({platform.machine()}),",
        end=" ",
    )
    print(f"load before it {load:.1f}. Recordings: {folder}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
