# SPDX-License-Identifier: GPL-2.0-or-later
"""A voice engine in which whatever concerns a leg called `spoiled-PLACE-EXCEPTION` fails there, with that exception.

`python spoiled_engine.py PYTHON -P -m intercom.engine FD`: the words before FD are what would start a sound one.
"""

from __future__ import annotations

import builtins
import functools
import sys
from collections.abc import Callable
from typing import Any

from intercom.engine.__main__ import main
from intercom.engine.sip import uri, user_agent
from intercom.engine.sip.call import Leg


def _leg_of(arguments: tuple[Any, ...]) -> str:
    named = (getattr(argument, "leg", argument) for argument in arguments)
    return next((name for name in named if isinstance(name, str) and name.startswith("spoiled-")), "")


def _spoil(owner: type, name: str) -> None:
    sound: Callable[..., Any] = getattr(owner, name)
    inner = getattr(sound, "__wrapped__", None)

    @functools.wraps(inner or sound)
    def spoiled(*arguments: Any, **options: Any) -> Any:
        _, place, fault = (_leg_of(arguments) or "- - -".replace(" ", "-")).split("-")[:3]
        if place == name:
            kind = getattr(builtins, fault)
            raise kind("utf-8", b"x", 0, 1, "made up") if fault == "UnicodeDecodeError" else kind("made up")
        return (inner or sound)(*arguments, **options)

    setattr(owner, name, uri.guarded(spoiled) if inner else spoiled)


for each in [name for name in vars(Leg) if name.startswith("on") and hasattr(getattr(Leg, name), "__wrapped__")]:
    _spoil(Leg, each)
for each in ("place", "connect", "ask_to_confirm", "send_digits", "hang_up"):
    _spoil(user_agent.Telephone, each)

if __name__ == "__main__":
    sys.exit(main(sys.argv[-1:]))
