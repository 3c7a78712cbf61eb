# SPDX-License-Identifier: GPL-2.0-or-later
"""What is watched beside the calls: the network, names, the machine, the hour.

The library for names is slow to load, so it is loaded by another thread, beside the running door, where one is needed.
"""

import asyncio
import importlib
import ipaddress
import logging
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from intercom.adapters.monitors.host import Machine
from intercom.adapters.monitors.network import Network
from intercom.adapters.monitors.schedules import Profile, ScheduleMonitor
from intercom.adapters.monitors.self_test_timer import SelfTestTimer
from intercom.config import core_rules, validators
from intercom.config.model import Config
from intercom.core.events import ConditionBegan, ConditionEnded, Event, LineLost, NetworkChanged
from intercom.daemon.ports import Post

_log = logging.getLogger("intercom")
PAUSE_S = 10.0
"""Between the failure of a watcher and its next start, in seconds; twice as long each time ..."""
LONGEST_PAUSE_S = 600.0
"""... up to this."""
Work = Callable[[], Coroutine[Any, Any, object]]


def watchers(
    config: Config, post: Post, folder: Path, machine: Machine, listeners: list[Callable[[Event], None]]
) -> Mapping[str, Coroutine[Any, Any, None]]:
    """Return the watchers of this configuration, by name; each runs for ever. `folder` holds its state.

    `listeners` hear every event that the door takes.
    """
    self_tests = SelfTestTimer(
        post,
        folder / "tested",
        at_start=config.sound.test_at_start,
        daily_minute=validators.minute(config.sound.test_at) if config.sound.test_at else None,
        clock_known=machine.clock_known,
    )
    works: dict[str, Work] = {
        "network and names": lambda: _network_and_names(config, post, listeners),
        "machine": machine.run,
        "self tests": self_tests.run,
    }
    if config.profiles:
        works["profiles"] = lambda: _profiles(config, post, machine)
    return {name: kept_up(name, work, post) for name, work in works.items()}


async def kept_up(name: str, work: Work, post: Post, *, pause_s: float = PAUSE_S) -> None:
    """Do a work that only adds comfort, for ever: when it fails, that is told, and after a pause it is begun again."""
    well: asyncio.TimerHandle | None = None
    while True:
        try:
            await work()
            trouble = "it has ended"
        except Exception as error:  # noqa: BLE001  (whatever it is, it is not the door's)
            _log.error("%s failed", name, exc_info=error)
            trouble = repr(error)
        finally:
            if well is not None:
                well.cancel()
        post(ConditionBegan(f"software {name}", trouble))
        await asyncio.sleep(pause_s)
        # Longer each time, so that the journal is not filled; one that lasts for as long is well.
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        well = asyncio.get_running_loop().call_later(pause_s, post, ConditionEnded(f"software {name}"))


async def _network_and_names(config: Config, post: Post, listeners: list[Callable[[Event], None]]) -> None:
    """Watch the network; a change of it makes old names doubtful, and a line that failed that of its server."""
    servers = core_rules.named_servers(config)
    names = None
    if servers:
        names_py = await asyncio.to_thread(importlib.import_module, "intercom.adapters.monitors.dns")
        names = names_py.Names(servers, post)

    def changed(event: Event) -> None:
        post(event)
        if names is not None and isinstance(event, NetworkChanged):
            names.refresh()

    def heard(event: Event) -> None:
        if names is not None and isinstance(event, LineLost) and event.account in servers:
            names.refresh(event.account)

    listeners.append(heard)
    network = Network(changed, include_loopback=_is_loopback(config.network.bind))
    try:
        await asyncio.gather(network.run(), *([names.run()] if names is not None else []))
    finally:
        listeners.remove(heard)


def _is_loopback(address: str) -> bool:
    """Whether the door serves this machine alone, as in the demo: then the loopback is a network."""
    return bool(address) and ipaddress.ip_address(address).is_loopback


async def _profiles(config: Config, post: Post, machine: Machine) -> None:
    on_holidays = {"also": None, "never": False, "only": True}
    profiles = {
        profile.key: Profile(profile.days, profile.start_minute, profile.end_minute, on_holidays[profile.holidays])
        for profile in config.profiles
    }
    await ScheduleMonitor(profiles, config.calendar.holidays, post, clock_known=machine.clock_known).run()
