"""A door's backup: what is packed comes back as it was, and nothing else is ever taken out of an archive."""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import io
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

ARCHIVE = Path(__file__).resolve().parents[2] / "firmware" / "setup" / "archive.py"
CONFIGURATION, STATE = "etc/intercom/intercom.toml", "var/lib/intercom/ledger"
PHONES, SERVICE = "etc/intercom-registrar/phones.cfg", "etc/intercom-registrar/registrar.cfg"
MEMORY = 160 * 1024 * 1024
"""Bytes of address space that packing and restoring make do with, whatever the archive: a Pi has 512 MB in all."""
SECRET = b"this is another user's\n"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def run(what: str, *places: Path, root: Path) -> subprocess.CompletedProcess[str]:
    """Do it below `root`, with users that every machine has."""
    python = ["prlimit", f"--as={MEMORY}", sys.executable, "-I"]
    argv = [*python, ARCHIVE, what, *places, "--root", root, "--door", "daemon", "--phones", "nogroup"]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine with a door, and something that is none of the door's."""
    root = tmp_path / "machine"
    for name, content in {
        CONFIGURATION: b"name = 'Front'\n", STATE: b"1\n", PHONES: b'# x\n    $sht(password=>201) = "abc";\n',
        "etc/shadow": SECRET, "etc/systemd/system/ssh.service": SECRET, SERVICE: b"ours\n",
    }.items():  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def state(root: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything that is there."""
    return {
        path.relative_to(root).as_posix(): (
            (known := path.lstat()).st_mode, known.st_uid, known.st_gid,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in root.rglob("*")
    }  # fmt: skip


def member(name: str, content: bytes = b"x", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """One member of an archive."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> Path:
    """Write an archive with a configuration and these."""
    with tarfile.open(path, "w:gz", format=format) as packed:
        for info, content in (member(CONFIGURATION, b"new\n"), *members):
            packed.addfile(info, io.BytesIO(content) if info.type in tarfile.REGULAR_TYPES else None)
    return path


def restored(file: Path, root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Take an archive's files out, and put them into their places where that was possible."""
    folder.mkdir(mode=0o700)
    for what, places in (("unpack", (file, folder)), ("prepare", (folder,)), ("settle", (folder,))):
        if (done := run(what, *places, root=root)).returncode:
            return done
    return done


def test_what_was_packed_comes_back(machine: Path, tmp_path: Path) -> None:
    """With the owners and rights that it should have; a link of /etc as what it means, the door's own links not."""
    (machine / "etc/intercom/tls.pem").symlink_to(machine / "etc/shadow")
    (machine / "var/lib/intercom/link").symlink_to(machine / "etc/shadow")
    os.mkfifo(machine / "var/lib/intercom/pipe")
    (machine / "etc/intercom/secret.cred").write_bytes(b"s")
    (machine / "etc/intercom/secret.cred").chmod(0o600)
    file = tmp_path / "door.tar.gz"
    file.touch(0o600)
    assert run("pack", file, root=machine).stdout == "6\n"
    (machine / CONFIGURATION).unlink()
    (machine / "etc/intercom/tls.pem").unlink()
    (machine / STATE).write_bytes(b"2\n")
    done = restored(file, machine, tmp_path / "new")

    assert done.returncode == 0, done.stderr
    assert {
        name: (oct(mode & 0o7777), uid, gid, content)
        for name, (mode, uid, gid, content) in state(machine).items()
        if name.startswith(("etc/intercom/", "var/lib/intercom/l", PHONES))
    } == {
        CONFIGURATION: ("0o640", 0, 1, b"name = 'Front'\n"),
        "etc/intercom/secret.cred": ("0o600", 0, 1, b"s"),
        "etc/intercom/tls.pem": ("0o640", 0, 1, SECRET),
        STATE: ("0o600", 1, 1, b"1\n"),
        "var/lib/intercom/link": ("0o777", 0, 0, SECRET),
        PHONES: ("0o640", 0, 65534, b'# x\n    $sht(password=>201) = "abc";\n'),
    }
    assert (machine / SERVICE).read_bytes() == b"ours\n"


LINK, SYMLINK, FIFO = tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE
BLOCK, CHARACTER = tarfile.BLKTYPE, tarfile.CHRTYPE
WRONG = {
    "a hard link": [member("var/lib/intercom/x", b"", type=LINK, linkname="etc/shadow")],
    "a hard link within": [member("etc/intercom/x", b"", type=LINK, linkname=CONFIGURATION)],
    "a symbolic link": [member("var/lib/intercom/x", b"", type=SYMLINK, linkname="/etc")],
    "a file through a link": [
        member("etc/intercom/x", b"", type=SYMLINK, linkname="/etc"), member("etc/intercom/x/shadow"),
    ],
    "a pipe": [member("etc/intercom/x", b"", type=FIFO)],
    "a disk": [member("etc/intercom/x", b"", type=BLOCK, devmajor=8)],
    "a device": [member("etc/intercom/x", b"", type=CHARACTER, devmajor=1, devminor=3)],
    "a contiguous file": [member("etc/intercom/x", b"", type=tarfile.CONTTYPE)],
    "an unknown kind": [member("etc/intercom/x", b"", type=b"Z")],
    "set-uid": [member("etc/intercom/x", mode=0o4755)],
    "set-gid": [member("var/lib/intercom/x", mode=0o2755)],
    "a set-gid folder": [member("etc/intercom/x", b"", type=tarfile.DIRTYPE, mode=0o2755)],
    "up and away": [member("etc/intercom/../shadow")],
    "up at the end": [member("etc/intercom/..")],
    "from the root": [member("/etc/intercom/x")],
    "from the root of another": [member("/etc/shadow")],
    "twice a slash": [member("etc//intercom/x")],
    "here": [member("./etc/intercom/x")],
    "a dot within": [member("etc/intercom/./x")],
    "a newline": [member("etc/intercom/x\netc/shadow")],
    "a terminal's command": [member("etc/intercom/\x1b[31mx")],
    "a backslash": [member("etc/intercom\\x")],
    "no name": [member("")],
    "a long name": [member("etc/intercom/" + "x" * 500)],
    "another's": [member("etc/cron.d/x")],
    "nearly ours": [member("etc/intercomx/x")],
    "nearly the unit": [member("etc/systemd/system/intercom.service")],
    "another unit's": [member("etc/systemd/system/ssh.service.d/x.conf")],
    "a folder as a file": [member("etc/intercom")],
    "a file as a folder": [member("etc/intercom/a"), member("etc/intercom/a/b")],
    "twice": [member(CONFIGURATION, b"evil")],
    "a folder and a file": [member("etc/intercom/a", b"", type=tarfile.DIRTYPE), member("etc/intercom/a")],
    "the service's code": [member(PHONES, b'    $sht(password=>1) = "a"; exec_msg("id");\n')],
    "the service's include": [member(PHONES, b'include_file "/etc/shadow"\n')],
    "the service's other half": [member(PHONES, b'    $sht(password=>1) = "a";\n}\nrequest_route {\n')],
    "the service's bytes": [member(PHONES, b"\xff\n")],
    "too many": [member(f"var/lib/intercom/{number}", b"") for number in range(20_001)],
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_file_of_a_door_is_not_restored(what: str, machine: Path, tmp_path: Path) -> None:
    """Refused in a sentence, before anything of the archive has been taken."""
    before = state(machine)
    done = restored(archive(tmp_path / "evil.tar.gz", *WRONG[what]), machine, tmp_path / "new")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.strip().isprintable()
    assert state(machine) == before


def sparse(path: Path) -> Path:
    """A file of holes: 8 TB in a kilobyte."""
    folder = path.parent / "tree/etc/intercom"
    folder.mkdir(parents=True)
    (folder / "intercom.toml").write_text("x")
    with (folder / "hole").open("wb") as file:
        file.truncate({"a.g": 8 * 1024**4, "a.p": 10 * 1024**3}.get(path.name, 1024**2))
    form = "--format=gnu" if path.name.endswith("g") else "--format=pax"
    subprocess.run(["tar", "-C", folder.parents[1], "-czSf", path, form, "etc"], check=True)
    return path


def bomb(path: Path) -> Path:
    """Six hundred megabytes of nothing in half a megabyte."""
    with gzip.open(path, "wb", compresslevel=1) as packed:
        for _ in range(600):
            packed.write(bytes(1024 * 1024))
    return path


def header(kind: bytes, content: bytes, times: int = 1) -> Callable[[bytes], bytes]:
    """Put a header about the next header before everything, so many times."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, len(content)
    return lambda plain: (info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)) * times + plain


LONG = b"150000011 comment=" + b"x" * 149_999_992 + b"\n"
DAMAGED: dict[str, Callable[[Path], Path]] = {
    "sparse, GNU": lambda folder: sparse(folder / "a.g"),
    "sparse, PAX": lambda folder: sparse(folder / "a.p"),
    "small and sparse, PAX": lambda folder: sparse(folder / "small.p"),
    "a bomb": lambda folder: bomb(folder / "a"),
    "empty": lambda folder: _written(folder / "a", b""),
    "no archive": lambda folder: _written(folder / "a", b"hello" * 1000),
    "gzip of nothing": lambda folder: _written(folder / "a", gzip.compress(b"")),
    "gzip of rubbish": lambda folder: _written(folder / "a", gzip.compress(random.Random(1).randbytes(5000))),
    "no configuration": lambda folder: _cut(folder, lambda plain: plain[1024:]),
    "cut in the middle": lambda folder: _written(folder / "a", _good(folder)[:-200]),
    "cut before the checksum": lambda folder: _written(folder / "a", _good(folder)[:-8]),
    "no end": lambda folder: _cut(folder, lambda plain: plain.rstrip(b"\0") + bytes(-len(plain.rstrip(b"\0")) % 512)),
    "a long PAX header": lambda folder: _cut(folder, header(tarfile.XHDTYPE, LONG)),
    "a long PAX header for all": lambda folder: _cut(folder, header(tarfile.XGLTYPE, LONG)),
    "a long GNU name": lambda folder: _cut(folder, header(tarfile.GNUTYPE_LONGNAME, LONG)),
    "PAX headers without end": lambda folder: _cut(folder, header(tarfile.XHDTYPE, b"13 comment=x\n", 5000)),
    "GNU names without end": lambda folder: _cut(folder, header(tarfile.GNUTYPE_LONGNAME, b"abc\0", 5000)),
    "zeros without end": lambda folder: _cut(folder, lambda plain: plain + bytes(400 * 1024 * 1024)),
    "a bad header in the middle": lambda folder: _cut(folder, lambda plain: plain[:1024] + b"z" * 512 + plain[1536:]),
}


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _good(folder: Path) -> bytes:
    return archive(folder / "good", member(STATE, random.Random(2).randbytes(3000))).read_bytes()


def _cut(folder: Path, how: Callable[[bytes], bytes]) -> Path:
    return _written(folder / "a", gzip.compress(how(gzip.decompress(_good(folder))), 1))


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_archive_changes_nothing(what: str, machine: Path, tmp_path: Path) -> None:
    """Wherever it is cut, and however big it pretends to be."""
    before = state(machine)
    done = restored(DAMAGED[what](tmp_path), machine, tmp_path / "new")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert state(machine) == before


def test_a_mutated_archive_restores_nothing_but_files_of_a_door(tmp_path: Path) -> None:
    """Four hundred, seeded: in the headers, with their checksums made right again or not."""
    found = importlib.util.spec_from_file_location("archive", ARCHIVE)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    chance, good = random.Random(26), bytearray(gzip.decompress(_good(tmp_path)))
    taken = 0
    for number in range(400):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            at = chance.choice([0, 1024]) + chance.randrange(512)
            data[at] = chance.choice([0, 47, 46, 10, 50, 51, 53, 83, 255, chance.randrange(256)])
        if chance.random() < 0.8:
            for at in (0, 1024):
                data[at + 148 : at + 156] = b" " * 8
                data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
        file = _written(tmp_path / "a", gzip.compress(bytes(data), 1))
        new = tmp_path / f"new{number}"
        new.mkdir()
        with contextlib.suppress(module.ArchiveError):
            module.unpack(file, new, module.kept_folders("daemon", "nogroup"))
            taken += 1
            assert all(path.is_dir() or path.is_file() for path in new.rglob("*"))
        assert not any(path.is_symlink() or path.lstat().st_mode & 0o7000 for path in new.rglob("*"))
        assert not (tmp_path / "shadow").exists()
    print(f"{taken} of 400 were taken")


def test_a_link_in_the_door_s_own_folder_leads_root_nowhere(machine: Path, tmp_path: Path) -> None:
    """A broken door may have put one there: root writes through none of them, and nothing is left beside."""
    (machine / "var/lib/intercom/names").symlink_to(machine / "etc/systemd")
    before = state(machine)
    file = archive(tmp_path / "a", member("var/lib/intercom/names/system/ssh.service", b"evil"))
    done = restored(file, machine, tmp_path / "new")

    assert done.returncode == 1
    assert state(machine) == before
    assert list(machine.rglob("*.restored")) == []


def test_what_was_prepared_and_not_settled_is_taken_away(machine: Path, tmp_path: Path) -> None:
    """When the door cannot be stopped after all."""
    before, folder = state(machine), tmp_path / "new"
    folder.mkdir()
    assert run("unpack", archive(tmp_path / "a", member(STATE, b"9")), folder, root=machine).returncode == 0
    assert run("prepare", folder, root=machine).returncode == 0
    assert len(list(machine.rglob("*.restored"))) == 2
    assert run("forget", folder, root=machine).returncode == 0
    assert state(machine) == before
