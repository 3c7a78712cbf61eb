# SPDX-License-Identifier: GPL-2.0-or-later
"""What each MQTT topic says, made of the daemon's records and status."""

from datetime import UTC, datetime
from typing import Any

from intercom.core.commands import Kind
from intercom.core.words import OPERATOR

FRESH_S = 10.0
"""How old a press may be for the bell to ring, in seconds. An older one is a record, and rings nothing."""
ALARMS = {
    Kind.DOOR_FORCED: "forced",
    Kind.DOOR_HELD: "held",
    Kind.TAMPERED: "tamper",
    Kind.CODE_WRONG: "wrong_code",
    Kind.LOCKED_OUT: "locked_out",
    Kind.GUESSING: "guessing",
}
"""Kind of record -> event type of the topic `alarm`."""
_PRESSES = (Kind.PRESS_ACCEPTED, Kind.PRESS_ANSWERED)
Message = tuple[str, dict[str, Any]]
"""Topic, below the door's own, and content."""


def of_record(record: dict[str, Any], age_s: float) -> list[Message]:
    """Return the messages that tell a record `age_s` seconds after it was made."""
    told: list[Message] = []
    kind, fields = record["kind"], record["fields"]
    at = datetime.fromtimestamp(record["at"], UTC).isoformat(timespec="milliseconds")
    button = fields.get("button", "")
    if kind in _PRESSES and button not in ("", OPERATOR) and age_s <= FRESH_S:
        ring = {"event_type": "ring", "button": button, "at": at, "by": fields.get("by", "")}
        told.append((f"doorbell/{button}", {**ring, "got": fields.get("got", "new")}))
    if kind in ALARMS:
        told.append(("alarm", {"event_type": ALARMS[kind], "at": at, "text": record["text"]}))
    told.append(("event", {name: record[name] for name in ("number", "at", "kind", "text", "fields")}))
    return told


def state(status: dict[str, Any]) -> dict[str, Any]:
    """Return what the topic `state` says."""
    return {
        "phase": status["phase"],
        "lamp": status["lamp"],
        "line": "ON" if any(line["state"] == "registered" for line in status["lines"]) else "OFF",
        "problem": "ON" if status["conditions"] else "OFF",
        "conditions": [f"{one['condition']}: {one['detail']}" for one in status["conditions"]],
        "doors": {door["door"]: "UNLOCKED" if door["released"] else "LOCKED" for door in status["doors"]},
        "contacts": {door["door"]: door["contact"] for door in status["doors"] if door["contact"]},
        "tampers": {one["tamper"]: "open" if one["opened"] else "shut" for one in status.get("tampers", ())},
        "locked_out": [one["source"] for one in status["locked_out"]],
        **status["machine"],
    }
