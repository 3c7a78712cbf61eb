# SPDX-License-Identifier: GPL-2.0-or-later
"""`intercom apply`: tries a configuration, keeps it when the door is well with it, else the old one is back.

The daemon holds the trial: when this command dies with the connection that it broke, the daemon goes back by itself.
The file in use is replaced only after all is well, so a door without power starts with what worked.
"""

import argparse
import contextlib
import re
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from intercom import paths
from intercom.cli.command import Command
from intercom.cli.commands.diff import differences, lines
from intercom.cli.config_file import replace_text
from intercom.cli.terminal import BAD, GOOD, paint_for
from intercom.control.client import granted
from intercom.errors import ControlError, IntercomError

WITHIN_S = 30.0
LOOK_S = 0.25
TEST_S = 20.0
"""What a self test may take."""
SPARE_S = 4.0
"""What the daemon waits longer than we do."""


def apply(
    socket: Path,
    path: Path,
    config: Path,
    *,
    within_s: float = WITHIN_S,
    confirm_s: float = 0.0,
    self_test: bool = True,
) -> int:
    """Try what is in `path`, and put it in the place of `config` when it is well. Return 1 when the old one is back."""
    paint = paint_for(sys.stdout)
    found = differences(socket, path)
    print("\n".join(lines(found, paint)) or "no difference")
    trial = config.with_suffix(".trial")
    text = path.read_text(encoding="utf-8")
    replace_text(trial, text, like=config)
    kept = False
    try:
        with _ends_with_the_session():
            total_s = within_s + (TEST_S if self_test else 0.0) + confirm_s + SPARE_S
            granted(socket, {"do": "try", "path": str(trial), "within_s": total_s})
            _await_well(socket, within_s)
            if self_test:
                _test(socket)
            print(paint("The door is well with it.", GOOD), flush=True)
            _await_yes(confirm_s)
            # First the daemon: a trial that was over in this moment leaves the file as it is.
            _keep(socket)
            kept = True
            try:
                replace_text(config.with_suffix(".before"), config.read_text(encoding="utf-8"), like=config)
                replace_text(config, text)
            except (OSError, IntercomError) as error:
                told = f"It is in use, but only until the next start: {config} cannot be written: {error}"
                print(paint(told, BAD), flush=True)
                return 1
            print(f"{config}: replaced; the one before is in {config.with_suffix('.before').name}")
    except IntercomError as error:
        print(paint(f"Not kept: {error}.", BAD), flush=True)
    finally:
        trial.unlink(missing_ok=True)
        if not kept:
            with contextlib.suppress(IntercomError):
                granted(socket, {"do": "give up"})
            print("The old configuration is back.", flush=True)
    return 0 if kept else 1


def _keep(socket: Path) -> None:
    """Have the daemon keep what it tries. Raises IntercomError when it tries nothing any more."""
    if not granted(socket, {"do": "keep"})["kept"]:
        raise IntercomError("the trial was over already")


def _await_well(socket: Path, within_s: float) -> None:
    """Await that the door goes by the new configuration, and is well. Raises IntercomError with what it lacks."""
    deadline = time.monotonic() + within_s
    lacking = "it is not in use: a visit takes long"
    while time.monotonic() < deadline:
        time.sleep(LOOK_S)
        try:
            status: dict[str, Any] = granted(socket, {"do": "status"})["status"]
        except ControlError:
            lacking = "the daemon does not come back"
            continue
        state = status["configuration"]
        if state["trial"] is None:
            raise IntercomError(_trouble(status) or "the daemon has given it up")
        if not state["waits"]:
            lacking = _lacking(status)
            if not lacking:
                return
    raise IntercomError(f"{lacking}, after {within_s:g} s")


def _test(socket: Path) -> None:
    """Have loudspeaker and microphone hear each other. Raises IntercomError when they do not."""
    outcome = str(granted(socket, {"do": "audio-test", "reference": False}, timeout_s=TEST_S)["outcome"])
    if outcome != "well":
        raise IntercomError(f"the self test says: {outcome}")


def _lacking(status: dict[str, Any]) -> str:
    """Return what the door lacks to be well."""
    if not status["engine"]["pid"] or not status["engine"]["versions"]:
        return "the voice engine does not run"
    for line in status["lines"]:
        if line["state"] != "registered":
            return f"line {line['account']} is {line['state']}{': ' if line['detail'] else ''}{line['detail']}"
    return _trouble(status)


def _trouble(status: dict[str, Any]) -> str:
    """Return the first condition that a configuration can be guilty of."""
    guilty = ("configuration", "part", "sound card", "voice engine", "names")
    return next(
        (f"{one['condition']}: {one['detail']}" for one in status["conditions"] if one["condition"].startswith(guilty)),
        "",
    )


def _await_yes(within_s: float) -> None:
    """Ask the human before the terminal; one who cannot answer any more says no. Raises IntercomError for a no."""
    if not within_s:
        return
    print(f"Try it. Keep it? [y/N], within {within_s:g} s: ", end="", flush=True)
    ready, _, _ = select.select([sys.stdin], [], [], within_s)
    answer = sys.stdin.readline().strip().casefold() if ready else ""
    if not ready:
        print()
    if answer not in {"y", "yes"}:
        raise IntercomError("nobody confirmed it")


@contextlib.contextmanager
def _ends_with_the_session() -> Iterator[None]:
    """Treat a lost terminal like Ctrl-C."""

    def end(*_: object) -> None:
        raise IntercomError("interrupted")

    before = {number: signal.signal(number, end) for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def seconds(text: str) -> float:
    """Read a span of the command line: "90", "90s", "5m"."""
    span = re.fullmatch(r"(\d{1,5})\s*(s|m|min)?", text)
    if span is None or not 0 < (number := int(span[1]) * (1 if span[2] in {None, "s"} else 60)) <= 3000:
        raise argparse.ArgumentTypeError('must be a span from "1s" to "50m"')
    return float(number)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the new configuration")
    parser.add_argument("--within", type=seconds, default=WITHIN_S, metavar="TIME", help="to be well in, default: 30s")
    parser.add_argument("--confirm", type=seconds, default=0.0, metavar="TIME", help='wait so long for a "y" as well')
    parser.add_argument("--silent", action="store_true", help="without the self test, which is heard at the door")
    parser.add_argument("--config", type=Path, default=paths.CONFIG, metavar="PATH", help="default: %(default)s")


COMMAND = Command(
    purpose="try a configuration, and keep it when all is well",
    more=(
        "It must load, every line must register, sound card and voice engine must be without trouble, and the self "
        "test must pass, all within its time. "
        "Otherwise the old one is back by itself, even when this connection is gone. A running visit is not disturbed."
    ),
    examples=("sudo intercom apply new.toml", "sudo intercom apply new.toml --confirm 5m"),
    exits={0: "it is in use, and in the file", 1: "the old one is back"},
    arguments=_arguments,
    run=lambda arguments: apply(
        arguments.socket,
        arguments.file,
        arguments.config,
        within_s=arguments.within,
        confirm_s=arguments.confirm,
        self_test=not arguments.silent,
    ),
)
