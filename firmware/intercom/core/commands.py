# SPDX-License-Identifier: GPL-2.0-or-later
"""Orders, in the imperative: everything the core can want. The shell carries them out and asks nothing back.

Two kinds: one-shots (place this call, play this tone once) and levels (this is how the audio, the strike, the lamp
shall be from now on). Levels are idempotent, so they can be sent again to a voice engine that starts anew.
"""

from dataclasses import field
from enum import StrEnum

from intercom.core.acoustics import Acoustics
from intercom.core.door_state import AccessLedger
from intercom.core.fast_dataclass import dataclass
from intercom.core.snapshot import Pending, Press, Untold


class Tone(StrEnum):
    """Sounds of the door, by what they tell the visitor. Each tells one thing only."""

    CHIME = "chime"
    RINGBACK = "ringback"
    STILL_RINGING = "still-ringing"
    NO_LINE = "no-line"
    BUSY = "busy"
    DECLINED = "declined"
    NOT_FOUND = "not-found"
    UNANSWERED = "unanswered"
    UNREACHABLE = "unreachable"
    LISTENING = "listening"
    WARNING = "warning"
    DOOR_OPEN = "door-open"
    CLOSING = "closing"
    CLOSE_DOOR = "close-door"
    WRONG_CODE = "wrong-code"


class Lamp(StrEnum):
    """Patterns of the lamp at the button."""

    OFF = "off"
    READY = "ready"
    NO_LINE = "no-line"
    CALLING = "calling"
    RINGING = "ringing"
    TALKING = "talking"
    DOOR_OPEN = "door-open"
    REFUSED = "refused"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Audio:
    """How the sound shall be: a level, derived from the state alone (`state.audio`)."""

    card: bool = False
    """Whether the card is open at all. Closed means no microphone anywhere."""
    hear: str = ""
    """The leg whose sound goes to the loudspeaker."""
    speak: str = ""
    """The leg that hears the microphone. Set only in a conversation."""
    loop: Tone | None = None
    """A tone repeated until this level changes."""
    half_duplex: bool = False
    """Whether only one side is heard at a time: in a room whose echo cannot be taken out."""
    trial: str = ""
    """What the sound is tried for, with nobody there: a `SoundCheckKind`."""


@dataclass(frozen=True, slots=True)
class PlaceCall:
    """Send an INVITE to `target` ("201", "sip:201@host") through `account`."""

    leg: str
    account: str
    target: str
    button: str = ""
    """Which button it is for: phones show its name, and may ring in its own way."""


@dataclass(frozen=True, slots=True)
class AnswerCall:
    """Accept the call that arrived as `leg`."""

    leg: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """End a leg in the way its stage asks for: refuse with `code`, CANCEL, or BYE. Unknown legs are no error."""

    leg: str
    code: int = 0
    elsewhere: bool = False
    """Whether somebody else answered: the phone then shows no missed call."""


@dataclass(frozen=True, slots=True)
class Register:
    """Try to register `account` now."""

    account: str
    anew: bool = False
    """Whether an attempt under way that has waited for long is given up for it: that one's server was not there."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask the account's server whether it lives, with OPTIONS; `ServerResponded` follows, or nothing."""

    account: str


@dataclass(frozen=True, slots=True)
class Knock:
    """See whether anything is there again, at any of these addresses; `ServerResponded` follows, or nothing."""

    account: str
    servers: tuple[str, ...]
    """"192.0.2.1:5060"; none: wherever the account's server is known to be."""


@dataclass(frozen=True, slots=True)
class SelectServer:
    """Send everything of `account` to this address from now on, whatever its name says."""

    account: str
    server: str
    """"192.0.2.1:5060"; empty: find it by name."""
    others: tuple[str, ...] = ()
    """Where else its name leads: those may call the door, too."""


@dataclass(frozen=True, slots=True)
class RebindTransports:
    """The machine's addresses are others now: bind anew."""


@dataclass(frozen=True, slots=True)
class RequestConfirmation:
    """Play the leg that just answered a sign to press 1, over and over, until it is connected or gone."""

    leg: str


@dataclass(frozen=True, slots=True)
class SendDtmf:
    """Press keys on a leg that answered, one after the other; `w` is a pause of half a second."""

    leg: str
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send a MESSAGE (RFC 3428) to `target` through `account`; `MessageDelivered` follows."""

    account: str
    target: str
    text: str
    number: int = 0
    """Comes back with the answer."""


@dataclass(frozen=True, slots=True)
class NotifyOutage:
    """Tell an extension which presses reached nobody, and between which instants; the shell knows the hours."""

    account: str
    target: str
    presses: tuple[Press, ...]
    more: int
    """How many presses there were before these."""
    began_at: float
    """Not later than the first of the presses; of an earlier boot where that is."""
    ended_at: float
    number: int = 0
    """Comes back with the answer, as that of `SendMessage`."""


@dataclass(frozen=True, slots=True)
class NotifyUnanswered:
    """Tell an extension that somebody rang and nobody came; the shell knows the hour."""

    account: str
    target: str
    door: str
    """What people call the button."""
    press: Press
    number: int = 0


@dataclass(frozen=True, slots=True)
class SaveVisit:
    """Note the visit where the next daemon finds it, before anything else happens to it; None when it is over."""

    pending: Pending | None


@dataclass(frozen=True, slots=True)
class KeepUntold:
    """Note what is still to be told by text, where the next daemon finds it."""

    untold: Untold


@dataclass(frozen=True, slots=True)
class CheckCode:
    """Compare what was keyed with the codes; `CodeChecked` follows, with this number."""

    check: int
    entry: str = field(repr=False)
    """Digits, or a card's number behind `codes.CARD`."""


@dataclass(frozen=True, slots=True)
class SaveLedger:
    """Note uses of codes and lock-outs where they survive a loss of power."""

    ledger: AccessLedger


@dataclass(frozen=True, slots=True)
class StopEngine:
    """End every call, unregister, and leave."""


@dataclass(frozen=True, slots=True)
class PlayTone:
    """Play a tone once, before anything looped, over nothing but silence."""

    tone: Tone


@dataclass(frozen=True, slots=True)
class PlayFile:
    """Play a sound once: a tone's name, or a WAV file of ours; `TonePlayed` with the same name follows."""

    sound: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """Play the sweep of the self test as soon as the card is open, and listen; `SweepHeard` follows."""


@dataclass(frozen=True, slots=True)
class ListAudioDevices:
    """Say which sound cards there are, and what they can do; `AudioDevicesListed` follows."""


@dataclass(frozen=True, slots=True)
class SaveReference:
    """Keep a measurement for later ones to be compared with."""

    heard: Acoustics


@dataclass(frozen=True, slots=True)
class SetAudio:
    """Make the sound so."""

    audio: Audio


@dataclass(frozen=True, slots=True)
class SetTrace:
    """Tell what is sent and received as SIP from now on (`SipMessageTraced`), or no more."""

    on: bool


@dataclass(frozen=True, slots=True)
class SetStrike:
    """Release the door's strike, or lock it."""

    door: str
    released: bool


@dataclass(frozen=True, slots=True)
class SetLamp:
    """Show a pattern."""

    lamp: Lamp


@dataclass(frozen=True, slots=True)
class SetStatus:
    """What `systemctl status` shows in one line."""

    text: str


class Kind(StrEnum):
    """Kinds of journal records. Each has one MESSAGE_ID for ever (adapters/systemd/records.py)."""

    STARTED = "started"
    STOPPING = "stopping"
    ENGINE_STARTED = "engine-started"
    PRESS_ACCEPTED = "press-accepted"
    PRESS_ANSWERED = "press-answered"
    """A press that started no visit of its own, and what it got instead."""
    CALL_ARRIVED = "call-arrived"
    CALL_REFUSED = "call-refused"
    STRANGERS_REFUSED = "strangers-refused"
    CALL_PLACED = "call-placed"
    CALL_RINGING = "call-ringing"
    CALL_ANSWERED = "call-answered"
    CALL_UNCONFIRMED = "call-unconfirmed"
    """Something answered, and has yet to show that it is a person."""
    CALL_ENDED = "call-ended"
    CALL_REDIRECTED = "call-redirected"
    """A server sends a call on, and the door follows."""
    REDIRECT_REFUSED = "redirect-refused"
    ONE_WAY = "one-way"
    """Somebody talks and is not heard."""
    HALF_DUPLEX = "half-duplex"
    """The echo could not be taken out: from here on one side is heard at a time."""
    SOUND_LOST = "sound-lost"
    """Nothing of a phone's has come for so long that its call is ended."""
    KEYS_UNREAD = "keys-unread"
    """A phone sends keys in a way that nobody here can read."""
    CODE_WRONG = "code-wrong"
    LOCKED_OUT = "locked-out"
    """A source has keyed so many wrong codes that nobody listens to it for a while."""
    LOCK_LIFTED = "lock-lifted"
    """Somebody on this machine has a source heard again."""
    GUESSING = "guessing"
    """A condition: somebody tries codes out."""
    DOOR_RELEASED = "door-released"
    DOOR_LOCKED = "door-locked"
    DOOR_OPENED = "door-opened"
    DOOR_CLOSED = "door-closed"
    DOOR_FORCED = "door-forced"
    """The three below are conditions: they begin so, and end like any other."""
    DOOR_HELD = "door-held"
    TAMPERED = "tampered"
    VISIT_ENDED = "visit-ended"
    VISIT_RESUMED = "visit-resumed"
    """A visit goes on that was cut by a crash: of the voice engine or of the daemon."""
    OUTAGE_TOLD = "outage-told"
    TEXT_SENT = "text-sent"
    """A person was told of something by text."""
    TEXT_FAILED = "text-failed"
    TEXT_ARRIVED = "text-arrived"
    TEXT_REFUSED = "text-refused"
    CONFIGURED = "configured"
    """The door goes by another configuration."""
    HUNG_UP = "hung-up"
    """An operator ended a visit."""
    LINE_UP = "line-up"
    CONDITION_BEGAN = "condition-began"
    CONDITION_ENDED = "condition-ended"
    CARD_OPENED = "card-opened"
    CARD_CLOSED = "card-closed"
    TRIAL_BEGAN = "trial-began"
    TRIAL_ENDED = "trial-ended"
    """A self test, or what else an operator does with the sound; also one that was refused."""
    TRACE_BEGAN = "trace-began"
    TRACE_ENDED = "trace-ended"
    """Somebody looked at the door's SIP."""


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the journal. Field names are lower case here and become `INTERCOM_...` there."""

    kind: Kind
    fields: dict[str, str | int | float | dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exit:
    """Leave the program: everything that had to be done is done."""


Command = (
    PlaceCall | AnswerCall | HangUp | Register | Probe | Knock | SelectServer | RebindTransports | RequestConfirmation
    | SendDtmf | SendMessage | StopEngine | PlayTone | SetAudio | SetStrike | SetLamp | SetStatus | SaveVisit
    | KeepUntold | SaveLedger | CheckCode | NotifyOutage | NotifyUnanswered | Report | Exit | PlayFile | Sweep
    | ListAudioDevices | SaveReference | SetTrace
)  # fmt: skip
EngineCommand = (
    PlaceCall | AnswerCall | HangUp | Register | Probe | Knock | SelectServer | RebindTransports | RequestConfirmation
    | SendDtmf | SendMessage | StopEngine | PlayTone | SetAudio | PlayFile | Sweep | ListAudioDevices | SetTrace
)  # fmt: skip
