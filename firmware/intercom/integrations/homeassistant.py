# SPDX-License-Identifier: GPL-2.0-or-later
"""Home Assistant's MQTT discovery: one message about the whole device (its "device discovery", since 2024.11).

Whatever was announced once is announced with nothing but its platform when it is gone: Home Assistant removes an entity
that is told so, and keeps one that is merely left out.
"""

from collections.abc import Mapping
from typing import Any

from intercom import __version__
from intercom.core.transitions import Phase
from intercom.integrations.announced import config_topic
from intercom.integrations.messages import ALARMS
from intercom.integrations.settings import Mqtt

Component = dict[str, Any]
_DIAGNOSTIC = {"entity_category": "diagnostic"}


def announcement(settings: Mqtt, status: dict[str, Any], known: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return topic and content of the message that makes Home Assistant know the door.

    `known` is every component that was ever announced: its key -> its platform.
    """
    ident = f"intercom_{settings.identity}"
    components = _components(settings, status, known)
    for key, component in components.items():
        component["unique_id"] = f"{ident}_{key}"
    for key, platform in known.items():
        components.setdefault(key, {"p": platform})
    return config_topic(settings), {
        "dev": {
            "ids": [ident], "name": status["name"], "mf": "The intercom", "mdl": "SIP door station",
            "sw": status["version"],
        },
        "o": {"name": "intercom", "sw": __version__},
        "cmps": components,
        "qos": 1,
    }  # fmt: skip


def gone(config: dict[str, Any]) -> set[str]:
    """Return the keys of an announcement's components that are there to be taken back."""
    return {key for key, component in config["cmps"].items() if set(component) == {"p"}}


def revived(settings: Mqtt, config: dict[str, Any]) -> dict[str, Any]:
    """Return an announcement in which what is gone is there once more.

    A Home Assistant that was down when it went keeps it in its registry, and removes only what it has been told of
    since it began.
    """
    plain = {"state_topic": f"{settings.base}/gone", "command_topic": f"{settings.base}/gone", "event_types": ["gone"]}
    again = {
        key: {**config["cmps"][key], "unique_id": f"intercom_{settings.identity}_{key}", **plain}
        for key in gone(config)
    }
    return {**config, "cmps": {**config["cmps"], **again}}


def _components(settings: Mqtt, status: dict[str, Any], known: Mapping[str, str]) -> dict[str, Component]:
    make = _Maker(settings.base)
    components = {
        **_bells(make, status),
        "alarm": make.event("Alarm", "alarm", list(ALARMS.values()), icon="mdi:shield-alert"),
        "phase": make.sensor(
            "sensor", "Visit", "phase", device_class="enum", options=[phase.value for phase in Phase],
            icon="mdi:doorbell",
        ),
        "line": make.sensor("binary_sensor", "Line", "line", device_class="connectivity", **_DIAGNOSTIC),
        "problem": make.sensor(
            "binary_sensor", "Trouble", "problem", device_class="problem", **_DIAGNOSTIC,
            json_attributes_topic=make.state,
            json_attributes_template="{{ {'conditions': value_json.conditions} | tojson }}",
        ),
        **_machine(make, {*status["machine"], *known}),
        **_doors(make, status["doors"], "release" in settings.commands),
    }  # fmt: skip
    for one in status.get("tampers", ()):
        name = one["tamper"]
        components[f"tamper_{name.removeprefix('tamper ')}"] = make.sensor(
            "binary_sensor", name.capitalize(), f"tampers['{name}']", device_class="tamper", payload_on="open",
            payload_off="shut", **_DIAGNOSTIC,
        )  # fmt: skip
    if "press" in settings.commands:
        for button in status["buttons"]:
            key = button["button"]
            components[f"press_{key}"] = make.button(f"Press {button['name']}", f"press {key}", "mdi:gesture-tap")
    if "hangup" in settings.commands:
        components["hangup"] = make.button("Hang up", "hangup", "mdi:phone-hangup")
    return components


def _bells(make: "_Maker", status: dict[str, Any]) -> dict[str, Component]:
    """One doorbell for each button, called as the button is; the only one that has no name is "Doorbell"."""
    bells = {}
    for button in status["buttons"]:
        key, name = button["button"], button["name"]
        shown = name if name != key else "Doorbell" if len(status["buttons"]) == 1 else f"Doorbell {key}"
        bells[f"ring_{key}"] = make.event(shown, f"doorbell/{key}", ["ring"], device_class="doorbell")
    return bells


def _machine(make: "_Maker", has: set[str]) -> dict[str, Component]:
    """What a machine may lack, by what it has. A sensor that was announced stays so when a reading fails."""
    found = {}
    if has & {"temperature_c", "temperature"}:
        found["temperature"] = make.sensor(
            "sensor", "Temperature", "temperature_c | default(none)", device_class="temperature",
            unit_of_measurement="°C", state_class="measurement", **_DIAGNOSTIC,
        )  # fmt: skip
    if "supply" in has:
        found["supply"] = make.sensor(
            "binary_sensor", "Supply", "supply | default(none)", device_class="problem", payload_on="weak",
            payload_off="well", **_DIAGNOSTIC,
        )  # fmt: skip
    return found


def _doors(make: "_Maker", doors: list[dict[str, Any]], may_release: bool) -> dict[str, Component]:
    found = {}
    for door in doors:
        name = door["door"]
        strike = "Strike" if len(doors) == 1 else f"Strike {name}"
        if may_release:
            found[f"lock_{name}"] = make.sensor(
                "lock", strike, f"doors['{name}']", state_locked="LOCKED", state_unlocked="UNLOCKED",
                payload_unlock=f"release {name}", payload_open=f"release {name}", payload_lock=f"lock {name}",
                command_topic=make.command,
            )  # fmt: skip
        else:
            found[f"strike_{name}"] = make.sensor(
                "binary_sensor", strike, f"doors['{name}']", device_class="lock", payload_on="UNLOCKED",
                payload_off="LOCKED",
            )  # fmt: skip
        if door["has_contact"]:
            found[f"contact_{name}"] = make.sensor(
                "binary_sensor", "Contact" if len(doors) == 1 else f"Contact {name}", f"contacts['{name}']",
                device_class="door", payload_on="open", payload_off="shut",
            )  # fmt: skip
    return found


class _Maker:
    """Makes components for one door's topics."""

    def __init__(self, base: str) -> None:
        self.state, self.command, self._base = f"{base}/state", f"{base}/command", base
        self._available = {"availability_topic": f"{base}/availability"}

    def sensor(self, platform: str, name: str, key: str, **more: Any) -> Component:
        """Return a component that shows a key of the topic `state`."""
        shown = {"state_topic": self.state, "value_template": f"{{{{ value_json.{key} }}}}"}
        return {"p": platform, "name": name, **shown, **self._available, **more}

    def event(self, name: str, topic: str, types: list[str], **more: Any) -> Component:
        """Return an event. It has no availability: coming back would look like an event to an automation."""
        return {"p": "event", "name": name, "event_types": types, "state_topic": f"{self._base}/{topic}", **more}

    def button(self, name: str, payload: str, icon: str) -> Component:
        """Return something to tap."""
        tapped = {"command_topic": self.command, "payload_press": payload, "icon": icon}
        return {"p": "button", "name": name, **tapped, **self._available}
