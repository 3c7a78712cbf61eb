"""The same door with 1, 2, 4 and 8 buttons, each with a target of its own, and as many accounts."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.side import counters
from bench.side.contestants import DEBOUNCE_MS, NUMBER, OURS, Intercom, dark
from bench.side.rounds import REST_S, enter
from bench.side.site import Site

from lab.baresip import Phone
from lab.buttons import PINS
from lab.house import BUTTON, DOOR_IP, REGISTRAR_IP, stopping

NUMBERS = (1, 2, 4, 8)
USERS = {f"door-{place}": "word" for place in range(1, max(NUMBERS))}


def _with(number: int) -> Callable[[str], str]:
    """Return an edit that adds accounts and buttons to the first."""

    def edit(configuration: str) -> str:
        more = [
            f'\n[accounts.home-{place}]\nserver = "{REGISTRAR_IP}"\nuser = "door-{place}"\npassword = "word"\n'
            f'\n[buttons.button-{place}]\npin = {PINS[place - 1]}\ntargets = ["{NUMBER}"]\n'
            for place in range(1, number)
        ]
        return dark(configuration).replace('[buttons.side]\npin = 5\ntargets = ["busy"]\n', "") + "".join(more)

    return edit


def measure(site: Site, _: int) -> None:
    """Enter what each costs, and how long a press of its last button takes."""
    with stopping(site.house.phone()) as phone:
        for number in NUMBERS[:: site.extent.skip]:
            site.say(f"  {number}")
            one(site, phone, number)


def one(site: Site, phone: Phone, number: int) -> None:
    """Measure a door with so many buttons."""
    wire, book = site.wire, site.book
    door = Intercom(site.house, site.folder / f"{number}-buttons", edit=_with(number))
    door.buttons = (BUTTON, *PINS[: number - 1])
    wire.forget()
    door.begin()
    door.door.await_records("line-up", number, 20)
    time.sleep(REST_S)
    pids = door.pids()
    before = counters.use(pids)
    time.sleep(site.extent.idle_s / 2)
    cpu, wakeups = before.until(counters.use(pids))
    for what, value in (("cpu", cpu), ("wakeups", wakeups), ("memory", counters.memory_mb(pids))):
        enter(book, f"buttons-{number}-{what}", OURS, value)
    for _ in range(site.extent.presses // 4):
        door.await_idle()
        wire.forget()
        edge = door.press(number - 1)
        sent = wire.await_(lambda packet: packet.source == DOOR_IP and packet.is_("INVITE"), 5, edge, "INVITE").at
        enter(book, f"buttons-{number}-press", OURS, 1000 * (sent - edge) - DEBOUNCE_MS[OURS])
        phone.await_event("CALL_INCOMING", since=edge)
        phone.reject()
        time.sleep(0.3)
    door.stop()
