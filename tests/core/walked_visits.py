"""The walks over visits: which rules they go by, what may happen in them, and what makes two states one kind.

What must hold in each state and on each way between two is `test_walk.py`.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from walking import Walk, kept, left, walk_on

from intercom.core.acoustics import Acoustics
from intercom.core.door_state import CodeEntry, Door
from intercom.core.events import (
    AudioDeviceClosed,
    AudioDeviceLost,
    AudioDeviceOpened,
    AudioFlowed,
    ButtonPressed,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallProgressed,
    CallRedirected,
    CallRejected,
    CallRequested,
    CallSent,
    CodeChecked,
    DigitReceived,
    EarlyMediaBegan,
    EchoPersisted,
    EngineLost,
    EngineStarted,
    Event,
    HangUpRequested,
    LineLost,
    LineUp,
    MessageDelivered,
    MessageReceived,
    NetworkChanged,
    Reconfigured,
    ServerResponded,
    SoundCheckKind,
    SoundCheckRequested,
    SoundMeasured,
    StopRequested,
    StreamMeasured,
    SweepHeard,
    TonePlayed,
    UnknownSourcesDropped,
    VisitRestored,
)
from intercom.core.legs import names
from intercom.core.machine import start
from intercom.core.rules import Budget, CodeRule, Redirect, Rules, What, no_redirect
from intercom.core.snapshot import Pending, Stage
from intercom.core.state import Leg, Line, State, Trial, Visit
from intercom.core.transitions import Phase

FORBIDDEN = "112"
"""Whom the door may not call, whoever asks for it."""
RULES = Rules(
    buttons={"front": (Stage(("201", "202"), 2.0), Stage(("direct",), 2.0)), "side": (Stage(("203",), 2.0, "day"),)},
    direct=frozenset({"direct"}),
    text_missed_to="200",
    text_unanswered_to="200",
    texters={"home": frozenset({"201"})},
    redirect=lambda _, contact: Redirect(contact),
    keys={"201": "1#"},  # who calls the door may have a contact's name
    may_dial=lambda number: number != FORBIDDEN,
    most_hops=1,
    accounts=("home",),
    callers={"home": frozenset({"201"})},
    pulse_s={"front": 1.0},
    codes={"family": CodeRule(("front",))},
    code_lengths=frozenset({1}),
    wrong_codes=1,
    budgets={(place, what): (Budget(10**6, 1e6),) for place in ("keypad", "phone") for what in What},
    notice=Budget(10**6, 1e6),
    tries=10**6,  # longer codes, lock-outs, sensors and keypads are walked in test_walk_doors.py
    cuts_borne=1,
    retry_s=(1.0,),
    ring_s=2.0,
    talk_s=2.0,
    warn_s=1.0,
    patience_s=2.0,
    code_pause_s=1.0,
    announce_s=1.0,
    closing_s=1.0,
    stop_s=1.0,
    confirm_s=1.0,
    silent_s=1.0,
    trial_s=1.0,
    probe_s=float("inf"),  # told as a story in test_line.py
    probe_wait_s=1.0,
    refused_s=(1.0,),  # told as stories in test_line_refused.py
    hush_s=float("inf"),  # told as stories in test_silence.py: nothing but orders to ask depends on it
    knock_s=((float("inf"), float("inf")),),
)
"""Small on purpose, but with more than one of whatever there can be more than one of. The durations share a unit, so
that the ways in which deadlines can lie to each other stay few."""

SILENT = Acoustics((-90.0,) * 5, (-60.0,) * 5, (-50.0,) * 5, 0.0)
"""What a self test hears when the loudspeaker is dead."""


_ONE = replace(RULES, buttons={"front": (Stage(("201",), 2.0),)}, direct=frozenset(), cuts_borne=0)


@dataclass(frozen=True, slots=True)
class Scene:
    """One of the walks: its rules, and what else happens in it."""

    rules: Rules
    lines: bool = False
    """Whether the line does more than come and go: a server that says nothing, answers again, another network."""
    crashes: bool = False
    """Whether visits of a daemon before are taken up."""


SCENES = (
    # Another way to ring somebody, and the next stage; daemons that end in a visit.
    Scene(
        replace(RULES, buttons={"front": (Stage(("201",), 2.0), Stage(("direct",), 2.0))}, redirect=no_redirect),
        crashes=True,
    ),
    # Everything that a line does.
    Scene(replace(_ONE, redirect=no_redirect), lines=True),
    # Two phones at once, and one of them wins.
    Scene(replace(_ONE, buttons={"front": (Stage(("201", "202"), 2.0),)}, redirect=no_redirect)),
    # Calls that are sent elsewhere.
    Scene(replace(_ONE, callers={}, texters={}, text_unanswered_to="", text_missed_to="")),
    # Another button, before anybody has answered.
    Scene(
        replace(
            _ONE,
            buttons={"front": (Stage(("201",), 2.0),), "side": (Stage(("203",), 2.0, "day"),)},
            redirect=no_redirect,
            callers={},
        )
    ),
)
"""Several small walks instead of a big one, whose states would multiply: what has nothing to do with each other is not
walked together. Each promise is asked of all of them."""


def events(state: State, scene: Scene) -> list[Event]:
    """Return everything that could happen now: also what makes no sense, because peers do that."""
    if checking(state):
        # A comparison is over in a moment, and hardly meets the visit: only what may come before its answer and matter.
        over = any(keying.over for keying in state.keying)
        talker = "" if state.visit is None or over else state.visit.talker
        meanwhile = [CallEnded(talker, 200, "OK"), EngineLost("crash"), HangUpRequested("uid 0")] if talker else []
        answers = [CodeChecked(keying.check or 0, code) for keying in checking(state) for code in ("family", "")]
        return [*answers, *meanwhile, StopRequested("SIGTERM")]
    legs = ["stranger"]
    if state.visit is not None:
        legs += names(state.visit)
    always: list[Event] = [
        *(ButtonPressed(button, "panel") for button in scene.rules.buttons),
        HangUpRequested("uid 0"),
        CallRequested("201", "uid 0"),
        CallRequested(FORBIDDEN, "uid 0"),
        StopRequested("SIGTERM"),
        SoundCheckRequested(SoundCheckKind.TEST, "daily"),
        SoundCheckRequested(SoundCheckKind.LEVELS, "uid 0"),
        Reconfigured("uid 0", "calls"),
    ]
    if scene.crashes:
        left = Pending("old-1", "front", "panel", 0.0, 2, (Stage(("201",), 2.0),), called_back=True)
        always += [VisitRestored(left), VisitRestored(replace(left, visit="old-2", stages=()))]
    if not state.engine_up:
        # Everything else comes through a voice engine.
        return [*always, EngineStarted("e")]
    always += [
        EngineLost("crash"),
        LineUp("home", 1.0, 300),
        LineLost("home", 403, "Forbidden"),
        AudioDeviceOpened("card"),
        AudioDeviceLost("gone"),
        AudioDeviceClosed(),
        CallArrived("in", "home", "201", "127.0.0.20:5060", trusted=True),
        CallArrived("in", "home", "201", "127.0.0.66:5060", trusted=False),
        CallArrived("in", "home", "666", "127.0.0.20:5060", trusted=True),
        CallRejected("home", "666", "127.0.0.20:5060", 488, "not encrypted"),
        UnknownSourcesDropped(3, "192.0.2.66", "INVITE"),
        MessageReceived("home", "201", "127.0.0.20:5060", trusted=True, text="status"),
        MessageDelivered("home", "201", 404),
        SweepHeard(SILENT),
        TonePlayed("listening"),
        TonePlayed("closing"),
        TonePlayed("busy"),
    ]
    if scene.lines:
        always += [LineLost("home", 408, "x", silent=True), ServerResponded("home", 1.0), NetworkChanged("eth0")]
    for leg in legs:
        always += [CallSent(leg), CallProgressed(leg, 100), CallProgressed(leg, 180), EarlyMediaBegan(leg)]
        always += [
            CallAnswered(leg),
            CallEnded(leg, 486, "Busy Here"),
            CallEnded(leg, 503, "x"),
            CallRedirected(leg, 302, ("sip:204@pbx",)),
            CallRedirected(leg, 302, (FORBIDDEN, "201")),
            AudioFlowed(leg, "in"),
        ]
        always += [DigitReceived(leg, key, "RFC 4733") for key in "1#"]
    talker = (state.visit and state.visit.talker) or "stranger"
    always += [StreamMeasured(talker, "opus", False, 100, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, "", "192.0.2.7:4000")]
    return [*always, SoundMeasured(talker, True, False, None), EchoPersisted(talker, 3.0)]


def checking(state: State) -> list[CodeEntry]:
    """Entries that are being compared. Keys that come meanwhile only wait (test_walk_doors.py)."""
    return [keying for keying in state.keying if keying.check is not None]


_STATE = kept(
    State,
    # Kept below, without what no decision depends on.
    *("visit", "keying", "trial", "due", "lines", "doors", "stopping_until"),
    *("visits", "checks", "tries"),
    # Told as stories in test_texts.py: nothing but the texts themselves goes by it.
    *("untold", "posting", "post_at", "post_failed", "posts"),
    # Told to the journal, read by nothing that decides.
    *("unwell", "card_fault", "card_open", "engine_fault", "down_since", "unheard", "weak", "card_for", "refusals"),
)
_VISIT = kept(
    Visit,
    *("legs", "incoming", "talker", "early", "phase_until", "rings_most_until", "dialled"),
    *("id", "by", "began_at", "marks", "failures", "tried", "called", "account", "answered_by"),
    *("talked_s", "talks_since", "rang"),
    # Told to the journal, once, and to the final record; a level goes by it, and nothing else.
    *("stream", "sound", "one_way", "half_duplex"),
    # How long it still has is a story in test_network_lost.py; here only whether it has waited.
    "patient_until",
)
_LEG = kept(Leg, "name", "target", "wanted", "method", "keyed_at", "silent_until")
_KEYING = kept(CodeEntry, "name", "visit", "source", "check", "until", "slips")
_LINE = kept(
    Line, "tried_at", "refused", "resting",
    "since", "failed", "fault", "took_ms", "round_trip_ms", "retry_at", "probe_at", "probe_until", "silent_since",
    "knock_at",
)  # fmt: skip
_DOOR = kept(Door, "released_at", "locked_at", "visit", "released_until")
_TRIAL = kept(Trial, "by", "began_at", "until")
_DUE = kept(Trial, "by")
_NEAR_IDLE = {Phase.IDLE, Phase.CLOSING, Phase.TESTING}


def kind(state: State, now: float) -> Hashable:
    """Return a state without what no decision depends on: names made of counters, past instants, marks, texts."""
    visit, trial, due = state.visit, state.trial, state.due
    talker = visit.talker if visit is not None else None
    return (
        _STATE(state),
        visit and _visit(visit, now),
        tuple(
            (_KEYING(keying), keying.name == talker, keying.check is None, left(keying.until, now))
            for keying in state.keying
        ),
        trial and (_TRIAL(trial), left(trial.until, now)),
        # A trial that waits does nothing before the visit is all but over.
        _DUE(due) if due is not None and state.phase in _NEAR_IDLE else None,
        tuple((_LINE(line), left(line.retry_at, now), line.probe_until is None) for line in state.lines),
        tuple((_DOOR(door), left(door.released_until, now)) for door in state.doors),
        left(state.stopping_until, now),
    )


def _visit(visit: Visit, now: float) -> Hashable:
    # Two legs of a stage are alike: which of them rings makes no other state.
    legs = sorted(visit.legs, key=lambda leg: (leg.name in (visit.talker, visit.early), leg.progressed, leg.rang))
    places: dict[str, Any] = {"": ""} | {leg.name: place for place, leg in enumerate(legs)}
    if visit.incoming is not None:
        places[visit.incoming.name] = "in"
    return (
        _VISIT(visit),
        tuple((_LEG(leg), left(leg.silent_until, now)) for leg in legs),
        visit.incoming is None,
        # What was is nothing to a visit that is over.
        visit.outcome is None and (visit.rang, visit.talked_s is None),
        places.get(visit.talker, "gone"),
        places.get(visit.early, "gone"),
        left(visit.phase_until, now),
        visit.patient_until is None,
        min(visit.dialled, 1),
    )


ASKED = frozenset({ButtonPressed, CallRequested, CallAnswered, CallArrived, SoundCheckRequested, VisitRestored})
"""What is judged even where nothing happens."""


def walk() -> Walk:
    """Walk all of them."""
    made = Walk(ASKED)
    for scene in SCENES:
        first, _ = start("boot", scene.rules)
        walk_on(made, [(first, 0.0)], partial(events, scene=scene), kind, scene.rules)
    return made
