# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether both sides hear each other, and how well: what the voice engine measured of the conversation."""

from intercom.core import legs
from intercom.core.commands import HangUp, Kind
from intercom.core.context import StepContext
from intercom.core.events import EchoPersisted, SoundMeasured, StreamMeasured
from intercom.core.state import State, Visit
from intercom.core.transitions import PHASES

HEARERS = {"in": "the visitor", "out": "the house"}
"""Direction of sound -> who should hear it."""
STILL_S = 4.0
"""Without a packet: longer than a lost route takes to come back, shorter than a person keeps asking."""
REPORTS_S = 12.0
"""Without RTCP from a far end that sends it: two of its intervals (RFC 3550 section 6.2) and a little."""
SEALED = 50
"""Packets in a row that cannot be decrypted: a second of them, and no stray ones from before."""


def stream_measured(turn: StepContext, event: StreamMeasured) -> None:
    """Keep it for the final record, and for the sound's own measurement that follows."""
    if not _about_the_talker(turn, event.leg):
        return
    turn.set_visit(stream=event)
    lasts_s = turn.rules.rtp_timeout_s
    if lasts_s and not event.held and not event.pausing and event.quiet_s >= lasts_s and not turn.visit.sound_lost:
        turn.set_visit(sound_lost=True)
        turn.tell(Kind.SOUND_LOST, target=turn.visit.answered_by, lasts_s=lasts_s, leg=event.leg)
        turn.order(HangUp(event.leg))


def keys_unread(turn: StepContext, leg: str, method: str) -> None:
    """Tell that a phone's keys come and say nothing: whoever keys a code there waits in vain."""
    known = legs.find(turn, leg)
    if known is not None or _about_the_talker(turn, leg):
        target = known.target if known is not None else turn.visit.answered_by
        turn.tell(Kind.KEYS_UNREAD, target=target, method=method, leg=leg)


def sound_measured(turn: StepContext, event: SoundMeasured) -> None:
    """Tell, once for each direction, that somebody is not heard."""
    if not _about_the_talker(turn, event.leg):
        return
    turn.set_visit(sound=event)
    told = dict(turn.visit.one_way)
    for direction, cause in _unheard(turn.state, turn.visit).items():
        if direction not in told:
            turn.set_visit(one_way=(*turn.visit.one_way, (direction, cause)))
            turn.tell(
                Kind.ONE_WAY,
                direction=direction,
                hearer=HEARERS[direction],
                target=turn.visit.answered_by,
                cause=cause,
                leg=event.leg,
            )


def echo_stays(turn: StepContext, event: EchoPersisted) -> None:
    """From here on one side is heard at a time; for the rest of the visit."""
    if _about_the_talker(turn, event.leg) and not turn.visit.half_duplex:
        turn.set_visit(half_duplex=True)
        turn.tell(Kind.HALF_DUPLEX, target=turn.visit.answered_by, echo_db=event.echo_db, leg=event.leg)


def fields(visit: Visit) -> dict[str, str | dict[str, float]]:
    """Return what the final record says of the sound; nothing of a visit in which nothing was measured."""
    told: dict[str, str | dict[str, float]] = {}
    if visit.stream is not None:
        told["codec"] = visit.stream.codec
        told["sound"] = _figures(visit.stream, visit.sound)
        if visit.stream.source != visit.stream.expected:
            told["rtp_source"] = visit.stream.source
    if visit.one_way:
        told["one_way"] = "; ".join(f"{direction}: {cause}" for direction, cause in visit.one_way)
    if visit.half_duplex:
        told["duplex"] = "half"
    return told


def _figures(stream: StreamMeasured, sound: SoundMeasured | None) -> dict[str, float]:
    expected = stream.received + stream.lost
    figures = {
        "buffer_ms": stream.buffer_ms,
        "jitter_ms": stream.jitter_ms,
        "lost_pct": round(100 * stream.lost / expected, 2) if expected else 0.0,
        "lost_there_pct": round(100 * stream.lost_there / stream.sent, 2) if stream.sent else 0.0,
    }
    if stream.round_trip_ms:
        figures["round_trip_ms"] = stream.round_trip_ms
    if sound is not None and sound.echo_db is not None:
        figures["echo_db"] = sound.echo_db
    return figures


def _about_the_talker(turn: StepContext, leg: str) -> bool:
    return turn.state.visit is not None and PHASES[turn.state.phase].talk and leg == turn.visit.talker


def _nothing_comes(stream: StreamMeasured) -> str:
    """Return why no sound comes of a far end; nothing where it does, or where its silence is meant.

    Who sends RTCP is there, and sends no sound because it has none: muted, listening, or cutting pauses out.
    """
    if stream.received and stream.still_s < STILL_S:
        return ""
    if stream.sealed >= SEALED:
        return f"packets come from {stream.source or stream.expected}, and none of them can be decrypted"
    if stream.pausing or (stream.reports and stream.quiet_s < REPORTS_S):
        return ""
    if stream.received == 0:
        elsewhere = f"; {stream.strangers} came from hosts that the call does not name" if stream.strangers else ""
        return f"no packets come from {stream.expected}{elsewhere}"
    return f"packets from {stream.source} have stopped coming"


def _unheard(state: State, visit: Visit) -> dict[str, str]:
    """Return which direction nobody hears, with the likeliest cause: the nearest to the door that was measured."""
    stream, sound = visit.stream, visit.sound
    if stream is None or sound is None or stream.leg != sound.leg or stream.held:
        return {}
    silent: dict[str, str] = {}
    if not state.card_open:
        return {"in": "the sound card is not open", "out": "the sound card is not open"}
    if cause := _nothing_comes(stream):
        silent["in"] = cause
    elif stream.received == 0 or stream.still_s >= STILL_S:
        pass  # silence that is meant
    elif stream.still_s == 0 and not sound.heard:
        elsewhere = f" from {stream.source}, not from {stream.expected}," if stream.source != stream.expected else ""
        silent["in"] = f"packets come{elsewhere} but hold only silence: muted there?"
    if not sound.microphone:
        silent["out"] = "the microphone gives digital silence"
    elif stream.sent == 0:
        silent["out"] = "no packets are sent"
    elif stream.lost_there > 0.9 * stream.sent:
        silent["out"] = f"they do not arrive: {stream.lost_there} of {stream.sent} packets are missing there"
    return silent
