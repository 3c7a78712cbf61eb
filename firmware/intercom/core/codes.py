# SPDX-License-Identifier: GPL-2.0-or-later
"""Digits become a code, and a right code releases doors.

A code is taken as soon as its last digit is keyed. `#` ends an entry, `*` begins it anew, and a pause of `code_pause_s`
gives it up. The core knows how long codes are and never what they are: when an entry is as long as some code it orders
`CheckCode`, and what is keyed until `CodeChecked` comes waits.

An entry that has been compared in vain is a wrong one, however it ends: by `#`, by `*`, by a pause, by hanging up.
Else somebody could guess at short codes for ever where there are also long ones.
"""

from dataclasses import replace

from intercom.core import doors
from intercom.core.commands import CheckCode, Kind, PlayTone, SendText, Tone
from intercom.core.doorway import Keying, Tries
from intercom.core.events import CodeChecked
from intercom.core.phases import PHASES
from intercom.core.rules import CodeRule
from intercom.core.turn import Turn

CARD = "card "
"""What stands before a card's number, so that no number of a card is also a code for the keys."""
WAITING = 32
"""Keys kept while a comparison is under way."""
SOURCES = 16
"""Sources that are told apart; whoever comes on top shares one account with the others who do."""
OTHERS = "others"
REFUSED_S = 2.0
"""How long lamp and tone tell at the door that a code there opens nothing."""
REFUSED = "no"
"""What a text with a code is answered that opens nothing, whatever the reason."""


def digit(turn: Turn, leg: str, key: str, method: str) -> None:
    """A key was pressed on a phone; only the one that talks in a visit is listened to."""
    visit = turn.state.visit
    if visit is None or leg != visit.talker or not PHASES[turn.state.phase].talk:
        return
    keying = _find(turn, leg) or Keying(leg, visit.answered_by, visit.id)
    _take(turn, replace(keying, method=method), key)


def keypad(turn: Turn, name: str, key: str) -> None:
    """A key was pressed at the door."""
    source = f"keypad {name}"
    keying = _find(turn, source) or Keying(source, source, method="keypad")
    if _is_heard(turn, keying):
        _take(turn, keying, key)
    elif turn.rules.codes:
        _put(turn, _shown(turn, keying))


def card(turn: Turn, name: str, number: str) -> None:
    """A card was held before a reader at the door: an entry that is whole at once."""
    source = f"keypad {name}"
    keying = _find(turn, source) or Keying(source, source, method="card")
    if not number.isdigit() or keying.check is not None:
        return
    if _is_heard(turn, keying):
        _check(turn, replace(keying, digits=CARD + number, method="card"))
    elif turn.rules.codes:
        _put(turn, _shown(turn, keying))


def texted(turn: Turn, account: str, sender: str, entry: str) -> bool:
    """A code came in a text: an entry that is whole at once. Return whether `checked` will answer it.

    It is held against the same user as what is keyed on his phone, so a lock-out holds for both.
    """
    keying = Keying(f"text {sender}", sender, method="text", reply=account)
    if _find(turn, keying.name) is not None or not _is_heard(turn, keying):
        return False
    if not (entry.isdigit() and entry.isascii() and len(entry) in turn.rules.code_lengths):
        _wrong(turn, keying)
        _forget(turn, keying)
        return False
    _check(turn, replace(keying, digits=entry))
    return True


def checked(turn: Turn, event: CodeChecked) -> None:
    """The comparison is done: with which code, if any."""
    keying = next((one for one in turn.state.keying if one.check is not None and one.check == event.check), None)
    if keying is None:
        return
    entry, keying = keying.digits, replace(keying, check=None)
    rule = turn.rules.codes.get(event.code)
    reason = _reason(turn, event, rule) if rule is not None else ""
    if rule is not None:
        if reason:
            _wrong(turn, keying, reason)
        else:
            _put(turn, replace(_cleared(keying), refused_until=None))
            _use(turn, keying, event.code, rule)
    elif keying.reply or entry.startswith(CARD) or len(entry) >= max(turn.rules.code_lengths):
        _wrong(turn, keying)
    else:
        _put(turn, replace(keying, compared=True, until=turn.now + turn.rules.code_pause_s))
    if keying.reply:
        _answer(turn, keying, rule if not reason else None)
    _go_on(turn, keying.name)


def time_passed(turn: Turn) -> None:
    """Give up an entry that was left unfinished, and stop showing that one was wrong."""
    for shown in turn.state.keying:
        if shown.refused_until is not None and turn.now >= shown.refused_until:
            _put(turn, replace(shown, refused_until=None))
    for keying in turn.state.keying:
        if keying.until is not None and turn.now >= keying.until:
            _wrong(turn, keying)


def let_go(turn: Turn) -> None:
    """Forget phones that no longer talk. What they have guessed counts."""
    visit = turn.state.visit
    talker = visit.talker if visit is not None and PHASES[turn.state.phase].talk else ""
    for keying in turn.state.keying:
        if keying.visit and keying.name != talker:
            if keying.check is not None:
                _put(turn, replace(keying, over=True, waiting=""))
                continue
            if keying.compared:
                _wrong(turn, keying)
            turn.set(keying=tuple(other for other in turn.state.keying if other.name != keying.name))


def _take(turn: Turn, keying: Keying, key: str) -> None:
    """Take one key."""
    if keying.over or not _is_heard(turn, keying):
        return
    if keying.check is not None:
        _put(turn, replace(keying, waiting=(keying.waiting + key)[:WAITING]))
    elif key == "*" and not keying.compared:
        _put(turn, _cleared(keying))
    elif key in ("*", "#"):
        if keying.digits:
            _wrong(turn, keying)
    elif key.isdigit() and key.isascii() and len(key) == 1:
        keying = replace(keying, digits=keying.digits + key, until=turn.now + turn.rules.code_pause_s)
        if len(keying.digits) in turn.rules.code_lengths:
            _check(turn, keying)
        elif len(keying.digits) > max(turn.rules.code_lengths, default=0):
            _wrong(turn, keying)  # there are only cards
        else:
            _put(turn, keying)


def _is_heard(turn: Turn, keying: Keying) -> bool:
    """Whether a source may key at all: not after too many wrong codes, in this call or lately."""
    if not turn.rules.codes or (keying.visit and keying.wrong >= turn.rules.wrong_codes):
        return False
    return turn.now >= _tries(turn, keying.source).locked_until


def _check(turn: Turn, keying: Keying) -> None:
    number = turn.state.checks + 1
    turn.set(checks=number)
    _put(turn, replace(keying, check=number, until=None))
    turn.order(CheckCode(number, keying.digits))


def _go_on(turn: Turn, name: str) -> None:
    """Take the keys that came meanwhile, until one of them needs a comparison again."""
    while (keying := _find(turn, name)) is not None and keying.waiting and keying.check is None:
        _put(turn, replace(keying, waiting=keying.waiting[1:]))
        _take(turn, replace(keying, waiting=keying.waiting[1:]), keying.waiting[0])


def _reason(turn: Turn, event: CodeChecked, rule: CodeRule) -> str:
    """Return why a right code does not count now; empty when it does. The one who keys is not told the difference."""
    if event.expired:
        return "expired"
    if rule.profile and rule.profile not in (turn.state.profiles or ()):
        return "not at this hour" if turn.state.profiles is not None else "the clock is not set"
    if rule.uses and dict(turn.state.uses).get(event.code, 0) >= rule.uses:
        return "used up"
    return "" if any(doors.find(turn, door) for door in rule.doors) else "its door is not there"


def _use(turn: Turn, keying: Keying, code: str, rule: CodeRule) -> None:
    """Release the doors of a right code; a code that holds them locks them again when they are held already."""
    if rule.uses:
        uses = dict(turn.state.uses)
        turn.set(uses=tuple(sorted({**uses, code: uses.get(code, 0) + 1}.items())))
    there = [door for name in rule.doors if (door := doors.find(turn, name)) is not None]
    if rule.hold and any(door.holding for door in there):
        for door in there:
            if door.released_until is not None:
                doors.lock(turn, door)
        return
    for door in there:
        doors.release(
            turn, door.name, hold=rule.hold, visit=keying.visit, code_name=code, method=keying.method,
            source=keying.source,
        )  # fmt: skip


def _wrong(turn: Turn, keying: Keying, reason: str = "") -> None:
    keying = replace(_cleared(keying), wrong=keying.wrong + 1 if keying.visit else 0)
    _put(turn, keying if keying.visit or keying.reply else _shown(turn, keying))
    rules, tries = turn.rules, _tries(turn, keying.source)
    wrong = (*(at for at in tries.wrong if turn.now - at < rules.tries_s), turn.now)
    left = rules.wrong_codes - keying.wrong if keying.visit else rules.tries - len(wrong)
    told = {"reason": reason} if reason else {}
    turn.tell(
        Kind.CODE_WRONG, visit=keying.visit, source=keying.source, leg=keying.name if keying.visit else "",
        left=max(0, min(left, rules.tries - len(wrong))), method=keying.method, **told,
    )  # fmt: skip
    if len(wrong) < rules.tries:
        _put_tries(turn, replace(tries, wrong=wrong))
        return
    locks = 1 if turn.now - tries.locked_until > rules.lock_forgotten_s else tries.locks + 1
    lasts = min(rules.lock_s * 2 ** min(locks - 1, 20), rules.lock_most_s)
    _put_tries(turn, replace(tries, wrong=(), locks=locks, locked_until=turn.now + lasts))
    turn.tell(Kind.LOCKED_OUT, visit=keying.visit, source=keying.source, lasts_s=lasts, locks=locks)


def _shown(turn: Turn, keying: Keying) -> Keying:
    """Have lamp and tone tell whoever stands at a keypad that this opens nothing; also while it is locked out."""
    if turn.state.visit is not None and keying.refused_until is None:
        turn.order(PlayTone(Tone.WRONG_CODE))
    return replace(keying, refused_until=turn.now + REFUSED_S)


def _tries(turn: Turn, source: str) -> Tries:
    """Return the account of a source. There is room for so many; whoever comes on top shares one."""
    known = {tries.name: tries for tries in turn.state.tries}
    if source in known or len(_remembered(turn)) < SOURCES:
        return known.get(source, Tries(source))
    return known.get(OTHERS, Tries(OTHERS))


def _put_tries(turn: Turn, tries: Tries) -> None:
    kept = [other for other in _remembered(turn) if other.name != tries.name]
    turn.set(tries=tuple(sorted([*kept, tries], key=lambda one: one.name)))


def _remembered(turn: Turn) -> list[Tries]:
    """Return the accounts that still mean something."""
    rules = turn.rules
    return [
        tries
        for tries in turn.state.tries
        if any(turn.now - at < rules.tries_s for at in tries.wrong)
        or (tries.locks and turn.now - tries.locked_until <= rules.lock_forgotten_s)
    ]


def _answer(turn: Turn, keying: Keying, rule: CodeRule | None) -> None:
    """Tell who texted a code what became of it; not why it did nothing."""
    there = [doors.find(turn, name) for name in rule.doors] if rule is not None else []
    opened = [door.name for door in there if door is not None and door.released_until is not None]
    told = f"open: {', '.join(opened)}" if opened else "locked" if there else REFUSED
    turn.order(SendText(keying.reply, keying.source, told))
    _forget(turn, keying)


def _forget(turn: Turn, keying: Keying) -> None:
    turn.set(keying=tuple(other for other in turn.state.keying if other.name != keying.name))


def _cleared(keying: Keying) -> Keying:
    return replace(keying, digits="", until=None, compared=False)


def _find(turn: Turn, name: str) -> Keying | None:
    return next((keying for keying in turn.state.keying if keying.name == name), None)


def _put(turn: Turn, keying: Keying) -> None:
    others = tuple(other for other in turn.state.keying if other.name != keying.name)
    turn.set(keying=(*others, keying))
