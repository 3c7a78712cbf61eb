# SPDX-License-Identifier: GPL-2.0-or-later
"""What a door has ever had retained at a broker, kept at the broker itself: so it is known there after every change."""

import json
from collections.abc import Mapping
from dataclasses import asdict, field

from intercom.core.fast_dataclass import dataclass
from intercom.integrations.settings import Mqtt


@dataclass(frozen=True, slots=True)
class Announced:
    """Where and what."""

    config: str = ""
    """The topic of Home Assistant's discovery; empty for none."""
    base: str = ""
    """The door's own topic."""
    components: Mapping[str, str] = field(default_factory=dict)
    """Key -> platform of every component, also of those that are gone."""

    @staticmethod
    def topic(settings: Mqtt) -> str:
        """Return where it is kept, whatever the door's topic is."""
        return f"intercom/{settings.identity}/announced"

    @staticmethod
    def of(settings: Mqtt, components: Mapping[str, str]) -> "Announced":
        """Return what these settings announce."""
        return Announced(config_topic(settings), settings.base, dict(components))

    @staticmethod
    def parse(text: str) -> "Announced":
        """Return what is written there; nothing for what was not written by a door."""
        try:
            found = json.loads(text)
            config, base, components = found["config"], found["base"], found["components"]
        except (ValueError, LookupError, TypeError):
            return Announced()
        if not isinstance(config, str) or not isinstance(base, str) or not isinstance(components, dict):
            return Announced()
        known = {key: one for key, one in components.items() if isinstance(one, str)}
        return Announced(config, base, known)

    @property
    def text(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self))


def config_topic(settings: Mqtt) -> str:
    """Return the topic at which the door is announced; empty when it is not to be."""
    return f"{settings.discovery}/device/intercom_{settings.identity}/config" if settings.discovery else ""
