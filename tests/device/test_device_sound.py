"""ALSA as the kernel has it: voice both ways, and a USB card that is pulled out in a call."""

from pathlib import Path

import seen
from conftest import door_configuration

from lab.baresip import Phone
from lab.device import Device
from lab.house import BUTTON, PHONE_HZ, VISITOR_HZ, heard_by
from lab.tones import find_tone, read_wav, speech_tone, write_wav

FAR_END = "plughw:Loopback,1,0"
SLOW_S = 120


def speak(device: Device, folder: Path) -> None:
    """Have a visitor speak into the microphone, until the device is switched off."""
    voice = write_wav(folder / "voice.wav", speech_tone(VISITOR_HZ, 20))
    device.put("/tmp/voice.wav", voice.read_bytes())
    again = f"while :; do aplay -q -D {FAR_END} /tmp/voice.wav; done"
    device(f"setsid sh -c '{again}' >/dev/null 2>&1 </dev/null &")


def test_both_hear_each_other_through_alsa(device: Device, phone: Phone, tmp_path: Path) -> None:
    """What is heard, not how well: the processor is too slow to say."""
    mark = device.mark()
    speak(device, tmp_path)
    device.press(BUTTON)
    phone.await_event("CALL_INCOMING", SLOW_S)
    phone.answer()
    device.await_record("call-answered", SLOW_S, after=mark)
    device(f"timeout 60 arecord -q -D {FAR_END} -f S16_LE -r 16000 -c 1 -d 8 /tmp/heard.wav")
    phone.hang_up()
    ended = device.await_record("visit-ended", SLOW_S, after=mark)
    heard = tmp_path / "heard.wav"
    heard.write_bytes(device.fetch("/tmp/heard.wav"))
    at_the_door, in_the_house = find_tone(*read_wav(heard), PHONE_HZ), heard_by(phone)

    seen.add("house heard at the door through ALSA", f"{at_the_door.peak_hz:.0f} Hz at {at_the_door.level_dbfs} dBFS")
    seen.add(
        "visitor heard in the house through ALSA", f"{in_the_house.peak_hz:.0f} Hz at {in_the_house.level_dbfs} dBFS"
    )
    assert at_the_door.heard, at_the_door
    assert in_the_house.heard, in_the_house
    assert ended["INTERCOM_OUTCOME"] == "talked"


def test_a_usb_card_is_pulled_out_in_a_call_and_put_back(device: Device, phone: Phone) -> None:
    """The call goes on, the loss is told once, and the card is found again when it is back."""
    device.emulator.plug_card()
    device.await_command("grep -q USB-Audio /proc/asound/cards", SLOW_S)
    text = door_configuration().replace('output = "Loopback"', 'output = "USB-Audio"')
    device.put("/etc/intercom/intercom.toml", text, 0o640)
    mark = device.mark()
    device("chgrp intercom /etc/intercom/intercom.toml && systemctl reload intercom")
    device.await_record("line-up", SLOW_S, after=mark)
    device.press(BUTTON)
    phone.await_event("CALL_INCOMING", SLOW_S)
    phone.answer()
    opened = device.await_record("card-opened", SLOW_S, after=mark)
    device.await_record("call-answered", SLOW_S, after=mark)
    device("sleep 3")  # a sentence
    mark = device.mark()
    device.emulator.pull_card()
    lost = device.await_record("condition-began", SLOW_S, after=mark, condition="sound card")
    still_there = phone.busy()
    device.emulator.plug_card()
    device.await_record("condition-ended", SLOW_S, after=mark, condition="sound card")
    phone.hang_up()
    ended = device.await_record("visit-ended", SLOW_S, after=mark)

    seen.add("USB card pulled out in a call", f"{lost['INTERCOM_DETAIL']}; the call goes on, and it is found again")
    assert "Audio" in opened["INTERCOM_CARD"]
    assert still_there
    assert ended["INTERCOM_OUTCOME"] == "talked"
