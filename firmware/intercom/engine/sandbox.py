# SPDX-License-Identifier: GPL-2.0-or-later
"""What the engine gives up before it reads the first byte of a stranger's (landlock(7), seccomp(2)).

It is the only parser of what strangers send, and it shares the daemon's user. So it keeps what sound and SIP need, and
loses the rest of it: the pins, the configuration, the ledger, the control socket, the daemon's memory. Nothing here can
be undone by the process that did it, and what it starts has no more.

Landlock fences files in (Linux 5.13; Debian's kernels have it, Raspberry Pi OS's 6.6 has not). seccomp refuses system
calls by number and argument: signals to the daemon, orders to pins (ioctl), changed modes, and more. The control socket
is closed to its own user by its mode (control/server.py), and seccomp keeps the engine from changing that.
"""

import contextlib
import ctypes
import errno
import os
import platform
import resource
import sys
from collections.abc import Iterable, Iterator
from ctypes import byref, c_long, c_ubyte, c_uint, c_ushort, c_void_p
from pathlib import Path

from intercom.engine.sip.tls import SYSTEM_CAS
from intercom.ipc.protocol import EngineSettings

MOST_BYTES = 512 << 20
"""Memory for data (RLIMIT_DATA): ten times what a call takes. An engine that wants more ends; the next one starts."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2

# ---- Landlock (linux/landlock.h) ----

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE, _READ, _READ_DIR, _TRUNCATE, _IOCTL = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_ALL_OF = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All access to files that an ABI knows; later ones know no more."""
_OF_A_FILE = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_SCOPES = 0b11
"""No abstract sockets and no signals to processes outside (ABI 6, Linux 6.12)."""

_SEEN = _READ | _READ_DIR | _EXECUTE
_USED = _READ | _READ_DIR | _WRITE | _IOCTL
_READABLE = (
    "/usr", "/lib", "/lib64", "/bin", "/sys", "/etc/ssl", "/etc/ca-certificates", "/etc/alsa", "/proc/sys",
    "/proc/asound", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat",
)  # fmt: skip
_NAMED = (
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
    "/etc/protocols", "/etc/passwd", "/etc/group", "/etc/localtime", "/etc/ld.so.cache", "/etc/mdns.allow",
)  # fmt: skip
"""Files that the C library reads whenever it likes."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/snd")
_COMING = (Path("/dev/snd"), Path("/proc/asound"))
"""Not there before the machine had its first sound card."""


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr."""

    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class Sandbox:
    """The fence around this process, once `close` has returned."""

    def __init__(self, settings: EngineSettings) -> None:
        """`settings` name files that the engine has to read: authorities, certificates, sounds."""
        own = [path for account in settings.accounts for path in (account.ca_file, account.cert_file, account.key_file)]
        named = (*_NAMED, SYSTEM_CAS, *own, *(file.path for file in settings.tone_files), settings.played)
        # What is not configured is an empty text, and as a path that would be the folder that the engine runs in.
        self._files = [Path(path) for path in named if str(path) not in ("", ".")]
        self._starts_programs = bool(settings.mixer)  # amixer
        self._jack = "JACK_DEFAULT_SERVER" in os.environ
        self._c = ctypes.CDLL(None, use_errno=True)
        self._closed: set[Path] = set()
        """What was closed to us before."""

    def close(self) -> list[str]:
        """Give up what the engine does not need, while it has no other thread; return what could not be done, and why.

        The rest is given up all the same: an engine that can do too much still rings.
        """
        failures = []
        self._closed = {path for path in (*_COMING, *self._files) if path.exists() and not os.access(path, os.R_OK)}
        _limit_memory()
        if self._c.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            return [f"it may gain privileges, so nothing is closed to it ({os.strerror(ctypes.get_errno())})"]
        for what, how in (
            ("files: the configuration and the ledger are open to it", self._fence_files),
            ("system calls: it may signal the daemon and drive pins", self._filter_calls),
        ):
            try:
                how()
            except OSError as error:
                failures.append(f"{what} ({error.strerror})")
        return failures

    def outdated(self, *, hardware: bool = False) -> str:
        """Return what has come or was replaced since: to Landlock it is another file, and closed. Else nothing.

        With `hardware` only sound cards are looked for.
        """
        for path in _COMING if hardware else (*_COMING, *self._files):
            try:
                os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            except OSError as error:
                if error.errno == errno.EACCES and path not in self._closed:
                    return str(path)
        return ""

    # ---- files ----

    def _fence_files(self) -> None:
        abi = int(self._call(_CREATE_RULESET, None, 0, 1))
        handled = _ALL_OF[min(abi, max(_ALL_OF))]
        attributes = _Ruleset(handled, 0, _SCOPES if abi >= 6 else 0)
        size = 24 if abi >= 6 else 8  # the structure has grown with the ABI
        ruleset = int(self._call(_CREATE_RULESET, byref(attributes), size, 0))
        try:
            for path, access in self._allowed():
                self._allow(ruleset, path, access & handled)
            self._call(_RESTRICT_SELF, ruleset, 0)
        finally:
            os.close(ruleset)

    def _allowed(self) -> Iterator[tuple[Path, int]]:
        code = Path(__file__).resolve().parents[2]
        program = {Path(path) for path in (*sys.path, sys.prefix, sys.base_prefix, sys.pycache_prefix or "") if path}
        own = Path(f"/proc/{os.getpid()}")
        for path in {*map(Path, _READABLE), *program, code, own}:
            yield path, _SEEN
        for path in self._files:
            yield path, _READ
        # Who writes resolv.conf into a folder of /run replaces it there.
        with contextlib.suppress(OSError):
            names = Path("/etc/resolv.conf").resolve().parent
            if names.is_relative_to("/run") and len(names.parts) > 2:
                yield names, _READ | _READ_DIR
        for name in _DEVICES:
            yield Path(name), _USED
        if self._jack:  # no door has it; its clients share memory with it there
            yield Path("/dev/shm"), _ALL_OF[3] & ~_EXECUTE  # noqa: S108

    def _allow(self, ruleset: int, path: Path, access: int) -> None:
        """Allow access to a folder and what is in it, or to a file; what is not there is not needed."""
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            rights = access if path.is_dir() else access & _OF_A_FILE
            self._call(_ADD_RULE, ruleset, 1, byref(_Beneath(rights, place)), 0)
        finally:
            os.close(place)

    def _call(self, number: int, *arguments: object) -> int:
        self._c.syscall.restype = c_long
        values = [c_long(value) if isinstance(value, int) else value for value in arguments]
        got = int(self._c.syscall(c_long(number), *values))
        if got < 0:
            code = ctypes.get_errno()
            why = "this kernel has no Landlock" if code in (errno.ENOSYS, errno.EOPNOTSUPP) else os.strerror(code)
            raise OSError(code, why)
        return got

    # ---- system calls ----

    def _filter_calls(self) -> None:
        if (known := _MACHINES.get(platform.machine())) is None or sys.byteorder != "little":
            raise OSError(errno.ENOSYS, f"not known for {platform.machine()}")
        rules = _rules(known[0], known[1], os.getppid(), starts_programs=self._starts_programs)
        program = (_Instruction * len(rules))(*rules)
        if self._c.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, byref(_Program(len(rules), program)), 0, 0):
            code = ctypes.get_errno()
            raise OSError(code, f"this kernel has no seccomp: {os.strerror(code)}")


def _limit_memory() -> None:
    """Let this process not eat the machine's memory. Where it has mapped more already, a sanitizer has."""
    mapped = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData:"))
    if int(mapped.split()[1]) * 1024 < MOST_BYTES:
        with contextlib.suppress(OSError, ValueError):  # somebody has set a lower one
            resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))


# ---- seccomp (linux/seccomp.h, linux/filter.h) ----


class _Instruction(ctypes.Structure):
    """struct sock_filter."""

    _fields_ = (("code", c_ushort), ("jt", c_ubyte), ("jf", c_ubyte), ("k", c_uint))


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("len", c_ushort), ("filter", c_void_p))

    def __init__(self, length: int, instructions: "ctypes.Array[_Instruction]") -> None:
        super().__init__(length, ctypes.addressof(instructions))
        self._kept = instructions


_LOAD, _AND, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, (16, 24, 32, 40, 48, 56)
"""Offsets in struct seccomp_data; of an argument the lower half counts."""
_CLONE_THREAD, _CLONE_NAMESPACES = 0x00010000, 0x7E020000
_GPIO = 0xB400
"""The type of all orders to /dev/gpiochip* (linux/gpio.h), where an ioctl's number has it."""
_NEGATIVE = 0x80000000

_X86_64, _AARCH64 = 0xC000003E, 0xC00000B7
_REFUSED = {
    # Other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "kcmp": (312, 272),
    # What a file lets whom do
    "chmod": (90, 0), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "setxattr": (188, 5),
    "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463), "chown": (92, 0), "lchown": (94, 0),
    "fchown": (93, 55), "fchownat": (260, 54),
    # Other views of the files, and files by other ways
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "mount_setattr": (442, 442), "open_by_handle_at": (304, 265), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    # Parts of the kernel that no door needs
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218),
}  # fmt: skip
"""System calls -> their numbers on x86_64 and aarch64 (asm/unistd_64.h, asm-generic/unistd.h); 0: there is none."""
_PROGRAMS = {"execve": (59, 221), "execveat": (322, 281), "fork": (57, 0), "vfork": (58, 0)}
_IOCTL_CALL, _CLONE, _CLONE3 = (16, 29), (56, 220), (435, 435)
_TO_A_PROCESS = {"kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261)}
_MACHINES = {"x86_64": (_X86_64, 0), "aarch64": (_AARCH64, 1)}


def _answer(code: int) -> _Instruction:
    return _Instruction(_RETURN, 0, 0, _REFUSE | code if code else _ALLOW)


def _when(number: int, then: Iterable[_Instruction]) -> list[_Instruction]:
    """Do this for one system call; it has to end with an answer."""
    body = list(then)
    return [_Instruction(_IF_EQUAL, 0, len(body), number), *body]


def _rules(architecture: int, column: int, daemon: int, *, starts_programs: bool) -> list[_Instruction]:
    """Return the filter: what it does not refuse it allows."""
    refused, allowed = _answer(errno.EPERM), _answer(0)
    rules = [
        _Instruction(_LOAD, 0, 0, _ARCHITECTURE),
        _Instruction(_IF_EQUAL, 1, 0, architecture),
        refused,
        _Instruction(_LOAD, 0, 0, _NUMBER),
        _Instruction(_IF_AT_LEAST, 0, 1, 0x40000000),  # x32, the third set of numbers
        refused,
    ]
    calls = {**_REFUSED, **({} if starts_programs else _PROGRAMS)}
    for numbers in calls.values():
        if numbers[column]:
            rules += _when(numbers[column], [refused])
    order = [_Instruction(_LOAD, 0, 0, _ARGUMENT[1]), _Instruction(_AND, 0, 0, 0xFF00)]
    rules += _when(_IOCTL_CALL[column], [*order, _Instruction(_IF_EQUAL, 0, 1, _GPIO), refused, allowed])
    flags = [_Instruction(_LOAD, 0, 0, _ARGUMENT[0]), _Instruction(_IF_ANY, 0, 1, _CLONE_NAMESPACES), refused]
    if not starts_programs:
        flags += [_Instruction(_IF_ANY, 1, 0, _CLONE_THREAD), refused]
    rules += _when(_CLONE[column], [*flags, allowed])
    # Its flags are in memory, where no filter looks; the C library falls back to clone.
    rules += _when(_CLONE3[column], [_answer(errno.ENOSYS)])
    whom = [
        _Instruction(_LOAD, 0, 0, _ARGUMENT[0]),
        _Instruction(_IF_EQUAL, 0, 1, daemon),
        refused,
    ]
    for name, numbers in _TO_A_PROCESS.items():
        groups = [_Instruction(_IF_AT_LEAST, 0, 1, _NEGATIVE), refused, _Instruction(_IF_EQUAL, 0, 1, 0), refused]
        rules += _when(numbers[column], [*whom, *(groups if name == "kill" else ()), allowed])
    return [*rules, allowed]
