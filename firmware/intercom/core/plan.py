# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is called when a button is pressed, in which order, and what it means when nobody was reached."""

from intercom.core.rules import Rules
from intercom.core.snapshot import Stage
from intercom.core.state import Line
from intercom.core.transitions import Outcome

_BY_CODE = {
    403: Outcome.DECLINED,
    404: Outcome.NOT_FOUND,
    410: Outcome.NOT_FOUND,
    484: Outcome.NOT_FOUND,
    486: Outcome.BUSY,
    600: Outcome.BUSY,
    603: Outcome.DECLINED,
    604: Outcome.NOT_FOUND,
}
_BEST_FIRST = (Outcome.DECLINED, Outcome.BUSY, Outcome.NOT_FOUND, Outcome.UNREACHABLE)
_REFUSALS = (Outcome.DECLINED, Outcome.BUSY)
SERVER_FAILURES = frozenset({401, 407, 408, 500, 502, 503, 504})
"""Answers that say more of the server than of the phone."""
_PERSONAL = frozenset({486, 487, 600, 603})
"""Answers of the called themselves: through another account they would only be rung a second time for nothing."""


def worth_another_account(code: int, *, rang: bool) -> bool:
    """Whether a call that failed is worth another account: a trunk may be full, without credit, or not know a number.

    Where a phone has rung already, whatever it answers is somebody's answer, unless it is the server's own failure.
    """
    return code in SERVER_FAILURES or (not rang and code >= 400 and code not in _PERSONAL)


def stages(button: str, rules: Rules, profiles: tuple[str, ...] | None) -> tuple[Stage, ...]:
    """Return whom to ring, stage by stage.

    A door that does not know the hour rings everybody, and one for whose hour nothing was planned rings the fall-back:
    never nobody.
    """
    planned = rules.buttons[button]
    if profiles is None:
        return planned
    counting = tuple(stage for stage in planned if not stage.profile or stage.profile in profiles)
    if counting:
        return counting
    everybody = tuple(dict.fromkeys(target for stage in planned for target in stage.targets))
    return (Stage(rules.fallback.get(button) or everybody, rules.ring_s),)


def planned(rules: Rules) -> frozenset[str]:
    """Return everybody whom any button may ring at any hour."""
    staged = {target for stages in rules.buttons.values() for stage in stages for target in stage.targets}
    return frozenset(staged.union(*rules.fallback.values()))


def callable_now(stage: Stage, rules: Rules, line: Line | None) -> tuple[str, ...]:
    """Return the targets of a stage that can be rung: without a line only those with an address of their own.

    Whom the configuration does not allow is never rung, wherever the stage came from: one may be what another
    daemon, with another configuration, left behind.
    """
    reachable = (target for target in stage.targets if line is not None or target in rules.direct)
    return tuple(target for target in reachable if rules.may_dial(rules.dial.get(target, target)))


def first_reachable(planned: tuple[Stage, ...], rules: Rules, line: Line | None) -> tuple[Stage, ...]:
    """Return the stages from the first one on of which somebody can be rung; empty when there is none."""
    for place, stage in enumerate(planned):
        if callable_now(stage, rules, line):
            return planned[place:]
    return ()


def outcome(failures: tuple[tuple[int, bool], ...], *, rang: bool) -> Outcome:
    """Return what to tell a visitor whom nobody answered: what the call that came closest to a person says.

    Somebody whose phone rang and who refused comes closest; then a phone that rang and that nobody took, whatever code
    ended it, ours or a server's; then the answers of calls that never rang. `failures` are SIP status codes (RFC 3261
    section 21) of all stages, each with whether that call had rung; a code not listed here means that the service could
    not do it.
    """
    refused = {_BY_CODE.get(code) for code, had_rung in failures if had_rung and code in _PERSONAL}
    if refusal := next((best for best in _REFUSALS if best in refused), None):
        return refusal
    if rang:
        return Outcome.NO_ANSWER
    told = {_BY_CODE.get(code, Outcome.UNREACHABLE) for code, _ in failures}
    return next((best for best in _BEST_FIRST if best in told), Outcome.UNREACHABLE)
