# SPDX-License-Identifier: GPL-2.0-or-later
"""A door's backup: a tar archive of regular files and folders, and what may be restored from one.

    archive.py pack FILE              write the kept folders into FILE, which is there already
    archive.py unpack FILE FOLDER     check all of FILE, and put it into FOLDER
    archive.py prepare FOLDER         write everything beside its place, under another name
    archive.py settle FOLDER          rename it all to its place
    archive.py forget FOLDER          take away what `prepare` has written

Who restores is root, and who wrote the archive may be anybody: so nothing in it decides where a file goes, whose it is
or what may be done with it. Until `settle` nothing of the door is touched. Standard library only; exit status 1, and a
sentence on standard error, for whatever cannot be done.
"""

import argparse
import contextlib
import grp
import gzip
import json
import os
import pwd
import re
import stat
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

MOST_BYTES, MOST_FILES, LONGEST_NAME = 256 * 1024 * 1024, 20_000, 400
UNIT, PHONES = "etc/systemd/system/intercom.service.d", "etc/intercom-registrar"
PHONES_LINE = re.compile(r'#[ -~]*|\s*\$sht\(password=>[a-z0-9]{1,32}\) = "[A-Za-z0-9]{1,64}";')
"""What `intercom phones` writes; the service's configuration takes it in as it is."""
LIST = ".prepared"
LONGEST_READ, LONGEST_END = 16 * 1024, 1024 * 1024
"""Bytes of one header (that of a long name has about a kilobyte), and of the zeros that an archive ends with."""


class Kept(NamedTuple):
    """Whose a folder of the door is, and what its files and folders may have of the mode that they had."""

    user: str
    group: str
    file_mode: int
    folder_mode: int


class ArchiveError(Exception):
    """It cannot be packed or restored."""


def kept_folders(door: str, phones: str) -> dict[str, Kept]:
    """Return the folders that a backup has; `door` is the door's user and group, `phones` the SIP service's group."""
    return {
        "etc/intercom": Kept("root", door, 0o640, 0o750),
        "var/lib/intercom": Kept(door, door, 0o600, 0o700),
        UNIT: Kept("root", "root", 0o644, 0o755),
        PHONES: Kept("root", phones, 0o640, 0o750),
    }


def pack(file: Path, root: Path, kept: dict[str, Kept]) -> int:
    """Write all kept folders into a file that is there. Returns how many files there are.

    A link in /etc, which root made, is what it leads to; in the door's own folder it is left out.
    """
    count = size = 0
    with file.open("wb") as target, tarfile.open(fileobj=target, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for folder in kept:
            follows = folder.startswith("etc/")
            for path in _walked(root / folder, follows=follows):
                name = path.relative_to(root).as_posix()
                if (why := wrong_name(name, kept)) is not None:
                    raise ArchiveError(f"/{name}: {why}")
                info = tarfile.TarInfo(name)
                with _opened(path, follows=follows) as content:
                    known = os.fstat(content.fileno())
                    if not stat.S_ISREG(known.st_mode):
                        continue
                    info.size, info.mode, info.mtime = known.st_size, known.st_mode & 0o777, int(known.st_mtime)
                    archive.addfile(info, content)
                count, size = count + 1, size + info.size
        if count > MOST_FILES or size > MOST_BYTES:
            raise ArchiveError(f"{count} files of {size} bytes are more than a backup holds")
        target.flush()
    return count


def unpack(file: Path, folder: Path, kept: dict[str, Kept]) -> list[str]:
    """Check an archive, all of it, then put its files into an empty folder of root's. Returns their names."""
    with tempfile.TemporaryFile(dir=folder) as plain:
        _decompress(file, plain)
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", _Headers(plain)), mode="r:") as archive:
                names = [member.name for member in _checked(archive, kept)]
                plain.seek(archive.offset)
                rest = plain.read(LONGEST_END + 1)
                if not tarfile.BLOCKSIZE <= len(rest) <= LONGEST_END or rest.strip(b"\0"):
                    raise ArchiveError("it is damaged: it ends too early, or not at its end")
                archive.fileobj = plain
                for member in archive.getmembers():
                    _put(archive, member, folder)
        except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
            raise ArchiveError(f"it is damaged, or of another kind: {error}") from error
    if "etc/intercom/intercom.toml" not in names:
        raise ArchiveError("it has no configuration")
    _check_phones(folder / PHONES / "phones.cfg")
    return names


def wrong_name(name: str, kept: dict[str, Kept]) -> str | None:
    """Return what is wrong with the name of a file or folder in an archive; None when it belongs to a door."""
    if not name.isprintable() or "\\" in name:
        return "a name with strange characters"
    if name != PurePosixPath(name).as_posix() or len(name) > LONGEST_NAME or ".." in name.split("/"):
        return "a name that leads elsewhere"
    if not any(name == folder or name.startswith(f"{folder}/") for folder in kept):
        return "no file of a door"
    return None


def prepare(folder: Path, root: Path, kept: dict[str, Kept]) -> None:
    """Write each file beside its place, with its owner and mode. Nothing that is there is changed."""
    prepared: list[tuple[str, str]] = []
    try:
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != LIST):
            name = path.relative_to(folder).as_posix()
            # The service's own configuration is that of this version.
            if name.startswith(f"{PHONES}/") and name != f"{PHONES}/phones.cfg":
                continue
            whose = next(one for top, one in kept.items() if name.startswith(f"{top}/"))
            new = f"{name}.{os.urandom(6).hex()}.restored"
            prepared.append((new, name))
            _write(root, new, path, whose)
    except BaseException:
        _remove(root, prepared)
        raise
    (folder / LIST).write_text(json.dumps(prepared))


def settle(folder: Path, root: Path) -> None:
    """Give everything that was prepared its name."""
    for new, name in json.loads((folder / LIST).read_text()):
        with _folder(root, PurePosixPath(name).parent) as place:
            os.rename(PurePosixPath(new).name, PurePosixPath(name).name, src_dir_fd=place, dst_dir_fd=place)
            os.fsync(place)
    (folder / LIST).write_text("[]")


def forget(folder: Path, root: Path) -> None:
    """Take away what was prepared and not settled."""
    if (folder / LIST).exists():
        _remove(root, json.loads((folder / LIST).read_text()))


def _walked(top: Path, *, follows: bool) -> Iterator[Path]:
    for here, folders, files in os.walk(top, followlinks=False):
        folders.sort()
        for name in sorted(files):
            path = Path(here, name)
            if path.is_file() if follows else stat.S_ISREG(path.lstat().st_mode):
                yield path


def _opened(path: Path, *, follows: bool) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | (0 if follows else os.O_NOFOLLOW)), "rb")


class _Headers:
    """What the headers of an archive are read from: a long one is refused before memory is taken for it."""

    def __init__(self, plain: IO[bytes]) -> None:
        self.name = ""
        self.seek, self.tell, self._read = plain.seek, plain.tell, plain.read

    def read(self, size: int) -> bytes:
        """Read so many bytes. Raises ArchiveError for more than a header has."""
        if not 0 <= size <= LONGEST_READ:
            raise ArchiveError(f"it holds a header of {size} bytes")
        return self._read(size)


def _decompress(file: Path, plain: IO[bytes]) -> None:
    size = 0
    try:
        with gzip.open(file, "rb") as packed:
            while part := packed.read(1024 * 1024):
                size += len(part)
                if size > 2 * MOST_BYTES:
                    raise ArchiveError(f"it holds more than {2 * MOST_BYTES} bytes")
                plain.write(part)
    except (OSError, EOFError, zlib.error) as error:
        raise ArchiveError(f"it is damaged, or of another kind: {error}") from error
    plain.seek(0)


def _checked(archive: tarfile.TarFile, kept: dict[str, Kept]) -> Iterator[tarfile.TarInfo]:
    """Yield every member, once it is known to be harmless. Raises ArchiveError for the first that is not."""
    kinds: dict[str, bool] = {}
    size = 0
    for member in archive:
        name, shown = member.name, ascii(member.name)
        if (why := wrong_name(name, kept)) is not None:
            raise ArchiveError(f"it holds {shown}: {why}")
        # isreg() would take sparse files for regular ones.
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) or member.sparse is not None:
            raise ArchiveError(f"it holds {shown}, which is neither a regular file nor a folder")
        if member.mode & ~0o1777 or member.size < 0:
            raise ArchiveError(f"it holds {shown}, with rights of another user's (set-id)")
        if name in kinds and not (member.isdir() and kinds[name]):
            raise ArchiveError(f"it holds {shown} twice")
        if not member.isdir() and name in kept:
            raise ArchiveError(f"it holds {shown}, which should be a folder")
        kinds[name] = member.isdir()
        size += member.size
        if len(kinds) > MOST_FILES or size > MOST_BYTES:
            raise ArchiveError("it holds more than a door has")
        yield member
    for name in kinds:
        for above in PurePosixPath(name).parents:
            if kinds.get(above.as_posix(), True) is False:
                raise ArchiveError(f"it holds {name!a}, below something that is no folder")


def _put(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    place = folder / member.name
    if member.isdir():
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = archive.extractfile(member)
    assert content is not None
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as target:
        left = member.size
        while left and (part := content.read(min(left, 1024 * 1024))):
            target.write(part)
            left -= len(part)
        if left:
            raise ArchiveError("it is damaged: it ends too early")
        os.fchmod(target.fileno(), member.mode & 0o777)


def _check_phones(path: Path) -> None:
    if not path.exists():
        return
    try:
        lines = path.read_text("ascii").splitlines()
    except ValueError:
        lines = ["?"]
    for line in lines:
        if line and PHONES_LINE.fullmatch(line) is None:
            raise ArchiveError("its phones.cfg has lines that `intercom phones` does not write")


@contextlib.contextmanager
def _folder(root: Path, parts: PurePosixPath, make: Kept | None = None) -> Iterator[int]:
    """Open a folder below `root` without following a link anywhere on the way; what is missing is made."""
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts.parts:
            if make is not None and _made(part, here):
                made = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
                try:
                    _own(made, make, make.folder_mode)
                finally:
                    os.close(made)
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def _made(name: str, folder: int) -> bool:
    """Make a folder in another one, where it is missing; return whether it was."""
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
    except FileExistsError:
        return False
    return True


def _write(root: Path, new: str, source: Path, whose: Kept) -> None:
    place = PurePosixPath(new)
    with _folder(root, place.parent, whose) as folder, source.open("rb") as content:
        mode = os.fstat(content.fileno()).st_mode & whose.file_mode | 0o400
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(place.name, flags, 0o600, dir_fd=folder), "wb") as target:
            while part := content.read(1024 * 1024):
                target.write(part)
            target.flush()
            _own(target.fileno(), whose, mode | (0o200 if whose.user != "root" else 0))
            os.fsync(target.fileno())


def _own(opened: int, whose: Kept, mode: int) -> None:
    os.fchown(opened, pwd.getpwnam(whose.user).pw_uid, grp.getgrnam(whose.group).gr_gid)
    os.fchmod(opened, mode)


def _remove(root: Path, prepared: list[tuple[str, str]]) -> None:
    for new, _ in prepared:
        place = PurePosixPath(new)
        with contextlib.suppress(OSError), _folder(root, place.parent) as folder:
            os.unlink(place.name, dir_fd=folder)


def main() -> int:
    """Do what was asked. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("pack", "unpack", "prepare", "settle", "forget"))
    parser.add_argument("places", nargs="+", type=Path)
    parser.add_argument("--root", type=Path, default=Path("/"))
    parser.add_argument("--door", default="intercom", help="the door's user and group")
    parser.add_argument("--phones", default="kamailio", help="the SIP service's group")
    asked = parser.parse_args()
    kept = kept_folders(asked.door, asked.phones)
    try:
        match asked.what:
            case "pack":
                print(pack(asked.places[0], asked.root, kept))
            case "unpack":
                print("\n".join(unpack(asked.places[0], asked.places[1], kept)))
            case "prepare":
                prepare(asked.places[0], asked.root, kept)
            case "settle":
                settle(asked.places[0], asked.root)
            case "forget":
                forget(asked.places[0], asked.root)
    except (ArchiveError, OSError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
