# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks the daemon one question over its control socket."""

import json
import os
import pwd
import socket
from pathlib import Path
from typing import Any

from intercom.adapters.systemd.records import printable
from intercom.errors import ControlError, IntercomError


def ask(path: Path, request: dict[str, Any], timeout_s: float | None = 5.0) -> dict[str, Any]:
    """Return the daemon's answer, which says itself whether it is "ok".

    `timeout_s` is how long the answer may take, None for as long as it wants. Raises ControlError, with what to do,
    when nobody answers.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(json.dumps({"login": login(), **request}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline())
    except PermissionError as error:
        raise ControlError(f"not allowed to talk to the intercom ({path}): use sudo") from error
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise ControlError(f"the intercom does not run ({path}): sudo systemctl start intercom") from error
    except TimeoutError as error:
        hint = "see journalctl -u intercom"
        raise ControlError(f"the intercom did not answer within {timeout_s:g} s ({path}): {hint}") from error
    except OSError as error:
        raise ControlError(f"the intercom cannot be reached ({path}): {error.strerror or error}") from error
    except ValueError as error:
        raise ControlError(f"no intercom answers there ({path}), or it stopped meanwhile") from error
    if not isinstance(answer, dict):
        raise ControlError(f"no intercom answers there ({path})")
    return answer


def login() -> str:
    """Return who is logged in here: whoever called sudo, or whose process this is. Only a hint to who asks."""
    name = os.environ.get("SUDO_USER", "")
    if not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # of no user that this machine knows
            name = ""
    return name


def granted(path: Path, request: dict[str, Any], timeout_s: float | None = 5.0) -> dict[str, Any]:
    """Return the daemon's answer like `ask`. Raises IntercomError with the daemon's own words when it refuses."""
    answer = ask(path, request, timeout_s)
    if answer.get("ok") is not True:
        raise IntercomError(printable(str(answer.get("error", "the daemon refuses, and does not say why"))))
    return answer
