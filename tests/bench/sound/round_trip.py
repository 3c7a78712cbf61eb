"""How long a sound takes from the visitor's microphone to the far end and back to the loudspeaker."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from bench.sound.engines import Door
from bench.sound.far_end import FarEnd
from numpy.typing import NDArray

from lab.processes import LabError
from lab.room import Room
from lab.tones import chirp

Call = Callable[[str], Door]
"""Makes a call with a codec."""
RATE = 16000
SETTLING_S = 2
"""After the beginning of a call; jitter buffers find their length."""
LONGEST_S = 0.7


def await_sound(far: FarEnd, seconds: float = 10.0) -> None:
    """Await the first packet of the door."""
    deadline = time.monotonic() + seconds
    while not far.in_call():
        if time.monotonic() > deadline:
            raise LabError("no sound comes from the door")
        time.sleep(0.02)
    time.sleep(0.5)


def trips(room: Room, call: Call, seconds: int) -> list[float]:
    """Say a chirp a second, which the far end sends back at once; return how long each took, in ms.

    Raises LabError when none was heard.
    """
    far = FarEnd("pcmu")
    far.echo()
    room.echo(gain_db=None)
    door = call("pcmu")
    await_sound(far)
    short = chirp()
    signal = np.zeros((seconds + 1) * RATE, np.float32)
    for second in range(seconds):
        signal[second * RATE : second * RATE + len(short)] = short
    began = room.say(signal)
    time.sleep(seconds + 1)
    heard = room.heard(began)
    door.hang_up()
    far.stop()
    found = _found(heard, short, [float(second) for second in range(SETTLING_S, seconds)])
    if not found:
        raise LabError(f"{door.name}: what the far end sent back is not heard at the door")
    return found


def _found(heard: NDArray[np.float32], short: NDArray[np.float32], said: list[float]) -> list[float]:
    """Return how long after each was said, in seconds on the clock of `heard`, a chirp was heard; in ms."""
    match = np.abs(np.correlate(heard, short, "valid"))
    found = []
    for at in said:
        window = match[round(at * RATE) : round((at + LONGEST_S) * RATE)]
        if len(window) and window.max() > 0.3 * match.max():
            found.append(1000 * int(window.argmax()) / RATE)
    return found
