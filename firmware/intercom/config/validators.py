# SPDX-License-Identifier: GPL-2.0-or-later
"""What a text of the configuration may look like: a check, and beside it the words that say so.

Nothing here lets a control character, a quote or a space through to SIP, where it would end a header.
"""

import ipaddress
import re
from datetime import date, datetime, timedelta

from intercom import sip_address
from intercom.security import code_hash

NAME = "text of 1 to 60 printable characters without quotes or angle brackets"
KEY = "letters, digits, - and _, beginning with a letter, at most 32 of them"
SERVER = 'a host or host:port without "sip:", such as "pbx.example" or "192.0.2.1:5060"'
USER = 'a SIP user such as "201" or "front-door"'
TARGETS = 'users ("201"), addresses ("sip:201@pbx.example") or numbers ("tel:+4930123")'
TARGET = 'a user ("400"), an address ("sip:400@pbx.example") or a number ("tel:+4930123")'
TEXTED = 'a user ("201") or an address ("sip:201@pbx.example"), or "" for nobody'
STAGES = 'a list of stages like { targets = ["201"], ring_s = 15 }'
TURN = 'an IP address with a port, such as "192.0.2.7:3478", or "" for none'
TURN_USER = "up to 64 printable characters without spaces, colons and quotes"
REDIRECTS = '"own", numbers ("20?"), hosts ("pbx2.example"), addresses or networks ("192.168.1.0/24")'
RING = 'an Alert-Info such as "<http://127.0.0.1/Bellcore-dr4>;info=door", or "" for none'
CALLERS = 'users ("201", or "201@other.example" of another server), or "*" for anyone the server lets through'
PASSWORD = "up to 256 printable characters"  # noqa: S105  (it only says what one is)
LOGIN = 'a name to log in with, up to 128 printable characters without quotation marks, or "" for the user'
ADDRESSES = 'IP addresses or networks ("192.0.2.0/28")'
DOMAINS = 'hosts ("fritz.box") or IP addresses'
TEXTERS = 'users ("201", or "201@other.example" of another server)'
EMERGENCY = 'numbers that look like emergency calls ("112")'
KEYS = "1 to 64 keys: 0-9, *, #, A-D, and w for half a second of waiting"
CODE = '2 to 12 digits, each 0 to 9, "card " and a card\'s number, or what `intercom code` made of one'
EXPIRES = 'a day such as "2026-12-31", its last one, or a minute such as "2026-12-31 18:00"'
CARD = 'the name of a card in /proc/asound/cards, or "" for the default'
DAYS = 'days such as "mon-fri" or "mon,wed,fri-sun"'
FROM = 'a time from "00:00" to "23:59"'
MIXER = 'levels such as "Speaker = 80%", "Mic = 12dB", "Auto Gain Control = off"'
PATH = 'a file or folder, or "" for none'
TEST_AT = f'{FROM}, or "" for never'
TO = 'a time from "00:00" to "24:00"'
DATES = 'dates such as "2026-12-25"'
BIND = 'an IP address of this machine, or "" for all'

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
# RFC 3261 section 25.1, `Alert-Info`: nothing that ends a header.
_RING = re.compile(r"<[!-;=?-~]{1,200}>(?:;[A-Za-z0-9_.=/-]{1,64}){0,4}")
_KEYS = re.compile(r"[0-9A-D*#w]{1,64}")
_CARD = re.compile(r"[A-Za-z0-9_:,=. -]{0,64}")
_MIXER = re.compile(
    r"(?P<control>[^=\x00-\x1f]{1,60}?) *= *(?P<value>(100|[0-9]{1,2})%|-?[0-9]{1,2}(\.[0-9]{1,2})?dB|on|off|cap|nocap)"
)
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([0-9]{1,2}):([0-5][0-9])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_name(text: str) -> bool:
    """Whether a text is fit to be shown on a phone."""
    return 1 <= len(text) <= 60 and text.isprintable() and not set(text) & set('"<>\\')


def is_key(text: str) -> bool:
    """Whether a text is fit to be the second word of a section's name."""
    return _KEY.fullmatch(text) is not None


def is_user(text: str) -> bool:
    """Whether a text is the user part of a SIP address."""
    return sip_address.is_user(text)


def is_caller(text: str) -> bool:
    """Whether a text is a user of the account's server, or one of another server."""
    user, at, host = text.partition("@")
    return is_user(user) and (not at or is_domain(host))


def is_addresses(text: str) -> bool:
    """Whether a text is an IP address or a network that is no whole half of the world."""
    return sip_address.is_place(text) and ipaddress.ip_network(text.strip("[]")).prefixlen >= 8


def is_domain(text: str) -> bool:
    """Whether a text is what stands behind the `@` of a SIP address, without a port."""
    return is_server(text) and not place(text)[1] and (text.startswith("[") or ":" not in text)


def is_server(text: str) -> bool:
    """Whether a text is host, host:port, or [IPv6 address]:port."""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        return bool(bracket) and _is_address(host, 6) and (not port or (port[0] == ":" and _is_port(port[1:])))
    host, colon, port = text.partition(":")
    return _is_host(host) and (not colon or _is_port(port))


def is_this_machine(server: str) -> bool:
    """Whether a server is at one of the names that every machine has for itself, where a service beside it listens."""
    address, port = place(server)
    return server.removesuffix(f":{port}").lower() == "localhost" or str(address) in ("127.0.0.1", "::1")


def is_target(text: str) -> bool:
    """Whether a text can be called."""
    address = sip_address.parse(text)
    return address is not None and (not address.host or is_server(address.host))


def is_texted(text: str) -> bool:
    """Whether a text is somebody who can be sent a text, or nobody."""
    return not text or is_target(text)


def server_of(target: str) -> str:
    """Return host or host:port of a whole address; empty for a mere user, or what is no target at all."""
    address = sip_address.parse(target)
    return address.host if address is not None and is_target(target) else ""


def place(server: str) -> tuple[_Address | None, int]:
    """Return the IP address and the port of what `is_server`: None for a host name, 0 where no port is given."""
    host, _, port = server[1:].partition("]") if server.startswith("[") else server.partition(":")
    port = port.removeprefix(":")
    return ipaddress.ip_address(host) if _is_address(host) else None, int(port) if _is_port(port) else 0


def is_redirect(text: str) -> bool:
    """Whether a text says where a server may send a call on."""
    return is_numbers(text) or sip_address.is_place(text) or _is_host(text)


def is_numbers(text: str) -> bool:
    """Whether a text names numbers of a server's own: "204", "+4930123", "2??" for all of three digits with 2 first."""
    return re.fullmatch(r"\+?(?=.*[0-9])[0-9?]{1,20}", text) is not None


def is_turn(text: str) -> bool:
    """Whether a text is a TURN server, or none. A name would be looked up in the middle of a call."""
    return not text or (is_server(text) and place(text)[0] is not None and place(text)[1] > 0)


def is_turn_user(text: str) -> bool:
    """Whether a text is a name to log in with at a TURN server, or none."""
    return len(text) <= 64 and text.isprintable() and not set(text) & set(': "')


def is_ring(text: str) -> bool:
    """Whether a text is what a phone can be told about how to ring, or nothing."""
    return not text or _RING.fullmatch(text) is not None


def is_proxy(text: str) -> bool:
    """Whether a text is an outbound proxy, or none."""
    return not text or is_server(text)


def is_password(text: str) -> bool:
    """Whether a text can be logged in with: an empty one, too (RFC 7616 section 3.4.2 sets no limit)."""
    return len(text) <= 256 and text.isprintable()


def is_emergency(target: str) -> bool:
    """Whether a target looks like an emergency number."""
    address = sip_address.parse(target)
    return address is not None and sip_address.is_emergency(address.user)


def is_login(text: str) -> bool:
    """Whether a text can be a name to log in with (RFC 7616: any quoted string), or is left to the user.

    It goes out between quotation marks as it stands, so it must not end them.
    """
    return len(text) <= 128 and text.isprintable() and text.strip() == text and '"' not in text and text[-1:] != "\\"


def is_keys(text: str) -> bool:
    """Whether a text is keys that a phone can press, and pauses between them."""
    return _KEYS.fullmatch(text) is not None


def is_code(text: str) -> bool:
    """Whether a text can be keyed on a phone, or held before a reader. Other scripts' digits cannot."""
    if text.startswith(code_hash.CARD):
        number = text.removeprefix(code_hash.CARD)
        return 1 <= len(number) <= 20 and number.isascii() and number.isdigit()
    return 2 <= len(text) <= 12 and text.isascii() and text.isdigit()


def is_secret(text: str) -> bool:
    """Whether a text is a code or the hash of one."""
    return is_code(text) or code_hash.parse(text) is not None


def keys_of(secret: str) -> int:
    """Return how many keys a code has; 0 for a card."""
    known = code_hash.parse(secret)
    return known.keys if known is not None else 0 if secret.startswith(code_hash.CARD) else len(secret)


def end(text: str) -> datetime | None:
    """Return the instant at which a day or a minute is over, in local time; None for what is neither.

    The end of the calendar's last day, "9999-12-31", is what people write for "never".
    """
    on, _, at = text.partition(" ")
    last, minutes = day(on), minute(at) if at else 1440
    if last is None or minutes < 0 or (not at and " " in text):
        return None
    try:
        return datetime.combine(last, datetime.min.time()) + timedelta(minutes=minutes)
    except OverflowError:
        return datetime.max  # noqa: DTZ901  (local time, as everything in the file)


def is_expiry(text: str) -> bool:
    """Whether a text says when something ends."""
    return end(text) is not None


def is_card(text: str) -> bool:
    """Whether a text can be a card's name."""
    return _CARD.fullmatch(text) is not None


def is_mixer(text: str) -> bool:
    """Whether a text is a level of a card's mixer."""
    return _MIXER.fullmatch(text) is not None


def mixer_level(text: str) -> tuple[str, str]:
    """Return control and value of "Speaker = 80%", as `amixer sset` takes them. ValueError for anything else."""
    found = _MIXER.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found["control"], found["value"]


def weekdays(text: str) -> frozenset[int]:
    """Return the days that a text names, Monday as 0; none of them where it names anything else."""
    found: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        if not {first, last if dash else first} <= set(_WEEK):
            return frozenset()
        start, end = _WEEK.index(first), _WEEK.index(last or first)
        # "sat-mon" goes over the end of the week.
        found.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(found)


def minute(text: str) -> int:
    """Return a time as minutes after midnight, 1440 for "24:00"; -1 where it is none."""
    time = _TIME.fullmatch(text)
    minutes = 60 * int(time[1]) + int(time[2]) if time else -1
    return minutes if minutes <= 1440 else -1


def day(text: str) -> date | None:
    """Return a date; None where it is none. Of ISO 8601's many spellings only the one that everybody knows counts."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def is_days(text: str) -> bool:
    """Whether a text names days of the week."""
    return bool(weekdays(text))


def is_path(text: str) -> bool:
    """Whether a text can name a file."""
    return text.isprintable() and len(text) < 4096


def is_test_at(text: str) -> bool:
    """Whether a text is a time of day, or none."""
    return not text or is_from(text)


def is_from(text: str) -> bool:
    """Whether a text is a time at which something can begin."""
    return 0 <= minute(text) < 1440


def is_to(text: str) -> bool:
    """Whether a text is a time at which something can end."""
    return minute(text) >= 0


def is_bind(text: str) -> bool:
    """Whether a text is a local address, or none."""
    return not text or _is_address(text)


def _is_host(text: str) -> bool:
    if not 1 <= len(text) <= 253:
        return False
    labels = text.removesuffix(".").split(".")
    if labels[-1].isdigit():
        return _is_address(text, 4)
    return all(_LABEL.fullmatch(label) for label in labels)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535


def _is_address(text: str, version: int | None = None) -> bool:
    try:
        return ipaddress.ip_address(text).version in (version or 4, version or 6) and "%" not in text
    except ValueError:
        return False
