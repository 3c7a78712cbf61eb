"""One house for the whole tier; a phone and a door of its own for each test."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import attack_table
import fault_table
import interop_table

from lab import processes
from lab.baresip import Phone
from lab.house import Door, House
from lab.pbx import Pbx


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The SIP service, the sound card with its room, and the journal."""
    house = House(tmp_path_factory.mktemp("house"))
    try:
        yield house
    finally:
        house.close()
        processes.stop_all()


@pytest.fixture
def phone(house: House) -> Iterator[Phone]:
    """Extension 201, registered; it rings until it is told to answer."""
    phone = house.phone()
    try:
        yield phone
    finally:
        phone.stop()


@pytest.fixture
def door(house: House) -> Iterator[Door]:
    """The daemon, registered, with the default configuration."""
    with house.door() as door:
        yield door


@pytest.fixture(scope="session")
def pbx_of_the_session(house: House) -> Iterator[Pbx]:
    """Asterisk and its phones."""
    if not (tree := os.environ.get("INTERCOM_ASTERISK", "")):
        pytest.skip("no mirror of this machine gave Asterisk")
    pbx = Pbx(house, Path(tree))
    try:
        yield pbx
    finally:
        pbx.stop()


@pytest.fixture
def pbx(pbx_of_the_session: Pbx) -> Iterator[Pbx]:
    """The PBX with no call up, and nothing set by anybody."""
    yield pbx_of_the_session
    pbx_of_the_session.rest()


@pytest.fixture(autouse=True)
def quiet_room(house: House) -> Iterator[None]:
    """Nobody speaks before a test begins, and the card is closed after it."""
    house.room.hush()
    yield
    house.room.hush()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables of what this run has played."""
    for title, table in (("attacks", attack_table), ("faults", fault_table), ("interoperability", interop_table)):
        if table.ROWS:
            terminalreporter.section(title)
            for line in table.lines():
                terminalreporter.line(line)
    attack_table.finish()
    interop_table.finish()
    fault_table.finish()
