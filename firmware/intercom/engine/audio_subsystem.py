# SPDX-License-Identifier: GPL-2.0-or-later
"""All of the engine that is heard: bridge, card, tones, conversation.

What it is made of (numpy, WebRTC, PortAudio) takes longer to read than all the rest, so another thread reads it beside
the registered telephone. What is ordered meanwhile waits for it, in order.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from intercom.core.commands import Audio, ListAudioDevices, PlayFile, PlayTone, SetAudio, Sweep
from intercom.core.events import Event
from intercom.engine.sip import uri, user_agent
from intercom.ipc import protocol

if TYPE_CHECKING:
    from intercom.engine.audio.controller import Sound
    from intercom.engine.call_monitor import CallMonitor

Order = PlayTone | PlayFile | ListAudioDevices | Sweep | SetAudio
ORDERS = (PlayTone, PlayFile, ListAudioDevices, Sweep, SetAudio)


class AudioSubsystem:
    """The sound, as soon as it is there. For the main thread."""

    def __init__(
        self, phone: user_agent.Telephone, settings: protocol.EngineSettings, post: Callable[[Event], None]
    ) -> None:
        self._phone, self._settings, self._post = phone, settings, post
        self._sound: Sound | None = None
        self._conversation: CallMonitor | None = None
        self._waiting: list[Order] = []
        self._read = False
        self.silent = True
        """Whether the last level of the sound is none at all."""

    def begin(self, wake_fd: int) -> None:
        """Read the modules; `wake_fd` is an eventfd, written to when they are there."""
        threading.Thread(target=self._read_modules, args=(wake_fd,), name="sound's modules", daemon=True).start()

    def _read_modules(self, wake_fd: int) -> None:
        try:
            import_module("intercom.engine.call_monitor")
            import_module("intercom.engine.audio.tones")
        except Exception as error:  # noqa: BLE001  (told by the main thread, which meets it again)
            print(f"voice engine: {error!r}", file=sys.stderr, flush=True)
        self._read = True
        os.eventfd_write(wake_fd, 1)

    def look(self) -> None:
        """Take up what was read. Raises what the modules raise when they cannot be read."""
        if self._read and self._sound is None:
            self._begin()
            waiting, self._waiting = self._waiting, []
            for order in waiting:
                uri.kept(self.obey, order, name=type(order).__name__)

    def _begin(self) -> None:
        from intercom.engine.audio.bridge import Bridge  # noqa: PLC0415  (these have been read by the other thread)
        from intercom.engine.audio.controller import Sound  # noqa: PLC0415
        from intercom.engine.audio.tones import Tones  # noqa: PLC0415
        from intercom.engine.call_monitor import CallMonitor  # noqa: PLC0415

        settings = self._settings
        bridge = Bridge(user_agent.library(), settings.rate_hz, settings.period_ms)
        bridge.attach()
        self._sound = Sound(
            bridge=bridge,
            tones=Tones(settings.rate_hz, settings.country, {file.tone: file.path for file in settings.tone_files}),
            rate_hz=settings.rate_hz,
            period_ms=settings.period_ms,
            card_in=settings.card_in,
            card_out=settings.card_out,
            microphone_db=settings.microphone_db,
            loudspeaker_db=settings.loudspeaker_db,
            echo=settings.echo,
            gain=settings.gain,
            levels=settings.mixer,
            post=self._post,
            register_thread=self._phone.register_thread,
        )
        self._conversation = CallMonitor(self._phone, self._sound, self._post)

    def obey(self, order: Order) -> None:
        """Carry out an order, or keep it until there is what it is for."""
        sound, conversation = self._sound, self._conversation
        if sound is None or conversation is None:
            self._waiting.append(order)
            return
        match order:
            case PlayTone(tone):
                sound.play(tone)
            case PlayFile(name):
                sound.play_sound(name)
            case ListAudioDevices():
                sound.list_cards()
            case Sweep():
                sound.sweep()
            case SetAudio(audio):
                self.silent = audio == Audio()
                # Connected first, so that what is said from now on goes out at once; else nothing is said first of all.
                parts = (self._phone.set_audio, sound.set)
                for part in parts if audio.speak else reversed(parts):
                    uri.kept(part, audio)
                sound.listen_for_keys(audio.speak if self._phone.keys_in_band(audio.speak) else "")
                conversation.set(audio, time.monotonic())

    def tick(self, now: float) -> None:
        """Do what is due in a conversation."""
        if self._conversation is not None:
            self._conversation.tick(now)

    def keeps_time(self) -> bool:
        """Tell whether the audio clock went on since this was last asked, where one is wanted."""
        return self._sound is None or self._sound.keeps_time()

    @property
    def blocked_s(self) -> float:
        """How long a driver has kept the sound's worker."""
        return 0.0 if self._sound is None else self._sound.blocked_s

    def close(self) -> None:
        """Give the card back."""
        if self._sound is not None:
            self._sound.close()
