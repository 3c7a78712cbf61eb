# SPDX-License-Identifier: GPL-2.0-or-later
"""Which sound cards there are, under the names that the configuration wants, and at which rates they open."""

from typing import Any

from intercom.core.events import AudioDevice
from intercom.engine.audio import alsa_config
from intercom.engine.audio.resample import RATES_HZ
from intercom.engine.audio.stream import Stderr, opens, portaudio
from intercom.errors import HardwareError


def survey(*, tried: bool) -> list[AudioDevice]:
    """Return every card. Unless they may be `tried`, only what can be seen from outside."""
    kernel = {card.name: card for card in alsa_config.cards()}
    if not tried:
        return [_seen(card) for card in kernel.values()]
    with Stderr():
        alsa_config.show(list(kernel))
        try:
            audio = portaudio()
        except HardwareError:
            return []
        try:
            known = (audio.get_device_info_by_index(index) for index in range(audio.get_device_count()))
            found = [_found(audio, card, kernel) for card in known]
        finally:
            audio.terminate()
    missing = kernel.keys() - {card.name for card in found}
    return found + [_seen(kernel[name]) for name in sorted(missing)]


def _seen(card: alsa_config.SoundCard) -> AudioDevice:
    return AudioDevice(card.name, card.label, int(card.records), int(card.plays), ())


def _found(audio: Any, card: dict[str, Any], kernel: dict[str, alsa_config.SoundCard]) -> AudioDevice:
    name = str(card["name"])
    return AudioDevice(
        name=name,
        label=kernel[name].label if name in kernel else str(audio.get_host_api_info_by_index(card["hostApi"])["name"]),
        inputs=int(card["maxInputChannels"]),
        outputs=int(card["maxOutputChannels"]),
        rates_hz=tuple(rate for rate in RATES_HZ if opens(audio, card, rate)),
    )
