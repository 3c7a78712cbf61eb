# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers are strangers' bytes, too: 5000 pieces of rubbish, seeded, and the engine goes on.

`./setup.sh bench fuzz` plays a hundred thousand and more, at an engine that was built to notice what goes wrong unseen.
"""

from pathlib import Path

import pytest

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")

from fuzzing import Fuzzer

COUNT, SEED, LIMIT_S = 5000, 6026, 100.0


def test_five_thousand_pieces_of_rubbish_end_no_engine(tmp_path: Path) -> None:
    """Answers to all it asks, requests in calls, RTP and RTCP. PJSIP asks no name server: the C library does."""
    fuzzer = Fuzzer(SEED, tmp_path)
    try:
        found = fuzzer.run(COUNT, LIMIT_S)
        print(f"sent: {found.sent}")
        assert found.ends == []
        assert found.all_sent >= COUNT, f"not all of it in {LIMIT_S:.0f} s: {found.sent}"
        assert all(found.sent.values()), found.sent
        assert fuzzer.lives()
    finally:
        fuzzer.close()
