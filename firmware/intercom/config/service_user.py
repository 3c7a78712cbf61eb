# SPDX-License-Identifier: GPL-2.0-or-later
"""What a configuration is to the service's user, for who checks it as root.

Root can read every file; the service cannot, and of some folders it sees nothing (`ProtectHome=`, `PrivateTmp=` in
intercom.service; systemd.exec(5)). So the file is read a second time, by a child of ours that has become that user.
"""

import ctypes
import json
import os
import pwd
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from intercom import paths
from intercom.config.loader import Content, made, read
from intercom.errors import ConfigError

HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  (they are hidden, not used)
"""What the unit hides from the service."""
_NEWNS, _REC, _PRIVATE = 0x20000, 0x4000, 1 << 18
"""CLONE_NEWNS of sched.h; MS_REC and MS_PRIVATE of sys/mount.h."""
Child = Callable[[], None]


def complaints(path: Path, content: Content, user: str = paths.USER) -> tuple[list[str], str]:
    """Return what is wrong with a configuration for the service's user, and why that cannot be told.

    `content` is what root has read in `path`. The installed configuration is looked at with all that the unit hides;
    another file only as that user, since its folder is not where the service would read it.
    """
    installed = path == paths.CONFIG
    if not installed and not _names_files(tomllib.loads(content.text.decode("utf-8-sig"))):
        return [], ""
    if os.geteuid() != 0:
        if os.geteuid() == _user(user):
            return [], ""
        return [], "the service may be able to read less than you; sudo intercom check looks with its eyes"
    if _user(user) is None:
        return [], f"files were not looked at with the service's eyes: this machine has no user {user}"
    try:
        told = _asked_as(user, lambda: _problems(path, None if installed else content), hide=installed)
    except OSError as error:
        return [], f"files were not looked at with the service's eyes: {error.strerror or error}"
    return told, ""


def _names_files(value: object, key: str = "") -> bool:
    """Whether a document names files: all keys of `[sounds]` do, and others by their names."""
    if isinstance(value, dict):
        return any(key == "sounds" or _names_files(inner, name) for name, inner in value.items())
    if isinstance(value, list):
        return any(_names_files(inner, key) for inner in value)
    return key.endswith(("_file", "folder"))


def _user(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _problems(path: Path, content: Content | None) -> list[str]:
    try:
        made(path, content or read(path), in_service=False)
    except ConfigError as error:
        return list(error.problems)
    return []


def _asked_as(user: str, ask: Callable[[], list[str]], *, hide: bool) -> list[str]:
    """Return what a child of ours says that has become `user`. Raises OSError when it cannot."""
    out, into = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _be_asked(user, ask, into, hide=hide)
    os.close(into)
    with os.fdopen(out, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    told = json.loads(said) if said else {"trouble": "the one who looked has died"}
    if trouble := told.get("trouble"):
        raise OSError(0, trouble)
    return list(told["problems"])


def _be_asked(user: str, ask: Callable[[], list[str]], into: int, *, hide: bool) -> NoReturn:
    """Answer in a child, which ends without anything that the parent would do at its end."""
    try:
        if hide:
            _hide()
        entry = pwd.getpwnam(user)
        os.setgroups(os.getgrouplist(user, entry.pw_gid))
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        told: dict[str, object] = {"problems": ask()}
    except BaseException as error:  # noqa: BLE001  (whatever it is, the parent has to be told)
        told = {"trouble": str(getattr(error, "strerror", None) or error or type(error).__name__)}
    os.write(into, json.dumps(told).encode())
    os._exit(0)


def _hide() -> None:
    """Have a view of the files of our own, in which the hidden folders are empty and closed. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(name: str, *arguments: object) -> None:
        if getattr(libc, name)(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")

    call("unshare", _NEWNS)
    call("mount", b"none", b"/", None, _REC | _PRIVATE, None)
    for folder in HIDDEN:
        if Path(folder).is_dir():
            call("mount", b"none", folder.encode(), b"tmpfs", 0, b"mode=0")
