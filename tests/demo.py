"""`./setup.sh demo`: one whole visit on real parts, shown as it happens, and measured.

Nothing is pretended: Kamailio is the SIP service, baresip the phone, JACK's dummy card with a simulated room is
microphone and loudspeaker, gpiozero's mock pins stand behind the real adapter, and the door is the real daemon with
its real voice engine. Ends with 0 only if everything was observed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CONVERSATION_S = 5.0
COLOURS = {"good": "32", "bad": "31", "dim": "2", "bold": "1"}
WHOM = {
    "line-up": "door",
    "press-accepted": "visitor",
    "call-placed": "door",
    "call-ringing": "phone",
    "call-answered": "phone",
    "door-released": "strike",
    "door-locked": "strike",
    "call-ended": "phone",
    "visit-ended": "journal",
    "card-closed": "door",
}


def paint(text: str, colour: str) -> str:
    """Return coloured text on a terminal, the same text elsewhere."""
    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR")
    return text if plain else f"\033[{COLOURS[colour]}m{text}\033[0m"


@dataclass
class Show:
    """What the demo has seen so far."""

    began: float = field(default_factory=time.monotonic)
    failed: list[str] = field(default_factory=list)

    def say(self, who: str, what: str) -> None:
        """Tell what happens, and when."""
        print(f"  {paint(f'{time.monotonic() - self.began:6.2f} s', 'dim')}  {who:<9} {what}", flush=True)

    def check(self, what: str, good: bool, seen: str) -> None:
        """Tell what was measured, and keep what was missing."""
        if not good:
            self.failed.append(what)
        mark = paint("ok", "good") if good else paint("NOT SEEN", "bad")
        print(f"  {what:<34} {seen:<52} {mark}", flush=True)


@contextlib.contextmanager
def folder(keep: Path | None) -> Iterator[Path]:
    """Give a place for logs and recordings; it goes away unless it was asked for."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="intercom-demo-") as path:
        yield Path(path)


def version(*argv: str, until: str) -> str:
    """Return what a peer says of itself in its first line, up to `until`."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].split(until)[0].strip() if lines else argv[0]


def visit(place: Path, show: Show) -> None:
    """Play one visit from the press to the closed card, and measure it."""
    from lab.house import CODE, LAMP, PHONE_HZ, REGISTRAR_IP, STRIKE, VISITOR_HZ, House, heard_by, stopping
    from lab.tones import find_tone, speech_tone

    show.say("house", "SIP service, sound card and phone are starting, all on loopback")
    house = House(place, own_registrar=True)
    show.say("service", f"{version('kamailio', '-v', until=' (').removeprefix('version: ')} answers on {REGISTRAR_IP}")
    show.say("card", f"{version('jackd', '--version', until=' tmpdir')}, with a room around it")
    with stopping(house.phone()) as phone, house.door(pulse_s=2) as door:
        show.say("phone", f"{version('baresip', '-h', until=' Copyright')} registered as {phone.number}")
        line = door.await_record("line-up")
        engine = door.await_record("engine-started")["INTERCOM_VERSIONS"]
        show.say("door", f"{engine.split(';')[0]}; {line['MESSAGE']}")
        house.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
        pressed = door.press()
        show.say("visitor", "presses the button, and speaks (a broken tone of 1000 Hz)")
        for kind in ("call-placed", "call-ringing"):
            show.say(WHOM[kind], door.await_record(kind)["MESSAGE"])
        phone.await_event("CALL_INCOMING")
        lit = min(at for at, _ in door.pins.history(LAMP) if at > pressed)
        time.sleep(1.5)  # let it ring, as people do
        phone.answer()
        show.say("phone", door.await_record("call-answered")["MESSAGE"])
        talking = time.monotonic()
        show.say("phone", "speaks (a broken tone of 440 Hz)")
        time.sleep(CONVERSATION_S)
        phone.press_key(CODE)
        show.say("phone", "keys the code")
        released = door.await_record("door-released")
        show.say("strike", released["MESSAGE"])
        opened = door.pins.await_level(STRIKE, 1, since=pressed)
        locked = door.pins.await_level(STRIKE, 0, since=opened)
        show.say("strike", door.await_record("door-locked")["MESSAGE"])
        phone.hang_up()
        end = door.await_visit()
        show.say("journal", end.record["MESSAGE"])
        closed = house.room.await_ports(open=False)
        show.say("door", "card closed: no microphone is open")
        here = find_tone(house.room.heard(talking, talking + CONVERSATION_S), house.room.rate, PHONE_HZ)
        there = heard_by(phone)
        house.room.save(place / "heard-at-the-door.wav", pressed, closed)
        for path in phone.recordings():
            shutil.copy(path, place / "heard-at-the-phone.wav")
        mark = house.registrar.mark()
        status = door.process.stop(10)
        gone = True
        with contextlib.suppress(Exception):
            gone = False
            house.registrar.await_unregistered("door", after=mark)
            gone = True
    house.close()

    moments = end.timeline
    print(f"\n{paint('The time line, in ms since the press', 'bold')} (from the visit's record in the journal)\n")
    for name, at in sorted(moments.items(), key=lambda item: item[1]):
        print(f"  {name:<12} {at:10.1f}")
    print(f"\n{paint('What was measured', 'bold')}\n")
    took_ms = float(line["INTERCOM_TOOK_MS"])
    show.check("REGISTER to its 200", took_ms > 0, f"{took_ms:.1f} ms")
    show.check("press to a change of the lamp", lit > pressed, f"{1000 * (lit - pressed):.1f} ms")
    show.check("press to INVITE", "sent" in moments, f"{moments.get('sent', 0):.1f} ms, 20 of them debouncing")
    show.check("press to ringing (180)", "ringing" in moments, f"{moments.get('ringing', 0):.1f} ms")
    show.check("visitor heard at the phone", there.heard, f"{there.peak_hz:.0f} Hz at {there.level_dbfs:.1f} dBFS")
    show.check("phone heard at the door", here.heard, f"{here.peak_hz:.0f} Hz at {here.level_dbfs:.1f} dBFS")
    strike_ms = 1000 * (opened - pressed) - moments.get("released", 0)
    show.check("last digit to strike", "released" in moments, f"{strike_ms:.1f} ms")
    show.check("strike locked again", 1.9 <= locked - opened < 3.0, f"after {locked - opened:.2f} s of 2")
    show.check("outcome", end.outcome == "talked", f"{end.outcome}, after {moments['ended'] / 1000:.1f} s")
    show.check("card closed after the visit", closed > talking, "no port of ours is left on it")
    show.check("stopped in good order", status == 0 and gone, f"exit status {status}, unregistered")


def main() -> int:
    """Play the demo."""
    parser = argparse.ArgumentParser(prog="./setup.sh demo", description="One whole visit, without any hardware.")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the logs and what each side heard there")
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    from lab import namespace, processes

    show = Show()
    print(paint("\nOne visit: press, ring, talk, open, hang up\n", "bold"))
    try:
        namespace.enter()
        with folder(options.keep and options.keep.resolve()) as place:
            visit(place, show)
    except processes.LabError as error:
        print(f"\n{paint('The visit broke off:', 'bad')} {error}", file=sys.stderr)
        return 1
    finally:
        processes.stop_all()
    if show.failed:
        print(f"\n{paint('Not seen:', 'bad')} {', '.join(show.failed)}")
        return 1
    print(f"\n{paint('All of it was seen.', 'good')}{f' Recordings: {options.keep}' if options.keep else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
