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
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from intercom import paths
from intercom.adapters.code_checker import CodeChecker
from intercom.adapters.engine_process import PAUSES_S, EngineSupervisor
from intercom.adapters.instance import instance
from intercom.adapters.monitors.clock import HostClock
from intercom.adapters.monitors.disk_writes import DiskWrites
from intercom.adapters.monitors.host import Machine
from intercom.adapters.storage.acoustic_reference import ReferenceStore
from intercom.adapters.storage.crash_counter import YOUNG_S, CrashCounter
from intercom.adapters.storage.evidence import Evidence
from intercom.adapters.storage.ledger import LedgerStore
from intercom.adapters.storage.sip_port import persistent_sip_port
from intercom.adapters.storage.strikes import Strike, note
from intercom.adapters.storage.visit_history import VisitHistory
from intercom.adapters.storage.visit_snapshot import SnapshotStore, UntoldFile
from intercom.adapters.storage.writer import Storage
from intercom.adapters.systemd.journal import Journal
from intercom.adapters.systemd.notify import Notify
from intercom.app.button_panel import ButtonPanel
from intercom.app.monitors import kept_up, watchers
from intercom.app.signals import Signals
from intercom.config import core_rules
from intercom.control.api import Desk
from intercom.control.house_api import HouseDesk
from intercom.control.server import Control, refuse_second
from intercom.control.sound_api import SoundApi
from intercom.core.events import ConditionBegan, ConditionEnded, TimePassed, UntoldFound, VisitRestored
from intercom.core.snapshot import NOTHING
from intercom.daemon.reconfigure import ActiveConfig, ConfigSwitcher, LastConfiguration, at_start
from intercom.daemon.shell import Daemon, Ports
from intercom.errors import HardwareError, IntercomError
from intercom.security.hardening import disable_core_dumps

MANY_STARTS = 3
RESTS_S = (0.0, 0.0, 1.0, 2.0, 5.0, 10.0, 20.0)
"""How long a start that led to nothing waits before it ends, by how many did so before it. systemd waits for 30 s."""
PARTS_S = 30.0
"""How often it is tried whether a file or a credential is there again."""


class Closable(Protocol):
    """What has to be given back."""

    def close(self) -> None:
        """Give it back."""


_Closable = TypeVar("_Closable", bound=Closable)


def run(config_path: Path, socket_path: Path) -> int:
    """Be a door until told to stop. Return the exit status: 0 when asked to end, 1 when something failed.

    Raises ConfigError or HardwareError when it cannot be a door at all. Who starts it again at once is slowed down.
    """
    refuse_second(socket_path)
    disable_core_dumps()
    signals, wires = Signals(), ButtonPanel()
    folder = socket_path.parent
    try:
        configured = at_start(config_path, paths.state_folder(folder))
        reason = _run(configured, wires, signals, socket_path)
    except IntercomError:
        signals.rest(RESTS_S[min(CrashCounter(folder / "starts").begin(RESTS_S), len(RESTS_S) - 1)])
        raise
    finally:
        wires.close()
        signals.close()
    if reason:
        print(f"intercom: {reason}", file=sys.stderr)
    return 1 if reason else 0


def _run(configured: ActiveConfig, wires: ButtonPanel, signals: Signals, socket_path: Path) -> str:
    """Be one door after another, as long as another configuration is wanted; return why it ended."""
    was, anew = None, False
    while True:
        for warning in configured.config.warnings:
            print(warning, file=sys.stderr)
        began = time.monotonic()
        try:
            reason = asyncio.run(_serve(configured, wires, signals, socket_path, anew=anew, strict=was is not None))
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


async def _serve(
    configured: ActiveConfig, wires: ButtonPanel, signals: Signals, socket_path: Path, *, anew: bool, strict: bool
) -> str:
    loop = asyncio.get_running_loop()
    folder, config = socket_path.parent, configured.config
    state = paths.state_folder(folder)
    ledger_file = state / "codes"
    earlier = LedgerStore(ledger_file).load()
    daemon = Daemon(core_rules.rules(config, random.random), os.urandom(3).hex(), loop, earlier)
    storage = Storage(daemon.post)
    ledger = LedgerStore(ledger_file, storage=storage)
    starts = CrashCounter(folder / "starts", storage)
    port = persistent_sip_port(state, config.network.bind, storage)
    settings = core_rules.with_keys(core_rules.engine_settings(config, port, instance()))
    # A folder of its own: the engine may read it, and nothing else of ours.
    played = folder / "played"
    with contextlib.suppress(OSError):
        played.mkdir(mode=0o700, exist_ok=True)
    settings = replace(settings, played=str(played))
    voice = EngineSupervisor(settings, daemon.post, young=_young(starts, daemon))
    writes = DiskWrites(lambda: voice.written)
    wall = HostClock(stamp=state / "clock")
    machine = Machine(daemon.post, state_folder=state, wall=wall, writes=writes, storage=storage)
    diary = VisitHistory(state / "visits", storage=storage)
    evidence = Evidence(state)
    daemon.watchers.append(evidence.record)
    desk = Desk(daemon, voice, configured, machine.readings, SoundApi(daemon, voice, played), diary, evidence)
    changing = ConfigSwitcher(configured, daemon)
    control = Control(socket_path, desk.answer)
    with contextlib.ExitStack() as closing:
        signals.serve(lambda number: _signalled(number, configured, daemon, desk))
        closing.callback(signals.leave)
        # Before they are claimed: from then on `intercom lock` knows them.
        note(folder / paths.STRIKES.name, [Strike(d.key, d.strike_pin, d.active == "high") for d in config.doors])
        wires.serve(config, daemon.post, strict=strict)
        daemon.listeners.append(wires.taken)
        daemon.carry(wires.carried)
        _closed_with(closing, voice)
        _closed_with(closing, ledger)
        _closed_with(closing, diary)
        _closed_with(closing, evidence)
        book = _closed_with(closing, CodeChecker(config.codes, daemon.post, clock_known=wall.known))
        closing.callback(control.close)
        await control.start()
        await _open_to_the_house(closing, desk, configured.path.with_name(paths.HOUSE.name), socket_path)
        pending = SnapshotStore(folder / "pending")
        letters = UntoldFile(state / "texts")
        if (untold := letters.load()) != NOTHING:
            daemon.post(UntoldFound(untold))
        if (left := pending.load()) is not None:
            daemon.post(VisitRestored(left))
        changing.begin(anew=anew)
        reference = ReferenceStore(state / "acoustics", storage=storage)
        if (known := reference.load()) is not None:
            daemon.post(known)
        storage.probe(state)
        for name, reason in config.missing:
            daemon.post(ConditionBegan(f"part {name}", reason))
        keep_last = LastConfiguration(state, storage, configured)
        daemon.listeners.append(keep_last.look)
        ports = Ports(
            voice,
            wires.strikes(),
            wires.light(),
            Journal(),
            Notify(),
            pending.keep,
            ledger.keep,
            book.check,
            reference.keep,
            letters.keep,
        )
        comforts = {
            "parts": wires.run,
            "storage": storage.run,
            "ledger": ledger.run,
            "files": lambda: _await_files(configured, daemon),
        }
        tasks = {name: kept_up(name, work, daemon.post) for name, work in comforts.items()}  # what only adds comfort
        # First of all, before anything waits for a disk: what comes from now on is the next daemon's.
        closing.callback(lambda: wires.leave(None if daemon.broken else daemon.state))
        tasks |= watchers(config, daemon.post, state, machine, daemon.listeners)
        reason = await daemon.run(ports, {"voice engine": voice.run(), **tasks})
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


async def _await_files(configured: ActiveConfig, daemon: Daemon) -> None:
    """Have the configuration taken up anew when something is there that it did without."""
    while True:
        await asyncio.sleep(PARTS_S)
        if configured.look_for_missing():
            daemon.post(TimePassed())


def _signalled(number: signal.Signals, configured: ActiveConfig, daemon: Daemon, desk: Desk) -> None:
    """Do what a signal asks for. An end is an end, even if another configuration was wanted."""
    if number is signal.SIGHUP:
        desk.reload(number.name)
    else:
        configured.wanted = None
        daemon.stop(number.name)


def _young(starts: CrashCounter, daemon: Daemon) -> int:
    """Count the daemons before this one that died young, and tell when they are many."""
    young = starts.begin(PAUSES_S)
    if young >= MANY_STARTS:
        daemon.post(ConditionBegan("restarts", f"the daemon died {young} times soon after its start"))
        asyncio.get_running_loop().call_later(YOUNG_S, daemon.post, ConditionEnded("restarts"))
    return young


def _closed_with(closing: contextlib.ExitStack, device: _Closable) -> _Closable:
    """Have a device closed at the end, whatever happens to the others."""
    closing.callback(_quietly, device.close)
    return device


def _quietly(close: Callable[[], None]) -> None:
    try:
        close()
    except Exception as error:  # noqa: BLE001  (the next device must be closed too)
        print(f"closing failed: {error!r}", file=sys.stderr)
