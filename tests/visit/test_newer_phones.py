"""Phones of Debian 13, Linphone 5.3 and baresip 1.1, through the laboratory's Kamailio and the product's own registrar.

Each is rung, heard, hears, opens, holds, is hung up from both ends, calls the door, and is killed in a call.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import interop_table
import pytest
from telephone_day import Baresip, Telephone, killed_in_a_call, spend

from lab.baresip import Phone
from lab.house import PHONE_HZ, REGISTRAR_IP, VISITOR_HZ, House, stopping
from lab.linphone import Linphone
from lab.own_registrar import OwnRegistrar
from lab.tones import ToneReport, find_tone, read_wav
from lab.tree import Tree

TREE = os.environ.get("INTERCOM_PEERS", "")
pytestmark = pytest.mark.skipif(not TREE, reason="no mirror of this machine gave Debian 13's phones")
OWN = "127.0.0.26"
SERVERS = {"the lab's proxy": REGISTRAR_IP, "the service of `install --with-registrar`": OWN}


class NewerLinphone:
    """Linphone 5.3."""

    def __init__(self, tree: Tree, house: House, server: str) -> None:
        self.name = f"Linphone {tree.version('linphone-cli')}"
        self._phone = Linphone("201", house.folder, server, "p201", tone_hz=PHONE_HZ, inside=tree.inside)
        self._phone.wait_registered()
        self.stop, self._seen = self._phone.stop, self._phone.mark()

    def await_ring(self, since: float) -> None:
        self._phone.await_news("incoming call from .*Front door", after=self._seen)

    def answer(self) -> None:
        self._phone.tell("answer")

    def key(self, keys: str) -> None:
        self._phone.tell(keys)

    def hold(self) -> None:
        self._phone.tell("pause")
        self._phone.await_news("Call .* paused", after=self._seen)

    def resume(self) -> None:
        seen = self._phone.mark()
        self._phone.tell("resume")
        self._phone.await_news("Media streams established", after=seen)

    def call_door(self, server: str, number: str = "door") -> None:
        self._seen = self._phone.mark()
        self._phone.tell(f"call sip:{number}@{server}")

    def hang_up(self) -> None:
        self._phone.tell("terminate")

    def await_end(self, since: float) -> None:
        self._phone.await_news("Call .* ended", after=self._seen)
        self._seen = self._phone.mark()

    def heard(self) -> ToneReport:
        return find_tone(*read_wav(self._phone.heard), VISITOR_HZ)

    def kill(self) -> None:
        self._phone.process.popen.kill()
        self._phone.process.stop()


def newer_baresip(tree: Tree, house: House, server: str) -> Telephone:
    """baresip 1.1."""
    phone = Phone("201", house.folder, server, "p201", tone_hz=PHONE_HZ, tree=tree.path)
    return Baresip(phone, f"baresip {tree.version('baresip-core')}")


PHONES: dict[str, Callable[[Tree, House, str], Telephone]] = {"baresip": newer_baresip, "Linphone": NewerLinphone}


@pytest.fixture(scope="module")
def tree(house: House) -> Iterator[Tree]:
    """Debian 13 with the house's folder in it."""
    with stopping(Tree(Path(TREE), house.folder)) as tree:
        yield tree


@pytest.fixture(scope="module", autouse=True)
def own(house: House) -> Iterator[OwnRegistrar]:
    """The product's registrar, beside the laboratory's."""
    with stopping(OwnRegistrar(house.folder, OWN, house.registrar.users)) as own:
        yield own


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", PHONES)
def test_a_newer_phone_does_all_that_the_older_one_does(house: House, tree: Tree, kind: str, server: str) -> None:
    """A whole day of it. A GRUU in a Contact is what the older Linphone does not have."""
    with stopping(PHONES[kind](tree, house, SERVERS[server])) as phone, house.door(registrar=SERVERS[server]) as door:
        spend(house, door, phone, SERVERS[server])
        if server == next(iter(SERVERS)):
            killed_in_a_call(house, door, phone)
    case = f"{kind} of Debian 13: rung, both heard, opens, holds, calls; {server}"
    interop_table.add("user agent", case, interop_table.peer("kamailio"), phone.name)
