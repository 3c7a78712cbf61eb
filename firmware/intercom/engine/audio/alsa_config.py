# SPDX-License-Identifier: GPL-2.0-or-later
"""What ALSA gets to see: the configured cards, and nothing else.

PortAudio opens every device of ALSA's configuration to ask what it can do, and the usual one has dozens of aliases: it
takes long, and prints pages. So the library is given a configuration of ours, with one `hw` device for each card that
is configured. The cards' own names (in brackets in /proc/asound/cards) are stable; their numbers are not.
"""

import os
import re
from pathlib import Path

from intercom.core.fast_dataclass import dataclass

PROC = Path("/proc/asound")
_CARD = re.compile(r"^ *(\d+) \[(\S+) *\]: (.*)$", re.MULTILINE)
_NOBODY = "pcm.default { type hw card 31 }\n"
"""A device that is not there: PortAudio 19.6 aborts where every device of the configuration can be opened."""
_kept: list[int] = []


@dataclass(frozen=True, slots=True)
class SoundCard:
    """A card as the kernel knows it."""

    number: int
    name: str
    """What the configuration calls it: stable."""
    label: str
    """"USB-Audio - USB Audio Device"."""
    plays: bool
    records: bool


def cards(proc: Path = PROC) -> list[SoundCard]:
    """Return the cards that are there."""
    try:
        listed = (proc / "cards").read_text()
        streams = (proc / "pcm").read_text()
    except OSError:
        return []
    found = []
    for number, name, label in _CARD.findall(listed):
        own = [line for line in streams.splitlines() if line.startswith(f"{int(number):02d}-")]
        plays, records = (any(word in line for line in own) for word in (": playback", ": capture"))
        found.append(SoundCard(int(number), name, label, plays, records))
    return found


def find(name: str, there: list[SoundCard], *, records: bool) -> SoundCard | None:
    """Return the card that a name means: its own, part of its own or of its label; without a name the first fit."""
    wanted = name.casefold()
    fit = [card for card in there if (card.records if records else card.plays)]
    exact = next((card for card in fit if card.name.casefold() == wanted), None)
    return exact or next((card for card in fit if wanted in f"{card.name} {card.label}".casefold()), None)


def configuration(names: list[str]) -> str:
    """Return an ALSA configuration with just these cards."""
    return _NOBODY + "".join(f'pcm."{name}" {{ type hw card "{name}" }}\n' for name in names)


def confine(name_in: str, name_out: str, proc: Path = PROC) -> tuple[str, str]:
    """Let ALSA see nothing but these two cards; return what they are called now.

    A name that is no card's may be a device of the system's own configuration: then that one is left alone. Where
    there is no ALSA at all, there is nothing to see. Call it before PortAudio starts: it reads the configuration then.
    """
    there = cards(proc)
    source, sink = find(name_in, there, records=True), find(name_out, there, records=False)
    if there and (source is None or sink is None):
        os.environ.pop("ALSA_CONFIG_PATH", None)
        return name_in, name_out
    names = [card.name for card in (source, sink) if card is not None]
    show(list(dict.fromkeys(names)))
    return (names[0], names[-1]) if names else (name_in, name_out)


def show(names: list[str]) -> None:
    """Let ALSA see these cards and nothing else."""
    if not _kept:
        _kept.append(os.memfd_create("alsa", os.MFD_CLOEXEC))
    text = configuration(names).encode()
    os.ftruncate(_kept[0], 0)
    os.pwrite(_kept[0], text, 0)
    os.environ["ALSA_CONFIG_PATH"] = f"/proc/{os.getpid()}/fd/{_kept[0]}"
