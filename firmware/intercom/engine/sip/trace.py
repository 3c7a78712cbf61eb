# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP messages as they are traced: found in PJSIP's own log, and without what must not be in a file.

What is let through is named here; what nobody thought of stays out. Bodies other than SDP (RFC 8866) are replaced
whole: they hold keyed digits (INFO) or codes (MESSAGE). The lengths are those of what is left.
"""

import re
import time
from collections.abc import Callable, Collection

from intercom.core.events import SipMessageTraced
from intercom.engine.sip import uri

LEVEL = 4
"""Where PJSIP's log holds whole messages, as they are before they are encrypted (pjsua_core.c, pjsua_msg_logger)."""
MOST = 100
"""Messages in one second."""
_MESSAGE = re.compile(
    r"\A[^\n]*?\b(RX|TX) (\d+) bytes [^\n]* (?:from|to) (\S+) (\S+):\n(.*?)(\n--end msg--\s*)?\Z", re.DOTALL
)
LONGEST_NAME = 40
"""Of a header that nobody knows, in characters."""
_END = re.compile(r"\r\n|\r|\n")
"""PJSIP's parser takes all three for an end of a line."""
_BODY = re.compile(r"(?>\r\n|\r|\n){2}|\Z")

_CREDENTIALS = {
    "authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "authentication-info",
    "proxy-authentication-info",
}  # fmt: skip
_SAID = {"username", "realm", "uri", "algorithm", "qop", "nc", "stale", "domain"}
"""Parameters of a digest (RFC 7616) from which nothing can be guessed; of the others only the name is shown."""
_KNOWN = _CREDENTIALS | {
    # RFC 3261, and the compact forms of RFC 3261 and those that follow
    "accept", "accept-encoding", "accept-language", "alert-info", "allow", "call-id", "i", "call-info", "contact", "m",
    "content-disposition", "content-encoding", "e", "content-language", "content-length", "l", "content-type", "c",
    "cseq", "date", "error-info", "expires", "from", "f", "in-reply-to", "max-forwards", "mime-version", "min-expires",
    "organization", "priority", "proxy-require", "record-route", "reply-to", "require", "retry-after", "route",
    "server", "subject", "s", "supported", "k", "timestamp", "to", "t", "unsupported", "user-agent", "via", "v",
    "warning",
    # RFC 3262, 3323 to 3327, 3515, 3608, 3841, 3891, 3892, 3903, 4028, 4412, 5373, 5393, 5626, 5806, 6665, 7044, 7433
    "rack", "rseq", "privacy", "p-asserted-identity", "p-preferred-identity", "remote-party-id", "reason", "path",
    "refer-to", "r", "service-route", "accept-contact", "a", "reject-contact", "j", "request-disposition", "d",
    "replaces", "referred-by", "b", "sip-etag", "sip-if-match", "session-expires", "x", "min-se", "resource-priority",
    "answer-mode", "priv-answer-mode", "max-breadth", "flow-timer", "diversion", "event", "o", "allow-events", "u",
    "subscription-state", "history-info", "p-associated-uri", "p-called-party-id", "p-charging-vector",
    "p-early-media", "x-trace",
}  # fmt: skip
"""Headers whose values are shown. Of any other the name is: somebody's proxy may put a token into one of its own."""
_PARAMETER = re.compile(r"([A-Za-z][\w-]*)\s*=\s*(\"(?:\\.|[^\"\\])*\"?|[^\s,\"]*)")
_URI_PASSWORD = re.compile(r"(sips?:[^\s:@;<>]*):[^\s@;<>]*@", re.IGNORECASE)

_ATTRIBUTES = {
    "rtpmap", "fmtp", "ptime", "maxptime", "sendrecv", "sendonly", "recvonly", "inactive", "rtcp", "rtcp-mux",
    "rtcp-fb", "candidate", "end-of-candidates", "ice-ufrag", "ice-lite", "ice-options", "setup", "fingerprint", "mid",
    "group", "ssrc", "extmap", "direction", "label", "tool", "type", "charset",
}  # fmt: skip
_CRYPTO = re.compile(r"a=crypto:(\d+ +\w+)", re.IGNORECASE)


class Trace:
    """Reads PJSIP's log while somebody traces, and tells each message."""

    def __init__(
        self, secrets: Collection[str], bind: str, port: int, tell: Callable[[SipMessageTraced], None]
    ) -> None:
        """`secrets` are never told, wherever they stand; `bind` and `port` are where we listen."""
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)
        self._bind, self._port, self._tell = bind, port, tell
        self._second, self._told, self._left_out = 0, 0, 0

    def read(self, entry: str, now: float | None = None) -> None:
        """Tell the message that an entry of the log holds, if it does. `now` is in seconds of the epoch."""
        if (found := _MESSAGE.match(entry)) is None:
            return
        now = time.time() if now is None else now
        if not self._has_room(int(now)):
            return
        way, size, transport, remote, text, whole = found.groups()
        notes = [] if whole else [f"cut off, it had {size} bytes"]
        if self._left_out:
            notes.append(f"{self._left_out} before it were left out")
            self._left_out = 0
        text = scrubbed(text, self._secrets, notes)
        host = self._bind or uri.own_address(uri.host(remote)) or "0.0.0.0"
        local = f"[{host}]:{self._port}" if ":" in host else f"{host}:{self._port}"
        in_bytes = text.encode("utf-8", "surrogateescape").decode("latin-1")
        self._tell(SipMessageTraced(now, way == "TX", transport.rstrip("6").upper(), local, remote, in_bytes))

    def _has_room(self, second: int) -> bool:
        """Whether one more may be told: who floods us shall not hold up the door's own words."""
        self._told = self._told + 1 if second == self._second else 1
        self._second = second
        if self._told > MOST:
            self._left_out += 1
        return self._told <= MOST


def fit_for_a_log(entry: str, secrets: Collection[str] = ()) -> str:
    """Return an entry of PJSIP's log; a message in it as it may be shown, bodies and credentials apart."""
    if (found := _MESSAGE.match(entry)) is None:
        return entry
    return f"{entry[: found.start(5)]}{scrubbed(found[5], secrets)}{found[6] or ''}"


def scrubbed(message: str, secrets: Collection[str] = (), notes: Collection[str] = ()) -> str:
    """Return a SIP message as it may be shown, with what there is to note of it in a header of ours."""
    end = _BODY.search(message)
    assert end is not None, "the pattern fits the end of any text"
    lines = _unfolded(_END.split(message[: end.start()]))
    kinds = [
        value.split(";")[0].strip().lower() for name, value in map(_header, lines) if name in ("content-type", "c")
    ]
    body = _without(secrets, _body(message[end.end() :], kinds))
    length = len(body.encode("utf-8", "surrogateescape"))
    head = [_URI_PASSWORD.sub(r"\1:***@", lines[0]), *(_shown(line, length) for line in lines[1:])]
    head += [f"X-Trace: {note}" for note in notes]
    return "\r\n".join([*(_without(secrets, line) for line in head), "", body])


def _without(secrets: Collection[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _unfolded(lines: list[str]) -> list[str]:
    """Return one line for each header: it may go on in lines that begin with a blank (RFC 3261 section 7.3.1)."""
    whole = lines[:1]
    for line in lines[1:]:
        if line[:1] in (" ", "\t") and len(whole) > 1:
            whole[-1] += f" {line.strip()}"
        elif line:
            whole.append(line)
    return whole


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _shown(line: str, length: int) -> str:
    name, value = _header(line)
    if name in _CREDENTIALS:
        scheme = re.match(r"[A-Za-z]+(?=\s+[\w-]+\s*=)", value)
        if (plain := re.match(r"([A-Za-z]+)\s+\S", value)) and plain[1].lower() != "digest":
            # Of RFC 7617's Basic, RFC 6750's Bearer and others all is the secret.
            return f"{line.partition(':')[0]}: {plain[1]} ***"
        said = (f"{key}={text if key.lower() in _SAID else '***'}" for key, text in _PARAMETER.findall(value))
        return f"{line.partition(':')[0]}: {f'{scheme[0]} ' if scheme else ''}{', '.join(said)}"
    if name in ("content-length", "l"):
        return f"{line.partition(':')[0]}: {length}"
    if name not in _KNOWN:
        shown = line.partition(":")[0][:LONGEST_NAME] if ":" in line else ""
        return f"{shown}: ({len(value)} characters are not shown)"
    return _URI_PASSWORD.sub(r"\1:***@", line)


def _body(body: str, kinds: list[str]) -> str:
    if not body:
        return ""
    if kinds != ["application/sdp"]:
        return f"({len(body)} characters are not shown)"
    return "".join(f"{_described(line.strip())}\r\n" for line in _END.split(body) if line.strip())


def _described(line: str) -> str:
    """Return a line of an SDP without keys: RFC 4568's, RFC 8839's password, and what we do not know."""
    kind, _, value = line.partition("=")
    attribute = value.partition(":")[0].strip().lower()
    if kind.strip().lower() == "a" and attribute not in _ATTRIBUTES:
        crypto = _CRYPTO.match(line)
        return f"a=crypto:{crypto[1]} inline:***" if crypto else f"a={attribute}:***"
    return line if kind in set("vosiuepcbtrzma") else f"{kind[:1]}=***"
