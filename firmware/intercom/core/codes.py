# SPDX-License-Identifier: GPL-2.0-or-later
"""Digits become a code, and a right code releases doors.

A code is taken as soon as its last digit is keyed. `#` ends an entry, `*` begins it anew, and a pause of `code_pause_s`
gives it up. The core knows how long codes are and never what they are: when an entry is as long as some code it orders
`CheckCode`, and what is keyed until `CodeChecked` comes waits.

An entry that has been compared in vain is a wrong one, however it ends: by `#`, by `*`, by a pause, by a card, by
hanging up. Else somebody could guess at short codes for ever where there are also long ones. An entry that was never
compared is none: it has tried nothing. What wrong entries cost is in `guessing.py`, and who pays for them in
`sources.py`.
"""

from dataclasses import replace

from intercom.core import doors, guessing, legs, sources
from intercom.core.commands import CheckCode, Kind, PlayTone, SendMessage, Tone
from intercom.core.context import StepContext
from intercom.core.door_state import CodeEntry, FailedAttempts
from intercom.core.events import CodeChecked
from intercom.core.rules import CodeRule, What
from intercom.core.transitions import PHASES

CARD = "card "
"""What stands before a card's number, so that no number of a card is also a code for the keys."""
WAITING = 32
"""Keys kept while a comparison is under way."""
SLIPS = 2
"""Wrong codes of a call that a right one puts right."""
REFUSED_S = 2.0
"""How long lamp and tone tell at the door that a code there opens nothing."""
REFUSED = "no"
"""What a text with a code is answered that opens nothing, whatever the reason."""


def digit(turn: StepContext, leg: str, key: str, method: str) -> None:
    """A key was pressed on a phone; only the one that talks in a visit is listened to."""
    visit = turn.state.visit
    if visit is None or leg != visit.talker or not PHASES[turn.state.phase].talk:
        return
    keying = _find(turn, leg) or CodeEntry(leg, _talker(turn, leg), visit.id)
    _take(turn, replace(keying, method=method), key)


def keypad(turn: StepContext, name: str, key: str) -> None:
    """A key was pressed at the door."""
    source = sources.keypad(name)
    keying = _find(turn, source) or CodeEntry(source, source)
    if _is_heard(turn, keying):
        _take(turn, replace(keying, method="keypad"), key)
    elif turn.rules.codes:
        _put(turn, _shown(turn, keying))


def card(turn: StepContext, name: str, number: str) -> None:
    """A card was held before a reader at the door: an entry that is whole at once.

    What was keyed before it ends with it, and counts when it was compared.
    """
    source = sources.keypad(name)
    keying = _find(turn, source) or CodeEntry(source, source)
    if not number.isdigit() or keying.check is not None:
        return
    if keying.compared:
        _wrong(turn, keying)
        keying = _find(turn, source) or CodeEntry(source, source)
    keying = replace(_cleared(keying), method="card")
    if _is_open(turn, keying, What.CARDS):
        _check(turn, replace(keying, digits=CARD + number))
    elif turn.rules.codes:
        _put(turn, _shown(turn, keying))


def texted(turn: StepContext, account: str, sender: str, entry: str) -> bool:
    """A code came in a text: an entry that is whole at once. Return whether `checked` will answer it.

    It is held against the same phone as what is keyed there, so a lock-out holds for both.
    """
    keying = CodeEntry(f"text {sender}", sources.phone(turn.rules, sender, account), method="text",
                    reply=account, reply_to=sender)  # fmt: skip
    whole = entry.isdigit() and entry.isascii() and len(entry) in turn.rules.code_lengths
    if _find(turn, keying.name) is not None or not whole or not _is_open(turn, keying, guessing.kind(len(entry))):
        return False
    _check(turn, replace(keying, digits=entry))
    return True


def checked(turn: StepContext, event: CodeChecked) -> None:
    """The comparison is done: with which code, if any."""
    keying = next((one for one in turn.state.keying if one.check is not None and one.check == event.check), None)
    if keying is None:
        return
    entry, keying = keying.digits, replace(keying, check=None)
    rule = turn.rules.codes.get(event.code)
    reason = _reason(turn, event, rule) if rule is not None else ""
    right = rule is not None and not reason
    if not right:
        keying = replace(keying, compared=keying.compared | {_kind(entry)})
    if rule is not None and right:
        if _use(turn, keying, event.code, rule):
            keying = _put_right(turn, keying)
        _put(turn, replace(_cleared(keying), refused_until=None))
    elif rule is not None or keying.reply or entry.startswith(CARD) or len(entry) >= max(turn.rules.code_lengths):
        _wrong(turn, keying, reason)
    else:
        _put(turn, replace(keying, until=turn.now + turn.rules.code_pause_s))
    if keying.reply:
        _answer(turn, keying, rule if right else None)
    _go_on(turn, keying.name)


def lifted(turn: StepContext, source: str, by: str) -> None:
    """Somebody on this machine has a source heard again, or all of them for an empty name."""
    lifted = [one for one in turn.state.tries if source in ("", one.name)]
    turn.set(tries=tuple(one for one in turn.state.tries if one not in lifted))
    for name in sorted({one.name for one in lifted}):
        turn.tell(Kind.LOCK_LIFTED, source=name, by=by)


def time_passed(turn: StepContext) -> None:
    """Give up an entry that was left unfinished, stop showing that one was wrong, and forget what is long ago."""
    for shown in turn.state.keying:
        if shown.refused_until is not None and turn.now >= shown.refused_until:
            _put(turn, replace(shown, refused_until=None))
    for keying in turn.state.keying:
        if keying.until is not None and turn.now >= keying.until:
            _given_up(turn, keying)
    turn.set(tries=guessing.time_passed(turn.state.tries, turn.now))


def let_go(turn: StepContext) -> None:
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
            _forget(turn, keying)


def _take(turn: StepContext, keying: CodeEntry, key: str) -> None:
    """Take one key."""
    if keying.over or not _is_heard(turn, keying):
        return
    if keying.check is not None:
        _put(turn, replace(keying, waiting=(keying.waiting + key)[:WAITING]))
    elif key == "*" and not keying.compared:
        _put(turn, _cleared(keying))
    elif key in ("*", "#"):
        if keying.digits:
            _given_up(turn, keying, shown=True)
    elif key.isdigit() and key.isascii() and len(key) == 1:
        keying = replace(keying, digits=keying.digits + key, until=turn.now + turn.rules.code_pause_s)
        keys = len(keying.digits)
        if keys in turn.rules.code_lengths and _is_open(turn, keying, guessing.kind(keys)):
            _check(turn, keying)
        elif keys >= max(turn.rules.code_lengths, default=0):
            _given_up(turn, keying, shown=True)  # there are only cards, or nobody listens to a code so short now
        else:
            _put(turn, keying)


def _given_up(turn: StepContext, keying: CodeEntry, *, shown: bool = False) -> None:
    """End an entry that opened nothing: a wrong one when it was compared; else it is only `shown`, at a keypad."""
    if keying.compared:
        _wrong(turn, keying)
        return
    cleared = _cleared(keying)
    _put(turn, _shown(turn, cleared) if shown and not (keying.visit or keying.reply) else cleared)


def _is_heard(turn: StepContext, keying: CodeEntry) -> bool:
    """Whether a source may key at all: not after too many wrong codes, in this visit or lately."""
    lengths = turn.rules.code_lengths or {0}
    return any(_is_open(turn, keying, what) for what in {guessing.kind(keys) for keys in lengths})


def _is_open(turn: StepContext, keying: CodeEntry, what: What) -> bool:
    """Whether a source may give an entry of this kind."""
    visit = turn.state.visit
    deaf = keying.visit and visit is not None and visit.wrong_codes >= turn.rules.wrong_codes
    return bool(turn.rules.codes) and not deaf and turn.now >= _tries(turn, keying.source, what).locked_until


def _check(turn: StepContext, keying: CodeEntry) -> None:
    number = turn.state.checks + 1
    turn.set(checks=number)
    _put(turn, replace(keying, check=number, until=None))
    turn.order(CheckCode(number, keying.digits))


def _go_on(turn: StepContext, name: str) -> None:
    """Take the keys that came meanwhile, until one of them needs a comparison again."""
    while (keying := _find(turn, name)) is not None and keying.waiting and keying.check is None:
        _put(turn, replace(keying, waiting=keying.waiting[1:]))
        _take(turn, replace(keying, waiting=keying.waiting[1:]), keying.waiting[0])


def _reason(turn: StepContext, event: CodeChecked, rule: CodeRule) -> str:
    """Return why a right code does not count now; empty when it does. The one who keys is not told the difference."""
    if event.expired:
        return "expired"
    if rule.profile and rule.profile not in (turn.state.profiles or ()):
        return "not at this hour" if turn.state.profiles is not None else "the clock is not set"
    if rule.uses and dict(turn.state.uses).get(rule.mark or event.code, 0) >= rule.uses:
        return "used up"
    return "" if any(doors.find(turn, door) for door in rule.doors) else "its door is not there"


def _use(turn: StepContext, keying: CodeEntry, code: str, rule: CodeRule) -> bool:
    """Release the doors of a right code; a code that holds them locks them again when they are held already.

    Return whether that did anything: only then is it a use.
    """
    there = [door for name in rule.doors if (door := doors.find(turn, name)) is not None]
    if rule.hold and any(door.holding for door in there):
        for door in there:
            if door.released_until is not None:
                doors.lock(turn, door)
        _count(turn, code, rule)
        return True
    released = [
        doors.release(
            turn, door.name, hold=rule.hold, visit=keying.visit, code_name=code, method=keying.method,
            source=keying.source,
        )
        for door in there
    ]  # fmt: skip
    if any(released):
        _count(turn, code, rule)
    return any(released)


def _count(turn: StepContext, code: str, rule: CodeRule) -> None:
    """Count a use. It belongs to the secret: another one under the same name begins anew."""
    if rule.uses:
        mark, uses = rule.mark or code, dict(turn.state.uses)
        turn.set(uses=tuple(sorted({**uses, mark: uses.get(mark, 0) + 1}.items())))


def _put_right(turn: StepContext, keying: CodeEntry) -> CodeEntry:
    """Take back the slips of a phone that keyed the right code in the same call."""
    tries = _tries(turn, keying.source, What.CODES)
    if keying.slips and tries.whole_at:
        _put_tries(turn, guessing.forgiven(turn.rules, tries, keying.slips, turn.now))
    return replace(keying, slips=0)


def _wrong(turn: StepContext, keying: CodeEntry, reason: str = "") -> None:
    """Have a source pay for an entry that was compared in vain."""
    compared, visit = sorted(keying.compared, key=lambda what: what.value), turn.state.visit
    slipped = bool(keying.visit) and What.CODES in compared
    keying = _cleared(replace(keying, slips=min(SLIPS, keying.slips + slipped)))
    _put(turn, keying if keying.visit or keying.reply else _shown(turn, keying))
    paid = [guessing.charged(turn.rules, _tries(turn, keying.source, what), turn.now) for what in compared]
    left = min(guessing.left(turn.rules, tries, turn.now) for tries in paid)
    if keying.visit and visit is not None and visit.id == keying.visit:
        turn.set_visit(wrong_codes=visit.wrong_codes + 1)
        left = max(0, min(left, turn.rules.wrong_codes - turn.visit.wrong_codes))
    told = {"reason": reason} if reason else {}
    turn.tell(
        Kind.CODE_WRONG, visit=keying.visit, source=keying.source, leg=keying.name if keying.visit else "",
        left=left, method=keying.method, **told,
    )  # fmt: skip
    for tries in paid:
        _put_tries(turn, tries)
        if (lasts := tries.locked_until - turn.now) > 0:
            turn.tell(Kind.LOCKED_OUT, visit=keying.visit, source=tries.name, what=tries.what.value,
                      lasts_s=round(lasts, 3))  # fmt: skip


def _shown(turn: StepContext, keying: CodeEntry) -> CodeEntry:
    """Have lamp and tone tell whoever stands at a keypad that this opens nothing; also while it is locked out."""
    if turn.state.visit is not None and keying.refused_until is None:
        turn.order(PlayTone(Tone.WRONG_CODE))
    return replace(keying, refused_until=turn.now + REFUSED_S)


def _tries(turn: StepContext, source: str, what: What) -> FailedAttempts:
    """Return the account of a source for one kind of entry."""
    name = sources.payer(turn.rules, source)
    known = (tries for tries in turn.state.tries if (tries.name, tries.what) == (name, what))
    return next(known, FailedAttempts(name, what))


def _put_tries(turn: StepContext, tries: FailedAttempts) -> None:
    kept = [other for other in turn.state.tries if (other.name, other.what) != (tries.name, tries.what)]
    turn.set(tries=tuple(sorted([*kept, tries], key=lambda one: (one.name, one.what.value))))


def _talker(turn: StepContext, name: str) -> str:
    """Return the source of the phone that talks: whom the plan meant, wherever a server sent the call."""
    leg = legs.find(turn, name)
    visit = turn.visit
    return sources.phone(turn.rules, leg.planned if leg else visit.answered_by, leg.account if leg else visit.account)


def _kind(entry: str) -> What:
    return What.CARDS if entry.startswith(CARD) else guessing.kind(len(entry))


def _answer(turn: StepContext, keying: CodeEntry, rule: CodeRule | None) -> None:
    """Tell who texted a code what became of it; not why it did nothing."""
    there = [doors.find(turn, name) for name in rule.doors] if rule is not None else []
    opened = [door.name for door in there if door is not None and door.released_until is not None]
    told = f"open: {', '.join(opened)}" if opened else "locked" if there else REFUSED
    turn.order(SendMessage(keying.reply, keying.reply_to, told))
    _forget(turn, keying)


def _forget(turn: StepContext, keying: CodeEntry) -> None:
    turn.set(keying=tuple(other for other in turn.state.keying if other.name != keying.name))


def _cleared(keying: CodeEntry) -> CodeEntry:
    return replace(keying, digits="", until=None, compared=frozenset())


def _find(turn: StepContext, name: str) -> CodeEntry | None:
    return next((keying for keying in turn.state.keying if keying.name == name), None)


def _put(turn: StepContext, keying: CodeEntry) -> None:
    others = tuple(other for other in turn.state.keying if other.name != keying.name)
    turn.set(keying=(*others, keying))
