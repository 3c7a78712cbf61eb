# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine's picture of PJSIP's structures is the compiler's; a wheel with another one is told, and not used."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path

import pytest
from sip_peers import Engine, Peer, account

from intercom.engine.sip import native
from intercom.errors import EngineError

pj = pytest.importorskip("_pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")


def test_every_structure_is_as_the_compiler_has_it() -> None:
    """Each field, and the size of the whole."""
    native.Library(pj.__file__)

    assert len(native.layouts()) == 18


def test_every_function_that_is_called_is_looked_for_at_the_start() -> None:
    """One that is missing would end the engine in the middle of a visit."""
    source = Path(native.__file__).read_text(encoding="utf-8")
    called = set(re.findall(r"self\._c\.(\w+)", source)) | {"pjsua_pool_create", "pj_pool_alloc"}

    assert called == set(native._CALLED)


class _Longer(ctypes.Structure):
    _fields_ = (("sec", ctypes.c_long), ("spare", ctypes.c_long), ("msec", ctypes.c_long))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pj_time_val": (_Longer, {})}, "pj_time_val.msec is 8 and not 16"),
        ({"pj_str_t": (native.Text, {"ptr": "text"})}, "pj_str_t.text is None and not 0"),
        ({"pjsip_new": (native.Text, {})}, "pjsip_new is None and not 16"),
    ],
)
def test_a_structure_that_is_another_one_is_told(
    change: dict[str, object], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the name that C has for it."""
    monkeypatch.setattr(native, "_LAYOUTS", native._LAYOUTS | change)

    with pytest.raises(EngineError, match=re.escape(told)):
        native.Library(pj.__file__)


def test_a_function_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a wheel that an older version of this recipe has made."""
    monkeypatch.setattr(native, "_CALLED", (*native._CALLED, "gate_of_tomorrow"))

    with pytest.raises(EngineError, match="has no gate_of_tomorrow"):
        native.Library(pj.__file__)


def test_an_engine_with_such_a_wheel_says_so_and_ends(tmp_path: Path) -> None:
    """In one line of its log, and not in a crash."""
    (tmp_path / "sitecustomize.py").write_text(
        "from intercom.engine.sip import native\nnative._CALLED += ('gate_of_tomorrow',)\n"
    )
    peer = Peer(REGISTER=200)
    path = os.pathsep.join((str(tmp_path), *filter(None, sys.path)))
    try:
        with pytest.raises(AssertionError) as failed:
            Engine(account(peer), argv=("env", f"PYTHONPATH={path}"), patience_s=5)
    finally:
        peer.close()

    assert "voice engine: the installed pjsua2 is not the one" in str(failed.value)
    assert "Traceback" not in str(failed.value)
