"""A small Debian that debian-tree.sh made, to start other releases' programs in: same network, same files of a run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


class Tree:
    """The tree, and a folder of the run at the same place in it; needs `namespace.enter()`."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.path, self._place = tree, tree / folder.relative_to("/")
        self._place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", folder, self._place], check=True)
        subprocess.run(["mount", "--bind", "/proc", tree / "proc"], check=True)

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command line begins with that is to run in there."""
        return ("chroot", str(self.path))

    def version(self, package: str) -> str:
        """Return a package's version as its authors give it."""
        query = [
            "dpkg-query",
            f"--admindir={self.path}/var/lib/dpkg",
            "-W",
            "-f",
            "${source:Upstream-Version}",
            package,
        ]
        told = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        return re.split(r"[+~]", told)[0]

    def stop(self) -> None:
        """Take the folder out of it."""
        for place in (self.path / "proc", self._place):
            subprocess.run(["umount", "--lazy", place], check=False)
