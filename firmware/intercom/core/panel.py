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
    turn.put("buttons",
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
        if button.settles_at is not None and turn.now >= button.settles_at:
            _settled(turn, button)
        elif button.stuck_at is not None and turn.now >= button.stuck_at:
            turn.put("buttons", replace(button, stuck=True, stuck_at=None))


def _settled(turn: Turn, button: Button) -> None:
    if button.level == button.pressed:
        turn.put("buttons", replace(button, settles_at=None))
    elif button.level:
        stuck_at = turn.now + turn.rules.stuck_s
        turn.put("buttons", replace(button, pressed=True, settles_at=None, stuck_at=stuck_at))
        visit.pressed(turn, button.name, "panel", edge_at=button.since)
    else:
        turn.put("buttons", replace(button, pressed=False, settles_at=None, stuck_at=None, stuck=False))


def _button(turn: Turn, name: str) -> Button | None:
    return next((button for button in turn.state.buttons if button.name == name), None)
