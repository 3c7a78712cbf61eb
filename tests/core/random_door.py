# SPDX-License-Identifier: GPL-2.0-or-later
"""A door under random rules and random events: what must hold after each of them.

PYTHONPATH=firmware python3 tests/core/random_door.py 1000000 [SEED]     # the suite takes fewer (test_random.py)
"""

import random
import sys
from collections import Counter
from dataclasses import dataclass, field, replace

from intercom.core.acoustics import Acoustics
from intercom.core.commands import (
    AnswerCall,
    CheckCode,
    Command,
    Exit,
    KeepUntold,
    Kind,
    NotifyOutage,
    NotifyUnanswered,
    PlaceCall,
    Report,
    SendDtmf,
    SetAudio,
    SetStrike,
)
from intercom.core.doors import EXIT_BUTTON
from intercom.core.events import (
    AudioDeviceClosed,
    AudioDeviceLost,
    AudioDeviceOpened,
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
    EngineLost,
    EngineStarted,
    Event,
    HangUpRequested,
    KeypadDigit,
    KeysUnread,
    LineLost,
    LineUp,
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
    SoundCheckKind,
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
from intercom.core.legs import names
from intercom.core.machine import start, step
from intercom.core.outputs import audio, levels, next_deadline
from intercom.core.plan import planned
from intercom.core.rules import CodeRule, Redirect, Rules, Sensor, SensorKind
from intercom.core.snapshot import Stage, Untold
from intercom.core.state import State
from intercom.core.transitions import PHASES, Phase
from intercom.core.words import DIRECT, OPERATOR

HEARD = Acoustics((-90.0,) * 5, (-60.0,) * 5, (-50.0,) * 5, 0.0)
NAMES = ("direct", "operator", "others", "no", "account", "card", "keypad", "front", "x", "home", "sip", "text", "an")
"""Any name may be one of ours, too: what is in the configuration behaves like any other."""
USERS = ("201", "202", "203", "office", "direct", "operator", "112")
PEER = "sip:9@192.0.2.9"
CODES = (100, 180, 183, 200, 302, 400, 401, 403, 404, 408, 480, 486, 487, 488, 500, 503, 600, 603, 604)


def rules_of(chance: random.Random) -> Rules:
    """Return rules of a door: accounts, stages, contacts, codes, callers and all the rest, as chance will have it."""
    names_ = chance.sample(NAMES, len(NAMES))
    accounts = tuple(names_[: chance.randrange(4)])
    targets = (*USERS[:-1], PEER) if accounts else (PEER,)

    def stages() -> tuple[Stage, ...]:
        return tuple(
            Stage(tuple(chance.sample(targets, min(len(targets), chance.randint(1, 3)))), chance.choice((2.0, 5.0)),
                  chance.choice(("", "", "day")))
            for _ in range(chance.randint(1, 3))
        )  # fmt: skip

    buttons = {name: stages() for name in names_[3 : 4 + chance.randrange(3)]}
    doors = names_[7:9]
    texted = chance.choice(("", PEER)) if not accounts else chance.choice(("", "200", PEER))
    return Rules(
        buttons=buttons,
        accounts=accounts,
        callers={account: frozenset(chance.choice((("*",), ("201",), ()))) for account in accounts},
        pulse_s=dict.fromkeys(doors, 2.0),
        hold_s=dict.fromkeys(doors, 30.0),
        held_s=dict.fromkeys(doors, 6.0),
        codes={
            "family": CodeRule(tuple(doors)),
            "once": CodeRule((doors[0],), uses=1),
            "h": CodeRule((doors[1],), hold=True),
        },
        code_lengths=frozenset({2, 4}),
        sensors={
            f"exit {doors[0]}": Sensor(SensorKind.EXIT, doors[0]),
            f"contact {doors[0]}": Sensor(SensorKind.CONTACT, doors[0]),
            "tamper case": Sensor(SensorKind.TAMPER),
        },
        handles=frozenset(chance.sample(doors, chance.randrange(2))),
        fallback={name: ("201",) for name in buttons if accounts},
        confirm=frozenset(chance.sample(sorted(buttons), chance.randrange(len(buttons) + 1))),
        direct=frozenset({PEER}),
        dial={"office": "400"} | ({"direct": "112"} if chance.random() < 0.2 else {}),
        keys={"office": "w1#", "201": "5"},
        may_dial=lambda number: number != "112",
        named=frozenset(accounts[:1]) if chance.random() < 0.2 else frozenset(),
        redirect=lambda account, contact: Redirect(contact) if account != DIRECT else Redirect(refused="no"),
        most_hops=chance.randrange(3),
        text_missed_to=texted,
        text_unanswered_to=chance.choice(("", texted)),
        texters={account: frozenset({"201"}) for account in accounts},
        ring_s=5.0, talk_s=20.0, warn_s=2.0, patience_s=chance.choice((2.0, 10.0)), confirm_s=chance.choice((1.0, 6.0)),
        retry_s=(1.0, 5.0), tries=3, deaf_s=50.0, stuck_s=20.0,
        near=lambda account, _: account == "home",
    )  # fmt: skip


@dataclass
class Door:
    """A door, the time, and what has been seen of it."""

    chance: random.Random
    rules: Rules
    state: State = field(init=False)
    now: float = 1000.0
    boots: int = 0
    arrived: int = 0
    story: list[tuple[float, Event]] = field(default_factory=list)
    incoming: set[str] = field(default_factory=set)
    ended: Counter[object] = field(default_factory=Counter)
    accepted: dict[object, object] = field(default_factory=dict)
    rang: set[str] = field(default_factory=set)
    stopped_at: float = 0.0
    seen: Counter[str] = field(default_factory=Counter)
    untold: Untold = field(default_factory=Untold)
    posted: list[NotifyOutage | NotifyUnanswered] = field(default_factory=list)
    taken: set[object] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.boot()

    def boot(self) -> None:
        """Start a daemon."""
        self.boots += 1
        self.posted.clear()
        self.state, commands = start(f"b{self.boots}", self.rules)
        assert not [order for order in commands if isinstance(order, SetStrike) and order.released]

    def event(self) -> Event:
        """Return anything that may happen now; mostly something that makes sense."""
        c, state, rules = self.chance, self.state, self.rules
        if not state.engine_up and c.random() < 0.6:
            return EngineStarted("e")
        legs = [*(names(state.visit) if state.visit else ()), "stranger"]
        leg = c.choice(legs[:-1] or legs) if c.random() < 0.95 else "stranger"
        account = c.choice(rules.accounts or ("nobody",))
        button, door = c.choice(sorted(rules.buttons)), c.choice(sorted(rules.pulse_s))
        pick = c.randrange(44)
        if pick < 6:
            return LineUp(account, 1.0, 300)
        if pick < 9:
            return ButtonPressed(button, "uid 0")
        if pick < 12:
            return CallProgressed(leg, c.choice((100, 180, 183)))
        if pick < 15:
            return CallAnswered(leg)
        if pick < 18:
            return CallEnded(leg, c.choice(CODES), "x")
        self.arrived += pick == 18
        checks = [keying.check for keying in state.keying if keying.check is not None]
        order = self.posted[-1] if self.posted else None
        return c.choice((
            lambda: CallArrived(f"in-{self.arrived}", account, c.choice(USERS), "x", trusted=c.random() < 0.9),
            lambda: ButtonChanged(button, c.random() < 0.5),
            lambda: EngineLost("x") if c.random() < 0.5 else EngineStarted("e"),
            lambda: LineLost(account, c.choice((401, 403, 408, 503)), "x", silent=c.random() < 0.5),
            lambda: ServerResponded(account, 5.0),
            lambda: ServersFound(account, c.choice((("192.0.2.1:5060",), ("192.0.2.1:5060", "192.0.2.2:5060")))),
            lambda: NetworkChanged("x"),
            lambda: CallSent(leg),
            lambda: EarlyMediaBegan(leg),
            lambda: CallRedirected(leg, 302, tuple(c.sample((*USERS, PEER), 2))),
            lambda: DigitReceived(leg, c.choice("0123#*1A"), c.choice(("RFC 4733", "SIP INFO", "in-band"))),
            lambda: DigitReceived(leg, "1", "RFC 4733"),
            lambda: KeypadDigit(c.choice(NAMES), c.choice("0123#*")),
            lambda: BadgeRead("keypad", "123"),
            lambda: MessageReceived(account, "201", "x", trusted=True, text=c.choice(("status", "open 12", "open 1"))),
            lambda: CodeChecked(checks[0] if checks else 99, c.choice(("family", "once", "h", "")), c.random() < 0.1),
            lambda: SensorChanged(c.choice(sorted(rules.sensors)), c.random() < 0.5),
            lambda: ReleaseRequested(door, "uid 0", c.random() < 0.6, c.random() < 0.3),
            lambda: ProfilesChanged(("day",) if c.random() < 0.5 else (), c.random() < 0.8),
            lambda: TonePlayed(c.choice(("listening", "closing", "busy", "unanswered", "unreachable"))),
            lambda: TonePlayed("listening"),
            lambda: c.choice((AudioDeviceOpened("USB"), AudioDeviceClosed(), AudioDeviceLost("x"))),
            lambda: SoundCheckRequested(c.choice(list(SoundCheckKind)), "uid 0", "chime"),
            lambda: SweepHeard(HEARD),
            lambda: HangUpRequested("uid 0"),
            lambda: CallRequested(c.choice(("777", "office", "112", PEER)), "uid 0"),
            lambda: TraceRequested("uid 0", c.choice((0.0, 5.0))),
            lambda: StopRequested("x") if c.random() < 0.2 else TimePassed(),
            lambda: EchoPersisted(leg, 3.0),
            lambda: EarlyMediaEnded(leg),
            lambda: KeysUnread(leg, "SIP INFO"),
            lambda: UnlockAsked(c.choice(("", "201")), "uid 0"),
            lambda: AudioFlowed(leg, c.choice(("in", "out"))),
            lambda: StreamMeasured(leg, "opus", False, 9, 0, 0, 0, c.choice((0.0, 9.0)), 0.0, 0.0, 0.0, "", "x:1"),
            lambda: SoundMeasured(leg, c.random() < 0.5, c.random() < 0.5, None),
            lambda: CallRejected(account, "201", "x", 488, "x"),
            lambda: c.choice((ConditionBegan("disk", "full"), ConditionEnded("disk"))),
            lambda: UnknownSourcesDropped(3, "192.0.2.66", "INVITE"),
            lambda: ReferenceFound(HEARD),
            lambda: (
                MessageDelivered(order.account, order.target, c.choice((200, 480)), order.number)
                if order else TimePassed()
            ),
            lambda: MessageDelivered(account, "201", c.choice((200, 404))),
        ))()  # fmt: skip

    def live(self, events: int) -> None:
        """Let so many things happen."""
        for _ in range(events):
            if self.chance.random() < 0.01:
                self.again()
            rarely = 70.0 if self.chance.random() < 0.1 else 1.0
            self.pass_time(self.chance.choice((0.0, 0.01, 0.01, 0.3, 1.0, 3.0, rarely)))
            self.take(self.event())
            if self.state.stopping_until == float("inf"):
                self.again()
        self.rest()

    def again(self) -> None:
        """The daemon dies, or is made anew with other rules; or the rules alone are others where nobody is there."""
        if self.state.visit is None and self.state.trial is None and self.state.stopping_until is None:
            other = rules_of(self.chance)
            if self.chance.random() < 0.5:
                buttons = {name: other.buttons.get(name, stages) for name, stages in self.rules.buttons.items()}
                self.rules = replace(self.rules, buttons=buttons, text_missed_to=self.rules.text_missed_to)
                self.take(Reconfigured("uid 0", "buttons"))
                return
            self.rules = other
        left = levels(self.state).pending
        died_in, kept = self.state.visit, self.untold
        self.untold = Untold()
        self.boot()
        if left is not None:
            self.take(VisitRestored(left))
        else:
            assert died_in is None or died_in.outcome is not None, died_in
        if kept != Untold():
            self.take(UntoldFound(kept))

    def pass_time(self, seconds: float) -> None:
        """Ring every alarm on the way."""
        until, at_once = self.now + seconds, 0
        while (due := next_deadline(self.state)) is not None and due <= until < float("inf"):
            if self.state.stopping_until == float("inf"):
                break
            at_once = 0 if due > self.now else at_once + 1
            assert at_once < 50, "alarms without end"
            self.now = max(self.now, due)
            before = self.state
            self.take(TimePassed())
            assert self.state is not before, ("an alarm that changes nothing", due)
        self.now = until

    def rest(self) -> None:
        """Left alone, everything comes to rest."""
        self.pass_time(150.0)
        if self.state.stopping_until is None:
            assert self.state.visit is None
            assert levels(self.state).released == frozenset() or any(door.holding for door in self.state.doors)

    def take(self, event: Event) -> None:
        """Take one event and judge what came of it."""
        self.story.append((self.now, event))
        before = self.state
        if isinstance(event, CallArrived):
            self.incoming.add(event.leg)
        self.state, commands = step(before, event, now=self.now, rules=self.rules)
        self.seen[type(event).__name__] += 1
        for order in commands:
            self.judge(before, event, order)
        self.judge_state(before, event, commands)

    def judge(self, before: State, event: Event, order: Command) -> None:
        """Judge what was ordered."""
        visit = self.state.visit
        match order:
            case PlaceCall():
                assert visit is not None and visit.button and visit.incoming is None, "a visit without a button calls"
                assert order.target != "112", "a number that may not be called"
                assert order.account == DIRECT or order.account in self.rules.accounts
            case AnswerCall(leg):
                assert leg in self.incoming, "a call that we placed is answered"
            case SendDtmf(leg, digits):
                (mine,) = (one for one in before.visit.legs if one.name == leg) if before.visit else ()
                assert leg not in self.incoming
                assert not mine.wanted and self.rules.keys[mine.target] == digits, "a secret goes to somebody else"
            case SetStrike(_, released=True):
                assert isinstance(event, CodeChecked | ReleaseRequested | TimePassed | SensorChanged), event
            case NotifyOutage() | NotifyUnanswered():
                self.posted.append(order)
                assert order.account == (DIRECT if order.target in self.rules.direct else order.account)
                told = order.presses if isinstance(order, NotifyOutage) else (order.press,)
                for press in told:
                    assert press.button != OPERATOR and press not in self.taken, ("told twice", press)
            case KeepUntold(untold):
                if isinstance(event, MessageDelivered) and event.code < 300 and before.posting:
                    self.taken.update(before.posting.presses)
                self.untold = untold
            case Report(Kind.PRESS_ACCEPTED, fields):
                self.accepted[fields["visit"]] = fields["button"]
            case Report(Kind.CALL_RINGING | Kind.CALL_UNCONFIRMED, fields):
                self.rang.add(str(fields["visit"]))
            case Report(Kind.VISIT_ENDED, fields):
                self.judge_end(before, fields)

    def judge_end(self, before: State, told: dict) -> None:  # type: ignore[type-arg]
        """Judge an outcome by what this story has seen."""
        self.ended[told["visit"]] += 1
        assert self.ended[told["visit"]] == 1, "a second outcome"
        visit = before.visit
        if visit is not None and visit.id == told["visit"]:
            outcome, rang = told["outcome"], visit.id in self.rang
            assert rang == visit.rang
            if outcome == "no answer" and visit.button:
                assert rang
            if rang and visit.talked_s is None:
                assert outcome not in ("unreachable", "not found", "talked")
            if visit.talked_s is not None:
                assert outcome in ("talked", "cut off", "stopped", "superseded")
                news = [press for press in self.state.untold.missed if press not in before.untold.missed]
                assert not [press for press in news if press.at == visit.began_at], "talked, and missed"
            if not visit.by_visitor:
                assert len(self.state.untold.missed) <= len(before.untold.missed)

    def judge_state(self, before: State, event: Event, commands: list[Command]) -> None:
        """Judge the state."""
        state, visit = self.state, self.state.visit
        if visit is not None:
            if visit.rang and isinstance(event, VisitRestored):
                self.rang.add(visit.id)
            assert not (visit.incoming and (visit.legs or visit.button)), "calls of two directions"
            assert all(leg.name not in self.incoming for leg in visit.legs)
            assert (state.phase is Phase.CLOSING) == (visit.outcome is not None)
        sound = audio(state)
        if sound.speak:
            assert PHASES[state.phase].talk
            assert visit is not None and sound.speak in names(visit), "a microphone to nobody"
        if sound != audio(before):
            assert SetAudio(sound) in commands
        released = {door.name for door in state.doors if door.released_until is not None}
        ordered = {order.door for order in commands if isinstance(order, SetStrike) and order.released}
        assert ordered == released - {door.name for door in before.doors if door.released_until is not None}
        for door in state.doors:
            assert door.released_until is None or door.released_until <= self.now + 30.0
            assert not door.held or (door.is_open and not door.holding), "left open, and held open"
        if state.stopping_until is not None:
            # Whoever wants out does not wait for the next daemon: the exit button alone releases a door now.
            if before.stopping_until is None:
                self.stopped_at = self.now
            assert all(door.released_until is None or door.released_at >= self.stopped_at for door in state.doors)
            told = [one for one in commands if isinstance(one, Report) and one.kind is Kind.DOOR_RELEASED]
            assert all(one.fields.get("by") == EXIT_BUTTON for one in told)
        assert state.posting is None or state.posting.until > self.now
        assert len(state.untold.missed) <= 20 and len(state.untold.unanswered) <= 20
        running = visit.id if visit is not None and visit.outcome is None else ""
        assert set(self.accepted) - set(self.ended) <= {running}, "a press without an outcome"
        assert all(entry.target in planned(self.rules) for entry in state.unheard), "a target that nobody names"
        assert not [order for order in commands if isinstance(order, Exit)] or state.stopping_until is not None
        for order in commands:
            if isinstance(order, CheckCode):
                assert [one for one in state.keying if one.check == order.check]


def live(events: int, seed: int, each: int = 200) -> Counter[str]:
    """Let so many things happen, to one door after another; return what was seen.

    Raises AssertionError with the end of the story.
    """
    seen: Counter[str] = Counter()
    for number in range(events // each):
        chance = random.Random(seed * 1_000_003 + number)
        door = Door(chance, rules_of(chance))
        try:
            door.live(each)
        except AssertionError as error:
            last = "\n".join(f"{at:10.2f} {event}" for at, event in door.story[-25:])
            raise AssertionError(f"{error}\nseed {seed}, door {number}; the end of its story:\n{last}") from error
        seen += door.seen
        seen["visits"] += len(door.ended)
        seen["rang"] += len(door.rang)
        seen["taken"] += len(door.taken)
        seen["daemons"] += door.boots
    return seen


if __name__ == "__main__":
    print(live(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
