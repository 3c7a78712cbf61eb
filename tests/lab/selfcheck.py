"""The laboratory tries itself, without the door: `python tests/lab/selfcheck.py [FOLDER]`, as root.

Each check starts its peers, lets them meet and compares what they saw with what was sent.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

import numpy as np  # noqa: E402

from lab import namespace, tones  # noqa: E402
from lab.baresip import Phone  # noqa: E402
from lab.jackd import Jackd  # noqa: E402
from lab.journal import Journald  # noqa: E402
from lab.kamailio import Kamailio  # noqa: E402
from lab.pins import Pins  # noqa: E402
from lab.processes import Process, start, stop_all  # noqa: E402
from lab.room import Room  # noqa: E402
from lab.sipp import Sipp  # noqa: E402

CARD_USER = """
import pyaudio, time
card = pyaudio.PyAudio()
infos = [card.get_device_info_by_index(i) for i in range(card.get_device_count())]
api = card.get_host_api_info_by_type(pyaudio.paJACK)["index"]
index = next(i["index"] for i in infos if i["name"] == "system" and i["hostApi"] == api)
stream = card.open(
    rate=16000, channels=1, format=pyaudio.paInt16, frames_per_buffer=160,
    input=True, output=True, input_device_index=index, output_device_index=index,
    stream_callback=lambda heard, *_: (heard, pyaudio.paContinue),
)
print("open", flush=True)
time.sleep(2.5)
stream.close()
print("closed", flush=True)
time.sleep(60)
"""
PIN_USER = """
import gpiozero, threading
def main(arguments):
    relay, button = gpiozero.OutputDevice(27, active_high=False), gpiozero.Button(17)
    button.when_pressed, button.when_released = relay.on, relay.off
    print("ready", *arguments, flush=True)
    threading.Event().wait()
"""


def check_tones(folder: Path) -> str:
    """Level, frequency and absence are measured as they were made, in noise and in silence."""
    for hz in (440.0, 1000.0, 1700.0):
        tone = tones.speech_tone(hz, 3, level_dbfs=-20)
        report = tones.find_tone(tone, 16000, hz)
        assert abs(report.level_dbfs + 20) < 2.5 and abs(report.peak_hz - hz) < 5 and report.heard, report
        assert report.purity > 0.97 and report.present_s > 1.5, report
        assert not tones.find_tone(tone, 16000, 2500).heard
        noise = np.random.default_rng(1).standard_normal(len(tone)).astype(np.float32) * 0.01
        assert tones.find_tone(tone + noise, 16000, hz).heard
        assert not tones.find_tone(noise, 16000, hz).heard
    assert tones.find_tone(np.zeros(16000, np.float32), 16000, 440).present_s == 0
    samples, rate = tones.read_wav(tones.write_wav(folder / "tone.wav", tone))
    assert rate == 16000 and np.abs(samples - tone).max() < 1e-4
    return str(report)


def check_journal(folder: Path) -> str:
    """Records come back, with their fields."""
    from systemd import journal

    journald = Journald(folder)
    journal.send("hello", SYSLOG_IDENTIFIER="lab", VISIT="7")
    began = time.monotonic()
    record = journald.await_record(lambda record: record.get("VISIT") == "7", 5, SYSLOG_IDENTIFIER="lab")
    took = time.monotonic() - began
    for number in range(2000):
        journal.send(f"bulk {number}", SYSLOG_IDENTIFIER="bulk")
    journald.await_record(lambda record: record["MESSAGE"] == "bulk 1999", 10)
    assert len(journald.records(SYSLOG_IDENTIFIER="bulk")) == 2000, "rate limited"
    journald.stop()
    return f"{record['MESSAGE']!r} after {1000 * took:.0f} ms; 2000 of 2000 in bulk"


def check_calls(folder: Path) -> str:
    """Two phones through Kamailio: tones both ways for each codec and with SRTP; keys; refusals."""
    kamailio = Kamailio(folder, users={"201": "p201", "202": "p202", "door": "secret"}, tls=True)
    told: list[str] = []
    setups: list[tuple[str, str | None, str]] = [(codec, None, "udp") for codec in ("opus", "g722", "pcma", "pcmu")]
    setups += [("pcma", "srtp-mand", "tcp"), ("opus", None, "tls")]
    for codec, security, transport in setups:
        authority = kamailio.certificates.authority if kamailio.certificates else None
        one = Phone("201", folder, kamailio, "p201", "127.0.0.31", "auto", 440, [codec], security, transport, authority)
        two = Phone(
            "202", folder, kamailio, "p202", "127.0.0.32", "manual", 1000, [codec], security, transport, authority
        )
        one.wait_registered()
        two.wait_registered()
        began = time.monotonic()
        two.call("201")
        established = two.await_event("CALL_ESTABLISHED", 5).at
        two.press_key("5#")
        one.await_event("CALL_DTMF_START", 5, where=lambda event: event.param == "#")
        time.sleep(2)
        two.hang_up()
        one.await_event("CALL_CLOSED", 5)
        assert (one.codec(), two.codec()) == (codec, codec)
        for phone, hz in ((one, 1000), (two, 440)):
            report = tones.find_tone(*tones.read_wav(phone.recordings()[-1]), hz)
            assert report.heard and report.present_s > 0.8, (codec, phone.number, report)
            assert abs(report.level_dbfs + 16.5) < 3, (codec, phone.number, report)
        told.append(f"{codec}/{transport}{'/srtp' if security else ''} {1000 * (established - began):.0f} ms")
        if (codec, security) == ("pcmu", None):
            check_refusals(two)
        one.stop()
        two.stop()
    kamailio.stop()
    return "; ".join(told)


def check_refusals(phone: Phone) -> None:
    """What Kamailio replies by itself."""
    numbers = {"busy": "486", "declined": "603", "unavailable": "503", "door": "480", "nobody": "404"}
    for number, code in numbers.items():
        began = time.monotonic()
        phone.call(number)
        closed = phone.await_event("CALL_CLOSED", 5, since=began)
        assert closed.param.startswith(code), (number, closed.param)


def check_registrar(folder: Path) -> str:
    """It can be silent, gone, and back."""
    kamailio = Kamailio(folder)
    kamailio.pause()
    assert not kamailio.answers(0.2)
    kamailio.resume()
    assert kamailio.answers(1)
    began = time.monotonic()
    kamailio.stop()
    assert not kamailio.answers()
    kamailio.start()
    took = time.monotonic() - began
    kamailio.stop()
    return f"stopped and started in {took:.1f} s"


def check_sipp(folder: Path) -> str:
    """The odd phones, called through Kamailio; each on a port of its own against stray retransmissions."""
    ports = {"early_media": 5060, "info_digits": 5061, "redirect": 5062, "reply": 5063}
    static = {f"30{port % 10}": f"sip:30{port % 10}@127.0.0.44:{port}" for port in ports.values()}
    kamailio = Kamailio(folder, users={"201": "p201"}, static=static)
    phone = Phone("201", folder, kamailio, "p201")
    phone.wait_registered()
    for scenario, port in ports.items():
        user = f"30{port % 10}"
        sipp = Sipp(f"uas_{scenario}", folder, port=port, user=user, DIGITS="12#", CODE="410", REASON="Gone")
        began = time.monotonic()
        phone.call(user)
        if port <= 5061:
            phone.await_event("CALL_ESTABLISHED", 5, since=began)
            if scenario == "info_digits":
                phone.await_event("CALL_DTMF_START", 5, where=lambda event: event.param == "#")
                time.sleep(0.4)
            phone.hang_up()
        phone.await_event("CALL_CLOSED", 5, since=began)
        sipp.require()
    stranger = Sipp("uac_stranger", folder, ip="127.0.0.66", to=f"{kamailio.ip}:5060", user="201")
    stranger.require()
    assert "SIP/2.0 407" in stranger.conversation()
    accepted = Sipp("uac_stranger", folder, ip="127.0.0.67", to="127.0.0.31:5060", user="201")
    assert accepted.wait() != 0, "a phone that rings for strangers was not noticed"
    silent = Sipp("uac_stranger", folder, ip="127.0.0.68", to="127.0.0.99:5060", user="201")
    silent.require()
    phone.stop()
    kamailio.stop()
    return f"{', '.join(ports)}, stranger"


def check_room(folder: Path) -> str:
    """PortAudio on the JACK card: round trip, echo path, and the card's opening and closing."""
    jackd = Jackd(folder)
    room = Room(jackd, folder)
    assert not room.ports_open()
    user: Process = start("card-user", [sys.executable, "-c", CARD_USER], folder, jackd.env)
    opened = room.await_ports(True, 10)
    user.await_line("open")
    chirp = tones.chirp()
    at = room.say(chirp)
    time.sleep(0.3)
    trip = np.abs(np.correlate(room.heard(at, at + 0.3), chirp, "valid")).argmax() / 16
    began = room.say(tones.speech_tone(1000, 60))
    closed = room.await_ports(False, 5)
    report = tones.find_tone(room.heard(began, closed), room.rate, 1000)
    assert report.heard and abs(report.level_dbfs + 16) < 2, report
    assert 2 < closed - opened < 5
    assert trip < 100
    xruns = room.xruns()
    user.stop()
    room.stop()
    jackd.stop()
    return f"round trip {trip:.1f} ms, open for {closed - opened:.2f} s, {xruns} xruns, {report}"


def check_pins(folder: Path) -> str:
    """The real gpiozero on mock pins in another process; pressed, watched, killed and started again."""
    package = folder / "fake" / "intercom"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(PIN_USER)
    pins = Pins(folder / "pins")
    path = os.pathsep.join([str(package.parent), str(Path(__file__).parents[1])])
    for life in (1, 2):
        command = [sys.executable, "-m", "lab.mock_door", str(pins.path), "--option"]
        door = start("mock-door", command, folder, {"PYTHONPATH": path})
        door.await_line("ready --option")
        pins.await_connected(5, life)
        pins.await_claimed(27, "output")
        pressed = pins.press(17, 50)
        on = pins.await_level(27, 0, since=pressed)
        off = pins.await_level(27, 1, since=on)
        door.popen.kill()
        door.stop()
    assert [level for _, level in pins.history(27)] == [1, 0, 1] * 2, pins.history(27)
    pins.stop()
    return f"pressed, on after {1000 * (on - pressed):.1f} ms, off {1000 * (off - on):.0f} ms later"


def main() -> int:
    """Run every check; 1 when one failed."""
    namespace.enter()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="lab-"))
    checks: list[Callable[[Path], str]] = [check_tones, check_journal, check_registrar, check_calls, check_sipp]
    checks += [check_room, check_pins]
    failed = 0
    for check in checks:
        own = folder / check.__name__
        own.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        try:
            result = check(own)
        except Exception as error:
            result, failed = f"FAILED: {type(error).__name__}: {error}", failed + 1
        if left := stop_all():
            result += f" (left running: {', '.join(left)})"
        print(f"{check.__name__.removeprefix('check_'):10} {time.monotonic() - began:5.1f} s  {result}", flush=True)
    print(f"logs and recordings: {folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
