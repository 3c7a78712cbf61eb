"""The life of an installation: another version, one that does not work, a backup, and the end of it."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import figures
import pytest
from conftest import BOOT, SETUP

from intercom import __version__
from intercom.adapters.instance import at_brokers
from lab.baresip import Phone
from lab.house import stopping
from lab.machine import CHECKOUT, Machine
from lab.mosquitto import Listener, Mosquitto


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """The house's broker, beside the machine."""
    with stopping(Mosquitto(tmp_path_factory.mktemp("broker"))) as broker:
        yield broker


@pytest.fixture(scope="module", autouse=True)
def bridge(machine: Machine, broker: Mosquitto) -> None:
    """The machine's bridge, as README has it begun."""
    machine.put("/etc/intercom/house.toml", f'[mqtt]\nserver = "{broker.ip}"\n', 0o640)
    machine("intercom house --check; systemctl enable --now intercom-house")


def await_bridge(machine: Machine, broker: Mosquitto, version: str) -> None:
    """Wait until the bridge of this version has announced itself, and is there."""
    identity = at_brokers(machine.root / "etc" / "machine-id")
    origin = json.dumps({"name": "intercom", "sw": version})
    with stopping(Listener(broker)) as listener:
        listener.await_message(f"homeassistant/device/intercom_{identity}/config", 30, containing=origin)
    with stopping(Listener(broker)) as listener:
        listener.await_message(f"intercom/{identity}/availability", 30, containing="online")


@pytest.fixture(scope="module")
def new_checkout(machine: Machine) -> Path:
    """A folder in the machine that can be made another version of the program."""
    folder = machine.root / "root" / "next"
    for name in ("firmware", "systemd", "hardware"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(CHECKOUT / "setup.sh", folder)
    return folder


def version(checkout: Path, number: str) -> None:
    """Have a checkout be of this version."""
    file = checkout / "firmware" / "intercom" / "__init__.py"
    file.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{number}"', file.read_text()))


def rings(machine: Machine, phone: Phone) -> None:
    """Press, and have the phone ring and decline."""
    since = time.monotonic()
    machine("intercom press front")
    phone.await_event("CALL_INCOMING", 20, since=since)
    phone.reject()


def test_installing_the_same_again_changes_nothing(machine: Machine) -> None:
    """Twice in a row is once."""
    before = machine("readlink /opt/intercom/current; systemctl show intercom -p MainPID")
    told = machine(SETUP.format("/root/intercom", 20, "install"))

    assert "installed already" in told
    assert machine("readlink /opt/intercom/current; systemctl show intercom -p MainPID") == before


def test_an_upgrade_runs_the_new_version_and_keeps_the_old(
    machine: Machine, phone: Phone, new_checkout: Path, broker: Mosquitto
) -> None:
    """One command, and the door rings. What tells the house is of the new version, too."""
    before = machine("readlink /opt/intercom/current")
    await_bridge(machine, broker, __version__)
    version(new_checkout, "9.9.1")
    began = time.monotonic()
    told = machine(SETUP.format("/root/next", 40, "upgrade"))
    figures.add("upgrade to a version with the same requirements", f"{time.monotonic() - began:.1f} s")
    rings(machine, phone)

    assert "9.9.1" in machine("intercom --version")
    await_bridge(machine, broker, "9.9.1")
    assert "rollback" in told
    machine(f"test -e /opt/intercom/{before.strip()}")


def test_an_upgrade_that_does_not_register_goes_back_by_itself(
    machine: Machine, phone: Phone, new_checkout: Path
) -> None:
    """A version whose voice engine does not start: the door is the old one again, and says why."""
    engine = new_checkout / "firmware" / "intercom" / "engine" / "__main__.py"
    sound = engine.read_text()
    engine.write_text('raise SystemExit("this version is broken")\n')
    version(new_checkout, "9.9.2")
    began = time.monotonic()
    told = machine(SETUP.format("/root/next", 8, "upgrade") + "; echo status $?")
    took = f"{time.monotonic() - began:.1f} s"
    figures.add("upgrade to a version that does not register, given 8 s, and back", took)
    engine.write_text(sound)
    rings(machine, phone)

    assert "status 1" in told
    assert "going back" in told
    assert "9.9.1" in machine("intercom --version")


def test_a_version_that_refuses_the_configuration_changes_nothing(machine: Machine, new_checkout: Path) -> None:
    """That is found out before anything is touched."""
    check = new_checkout / "firmware" / "intercom" / "cli" / "commands" / "check.py"
    sound, before = check.read_text(), machine("systemctl show intercom -p MainPID")
    check.write_text(sound + "\n\nraise SystemExit(1)\n")
    version(new_checkout, "9.9.3")
    told = machine(SETUP.format("/root/next", 8, "upgrade") + "; echo status $?")
    check.write_text(sound)

    assert "nothing was changed" in told
    assert "status 1" in told
    assert machine("systemctl show intercom -p MainPID") == before


def test_rollback_goes_to_the_version_before(machine: Machine, phone: Phone, broker: Mosquitto) -> None:
    """By hand, too."""
    machine(SETUP.format("/root/next", 40, "rollback"))
    rings(machine, phone)

    assert "9.9.1" not in machine("intercom --version")
    await_bridge(machine, broker, __version__)


def test_a_backup_brings_everything_back(machine: Machine, phone: Phone) -> None:
    """Configuration and state, in one file that nobody else may read."""
    machine(SETUP.format("/root/intercom", 20, "backup /root/door.tar.gz"))
    before = machine("cat /etc/intercom/intercom.toml")
    machine("rm -r /etc/intercom/intercom.toml /var/lib/intercom/*; echo > /etc/intercom/intercom.toml", check=False)
    machine(SETUP.format("/root/intercom", 20, "restore /root/door.tar.gz"))
    rings(machine, phone)

    assert machine("cat /etc/intercom/intercom.toml") == before
    assert machine("stat -c %a /root/door.tar.gz").strip() == "600"


PACK = "cd /tmp/t && tar -czf /tmp/x.tar.gz etc/intercom var/lib/intercom etc/systemd/system/intercom.service.d"


def test_a_change_of_the_unit_is_taken_when_that_is_said(machine: Machine, phone: Phone) -> None:
    """Shown all the same, and not asked about."""
    machine("rm -rf /tmp/t && mkdir /tmp/t && tar -C /tmp/t -xzf /root/door.tar.gz")
    change = "/etc/systemd/system/intercom.service.d/x.conf"
    machine(f"printf '[Service]\\nNice=1\\n' > /tmp/t{change}; {PACK}")
    told = machine(SETUP.format("/root/intercom", 20, "restore --with-unit /tmp/x.tar.gz </dev/null"))
    rings(machine, phone)

    assert "Nice=1" in told
    assert machine(f"stat -c '%a %U' {change}; systemctl show intercom -p Nice").split() == ["644", "root", "Nice=1"]
    machine(f"rm {change}; systemctl daemon-reload; systemctl restart intercom")


def test_a_house_without_a_pbx_has_its_own_service_and_its_backup_has_the_phones(
    machine: Machine, tmp_path: Path
) -> None:
    """`install --with-registrar`: a phone registers with the door itself and is rung, also after a restore."""
    before = machine(
        "cp /opt/intercom/current/intercom/sample.toml /etc/intercom/intercom.toml; systemctl stop intercom"
    )
    told = machine(SETUP.format("/root/intercom", 60, "install --with-registrar </dev/null"))
    listed = machine("intercom phones")
    password = re.findall(r"(?m)^201 +(\w+)", listed)[0]
    # The service listens at every address, those of the phones here too.
    with stopping(Phone("201", tmp_path, "127.0.0.1", password, sip_port=5070)) as house:
        house.wait_registered()
        rings(machine, house)
    machine(SETUP.format("/root/intercom", 20, "backup /root/house.tar.gz"))
    machine("intercom phones remove 201; intercom phones add 201")
    changed = machine("intercom phones")
    machine(SETUP.format("/root/intercom", 20, "restore /root/house.tar.gz"))
    with stopping(Phone("201", tmp_path, "127.0.0.1", password, ip="127.0.0.39", sip_port=5070)) as house:
        house.wait_registered()
        rings(machine, house)

    assert "registered" in told, before
    assert password not in changed
    assert machine("intercom phones") == listed
    assert machine("stat -c '%a %U:%G' /etc/intercom-registrar/phones.cfg").strip() == "640 root:kamailio"


STRANGE = {
    "damaged": "head -c -300 /root/door.tar.gz > /tmp/x.tar.gz",
    "cut at its end": "head -c -8 /root/door.tar.gz > /tmp/x.tar.gz",
    "a hard link": "ln /tmp/t/etc/intercom/intercom.toml /tmp/t/etc/intercom/again; {pack}",
    "a symbolic link": "ln -s /etc/shadow /tmp/t/var/lib/intercom/x; {pack}",
    "set-uid": "install -m 4755 /bin/true /tmp/t/var/lib/intercom/x; {pack}",
    "a refused configuration": "echo 'nmae = 1' >> /tmp/t/etc/intercom/intercom.toml; {pack}",
    "a change of the unit": "printf '[Service]\\nExecStartPre=+/bin/touch /etc/evil\\n' "
    "> /tmp/t/etc/systemd/system/intercom.service.d/x.conf; {pack}",
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_backup_that_is_refused_changes_nothing(machine: Machine, what: str) -> None:
    """It is found out before the door is stopped, which goes on as if nothing had been."""
    machine("test -e /root/door.tar.gz")
    machine("rm -rf /tmp/t && mkdir /tmp/t && tar -C /tmp/t -xzf /root/door.tar.gz")
    machine(STRANGE[what].format(pack=PACK))
    seen = "find /etc/intercom /etc/systemd /var/lib/intercom | sort; sha256sum /etc/shadow /etc/intercom/*"
    before = machine("systemctl show intercom -p MainPID; " + seen)
    told = machine(SETUP.format("/root/intercom", 20, "restore /tmp/x.tar.gz </dev/null") + "; echo status $?")

    assert "status 1" in told
    assert "othing was changed" in told
    assert machine("systemctl show intercom -p MainPID; " + seen) == before
    machine("test ! -e /etc/evil; ! ls -d /tmp/tmp.*")


def test_a_strange_archive_is_not_restored(machine: Machine) -> None:
    """It would write where it likes, as root."""
    machine("mkdir -p /tmp/x/etc/cron.d && touch /tmp/x/etc/cron.d/evil && tar -C /tmp/x -czf /tmp/evil.tar.gz etc")
    told = machine(SETUP.format("/root/intercom", 20, "restore /tmp/evil.tar.gz") + "; echo status $?")

    assert "no backup of ours" in told
    assert "status 1" in told
    machine("test ! -e /etc/cron.d/evil")


def test_uninstall_leaves_nothing(machine: Machine, broker: Mosquitto) -> None:
    """Neither a file of the door, nor its user, nor what a broker would retain of it."""
    began = time.monotonic()
    machine(SETUP.format("/root/intercom", 20, "uninstall </dev/null"))
    figures.add("uninstall", f"{time.monotonic() - began:.1f} s")
    left = machine(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /root -o -path /run/log -o -path /var/log \\) -prune"
        " -o -name '*intercom*' -print; getent passwd intercom; systemctl list-unit-files 'intercom*' --no-legend",
        check=False,
    )

    assert left.strip() == ""
    with stopping(Listener(broker)) as listener:
        assert [topic for topic, text in listener.fence() if text] == []
    assert machine("cat /boot/firmware/config.txt") == BOOT
