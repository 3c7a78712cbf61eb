"""The same as a Debian package: made by Debian's usual tools, installed and purged by apt."""

import os
import subprocess
import time
from pathlib import Path

import figures
from conftest import bare_machine, configure

from lab import namespace
from lab.baresip import Phone
from lab.machine import CHECKOUT, network_settings


def test_the_package_makes_a_door_and_purging_leaves_nothing(phone: Phone, tmp_path: Path) -> None:
    """apt install ./intercom_*.deb, a visit, apt purge."""
    began = time.monotonic()
    build = ["nsenter", f"--net={namespace.OUTSIDE}", CHECKOUT / "setup.sh", "deb"]
    environment = {**os.environ, "INTERCOM_CACHE": str(tmp_path / "cache"), "DEB_BUILD_OPTIONS": "nocheck"}
    done = subprocess.run(build, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    package = Path(done.stdout.strip())
    figures.add(f"the Debian package made ({package.stat().st_size / 1e6:.0f} MB)", f"{time.monotonic() - began:.0f} s")

    with bare_machine(tmp_path / "machine") as machine:
        machine.share(tmp_path, "/root/packages")
        began = time.monotonic()
        install = f"apt-get -q update && apt-get -q -y --no-install-recommends install /root/packages/{package.name}"
        installed = machine.install(install, DEBIAN_FRONTEND="noninteractive", **network_settings())
        assert installed.returncode == 0, installed.stdout + installed.stderr
        figures.add("bare Debian to installed with apt", f"{time.monotonic() - began:.0f} s")
        configure(machine)
        machine.boot()
        machine("chgrp intercom /etc/intercom/intercom.toml && systemctl restart intercom")
        machine.await_record("line-up", account="home")
        since = time.monotonic()
        machine("intercom press front")
        phone.await_event("CALL_INCOMING", since=since)
        phone.reject()
        machine.await_record("visit-ended")
        machine("DEBIAN_FRONTEND=noninteractive apt-get -q -y purge intercom")
        left = machine(
            "find / -xdev \\( -path /proc -o -path /sys -o -path /root -o -path /run/log -o -path /var/log \\) -prune"
            " -o -name '*intercom*' -print; getent passwd intercom",
            check=False,
        )

    assert left.strip() == ""
