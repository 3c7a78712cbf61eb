"""What a voice engine is told at its start where nothing else is asked for: no account, and no sound card."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from intercom.ipc.protocol import EngineSettings

_USUAL = EngineSettings(
    accounts=(),
    codecs=("opus", "g722", "pcma", "pcmu"),
    bind="127.0.0.1",
    port=0,
    card_in="none such",
    card_out="none such",
    microphone_db=0.0,
    loudspeaker_db=0.0,
    rate_hz=16000,
    period_ms=10,
    echo=False,
    country="eu",
    tone_files=(),
    user_agent="intercom/test",
)


def engine_settings(**changes: Any) -> EngineSettings:
    """Return them, changed as told."""
    return replace(_USUAL, **changes)
