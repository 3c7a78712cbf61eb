# SPDX-License-Identifier: GPL-2.0-or-later
"""Another configuration for a door that runs: it waits for the end of a visit, and may be on trial.

A trial that nobody keeps is over when its time is up, and the configuration before it is back, whatever became of
whoever began it. The file itself is not touched here: a daemon that dies starts with what is in it.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from intercom.config import core_rules
from intercom.config.loader import Content, load, made, read
from intercom.config.model import Calls, Config
from intercom.core.commands import Kind, Report
from intercom.core.events import (
    ButtonPressed,
    ConditionBegan,
    EngineStarted,
    Event,
    Reconfigured,
    StopRequested,
    TimePassed,
)
from intercom.core.state import State
from intercom.daemon.ports import Storage
from intercom.daemon.shell import Daemon
from intercom.errors import ConfigError
from intercom.process import whole_files

LONGEST_TRIAL_S = 3600.0
LAST = "last.toml"
"""The last configuration that worked, among the files of the state."""


@dataclass(slots=True)
class ActiveConfig:
    """The configuration in use, and what becomes of it; outlives the daemons that are made of it."""

    path: Path
    config: Config
    wanted: Config | None = None
    """What the door shall be as soon as nobody is at it."""
    by: str = ""
    """Who wants that."""
    before: Config | None = None
    """What comes back when a trial is over."""
    until: float = 0.0
    """When that is, in seconds of CLOCK_MONOTONIC."""
    failed: str = ""
    """Why the one that was wanted last cannot be had."""
    presses: list[tuple[str, str]] = field(default_factory=list)
    """Presses in the moment between one daemon and the next: button, by whom."""
    content: Content | None = None
    """What was in the file that `config` was made of; None on trial."""
    fresh: Content | None = None
    """What was in the file that `wanted` was made of."""

    def load(self, by: str) -> None:
        """Want what is in the file now. Raises ConfigError with all that is wrong."""
        fresh = read(self.path)
        self.wanted, self.by, self.before, self.failed = made(self.path, fresh), by, None, ""
        self.fresh = fresh

    def look_for_missing(self) -> bool:
        """Want the same configuration with what was missing and is there now; return whether there is any."""
        if not self.config.missing or self.content is None or self.wanted is not None:
            return False
        found = made(self.path, self.content, lenient=True)
        if found.missing == self.config.missing:
            return False
        self.wanted, self.by, self.fresh = found, "what was missing and is there", self.content
        return True

    def try_out(self, path: Path, within_s: float, by: str) -> None:
        """Want what is in another file, for a while. Raises ConfigError with all that is wrong."""
        wanted = load(path)
        self.before = self.before or self.config
        self.until = time.monotonic() + min(within_s, LONGEST_TRIAL_S)
        self.wanted, self.by, self.failed, self.fresh = wanted, by, "", None

    def keep(self) -> bool:
        """End a trial well; return whether there was one."""
        was, self.before = self.before is not None, None
        return was

    def give_up(self, by: str) -> bool:
        """End a trial badly; return whether there was one."""
        if self.before is None:
            return False
        self.wanted, self.by, self.before = self.before, by, None
        return True

    def take(self) -> Config | None:
        """Use what is wanted; return what was used until now, None when nothing else is wanted."""
        if self.wanted is None:
            return None
        was, self.config, self.wanted = self.config, self.wanted, None
        self.content, self.fresh = self.fresh, None
        return was

    def go_back(self, was: Config, why: str) -> None:
        """Use what was used before: what was wanted cannot be had."""
        self.config, self.wanted, self.before, self.by, self.failed = was, None, None, "necessity", why

    def trial(self) -> dict[str, float] | None:
        """Return what `intercom status` says of a trial."""
        return None if self.before is None else {"left_s": round(max(0.0, self.until - time.monotonic()), 1)}


def at_start(path: Path, state: Path) -> ActiveConfig:
    """Return the configuration to begin with: that of the file, or else the last one that worked.

    What it names and cannot be had is missing, and no reason not to be a door. Raises ConfigError when neither can be
    used.
    """
    try:
        content = read(path)
        return ActiveConfig(path, made(path, content, lenient=True), content=content)
    except ConfigError as error:
        try:
            content = read(state / LAST)
            config = made(path, content, lenient=True)
        except ConfigError:
            raise error from None
        told = f"{error.problems[0]}; the last one that worked is used"
        return ActiveConfig(path, config, content=content, failed=told)


class LastConfiguration:
    """Keeps the configuration that works, for a start at which the file cannot be used.

    It holds what the file holds, secrets too: it is for the service's user alone, who may read the file as well.
    """

    def __init__(self, state: Path, storage: Storage, configured: ActiveConfig) -> None:
        """Keep it in the folder `state`."""
        self._path, self._storage, self._configured = state / LAST, storage, configured

    def look(self, event: Event) -> None:
        """Keep it when a voice engine has started with it."""
        content = self._configured.content
        if not isinstance(event, EngineStarted) or content is None:
            return
        try:
            kept = whole_files.read(self._path, len(content.text) + 1)
        except (OSError, ValueError):
            kept = b""
        if kept != content.text:
            self._storage.replace(self._path, content.text, lasting=True)


class ConfigSwitcher:
    """Gives one daemon the configuration that is wanted, when nobody is at the door."""

    def __init__(self, configured: ActiveConfig, daemon: Daemon) -> None:
        """Watch the daemon; it must be running on the loop by the time something is wanted."""
        self._configured, self._daemon = configured, daemon
        daemon.idle.append(self.look)
        daemon.watchers.append(self._watch)

    def look(self) -> None:
        """Change, if something else is wanted and nobody is at the door."""
        configured, daemon = self._configured, self._daemon
        if configured.before is not None and time.monotonic() >= configured.until:
            configured.give_up("nobody kept it")
        if configured.wanted is None or not _idle(daemon.state):
            return
        changed = differing(configured.config, configured.wanted)
        if changed and not only_rules(configured.config, configured.wanted):
            # All is made anew, in this process: strikes are locked meanwhile, the engine says goodbye and comes back.
            daemon.post(StopRequested(f"another configuration, by {configured.by}"))
            return
        configured.take()
        daemon.rules = core_rules.rules(configured.config, random.random)
        daemon.post(Reconfigured(configured.by, changed))

    def _watch(self, report: Report) -> None:
        if report.kind is Kind.PRESS_ANSWERED and report.fields.get("got") == "stopping":
            self._configured.presses.append((str(report.fields["button"]), str(report.fields["by"])))

    def begin(self, *, anew: bool) -> None:
        """Tell a daemon that follows another one what it missed."""
        configured, daemon = self._configured, self._daemon
        if anew:
            daemon.post(Reconfigured(configured.by, "all of it"))
        if configured.failed:
            daemon.post(ConditionBegan("configuration", configured.failed))
        for button, by in configured.presses:
            daemon.post(ButtonPressed(button, by))
        configured.presses.clear()
        if configured.before is not None:
            asyncio.get_running_loop().call_at(configured.until, daemon.post, TimePassed())


def _idle(state: State) -> bool:
    """Whether nobody is at the door, and nobody tries its sound."""
    return state.visit is None and state.trial is None and state.stopping_until is None


def differing(old: Config, new: Config) -> str:
    """Return the sections in which two configurations differ, "accounts, calls"; empty when in none."""
    names = (
        "name",
        "accounts",
        "buttons",
        "profiles",
        "calendar",
        "doors",
        "codes",
        "tampers",
        "keypads",
        "lamp",
        "calls",
        "sound",
        "network",
    )
    known = [name for name in names if getattr(old, name) != getattr(new, name)]
    others = replace(old, warnings=()) != replace(new, warnings=()) and not known
    return ", ".join(known) or ("others" if others else "")


def only_rules(old: Config, new: Config) -> bool:
    """Whether two configurations differ in nothing but what the core goes by: then the door need not blink."""

    def rest(config: Config) -> Config:
        buttons = tuple(replace(button, stages=(), fallback=(), confirm=False) for button in config.buttons)
        return replace(config, buttons=buttons, calls=Calls(), warnings=())

    return rest(old) == rest(new) and core_rules.engine_settings(old, 0) == core_rules.engine_settings(new, 0)
