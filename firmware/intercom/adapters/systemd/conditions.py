# SPDX-License-Identifier: GPL-2.0-or-later
"""Conditions in the journal: each kind of trouble has a MESSAGE_ID, and so a page of the catalogue, of its own.

`INTERCOM_KIND` is "condition-began" for all of them; what happens at a door has kinds of its own (`core/health.py`).
"""

from collections.abc import Mapping

from intercom.adapters.systemd.records import TABLE
from intercom.core.commands import Kind, Report

PAGES: Mapping[str, str] = {
    "line": "2af2ed367d40462fa953b6afd8095e1f",
    "names": "94598b19dd384e76ad0148574ed61d4c",
    "certificate": "544ae3172484408b86c906f98a194a32",
    "nat": "abb435e58f174a03a2eced251c91e8d1",
    "network": "9bd01dd0d2bd4a1e93eb0ac12952904b",
    "voice engine": "11f712bf65824471870db7b52991d18d",
    "sound card": "b6fe37e032fb4393a884e6b722fdee70",
    "microphone": "1289e332e23b4b948a3937943262d19a",
    "loudspeaker": "625cb08887f94146867bf0ad0fe53f54",
    "button": "822543794e79410f8f8c775d48a07119",
    "input": "ba62c6e786fd4509a00ea8df0be3659e",
    "contact": "c47e4f8f00914f4188024afe82dc40db",
    "target": "1954a4f6ac4345a39be084ea93a60ae3",
    "keypad": "de14d424a3844babaff9a6794c449c89",
    "disk": "f658d5d598164235b683f5610e868826",
    "temperature": "1ca1b1723dc24773861388c0397bd20b",
    "supply": "e2b4054fa6644f1189e71677f83796ff",
    "clock": "d9764306072046edb269fc13bdbbd334",
    "memory": "14cd90f05c634957a0846f17786d28ea",
    "writing": "8ed7088e7b814b1a96a230ffc401048b",
    "configuration": "14a54df1ee7a4e7290cdcb72348ea4ef",
    "restarts": "ffaf57f768a5428b8be7c52762b546aa",
    "part": "f7f8cc0fd74045b5b24fe4a1c4e62b9d",
    "storage": "e607702397fa4f30a88ff6f5a198bae1",
    "software": "a847b8752d6c4d34a1d0fe1b47d5d0ed",
}
"""First words of a condition's name -> the number of its page in systemd/intercom.catalog."""


def message_id(report: Report) -> str:
    """Return the MESSAGE_ID of a record."""
    if report.kind is Kind.CONDITION_BEGAN:
        name = str(report.fields.get("condition", ""))
        return next((number for words, number in PAGES.items() if is_of(name, words)), TABLE[report.kind].message_id)
    return TABLE[report.kind].message_id


def message_ids(kind: Kind) -> frozenset[str]:
    """Return all that the records of a kind may have."""
    return frozenset({TABLE[kind].message_id, *(PAGES.values() if kind is Kind.CONDITION_BEGAN else ())})


def is_of(condition: str, words: str) -> bool:
    """Whether a condition's name begins with these words."""
    return condition == words or condition.startswith(f"{words} ")
