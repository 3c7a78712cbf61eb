# SPDX-License-Identifier: GPL-2.0-or-later
"""What an engine that a stranger has taken over could still do: the real one tries it, after its own start."""

import contextlib
import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sip_peers import Engine, Peer, account, running

from intercom.control import server as control_server
from intercom.core.commands import Audio, PlaceCall, Register, SetAudio, Tone
from intercom.core.events import CallAnswered, LineUp
from intercom.engine import sandbox
from intercom.ipc.protocol import ToneFile
from lab.engine_settings import engine_settings

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes files of root's and becomes another user")

NOBODY = 65534
TRIES = """
import ctypes, errno, fcntl, json, os, signal, socket, sys
import intercom.engine.__main__ as engine

folder, daemon = sys.argv[1], os.getppid()
pipe, _ = os.pipe()
libc = ctypes.CDLL(None, use_errno=True)

def ask(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)

def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

TRIES = {
    "read the configuration": lambda: open(f"{folder}/intercom.toml").read(),
    "write the configuration": lambda: open(f"{folder}/intercom.toml", "a"),
    "read the ledger": lambda: open(f"{folder}/state/ledger").read(),
    "lift a lock-out": lambda: open(f"{folder}/state/ledger", "w"),
    "put a file in the ledger's place": lambda: os.rename(f"{folder}/state/other", f"{folder}/state/ledger"),
    "list the state": lambda: os.listdir(f"{folder}/state"),
    "read the journal": lambda: os.listdir(f"{folder}/journal"),
    "open a pin": lambda: os.open(f"{folder}/gpiochip0", os.O_RDWR),
    "list devices": lambda: os.listdir("/dev"),
    "drive a pin": lambda: fcntl.ioctl(pipe, 0xC040B40F, bytes(64)),
    "ask for a line": lambda: fcntl.ioctl(pipe, 0xC250B407, bytes(592)),
    "press by the control socket": lambda: ask(f"{folder}/control.sock"),
    "open the control socket to itself": lambda: os.chmod(f"{folder}/control.sock", 0o660),
    "give itself rights by a list": lambda: os.setxattr(f"{folder}/control.sock", "user.x", b""),
    "kill the daemon": lambda: os.kill(daemon, signal.SIGKILL),
    "kill the daemon's thread": lambda: call(TGKILL, daemon, daemon, 9),
    "signal everybody": lambda: os.kill(-1, 0),
    "signal its group": lambda: os.kill(0, 0),
    "trace the daemon": lambda: call(PTRACE, 16, daemon, 0, 0),
    "read the daemon's memory": lambda: open(f"/proc/{daemon}/mem", "rb"),
    "read the daemon's environment": lambda: open(f"/proc/{daemon}/environ", "rb"),
    "read the daemon's files": lambda: os.listdir(f"/proc/{daemon}/fd"),
    "write anywhere": lambda: open("/tmp/x", "w"),
    "read root's": lambda: open("/etc/shadow").read(),
    "start a program": lambda: os.execv("/bin/true", ["true"]),
    "multiply": lambda: os.fork(),
    "see other files": lambda: os.unshare(os.CLONE_NEWUSER) if hasattr(os, "unshare") else call(UNSHARE, 0x10000000),
    "queue work past the filter": lambda: call(425, 1, 0),
}
MAY = {
    "read the system's authorities": lambda: open("/etc/ssl/certs/ca-certificates.crt").read(1),
    "read names": lambda: socket.getaddrinfo("localhost", None),
    "read its own memory file": lambda: open(f"/proc/self/fd/{os.memfd_create('x')}", "w"),
    "import what it has not": lambda: __import__("colorsys"),
    "open a port": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("127.0.0.1", 0)),
    "signal itself": lambda: os.kill(os.getpid(), 0),
    "play its sounds": lambda: open(f"{folder}/chime.wav", "rb").read(1),
}
TGKILL, PTRACE, UNSHARE = {"x86_64": (234, 101, 272), "aarch64": (131, 117, 97)}[os.uname().machine]

def outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "done"

def run(self, go=engine.Engine.run):
    told = {what: outcome(attempt) for what, attempt in {**TRIES, **MAY}.items()}
    print("TRIED " + json.dumps(told), file=sys.stderr, flush=True)
    go(self)

engine.Engine.run = run
engine.main(sys.argv[-1:])
"""


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A door's files, where its own user may do all that a door's may."""
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    (tmp_path / "state").mkdir()
    (tmp_path / "journal").mkdir()
    for name in ("intercom.toml", "state/ledger", "state/other", "chime.wav"):
        (tmp_path / name).write_text("secret")
    os.mknod(tmp_path / "gpiochip0", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    listener = control_server._listen(tmp_path / "control.sock")
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    (tmp_path / "tries.py").write_text(TRIES)
    yield tmp_path
    listener.close()


def tried(engine: Engine, seconds: float = 10.0) -> dict[str, str]:
    until = time.monotonic() + seconds
    while not (lines := [line for line in list(engine.stderr) if line.startswith("TRIED ")]):
        assert time.monotonic() < until, "".join(engine.stderr)
        time.sleep(0.01)
    told: dict[str, str] = json.loads(lines[0].removeprefix("TRIED "))
    return told


def test_a_taken_over_engine_reaches_neither_pins_nor_secrets_nor_the_daemon(
    door: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the door's own user, in the process that has parsed strangers' bytes, after its start."""
    monkeypatch.delenv("JACK_DEFAULT_SERVER", raising=False)
    become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    argv = (*become, sys.executable, "-P", str(door / "tries.py"), str(door))
    with running(argv=argv, tone_files=(ToneFile(Tone.CHIME, str(door / "chime.wav")),)) as engine:
        told = tried(engine)
        may = {what: outcome for what, outcome in told.items() if what in MAY}
        status = Path(f"/proc/{engine.process.pid}/status").read_text()
        limits = Path(f"/proc/{engine.process.pid}/limits").read_text()
        each = [path.read_text() for path in Path(f"/proc/{engine.process.pid}/task").glob("*/status")]

    assert set(may.values()) == {"done"}, may
    refused = {what: outcome for what, outcome in told.items() if what not in MAY}
    assert len(refused) > 25
    assert {what for what, outcome in refused.items() if outcome not in ("EACCES", "EPERM")} == set()
    assert "NoNewPrivs:\t1" in status
    assert len(each) > 1
    assert all("Seccomp:\t2" in one for one in each), "every thread of it"
    assert f"Max data size             {sandbox.MOST_BYTES}" in limits


MAY = {
    "read the system's authorities", "read names", "read its own memory file", "import what it has not", "open a port",
    "signal itself", "play its sounds",
}  # fmt: skip


def test_nothing_is_missing_to_a_closed_off_engine() -> None:
    """It starts, registers and calls, and complains of nothing."""
    with contextlib.closing(Peer(REGISTER=200, INVITE=200, BYE=200)) as server, running(account(server)) as engine:
        engine.send(Register("house"))
        engine.wait(LineUp)
        engine.send(PlaceCall("a", "house", "201"), SetAudio(Audio(card=True, hear="a", speak="a")))
        engine.wait(CallAnswered)
        assert server.loudest(3) >= 0
        assert not [line for line in engine.stderr if "closed off" in line or "Permission" in line]


def test_what_is_not_configured_opens_no_folder() -> None:
    """An empty `ca_file` is no path: as one it would be the folder that the engine was started in."""
    fenced = sandbox.Sandbox(engine_settings(accounts=(account(None, domain="house.example"),)))

    assert not [path for path in fenced._files if path.resolve() == Path.cwd()]
    assert fenced.outdated() == ""
