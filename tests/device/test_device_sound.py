"""ALSA as the kernel has it: voice both ways."""

from pathlib import Path

import seen

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
