"""Trials of the sound with the real daemon: self test, meter, sounds; and that nobody listens outside of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from intercom.engine.audio import wav
from lab.baresip import Phone
from lab.house import VISITOR_HZ, Door, House
from lab.tones import find_tone, speech_tone


def audio(door: Door, *words: str) -> subprocess.Popen[str]:
    """Start `intercom audio ...` as somebody on a ladder would."""
    argv = [sys.executable, "-m", "intercom", "audio", *words, "--socket", str(door.socket)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def done(process: subprocess.Popen[str]) -> tuple[int, str]:
    text, _ = process.communicate(timeout=60)
    return process.returncode, text


@pytest.fixture
def well(house: House) -> Iterator[House]:
    """The room with some noise, as rooms have; healed afterwards."""
    house.room.noise(-70)
    yield house
    house.room.noise(None)
    for part in ("microphone", "loudspeaker"):
        house.room.ail(part)


def test_the_self_test_names_the_part_that_has_become_weak_and_that_it_is_well_again(well: House, door: Door) -> None:
    """Found by the door itself, before a visitor finds it."""
    first = done(audio(door, "test"))
    kept = done(audio(door, "test", "--reference"))
    well.room.ail("microphone", -20, 500)
    weak = done(audio(door, "test"))
    told = door.await_record("condition-began", condition="microphone")
    shown = json.loads(done(audio(door, "test", "--json"))[1])
    well.room.ail("microphone")
    healed = done(audio(door, "test"))
    door.await_record("condition-ended", condition="microphone")
    well.room.ail("loudspeaker", -120)
    dead = done(audio(door, "test"))

    print(weak[1])
    assert first[0] == 0
    assert "no reference yet" in first[1]
    assert kept[0] == 0
    assert "kept as the reference" in kept[1]
    assert weak[0] == 1
    assert "microphone" in weak[1]
    assert "dB down from 1 kHz up" in told["INTERCOM_DETAIL"]
    assert shown["outcome"].startswith("microphone")
    assert healed[0] == 0
    assert dead == (1, dead[1])
    assert dead[1].startswith("loudspeaker silent\n")
    assert door.await_record("condition-began", condition="loudspeaker")["INTERCOM_DETAIL"] == "silent"
    well.room.await_ports(open=False)


def test_the_reference_outlives_the_daemon(well: House, door: Door) -> None:
    """Stored once, at the installation."""
    done(audio(door, "test", "--reference"))
    door.process.stop(10)
    door.restart()
    door.house.journal.await_record(
        lambda record: record.get("INTERCOM_KIND") == "line-up", 15, time.time() - 1, SYSLOG_IDENTIFIER="intercom"
    )
    well.room.ail("loudspeaker", -20, 500)

    status, text = done(audio(door, "test"))
    assert status == 1
    assert text.startswith("loudspeaker")


def test_a_press_cuts_a_trial_short_at_once_and_a_self_test_is_made_up_for(
    well: House, door: Door, phone: Phone, tmp_path: Path
) -> None:
    """The visitor waits for nothing; the operator is told."""
    wav.write(tmp_path / "long.wav", (speech_tone(800, 10.0, 16000) * 20000).astype(np.int16), 16000)
    playing = audio(door, "play", str(tmp_path / "long.wav"))
    door.await_record("card-opened", reason="play")
    time.sleep(0.5)  # it sounds
    heard = find_tone(well.room.heard(time.monotonic() - 0.4), well.room.rate, 800)
    door.press()
    phone.await_event("CALL_INCOMING")
    rang = time.monotonic()
    accepted = door.await_record("press-accepted")
    testing = audio(door, "test")
    time.sleep(0.3)  # a ring
    quiet = find_tone(well.room.heard(rang), well.room.rate, 800)
    refused = done(audio(door, "play", "chime"))
    phone.answer()
    door.await_record("call-answered")
    began_early = door.records("trial-began", trial="self test")
    phone.hang_up()
    visit = door.await_visit()

    print(f"press to ringing {visit.timeline['ringing']:.1f} ms with a sound playing")
    assert heard.level_dbfs > -30
    assert quiet.level_dbfs < -60
    assert done(playing) == (1, "cut short by a visit\n")
    assert door.await_record("card-opened", reason=f"visit {accepted['INTERCOM_VISIT']}")
    assert refused[0] == 1
    assert "a visit is under way" in refused[1]
    assert not began_early
    assert done(testing)[0] == 0
    assert door.records("trial-began", trial="self test")


def test_the_meter_follows_the_room_and_closes_the_microphone_when_nobody_reads_it(well: House, door: Door) -> None:
    """For the ladder: speak, and see."""
    well.room.say(speech_tone(VISITOR_HZ, 4), loop=True)
    status, text = done(audio(door, "levels", "--seconds", "2", "--json"))
    readings = [json.loads(line)["microphone_db"] for line in text.splitlines()]
    door.await_record("trial-ended", trial="levels", outcome="over")
    well.room.await_ports(open=False)

    assert status == 0
    assert len(readings) > 8
    assert max(readings[2:]) > -30


def test_devices_shows_the_card_under_the_name_that_the_configuration_wants(house: House, door: Door) -> None:
    """Through the daemon where it runs, without it where it does not."""
    told = done(audio(door, "devices"))
    door.stop()
    argv = [sys.executable, "-m", "intercom", "audio", "devices", "--json", "--socket", str(door.socket)]
    alone = subprocess.run(
        argv, env={**os.environ, **house.jackd.env}, capture_output=True, text=True, check=False, timeout=60
    )

    assert told[0] == 0
    assert 'input = "system"' in told[1]
    assert (alone.returncode, alone.stderr) == (0, "")
    assert json.loads(alone.stdout)[0]["rates_hz"] == [16000]


def test_nobody_listens_outside_a_visit_or_a_trial(house: House, door: Door, phone: Phone) -> None:
    """No open device, no port on the card; and every opening and closing is in the journal, with its reason."""
    assert not open_devices(door)
    assert not house.room.ports_open()
    before = len(house.room.port_history())
    asked = time.monotonic()
    done(audio(door, "test"))
    wanted = [(asked, house.room.await_ports(open=False))]
    assert not open_devices(door)
    pressed = door.press()
    phone.await_event("CALL_INCOMING")
    phone.answer()
    door.await_record("call-answered")
    door.await_record("card-opened", 20, reason=f"visit {door.current_visit()}")
    phone.hang_up()
    visit = door.await_visit()
    door.await_record("card-closed", reason=f"visit {visit.id}")
    wanted.append((pressed, house.room.await_ports(open=False)))

    assert not open_devices(door)
    # On a busy machine the card may fall silent and be taken up again, as often as it likes; but not at other times.
    openings = [news.at for news in house.room.port_history()[before:] if news.ports]
    for begin, end in wanted:
        assert [at for at in openings if begin <= at <= end]
    assert [at for at in openings if not any(begin <= at <= end for begin, end in wanted)] == []
    for kind in ("card-opened", "card-closed"):
        told = [record["INTERCOM_REASON"] for record in door.records(kind)]
        assert list(dict.fromkeys(told)) == ["self test", f"visit {visit.id}"]


def open_devices(door: Door) -> list[str]:
    """ALSA devices that the door's processes hold: on a machine with a card of its own. Here the card's ports tell."""
    held = []
    for pid in (door.process.pid, door.engine_pid()):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(link.readlink())
            except OSError:  # gone meanwhile
                continue
            if target.startswith("/dev/snd"):
                held.append(target)
    return held
