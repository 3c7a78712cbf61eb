# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is called when a button is pressed."""

from intercom.core.state import Outcome, Rules

_BY_CODE = {
    403: Outcome.DECLINED,
    404: Outcome.NOT_FOUND,
    408: Outcome.UNREACHABLE,
    410: Outcome.NOT_FOUND,
    480: Outcome.UNREACHABLE,
    484: Outcome.NOT_FOUND,
    486: Outcome.BUSY,
    600: Outcome.BUSY,
    603: Outcome.DECLINED,
    604: Outcome.NOT_FOUND,
}
_BEST_FIRST = (Outcome.DECLINED, Outcome.BUSY, Outcome.NOT_FOUND, Outcome.UNREACHABLE)


def targets(button: str, rules: Rules) -> tuple[str, ...]:
    """Return whom to ring, all at once."""
    return rules.buttons[button]


def outcome(failures: tuple[int, ...]) -> Outcome:
    """Return what to tell the visitor when every leg failed: the answer of the one who came closest to a person.

    `failures` are SIP status codes (RFC 3261 section 21); one not listed here means the service could not do it.
    """
    told = {_BY_CODE.get(code, Outcome.UNREACHABLE) for code in failures}
    return next((best for best in _BEST_FIRST if best in told), Outcome.UNREACHABLE)
