# SPDX-License-Identifier: GPL-2.0-or-later
"""Kinds of journal records: for each its MESSAGE_ID, its priority and its sentence.

The numbers were drawn once (uuid4) and stay for ever: scripts match them and systemd/intercom.catalog explains them.
In a sentence `{field}` is a field of the report, and a `[clause]` is left out when one of its fields is missing.
"""

import re
from collections.abc import Mapping
from enum import IntEnum

from intercom.core.commands import Kind, Report
from intercom.core.fast_dataclass import dataclass


class Priority(IntEnum):
    """Weights of records, as in syslog (RFC 5424 section 6.2.1)."""

    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


@dataclass(frozen=True, slots=True)
class Entry:
    """How one kind of record is told."""

    message_id: str
    """128 random bits in hexadecimal."""
    priority: Priority
    sentence: str


_ERROR, _WARNING, _NOTICE, _INFO = Priority.ERROR, Priority.WARNING, Priority.NOTICE, Priority.INFO

TABLE: Mapping[Kind, Entry] = {
    Kind.STARTED: Entry("8faca18b28854c22b091228378aa4d0e", _INFO, "intercom started[, boot {boot}]"),
    Kind.STOPPING: Entry("a59ade5059354ab085ee1830fb8be7b5", _INFO, "intercom stopping[: {reason}]"),
    Kind.ENGINE_STARTED: Entry("ef85f018d20e4a4885e13fb591817343", _INFO, "voice engine ready[: {versions}]"),
    Kind.PRESS_ACCEPTED: Entry(
        "239a58e598ef406e9caad86d012929ad", _NOTICE, "{button} pressed[ ({by})][: visit {visit}]"
    ),
    Kind.PRESS_ANSWERED: Entry("02c21e8ea4994d2ba12aea11eee6b21d", _INFO, "{button} pressed[ ({by})][: {got}]"),
    Kind.CALL_ARRIVED: Entry(
        "a9e999c2b4f44cb5b57a4caf51f350f2", _NOTICE, "call from {caller}[, {shown}][ through {account}][ ({source})]"
    ),
    Kind.CALL_REFUSED: Entry(
        "469821816b9745838399ad247307d4b2",
        _WARNING,
        "call from {caller}[ ({source})] refused[: {reason}][; {more} more were]",
    ),
    Kind.STRANGERS_REFUSED: Entry(
        "f9db751e9fff4e46b3dfa96799c12e98",
        _NOTICE,
        "strangers got no answer, {count} times[: {causes}][; the last was {source}][ with {request}]",
    ),
    Kind.CALL_PLACED: Entry("4b182b28f0ba4cdbb03267fbdea03707", _INFO, "calling {target}[ through {account}]"),
    Kind.CALL_RINGING: Entry("7c0973ce558049bdbd578e35408b5c08", _INFO, "{target} rings"),
    Kind.CALL_ANSWERED: Entry("319da93b0f8a46429aa64660bb4d0957", _INFO, "{target} answered"),
    Kind.CALL_UNCONFIRMED: Entry("f04aafd8c17344b699369989b91e51a7", _INFO, "{target} answered, and has yet to key 1"),
    Kind.CALL_ENDED: Entry("847adbb426274787a40c4338347d6fda", _INFO, "call with {target} ended[: {code} {reason}]"),
    Kind.CALL_REDIRECTED: Entry("17e124ecd64b408190835a39f5b727a4", _INFO, "{target} sends us on to {contact}"),
    Kind.REDIRECT_REFUSED: Entry(
        "729fe42c31084016923d10856b6f1f77", _WARNING, "{target} wants us to call {contact}: refused[, {reason}]"
    ),
    Kind.ONE_WAY: Entry(
        "92532679ed864dcb9eb3e95a14865921", _WARNING, "{hearer} hears nothing[ in the call with {target}][: {cause}]"
    ),
    Kind.HALF_DUPLEX: Entry(
        "f4b2b09554fd4e4cbe4b04baa6f33b11",
        _WARNING,
        "the echo stays[ in the call with {target}][, {echo_db:.0f} dB of it go]: one side is heard at a time",
    ),
    Kind.SOUND_LOST: Entry(
        "5e0c6f3b9d1a4a0f8d1f0d2b6a7c4e91",
        _WARNING,
        "nothing has come from {target}[ for {lasts_s:.0f} s], neither sound nor RTCP: the call is ended",
    ),
    Kind.KEYS_UNREAD: Entry(
        "b81d2f64c7e5431c9f02a6d5e3187b0a",
        _WARNING,
        "{target} sends keys that nobody can read[, by {method}]: no code opens from there",
    ),
    Kind.CODE_WRONG: Entry(
        "fb66a506ba9344158647995f54de0cf2",
        _WARNING,
        "wrong code[ from {source}][ on {leg}][: {reason}][, tries left: {left}]",
    ),
    Kind.LOCKED_OUT: Entry(
        "be5b8405e8f1494e92f96562eaed1dfa", _WARNING, "no {what} from {source}[ for {lasts_s:.0f} s]"
    ),
    Kind.LOCK_LIFTED: Entry(
        "6d560bf6e37d4d0d8d563b9728e4ae37", _NOTICE, "codes from {source} are heard again[, by {by}]"
    ),
    Kind.GUESSING: Entry("d733d491abdc411cba1ef7a804eee42c", _ERROR, "{detail}: {condition}"),
    Kind.DOOR_RELEASED: Entry(
        "a5927dccf0494cdeb5027331332c318c",
        _NOTICE,
        "door {door} released[ by code {code_name}][ from {source}][ by {by}][ for {pulse_s:g} s]",
    ),
    Kind.DOOR_LOCKED: Entry(
        "0f18ae8e0cb24cd2a719321c15c50edb", _NOTICE, "door {door} locked[ by {by}][ after {lasted_s:.1f} s]"
    ),
    Kind.DOOR_OPENED: Entry("9427045773454f43b78324836e1f9947", _INFO, "door {door} opened"),
    Kind.DOOR_CLOSED: Entry("06758ee752fd48efbcba9fcf6335c78e", _INFO, "door {door} closed"),
    Kind.DOOR_FORCED: Entry("06b68d1bc37943c6ad238dfdf2400c96", _ERROR, "{condition}[: {detail}]"),
    Kind.DOOR_HELD: Entry("c37cb23636d344e08a9e2dfd7cec1760", _WARNING, "{condition}[: {detail}]"),
    Kind.TAMPERED: Entry("193bcd8ccd1f400bb752a019aa5bffd9", _ERROR, "{condition}[: {detail}]"),
    Kind.VISIT_ENDED: Entry(
        "44dbffb25ecb436486e6c9b3a3de2a15", _NOTICE, "visit {visit} ended: {outcome}[ after {total_ms:.0f} ms]"
    ),
    Kind.VISIT_RESUMED: Entry("bdd8fc35a5034ac5a78553936bad2ca5", _NOTICE, "visit {visit} goes on[: {reason}]"),
    Kind.OUTAGE_TOLD: Entry("1995d4468a1b452fa9aeb83e92300dd8", _NOTICE, "{target} told of {presses} missed presses"),
    Kind.TEXT_SENT: Entry("4ceac76ee9204733a9d838d907820b2d", _INFO, "{target} told by text[ of {about}]"),
    Kind.TEXT_FAILED: Entry("54a2b25ac43943778764d3fb0a9ee098", _WARNING, "{target} did not take a text[: {code}]"),
    Kind.TEXT_ARRIVED: Entry("9c90769f244c4d1ab9cb04d98d3c7e4a", _NOTICE, "text from {caller}[: {request}]"),
    Kind.TEXT_REFUSED: Entry(
        "e48b738c03434a20a32d82cd161fb005",
        _WARNING,
        "text from {caller}[ ({source})] ignored[: {reason}][; {more} more were]",
    ),
    Kind.CONFIGURED: Entry(
        "d8a9bc53cbc4416a88d57f67720e83e2", _NOTICE, "another configuration is in use[, by {by}][: {changed}]"
    ),
    Kind.HUNG_UP: Entry("cf87d861f354430dbc3433dfa1a1b85b", _NOTICE, "visit {visit} is hung up by {by}"),
    Kind.LINE_UP: Entry(
        "7b9902ac7d004ef892ff275f8ac19ba6", _INFO, "line {account} is up[, registered in {took_ms:.0f} ms]"
    ),
    Kind.CONDITION_BEGAN: Entry("9e05a5cf06924a50850ceef27437d885", _ERROR, "trouble with {condition}[: {detail}]"),
    Kind.CONDITION_ENDED: Entry(
        "eb65c55ca6d5400f85ba7223d0dfc8f1", _NOTICE, "{condition} is well again[ after {lasted_s:.0f} s]"
    ),
    Kind.CARD_OPENED: Entry(
        "c0368224de7a4fb7b638432e84e57e7c", _INFO, "microphone and loudspeaker open[: {card}][, for {reason}]"
    ),
    Kind.CARD_CLOSED: Entry(
        "cb498b838ee34267b9e969defb604e2f", _INFO, "microphone and loudspeaker closed[, after {reason}]"
    ),
    Kind.TRIAL_BEGAN: Entry("5121b99be4c341b694b4fd8969d4f262", _INFO, "{trial} of the sound begins[ ({by})]"),
    Kind.TRIAL_ENDED: Entry("b2cb74cca7b84c48b4b75cc5876d52bc", _INFO, "{trial} of the sound ended: {outcome}"),
    Kind.TRACE_BEGAN: Entry(
        "e9cf2291c1f3481b89e5874ce3a89ac9", _NOTICE, "SIP is traced by {by}[, for {lasts_s:.0f} s at most]"
    ),
    Kind.TRACE_ENDED: Entry("23d9668d687149daa2b0271611f0eefe", _NOTICE, "the trace of SIP by {by} ended: {outcome}"),
}
"""Kind -> how it is told."""

LONGEST = 200
"""Characters of one field inside a sentence; the field itself is recorded whole."""

_CLAUSE = re.compile(r"\[([^\]]*)\]")
_FIELD = re.compile(r"\{(?P<name>\w+)(:(?P<format>[^}]*))?\}")


def sentence(report: Report) -> str:
    """Return one line that tells a report to a person. A missing field shows as "?", or takes its clause along."""
    template = _CLAUSE.sub(
        lambda clause: clause[1] if all(_given(report, field["name"]) for field in _FIELD.finditer(clause[1])) else "",
        TABLE[report.kind].sentence,
    )
    return _FIELD.sub(lambda field: _shown(report, field["name"], field["format"] or ""), template)


def printable(text: str) -> str:
    """Return text without line breaks and terminal commands: what a stranger's phone sent may hold both."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _given(report: Report, name: str) -> bool:
    return report.fields.get(name, "") != ""


def _shown(report: Report, name: str, form: str) -> str:
    if not _given(report, name):
        return "?"
    try:
        text = format(report.fields[name], form)
    except (ValueError, TypeError):
        text = str(report.fields[name])
    return printable(text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}...")
