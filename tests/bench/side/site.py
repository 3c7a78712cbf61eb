"""Where it is measured: the house, the wire, and the book that the samples go to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.side.extent import Extent
from bench.side.rounds import Book, Say
from bench.side.wire import Wire

from lab.house import House


@dataclass(frozen=True)
class Site:
    """What every part gets."""

    wire: Wire
    house: House
    book: Book
    extent: Extent
    folder: Path
    """A new one for each part."""
    say: Say
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    """Where setup.sh tells what it has prepared."""
