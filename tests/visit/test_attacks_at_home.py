"""Attacks from inside: callers who guess, users of the machine, files that tell too much."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time

import attack_table

from lab.baresip import Phone
from lab.house import CODE, STRIKE, Door, House, stopping

NOBODY = 65534
ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as link:
    link.connect(sys.argv[1])
    link.sendall(b'{"do": "press", "button": "front"}\\n')
    print(link.recv(1000))
"""
GUESSES, CALLS = 6, 4
"""Codes keyed in each call, and calls of each caller."""


def test_callers_who_guess_codes_do_not_get_in(house: House, phone: Phone) -> None:
    """Two callers whom the door lets in, one after the other, each as often as they like; each visit hears three."""
    chance, guessed = random.Random(4711), 0
    both = lambda text: text.replace('["201"]\n\n[buttons', '["201", "202"]\n\n[buttons')  # noqa: E731
    with stopping(house.phone("202", ip="127.0.0.32")) as other, house.door(edit=both) as door:
        for number in range(2 * CALLS):
            caller = (phone, other)[number % 2]
            since = time.monotonic()
            caller.call("door")
            caller.await_event("CALL_ESTABLISHED", 10, since=since)
            for _ in range(GUESSES):
                guess = f"{chance.randrange(10_000):04d}"
                assert guess != CODE
                caller.press_key(guess + "#")
                guessed += 1
            caller.hang_up()
            door.await_record("visit-ended", visit=_visits(door)[-1])
        released = len(door.records("door-released"))
        rang = attack_table.rings(door, phone)

        assert len(door.records("code-wrong")) <= 3 * 2 * CALLS
        assert {level for _, level in door.pins.history(STRIKE)} == {0.0}
        assert all(CODE not in str(record.get("MESSAGE")) for record in door.records())
        attack_table.add("codes guessed by two callers in turn", guessed, door, rang, got_in=released)


def _visits(door: Door) -> list[str]:
    """The names of all visits that callers began."""
    return [str(record["INTERCOM_VISIT"]) for record in door.records("call-arrived")]


def test_another_user_of_the_machine_may_not_press(door: Door, phone: Phone) -> None:
    """The control socket belongs to root and the group `intercom`: it presses buttons and tells who came."""
    for folder in door.socket.parents[:-2]:
        folder.chmod(folder.stat().st_mode | 0o011)  # pytest hides its folders; /run/intercom is open to all
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", sys.executable, "-c", ASK]
    tried = [subprocess.run([*drop, door.socket], capture_output=True, text=True, check=False) for _ in range(5)]
    got_in = sum(done.returncode == 0 for done in tried)
    rang = attack_table.rings(door, phone)

    assert all("PermissionError" in done.stderr for done in tried)
    assert len(door.records("press-accepted")) == 1
    attack_table.add("the control socket, by another user of the machine", len(tried), door, rang, got_in=got_in)


def test_rubbish_at_the_control_socket_is_answered_or_dropped(door: Door, phone: Phone) -> None:
    """Whoever may ask may ask nonsense: mutated requests, seeded, and the door goes on."""
    chance, tries, answered = random.Random(1), 3000, 0
    asks = [{"do": "status"}, {"do": "visits"}, {"do": "wait", "visit": "x"}, {"do": "press", "button": "none"},
            {"do": "trace", "for_s": 1}, {"do": "next", "since": 9, "within_s": 0, "levels": True}]  # fmt: skip
    for number in range(0, tries, 100):
        with door.connect() as link, link.makefile("rb") as answers:
            lines = [_mutated(json.dumps(chance.choice(asks)), chance) for _ in range(100)]
            link.sendall(b"".join(line + b"\n" for line in lines))
            link.shutdown(1)
            told = [json.loads(line) for line in answers]
            answered += len(told)
            assert all("ok" in answer for answer in told), number
    rang = attack_table.rings(door, phone)

    assert answered
    assert len(door.records("press-accepted")) == 1
    attack_table.add("mutated requests at the control socket (seed 1)", tries, door, rang)


def _mutated(request: str, chance: random.Random) -> bytes:
    data = bytearray(request.encode())
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data) + 1)
        if chance.random() < 0.5:
            data[at : at + 1] = bytes([chance.choice([0, 34, 44, 58, 91, 92, 123, 125, 200, 255, 48, 45])])
        else:
            data[at : at + chance.randrange(6)] = chance.choice([b"", b"null", b"[[[[", b"1e999", b"{}", b'"\\ud800"'])
    return bytes(data).replace(b"\n", b"")


def test_a_password_that_everybody_can_read_is_told(door: Door) -> None:
    """By `intercom check`, and by the daemon at its start."""
    door.config.chmod(0o644)
    command = [sys.executable, "-m", "intercom", "check", door.config]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = f"everybody can read the secrets in it; sudo chmod o= {door.config}"

    assert told in done.stdout + done.stderr
    assert CODE not in done.stdout + done.stderr
    attack_table.add("a configuration with a password that everybody can read", 1, door, "told")
