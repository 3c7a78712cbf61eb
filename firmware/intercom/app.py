# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom run`: configuration -> adapters -> daemon. The only place that knows every class."""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from intercom import paths, wiring
from intercom.adapters.control import Control
from intercom.adapters.diary import Diary
from intercom.adapters.engine import PAUSES_S, VoiceEngine
from intercom.adapters.evidence import Evidence
from intercom.adapters.gpio import GpioLight, GpioSensors, GpioStrike
from intercom.adapters.journal import open_journal
from intercom.adapters.keypad import MatrixKeypad, WiegandReader
from intercom.adapters.ledger import LedgerFile
from intercom.adapters.machine import Machine
from intercom.adapters.notify import Notify
from intercom.adapters.pending import PendingFile, UntoldFile
from intercom.adapters.reference import ReferenceFile
from intercom.adapters.sip_port import kept_port
from intercom.adapters.starts import YOUNG_S, Starts
from intercom.adapters.strikes import Strike, note
from intercom.adapters.writes import Writes
from intercom.codebook import CodeBook
from intercom.config import Config, Keypad
from intercom.configured import Changing, Configured
from intercom.core.commands import Lamp
from intercom.core.events import ConditionBegan, ConditionEnded, UntoldFound, VisitRestored
from intercom.core.pending import NOTHING
from intercom.daemon import Daemon, Ports
from intercom.desk import Desk
from intercom.errors import HardwareError, IntercomError
from intercom.house_desk import HouseDesk
from intercom.loading import load
from intercom.ports import Light, Post
from intercom.secrecy import lock_memory_in
from intercom.sound_desk import SoundDesk
from intercom.watch import watchers
from intercom.wires import Wires


class Closable(Protocol):
    """What has to be given back."""

    def close(self) -> None:
        """Give it back."""


MANY_STARTS = 3
_Closable = TypeVar("_Closable", bound=Closable)


class NoLight:
    """A panel without a lamp."""

    def show(self, lamp: Lamp) -> None:
        """Nothing to show it with."""

    def close(self) -> None:
        """Nothing to give back."""


def run(config_path: Path, socket_path: Path) -> int:
    """Be a door until told to stop. Return the exit status: 0 when asked to end, 1 when something failed.

    Raises ConfigError or HardwareError before anything has begun.
    """
    lock_memory_in()
    configured = Configured(config_path, load(config_path))
    wires = Wires()
    try:
        reason = _run(configured, wires, socket_path)
    finally:
        wires.close()
    if reason:
        print(f"intercom: {reason}", file=sys.stderr)
    return 1 if reason else 0


def _run(configured: Configured, wires: Wires, socket_path: Path) -> str:
    """Be one door after another, as long as another configuration is wanted; return why it ended."""
    was, anew = None, False
    while True:
        for warning in configured.config.warnings:
            print(warning, file=sys.stderr)
        began = time.monotonic()
        try:
            reason = asyncio.run(_serve(configured, wires, socket_path, anew=anew))
        except HardwareError as error:
            reason = str(error)
            if was is None:
                raise
        anew = True
        if reason and was is not None and time.monotonic() - began < YOUNG_S:
            # The one before worked a moment ago.
            configured.go_back(was, reason)
            was = None
        elif reason or (was := configured.take()) is None:
            return reason


async def _serve(configured: Configured, wires: Wires, socket_path: Path, *, anew: bool) -> str:
    loop = asyncio.get_running_loop()
    folder, config = socket_path.parent, configured.config
    state = paths.state_folder(folder)
    ledger = LedgerFile(state / "codes")
    daemon = Daemon(wiring.rules(config, random.random), os.urandom(3).hex(), loop, ledger.load())
    starts = Starts(folder / "starts")
    settings = wiring.engine_settings(config, kept_port(state, config.network.bind))
    voice = VoiceEngine(settings, daemon.post, young=_young(starts, daemon))
    writes = Writes(lambda: voice.written)
    readings = Machine(daemon.post, state_folder=state, writes=writes).readings
    diary = Diary(state / "visits")
    evidence = Evidence(state)
    daemon.watchers.append(evidence.record)
    desk = Desk(daemon, voice, configured, readings, SoundDesk(daemon, voice, folder), diary, evidence)
    changing = Changing(configured, daemon)
    control = Control(socket_path, desk.answer)
    loop.add_signal_handler(signal.SIGHUP, desk.reload, "SIGHUP")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, configured, daemon, number.name)
    with contextlib.ExitStack() as closing:
        # Before they are claimed: from then on `intercom lock` knows them.
        note(folder / paths.STRIKES.name, [Strike(d.key, d.strike_pin, d.active == "high") for d in config.doors])
        # Strikes first: whatever fails after them leaves the doors locked.
        strikes = {
            door.key: _closed_with(closing, GpioStrike(door.key, door.strike_pin, active_high=door.active == "high"))
            for door in config.doors
        }
        light = _closed_with(closing, _light(config))
        wires.serve({b.key: (b.pin, b.pull == "up") for b in config.buttons}, daemon.post)
        closing.callback(lambda: wires.leave(daemon.state))
        _closed_with(closing, GpioSensors(wiring.sensor_pins(config), daemon.post))
        for keypad in config.keypads:
            _closed_with(closing, _keypad(keypad, daemon.post, config.calls.stuck_s))
        _closed_with(closing, ledger)
        _closed_with(closing, diary)
        _closed_with(closing, evidence)
        machine = Machine(daemon.post, state_folder=state)
        book = _closed_with(closing, CodeBook(config.codes, daemon.post, clock_known=machine.clock_known))
        await control.start()
        closing.callback(control.close)
        await _open_to_the_house(closing, desk, configured.path.with_name(paths.HOUSE.name), socket_path)
        pending = PendingFile(folder / "pending")
        letters = UntoldFile(state / "texts")
        if (untold := letters.load()) != NOTHING:
            daemon.post(UntoldFound(untold))
        if (left := pending.load()) is not None:
            daemon.post(VisitRestored(left))
        changing.begin(anew=anew)
        reference = ReferenceFile(state / "acoustics")
        if (known := reference.load()) is not None:
            daemon.post(known)
        ports = Ports(
            voice,
            strikes,
            light,
            open_journal(),
            Notify(),
            pending.keep,
            ledger.keep,
            book.check,
            reference.keep,
            letters.keep,
        )
        own = {"voice engine": voice.run(), "ledger": ledger.run()}
        reason = await daemon.run(ports, {**own, **watchers(config, daemon.post, state, writes)})
        if not reason:
            starts.end()
        return reason


async def _open_to_the_house(closing: contextlib.ExitStack, desk: Desk, settings: Path, socket_path: Path) -> None:
    """Listen for the house as well. Without that socket the door is a door all the same."""
    place = paths.HOUSE_SOCKET if socket_path == paths.SOCKET else socket_path.with_name(paths.HOUSE_SOCKET.name)
    house = Control(place, HouseDesk(desk, settings).answer)
    try:
        await house.start()
    except IntercomError as error:
        print(f"intercom: the house is not told: {error}", file=sys.stderr)
    else:
        closing.callback(house.close)


def _stop(configured: Configured, daemon: Daemon, reason: str) -> None:
    """End, even if another configuration was wanted."""
    configured.wanted = None
    daemon.stop(reason)


def _young(starts: Starts, daemon: Daemon) -> int:
    """Count the daemons before this one that died young, and tell when they are many."""
    young = starts.begin(PAUSES_S)
    if young >= MANY_STARTS:
        daemon.post(ConditionBegan("restarts", f"the daemon died {young} times soon after its start"))
        asyncio.get_running_loop().call_later(YOUNG_S, daemon.post, ConditionEnded("restarts"))
    return young


def _keypad(keypad: Keypad, post: Post, stuck_s: float) -> MatrixKeypad | WiegandReader:
    if keypad.rows:
        return MatrixKeypad(keypad.key, keypad.rows, keypad.columns, post, stuck_s=stuck_s)
    return WiegandReader(keypad.key, keypad.data0, keypad.data1, post)


def _light(config: Config) -> Light:
    if config.lamp is None:
        return NoLight()
    lamp = config.lamp
    pins = lamp.pin or {"r": lamp.red, "g": lamp.green, "b": lamp.blue}
    return GpioLight(pins, active_high=lamp.active == "high")


def _closed_with(closing: contextlib.ExitStack, device: _Closable) -> _Closable:
    """Have a device closed at the end, whatever happens to the others."""
    closing.callback(_quietly, device.close)
    return device


def _quietly(close: Callable[[], None]) -> None:
    try:
        close()
    except Exception as error:  # noqa: BLE001  (the next device must be closed too)
        print(f"closing failed: {error!r}", file=sys.stderr)
