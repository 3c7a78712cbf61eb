# SPDX-License-Identifier: GPL-2.0-or-later
"""Where things are on an installed door. systemd/ makes these folders and names them too."""

from pathlib import Path

CONFIG = Path("/etc/intercom/intercom.toml")
SOCKET = Path("/run/intercom/control.sock")
"""In the service's RuntimeDirectory."""
