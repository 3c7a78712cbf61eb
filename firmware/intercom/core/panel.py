# SPDX-License-Identifier: GPL-2.0-or-later
"""The panel's wires: an edge is not a press until the wire has held still.

A contact bounces for some milliseconds, and a long cable beside a strike picks up spikes. A press counts when the wire
has been pressed without a change for `debounce_s`; it is dated to its first edge, so the record tells the whole wait.
"""

from dataclasses import replace

from intercom.core import visit
from intercom.core.state import Button
from intercom.core.turn import Turn


def changed(turn: Turn, name: str, *, pressed: bool) -> None:
    """An edge came: wait until the wire holds still."""
    # Both edges of a press may lie in the inbox before the alarm between them rings: their dates decide.
    time_passed(turn)
    button = _button(turn, name)
    if button is None or pressed == button.level:
        return
    still = button.settles_at is None
    _put(
        turn,
        replace(
            button,
            level=pressed,
            since=turn.now if still else button.since,
            settles_at=turn.now + turn.rules.debounce_s,
        ),
    )


def time_passed(turn: Turn) -> None:
    """Take what has held still long enough."""
    for button in turn.state.buttons:
        if button.settles_at is None or turn.now < button.settles_at:
            continue
        _put(turn, replace(button, pressed=button.level, settles_at=None))
        if button.level and not button.pressed:
            visit.pressed(turn, button.name, "panel", edge_at=button.since)


def _button(turn: Turn, name: str) -> Button | None:
    return next((button for button in turn.state.buttons if button.name == name), None)


def _put(turn: Turn, button: Button) -> None:
    turn.set(buttons=tuple(button if other.name == button.name else other for other in turn.state.buttons))
