# SPDX-License-Identifier: GPL-2.0-or-later
"""What guessing brings in a year, by the core's own `step`, for the best strategy that a search finds.

A strategy is a list of waits between guesses. The simplest, to guess whenever one is heard, is played for a whole year;
the search then looks for one that gets more in any stretch of time. The figures are README's.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from door_story import RULES, Story
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom.core import guessing, sources
from intercom.core.codes import CARD
from intercom.core.commands import CheckCode, Kind, SaveLedger, SetStrike
from intercom.core.door_state import AccessLedger, FailedAttempts
from intercom.core.events import (
    BadgeRead,
    ButtonPressed,
    CallAnswered,
    CallArrived,
    CodeChecked,
    DigitReceived,
    EngineLost,
    EngineStarted,
    HangUpRequested,
    KeypadDigit,
    LineUp,
    MessageReceived,
    StopRequested,
    TimePassed,
    TonePlayed,
    UnlockAsked,
)
from intercom.core.machine import step
from intercom.core.outputs import conditions, next_deadline
from intercom.core.rules import CodeRule, Rules, What
from intercom.core.words import DIRECT

README = Path(__file__).parents[2] / "README.md"
YEAR_S = 365 * 86400.0
PHONES = 10
CARDS_OF_A_FACILITY = 1 << 16
TEXTER = MessageReceived("home", "201", "127.0.0.1", trusted=True, text="open 000000")


def rules(codes: int = 1, keys: int = 6, **more: object) -> Rules:
    """A house with so many codes of so many digits; 0 for cards."""
    named = {f"code {number}": CodeRule(("front",), keys=keys) for number in range(codes)}
    lengths = frozenset({keys} - {0})
    return replace(RULES, codes=named, code_lengths=lengths, texters={"home": frozenset({"201"})},
                   callers={"home": frozenset(f"2{n:02}" for n in range(1, PHONES + 1))}, **more)  # type: ignore[arg-type]  # fmt: skip


class Guesser(Story):
    """Somebody who knows no code. What he keys is compared, and is wrong."""

    def __init__(self, rules: Rules, ledger: AccessLedger = AccessLedger()) -> None:  # noqa: B008  (it is frozen)
        super().__init__(rules, ledger)
        self.answers = False
        self.compared = 0
        self.numbers = count()

    def _take(self, event: object) -> list:  # type: ignore[type-arg]
        self.state, commands = step(self.state, event, now=self.now, rules=self.rules)  # type: ignore[arg-type]
        for order in commands:
            if isinstance(order, CheckCode):
                self.compared += 1
                self.state, after = step(self.state, CodeChecked(order.check, ""), now=self.now, rules=self.rules)
                commands = [*commands, *after]
        self.diary += [order for order in commands if not isinstance(order, SaveLedger)]
        self.kept = next((order.ledger for order in reversed(commands) if isinstance(order, SaveLedger)), None)
        return commands

    def rest(self, seconds: float) -> None:
        """Let time pass; of the deadlines on the way only the last one is kept, for there may be thousands."""
        self.now += seconds
        if (due := next_deadline(self.state)) is not None and due <= self.now:
            self.tell(TimePassed(), after=0.0)

    def locked_until(self, source: str, what: What) -> float:
        name = sources.payer(self.rules, source)
        return max((one.locked_until for one in self.state.tries if (one.name, one.what) == (name, what)), default=0.0)


@dataclass(frozen=True)
class Way:
    """A way to guess: at what, and how."""

    source: str
    what: What
    guess: Callable[[Guesser], None]


def at_keypad(keys: int) -> Callable[[Guesser], None]:
    def guess(door: Guesser) -> None:
        ends = "#" * (len(door.rules.code_lengths) > 1)
        door.tell(*(KeypadDigit("front", key) for key in f"{next(door.numbers):0{keys}}"[-keys:] + ends), after=0.0)

    return guess


def by_card(door: Guesser) -> None:
    door.tell(BadgeRead("front", str(next(door.numbers))), after=0.0)


def by_text(keys: int) -> Callable[[Guesser], None]:
    def guess(door: Guesser) -> None:
        door.tell(replace(TEXTER, text=f"open {next(door.numbers):0{keys}}"), after=0.0)

    return guess


WAYS = {
    "keypad": Way("keypad front", What.CODES, at_keypad(6)),
    "keypad, 8 digits": Way("keypad front", What.LONG_CODES, at_keypad(8)),
    "cards": Way("keypad front", What.CARDS, by_card),
    "phone": Way("201@home", What.CODES, by_text(6)),
    "phone, 8 digits": Way("201@home", What.LONG_CODES, by_text(8)),
}
KEYS = {What.CODES: 6, What.LONG_CODES: 8, What.CARDS: 0}
SPACE = {What.CODES: 10**6, What.LONG_CODES: 10**8, What.CARDS: CARDS_OF_A_FACILITY}


def greedy(way: Way, codes: int, seconds: float) -> int:
    """Guess whenever one is heard, from full purses, and return how many guesses were compared."""
    door = Guesser(rules(codes, KEYS[way.what]))
    end = door.now + seconds
    while door.now < end:
        way.guess(door)
        door.rest(max(0.001, door.locked_until(way.source, way.what) - door.now))
        door.diary.clear()
    return door.compared


def most(way: Way, codes: int, seconds: float) -> float:
    """Return the most wrong entries that the slowest purse allows: `most + T / each_s`."""
    purses = guessing.budgets(rules(codes, KEYS[way.what]), way.source, way.what)
    return min(purse.most + seconds / purse.each_s for purse in purses)


def chance(guesses: float, codes: int, space: int) -> float:
    """Return the chance to hit one of some codes by guesses that are all different."""
    return 1 - (1 - guesses / space) ** codes


@pytest.mark.parametrize(
    ("name", "codes", "seconds", "guesses"),
    [
        ("keypad", 1, YEAR_S, 9360),
        ("keypad", 20, YEAR_S / 6, 330 + 803),
        ("keypad, 8 digits", 1, YEAR_S / 365, 2170),
        ("cards", 1, YEAR_S, 610),
        ("cards", 20, YEAR_S, 335),
        ("phone", 1, YEAR_S, 89),
        ("phone", 20, YEAR_S, 48),
        ("phone, 8 digits", 1, YEAR_S / 12, 740),
    ],
)
def test_who_guesses_whenever_he_is_heard_gets_so_many_guesses(
    name: str, codes: int, seconds: float, guesses: int
) -> None:
    """A year of it, day and night; where that is too long a test, less, by the same formula."""
    found = greedy(WAYS[name], codes, seconds)

    assert found == pytest.approx(guesses, abs=1.5)
    assert found <= most(WAYS[name], codes, seconds) + 1


@pytest.mark.parametrize("codes", range(1, 41))
def test_the_chance_of_a_year_stays_below_the_promise(codes: int) -> None:
    """Below 1 % at a keypad and at a reader, below 0.1 % from ten phones; ten times that for however many codes.

    Of codes with six digits, of cards whose facility code is known, and of codes with eight digits.
    """
    for name, way in WAYS.items():
        phones = PHONES if name.startswith("phone") else 1
        promise = 0.001 if name.startswith("phone") else 0.01
        found = chance(phones * most(way, codes, YEAR_S), codes, SPACE[way.what])

        assert found < promise * min(codes, 10), (name, found)


ROWS = {
    "a keypad | six digits": "keypad",
    "a keypad | eight digits": "keypad, 8 digits",
    "a reader | cards of 26 bits, the facility code is known: 65,536 numbers": "cards",
    "ten phones, their calls and texts together | six digits": "phone",
    "ten phones, their calls and texts together | eight digits": "phone, 8 digits",
}


@pytest.mark.parametrize("row", ROWS)
def test_the_figures_are_those_of_the_readme(row: str) -> None:
    """What people go by is what was computed."""
    way = WAYS[ROWS[row]]
    phones = PHONES if ROWS[row].startswith("phone") else 1
    year = phones * most(way, 1, YEAR_S)
    one, twenty = (100 * chance(phones * most(way, codes, YEAR_S), codes, SPACE[way.what]) for codes in (1, 20))

    assert f"| {row} | {year:,.0f} | {one:.2f} % | {twenty:.1f} % |" in README.read_text()


RATES = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from([0.0, 1.0, 40.0, 179.0, 181.0, 901.0, 3599.0, 3601.0, 86400.0, 9e5])),
    min_size=1,
    max_size=12,
)
"""Bursts of so many guesses, and how long to wait after each."""


@pytest.mark.parametrize("name", WAYS)
@given(bursts=RATES, restarts=st.booleans(), rights=st.booleans())
@settings(max_examples=20, deadline=None)
def test_no_strategy_finds_more_than_the_purse_holds(
    name: str, bursts: list[tuple[int, float]], restarts: bool, rights: bool
) -> None:
    """Bursts and pauses, before and after lock-outs, across restarts, with a card of his own between the guesses."""
    way = WAYS[name]
    door = Guesser(rules(1, KEYS[way.what]))
    began = door.now
    for number, wait in bursts:
        for _ in range(number):
            way.guess(door)
            if rights and way.what is not What.CARDS:
                door.tell(BadgeRead("front", "7"), after=0.0)
        door.rest(wait)
        if restarts:
            door = again(door)
    cards = door.compared if rights and way.what is not What.CARDS else 0
    wrong = [told for told in door.records(Kind.CODE_WRONG) if told["method"] != "card" or way.what is What.CARDS]

    assert len(wrong) <= most(way, 1, door.now - began) + 1
    assert door.compared - cards <= most(way, 1, door.now - began) + 1 or cards


def again(door: Guesser) -> Guesser:
    """Have another daemon that finds what this one has written."""
    later = Guesser(door.rules, AccessLedger(door.state.uses, door.state.tries))
    later.now, later.compared, later.numbers, later.diary = door.now, door.compared, door.numbers, [*door.diary]
    return later


def test_a_search_for_a_better_strategy_finds_none() -> None:
    """A hill is climbed from many places: waits between guesses, changed at random and kept when they get more."""
    chosen = random.Random(1)
    way, month = WAYS["phone"], 31 * 86400.0

    def found(waits: Iterable[float]) -> int:
        door = Guesser(rules())
        end = door.now + month
        for wait in waits:
            if door.now + wait > end:
                break
            door.rest(wait)
            way.guess(door)
        return door.compared

    best = 0
    for _ in range(4):
        waits = [chosen.expovariate(1 / chosen.choice([60.0, 900.0, 86400.0, 432000.0])) for _ in range(60)]
        reached = found(waits)
        for _ in range(30):
            tried = [*waits]
            for place in chosen.sample(range(60), 5):
                tried[place] *= chosen.choice([0.0, 0.5, 0.9, 1.1, 2.0])
            if (now := found(tried)) >= reached:
                waits, reached = tried, now
        best = max(best, reached)

    assert 12 < best <= most(way, 1, month)
    assert best <= greedy(way, 1, month)


def test_all_ways_together_are_no_more_than_each_of_them() -> None:
    """Who guesses by keypad, card, phone and text at once takes nothing from any of them, and gets nothing besides."""
    door = Guesser(replace(rules(), codes={**rules().codes, "card": CodeRule(("front",), keys=0)}))
    began = door.now
    for _ in range(400):
        for name in ("keypad", "cards", "phone"):
            WAYS[name].guess(door)
        door.rest(300.0)
    passed = door.now - began
    wrong = door.records(Kind.CODE_WRONG)

    for name, method in (("keypad", "keypad"), ("cards", "card"), ("phone", "text")):
        found = sum(told["method"] == method for told in wrong)
        assert found == pytest.approx(min(most(WAYS[name], 1, passed), 400), abs=2), name


def attack_the_keypad(door: Guesser, seconds: float) -> None:
    """Guess at a keypad whenever it listens, for so long."""
    end = door.now + seconds
    while door.now < end:
        at_keypad(6)(door)
        door.rest(max(0.001, door.locked_until("keypad front", What.CODES) - door.now))


FAMILY = replace(
    rules(),
    codes={"family": CodeRule(("front",)), "long": CodeRule(("front",), keys=8), "card": CodeRule(("front",), keys=0)},
    code_lengths=frozenset({6, 8}),
)
RIGHT = {"471147": "family", "47114711": "long", f"{CARD}77": "card"}


class Home(Guesser):
    """A family that knows its codes, and somebody who does not."""

    def __init__(self) -> None:
        super().__init__(FAMILY)
        self.numbers = count(500_000)

    def _take(self, event: object) -> list:  # type: ignore[type-arg]
        self.state, commands = step(self.state, event, now=self.now, rules=self.rules)  # type: ignore[arg-type]
        for order in commands:
            if isinstance(order, CheckCode):
                found = RIGHT.get(order.entry, "")
                self.state, after = step(self.state, CodeChecked(order.check, found), now=self.now, rules=self.rules)
                commands = [*commands, *after]
        self.diary += commands
        return commands

    def released(self, *events: object) -> bool:
        """Whether these events release the door."""
        self.wait(20)
        self.diary.clear()
        self.tell(*events)  # type: ignore[arg-type]
        return SetStrike("front", released=True) in self.diary


@pytest.mark.parametrize("days", [0.01, 1.0, 60.0])
def test_at_a_keypad_under_attack_the_family_waits_an_hour_at_the_most(days: float) -> None:
    """And opens at once by phone, by card and by a code of eight digits, while the attack goes on."""
    door = Home()
    attack_the_keypad(door, days * 86400)
    at_keypad(6)(door)
    keyed = [KeypadDigit("front", key) for key in "471147"]

    assert door.locked_until("keypad front", What.CODES) - door.now <= 3600
    assert door.released(*(KeypadDigit("front", key) for key in "47114711"))
    assert door.released(BadgeRead("front", "77"))
    assert door.released(replace(TEXTER, text="open 471147"))
    assert not door.released(*keyed) or days < 0.02
    door.rest(3600.0)
    assert door.released(*keyed)


def test_a_passer_by_cannot_keep_a_keypad_deaf() -> None:
    """Five wrong codes a day, for a year: it is heard again within minutes, each day."""
    door = Home()
    for _ in range(365):
        for _ in range(5):
            at_keypad(6)(door)
        assert door.locked_until("keypad front", What.CODES) - door.now <= 1800
        door.rest(86400.0)
        door.diary.clear()
    assert door.released(*(KeypadDigit("front", key) for key in "471147"))


@pytest.mark.parametrize("name", WAYS)
def test_somebody_guesses_begins_within_the_first_hour_and_ends_when_it_is_over(name: str) -> None:
    """It is a condition of its own, and no slip of the finger begins it."""
    way = WAYS[name]
    door = Guesser(rules(1, KEYS[way.what]))
    for _ in range(4):
        way.guess(door)
    slips = conditions(door.state)
    end = door.now + 3600
    while door.now < end:
        way.guess(door)
        door.rest(max(1.0, door.locked_until(way.source, way.what) - door.now))
    wrong = f"{way.what.value} from {way.source}"

    assert wrong not in slips
    assert conditions(door.state)[wrong] == "somebody guesses"
    assert [told["condition"] for told in door.records(Kind.GUESSING)] == [wrong]
    for _ in range(40):
        door.rest(14400.0)
    assert wrong not in conditions(door.state)
    assert [told["condition"] for told in door.records(Kind.CONDITION_ENDED)] == [wrong]


@pytest.mark.parametrize("tries", [1, 2, 20])
def test_it_begins_within_the_hour_whatever_is_configured(tries: int) -> None:
    """Few tries, few guesses, and fewer of them are enough to be told."""
    door = Guesser(rules(tries=tries))
    attack_the_keypad(door, 3600.0)

    assert "codes from keypad front" in conditions(door.state)


def test_what_was_keyed_wrong_is_forgotten_at_last() -> None:
    """Nothing is kept of a source that has been well for long, so no boot brings it back."""
    door = Guesser(rules())
    by_text(6)(door)
    due = next_deadline(door.state)
    assert due is not None
    door.rest(due - door.now)
    for _ in range(10):  # of its deadlines there are a few
        if (due := next_deadline(door.state)) is not None:
            door.rest(max(0.0, due - door.now))

    assert door.state.tries == ()
    assert door.kept == AccessLedger()


SPELLINGS = [
    "201", "office", "sip:201@pbx", "SIP:201@PBX:5060;transport=tcp", "sips:%32%30%31@pbx", "<sip:201@pbx>", "2-0-1",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_phone_is_one_source_however_it_is_spelt(spelling: str) -> None:
    """Rung as a number, as a contact or as an address, calling, or texting: it has one account."""
    house = replace(rules(), dial={"office": "201"}, servers={"home": "pbx:5060", "spare": "other"})

    assert sources.phone(house, spelling, "home") == "201@home"
    assert sources.payer(house, sources.phone(house, spelling, "home")) == "201@home"


@pytest.mark.parametrize("spelling", [*SPELLINGS, "201@home", "keypad yard"])
def test_a_lock_out_goes_on_under_the_source_s_one_name(spelling: str) -> None:
    """An older intercom wrote it down as the phone was spelt."""
    house = replace(rules(), dial={"office": "201"}, servers={"home": "pbx:5060", "spare": "pbx"})
    left = (
        FailedAttempts(spelling, What.CODES, locked_until=900.0),
        FailedAttempts("202@home", What.CODES, locked_until=90.0),
    )
    story = Guesser(house, AccessLedger((), left))

    name = spelling if spelling.startswith("keypad ") else "201@home"
    assert story.state.tries == (replace(left[0], name=name), left[1])


def test_two_accounts_at_one_server_are_one_and_at_two_are_two() -> None:
    """The second one is there for when the first fails: the same phones are behind it."""
    one = replace(rules(), servers={"home": "pbx", "spare": "pbx:5080"})
    two = replace(rules(), servers={"home": "pbx", "spare": "other"})

    assert sources.phone(one, "201", "spare") == "201@home"
    assert sources.phone(two, "201", "spare") == "201@spare"
    assert sources.phone(two, "sip:201@pbx", "spare") == "201@home"
    assert sources.phone(two, "sip:201@192.0.2.7", DIRECT) == "201@192.0.2.7"


def test_names_that_a_stranger_makes_up_share_one_account_and_touch_no_other() -> None:
    """With callers = ["*"] a caller chooses his name: no name gives new guesses, and none locks a known phone out."""
    door = Guesser(replace(rules(), callers={"home": frozenset({"*", "205"})})).online()
    for number in range(30):
        stranger = f"0900{number}"
        door.tell(CallArrived(f"in-{number}", "home", stranger, "192.0.2.1", trusted=True))
        door.tell(TonePlayed("listening"), CallAnswered(f"in-{number}"))
        door.tell(*(DigitReceived(f"in-{number}", key, "RFC 4733") for key in "000000"), HangUpRequested("x"))
        door.wait(10)

    assert {one.name for one in door.state.tries} == {"other callers@home"}
    assert len(door.records(Kind.CODE_WRONG)) <= 7
    assert sources.payer(door.rules, "205@home") == "205@home"


def test_a_slip_that_is_put_right_in_the_same_call_costs_nothing_for_long() -> None:
    """A phone has few wrong entries a month: who keys the right code at once has not guessed. There is an end to it."""
    calls = {"home": frozenset({"201"})}
    never = {"probe_s": float("inf"), "hush_s": float("inf")}
    story = Story(replace(RULES, code_lengths=frozenset({4}), callers=calls, **never)).online()  # type: ignore[arg-type]
    for number in range(1, 31):
        leg = f"in-{number}"
        story.tell(CallArrived(leg, "home", "201", "192.0.2.1", trusted=True))
        story.tell(TonePlayed("listening"), CallAnswered(leg))
        story.tell(*(DigitReceived(leg, key, "RFC 4733") for key in "99991234"), HangUpRequested("x"))
        story.wait(86400.0 / 4)
    opened = len(story.records(Kind.DOOR_RELEASED))

    assert opened > 20
    (account,) = story.state.tries
    assert account.name == "201@home"
    assert account.slipped > story.now


def test_a_visit_is_deaf_also_after_the_voice_engine_died() -> None:
    """It called back in the same visit, and three wrong codes were heard already."""
    story = Story().online()
    story.tell(*answered(story))
    story.tell(*(DigitReceived("boot-1.1", key, "RFC 4733") for key in "000000000000"))
    story.tell(EngineLost("ended by SIGKILL"), EngineStarted("test"), LineUp("home", 1.0, 300))
    visit = story.state.visit
    assert visit is not None
    leg = visit.legs[-1].name
    story.tell(*answered(story, leg)[-1:])
    story.tell(*(DigitReceived(leg, key, "RFC 4733") for key in "1234"))

    assert story.state.visit is not None
    assert story.state.visit.talker == leg
    assert story.wanted(SetStrike) == []
    assert len(story.records(Kind.CODE_WRONG)) == 3


def answered(story: Story, leg: str = "boot-1.1") -> list:  # type: ignore[type-arg]
    return [ButtonPressed("front", "panel"), CallAnswered(leg)]


def test_an_operator_has_a_source_heard_again_and_it_is_told_who() -> None:
    """One of them, or all; the condition is over with it."""
    door = Home()
    attack_the_keypad(door, 3600.0)
    for _ in range(6):
        by_card(door)
    door.diary.clear()
    door.tell(UnlockAsked("keypad side", "uid 0"))
    untouched = door.state.tries
    door.tell(UnlockAsked("keypad front", "anna"))

    assert len(untouched) == 2
    assert door.state.tries == ()
    assert conditions(door.state) == {}
    assert door.records(Kind.LOCK_LIFTED) == [{"source": "keypad front", "by": "anna"}]
    assert door.released(*(KeypadDigit("front", key) for key in "471147"))


def test_unfinished_entries_cost_nothing_and_lock_nobody_out() -> None:
    """Single keys, each left alone or ended too early: a child at the keypad."""
    door = Home()
    for key in "5#*1#22#333*4444#":
        door.tell(KeypadDigit("front", key))
        door.wait(6)
    door.tell(*(KeypadDigit("front", key) for key in "12#34*5#"))

    assert door.state.tries == ()
    assert door.records(Kind.CODE_WRONG) == []
    assert door.released(*(KeypadDigit("front", key) for key in "471147"))


def test_a_good_card_wipes_nothing_away() -> None:
    """Who has any good card keys short codes before it, and each of them counts."""
    door = Home()
    for _ in range(5):
        door.tell(*(KeypadDigit("front", key) for key in "000000"), BadgeRead("front", "77"))

    assert len(door.records(Kind.CODE_WRONG)) == 5
    assert [told["source"] for told in door.records(Kind.LOCKED_OUT)] == ["keypad front"]


def test_a_use_belongs_to_the_secret_and_counts_when_something_opened() -> None:
    """A new code under an old name begins anew; one that the owner renames does not; a stop uses nothing up."""
    old = replace(RULES, codes={"guest": CodeRule(("front",), uses=1, mark="old")}, code_lengths=frozenset({4}))
    new = replace(RULES, codes={"guest": CodeRule(("front",), uses=1, mark="new")}, code_lengths=frozenset({4}))
    renamed = replace(RULES, codes={"visitor": CodeRule(("front",), uses=1, mark="old")}, code_lengths=frozenset({4}))

    def keyed(rules: Rules, name: str, ledger: AccessLedger) -> Story:
        story = Story(rules, ledger)
        story.answers = False
        story.tell(*(KeypadDigit("yard", key) for key in "9876"), CodeChecked(1, name))
        return story

    used = keyed(old, "guest", AccessLedger()).state.uses
    assert used == (("old", 1),)
    assert keyed(old, "guest", AccessLedger(used)).wanted(SetStrike)[2:] == []
    assert keyed(new, "guest", AccessLedger(used)).wanted(SetStrike)[2:] == [SetStrike("front", released=True)]
    assert keyed(renamed, "visitor", AccessLedger(used)).wanted(SetStrike)[2:] == []
    assert keyed(old, "guest", AccessLedger((("guest", 1),))).state.uses == (("old", 1),)


def test_a_code_that_comes_as_the_door_stops_is_not_used_up() -> None:
    """Nothing opened."""
    story = Story(replace(RULES, codes={"family": CodeRule(("front",), uses=1)})).online()
    story.answers = False
    story.tell(*(KeypadDigit("yard", key) for key in "12"), StopRequested("SIGTERM"), CodeChecked(1, "family"))

    assert story.state.uses == ()
