# SPDX-License-Identifier: GPL-2.0-or-later
"""`step`: one event in, a new state and the commands out. All events go through here."""

from intercom.core import (
    codes,
    debounce,
    doors,
    health,
    legs,
    line,
    media_quality,
    messages,
    operator_actions,
    refusals,
    sensors,
    sound_check,
    trace,
    visit,
)
from intercom.core.commands import (
    Command,
    Exit,
    KeepUntold,
    Kind,
    Report,
    SaveLedger,
    SaveVisit,
    SetAudio,
    SetLamp,
    SetStatus,
    SetStrike,
    SetTrace,
    StopEngine,
)
from intercom.core.context import StepContext
from intercom.core.door_state import EMPTY_LEDGER, AccessLedger
from intercom.core.events import (
    AudioDeviceClosed,
    AudioDeviceLost,
    AudioDeviceOpened,
    AudioDevicesListed,
    AudioFlowed,
    BadgeRead,
    ButtonChanged,
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
    ConditionBegan,
    ConditionEnded,
    DigitReceived,
    EarlyMediaBegan,
    EarlyMediaEnded,
    EchoPersisted,
    EngineHeartbeat,
    EngineLost,
    EngineStarted,
    Event,
    HangUpRequested,
    KeypadDigit,
    KeysUnread,
    LineLost,
    LineUp,
    LoudnessMeasured,
    MessageDelivered,
    MessageReceived,
    NetworkChanged,
    ProfilesChanged,
    Reconfigured,
    ReferenceFound,
    ReleaseRequested,
    SensorChanged,
    ServerResponded,
    ServersFound,
    SipMessageTraced,
    SoundCheckRequested,
    SoundMeasured,
    StopRequested,
    StreamMeasured,
    SweepHeard,
    TimePassed,
    TonePlayed,
    TraceRequested,
    UnknownSourcesDropped,
    UnlockAsked,
    UntoldFound,
    VisitRestored,
)
from intercom.core.outputs import Outputs, levels, refuses, reminds
from intercom.core.rules import Rules
from intercom.core.state import State, new


def step(state: State, event: Event, *, now: float, rules: Rules) -> tuple[State, list[Command]]:
    """Return what the door is after `event`, and what it wants done.

    `now` is when the event happened, in seconds of CLOCK_MONOTONIC. News about calls, tones or visits that are over
    changes nothing, whenever it comes.
    """
    turn = StepContext(state, now, rules)
    _dispatch(turn, event)
    codes.let_go(turn)
    sensors.follow(turn)
    messages.follow(turn)
    sound_check.follow(turn, state)
    trace.follow(turn, state)
    _tell_the_card(turn)
    if turn.state is not state:  # most news changes nothing, and then no level and no condition changes either
        before, after = levels(state), levels(turn.state)
        turn.order(*_changed(before, after, anew=isinstance(event, EngineStarted)))
        if before.wrong != after.wrong:
            turn.order(*health.changes(before.wrong, after.wrong, state.unwell, now))
            turn.set(unwell=health.dated(after.wrong, state.unwell, now))
    return turn.state, sorted(turn.commands, key=_rank)


def _rank(command: Command) -> int:
    """Return how urgent a command is: what a crash must not lose, then the world, then its description."""
    if isinstance(command, SaveVisit | SaveLedger | KeepUntold):
        return 0
    return 2 if isinstance(command, Report | Exit) else 1


def start(boot: str, rules: Rules, ledger: AccessLedger = EMPTY_LEDGER) -> tuple[State, list[Command]]:
    """Return the first state and what makes the world agree with it: every strike locked, the lamp honest.

    `ledger` is what the daemon before this one left behind.
    """
    state = new(boot, rules, ledger)
    first = levels(state)
    locked = (SetStrike(door.name, released=False) for door in state.doors)
    return state, [*locked, SetLamp(first.lamp), SetStatus(first.status), Report(Kind.STARTED, {"boot": boot})]


def _dispatch(turn: StepContext, event: Event) -> None:
    match event:
        case ButtonChanged(button, pressed):
            debounce.changed(turn, "buttons", button, active=pressed)
        case SensorChanged(sensor, active):
            debounce.changed(turn, "sensors", sensor, active=active)
        case ButtonPressed(button, by):
            visit.pressed(turn, button, by)
        case TimePassed():
            _time_passed(turn)
        case LineUp():
            line.up(turn, event)
            visit.line_back(turn)
        case LineLost():
            _line_lost(turn, event)
        case ServerResponded():
            if line.answered(turn, event):
                visit.line_answered(turn, event.account)
        case ServersFound(account, servers):
            line.servers_found(turn, account, servers)
        case NetworkChanged():
            line.network_changed(turn)
            legs.network_changed(turn)
        case UntoldFound(untold):
            messages.found(turn, untold)
        case MessageDelivered():
            messages.taken(turn, event)
        case MessageReceived():
            messages.arrived(turn, event)
        case CallSent(leg):
            visit.sent(turn, leg)
        case CallProgressed(leg, code):
            visit.progressed(turn, leg, code)
        case EarlyMediaBegan(leg):
            visit.early_media(turn, leg)
        case EarlyMediaEnded(leg):
            visit.early_media_over(turn, leg)
        case CallAnswered(leg):
            visit.answered(turn, leg)
        case CallEnded(leg, code, reason):
            visit.leg_ended(turn, leg, code, reason)
        case CallRedirected(leg, code, contacts):
            visit.leg_ended(turn, leg, code, "sent elsewhere", contacts)
        case CallArrived():
            visit.called(turn, event)
        case CallRejected():
            visit.turned_away(turn, event)
        case UnknownSourcesDropped(count, source, request, causes):
            turn.tell(Kind.STRANGERS_REFUSED, count=count, source=source, request=request, causes=causes)
        case DigitReceived(leg, digit, method):
            if legs.counts(turn, leg, method) and not visit.confirmed(turn, leg, digit):
                codes.digit(turn, leg, digit, method)
        case KeypadDigit(keypad, key):
            codes.keypad(turn, keypad, key)
        case BadgeRead(keypad, number):
            codes.card(turn, keypad, number)
        case CodeChecked():
            codes.checked(turn, event)
        case ReleaseRequested(name, by, released, hold):
            doors.asked(turn, name, by, released=released, hold=hold)
        case AudioFlowed(leg, direction):
            visit.audio_flowed(turn, leg, direction)
        case KeysUnread(leg, method):
            media_quality.keys_unread(turn, leg, method)
        case StreamMeasured():
            media_quality.stream_measured(turn, event)
        case SoundMeasured():
            media_quality.sound_measured(turn, event)
        case EchoPersisted():
            media_quality.echo_stays(turn, event)
        case TonePlayed(tone):
            visit.tone_played(turn, tone)
            sound_check.played(turn, tone)
        case AudioDeviceOpened(card):
            turn.set(card_fault="", card_open=card, card_for="")
            visit.card_back(turn)
        case AudioDeviceClosed():
            turn.tell(Kind.CARD_CLOSED, card=turn.state.card_open, reason=turn.state.card_for)
            turn.set(card_open="", card_for="")
        case AudioDeviceLost(reason):
            turn.set(card_fault=reason, card_open="")
            sound_check.failed(turn, reason)
        case SoundCheckRequested():
            sound_check.wanted(turn, event)
        case SweepHeard():
            sound_check.heard(turn, event)
        case ReferenceFound(reference):
            turn.set(reference=reference)
        case TraceRequested():
            trace.wanted(turn, event)
        case LoudnessMeasured() | AudioDevicesListed() | SipMessageTraced():
            pass
        case EngineStarted(versions):
            turn.tell(Kind.ENGINE_STARTED, versions=versions)
            turn.set(engine_up=True, engine_fault="")
            line.engine_started(turn)
            visit.line_back(turn)
        case EngineLost(reason):
            _engine_lost(turn, reason)
        case StopRequested(reason):
            _stop(turn, reason)
        case ConditionBegan(name, detail):
            turn.set(wrong=tuple(sorted({**dict(turn.state.wrong), name: detail}.items())))
        case ConditionEnded(name):
            turn.set(wrong=tuple(entry for entry in turn.state.wrong if entry[0] != name))
        case ProfilesChanged(active, known):
            turn.set(profiles=active if known else None)
        case VisitRestored(pending):
            visit.restored(turn, pending)
        case Reconfigured(by, changed):
            turn.tell(Kind.CONFIGURED, by=by, changed=changed)
            legs.reconfigured(turn)
        case HangUpRequested(by):
            operator_actions.hangs_up(turn, by)
        case UnlockAsked(source, by):
            codes.lifted(turn, source, by)
        case CallRequested(target, by):
            operator_actions.calls(turn, target, by)
        case EngineHeartbeat():
            pass


def _tell_the_card(turn: StepContext) -> None:
    """Tell what the microphone is open for: when it opens, and when it stays open for somebody else."""
    state = turn.state
    if not state.card_open:
        return
    wanted = f"visit {state.visit.id}" if state.visit else state.trial.kind.value if state.trial else ""
    wanted = wanted or ("a wrong code" if refuses(state) else "a door left open" if reminds(state) else "")
    if not state.card_for or wanted not in ("", state.card_for):
        reason = wanted or "what was over before it opened"
        turn.set(card_for=reason)
        turn.tell(Kind.CARD_OPENED, card=state.card_open, reason=reason)


def _line_lost(turn: StepContext, event: LineLost) -> None:
    line.lost(turn, event)
    visit.line_lost(turn, event.account)
    if event.code in line.UNWANTED:
        # It lives, whichever of two answers comes first: this one, or the one to whether it does.
        visit.line_answered(turn, event.account)


def _time_passed(turn: StepContext) -> None:
    debounce.time_passed(turn)
    for silent in line.time_passed(turn):
        _line_lost(turn, silent)
    codes.time_passed(turn)
    doors.time_passed(turn)
    sensors.time_passed(turn)
    visit.time_passed(turn)
    sound_check.time_passed(turn)
    trace.time_passed(turn)
    refusals.time_passed(turn)
    if turn.state.stopping_until is not None and turn.now >= turn.state.stopping_until:
        _leave(turn)


def _engine_lost(turn: StepContext, reason: str) -> None:
    if turn.state.stopping_until is not None:
        _leave(turn)
        return
    turn.set(engine_up=False, engine_fault=reason, card_open="")
    line.engine_lost(turn)
    messages.engine_lost(turn)
    sound_check.failed(turn, reason)
    visit.engine_lost(turn)


def _stop(turn: StepContext, reason: str) -> None:
    if turn.state.stopping_until is not None:
        return
    turn.tell(Kind.STOPPING, reason=reason)
    turn.set(stopping_until=turn.now + turn.rules.stop_s)
    visit.stopped(turn)
    doors.lock_all(turn)
    turn.order(StopEngine())
    if not turn.state.engine_up:
        _leave(turn)


def _leave(turn: StepContext) -> None:
    turn.set(stopping_until=float("inf"), engine_up=False)
    turn.order(Exit())


def _changed(before: Outputs, after: Outputs, *, anew: bool) -> list[Command]:
    """Return the orders that bring the levels from `before` to `after`; a new voice engine is told its own anew."""
    orders: list[Command] = []
    if before.pending != after.pending:
        orders.append(SaveVisit(after.pending))
    if before.untold != after.untold:
        orders.append(KeepUntold(after.untold))
    if before.ledger != after.ledger:
        orders.append(SaveLedger(after.ledger))
    orders += [SetStrike(name, released=False) for name in sorted(before.released - after.released)]
    orders += [SetStrike(name, released=True) for name in sorted(after.released - before.released)]
    if before.audio != after.audio or (anew and after.audio.card):
        orders.append(SetAudio(after.audio))
    if before.lamp != after.lamp:
        orders.append(SetLamp(after.lamp))
    if before.status != after.status:
        orders.append(SetStatus(after.status))
    if before.trace != after.trace or (anew and after.trace):
        orders.append(SetTrace(after.trace))
    return orders
