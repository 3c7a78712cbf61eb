"""A door to tell stories with: the pure core, a clock that is moved by hand, and a diary of what it wanted."""

from intercom.core.commands import CheckCode, Command, Kind, Report
from intercom.core.door_state import EMPTY_LEDGER, AccessLedger
from intercom.core.events import CodeChecked, EngineStarted, Event, LineUp, TimePassed
from intercom.core.machine import start, step
from intercom.core.outputs import next_deadline
from intercom.core.rules import CodeRule, Rules
from intercom.core.snapshot import Stage
from intercom.core.state import State

CODES = {"1234": "family", "77": "post"}
"""What is keyed -> the code that it is. Only the shell of a door knows; here the story stands in for it."""

RULES = Rules(
    buttons={"front": (Stage(("201",), 30.0),), "flat": (Stage(("202", "203"), 30.0),)},
    accounts=("home", "spare"),
    callers={"home": frozenset({"201"}), "spare": frozenset()},
    pulse_s={"front": 4.0, "yard": 2.0},
    codes={"family": CodeRule(("front",)), "post": CodeRule(("yard",))},
    code_lengths=frozenset({2, 4}),
    hold_s={"front": 600.0, "yard": 600.0},
)


class Story:
    """The core under one event after another."""

    def __init__(self, rules: Rules = RULES, ledger: AccessLedger = EMPTY_LEDGER) -> None:
        self.rules, self.now = rules, 100.0
        self.state: State
        self.state, first = start("boot", rules, ledger)
        self.answers = True
        """Whether comparisons are answered at once, as a quick machine does it."""
        self.diary: list[Command] = list(first)

    def tell(self, *events: Event, after: float = 0.01) -> list[Command]:
        """Let events happen, each a little later; return what the last of them made the door want."""
        commands: list[Command] = []
        for event in events:
            self.now += after
            commands = self._take(event)
        return commands

    def _take(self, event: Event) -> list[Command]:
        self.state, commands = step(self.state, event, now=self.now, rules=self.rules)
        self.diary += commands
        for order in commands:
            if isinstance(order, CheckCode) and self.answers:
                commands = self._take(CodeChecked(order.check, CODES.get(order.entry, "")))
        return commands

    def wait(self, seconds: float) -> None:
        """Let time pass, with an alarm at every deadline on the way, as the daemon does it."""
        until = self.now + seconds
        while (due := next_deadline(self.state)) is not None and due <= until:
            self.now = max(self.now, due)
            self.state, commands = step(self.state, TimePassed(), now=self.now, rules=self.rules)
            self.diary += commands
        self.now = until

    def online(self) -> "Story":
        """Have a voice engine and both lines."""
        self.tell(EngineStarted("test"), *(LineUp(account, 1.0, 300) for account in self.rules.accounts))
        self.diary.clear()
        return self

    def records(self, kind: Kind) -> list[dict[str, object]]:
        """Return the fields of every record of a kind."""
        return [dict(entry.fields) for entry in self.diary if isinstance(entry, Report) and entry.kind is kind]

    def wanted(self, kind: type) -> list[Command]:
        """Return every order of a kind."""
        return [entry for entry in self.diary if isinstance(entry, kind)]
