"""Thousands of made-up session descriptions, played at a real voice engine one call after the other, and judged.

An engine that ends is a fault; so is a call that does not come about although `descriptions.Reader` finds a voice in
what was said, and a second offer of the door's where none is called for.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field

from sip_peers import Engine, account, running

from intercom.core.commands import AnswerCall, HangUp, PlaceCall, Register
from intercom.core.events import CallAnswered, CallArrived, CallEnded, LineUp
from lab.descriptions import CODECS, Reader, Writer
from lab.far_end import ANY, FarEnd, Message

FAR_ENDS = 24
MOST_STREAMS = 16
"""PJMEDIA_MAX_SDP_MEDIA."""


def _is_voice(said: Reader, codecs: tuple[str, ...], srtp: str) -> bool:
    """Tell whether there is a stream of sound that we can speak, among as many as are read."""
    return any(index < MOST_STREAMS for index in said.voices(codecs, srtp))


@dataclass
class Outcome:
    """What became of the calls."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, str]] = field(default_factory=list)
    """What went wrong, and the description that it went wrong with."""


class Game:
    """One engine and its far ends: each is the server of an account, and may begin twenty calls a second (gate.c)."""

    def __init__(self, engine: Engine, far_ends: list[FarEnd], srtp: str, codecs: tuple[str, ...]) -> None:
        self.engine, self.far_ends, self.srtp, self.codecs = engine, far_ends, srtp, codecs
        self.far, self.door = far_ends[0], ("", 0)
        self.outcome = Outcome()
        self._count = 0
        self._asked: list[str] = []

    def find_door(self) -> None:
        """Learn where the door is, from a call that is declined."""
        self.engine.send(PlaceCall("v.0", "far0", f"sip:201@{self.far.address}"))
        invite = self.far.wait("INVITE")
        self.far.answer(invite, 486)
        self.engine.wait(CallEnded)
        self.door = invite.source

    def play(self, writer: Writer, times: int) -> Outcome:
        """Play that many: two offers for one answer, and of the offers every fourth is refused unheard."""
        for index in range(times):
            text = writer.description()
            self._count += 1
            self.far = self.far_ends[self._count % len(self.far_ends)]
            (self._answered if index % 3 == 2 else self._offered)(text, refused=index % 4 == 3)
        return self.outcome

    def _tend(self) -> None:
        """Answer what the door asks in the meantime."""
        while (message := self.far.next(0)) is not None:
            self._take(message)

    def _take(self, message: Message) -> None:
        self.far.tend(message)
        if message.method in ("INVITE", "UPDATE") and not message.code:
            self._asked.append(message.header("Via"))

    def _told(self, leg: str) -> CallAnswered | CallEnded:
        return self.engine.wait((CallAnswered, CallEnded), where=lambda event: event.leg == leg, meanwhile=self._tend)

    def _ended(self, leg: str) -> CallEnded:
        return self.engine.wait(CallEnded, where=lambda event: event.leg == leg, meanwhile=self._tend)

    def _note(self, what: str, wrong: bool, text: str) -> None:
        self.outcome.counts[what] += 1
        if wrong:
            self.outcome.wrong.append((what, text))

    def _offered(self, text: str, refused: bool) -> None:
        """Call the door with this offer."""
        voice = _is_voice(Reader(text), self.codecs, self.srtp)
        caller = f"u{self._count}"
        call = self.far.ring(self.door, text, caller)
        first = self.far.wait("INVITE", ANY, call.call_id)
        if first.code == 100:
            leg = self.engine.wait(CallArrived, where=lambda event: event.caller == caller).leg
            self.engine.send(HangUp(leg, 403) if refused else AnswerCall(leg))
        final = first if first.code >= 200 else self.far.wait("INVITE", None, call.call_id)
        self.far.acknowledge(call, final, self.door)
        if final.code != 200:
            wrong = final.code == 500 or (voice and not (refused and final.code == 403))
            self._note(f"offer, {'a voice' if voice else 'no voice'}: {final.code}", wrong, text)
            return
        ended = self._told(leg)
        if isinstance(ended, CallAnswered):
            self.engine.send(HangUp(leg))
            ended = self._ended(leg)
        sound = "m=audio" in final.body and not all(
            line.startswith("m=audio 0 ") for line in final.body.splitlines() if line.startswith("m=audio")
        )
        wrong = voice and (ended.code != 200 or not sound)
        self._note(f"offer, {'a voice' if voice else 'no voice'}: 200, then {ended.code}", wrong, text)

    def _answered(self, text: str, refused: bool) -> None:
        """Be called by the door, and answer this."""
        del refused
        streams = Reader(text)
        voice = 0 in streams.voices(self.codecs, self.srtp if self.srtp == "required" else "off") and not (
            self.srtp != "off" and any("crypto" in line.lower() for line in text.splitlines())
        )
        voice = voice and streams.streams[0].keeps_numbers()
        leg = f"v.{self._count}"
        self.engine.send(PlaceCall(leg, f"far{self._count % len(self.far_ends)}", f"sip:201@{self.far.address}"))
        invite = self.far.wait("INVITE")
        self.far.answer(invite, 200, text)
        self._asked.clear()
        told = self._told(leg)
        if isinstance(told, CallAnswered):
            self.engine.send(HangUp(leg))
            told = self._ended(leg)
        again = ", asked again" if set(self._asked) - {invite.header("Via")} else ""
        what = f"answer, {'a voice' if voice else 'no voice'}: {told.code}{again}"
        self._note(what, bool(again) or (voice and told.code != 200), text)


def play(writer: Writer, srtp: str, times: int) -> Outcome:
    """Start an engine, play at it, and see that a good call stands before and after."""
    codecs = tuple(CODECS)
    with contextlib.ExitStack() as closing:
        far_ends = [closing.enter_context(contextlib.closing(FarEnd(f"127.0.0.{10 + n}"))) for n in range(FAR_ENDS)]
        accounts = [
            account(None, f"far{n}", domain=far.address, registrar_uri="", trust="address", srtp=srtp)
            for n, far in enumerate(far_ends)
        ]
        engine = closing.enter_context(running(*accounts, bind="127.0.0.1", codecs=codecs))
        for n in range(FAR_ENDS):
            engine.send(Register(f"far{n}"))
            engine.wait(LineUp)
        game = Game(engine, far_ends, srtp, codecs)
        game.find_door()
        outcome = game.play(writer, times)
        assert engine.process.poll() is None
        game.find_door()
        return outcome
