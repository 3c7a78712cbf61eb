"""Two doors at one broker share nothing, whatever was copied: no entity, no topic, and never a command."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from bridges import Bridge

from intercom.adapters.instance import at_brokers, instance
from intercom.integrations import mqtt, settings
from intercom.integrations.homeassistant import announcement
from lab.house import stopping
from lab.mosquitto import Listener, Mosquitto
from lab.processes import wait_until
from lab.scripted_daemon import STATUS

ALL = 'commands = ["press", "release", "hangup"]\n'
RELEASE = [{"do": "release", "door": "front", "released": True, "hold": False}]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that lets everybody say everything."""
    with stopping(Mosquitto(tmp_path)) as broker:
        yield broker


@pytest.fixture
def listener(broker: Mosquitto) -> Iterator[Listener]:
    """Somebody who hears all of it."""
    with stopping(Listener(broker)) as listener:
        yield listener


def texts(content: Any) -> set[str]:
    """Return every text inside a message that names a topic or an identity."""
    if isinstance(content, dict):
        named = {value for key, value in content.items() if isinstance(value, str) and key.endswith(("topic", "_id"))}
        return named.union(*(texts(value) for value in content.values()), set(content.get("ids", ())))
    return set().union(*map(texts, content)) if isinstance(content, list) else set()


def test_two_doors_with_one_file_share_no_topic_and_no_identity(tmp_path: Path) -> None:
    """By default; and with a topic that was copied as well, nothing by which Home Assistant tells devices apart."""
    path = tmp_path / "house.toml"
    for topic, may_share in (("", set[str]()), ('topic = "intercom/front"\n', {"intercom/front/"})):
        path.write_text(f'[mqtt]\nserver = "x"\n{topic}{ALL}')
        found = []
        for identity in ("a" * 12, "b" * 12):
            broker = settings.load(path, identity).mqtt
            assert broker is not None
            where, content = announcement(broker, STATUS, {})
            found.append({where, *texts(content)})
        assert all(one.startswith(tuple(may_share)) if may_share else False for one in found[0] & found[1])
        assert all(len(one) > 15 for one in found), "the walk has found them"


def test_an_identity_is_the_machine_s_and_gives_nothing_away(tmp_path: Path) -> None:
    """It is the same at each start, another on each machine, none without an id, and not what registrars see."""
    files = []
    for number in range(3):
        files.append(tmp_path / str(number))
        files[-1].write_text(f"{number:x}" * 31 + "a\n")
    made = [at_brokers(file) for file in files]
    assert len(set(made)) == 3
    assert made == [at_brokers(file) for file in files]
    for file, identity in zip(files, made, strict=True):
        assert len(identity) == 12
        assert identity not in file.read_text()
        assert identity not in instance(file).replace("-", "")
    files[0].write_text("uninitialized\n")
    assert at_brokers(files[0]) == at_brokers(tmp_path / "none") == ""


def test_one_tap_opens_one_door(tmp_path: Path, broker: Mosquitto, listener: Listener) -> None:
    """Of two doors with the same house.toml, as it comes out of the README."""
    text = f'[mqtt]\nserver = "{broker.ip}"\n{ALL}'
    with stopping(Bridge(tmp_path, "aaa", text)) as one, stopping(Bridge(tmp_path, "bbb", text)) as other:
        for door in (one, other):
            with stopping(Listener(broker)) as watching:
                watching.await_message(f"{door.base}/availability", containing="online")
        listener.say(f"{one.base}/command", "release front")
        listener.say(f"{other.base}/command", "hangup")
        wait_until(lambda: one.daemon.asked and other.daemon.asked, 10, "both obey", None)

    assert (one.daemon.asked, other.daemon.asked) == (RELEASE, [{"do": "hangup"}])


@pytest.mark.parametrize("identity", ["bbb", "aaa"], ids=["configuration", "memory card"])
def test_of_two_with_a_copied_topic_one_obeys(
    identity: str, tmp_path: Path, broker: Mosquitto, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the other one tells why it does not. A copied card has the same id: there the one that began last obeys."""
    text = f'[mqtt]\nserver = "{broker.ip}"\ntopic = "intercom/front"\n{ALL}'
    with stopping(Listener(broker)) as listener, stopping(Bridge(tmp_path, "aaa", text)) as first:
        listener.await_message("intercom/front/availability", containing="online")
        with stopping(Bridge(tmp_path, "bbb", text, identity)) as second:
            said: list[str] = []

            def told() -> bool:
                said.append(capsys.readouterr().err)
                return "mqtt: " in "".join(said)

            wait_until(told, 10, "one of them tells", None)
            listener.fence()
            listener.say("intercom/front/command", "release front")
            wait_until(lambda: first.daemon.asked or second.daemon.asked, 10, "one obeys", None)
            listener.say("intercom/front/command", "hangup")
            wait_until(lambda: len(first.daemon.asked + second.daemon.asked) == 2, 10, "it obeys again", None)
            seen = dict(listener.fence())

    obeyed = {"bbb": first, "aaa": second}[identity].daemon.asked
    assert obeyed == [*RELEASE, {"do": "hangup"}]
    assert first.daemon.asked + second.daemon.asked == obeyed
    assert {"bbb": "belongs to another door (aaa)", "aaa": "identity has begun"}[identity] in "".join(said)
    assert "offline" not in seen.get("intercom/front/availability", ""), "who leaves does not say that the door is gone"


def test_of_four_that_begin_at_once_one_obeys(
    tmp_path: Path, broker: Mosquitto, listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever it is: a broker has one order for all."""
    text = f'[mqtt]\nserver = "{broker.ip}"\ntopic = "intercom/front"\n{ALL}'
    with ExitStack() as stack:
        doors = [stack.enter_context(stopping(Bridge(tmp_path, name, text))) for name in ("aa", "bb", "cc", "dd")]
        listener.await_message("intercom/front/availability", containing="online")

        sent, told = 0, ""
        while told.count("belongs to another door") < 3:
            # While they settle, a command may find none that has the topic, and never two.
            listener.say("intercom/front/command", "release front")
            sent += 1
            told += capsys.readouterr().err
        listener.say("intercom/front/command", "hangup")

        def hung_up() -> list[str]:
            return [door.identity for door in doors if {"do": "hangup"} in door.daemon.asked]

        wait_until(hung_up, 10, "one obeys", None)
        with stopping(Listener(broker)) as late:
            owner = json.loads(late.await_message("intercom/front/owner"))

    assert hung_up() == [owner["identity"]]
    assert sum(len(door.daemon.asked) for door in doors) <= sent + 1


def test_a_door_that_was_replaced_leaves_its_topic_to_the_new_one(
    tmp_path: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new one waits until the old one has gone; when the old one is back, it waits in its turn."""
    monkeypatch.setattr(mqtt, "TAKEN_S", 0.2)
    text = f'[mqtt]\nserver = "{broker.ip}"\ntopic = "intercom/front"\n{ALL}'
    with stopping(Bridge(tmp_path, "aaa", text)) as old:
        with stopping(Listener(broker)) as listener:
            listener.await_message("intercom/front/availability", containing="online")
        with stopping(Bridge(tmp_path, "bbb", text)) as new, stopping(Listener(broker)) as listener:
            for leaving, coming in itertools.islice(itertools.cycle(((old, new), (new, old))), 3):
                leaving.leave()
                listener.await_message("intercom/front/owner", containing=coming.identity)
                listener.await_message("intercom/front/availability", containing="online")
                leaving.start()
                listener.say("intercom/front/command", "release front")
                wait_until(lambda coming=coming: coming.daemon.asked, 10, "it obeys", None)
                assert (coming.daemon.asked, leaving.daemon.asked) == (RELEASE, [])
                coming.daemon.asked.clear()


def test_a_will_that_comes_late_is_contradicted(tmp_path: Path, broker: Mosquitto, listener: Listener) -> None:
    """After a power cut the broker tells the end of the old connection when the new one has long begun."""
    with stopping(Bridge(tmp_path, "aaa", f'[mqtt]\nserver = "{broker.ip}"\n')) as door:
        listener.await_message(f"{door.base}/availability", containing="online")
        listener.say(f"{door.base}/availability", "offline", retain=True)
        listener.await_message(f"{door.base}/availability", containing="offline")
        listener.await_message(f"{door.base}/availability", containing="online")
