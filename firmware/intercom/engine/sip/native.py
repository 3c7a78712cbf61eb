# SPDX-License-Identifier: GPL-2.0-or-later
"""PJSIP's C functions that its Python interface leaves out, called with `ctypes` in the owner thread.

The resolver is the important one. Without it PJSIP asks `getaddrinfo` in the middle of sending, and a name server that
does not answer holds up every call, every registration and the watchdog for many seconds.
"""

import ctypes
import socket
import sys
from collections.abc import Callable, Iterable
from ctypes import POINTER, addressof, byref, c_char_p, c_int, c_long, c_ssize_t, c_uint, c_ulong, c_void_p
from typing import Any, NamedTuple

from intercom.engine.sip.caller_id import Party
from intercom.engine.sip.uri import Place, describe
from intercom.errors import EngineError

CAUSES = 10
"""Of refusals: `enum cause` of ../../pjsip/gate.c."""
MOST_PARTIES = 16
"""Addresses that are read of all headers of one name."""
PJ_ERESOLVE = 70018
"""pj/errno.h; a request that gets it ends with 502."""
_SECURE, _RELIABLE, _IPV6 = 2, 1, 128
_KINDS = {1: "udp", 2: "tcp", 3: "tls"}
_SCHEMES = ("", "sip", "sips", "tel")


class Text(ctypes.Structure):
    """pj_str_t of pj/types.h: not ended by a zero."""

    _fields_ = (("ptr", c_void_p), ("slen", c_ssize_t))

    @classmethod
    def of(cls, data: bytes) -> "Text":
        """Wrap bytes; they live as long as this object."""
        buffer = ctypes.create_string_buffer(data)
        text = cls(addressof(buffer), len(data))
        text._kept = buffer
        return text

    def __str__(self) -> str:
        return ctypes.string_at(self.ptr, self.slen).decode("utf-8", "replace") if self.slen > 0 else ""


class Host(ctypes.Structure):
    """pjsip_host_info of pjsip/sip_types.h: what has to be resolved."""

    _fields_ = (("flag", c_uint), ("type", c_int), ("host", Text), ("port", c_int))


class Refused(NamedTuple):
    """What the gate refused since the engine's start."""

    counts: tuple[int, ...]
    """By cause, in the order of `enum cause` of ../../pjsip/gate.c."""
    source: str
    """IP address of the last one."""
    request: str
    """What it sent: "INVITE", or nothing readable."""


class _Party(ctypes.Structure):
    """struct party of ../../pjsip/gate.c: an address out of a header."""

    _fields_ = (("name", Text), ("user", Text), ("host", Text), ("scheme", c_int))


class Span(ctypes.Structure):
    """pj_time_val of pj/types.h."""

    _fields_ = (("sec", c_long), ("msec", c_long))

    @property
    def ms(self) -> int:
        """All of it."""
        return int(self.sec * 1000 + self.msec)


_RESOLVE = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, POINTER(Host), c_void_p, c_void_p)
_FOUND = ctypes.CFUNCTYPE(None, c_int, c_void_p, c_void_p)


class _Resolver(ctypes.Structure):
    """pjsip_ext_resolver of pjsip/sip_resolve.h."""

    _fields_ = (("resolve", _RESOLVE),)


_LAYOUTS: dict[str, tuple[type[ctypes.Structure], dict[str, str]]] = {
    "pj_str_t": (Text, {}),
    "pj_time_val": (Span, {}),
    "pjsip_host_info": (Host, {"host": "addr.host", "port": "addr.port"}),
    "pjsip_ext_resolver": (_Resolver, {}),
    "struct party": (_Party, {}),
}
"""Each structure that is written here by hand: what C calls it, and those of its fields that C names otherwise."""
_CALLED = (
    "gate_account", "gate_any_contact", "gate_close", "gate_forget", "gate_layout", "gate_let_in", "gate_media",
    "gate_parties",
    "gate_refused", "gate_server", "gate_transport", "media_figures", "media_open", "OpenSSL_version",
    "pj_gethostname", "pj_gettickcount", "pj_log_set_level", "pj_name_learn", "pj_name_missed", "pj_pool_alloc",
    "pj_timer_heap_earliest_time", "pjsip_endpt_get_timer_heap", "pjsip_endpt_set_ext_resolver", "pjsip_resolve",
    "pjsip_resolver_create", "pjsua_get_pjsip_endpt", "pjsua_im_send", "pjsua_pool_create", "sdp_speak", "short_open",
)  # fmt: skip
"""What is called of PJSIP here."""
_UNFIT = "the installed pjsua2 is not the one that this engine needs, ./setup.sh builds that"


def layouts() -> dict[str, int]:
    """Return in bytes where each field of our structures is, and how large each structure is, by their names in C."""
    found = {}
    for name, (kind, others) in _LAYOUTS.items():
        found[name] = ctypes.sizeof(kind)
        for field in kind._fields_:
            found[f"{name}.{others.get(field[0], field[0])}"] = int(getattr(kind, field[0]).offset)
    return found


class Figures(NamedTuple):
    """Of a stream, since it began."""

    received: int
    """RTP packets of the far end."""
    reports: int
    """RTCP packets of the far end."""
    strangers: int
    """RTP packets from other hosts; they are not heard."""
    unread_keys: int
    """Telephone-events (RFC 4733) that could not be read."""
    pausing: int
    """Whether the last packet was comfort noise (RFC 3389, or Opus' own): then silence is meant."""
    sealed: int
    """RTP packets in a row, up to now, that SRTP could not decrypt."""


class Question:
    """A request that waits for its server's address. Exactly one of `answer` and `fail` must follow, at any time."""

    def __init__(self, library: "Library", pool: int, wanted: Host, token: int, callback: int) -> None:
        self._library, self._pool, self._token, self._callback = library, pool, token, callback
        self._flag, self._type, self.port = int(wanted.flag), int(wanted.type), int(wanted.port)
        secure, reliable = self._flag & _SECURE, self._flag & _RELIABLE
        kind = _KINDS.get(self._type & ~_IPV6, "tls" if secure else "tcp" if reliable else "udp")
        self.place = Place.of(str(wanted.host), self.port, kind)

    def answer(self, address: str, port: int) -> None:
        """Send the request to this IP address; port 0 is the usual one."""
        kind = self._type & ~_IPV6 | (_IPV6 if self._type and ":" in address else 0)
        self._library.resolve(self._pool, Host(self._flag, kind, Text(), port), address, self._token, self._callback)

    def fail(self) -> None:
        """End the request: nobody knows the name."""
        _FOUND(self._callback)(PJ_ERESOLVE, self._token, None)


class Library:
    """PJSIP in this process."""

    def __init__(self, file: str) -> None:
        """`file` is the extension module of `pjsua2`, which exports PJSIP's functions. Raises EngineError."""
        self._c = ctypes.CDLL(file)
        self._fit()
        for name in (
            "pjsua_get_pjsip_endpt", "pjsip_endpt_get_timer_heap", "pjsua_pool_create", "pj_pool_alloc"
        ):  # fmt: skip
            getattr(self._c, name).restype = c_void_p
        self._c.pj_gethostname.restype = POINTER(Text)
        self._c.OpenSSL_version.restype = self._c.pj_name_missed.restype = c_char_p
        self._c.gate_refused.restype = c_ulong
        self._figures = tuple(c_uint() for _ in Figures._fields)
        self._c.gate_transport.restype = c_void_p
        self._from, self._what = c_char_p(), c_char_p()
        self._c.pjsip_resolve.restype = None
        self._own = c_void_p()
        self._due, self._tick = Span(), Span()
        self._kept: Any = None
        self._parties = (_Party * MOST_PARTIES)()

    def _fit(self) -> None:
        """See that this PJSIP is the one that the engine was written for. Raises EngineError."""
        if missing := [name for name in _CALLED if not hasattr(self._c, name)]:
            raise EngineError(f"{_UNFIT}: it has no {', '.join(missing)}")
        self._c.gate_layout.restype = c_char_p
        ours, theirs, size = layouts(), dict[str, int](), c_uint()
        while (what := self._c.gate_layout(len(theirs), byref(size))) is not None:
            theirs[what.decode()] = size.value
        if other := sorted(what for what in ours | theirs if ours.get(what) != theirs.get(what)):
            told = ", ".join(f"{what} is {theirs.get(what)} and not {ours.get(what)}" for what in other)
            raise EngineError(f"{_UNFIT}: {told}")

    def talk(self, level: int) -> None:
        """Set how much PJLIB talks; it does so before it has heard the configuration."""
        self._c.pj_log_set_level(level)

    def forget_own_name(self) -> None:
        """Have PJSIP not look up this machine's own name whenever it wants to know an address of it.

        pj_gethostip() does, for each SDP, and waits for a name server where /etc/hosts lacks the name. Without it the
        addresses of the interfaces and the default route decide, as they do with it.
        """
        self._c.pj_gethostname().contents.slen = 0

    def take_any_contact(self) -> None:
        """Have a call to a `sips:` address go on where the phone's Contact begins with `sip:`.

        Nearly all do that, and PJSIP would hang up (480 SIPS Required). What follows goes where Record-Route says,
        which is the server's TLS.
        """
        self._c.gate_any_contact()

    def tls(self) -> str:
        """Return which TLS is inside: "OpenSSL 3.0.17"."""
        return " ".join(self._c.OpenSSL_version(0).decode().split()[:2])

    def close_gate(self) -> None:
        """From here on drop what strangers send, unread (../pjsip/gate.c). After libInit. Raises EngineError."""
        if status := self._c.gate_close():
            raise EngineError(f"PJSIP takes no gate against strangers (status {status})")

    def open_gate(self, account: int, key: str, transport: str, *, by_address: bool) -> None:
        """Let in what is for an account (PJSUA's id), whose registrar is told `key`. Raises EngineError."""
        kind = next(kind for kind, name in _KINDS.items() if name == transport)
        if not self._c.gate_account(account, key.encode(), kind, by_address):
            raise EngineError(f"the gate has no room for account {account}")

    def servers(self, account: int, places: Iterable[tuple[str, int, int]]) -> list[str]:
        """Replace the addresses of an account's server: IP address, bits of it that count (0: all), port (0: any).

        Return those that there was no room for.
        """
        self._c.gate_forget(account)
        return [
            address for address, bits, port in places if not self._c.gate_server(account, address.encode(), bits, port)
        ]

    def offer(self, account: int, address: str, kind: int, *, turn: bool, ice: bool) -> None:
        """Offer sound at this address of ours, of PJSUA's kind, with TURN and ICE or without, from the next call on."""
        self._c.gate_media(account, address.encode(), kind, turn, ice)

    def let_in(self, rdata: Any) -> int:
        """Return the account (PJSUA's id) that a request was let in for, -1 for none. See `parties`."""
        return int(self._c.gate_let_in(c_void_p(int(rdata))))

    def open_media(self) -> None:
        """Take a call's sound from the hosts that its signalling names, and from no other (../pjsip/media.c).

        After `close_gate`, so that it learns only of what the gate lets in. Raises EngineError.
        """
        if status := self._c.media_open():
            raise EngineError(f"PJSIP takes no rule for the sound (status {status})")

    def speak(self, codecs: Iterable[str], families: Iterable[socket.AddressFamily]) -> None:
        """Take of several streams of sound the first that can be spoken with these (../pjsip/sdp.c)."""
        bits = {"pcmu": 1, "pcma": 2, "g722": 4, "opus": 8}
        kinds = {socket.AF_INET: 16, socket.AF_INET6: 32}
        self._c.sdp_speak(sum(bits[name] for name in codecs) + sum(kinds[family] for family in families))

    def keep_short(self) -> None:
        """Keep what is sent over UDP below 1,300 bytes where that can be had (../pjsip/short.c). Raises EngineError."""
        if status := self._c.short_open():
            raise EngineError(f"PJSIP takes no rule for long messages (status {status})")

    def figures(self, call: int) -> Figures | None:
        """Return what was counted of a call's sound so far, or None while it has no stream."""
        if not self._c.media_figures(call, *map(byref, self._figures)):
            return None
        return Figures(*(figure.value for figure in self._figures))

    def transport(self, rdata: Any) -> int:
        """Return the handle of the transport that a message came by (pjsip_rx_data), while it is being handled."""
        return self._c.gate_transport(c_void_p(int(rdata))) or 0

    def parties(self, rdata: Any, header: str) -> list[Party]:
        """Return the addresses in a request's headers of this name, as PJSIP has parsed them.

        `rdata` is what PJSIP hands a callback (pjsip_rx_data), and lives as long as that runs.
        """
        count = self._c.gate_parties(c_void_p(int(rdata)), header.encode(), self._parties, MOST_PARTIES)
        return [
            Party(str(found.name), str(found.user), str(found.host), _SCHEMES[found.scheme])
            for found in self._parties[:count]
        ]

    def rest_ms(self, most: int) -> int:
        """Return how long PJSIP has nothing to do unless something arrives: until its next timer, at most `most`.

        Its timers have no file descriptor. Only the thread that starts them all may go by this. After libInit.
        """
        heap = c_void_p(self._c.pjsip_endpt_get_timer_heap(c_void_p(self._c.pjsua_get_pjsip_endpt())))
        if self._c.pj_timer_heap_earliest_time(heap, byref(self._due)):
            return most
        self._c.pj_gettickcount(byref(self._tick))
        return min(max(self._due.ms - self._tick.ms, 0), most)

    def refused(self) -> Refused:
        """Return how much was refused so far."""
        counts = tuple(
            int(self._c.gate_refused(cause, byref(self._from), byref(self._what))) for cause in range(CAUSES)
        )
        return Refused(counts, (self._from.value or b"").decode(), (self._what.value or b"").decode())

    def take_names(self, ask: Callable[[Question], None]) -> None:
        """From here on have PJSIP ask us, never the system, where to send a request. After libInit."""

        def resolve(_: int, pool: int, wanted: Any, token: int, callback: int) -> None:
            question = Question(self, pool, wanted.contents, token, callback)
            try:
                ask(question)
            except Exception as error:  # noqa: BLE001  (C frames are above us: nothing may pass)
                print(f"resolver: {describe(error)}", file=sys.stderr)
                question.fail()

        pool = c_void_p(self._c.pjsua_pool_create(b"names", 1000, 1000))
        # A resolver of our own, which is only ever given IP addresses, fills PJSIP's structures in.
        self._c.pjsip_resolver_create(pool, byref(self._own))
        self._kept = _Resolver(_RESOLVE(resolve))
        self._c.pjsip_endpt_set_ext_resolver(c_void_p(self._c.pjsua_get_pjsip_endpt()), byref(self._kept))

    def learn(self, name: str, address: str) -> None:
        """Have PJSIP know where a name leads to, wherever it meets it. It looks nothing up itself."""
        self._c.pj_name_learn(name.encode(), address.encode())

    def missed(self) -> str:
        """Return, once, the last name that PJSIP met and did not know; or nothing."""
        return (self._c.pj_name_missed() or b"").decode("utf-8", "replace")

    def resolve(self, pool: int, target: Host, address: str, token: int, callback: int) -> None:
        """Go on with a request that waits; `address` is an IP address, so this does not block."""
        data = address.encode()
        # PJSIP keeps pointing at the text for as long as the request lives; so does the request's own pool.
        at = self._c.pj_pool_alloc(c_void_p(pool), ctypes.c_size_t(len(data)))
        ctypes.memmove(at, data, len(data))
        target.host = Text(at, len(data))
        self._c.pjsip_resolve(self._own, c_void_p(pool), byref(target), c_void_p(token), c_void_p(callback))

    def send_text(self, account: int, target: str, text: bytes, ticket: int) -> int:
        """Send a MESSAGE; `onInstantMessageStatus` brings `ticket` back. Return PJSIP's status, 0 for success.

        In Python only a Buddy can do this, which has to be made and freed for every message.
        """
        parts = [Text.of(target.encode()), Text.of(b"text/plain;charset=UTF-8"), Text.of(text)]
        to, kind, content = map(byref, parts)
        return int(self._c.pjsua_im_send(account, to, kind, content, None, c_void_p(ticket)))
