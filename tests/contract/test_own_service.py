"""The SIP service beside the door, its own configuration under Kamailio: it relays its own calls and nothing else."""

from __future__ import annotations

import contextlib
import itertools
import re
import resource
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from lab.attackers import Attacker, sdp
from lab.extension import Extension, SplitExtension
from lab.own_registrar import HERE, OUTSIDE, OwnRegistrar, network_of_the_house

USERS = {"door": "Door4Password", "201": "Phone201Word", "202": "Phone202Word"}
TO = (OUTSIDE, 5060)
STRANGER, ELSEWHERE, ABROAD = "127.0.0.66", "127.0.0.77", "203.0.113.66"
SECRET = "8f1c9ab7d2e04c3f"
"""What stands for the door's unguessable Contact."""
METHODS = ("INVITE", "ACK", "BYE", "MESSAGE", "OPTIONS", "INFO", "UPDATE", "PRACK", "REFER", "NOTIFY", "SUBSCRIBE",
           "PUBLISH", "CANCEL", "UNHEARD")  # fmt: skip
Join = Callable[[str, str], Extension]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRegistrar]:
    """The service, for the door on 127.0.0.1 and for phones on an address of the network."""
    with network_of_the_house():
        service = OwnRegistrar(tmp_path_factory.mktemp("own"), HERE, USERS, [OUTSIDE])
        yield service
        told = "\n".join(service.running().lines(0))
        service.stop()
    assert not re.search("CRITICAL|ERROR", told), told


@pytest.fixture
def join(service: OwnRegistrar) -> Iterator[Join]:
    """Make extensions; their registrations and sockets end with the test."""
    with contextlib.ExitStack() as leaving:

        def joined(user: str, ip: str) -> Extension:
            one = Extension(user, USERS[user], ip, (HERE, 5060) if user == "door" else TO)
            leaving.callback(one.close)
            leaving.callback(one.register, "*", expires=0)
            return one

        yield joined


class Bystander:
    """A host that has nothing to do with the house: UDP and TCP on one port, and whatever arrives there is wrong."""

    def __init__(self, ip: str = ELSEWHERE) -> None:
        self.udp, self.tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        self.udp.bind((ip, 0))
        self.ip, self.port = self.udp.getsockname()
        self.tcp.bind((ip, self.port))
        self.tcp.listen()

    def touched(self) -> str:
        """What has arrived, at once; nothing, when nothing has."""
        ready = select.select([self.udp, self.tcp], [], [], 0)[0]
        if self.udp in ready:
            return self.udp.recv(65536).decode(errors="replace")
        return f"a TCP connection from {self.tcp.accept()[1]}" if ready else ""

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()


@pytest.fixture
def bystander() -> Iterator[Bystander]:
    """Somebody elsewhere."""
    with contextlib.closing(Bystander()) as somebody:
        yield somebody


def settle(service: OwnRegistrar) -> None:
    """Await that all workers have done what came before: each answers in its turn."""
    for ip in (HERE, OUTSIDE):
        with contextlib.closing(Attacker(HERE, (ip, 5060))) as asking:
            for number in range(16):
                asking.send(plain("OPTIONS", asking, f"sip:{ip}", f"settle{number}"))
            for _ in range(16):
                assert asking.await_heard(5), "the service does not answer"
    assert service.running().running


def plain(method: str, sender: Attacker, uri: str, call: str, *, to: str = "", more: str = "", via: str = "") -> bytes:
    """A request with whatever somebody wants in it."""
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {sender.ip}:{sender.port};branch=z9hG4bK{call}{method}{via}\r\n"
        f"From: <sip:x@{sender.ip}>;tag=a\r\nTo: {to or f'<{uri}>'}\r\nCall-ID: {call}\r\nCSeq: 1 {method}\r\n"
        f"Contact: <sip:x@{sender.ip}:{sender.port}>\r\nMax-Forwards: 70\r\n{more}Content-Length: 0\r\n\r\n"
    ).encode()


def ways(target: Bystander) -> Iterator[tuple[str, str]]:
    """Request-URIs and Route headers that would lead to somebody elsewhere."""
    there = f"{target.ip}:{target.port}"
    uris = [
        f"sip:x@{there}", f"sip:x@{there};transport=tcp", f"sip:x@{OUTSIDE};maddr={target.ip}",
        f"sip:x@{OUTSIDE};alias={target.ip}~{target.port}~1", f"sip:x@{there};alias={target.ip}~{target.port}~2",
        f"sip:201@{OUTSIDE};alias={target.ip}~{target.port}~2", f"sip:{OUTSIDE};gr=urn:uuid:1",
        f"sip:door@{OUTSIDE}?Route=%3Csip:{there}%3E",
    ]  # fmt: skip
    own, loop = f"<sip:{OUTSIDE};lr>", f"<sip:{OUTSIDE};lr;r2=on;ftag=a>"
    away = [f"<sip:{there};lr>", f"<sip:{there};transport=tcp;lr>"]
    routes = ["", own, *(f"{own},{one}" for one in away), *(f"{own},{loop},{one}" for one in away), *away,
              f"{own},{own},{own}", f"<sip:{OUTSIDE};lr;alias={target.ip}~{target.port}~2>"]  # fmt: skip
    for uri, route in itertools.product(uris, routes):
        yield uri, f"Route: {route}\r\n" if route else ""


def test_a_stranger_s_request_leads_nowhere(service: OwnRegistrar, bystander: Bystander) -> None:
    """Whatever the method, the To-tag, the Route and the alias: no packet to a third host, and no TCP connection."""
    with contextlib.closing(Attacker(HERE, TO)) as stranger:  # pike leaves this address alone
        tried = itertools.product(METHODS, ("", ";tag=b"), ways(bystander))
        stranger.as_read((
            plain(method, stranger, uri, f"call{number}", to=f"<{uri}>{tag}", more=route)
            for number, (method, tag, (uri, route)) in enumerate(tried)
        ), 60)  # fmt: skip
        settle(service)
        assert bystander.touched() == ""
        answers = [answer.split(b"\r\n")[0].decode() for answer in stranger.heard()]
        print(stranger.sent, "sent;", {line: answers.count(line) for line in set(answers)})
        assert {line.split()[1] for line in answers} <= {"404", "405", "407", "481", "483"}


def test_a_phone_s_request_leads_to_phones_of_the_house_only(service: OwnRegistrar, join: Join, bystander: Bystander
) -> None:  # fmt: skip
    """A right password proves who asks; where to is not for it to say."""
    phone = join("202", "127.0.0.32")
    phone.register()
    for method in ("INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE", "REFER"):
        for uri, route in ways(bystander):
            answer = phone.ask(method, uri, more=f"Contact: <sip:202@{bystander.ip}>\r\n{route}")
            assert answer.split()[1] in (b"200", b"403", b"404", b"405", b"480"), (method, uri, route, answer)
    settle(service)
    assert bystander.touched() == ""


@pytest.mark.parametrize("form", [
    "<sip:201@{there}>", "<sip:201@{there};transport=tcp>", "<sip:201@{own};maddr={ip}>",
    "<sip:201@{own};alias={ip}~{port}~2>", "<sip:201@{own}>, <sip:201@{there}>", '"<sip:201@{own}>" <sip:201@{there}>',
    "<sip:201@{own}>;received=\"sip:{there}\"", "<sip:201@{there};lr>", "<sip:201@203.0.113.9>",
    "<sip:{there}?Route=x>",
])  # fmt: skip
def test_a_phone_is_where_it_registers_from(service: OwnRegistrar, join: Join, bystander: Bystander, form: str) -> None:
    """A Contact that names another host brings that host nothing: the call comes to the address that registered."""
    phone, other = join("201", "127.0.0.31"), join("202", "127.0.0.32")
    own, there = f"{phone.ip}:{phone.port}", f"{bystander.ip}:{bystander.port}"
    path = f"Path: <sip:{there};lr>\r\n"
    contact = form.format(own=own, there=there, ip=bystander.ip, port=bystander.port)
    answer = phone.ask("REGISTER", f"sip:{TO[0]}", to=f"<sip:201@{TO[0]}>", more=f"Contact: {contact}\r\n{path}")
    other.register()
    if b" 200 " in answer.split(b"\r\n")[0]:
        other.start("MESSAGE", f"sip:201@{TO[0]}")
        phone.await_request("MESSAGE")
    settle(service)
    assert bystander.touched() == ""


def within(
    one: Extension, method: str, uri: str, call: str, tag: str, *, own: str = "", number: int = 3, more: str = ""
) -> bytes:
    """A request within a call whose tags are known."""
    said, one.tag = one.tag, own or one.tag
    try:
        return one.request(method, uri, call, number, to=f"<sip:x@{one.to[0]}>;tag={tag}", more=more)
    finally:
        one.tag = said


def in_a_call(caller: Extension, callee: Extension, *, contact: str = "", call: str = "") -> tuple[str, str]:
    """Have one call the other, who answers; return Call-ID and the callee's tag."""
    call = call or f"call-{caller.user}-{caller.port}"
    uri = f"sip:{callee.user}@{caller.to[0]}"
    caller.start("INVITE", uri, call=call, body=sdp(caller.ip))
    invite = callee.await_request("INVITE")
    callee.answer(invite, "180 Ringing", contact=contact)
    callee.answer(invite, "200 OK", contact=contact, body=sdp(callee.ip))
    caller.await_final()
    return call, f"{callee.user}-{callee.port}"


@pytest.mark.parametrize("contact", [
    "", "<sip:201@10.9.0.1;gr=urn:uuid:12efea18>", "<sip:201@10.9.0.1:5060>", "<sip:201@phone.invalid>",
    "<sip:127.0.0.77>", "<sip:201@127.0.0.31:5060;transport=tcp>",
])  # fmt: skip
def test_a_call_is_acknowledged_and_ended_whatever_its_contact(service: OwnRegistrar, join: Join, contact: str) -> None:
    """Linphone's GRUU (RFC 5627), a name that nobody knows, another transport: ACK, re-INVITE and BYE come to it."""
    door, phone = join("door", HERE), join("201", "127.0.0.31")
    door.register()
    phone.register()
    call, tag = in_a_call(door, phone, contact=contact)
    target = re.findall("<(.*)>", contact)[0] if contact else f"sip:201@{phone.ip}:{phone.port}"

    door.send(within(door, "ACK", target, call, tag))
    phone.await_request("ACK")
    door.send(within(door, "UPDATE", target, call, tag, number=9))
    phone.answer(phone.await_request("UPDATE"), "200 OK")
    assert b" 200 " in door.await_final()
    phone.send(within(phone, "BYE", f"sip:door@{HERE}:{door.port}", call, "door", own=tag))
    door.answer(door.await_request("BYE"), "200 OK")
    assert b" 200 " in phone.await_final()


def test_who_knows_a_call_is_not_in_it(service: OwnRegistrar, join: Join, bystander: Bystander) -> None:
    """A stranger has overheard Call-ID and tags: nothing of his reaches either end, from either side's view."""
    door, phone = join("door", HERE), join("201", "127.0.0.31")
    door.register()
    phone.register()
    call, tag = in_a_call(door, phone)
    with contextlib.closing(Extension("door", "wrong", STRANGER, TO)) as eve:
        methods = ("INVITE", "ACK", "BYE", "UPDATE", "INFO", "REFER", "NOTIFY", "PRACK", "MESSAGE", "CANCEL")
        sides = (("door", tag), (tag, "door"))
        eve.as_read((
            within(eve, method, uri, call, other, own=own, more=route, number=20)
            for method, (own, other), (uri, route) in itertools.product(methods, sides, ways(bystander))
        ), 60)  # fmt: skip
        settle(service)
        assert [heard.split()[0] for heard in phone.heard()] == []
        assert [heard.split()[0] for heard in door.heard()] == []
        assert bystander.touched() == ""
        assert {answer.split()[1] for answer in eve.heard()} <= {b"407", b"481"}


def test_a_phone_that_has_moved_says_who_it_is(service: OwnRegistrar, join: Join) -> None:
    """From another address a request within a call counts with the password, and the call then goes on there."""
    door, phone = join("door", HERE), join("201", "127.0.0.31")
    door.register()
    phone.register()
    call, tag = in_a_call(door, phone)
    with contextlib.closing(Extension("201", USERS["201"], "127.0.0.41", TO)) as moved:
        moved.tag = tag
        moved.start("UPDATE", f"sip:door@{HERE}:{door.port}", call=call, to=f"<sip:door@{HERE}>;tag=door")
        door.answer(door.await_request("UPDATE"), "200 OK")
        assert b" 200 " in moved.await_final()
        moved.register()
        door.send(within(door, "BYE", "sip:201@127.0.0.31", call, tag, number=11))
        moved.await_request("BYE")


def test_a_phone_that_listens_on_another_port_than_it_sends_from(service: OwnRegistrar, join: Join) -> None:
    """Without `rport` an answer goes to the port in Via (RFC 3261 18.2.2), and so do calls, from either side."""
    door = join("door", HERE)
    door.register()
    with contextlib.closing(SplitExtension("202", USERS["202"], "127.0.0.35", TO)) as phone:
        assert b" 200 " in phone.register()
        for caller, callee in ((door, phone), (phone, door)):
            call, tag = in_a_call(caller, callee, call=f"split{caller.user}")
            caller.send(within(caller, "ACK", f"sip:{callee.user}@{callee.ip}", call, tag))
            callee.await_request("ACK")
            caller.send(within(caller, "UPDATE", f"sip:{callee.user}@{callee.ip}", call, tag, number=9))
            callee.answer(callee.await_request("UPDATE"), "200 OK")
            assert b" 200 " in caller.await_final()
            callee.send(within(callee, "BYE", f"sip:{caller.user}@{caller.ip}", call, caller.tag, own=tag))
            caller.answer(caller.await_request("BYE"), "200 OK")
            assert b" 200 " in callee.await_final()
        phone.register("*", expires=0)
    with contextlib.closing(Extension("202", USERS["202"], "127.0.0.35", TO)) as phone:
        phone.register()
        in_a_call(door, phone, call="nolongersplit")


def test_somebody_else_s_call_id_is_nobody_s_call(service: OwnRegistrar, join: Join) -> None:
    """A phone that takes another's Call-ID and tag for a call of its own does not get what belongs to that one."""
    door, phone, third = join("door", HERE), join("201", "127.0.0.31"), join("202", "127.0.0.32")
    for one in (door, phone, third):
        one.register()
    call, tag = in_a_call(door, phone)
    third.tag = "door"
    assert b" 482 " in third.ask("INVITE", f"sip:201@{TO[0]}", more="Contact: <sip:x@127.0.0.32>\r\n", call=call)
    phone.send(within(phone, "BYE", f"sip:door@{HERE}", call, "door", own=tag))
    door.await_request("BYE")


def test_wrong_passwords_count_against_nobody_who_answers_right(service: OwnRegistrar, join: Join) -> None:
    """From the door's and a phone's own address, forty of them: soon unanswered, and both register all the same."""
    for user, ip in (("door", HERE), ("201", "127.0.0.31"), ("201", HERE)):
        with contextlib.closing(Extension(user, "guess", ip, (ip, 5060) if ip == HERE else TO)) as thief:
            answered = 0
            for number in range(40):
                uri = f"sip:{thief.to[0]}"
                thief.send(thief.request("REGISTER", uri, f"guess{ip}{number}", 1))
                proof = thief.proof("REGISTER", uri, thief.await_final())
                thief.send(thief.request("REGISTER", uri, f"guess{ip}{number}", 2, more=proof))
                answered += b" 401 " in thief.await_heard(0.3)
        assert answered <= 10, user
        service.running().await_line(rf"WRONG PASSWORD user={user} source={re.escape(ip)} tries=10$", 5)
        assert b" 200 " in join(user, ip).register()


def test_a_flood_silences_neither_the_door_nor_a_phone(service: OwnRegistrar, join: Join) -> None:
    """Three thousand requests with the address of each: both are served right after it; a stranger is not."""
    door, phone = join("door", HERE), join("201", "127.0.0.39")
    door.register()
    phone.register()
    for ip, to in ((HERE, (HERE, 5060)), ("127.0.0.39", TO), (STRANGER, TO)):
        with contextlib.closing(Attacker(ip, to)) as flooder:
            flooder.as_read((plain("OPTIONS", flooder, f"sip:x@{to[0]}", f"flood{n}") for n in range(3000)), 30)
            answered = len(flooder.heard())
            print(ip, answered, "answered")
            assert ip == HERE or answered < 1000
    assert b" 200 " in door.register()
    assert b" 200 " in phone.register()
    assert in_a_call(door, phone)


def test_from_outside_of_the_house_there_is_nothing(service: OwnRegistrar) -> None:
    """An address of no private network gets no answer, not even a challenge."""
    subprocess.run(["ip", "addr", "add", f"{ABROAD}/32", "dev", "lo"], check=True)
    try:
        with contextlib.closing(Attacker("127.0.0.1", TO)) as abroad:
            abroad.socket.close()
            abroad.socket = socket.socket(type=socket.SOCK_DGRAM)
            abroad.socket.bind((ABROAD, 0))
            abroad.ip, abroad.port = abroad.socket.getsockname()
            for method in METHODS:
                abroad.send(plain(method, abroad, f"sip:201@{OUTSIDE}", f"abroad{method}"))
            abroad.send(plain("REGISTER", abroad, f"sip:{OUTSIDE}", "abroad"))
            settle(service)
            assert abroad.heard() == []
    finally:
        subprocess.run(["ip", "addr", "del", f"{ABROAD}/32", "dev", "lo"], check=True)


def test_an_answer_goes_where_the_question_came_from(service: OwnRegistrar, bystander: Bystander) -> None:
    """A Via with maddr, received or another's address and port sends nothing to them."""
    with contextlib.closing(Attacker(STRANGER, TO)) as stranger:
        there = f"{bystander.ip}:{bystander.port}"
        for number, via in enumerate((f";maddr={bystander.ip}", f";received={bystander.ip};rport={bystander.port}")):
            for uri in (f"sip:{OUTSIDE}", f"sip:201@{OUTSIDE}"):
                request = plain("OPTIONS", stranger, uri, f"via{number}", via=via)
                for one in (request, request.replace(f"{stranger.ip}:{stranger.port};".encode(), f"{there};".encode())):
                    stranger.send(one)
        settle(service)
        assert bystander.touched() == ""


def test_what_the_door_is_not_asked(service: OwnRegistrar, join: Join) -> None:
    """Of what phones send outside of a call the door gets calls and texts alone."""
    door, phone = join("door", HERE), join("201", "127.0.0.31")
    door.register()
    phone.register()
    for method in METHODS:
        if method not in ("INVITE", "MESSAGE", "ACK", "CANCEL"):
            assert phone.ask(method, f"sip:door@{OUTSIDE}", more="Event: presence\r\n").split()[1] == b"405", method
    settle(service)
    assert door.heard() == []


def test_the_door_s_contact_is_told_to_nobody_but_the_door(service: OwnRegistrar, join: Join) -> None:
    """Other users of the machine and phones ask for it in every way: it is in no answer, and in no line of the log."""
    door, phone = join("door", HERE), join("201", "127.0.0.31")
    mark = service.mark()
    assert SECRET.encode() in door.register(f"<sip:door-{SECRET}@{HERE}:{door.port}>")
    phone.register()
    heard = [phone.register("-"), phone.register()]
    heard.append(phone.ask("REGISTER", f"sip:{TO[0]}", to=f"<sip:door@{TO[0]}>", more="Contact: *\r\nExpires: 0\r\n"))
    heard += [phone.ask(method, f"sip:door@{TO[0]}") for method in ("OPTIONS", "SUBSCRIBE", "PUBLISH", "NOTIFY")]
    with contextlib.closing(Attacker(HERE, (HERE, 5060))) as local:
        for method in (*METHODS, "REGISTER"):
            local.send(plain(method, local, f"sip:door@{HERE}", f"ask{method}", more="Event: reg\r\n"))
        settle(service)
        heard += local.heard()
    assert heard
    assert all(SECRET.encode() not in answer for answer in heard)
    assert SECRET not in "\n".join(service.running().lines(mark))
    assert [one.split()[0] for one in door.heard()] == []


def half_open(count: int, ip: str, holding: contextlib.ExitStack) -> int:
    """Begin so many requests over TCP from one host, and end none; return how many connections were taken."""
    taken = 0
    for _ in range(count):
        link = holding.enter_context(contextlib.closing(socket.socket()))
        link.bind((ip, 0))
        link.settimeout(5)
        with contextlib.suppress(OSError):
            link.connect(TO)
            link.sendall(b"OPTIONS ")
            taken += 1
    return taken


def test_one_host_does_not_take_all_connections(service: OwnRegistrar) -> None:
    """A stranger's 2100 half-open ones leave room for phones, which are served at once; and his own are few."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, limit[1]), limit[1]))
    try:
        with service.guarded(), contextlib.ExitStack() as holding:
            taken = half_open(2100, STRANGER, holding)
            with contextlib.closing(socket.create_connection(TO, 5, source_address=("127.0.0.31", 0))) as phone:
                phone.settimeout(5)
                sender = phone.getsockname()
                phone.sendall(
                    f"OPTIONS sip:{OUTSIDE} SIP/2.0\r\nVia: SIP/2.0/TCP {sender[0]}:{sender[1]};branch=z9hG4bKt\r\n"
                    f"From: <sip:x@x>;tag=a\r\nTo: <sip:{OUTSIDE}>\r\nCall-ID: t\r\nCSeq: 1 OPTIONS\r\n"
                    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode()
                )
                assert phone.recv(4096).startswith(b"SIP/2.0 200 ")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert 1 <= taken <= 20


def test_a_connection_on_which_nobody_registers_is_closed(service: OwnRegistrar) -> None:
    """After twenty seconds, as the configuration says."""
    idle = socket.create_connection(TO, 5, source_address=(STRANGER, 0))
    began = time.monotonic()
    with contextlib.closing(idle):
        idle.sendall(b"OPTIONS ")
        idle.settimeout(40)
        with contextlib.suppress(ConnectionResetError):
            assert idle.recv(100) == b""
    assert time.monotonic() - began < 35
