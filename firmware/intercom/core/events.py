# SPDX-License-Identifier: GPL-2.0-or-later
"""Facts, in the past tense: everything the core can be told.

An event says what happened; when it happened travels beside it (`now` of `step`), in seconds of CLOCK_MONOTONIC,
which both processes share. Do not subclass these. News of a call carries its leg, so late news cannot hit a successor.
"""

from dataclasses import field
from enum import StrEnum

from intercom.core.acoustics import Acoustics
from intercom.core.fast_dataclass import dataclass
from intercom.core.snapshot import Pending, Untold

IN_BAND = "in-band"
"""How a key comes that is a tone in the sound itself."""


@dataclass(frozen=True, slots=True)
class ButtonChanged:
    """An edge on a button's wire, not yet debounced."""

    button: str
    pressed: bool


@dataclass(frozen=True, slots=True)
class ButtonPressed:
    """A press that counts: a debounced one, or one made by an operator."""

    button: str
    by: str
    """"panel", or who asked for it over the control socket ("uid 0")."""


@dataclass(frozen=True, slots=True)
class SensorChanged:
    """An edge on a sensor's wire, not yet debounced; the first one tells its level at the start."""

    sensor: str
    """"exit front", "contact front", "tamper case"."""
    active: bool
    """Pressed, or open."""


@dataclass(frozen=True, slots=True)
class KeypadDigit:
    """A key of a keypad at the door: 0-9, * or #."""

    keypad: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BadgeRead:
    """A card was held before a reader at the door."""

    keypad: str
    number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CodeChecked:
    """What `CheckCode` has found."""

    check: int
    code: str
    """The name of the code that it is; empty for none."""
    expired: bool = False
    """Whether its last day is over, or nobody knows because the clock is not set."""


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """An operator on this machine wants a door released, or locked again."""

    door: str
    by: str
    """Who asked over the control socket ("uid 0")."""
    released: bool = True
    hold: bool = False


@dataclass(frozen=True, slots=True)
class VisitRestored:
    """The daemon before this one died in a visit; this is what it left behind."""

    pending: Pending


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """The door goes by another configuration from here on."""

    by: str
    changed: str
    """The sections that are others now: "accounts, calls"; empty when none is."""


@dataclass(frozen=True, slots=True)
class UnlockAsked:
    """An operator has a source's codes heard again; every source's for an empty name."""

    source: str
    by: str


@dataclass(frozen=True, slots=True)
class HangUpRequested:
    """An operator on this machine wants the visit to end."""

    by: str


@dataclass(frozen=True, slots=True)
class CallRequested:
    """An operator on this machine wants somebody to be called from the door."""

    target: str
    by: str


@dataclass(frozen=True, slots=True)
class ProfilesChanged:
    """Other time profiles are active from now on."""

    active: tuple[str, ...]
    known: bool
    """False while the clock is not set: then nobody knows, and everybody is rung."""


@dataclass(frozen=True, slots=True)
class ConditionBegan:
    """Something about the machine is wrong. Told again with another detail, it goes on."""

    condition: str
    """"disk", "temperature", "supply", "clock", "network", "names home" ..."""
    detail: str


@dataclass(frozen=True, slots=True)
class ConditionEnded:
    """It is well again. Told without a beginning, it changes nothing."""

    condition: str


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """An address or a route came or went, and there is a network now."""

    detail: str


@dataclass(frozen=True, slots=True)
class ServersFound:
    """A name server told where an account's server is (RFC 3263): the best first."""

    account: str
    servers: tuple[str, ...]
    """"192.0.2.1:5060", "[2001:db8::1]:5060"; never empty."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A deadline may have come. Harmless at any moment."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The service manager or an operator wants the daemon to end."""

    reason: str


@dataclass(frozen=True, slots=True)
class EngineStarted:
    """A voice engine is up, configured, and knows nothing of what went before."""

    versions: str
    """What is in it, for the journal: "PJSIP 2.17, opus, ..."."""


@dataclass(frozen=True, slots=True)
class EngineLost:
    """The voice engine's process is gone: every call and registration it held is gone with it."""

    reason: str


@dataclass(frozen=True, slots=True)
class EngineHeartbeat:
    """The voice engine's loop went round. It feeds the watchdog and changes nothing."""

    written: int = 0
    """Bytes that it has had written to disks so far (`process/disk_io.py`)."""


@dataclass(frozen=True, slots=True)
class LineUp:
    """A registrar accepted (or renewed) our registration; or an account without one is ready."""

    account: str
    took_ms: float
    """From REGISTER sent to its final 200, in milliseconds; 0 where nothing had to be sent."""
    expires_s: int


@dataclass(frozen=True, slots=True)
class LineLost:
    """A registration failed or was refused."""

    account: str
    code: int
    """SIP status, or 408/503 where PJSIP stands in for an answer that never came."""
    reason: str
    silent: bool = False
    """Whether nothing came from the server at all: no answer, no connection."""
    retry_after_s: float = 0.0
    """How long the server asks to be left alone (Retry-After, RFC 3261 section 20.33); 0 when it does not say."""


@dataclass(frozen=True, slots=True)
class ServerResponded:
    """The account's server answered an OPTIONS, or let us connect: it lives (RFC 3261 section 11)."""

    account: str
    took_ms: float
    server: str = ""
    """Which it was: "192.0.2.1:5060"."""


@dataclass(frozen=True, slots=True)
class MessageDelivered:
    """A MESSAGE got its final answer (RFC 3428)."""

    account: str
    target: str
    code: int
    number: int = 0
    """That of the order; 0 for an answer to what somebody wrote."""


@dataclass(frozen=True, slots=True)
class UntoldFound:
    """The daemon before this one left texts behind that nobody had taken."""

    untold: Untold


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """Somebody sent the door a MESSAGE (RFC 3428)."""

    account: str
    sender: str
    """User of the From header where its host is the account's server, else `user@host`. Forgeable by itself."""
    source: str
    """IP address and port that it came from."""
    trusted: bool
    """Whether `source` is the server that this account is registered with."""
    text: str = field(repr=False)
    """May hold a code."""
    asserted: str = ""
    """Whom the server vouches for (RFC 3325); empty: it does not say."""


@dataclass(frozen=True, slots=True)
class CallSent:
    """The INVITE of a leg is on the wire."""

    leg: str


@dataclass(frozen=True, slots=True)
class CallProgressed:
    """A provisional answer: 100 to 199 (RFC 3261 section 21.1)."""

    leg: str
    code: int


@dataclass(frozen=True, slots=True)
class EarlyMediaBegan:
    """Sound of the far end's own flows before the answer: packets, not only an SDP that may promise them.

    Told again every two seconds as long as it does.
    """

    leg: str


@dataclass(frozen=True, slots=True)
class EarlyMediaEnded:
    """That sound has stopped, and nobody has answered yet."""

    leg: str


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """A leg is up: 200 and ACK have passed."""

    leg: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A leg is gone, whoever ended it."""

    leg: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class CallRedirected:
    """A leg is gone: the far end names others to be called instead (RFC 3261 section 21.3)."""

    leg: str
    code: int
    """300 to 399."""
    contacts: tuple[str, ...]
    """Their SIP URIs, the best first. Whether to call them is nobody's but the core's to say."""


@dataclass(frozen=True, slots=True)
class CallArrived:
    """Somebody calls the door. Nothing has been answered yet."""

    leg: str
    account: str
    caller: str
    """User of the From header where its host is the account's server, else `user@host`. Forgeable by itself."""
    source: str
    """IP address and port that the INVITE came from."""
    trusted: bool
    """Whether `source` is the server that this account is registered with."""
    shown: str = ""
    """Name and number as a phone would show them; decides nothing."""
    diverted: str = ""
    """Whom the call was for before it was forwarded to the door; decides nothing."""
    asserted: str = ""
    """Whom the server vouches for (RFC 3325); empty: it does not say."""


@dataclass(frozen=True, slots=True)
class CallRejected:
    """Somebody called the door, and the call was refused for what it offered, before anybody was asked."""

    account: str
    """Empty where nobody knows through which."""
    caller: str
    source: str
    """IP address and port that the INVITE came from; empty where that is not known."""
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class UnknownSourcesDropped:
    """Nobody whom an account knows sent SIP to the door, and got no answer. Told once an hour at most."""

    count: int
    """Packets and connections since the last time it was told."""
    source: str
    """IP address of the last one."""
    request: str
    """What it was: "INVITE", "REGISTER", or "something"."""
    causes: str = ""
    """How many of them there were of each kind, in words."""


@dataclass(frozen=True, slots=True)
class DigitReceived:
    """A key of the phone: 0-9, A-D, * or #."""

    leg: str
    digit: str = field(repr=False)
    method: str
    """"RFC 4733", "SIP INFO" or "in-band"."""


@dataclass(frozen=True, slots=True)
class KeysUnread:
    """A phone sends keys in a way that nobody here can read. Told once for each leg."""

    leg: str
    method: str
    """"RFC 4733" or "SIP INFO"."""


@dataclass(frozen=True, slots=True)
class AudioFlowed:
    """The first sound of a leg passed the card: "in" from the phone, "out" to it."""

    leg: str
    direction: str


@dataclass(frozen=True, slots=True)
class StreamMeasured:
    """How the packets of the leg that talks fare, since its stream began. Told every two seconds, and at its end."""

    leg: str
    codec: str
    """"opus", "g722", "pcma" or "pcmu"."""
    held: bool
    """Whether one side has the call on hold: then silence is meant."""
    sent: int
    received: int
    """Packets."""
    lost: int
    """Packets that did not come, or too late."""
    lost_there: int
    """Packets of ours that did not arrive, as the far end tells by RTCP (RFC 3550); 0 while it tells nothing."""
    still_s: float
    """Seconds since a packet was seen to have come; 0 on hold."""
    buffer_ms: float
    """Average delay of the jitter buffer."""
    jitter_ms: float
    """Average jitter of what is received."""
    round_trip_ms: float
    """Through the network, by RTCP; 0 while unknown."""
    source: str
    """Where its packets come from: IP address and port."""
    expected: str
    """Where its SDP said they would; the same, but behind NAT, or when something is wrong."""
    quiet_s: float = 0.0
    """Seconds since anything was seen to have come, RTP or RTCP; 0 on hold."""
    reports: int = 0
    """RTCP packets of the far end."""
    strangers: int = 0
    """RTP packets from hosts that are not the far end's; they are not heard."""
    pausing: bool = False
    """Whether its last packet was comfort noise, which says that silence follows (RFC 3389)."""
    sealed: int = 0
    """Packets in a row, up to now, that could not be decrypted (SRTP)."""


@dataclass(frozen=True, slots=True)
class SoundMeasured:
    """How the leg that talks sounds at the card. Told every two seconds, after `StreamMeasured`."""

    leg: str
    microphone: bool
    """Whether the microphone gave anything but digital silence in these two seconds."""
    heard: bool
    """Whether the far end's sound held anything but digital silence."""
    echo_db: float | None
    """Echo return loss enhancement so far: by how much the echo is weaker in what is sent than in the microphone,
    the median over the conversation; None while no echo was heard."""


@dataclass(frozen=True, slots=True)
class EchoPersisted:
    """The far end has heard itself for three seconds: this room's echo cannot be taken out."""

    leg: str
    echo_db: float
    """As in `SoundMeasured`."""


@dataclass(frozen=True, slots=True)
class AudioDeviceOpened:
    """The sound card runs, and is the clock of all audio from here on."""

    card: str


@dataclass(frozen=True, slots=True)
class AudioDeviceClosed:
    """The sound card is closed: no microphone is open."""


@dataclass(frozen=True, slots=True)
class AudioDeviceLost:
    """The sound card could not be opened, or died. A silent clock keeps calls alive meanwhile."""

    reason: str


@dataclass(frozen=True, slots=True)
class TraceRequested:
    """An operator on this machine wants to see the SIP of the next visit, or of the one under way."""

    by: str
    """Who asked over the control socket ("uid 0")."""
    lasts_s: float
    """The longest it may last, in seconds; 0 ends it."""


@dataclass(frozen=True, slots=True)
class SipMessageTraced:
    """A SIP message went out or came in while it is traced. It changes nothing."""

    at: float
    """Seconds of the Unix epoch."""
    sent: bool
    transport: str
    """"UDP", "TCP" or "TLS"."""
    local: str
    """IP address and port of ours; with TCP and TLS the port is that of UDP."""
    remote: str
    text: str
    """Without anything secret; one character for each byte."""


class SoundCheckKind(StrEnum):
    """What the sound is tried for."""

    TEST = "self test"
    REFERENCE = "reference"
    """A self test whose result the later ones are compared with."""
    LEVELS = "levels"
    PLAY = "play"


@dataclass(frozen=True, slots=True)
class SoundCheckRequested:
    """The hour has come, or an operator asks, to try the sound."""

    kind: SoundCheckKind
    by: str
    """"start", "daily", or who asked over the control socket ("uid 0")."""
    sound: str = ""
    """What is to be played: a tone's name or a file."""


@dataclass(frozen=True, slots=True)
class SweepHeard:
    """The sweep was played, and this is what the microphone heard of it."""

    heard: Acoustics


@dataclass(frozen=True, slots=True)
class LoudnessMeasured:
    """How loud it was in dBFS (a full-scale sine is -3). It changes nothing.

    In a trial it is the last tenth of a second, in a conversation the last second.
    """

    microphone_db: float
    loudspeaker_db: float


@dataclass(frozen=True, slots=True)
class AudioDevice:
    """A sound card, as the configuration would name it."""

    name: str
    label: str
    """What it calls itself."""
    inputs: int
    outputs: int
    """The most channels; 0 for none."""
    rates_hz: tuple[int, ...]
    """At which it can be opened; empty also while it is in use, because then nobody may try."""


@dataclass(frozen=True, slots=True)
class AudioDevicesListed:
    """The sound cards that there are. It changes nothing."""

    cards: tuple[AudioDevice, ...]
    in_use: bool
    """Whether the door had its card open, so that none was tried."""


@dataclass(frozen=True, slots=True)
class ReferenceFound:
    """A measurement of an earlier day, to compare with."""

    heard: Acoustics


@dataclass(frozen=True, slots=True)
class TonePlayed:
    """A one-shot tone has been played to its end."""

    tone: str


Event = (
    ButtonChanged | ButtonPressed | SensorChanged | KeypadDigit | BadgeRead | CodeChecked | ReleaseRequested
    | VisitRestored | UntoldFound | Reconfigured | HangUpRequested | CallRequested | UnlockAsked
    | ProfilesChanged | ConditionBegan | ConditionEnded | NetworkChanged
    | ServersFound | ServerResponded | MessageDelivered | MessageReceived | TimePassed | StopRequested | EngineStarted
    | EngineLost | EngineHeartbeat | LineUp
    | LineLost | CallSent | CallProgressed | EarlyMediaBegan | EarlyMediaEnded | CallAnswered | CallEnded
    | CallRedirected | CallArrived | CallRejected | DigitReceived | KeysUnread | UnknownSourcesDropped
    | AudioFlowed | StreamMeasured | SoundMeasured | EchoPersisted | AudioDeviceOpened | AudioDeviceClosed
    | AudioDeviceLost | TonePlayed
    | SoundCheckRequested | SweepHeard | LoudnessMeasured | ReferenceFound | AudioDevicesListed
    | TraceRequested | SipMessageTraced
)  # fmt: skip
