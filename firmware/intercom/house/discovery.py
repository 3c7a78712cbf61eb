# SPDX-License-Identifier: GPL-2.0-or-later
"""Home Assistant's MQTT discovery: one message about the whole device (its "device discovery", since 2024.11)."""

import re
from typing import Any

from intercom import __version__
from intercom.house.settings import Mqtt


def announcement(settings: Mqtt, status: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return topic and content of the message that makes Home Assistant know the door."""
    ident = re.sub(r"[^A-Za-z0-9_]", "_", settings.topic)
    components = {
        "doorbell": {
            "p": "event", "device_class": "doorbell", "event_types": ["press"], "name": "Doorbell",
            "state_topic": f"{settings.topic}/doorbell",
        },
        "phase": _from_state("sensor", "State", "phase", icon="mdi:doorbell-video"),
        "line": _from_state("binary_sensor", "Line", "line", device_class="connectivity"),
        "problem": _from_state("binary_sensor", "Trouble", "problem", device_class="problem"),
    }  # fmt: skip
    if "temperature_c" in status["machine"]:
        components["temperature"] = _from_state(
            "sensor", "Temperature", "temperature_c", device_class="temperature", unit_of_measurement="°C"
        )
    for door in status["doors"]:
        name = door["door"]
        shown = _from_state(
            "lock", f"Door {name}", f"doors['{name}']", state_locked="LOCKED", state_unlocked="UNLOCKED"
        )
        if "release" in settings.commands:
            command = {"command_topic": f"{settings.topic}/command", "payload_unlock": f"release {name}"}
            components[f"door_{name}"] = shown | command | {"payload_lock": "nothing"}
        else:
            seen = f"{{{{ 'ON' if value_json.doors['{name}'] == 'UNLOCKED' else 'OFF' }}}}"
            components[f"door_{name}"] = {
                "p": "binary_sensor", "name": f"Door {name}", "device_class": "lock", "value_template": seen,
            }  # fmt: skip
    if "press" in settings.commands:
        for button in status["buttons"]:
            components[f"press_{button['button']}"] = {
                "p": "button", "name": f"Press {button['button']}", "command_topic": f"{settings.topic}/command",
                "payload_press": f"press {button['button']}",
            }  # fmt: skip
    for key, component in components.items():
        component["unique_id"] = f"{ident}_{key}"
    return f"{settings.discovery}/device/{ident}/config", {
        "dev": {"ids": [ident], "name": status["name"], "mf": "The intercom", "sw": status["version"]},
        "o": {"name": "intercom", "sw": __version__},
        "cmps": components,
        "state_topic": f"{settings.topic}/state",
        "availability_topic": f"{settings.topic}/availability",
        "qos": 1,
    }


def _from_state(platform: str, name: str, key: str, **more: str) -> dict[str, Any]:
    return {"p": platform, "name": name, "value_template": f"{{{{ value_json.{key} }}}}", **more}
