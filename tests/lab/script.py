"""sipp's scenarios out of steps: for calls that are told better beside their test than in a file of their own.

`phone(receive("INVITE"), answer(180), answer(200, sdp=audio()), receive("ACK"), receive("BYE"), answer(200))` is a
phone that answers; `caller(...)` is one that calls. Each returns the XML that `Sipp(..., script=...)` plays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    300: "Multiple Choices",
    302: "Moved Temporarily",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
}
_URI = "sip:[^&gt;]+"
CONTACT = "Contact: <sip:[service]@[local_ip]:[local_port];transport=[transport]>"


@dataclass(frozen=True)
class Step:
    """One step. `kind` is "receive", "answer", "ask", "expect", "send", "wait" or "play"."""

    kind: str
    what: str = ""
    code: int = 0
    headers: Sequence[str] = ()
    body: str = ""
    optional: bool = False
    seconds: float = 30.0
    of: str = ""


def receive(method: str, *, optional: bool = False, seconds: float = 30) -> Step:
    """Await a request."""
    return Step("receive", method, optional=optional, seconds=seconds)


def answer(code: int, *headers: str, sdp: str = "", of: str = "") -> Step:
    """Answer the last request, or the INVITE although another one came meanwhile (`of="INVITE"`)."""
    return Step("answer", code=code, headers=headers, body=sdp, of=of)


def ask(method: str, *headers: str, sdp: str = "") -> Step:
    """Send a request within the dialog."""
    return Step("ask", method, headers=headers, body=sdp)


def expect(code: int, *, optional: bool = False, seconds: float = 30) -> Step:
    """Await an answer."""
    return Step("expect", code=code, optional=optional, seconds=seconds)


def wait(seconds: float) -> Step:
    """Let time pass, as a person would."""
    return Step("wait", seconds=seconds)


def audio(*formats: str, ip: str = "[media_ip]", port: str | int = "[media_port]", more: Sequence[str] = ()) -> str:
    """Return an SDP of one audio stream; `formats` are lines such as "8 PCMA/8000", `more` goes below them."""
    listed = formats or ("8 PCMA/8000", "101 telephone-event/8000")
    kinds = " ".join(line.split()[0] for line in listed)
    family = "IP6" if ":" in ip else "IP4" if ip[0].isdigit() else "IP[media_ip_type]"
    lines = ["v=0", f"o=sipp 1 1 IN {family} {ip}", "s=-", f"c=IN {family} {ip}", "t=0 0"]
    lines += [f"m=audio {port} RTP/AVP {kinds}", *(f"a=rtpmap:{line}" for line in listed), *more]
    return "\n".join(lines)


def phone(*steps: Step) -> str:
    """Return the scenario of a phone that is called. It begins with the door's INVITE."""
    return _scenario("uas", [*_play(steps, "uas")])


def caller(
    *steps: Step, user: str = "201", password: str = "", login: str = "", sdp: str = "", headers: Sequence[str] = ()
) -> str:
    """Return the scenario of a phone that calls [service]; with a password it answers the server's challenge.

    `login` is the whole line for that, where it comes out of a file ("[field1]").
    """
    begun = [_invite(1, user, sdp, headers)]
    if password or login:
        begun += ['  <recv response="100" optional="true"/>', '  <recv response="407" auth="true"/>', _refused(user)]
        login = login or f"[authentication username={user} password={password}]"
        begun += [_invite(2, user, sdp, [*headers, login])]
    begun += [f'  <recv response="{code}" optional="true"/>' for code in (100, 180, 183)]
    return _scenario("uac", [*begun, *_play(steps, "uac", user)])


def _scenario(kind: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    # sipp insists that every variable is read somewhere.
    variables = "[$door]" if kind == "uac" else "[$peer] [$number] [$door] [$near] [$far] [$route]"
    used = f'  <nop><action><log message="{variables}"/></action></nop>\n'
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n'
    return f'{head}<scenario name="{kind}_script">\n{body}\n{used}</scenario>\n'


def _play(steps: Sequence[Step], side: str, user: str = "") -> list[str]:
    parts, last, cseq, begun = [], "", 10, False
    for step in steps:
        if step.kind == "receive":
            last = step.what
            parts.append(_receive(step, first=not begun and step.what == "INVITE" and side == "uas"))
        elif step.kind == "answer":
            fresh = side == "uas" and (not begun or last == "CANCEL" or step.of == "INVITE")
            parts.append(_answer(step, fresh=fresh))
            begun = begun or (last == "INVITE" and 200 <= step.code < 300)
        elif step.kind == "ask":
            cseq += step.what != "ACK"
            parts.append(_ask(step, side, cseq, user))
        elif step.kind == "expect":
            skip = ' optional="true"' if step.optional else f' timeout="{round(1000 * step.seconds)}"'
            parts += ['  <recv response="100" optional="true"/>'] if step.code != 100 else []
            head = f'  <recv response="{step.code}" rrs="true"{skip}'
            # sipp's next_url would keep a display name.
            where = f'<action><ereg regexp="{_URI}" search_in="hdr" header="Contact:" assign_to="door"/></action>'
            parts.append(f"{head}/>" if begun or side == "uas" else f"{head}>{where}</recv>")
            begun = begun or side == "uac"
        else:
            parts.append(f'  <pause milliseconds="{round(1000 * step.seconds)}"/>')
    return parts


def _receive(step: Step, *, first: bool) -> str:
    skip = ' optional="true"' if step.optional else f' timeout="{round(1000 * step.seconds)}"'
    if not first:
        return f'  <recv request="{step.what}" crlf="true"{skip}/>'
    return (
        f'  <recv request="{step.what}" rrs="true" crlf="true"{skip}><action>\n'
        '    <ereg regexp=".*" search_in="hdr" header="From:" assign_to="peer"/>\n'
        '    <ereg regexp=".*" search_in="hdr" header="Via:" occurrence="1" assign_to="near"/>\n'
        '    <ereg regexp=".*" search_in="hdr" header="Via:" occurrence="2" assign_to="far"/>\n'
        '    <ereg regexp=".*" search_in="hdr" header="Record-Route:" assign_to="route"/>\n'
        '    <ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="number"/>\n'
        f'    <ereg regexp="{_URI}" search_in="hdr" header="Contact:" assign_to="door"/></action></recv>'
    )


def _answer(step: Step, *, fresh: bool) -> str:
    lines = [f"SIP/2.0 {step.code} {REASONS.get(step.code, 'Said')}"]
    # The way back of a request that was not the last one: it came through one proxy, as all here do.
    lines += ["Via: [$near]", "Via: [$far]", "Record-Route: [$route]"] if step.of else ["[last_Via:]"]
    lines += ["[last_From:]", f"[last_To:]{';tag=[call_number]x[pid]' if fresh else ''}", "[last_Call-ID:]"]
    lines += [f"CSeq: [$number] {step.of}"] if step.of else ["[last_CSeq:]", "[last_Record-Route:]"]
    if not any(header.startswith("Contact:") for header in step.headers):
        lines.append(CONTACT)
    final = (step.code >= 200 and step.of == "INVITE") or (step.code == 200 and step.body)
    return _send([*lines, *step.headers], step.body, again=bool(final))


def _ask(step: Step, side: str, cseq: int, user: str) -> str:
    if side == "uas":
        who = ["From: <sip:[service]@[local_ip]>;tag=[call_number]x[pid]", "To: [$peer]"]
    else:
        who = [f"From: <sip:{user}@[remote_ip]>;tag=[call_number]f[pid]"]
        who += ["To: <sip:[service]@[remote_ip]>[peer_tag_param]"]
    number = 2 if side == "uac" and step.what == "ACK" else cseq
    lines = [f"{step.what} [$door] SIP/2.0", "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]"]
    lines += ["[routes]", *who, "Call-ID: [call_id]", f"CSeq: {number} {step.what}", "Max-Forwards: 70", CONTACT]
    return _send([*lines, *step.headers], step.body, again=step.what != "ACK")


def _invite(cseq: int, user: str, sdp: str, headers: Sequence[str]) -> str:
    lines = ["INVITE sip:[service]@[remote_ip] SIP/2.0"]
    lines += ["Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]"]
    if not any(header.startswith("From:") for header in headers):
        lines.append(f"From: <sip:{user}@[remote_ip]>;tag=[call_number]f[pid]")
    lines += ["To: <sip:[service]@[remote_ip]>", "Call-ID: [call_id]", f"CSeq: {cseq} INVITE", "Max-Forwards: 70"]
    own = f"Contact: <sip:{user}@[local_ip]:[local_port];transport=[transport]>"
    return _send([*lines, own, *headers], sdp, again=True)


def _refused(user: str) -> str:
    lines = ["ACK sip:[service]@[remote_ip] SIP/2.0", "[last_Via:]"]
    lines += [f"From: <sip:{user}@[remote_ip]>;tag=[call_number]f[pid]", "[last_To:]", "Call-ID: [call_id]"]
    return _send([*lines, "CSeq: 1 ACK", "Max-Forwards: 70"], "", again=False)


def _send(lines: Sequence[str], body: str, *, again: bool) -> str:
    told = any(line.startswith("Content-Type:") for line in lines)
    kind = ["Content-Type: application/sdp"] if body and not told else []
    text = "\n".join(f"      {line}" for line in [*lines, *kind, "Content-Length: [len]", "", *body.splitlines()])
    retrans = ' retrans="500"' if again else ""
    return f"  <send{retrans}><![CDATA[\n{text}\n  ]]></send>"
