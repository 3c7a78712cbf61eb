"""What was announced is known: what is gone is taken back, what is new is told at once, nothing is left at the end."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bridges import Bridge

from intercom.errors import IntercomError
from intercom.integrations import mqtt, settings
from intercom.integrations.announced import Announced
from intercom.integrations.homeassistant import announcement
from lab.house import stopping
from lab.mosquitto import Listener, Mosquitto
from lab.processes import wait_until
from lab.scripted_daemon import STATUS

DEFAULT = "homeassistant/device/intercom_aaa/config"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that lets everybody say everything."""
    with stopping(Mosquitto(tmp_path)) as broker:
        yield broker


class HomeAssistant:
    """Its registry, by the one rule that was seen of it: an entity goes only when told with nothing but "p"."""

    def __init__(self) -> None:
        self.entities: dict[str, str] = {}

    def hear(self, config: dict[str, Any]) -> None:
        for key, component in config["cmps"].items():
            if set(component) == {"p"}:
                self.entities.pop(key, None)
            else:
                self.entities[key] = component["p"]


def door(name: str, **more: Any) -> dict[str, Any]:
    return {"door": name, "released": False, "for_s": 0.0, "contact": "", "has_contact": False, **more}


def shapes() -> dict[str, dict[str, Any]]:
    """Return statuses of doors that are built differently."""
    plain = copy.deepcopy(STATUS)
    side = {"button": "side", "name": "Family Ümit", "through": "home", "pressed": False}
    return {
        "plain": plain,
        "two buttons": {**plain, "buttons": [*plain["buttons"], side]},
        "other button": {**plain, "buttons": [side]},
        "two doors": {**plain, "doors": [door("front", has_contact=True), door("garage")]},
        "no door": {**plain, "doors": [], "tampers": []},
        "bare machine": {**plain, "machine": {}},
    }


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(shapes(), 2)))
def test_what_is_gone_is_taken_back(before: str, after: str) -> None:
    """Whatever is changed into whatever, Home Assistant has what the last announcement alone would give it."""
    rights: tuple[tuple[str, ...], ...] = ((), ("press",), ("press", "release", "hangup"))
    for first, second in itertools.product(rights, repeat=2):
        seen, fresh, known = HomeAssistant(), HomeAssistant(), Announced()
        for shape, commands in ((before, first), (after, second)):
            wanted = settings.Mqtt("x", identity="aaa", commands=commands)
            _, config = announcement(wanted, shapes()[shape], known.components)
            known = Announced.of(wanted, {key: one["p"] for key, one in config["cmps"].items()})
            known = Announced.parse(known.text)
            seen.hear(config)
        fresh.hear(announcement(wanted, shapes()[after], {})[1])
        kept = {"temperature": "sensor", "supply": "binary_sensor"} if after == "bare machine" else {}
        assert seen.entities == fresh.entities | kept, (first, second)


def test_each_platform_has_a_key_of_its_own() -> None:
    """A lock that becomes a mere display is another entity: Home Assistant changes no entity's platform."""
    platforms: dict[str, set[str]] = {}
    for shape, commands in itertools.product(shapes().values(), ((), ("press", "release", "hangup"))):
        for key, one in announcement(settings.Mqtt("x", identity="a", commands=commands), shape, {})[1]["cmps"].items():
            platforms.setdefault(key, set()).add(one["p"])
    assert len(platforms) > 12
    assert all(len(kinds) == 1 for kinds in platforms.values())


def test_every_state_that_is_announced_is_told() -> None:
    """Each template asks for something that the topic `state` has, in every shape of a door."""
    for shape in shapes().values():
        _, config = announcement(settings.Mqtt("x", identity="a", commands=("release",)), shape, {})
        told = mqtt.messages.state(shape)
        for key, one in config["cmps"].items():
            if "value_template" in one and "default(" not in one["value_template"] and not key.startswith("contact_"):
                expression = one["value_template"].strip("{} ").removeprefix("value_json.")
                name, _, inner = expression.partition("[")
                assert name in told, key
                assert not inner or inner.strip("]'") in told[name], key


def test_a_change_is_announced_at_once_and_again_at_a_birth(tmp_path: Path, broker: Mosquitto) -> None:
    """Of Home Assistant itself, which says so when it begins."""
    text = f'[mqtt]\nserver = "{broker.ip}"\n'
    with stopping(Listener(broker)) as listener, stopping(Bridge(tmp_path, "aaa", text)) as bridging:
        listener.await_message(DEFAULT)
        listener.await_message(f"{bridging.base}/availability", containing="online")
        bridging.daemon.is_now(doors=[door("front"), door("garage")])
        assert "strike_garage" in listener.await_message(DEFAULT, containing="garage")
        bridging.daemon.is_now(doors=[door("front")])
        config = json.loads(listener.await_message(DEFAULT))
        assert config["cmps"]["strike_garage"] == {"p": "binary_sensor"}
        bridging.daemon.is_now(version="9.9.9")
        listener.await_message(DEFAULT, containing="9.9.9")
        bridging.daemon.is_now(phase="ringing")
        heard = listener.until(f"{bridging.base}/state", "ringing")
        assert DEFAULT not in dict(heard), "nothing that was announced has changed"
        listener.say("homeassistant/status", "online")
        listener.await_message(DEFAULT)
        listener.await_message(f"{bridging.base}/state", containing="ringing")
        listener.await_message(f"{bridging.base}/availability", containing="online")


def test_whatever_home_assistant_can_tap_is_obeyed(tmp_path: Path, broker: Mosquitto) -> None:
    """Each payload that is announced, at the topic that is announced: a lock unlocks, opens and locks."""
    text = f'[mqtt]\nserver = "{broker.ip}"\ncommands = ["press", "release", "hangup"]\n'
    release = {"do": "release", "door": "front", "released": True, "hold": False}
    wanted = {
        "payload_unlock": release, "payload_open": release, "payload_lock": {"do": "lock", "door": "front"},
        "payload_press": {"do": "press", "button": "front"},
    }  # fmt: skip
    with stopping(Listener(broker)) as listener, stopping(Bridge(tmp_path, "aaa", text)) as bridging:
        config = json.loads(listener.await_message(DEFAULT))
        listener.await_message(f"{bridging.base}/availability", containing="online")
        taps = [
            (key, name, one["command_topic"], payload)
            for key, one in config["cmps"].items()
            for name, payload in one.items()
            if "command_topic" in one and name in wanted
        ]
        for key, name, topic, payload in taps:
            listener.say(topic, payload)
            wait_until(lambda: bridging.daemon.asked, 10, f"{key} {name} is obeyed", None)
            assert bridging.daemon.asked.pop() == ({"do": "hangup"} if key == "hangup" else wanted[name])
    assert {(key, name) for key, name, *_ in taps} == {
        ("lock_front", "payload_unlock"), ("lock_front", "payload_open"), ("lock_front", "payload_lock"),
        ("press_front", "payload_press"), ("hangup", "payload_press"),
    }  # fmt: skip


def test_what_went_while_home_assistant_was_down_goes_at_its_birth(tmp_path: Path, broker: Mosquitto) -> None:
    """It keeps what it knew, and removes only what it was told of since it began: so it is told of it once more."""
    text = f'[mqtt]\nserver = "{broker.ip}"\n'
    with stopping(Listener(broker)) as listener, stopping(Bridge(tmp_path, "aaa", text)) as bridging:
        bridging.daemon.is_now(doors=[door("front"), door("garage", has_contact=True)])
        listener.await_message(DEFAULT, containing="garage")
        bridging.daemon.is_now(doors=[door("front")])
        config = json.loads(listener.await_message(DEFAULT, containing='{"p": "binary_sensor"}'))
        born = HomeAssistant()
        born.entities = {"strike_garage": "binary_sensor", "contact_garage": "binary_sensor"}
        loaded: set[str] = set()

        def hear(config: dict[str, Any]) -> None:
            """Home Assistant's own rule: a removal counts for what it has loaded."""
            for key, one in config["cmps"].items():
                if set(one) != {"p"}:
                    loaded.add(key)
                    assert one["unique_id"] == f"intercom_aaa_{key}"
            born.hear({"cmps": {key: one for key, one in config["cmps"].items() if key in loaded}})

        hear(config)
        assert "strike_garage" in born.entities, "the model keeps it"
        listener.fence()
        listener.say("homeassistant/status", "online")
        heard = listener.until("intercom/aaa/announced", '"strike_front"')
        heard += listener.until(f"{bridging.base}/availability")
        for topic, told in heard:
            if topic == DEFAULT:
                hear(json.loads(told))
        known = [told for topic, told in heard if topic == "intercom/aaa/announced"][-1]
    assert not [key for key in born.entities if "garage" in key]
    assert "strike_front" in born.entities
    assert "garage" not in known, "it has been taken back for good"


def retained(broker: Mosquitto) -> dict[str, str]:
    """Return what the broker has to tell whoever comes now."""
    with stopping(Listener(broker)) as listener:
        listener.say("fence", "subscribed")
        return dict(listener.fence())


@pytest.mark.parametrize("changed", ['topic = "hall/door"\n', 'discovery = ""\n', 'discovery = "ha"\n'])
def test_settings_that_change_leave_nothing_behind(changed: str, tmp_path: Path, broker: Mosquitto) -> None:
    """Neither at the old topic nor at the old prefix."""
    text = f'[mqtt]\nserver = "{broker.ip}"\n'
    for extra in ("", changed):
        with stopping(Listener(broker)) as listener, stopping(Bridge(tmp_path, "aaa", text + extra)) as bridging:
            listener.await_message(f"{bridging.base}/owner", containing="aaa")
            listener.await_message(f"{bridging.base}/availability", containing="online")
            bridging.leave()
    left = {topic for topic, text in retained(broker).items() if text and topic != "fence"}
    base = bridging.base
    wanted = {f"{base}/{name}" for name in ("availability", "state", "owner")} | {"intercom/aaa/announced"}
    assert bridging.settings.mqtt is not None
    if prefix := bridging.settings.mqtt.discovery:
        wanted.add(f"{prefix}/device/intercom_aaa/config")
    assert left == wanted


def test_what_is_forgotten_is_gone(tmp_path: Path, broker: Mosquitto) -> None:
    """Of this door, all; of another one, nothing. One that runs is not forgotten."""
    text = f'[mqtt]\nserver = "{broker.ip}"\ntopic = "front"\n'
    other = Bridge(tmp_path, "bbb", f'[mqtt]\nserver = "{broker.ip}"\n')
    with stopping(other), stopping(Listener(broker)) as listener, stopping(Bridge(tmp_path, "aaa", text)) as bridging:
        listener.await_message("front/availability", containing="online")
        assert bridging.settings.mqtt is not None
        with pytest.raises(IntercomError, match="front is in use"):
            asyncio.run(mqtt.forget(bridging.settings.mqtt))
        bridging.leave()
        asyncio.run(mqtt.forget(bridging.settings.mqtt))
        left = {topic for topic, text in retained(broker).items() if text and topic != "fence"}
    assert len(left) == 5
    assert all("bbb" in topic for topic in left)
