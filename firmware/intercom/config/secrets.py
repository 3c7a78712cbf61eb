# SPDX-License-Identifier: GPL-2.0-or-later
"""Where secrets come from: the configuration itself, a file of their own, or the service manager."""

import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from intercom import paths
from intercom.config.model import Secret
from intercom.config.toml_section import Section

DECRYPTS_S = 20.0
"""How long decrypting may take, in seconds: a TPM is slow."""
LARGEST = 4096
"""Bytes; a file with more in it is not a password."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class SecretReader:
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
        sealed = self.folder / f"{name}.cred"
        places = [Path(self._credentials) / name] if self._credentials else []
        found = next((place for place in (*places, paths.UNSEALED / name) if os.access(place, os.F_OK)), None)
        if found is not None or (places and not os.access(sealed, os.F_OK)):
            return self._read(section, key, found or places[0])
        if not self._in_service:
            return self._unsealed(section, key, sealed)
        if os.access(sealed, os.F_OK):
            told = f"{sealed} was not decrypted at this start: is it of another machine, or of another name?"
        else:
            told = f"systemd hands over no credentials; make {sealed} with systemd-creds encrypt --name={name}"
        section.problems.lack(section.title, key, told)
        return None

    def _unsealed(self, section: Section, key: str, sealed: Path) -> str | None:
        """Return what is in an encrypted file, for who checks it: root alone can tell whether it can be decrypted."""
        where = f"{section.title} {key}"
        if os.geteuid() != 0 or not os.access(sealed, os.F_OK):
            section.problems.warn(where, "not checked: only the service itself is given credentials")
            return None
        import subprocess  # noqa: PLC0415  (the daemon asks nobody)

        command = ["systemd-creds", "decrypt", f"--name={sealed.stem}", str(sealed), "-"]
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=DECRYPTS_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            section.problems.warn(where, f"not checked: systemd-creds cannot be asked ({type(error).__name__})")
            return None
        if done.returncode:
            told = (done.stderr.decode(errors="replace").strip().splitlines() or ["systemd-creds does not say why"])[-1]
            section.problems.lack(section.title, key, f"{sealed} cannot be decrypted: {told}")
            return None
        return done.stdout.decode(errors="replace").rstrip("\r\n")

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
