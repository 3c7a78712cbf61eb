"""Many doors: their journals in one place, and the playbook that looks after them. What systemd/fleet says is done."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from lab import certificates
from lab.house import SIDE_BUTTON, Door
from lab.processes import start, wait_until

FLEET = Path(__file__).parents[2] / "systemd/fleet"
UPLOAD, REMOTE = (Path(f"/lib/systemd/systemd-journal-{name}") for name in ("upload", "remote"))
LOGS_IP, LOGS_PORT = "127.0.0.26", 19532
LOGS = f"{LOGS_IP}:{LOGS_PORT}"


def listens(ip: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex((ip, port)) == 0


@pytest.mark.skipif(not (UPLOAD.exists() and REMOTE.exists()), reason="needs systemd-journal-remote")
def test_the_journals_of_a_fleet_come_together(door: Door, tmp_path: Path) -> None:
    """Over TLS, with the settings of the page; and the page's question finds the visit, with its fields."""
    made = certificates.make(tmp_path / "tls", LOGS_IP, "logs.example")
    settings = re.findall(r"^    (\[Upload\]\n(?:    .+\n)+)", (FLEET / "README.md").read_text(), re.MULTILINE)[0]
    for said, here in (
        ("https://logs.example:19532", f"https://{LOGS}"),
        ("/etc/intercom/journal.key", str(made.key)),
        ("/etc/intercom/journal.crt", str(made.certificate)),
        ("/etc/intercom/journal-ca.crt", str(made.authority)),
    ):
        assert said in settings
        settings = settings.replace(said, here)
    conf = Path("/run/systemd/journal-upload.conf.d/door.conf")
    conf.parent.mkdir(parents=True, exist_ok=True)
    conf.write_text(settings.replace("    ", ""))
    store = tmp_path / "remote"
    store.mkdir()
    keys = (f"--key={made.key}", f"--cert={made.certificate}")
    collecting = start("journal-remote", [REMOTE, f"--listen-https={LOGS}", *keys, f"--output={store}"], tmp_path)
    wait_until(lambda: listens(LOGS_IP, LOGS_PORT), 10, "it listens", collecting)
    sending = start("journal-upload", [UPLOAD, "--directory=/run/log/journal", f"--save-state={tmp_path}/at"], tmp_path)

    def asked() -> list[dict[str, str]]:
        question = ["journalctl", "-D", store, "INTERCOM_KIND=visit-ended", "INTERCOM_OUTCOME=busy", "-o", "json"]
        told = subprocess.run(question, capture_output=True, text=True, check=False).stdout
        return [json.loads(line) for line in told.splitlines()]

    try:
        door.press(SIDE_BUTTON)
        visit = door.await_visit(button="side")
        wait_until(lambda: any(one["INTERCOM_VISIT"] == visit.id for one in asked()), 20, "it comes", sending)
    finally:
        conf.unlink()
        sending.stop()
        collecting.stop()

    told = next(one for one in asked() if one["INTERCOM_VISIT"] == visit.id)
    assert told["MESSAGE"].startswith(f"visit {visit.id} ended: busy")
    assert told["INTERCOM_TIMELINE"] == visit.record["INTERCOM_TIMELINE"]


@pytest.mark.skipif(not shutil.which("ansible-playbook"), reason="needs ansible-core")
def test_the_playbook_is_one() -> None:
    """With what Ansible itself brings, and no collection besides."""
    argv = ["ansible-playbook", "--syntax-check", "-i", "localhost,", str(FLEET / "door.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
