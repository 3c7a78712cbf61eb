"""The first voice engine, which is started before the daemon has read its own code: whose it is, and where it ends."""

import os
import signal

import pytest
from loops import on_a_loop
from test_engine_keeper import keeping

from intercom.core.events import EngineLost, EngineStarted
from intercom.process import spawn_engine

pytest.importorskip("pjsua2", reason="the engine needs PJSIP: ./setup.sh builds it")


@on_a_loop
async def test_the_engine_that_was_begun_early_is_the_first_one_and_no_other_is() -> None:
    """It is told its settings and starts; the one after its death is new."""
    spawn_engine.prespawn()
    begun = spawn_engine._first[0]
    spawn_engine.prespawn()
    assert spawn_engine._first == [begun], "begun once"
    async with keeping() as keeper:
        started, _ = await keeper.next()
        assert isinstance(started, EngineStarted)
        assert keeper.engine.pid == begun.pid
        os.kill(begun.pid, signal.SIGKILL)
        assert (await keeper.next())[0] == EngineLost("ended by SIGKILL")
        assert isinstance((await keeper.next())[0], EngineStarted)
        assert keeper.engine.pid != begun.pid


def test_an_early_engine_without_a_daemon_ends_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    """As when the daemon ends over a mistake in its configuration, whose message shall stand alone."""
    begun = spawn_engine.begin()
    begun.link.close()

    _, status = os.waitpid(begun.pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert capfd.readouterr() == ("", "")
