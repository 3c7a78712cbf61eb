# SPDX-License-Identifier: GPL-2.0-or-later
"""Where secrets come from: the configuration itself, a file of their own, or the service manager."""

import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from intercom.config import Secret
from intercom.reading import Section

LARGEST = 4096
"""Bytes; a file with more in it is not a password."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class Vault:
    """Fetches secrets, and warns about those that everybody on this machine can read."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *, in_service: bool) -> None:
        """Look for relative files in `folder`, the configuration's own.

        `in_service` tells that this is the daemon: only it is given credentials, anybody else just cannot check them.
        """
        self.folder = folder
        self._credentials = environ.get("CREDENTIALS_DIRECTORY", "")
        self._in_service = in_service
        self.inline = False
        """Whether a secret stood in the configuration itself."""

    def fetch(
        self,
        section: Section,
        key: str,
        allowed: str,
        check: Callable[[str], bool],
        *,
        needed: bool,
        credential: str = "credential",
    ) -> Secret:
        """Return the secret from `key`, `key_file` or `credential`, whichever the section has.

        `check` decides whether it is `allowed`. What is missing or wrong becomes a complaint without the secret in it.
        """
        sources = {key: self._written, f"{key}_file": self._from_file, credential: self._from_service}
        used = [source for source in sources if section.take(source) is not None]
        if len(used) > 1:
            section.problems.error(section.title, f"{' and '.join(used)} exclude each other; keep one")
            return Secret()
        if not used:
            if needed:
                section.complain(key, f"{allowed}; or give {key}_file or {credential}")
            return Secret()
        text = sources[used[0]](section, used[0])
        if text is None:
            return Secret()
        if not check(text) or (not text and used[0] != key):
            if used[0] == key:
                section.complain(key, allowed, secret=True)
            else:
                section.problems.lack(section.title, used[0], f"what is in it must be {allowed}")
            return Secret()
        return Secret(text)

    def _written(self, section: Section, key: str) -> str | None:
        value = section.take(key)
        if isinstance(value, str):
            self.inline = True
            return value
        section.complain(key, "text in quotes", secret=True)
        return None

    def _from_file(self, section: Section, key: str) -> str | None:
        name = section.text(key, None, "the path of a file", lambda text: bool(text) and text.isprintable())
        return self._read(section, key, self.folder / name) if name else None

    def _from_service(self, section: Section, key: str) -> str | None:
        name = section.text(key, None, "the name of a systemd credential", lambda text: bool(_NAME.fullmatch(text)))
        if not name:
            return None
        if self._credentials:
            return self._read(section, key, Path(self._credentials) / name)
        where = f"{section.title} {key}"
        if self._in_service:
            load = f"LoadCredential={name}:FILE"
            told = f"systemd hands over no credentials; add {load} to intercom.service"
            section.problems.lack(section.title, key, told)
        else:
            section.problems.warn(where, "not checked: only the service itself is given credentials")
        return None

    def _read(self, section: Section, key: str, path: Path) -> str | None:
        where = f"{section.title} {key}"
        try:
            # Not blocking: a pipe that nobody writes to would hold up the door.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                mode, content = os.fstat(file.fileno()).st_mode, file.read(LARGEST + 1) or b""
            text = content.decode().rstrip("\r\n")
        except OSError as error:
            section.problems.lack(section.title, key, f"{path} cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            section.problems.lack(section.title, key, f"{path} is not text in UTF-8")
        else:
            if len(content) <= LARGEST and text.isprintable():
                if mode & stat.S_IROTH:
                    section.problems.warn(where, f"everybody can read {path}; sudo chmod o= {path}")
                return text
            section.problems.lack(section.title, key, f"{path} must be one line of at most {LARGEST} bytes")
        return None
