"""A certificate runs out, as they do in the night: the line is down and says why, and heals with the new one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import fault_table
import pytest
from healing import asks_often, rings

from intercom.control.client import ask
from lab import certificates
from lab.baresip import Phone
from lab.cable import instead_of
from lab.house import Door, House, stopping
from lab.kamailio import Kamailio
from lab.processes import wait_until

IP, NAME = "127.0.0.22", "registrar.test"


@pytest.fixture
def service(house: House) -> Iterator[Kamailio]:
    """A service with TLS, whose name and authority this private world knows."""
    with stopping(Kamailio(house.folder, ip=IP, users={"door": "secret", "201": "p201"}, tls=True)) as service:
        assert service.certificates
        authority = service.certificates.authority.read_text()
        with (
            instead_of("/etc/ssl/certs/ca-certificates.crt", authority, house.folder),
            instead_of("/etc/hosts", f"127.0.0.1 localhost\n{IP} {NAME}\n", house.folder),
        ):
            yield service


def with_certificate(service: Kamailio, days_ago: int) -> None:
    """Restart the service with a certificate of that age; it holds for two days."""
    service.stop()
    assert service.certificates
    certificates.issue_again(service.certificates, IP, days_ago=days_ago)
    service.start()


def fault_of(door: Door) -> str:
    """Return what the status says of the line now."""
    fault: str = ask(door.socket, {"do": "status"})["status"]["lines"][0]["detail"]
    return fault


def over_tls(text: str) -> str:
    """Edit a configuration so."""
    return asks_often(text).replace('user = "door"\n', 'user = "door"\ntransport = "tls"\n')


def test_a_certificate_that_has_expired_is_told_and_a_new_one_heals(house: House, service: Kamailio) -> None:
    """The server is who it was, but nobody can know that any more: no call goes through it until it is renewed."""
    with house.door(registrar=NAME, edit=over_tls) as door:
        with_certificate(service, days_ago=9)
        expired = time.time()
        began = door.await_record("condition-began", 30, condition="line home")
        wait_until(lambda: "ertificate" in fault_of(door), 30, "the status names the certificate", door.process)
        told = fault_of(door)
        door.press()
        door.await_record("press-accepted")
        renewed = time.time()
        with_certificate(service, days_ago=0)
        up = door.await_records("line-up", 2, 45)[-1]
        with stopping(Phone("201", house.folder / "tls", service, "p201", ip="127.0.0.36")) as phone:
            phone.wait_registered()
            door.await_records("visit-ended", 1, 20)
            rings(door, phone)

        fault_table.add(
            "the server's certificate expires, and is renewed",
            door,
            fault_table.at(began) - expired,
            told,
            fault_table.at(up) - renewed,
        )
