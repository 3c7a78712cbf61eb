# SPDX-License-Identifier: GPL-2.0-or-later
"""What is watched beside the calls: the network, names, the machine, the hour.

The library for names is slow to load, so it is loaded by another thread, beside the running door, where one is needed.
"""

import asyncio
import importlib
import ipaddress
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from intercom import grammar, wiring
from intercom.adapters.machine import Machine
from intercom.adapters.network import Network
from intercom.adapters.profiles import Profile, Profiles
from intercom.adapters.self_tests import SelfTests
from intercom.adapters.writes import Writes
from intercom.config import Config
from intercom.core.events import Event, NetworkChanged
from intercom.ports import Post


def watchers(config: Config, post: Post, folder: Path, writes: Writes) -> Mapping[str, Coroutine[Any, Any, None]]:
    """Return the watchers of this configuration, by name; each runs for ever. `folder` holds its state."""
    machine = Machine(post, state_folder=folder, writes=writes)
    tasks: dict[str, Coroutine[Any, Any, None]] = {
        "network and names": _network_and_names(config, post),
        "machine": machine.run(),
    }
    tasks["self tests"] = SelfTests(
        post,
        folder / "tested",
        at_start=config.sound.test_at_start,
        daily_minute=grammar.minute(config.sound.test_at) if config.sound.test_at else None,
    ).run()
    if config.profiles:
        tasks["profiles"] = _profiles(config, post, machine)
    return tasks


async def _network_and_names(config: Config, post: Post) -> None:
    """Watch the network; a change of it makes old names doubtful."""
    servers = wiring.named_servers(config)
    names = None
    if servers:
        names_py = await asyncio.to_thread(importlib.import_module, "intercom.adapters.names")
        names = names_py.Names(servers, post)

    def changed(event: Event) -> None:
        post(event)
        if names is not None and isinstance(event, NetworkChanged):
            names.refresh()

    network = Network(changed, include_loopback=_is_loopback(config.network.bind))
    await asyncio.gather(network.run(), *([names.run()] if names is not None else []))


def _is_loopback(address: str) -> bool:
    """Whether the door serves this machine alone, as in the demo: then the loopback is a network."""
    return bool(address) and ipaddress.ip_address(address).is_loopback


async def _profiles(config: Config, post: Post, machine: Machine) -> None:
    on_holidays = {"also": None, "never": False, "only": True}
    profiles = {
        profile.key: Profile(profile.days, profile.start_minute, profile.end_minute, on_holidays[profile.holidays])
        for profile in config.profiles
    }
    await Profiles(profiles, config.calendar.holidays, post, clock_known=machine.clock_known).run()
