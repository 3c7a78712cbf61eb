# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses of telephones: what a target of the configuration means as a SIP URI, and what a far end's URI means.

A target is a user ("201", "**621"), a user at a host ("201@pbx.example"), a SIP URI, a telephone number ("+4930123")
or a `tel:` URI. Star codes go out as they are; "#" is not allowed in a SIP URI and goes out as "%23" (RFC 3261
section 25.1).
"""

import ipaddress
import re
from urllib.parse import unquote

from intercom.core.fast_dataclass import dataclass

# RFC 3261 section 25.1, `user`, without the rarer characters that PJSIP or a shell would trip over.
_USER = re.compile(r"(?:[A-Za-z0-9_.!~*'+$&=-]|%[0-9A-Fa-f]{2}){1,64}")
_PARAMETERS = r"(?:;[A-Za-z0-9_.+-]{1,64}(?:=[A-Za-z0-9_.+%:\[\]-]{1,128})?){0,8}"
_SIP = re.compile(
    r"(?:(?P<scheme>sips?):)?(?P<user>[^@;?:/]+)(?P<context>;phone-context=[A-Za-z0-9+.-]{1,64})?"
    rf"@(?P<host>\[[^\]]*\](?::[0-9]*)?|[^@;?\[\]]+)(?P<parameters>{_PARAMETERS})",
    re.IGNORECASE,
)
# RFC 3966 section 3, with its visual separators.
_TEL = re.compile(
    r"tel:(?P<number>\+?[0-9*#().-]{1,40})(?:;phone-context=(?P<context>\+?[A-Za-z0-9.-]{1,64}))?", re.IGNORECASE
)
_HOST = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")
_SEPARATORS = str.maketrans("", "", "().-")
_USUAL_PORTS = {0, 5060, 5061}
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

EMERGENCY = frozenset(
    ["000", *map(str, (*range(110, 120), 122, 133, 144, 155, 158, *range(190, 200), 911, 988, *range(990, 1000)))]
)
"""Numbers of police, fire brigades and rescue services somewhere in the world (ITU-T E.129 lists them by country).
Those from 100 to 109 are left out: they are extensions in too many houses."""


@dataclass(frozen=True, slots=True)
class Address:
    """A SIP address, taken apart. What is not given is empty."""

    scheme: str
    """"sip" or "sips"; "tel" for a telephone number; empty where the account decides."""
    user: str
    """As it stands in a URI: percent-encoded where it has to be."""
    host: str = ""
    """Host or host:port; empty: the account's own."""
    parameters: str = ""
    """";transport=tcp;user=phone"."""
    context: str = ""
    """The dial plan that a local number belongs to: ";phone-context=pbx.example" (RFC 3966 section 5.1.5)."""

    @property
    def transport(self) -> str:
        """The transport that it asks for, in lower case."""
        asked = re.search(r";transport=(\w+)", self.parameters, re.IGNORECASE)
        return asked[1].lower() if asked else ""


def parse(text: str) -> Address | None:
    """Take a target, or a far end's URI, apart; None for what cannot be called."""
    if number := _TEL.fullmatch(text):
        digits = number["number"].translate(_SEPARATORS).replace("#", "%23")
        context = f";phone-context={number['context']}" if number["context"] else ""
        return Address("tel", digits, context=context) if digits.strip("+") else None
    if address := _SIP.fullmatch(text):
        user = address["user"].replace("#", "%23")
        if not is_user(user):
            return None
        scheme = (address["scheme"] or "").lower()
        return Address(scheme, user, address["host"], address["parameters"], address["context"] or "")
    user = text.replace("#", "%23")
    return Address("", user) if is_user(user) else None


def is_user(text: str) -> bool:
    """Whether a text is the user part of a SIP address."""
    return _USER.fullmatch(text) is not None


def uri(target: str, domain: str, transport: str) -> str:
    """Return the SIP URI to call. `domain` and `transport` are the account's, and complete what the target leaves out.

    A whole address that names no transport goes by the account's, too: nothing else may be open.

    A telephone number becomes a user of the account's domain, as RFC 3261 section 19.1.6 has it.
    """
    address = parse(target)
    if address is None or address.scheme == "sips":
        return target
    phone = ";user=phone" if address.scheme == "tel" else ""
    by = "" if transport == "udp" or address.transport else f";transport={transport}"
    return f"sip:{address.user}{address.context}@{address.host or domain}{phone}{address.parameters}{by}"


def number(user: str) -> str:
    """Return what a user part says when nothing is encoded in it any more: "%2a21" is "*21"."""
    return unquote(user).partition(";")[0]


def party(user: str, host: str = "") -> str:
    """Return somebody in the one spelling that compares (RFC 3261 section 19.1.4), from what nothing is encoded in.

    The user counts whole and with regard to case; a host without, and an IP address by its value.
    """
    own = user.replace("@", "%40")
    return f"{own}@{named(host)}" if host else own


def party_of(text: str) -> str:
    """Return `party` of "201", or of "201@pbx.example", with percent-encoding where that was needed."""
    user, _, host = text.partition("@")
    return party(unquote(user), host)


def named(host: str) -> str:
    """Return a host, with its port or without, in the one spelling that compares, without the port."""
    found = _HOST.fullmatch(host)
    name = _named(found) if found else host.strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def is_emergency(user: str) -> bool:
    """Whether a number looks like an emergency call, also with a country's or an outside line's digits before it."""
    digits = number(user).translate(_SEPARATORS)
    if not digits.lstrip("+").isdigit() or len(digits) > 6:
        return False
    return any(digits.removeprefix(prefix) in EMERGENCY for prefix in ("", "+", "0", "00", "9", "+0"))


def digits(user: str) -> str:
    """Return a user part as it would be compared with a number: nothing encoded, no separators within a number."""
    plain = unquote(user)
    bare = plain.translate(_SEPARATORS)
    return bare if bare.lstrip("+").isascii() and bare.lstrip("+").isdigit() else plain


def may_be_emergency(user: str) -> bool:
    """Whether a number that a stranger names could mean an emergency call.

    It may have a country's code, an outside line's digits or another prefix of up to four digits before it ("+49112",
    "0049112", "8112"), and anything but digits behind it.
    """
    plain = re.sub(r"[^0-9]", "", unquote(user))
    return any(rest[before:] in EMERGENCY for rest in (plain, plain.lstrip("0")) for before in range(5))


def same_place(one: str, other: str) -> bool:
    """Whether two hosts, with their ports or without, are the same one. Who leaves the port out means the usual one."""
    first, second = _HOST.fullmatch(one), _HOST.fullmatch(other)
    if first is None or second is None or _named(first) != _named(second):
        return False
    ports = {int(first["port"] or 0), int(second["port"] or 0)}
    return len(ports) == 1 or ports <= _USUAL_PORTS


def is_within(host: str, place: str) -> bool:
    """Whether a host, with its port or without, is what `place` says: a host, an address or a network."""
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    try:
        return ipaddress.ip_address(_named(found)) in ipaddress.ip_network(place.strip("[]"))
    except ValueError:
        return _named(found) == place.strip("[]").rstrip(".").lower()


def is_place(text: str) -> bool:
    """Whether a text can be a place of `is_within` that is an address or a network: "192.0.2.7", "192.168.1.0/24"."""
    try:
        ipaddress.ip_network(text.strip("[]"))
    except ValueError:
        return False
    return True


def unusable(address: Ip) -> str:
    """Return why an address can be nobody's whom this machine could speak to, or its own; empty when it can."""
    if address.is_unspecified:
        return "is no address of anybody"
    if address.is_multicast or str(address) == "255.255.255.255":
        return "is the address of many"
    if address.version == 6 and address.is_link_local:
        return "is of one cable only, and which one cannot be said: give its global or unique local address"
    if address.version == 6 and address.ipv4_mapped:
        return f"is IPv4 written as IPv6: {address.ipv4_mapped}"
    return ""


def _named(host: re.Match[str]) -> str:
    return (host["six"] or host["name"]).rstrip(".").lower()
