# SPDX-License-Identifier: GPL-2.0-or-later
"""The budget for guessing: how often a source may be wrong, over a quarter of an hour, a day, a month and for ever.

A budget is a purse of so many wrong entries; whatever was taken comes back one by one. A source is heard while each of
its purses holds something. So nobody is locked out for longer than until the next entry comes back, and nobody is
wrong more often in a year than the slowest purse holds and gets back in it:

    wrong entries in T seconds <= most + T / each_s

Each source pays for its own. Codes, long codes and cards have purses of their own, so that who guesses at the one
takes nothing from who has the other. With many codes each guess is worth more, so the purses get smaller then.
"""

from dataclasses import replace

from intercom.core.door_state import FailedAttempts
from intercom.core.rules import Budget, Rules, What
from intercom.core.sources import is_keypad

LONG = 8
"""Digits from which on a code is a long one: heard also while nobody listens to shorter ones."""
MANY = 11
"""With more codes than this the purses get smaller: with as many, twenty at the keypad would be found out of ten."""


def budgets(rules: Rules, source: str, what: What) -> tuple[Budget, ...]:
    """Return the purses of a source for one kind of entry, the quickest first."""
    crowd = max(1.0, sum(kind(rule.keys) is what for rule in rules.codes.values()) / MANY)
    place = "keypad" if is_keypad(source) else "phone"
    slow = tuple(Budget(max(1, int(one.most / crowd)), one.each_s * crowd) for one in rules.budgets[place, what])
    quick = () if what is What.LONG_CODES else (Budget(rules.tries, rules.tries_s / rules.tries),)
    return quick + slow


def charged(rules: Rules, tries: FailedAttempts, now: float) -> FailedAttempts:
    """Return the account of a source after one more wrong entry."""
    purses = budgets(rules, tries.name, tries.what)
    whole = _filled(tries.whole_at, len(purses))
    whole = tuple(max(at, now) + purse.each_s for at, purse in zip(whole, purses, strict=True))
    notice = _notice(rules)
    noticed = min(max(tries.noticed, now) + notice.each_s, now + notice.most * notice.each_s)
    guesses = tries.guessing_until is not None or noticed - now > (notice.most - 1) * notice.each_s
    calm_at = noticed - notice.most * notice.each_s / 2
    return replace(tries, whole_at=whole, locked_until=max(_opens(whole, purses), now), noticed=noticed,
                   guessing_until=calm_at if guesses else None)  # fmt: skip


def forgiven(rules: Rules, tries: FailedAttempts, slips: int, now: float) -> FailedAttempts:
    """Return the account of a source that put some slips right at once, as far as its allowance for that goes.

    Somebody who has a code of his own could guess at others meanwhile: so there is an allowance.
    """
    allowance, notice = rules.slips, _notice(rules)
    purses = budgets(rules, tries.name, tries.what)
    whole, noticed, slipped = _filled(tries.whole_at, len(purses)), tries.noticed, max(tries.slipped, now)
    for _ in range(slips):
        if slipped + allowance.each_s - now > allowance.most * allowance.each_s:
            break
        slipped += allowance.each_s
        noticed -= notice.each_s
        whole = tuple(at - purse.each_s for at, purse in zip(whole, purses, strict=True))
    heard_at = min(tries.locked_until, _opens(whole, purses))
    return replace(tries, whole_at=whole, noticed=noticed, slipped=slipped, locked_until=heard_at)


def left(rules: Rules, tries: FailedAttempts, now: float) -> int:
    """Return how many more wrong entries a source may give at once."""
    purses = budgets(rules, tries.name, tries.what)
    spent = [
        (max(at, now) - now) / purse.each_s
        for at, purse in zip(_filled(tries.whole_at, len(purses)), purses, strict=True)
    ]
    return max(0, min(int(purse.most - used + 1e-6) for used, purse in zip(spent, purses, strict=True)))


def time_passed(tries: tuple[FailedAttempts, ...], now: float) -> tuple[FailedAttempts, ...]:
    """Return the accounts that still mean something; those that are calm again no longer tell of guesses."""
    calmed = (
        replace(one, guessing_until=None) if one.guessing_until is not None and now >= one.guessing_until else one
        for one in tries
    )
    return tuple(one for one in calmed if one.forgotten_at > now)


def kind(keys: int) -> What:
    """Return what an entry of so many digits is; 0 for a card."""
    return What.CARDS if keys == 0 else What.LONG_CODES if keys >= LONG else What.CODES


def _notice(rules: Rules) -> Budget:
    """Return from how many wrong entries on somebody guesses; where few are heard at all, from fewer."""
    return Budget(min(rules.notice.most, 4 * rules.tries), rules.notice.each_s)


def _opens(whole_at: tuple[float, ...], purses: tuple[Budget, ...]) -> float:
    """Return when each purse holds something again: it did before all of it was taken."""
    return max(at - (purse.most - 1) * purse.each_s for at, purse in zip(whole_at, purses, strict=True))


def _filled(instants: tuple[float, ...], purses: int) -> tuple[float, ...]:
    """Return an instant for each purse: other rules may have had another number of them."""
    return (*instants, *(0.0,) * purses)[:purses]
