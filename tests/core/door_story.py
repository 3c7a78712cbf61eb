"""A door to tell stories with: the pure core, a clock that is moved by hand, and a diary of what it wanted."""

from intercom.core.commands import Command, Kind, Report
from intercom.core.events import EngineStarted, Event, LineUp, TimePassed
from intercom.core.machine import start, step
from intercom.core.pending import Stage
from intercom.core.rules import CodeMatch, Rules
from intercom.core.state import State, next_deadline

CODES = {"1234": CodeMatch("family", "front"), "77": CodeMatch("post", "yard")}

RULES = Rules(
    buttons={"front": (Stage(("201",), 30.0),), "flat": (Stage(("202", "203"), 30.0),)},
    accounts=("home", "spare"),
    callers={"home": frozenset({"201"}), "spare": frozenset()},
    pulse_s={"front": 4.0, "yard": 2.0},
    match_code=CODES.get,
    code_digits=4,
)


class Story:
    """The core under one event after another."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.rules, self.now = rules, 100.0
        self.state: State
        self.state, first = start("boot", rules)
        self.diary: list[Command] = list(first)

    def tell(self, *events: Event, after: float = 0.01) -> list[Command]:
        """Let events happen, each a little later; return what the last of them made the door want."""
        commands: list[Command] = []
        for event in events:
            self.now += after
            self.state, commands = step(self.state, event, now=self.now, rules=self.rules)
            self.diary += commands
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
