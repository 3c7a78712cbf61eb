# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks of `intercom doctor` along the line of an account: name, server, certificate, password, sound.

Nothing here disturbs a registration: a REGISTER without a Contact only asks which ones there are (RFC 3261
section 10.2.3), and has to pass the same password.
"""

import asyncio
import ipaddress
import re
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from intercom.cli.doctor_checks.finding import Finding, broken, skipped, unwise, well
from intercom.cli.doctor_checks.sip_client import Answer, SipClient, SipError, Trust, credentials
from intercom.config import validators
from intercom.config.model import Account
from intercom.core.events import Event

NAMES_S = 12.0
"""How long looking for a server may take, in seconds: name servers, and then the system itself."""
LARGE = 1800
"""Bytes of a message that leaves in fragments on any network, as a call with ICE may (RFC 3261 section 18.1.1)."""
DAY = 86400.0
EXPIRES_SOON = 14 * DAY
_TROUBLES = (OSError, SipError)


@dataclass(slots=True)
class Line:
    """One account, and what has been learned about the way to its server."""

    account: Account
    bind: str
    host: str = ""
    places: list[tuple[str, int]] = field(default_factory=list)
    """Where its server may be, as IP addresses and ports, the best first."""
    port: int = 5060
    address: str = ""
    client: SipClient | None = None

    @property
    def trust(self) -> Trust:
        """Whom to believe with TLS, as the voice engine does."""
        return Trust(self.account.ca_file, self.account.cert_file, self.account.key_file)

    @property
    def me(self) -> str:
        """The door's own address at this account."""
        return f"sip:{self.account.user}@{self.account.server}"

    @property
    def registrar(self) -> str:
        """Whom a REGISTER is for."""
        return f"sip:{self.account.server}"


def checks(account: Account, bind: str, echo_number: str = "") -> Iterator[Finding]:
    """Look at everything between the door and this account's server, in order; stop where the rest makes no sense."""
    line = Line(account, bind)
    try:
        for step in (_name, _reach, _certificate, _register, _address):
            finding = step(line)
            yield finding
            if finding.health == "broken":
                return
        if echo_number:
            yield _echo(line, echo_number)
    finally:
        if line.client is not None:
            line.client.close()


def _name(line: Line) -> Finding:
    what = f"name {line.account.key}"
    server = line.account.proxy or line.account.server
    address, port = validators.place(server)
    usual = port or (5061 if line.account.transport == "tls" else 5060)
    line.host = str(address) if address else server.rpartition(":")[0] if port else server
    if address is not None:
        line.places = [(str(address), usual)]
        return well(what, f"{server} is an address")
    from intercom.adapters.monitors import dns  # noqa: PLC0415  (dnspython: not for who has an address)

    asked = dns.Names({what: (line.host, port or None, line.account.transport)}, _tell_nobody)
    try:
        found = asyncio.run(asyncio.wait_for(asked.places(what), NAMES_S))
    except (OSError, TimeoutError) as error:
        why = str(error) or f"no answer within {NAMES_S:g} s"
        return broken(
            what, f"{line.host} is not found ({why})", "check the name, and the Pi's network: ip address; ip route"
        )
    line.places = [(host.strip("[]"), int(number)) for host, _, number in (place.rpartition(":") for place in found)]
    told = [place.removesuffix(f":{usual}").strip("[]") for place in found]
    return well(what, f"{line.host} is {', '.join(told)}")


def _tell_nobody(_event: Event, _at: float | None = None) -> None:
    """Nobody is told: the answer is awaited here."""


def _reach(line: Line) -> Finding:
    account = line.account
    what = f"server {account.key}"
    try:
        answer = _first_answer(line)
    except ssl.SSLCertVerificationError as error:
        return broken(f"certificate {account.key}", error.verify_message.rstrip("."),
                      f"the server needs a certificate for {line.host}, of an authority known here")  # fmt: skip
    except _TROUBLES as error:
        others = [name for name in ("udp", "tcp", "tls") if name != account.transport and _answers(line, name)]
        do = f"it answers over {' and '.join(others)}: change transport" if others else "check cable, router and server"
        return broken(what, f"{_where(line)} over {account.transport}: {_words(error)}", do)
    told = f"{_where(line)} answers over {account.transport} in {answer.took_ms:.0f} ms ({answer.code})"
    if account.large and not _takes_large(line):
        return unwise(what, f"{told}, but not to {LARGE} bytes", 'calls may be as large: transport = "tcp" or "tls"')
    return well(what, told)


def _takes_large(line: Line) -> bool:
    """Whether what leaves in fragments gets there, and its answer back."""
    assert line.client is not None
    try:
        padding = f"X-Padding: {LARGE * 'x'}"
        line.client.ask("OPTIONS", line.registrar, me=line.me, to=f"<{line.registrar}>", more=(padding,))
    except _TROUBLES:
        return False
    return True


def _first_answer(line: Line) -> Answer:
    """Ask at each place in turn, as the door does; the first that answers is the line's. Raises what the last did."""
    for number, place in enumerate(line.places, 1):
        line.address, line.port = place
        try:
            line.client = SipClient(
                line.account.transport, line.address, line.port, line.host, bind=line.bind, trust=line.trust
            )
            return line.client.ask("OPTIONS", line.registrar, me=line.me, to=f"<{line.registrar}>")
        except _TROUBLES:
            if line.client is not None:
                line.client.close()
                line.client = None
            if number == len(line.places):
                raise
    raise SipError("there is no place to ask at")


def _answers(line: Line, transport: str) -> bool:
    """Whether the server can be reached another way."""
    port = {"tls": 5061}.get(transport, 5060) if line.port in {5060, 5061} else line.port
    try:
        client = SipClient(transport, line.address, port, line.host, bind=line.bind, patience_s=1.0, trust=line.trust)
    except OSError:
        return False
    try:
        client.ask("OPTIONS", line.registrar, me=line.me, to=f"<{line.registrar}>")
    except _TROUBLES:
        return False
    finally:
        client.close()
    return True


def _certificate(line: Line) -> Finding:
    what = f"certificate {line.account.key}"
    assert line.client is not None
    ends = line.client.certificate_ends()
    if ends is None:
        return skipped(what, f"none with {line.account.transport}")
    days = (ends - time.time()) / DAY
    if ends - time.time() < EXPIRES_SOON:
        return unwise(what, f"ends in {days:.0f} days", "have the server's renewed")
    return well(what, f"is good for {days:.0f} days")


def _register(line: Line) -> Finding:
    account, client = line.account, line.client
    what = f"login {account.key}"
    assert client is not None
    if not account.register:
        return skipped(what, "this account does not register")
    try:
        answer = client.ask("REGISTER", line.registrar, me=line.me)
        shown = "without a password"
        if answer.code in {401, 407}:
            challenge = answer.challenge()
            shown = f"{answer.code}, realm {challenge.get('realm', '?')!r}, {challenge.get('algorithm', 'MD5')}"
            proof = credentials(answer, "REGISTER", line.registrar, account.auth_user_name, account.password.reveal())
            answer = client.ask("REGISTER", line.registrar, me=line.me, more=(proof,))
    except _TROUBLES as error:
        return broken(what, _words(error), "see whether the server speaks SIP digest (RFC 7616) at all")
    if answer.code != 200:
        return broken(what, f"refused: {answer.code} {answer.reason} (asked with {shown})", _what_to_do(answer.code))
    return well(what, f"accepted ({shown}); {_bindings(answer)}")


def _what_to_do(code: int) -> str:
    if code in {401, 403, 407}:
        return "user or password is wrong: check both in the configuration and at the server"
    if code == 404:
        return "the server does not know this user: check user and server"
    return "ask who runs the server what this answer means"


def _bindings(answer: Answer) -> str:
    contacts = [
        part for line in answer.headers.get("contact", []) for part in re.findall(r"<sips?:[^>@]*@?([^>;]+)", line)
    ]
    return f"the door is known at {', '.join(contacts)}" if contacts else "nobody is registered now"


def _address(line: Line) -> Finding:
    """Look at which address the door tells others for its sound, and whether the server sees another one."""
    what = f"address {line.account.key}"
    assert line.client is not None
    try:
        answer = line.client.ask("OPTIONS", line.registrar, me=line.me, to=f"<{line.registrar}>")
    except _TROUBLES as error:
        return broken(what, _words(error), "the server answered a moment ago: check the network")
    own, seen = line.client.own, re.search(r";received=([^;,\s]+)", answer.first("via"))
    if seen is not None and seen[1] != own:
        return unwise(what, f"the door tells {own} for its sound, the server sees {seen[1]}",
                      "addresses are translated: the server must send sound back to where it comes from")  # fmt: skip
    if ipaddress.ip_address(own).is_private and ipaddress.ip_address(line.address).is_global:
        return unwise(what, f"the door tells {own}, which the Internet does not know",
                      "the server must send sound back to where it comes from")  # fmt: skip
    return well(what, f"the door tells {own} for its sound, and the server sees no other")


def _echo(line: Line, number: str) -> Finding:
    from intercom.cli.doctor_checks.echo_call import echo  # noqa: PLC0415  (only with --echo)

    what = f"sound {line.account.key}"
    uri = number if number.startswith("sip:") else f"sip:{number}@{line.account.server}"
    assert line.client is not None
    try:
        heard = echo(line.client, line.me, uri, line.account.user, line.account.password.reveal())
    except _TROUBLES as error:
        return broken(what, f"{number} does not take the call: {_words(error)}", "check the echo number")
    if not heard.received:
        return broken(what, f"{heard.sent} packets went to {heard.told}, none came back",
                      "a firewall or address translation holds them up: allow UDP from there")  # fmt: skip
    lost = max(0, heard.sent - heard.received)
    text = f"{heard.sent} packets went, {heard.received} came back from {heard.source}"
    if heard.received * 10 < heard.sent * 9:
        return unwise(what, text, f"{100 * lost // heard.sent} % are lost: look for a bad cable or a full link")
    return well(what, text)


def _where(line: Line) -> str:
    return f"{line.address}:{line.port}" if ":" not in line.address else f"[{line.address}]:{line.port}"


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return str(getattr(error, "strerror", None) or error)
