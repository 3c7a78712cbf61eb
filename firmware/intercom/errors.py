# SPDX-License-Identifier: GPL-2.0-or-later
"""The one family of errors. Each is also the built-in error that a caller would expect."""


class IntercomError(Exception):
    """Root of everything this program raises on purpose. Its text is for the person at the door."""


class ConfigError(IntercomError, ValueError):
    """Raised when a configuration cannot be used. `problems` holds every complaint, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class WireError(IntercomError, ValueError):
    """Raised when a line between the daemon and the voice engine is not one of theirs."""


class HardwareError(IntercomError, OSError):
    """Raised when a pin, a sound card or a socket cannot be had. The text says which and what to do."""


class SoundFileError(IntercomError, ValueError):
    """Raised when a file is no sound of ours. The text names the file and says what to do."""


class EngineError(IntercomError, RuntimeError):
    """Raised inside the voice engine when PJSIP refuses an order. The text carries PJSIP's own reason."""


class ControlError(IntercomError, ConnectionError):
    """Raised when the daemon cannot be reached, or refuses what the command line asked."""
