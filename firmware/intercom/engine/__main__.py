# SPDX-License-Identifier: GPL-2.0-or-later
"""The voice engine's process: one loop around PJSIP and the daemon's socket.

`python -m intercom.engine FD`, where FD is one end of a socket pair. The first line is the settings; then orders come
in and events go out until the daemon says stop or is gone.
"""

import contextlib
import ctypes
import gc
import math
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from functools import partial

from intercom.core.commands import (
    AnswerCall,
    HangUp,
    Knock,
    PlaceCall,
    Probe,
    RebindTransports,
    Register,
    RequestConfirmation,
    SelectServer,
    SendDtmf,
    SendMessage,
    SetTrace,
    StopEngine,
)
from intercom.core.events import EngineHeartbeat, EngineStarted, Event, LineLost
from intercom.engine.audio_subsystem import ORDERS, AudioSubsystem
from intercom.engine.sandbox import Sandbox
from intercom.engine.sip import uri, user_agent
from intercom.errors import EngineError, WireError
from intercom.ipc import protocol
from intercom.process.disk_io import own_bytes
from intercom.security.hardening import disable_core_dumps

BEAT_S = 1.0
TICK_MS = 100
"""In a call PJSIP's timers may be this late: its other threads start some (RFC 3261's shortest is T1, 500 ms)."""
SWEEP_S = 60.0
GOODBYE_S = 1.5
STUCK_S = 5.0
"""A driver that keeps the card this long is stuck, and only a new process gets the card back."""
_PR_SET_PDEATHSIG = 1


class Outbox:
    """Events on their way to the daemon, from any thread."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._events: deque[tuple[float, Event]] = deque()
        self._rest = b""
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def post(self, event: Event) -> None:
        """Date an event and wake the loop."""
        self._events.append((time.monotonic(), event))
        os.eventfd_write(self.wake_fd, 1)

    def flush(self) -> bool:
        """Send what the socket takes; return whether something is left."""
        while self._events:
            at, event = self._events.popleft()
            self._rest += protocol.encode(event, at)
        if len(self._rest) > protocol.LONGEST:
            raise WireError("the daemon does not read")
        if self._rest:
            with contextlib.suppress(BlockingIOError):
                self._rest = self._rest[self._link.send(self._rest) :]
        return bool(self._rest)


class Engine:
    """Telephone and sound under one loop."""

    def __init__(self, link: socket.socket, settings: protocol.EngineSettings, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._link, self._lines, self._stopping = link, protocol.Lines(), False
        self._outbox = Outbox(link)
        self._phone = user_agent.Telephone(settings, self._outbox.post)
        self._phone.start()
        self._audible = AudioSubsystem(self._phone, settings, self._outbox.post)

    def run(self) -> None:
        """Go round until told to stop, or until the daemon is gone."""
        self._outbox.post(EngineStarted(self._phone.about()))
        self._audible.begin(self._outbox.wake_fd)
        poll = select.poll()
        poll.register(self._phone.event_fd, select.POLLIN)
        poll.register(self._outbox.wake_fd, select.POLLIN)
        beat_at, sweep_at = 0.0, time.monotonic() + SWEEP_S
        while not self._stopping:
            full = self._outbox.flush()
            poll.register(self._link, select.POLLIN | (select.POLLOUT if full else 0))
            ready = {fd for fd, _ in poll.poll(self._rest_ms(beat_at))}
            if self._outbox.wake_fd in ready:
                os.eventfd_read(self._outbox.wake_fd)
            if self._link.fileno() in ready:
                self._obey()
            self._phone.pump()
            now = time.monotonic()
            self._audible.look()
            uri.kept(self._audible.tick, now)
            if now >= beat_at:
                self._beat()
                uri.kept(self._phone.look_round)
                self._stay_fenced(sweeping=now >= sweep_at)
                beat_at = now + BEAT_S
            if not self._phone.calls:
                # Not before the daemon has been told that the last call is over: it would call the house back.
                if self._audible.blocked_s > STUCK_S and not self._outbox.flush():
                    raise EngineError(f"the sound card's driver has not come back for {STUCK_S:.0f} s")
                if now >= sweep_at:
                    gc.collect()
                    sweep_at = now + SWEEP_S
        self._phone.stop(GOODBYE_S)
        self._audible.close()

    def _stay_fenced(self, *, sweeping: bool) -> None:
        """Make way for a new engine when there is something new to open: this one cannot. Raises EngineError."""
        if not self._phone.calls and (new := self._sandbox.outdated(hardware=not sweeping)):
            raise EngineError(f"{new} is new here, and only a new engine may open it")

    def _rest_ms(self, beat_at: float) -> int:
        """Return how long nothing happens by itself. Without calls and sound PJSIP's timers are all this thread's."""
        if self._phone.calls or not self._audible.silent:
            return TICK_MS
        # Rounded up: woken a moment too early it would have to go round twice.
        return self._phone.rest_ms(max(math.ceil(1000 * (beat_at - time.monotonic())), 0))

    def _beat(self) -> None:
        """Tell that this loop and the audio clock go on. Without it the daemon kills this process."""
        if self._audible.keeps_time():
            self._outbox.post(EngineHeartbeat(own_bytes()))
        else:
            print("voice engine: the audio clock stands still", file=sys.stderr, flush=True)

    def _obey(self) -> None:
        try:
            data = self._link.recv(65536)
        except BlockingIOError:
            return
        self._stopping = self._stopping or not data
        for line in self._lines.feed(data):
            self._carry_out(protocol.decode(line)[1])

    def _carry_out(self, command: object) -> None:
        """Obey an order. One that fails ends the leg that it belongs to, told, and no other."""
        uri.kept(self._order, command, failed=partial(self._failed, command), name=type(command).__name__)

    def _failed(self, command: object, reason: str) -> None:
        match command:
            case Register(account):
                self._outbox.post(LineLost(account, 503, reason, silent=True))
            case _:
                if leg := getattr(command, "leg", ""):
                    self._phone.spoilt(leg, reason)

    def _order(self, command: object) -> None:
        if isinstance(command, ORDERS):
            self._audible.obey(command)
            return
        match command:
            case PlaceCall():
                self._phone.place(command)
            case AnswerCall(leg):
                self._phone.answer(leg)
            case HangUp(leg, code, elsewhere):
                self._phone.hang_up(leg, code, elsewhere=elsewhere)
            case Register(account, anew):
                self._phone.register(account, anew=anew)
            case Knock(account, servers):
                self._phone.knock(account, servers)
            case Probe(account):
                self._phone.probe(account)
            case SelectServer(account, server, others):
                self._phone.hear(account, others)
                self._phone.use_server(account, server)
            case RebindTransports():
                self._phone.refresh_network()
            case RequestConfirmation(leg):
                self._phone.ask_to_confirm(leg)
            case SendDtmf(leg, digits):
                self._phone.send_digits(leg, digits)
            case SendMessage(account, target, text, number):
                self._phone.send_text(account, target, text, number)
            case SetTrace(on):
                self._phone.trace(on=on)
            case StopEngine():
                self._stopping = True


def main(argv: list[str]) -> int:
    """Run an engine on the given socket, or say what it is made of."""
    if argv == ["--versions"]:
        print(user_agent.versions(), flush=True)
        os._exit(0)  # PJSIP's wrapper may crash in the interpreter's own clean-up
    disable_core_dumps()
    # An engine without its daemon must not hold the sound card.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Stopping and reloading are the daemon's affair; a terminal's Ctrl-C and its end reach both.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    link = socket.socket(fileno=int(argv[0]))
    settings = _settings(link)
    link.setblocking(False)
    gc.disable()
    # Before PJSIP starts a thread and opens a port: what is given up now nothing that arrives gets back.
    sandbox = Sandbox(settings)
    for failure in sandbox.close():
        print(f"voice engine: not closed off: {failure}", file=sys.stderr, flush=True)
    try:
        Engine(link, settings, sandbox).run()
    except EngineError as error:
        print(f"voice engine: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def _settings(link: socket.socket) -> protocol.EngineSettings:
    with link.makefile("rb", buffering=0) as lines:
        line = lines.readline()
    if not line:
        os._exit(0)  # the daemon has ended before it had any: it was started with a mistake in its configuration
    _, settings = protocol.decode(line)
    if not isinstance(settings, protocol.EngineSettings):
        raise WireError("the first line must be the settings")
    return settings


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
