# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things are on an installed door. systemd/ makes these folders and names them too."""

import os
from collections.abc import Mapping
from pathlib import Path

USER = "intercom"
"""Whom the service runs as."""
CONFIG = Path("/etc/intercom/intercom.toml")
STATE = Path("/var/lib/intercom")
"""The service's StateDirectory."""
UNSEALED = Path("/run/intercom-credentials")
"""Where `systemd/intercom-unseal` puts what it could decrypt of /etc/intercom/NAME.cred, before each start."""
SOCKET = Path("/run/intercom/control.sock")
"""In the service's RuntimeDirectory."""
HOUSE = CONFIG.with_name("house.toml")
"""What the house is told, and may ask for; beside the configuration, wherever that is."""
HOUSE_SOCKET = Path("/run/intercom-house/house.sock")
"""At which `intercom house` asks. The folder is its group's, so no other user reaches the socket."""
STRIKES = SOCKET.with_name("strikes")
"""Which strikes the daemon drives, for `intercom lock`; beside its socket, wherever that is."""


def state_folder(otherwise: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where to keep what outlives the boot: systemd's StateDirectory, or `otherwise` without systemd."""
    first = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(first) if first else otherwise
