"""coturn: a TURN server, for sound that finds no other way."""

from __future__ import annotations

from pathlib import Path

from lab.processes import Process, start


class Coturn:
    """Listens on `ip`, port 3478; `user` and `password` may use it."""

    def __init__(self, log_dir: Path, ip: str = "127.0.0.60", user: str = "door", password: str = "turn") -> None:
        self.address = f"{ip}:3478"
        folder = log_dir / "coturn"
        folder.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [
            "turnserver",
            "-n",
            "-L",
            ip,
            "-E",
            ip,
            "--listening-port",
            "3478",
            "--lt-cred-mech",
        ]
        command += [
            "-u",
            f"{user}:{password}",
            "-r",
            "lab",
            "--no-tls",
            "--no-dtls",
            "--no-cli",
            "--log-file",
            "stdout",
        ]
        # Everybody here is on loopback, which it would refuse to serve otherwise.
        command += [
            "--allow-loopback-peers",
            "--min-port",
            "49000",
            "--max-port",
            "49200",
            "-v",
            "--pidfile",
            folder / "pid",
        ]
        command += ["--db", folder / "turndb"]
        self.process: Process = start("coturn", command, folder, cwd=folder)
        self.process.await_line("IPv4. UDP listener opened on|UDP listener opened on", 10)

    def stop(self) -> None:
        """End it."""
        self.process.stop()
