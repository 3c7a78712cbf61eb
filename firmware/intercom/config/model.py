# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration as the program sees it: frozen, complete and checked. `config/loader.py` makes it from a TOML file.

Every key of the file is a field of the same name here, and its section is the class. `key` is the word after the dot
of a section's name: "front" in `[buttons.front]`. Three keys are worked out at once: `targets` of a button become its
only stage, `from` and `to` of a profile become minutes.
"""

from collections.abc import Collection
from dataclasses import field
from datetime import date, datetime
from typing import Literal

from intercom.config import validators
from intercom.core.fast_dataclass import dataclass

OWN = "own"
"""In `redirects`: the account's own server."""
Transport = Literal["udp", "tcp", "tls"]
Srtp = Literal["off", "optional", "required"]
SrtpKeys = Literal["sdes", "dtls"]
Pull = Literal["up", "down"]
Active = Literal["high", "low"]
Shut = Literal["closed", "open"]
Holidays = Literal["also", "never", "only"]
Identity = Literal["none", "preferred", "asserted"]
CallerIs = Literal["both", "from", "asserted"]
Trust = Literal["contact", "address"]
Country = Literal[
    "eu", "ar", "at", "au", "be", "br", "ch", "cn", "cz", "de", "es", "fi", "fr", "gr", "hu", "ie", "in", "it", "jp",
    "kr", "nl", "no", "nz", "pl", "pt", "se", "uk", "us", "za",
]  # fmt: skip
Codec = Literal["opus", "g722", "pcma", "pcmu"]


class Secret:
    """A password or a code. It shows as three asterisks wherever it is printed by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself: only for the one who has to hand it over or compare with it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> str:
        # A pickled or copied secret would travel in the clear.
        raise TypeError("a secret is not pickled or copied")


@dataclass(frozen=True, slots=True)
class Account:
    """One SIP account, `[accounts.KEY]`. Their order in the file is the order of preference."""

    key: str
    server: str
    """Registrar and proxy: host name or IP address, with ":port" where it is not the transport's own."""
    user: str
    """User part of the door's own address; it is also the name to log in with, unless `login` says another."""
    password: Secret = field(default_factory=Secret)
    """What to log in with, from `password`, `password_file` or `credential`; empty where the server asks for none."""
    transport: Transport = "udp"
    """How SIP travels. With "tls" the server's certificate and its name are verified."""
    register: bool = True
    """Whether to register; false for a server that knows the door by its address."""
    expires_s: int = 300
    """How long a registration is asked to last, in seconds."""
    proxy: str = ""
    """An outbound proxy, host or host:port; empty for none."""
    callers: tuple[str, ...] = ()
    """Users who may call the door through this account; "*" is anyone whom the server lets through. "201@pbx.example"
    is somebody of another server's than the account's."""
    caller_is: CallerIs = "both"
    """Who a caller or texter is: "from", the From header; "asserted", whom the server vouches for (RFC 3325), where it
    does; "both": those two have to be among the allowed ones, where there are two."""
    trust: Trust = "contact"
    """What a call or a text is known by: "contact", the secret Contact that the door registers, or "address", the
    server's IP address, for a server that is not registered with or that does not send the Contact back."""
    addresses: tuple[str, ...] = ()
    """With `trust = "address"`: IP addresses and networks that the server calls from besides those of its name."""
    domains: tuple[str, ...] = ()
    """Further hosts that stand behind the `@` of the server's own users, where those are not its name or address."""
    identity: Identity = "none"
    """Which header tells the server who calls: "none", or RFC 3325's "preferred" or "asserted" (for trunks)."""
    presence: bool = False
    """Whether the server is told whether the door is on the phone, for whoever watches it there (PUBLISH)."""
    ice: bool = False
    """Whether both sides try every way between them for the sound (ICE); for servers on the other side of a NAT."""
    turn: str = ""
    """A TURN server that the sound goes through where nothing else works, as IP address:port; empty for none."""
    turn_user: str = ""
    """The name to log in with at the TURN server."""
    turn_password: Secret = field(default_factory=Secret)
    """What to log in with there, from `turn_password`, `turn_password_file` or `turn_credential`."""
    redirects: tuple[str, ...] = ()
    """Where the server may send a call on (302): "own" to those of its users whom this configuration calls anyway,
    numbers of its own ("20?"), hosts, addresses and networks. Nowhere unless told."""
    ca_file: str = ""
    """The authorities that may sign the server's certificate, or that certificate itself (PEM); empty: the system's."""
    cert_file: str = ""
    """The door's own certificate, for a server that asks for one (PEM); empty for none."""
    key_file: str = ""
    """The key of that certificate (PEM)."""
    srtp: Srtp = "off"
    """Whether the sound is encrypted: "off", "optional" where the other side can, "required" or there is no call."""
    srtp_keys: SrtpKeys = "sdes"
    """How its keys are agreed on when the door calls: "sdes", or "dtls" as browsers do. It answers both."""
    keys_in_band: bool = False
    """Whether keys count that phones send as tones in the sound itself (ITU-T Q.23), for those that know no better."""
    texters: tuple[str, ...] = ()
    """Users who may text the door: "status", or "open" and a code, which then needs no visit. Texts are not encrypted
    unless the transport is."""
    login: str = ""
    """What to log in with where that is not the user: providers' logins, 3CX's authentication IDs; empty: the user."""

    @property
    def auth_user_name(self) -> str:
        """The name that goes with the password."""
        return self.login or self.user

    @property
    def large(self) -> bool:
        """Whether a call may be larger than one packet: over UDP, with a line for each address of ours."""
        return self.transport == "udp" and (self.ice or bool(self.turn))


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody to call under a word of our own, `[contacts.KEY]`: a target that is a contact's key means this one."""

    key: str
    call: str
    """A user of the account's server ("400") or a whole address."""
    then: Secret = field(default_factory=Secret)
    """Keys to press once it has answered, from `then`, `then_file` or `credential`: an extension that an attendant asks
    for, or a conference's PIN. The journal tells the contact's key, never these. Nobody else gets them, a caller of
    that name or whom a server sends the call on to."""


@dataclass(frozen=True, slots=True)
class StageConfig:
    """Whom a press calls at once, before the next stage's turn: one entry of a button's `stages`."""

    targets: tuple[str, ...]
    """Whom to call, all at once: users of the account's server ("201") or whole addresses ("sip:202@host")."""
    ring_s: float
    """How long they ring before it is the next stage's turn, in seconds; that of `[calls]` unless told otherwise."""
    when: str = ""
    """Key of the profile in whose hours this stage counts; empty: always."""


@dataclass(frozen=True, slots=True)
class Button:
    """One button of the panel, `[buttons.KEY]`."""

    key: str
    pin: str
    """Where it is wired: a BCM number ("GPIO17") or any other name gpiozero knows ("BOARD11", "J8:11")."""
    stages: tuple[StageConfig, ...]
    """Whom a press calls, one stage after the other; plain `targets` are one stage that always counts."""
    fallback: tuple[str, ...]
    """Whom a press calls, all at once, when no stage counts at that hour; everybody unless told otherwise."""
    confirm: bool = False
    """Whether who answers must press 1 before the visitor is through: for targets with an answering machine."""
    pull: Pull = "up"
    """The resistor inside the Pi: "up" for a button to ground, "down" for one to 3.3 V."""
    name: str = ""
    """What people call it, and what phones show when it rings; the key unless told otherwise."""
    ring: str = ""
    """The Alert-Info header that makes phones ring in a way of their own; empty: none."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Everybody whom a press may ever call, each once, in the order of the stages and the fallback last."""
        groups = [*(stage.targets for stage in self.stages), self.fallback]
        return tuple(dict.fromkeys(target for group in groups for target in group))


@dataclass(frozen=True, slots=True)
class Profile:
    """Hours of the week, `[profiles.KEY]`, in which a stage counts. All in local time."""

    key: str
    days: frozenset[int] = frozenset(range(7))
    """The days on which these hours begin; Monday is 0."""
    start_minute: int = 0
    """The first minute that belongs to it, from `from`, in minutes after midnight, 0 to 1439."""
    end_minute: int = 1440
    """The first minute that no longer does, from `to`, likewise, 0 to 1440; at or before the start: of the next day."""
    holidays: Holidays = "also"
    """What a day's being a holiday changes: "also" nothing, "never" begins on none, "only" begins on no other day."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days that are special, `[calendar]`."""

    holidays: frozenset[date] = frozenset()
    """The days that profiles may treat as holidays."""


@dataclass(frozen=True, slots=True)
class Door:
    """One strike, `[doors.KEY]`."""

    key: str
    strike_pin: str
    """Where the strike's relay is wired, named like a button's pin."""
    active: Active = "high"
    """The level that releases the door. The other one is set from the first moment on."""
    pulse_s: float = 4.0
    """How long the strike is released, in seconds."""
    hold_s: float = 3600.0
    """How long it may be held released, by a code with `hold` or by an operator, in seconds."""
    exit_pin: str = ""
    """Where the exit button inside is wired, between this pin and ground; empty for none."""
    contact_pin: str = ""
    """Where the door contact is wired, between this pin and ground; empty for none."""
    contact_shut: Shut = "closed"
    """What the contact is while the door is shut; "closed" notices a wire that was cut."""
    handle: bool = False
    """Whether the door also opens by a handle or a key; if not, opening it unreleased is reported as forced."""
    held_s: float = 60.0
    """How long the door may stand open before that is reported, in seconds."""


@dataclass(frozen=True, slots=True)
class Code:
    """One code that releases doors when it is keyed on the phone or at the door, `[codes.KEY]`.

    The journal tells the key.
    """

    key: str
    secret: Secret
    """The digits, or their hash, from `secret`, `secret_file` or `credential`."""
    doors: tuple[str, ...]
    """Keys of the doors that it releases, from `door` or `doors`; may be left out where there is only one."""
    when: str = ""
    """Key of the profile in whose hours it counts; empty: always."""
    expires: datetime | None = None
    """When it ends to count, in local time: the end of a day, or a minute."""
    uses: int = 0
    """How often it may be used; 0: for ever."""
    hold: bool = False
    """Whether it holds its doors released until it is keyed again, or for their `hold_s`."""


@dataclass(frozen=True, slots=True)
class Tamper:
    """A switch that tells when a housing is opened, `[tampers.KEY]`."""

    key: str
    pin: str
    """Where it is wired, between this pin and ground."""
    shut: Shut = "closed"
    """What the switch is while the housing is shut; "closed" notices a wire that was cut."""


@dataclass(frozen=True, slots=True)
class Keypad:
    """A keypad or a reader at the door, `[keypads.KEY]`: either `rows` and `columns`, or `data0` and `data1`."""

    key: str
    rows: tuple[str, ...] = ()
    """Where the four rows of a matrix of keys are wired, from the top."""
    columns: tuple[str, ...] = ()
    """Where its three or four columns are wired, from the left."""
    data0: str = ""
    """Where the wire for noughts of a Wiegand keypad or reader is, at 3.3 V."""
    data1: str = ""
    """Where its wire for ones is."""


@dataclass(frozen=True, slots=True)
class LampConfig:
    """The lamp at the button, `[lamp]`; a door without this section has none."""

    pin: str = ""
    """Where the lamp is wired, named like a button's pin; empty for one of three colours."""
    active: Active = "high"
    """The level that lights it."""
    red: str = ""
    """Where the red one of three colours is wired."""
    green: str = ""
    """Where the green one is wired."""
    blue: str = ""
    """Where the blue one is wired."""


@dataclass(frozen=True, slots=True)
class Calls:
    """How a visit runs, `[calls]`."""

    ring_s: float = 30.0
    """How long phones ring, in seconds, in a stage that does not say; after the last stage the visitor is told."""
    talk_s: float = 120.0
    rtp_timeout_s: float = 20.0
    """How long a conversation may last before the warning tone, in seconds."""
    warn_s: float = 10.0
    """How long it may go on after the warning tone, in seconds."""
    patience_s: float = 60.0
    """How long a press waits for a line that is down, in seconds. By as much at most a stage is prolonged where calls
    have to take another way."""
    confirm_s: float = 10.0
    """How long a call that was picked up has to key 1, where a button has `confirm`, even when its stage is over then;
    in seconds."""
    debounce_ms: int = 20
    """How long a button's wire has to hold still to count, in milliseconds."""
    code_pause_s: float = 5.0
    """The longest pause between two digits of a code, in seconds."""
    wrong_codes: int = 3
    """How many wrong codes a visit may hear before it is deaf to more."""
    text_missed_to: str = ""
    """Who gets a text after an outage in which somebody pressed for nothing: one target; empty for nobody."""
    deaf_days: int = 3
    """How long a target may be called without ever ringing before that is reported, in days."""
    stuck_s: float = 60.0
    """How long a button may be held before it is reported as stuck, in seconds."""
    probe_s: float = 20.0
    """How often a server is asked whether it lives, one in the house by registering anew, in seconds."""
    text_unanswered_to: str = ""
    """Who gets a text when somebody rang and nobody came: one target; empty for nobody."""
    emergency: tuple[str, ...] = ()
    """Targets that look like emergency numbers and may be called all the same: extensions such as "112"."""
    wrong_codes_lately: int = 5
    """How many wrong codes a phone or a keypad may give at once; they come back within a quarter of an hour."""
    reminder_s: float = 60.0
    """How long a tone asks for a door to be closed that stands open, in seconds; 0 for no tone."""


@dataclass(frozen=True, slots=True)
class SoundConfig:
    """The sound card and what passes it, `[sound]`."""

    input: str = ""
    """The microphone's card by its name in /proc/asound/cards; empty for the system's default."""
    output: str = ""
    """The loudspeaker's card, likewise."""
    microphone_db: float = 0.0
    """Added to what the microphone gives, in dB."""
    loudspeaker_db: float = 0.0
    """Added to what the loudspeaker gets, in dB."""
    mixer: tuple[str, ...] = ()
    """Levels of the cards' own mixers, such as "Speaker = 80%", set at the start and whenever a card appears."""
    period_ms: Literal[10, 20] = 10
    """Length of one piece of sound, in milliseconds: 10 is quicker, 20 kinder to a slow Pi."""
    echo_cancelling: bool = True
    """Whether the loudspeaker is taken out of the microphone."""
    gain_control: bool = True
    """Whether a visitor who speaks softly is brought to a usual loudness, by 12 dB at most."""
    country: Country = "eu"
    """Whose telephone tones the visitor hears."""
    test_at: str = "10:30"
    """When the sound is tested each day, in local time; empty for never."""
    test_at_start: bool = True
    """Whether it is tested soon after the start, too, between 8 and 21 o'clock."""
    codecs: tuple[Codec, ...] = ("opus", "g722", "pcma", "pcmu")
    """What is offered, the best first."""


@dataclass(frozen=True, slots=True)
class Sounds:
    """What the visitor hears, `[sounds]`: a WAV file for each tone, as a whole path; empty: the built-in one."""

    chime: str = ""
    """Played when somebody pressed, and it goes out."""
    ringback: str = ""
    """Played when it rings at the other end: repeated, so it should end with a pause."""
    still_ringing: str = ""
    """Played when somebody presses again while it rings."""
    no_line: str = ""
    """Played when there is no line, and the visitor has to wait."""
    busy: str = ""
    """Played when everybody is busy."""
    declined: str = ""
    """Played when somebody declined."""
    not_found: str = ""
    """Played when the number does not exist."""
    unanswered: str = ""
    """Played when nobody answered."""
    unreachable: str = ""
    """Played when nobody could be reached."""
    listening: str = ""
    """Played when the house calls, and somebody will listen in a moment."""
    warning: str = ""
    """Played when the conversation ends soon."""
    door_open: str = ""
    """Played when the door is released."""
    wrong_code: str = ""
    """Played when a code keyed at the door opens nothing."""
    close_door: str = ""
    """Played over and over when the door was left open."""
    closing: str = ""
    """Played when the conversation is over."""
    folder: str = ""
    """Where a file for each tone is looked for that has none above, such as those of `intercom audio speak`."""


@dataclass(frozen=True, slots=True)
class Network:
    """The network, `[network]`."""

    bind: str = ""
    """The local IP address to use; empty for all."""


@dataclass(frozen=True, slots=True)
class Config:
    """All of it."""

    accounts: tuple[Account, ...]
    buttons: tuple[Button, ...]
    contacts: tuple[Contact, ...] = ()
    doors: tuple[Door, ...] = ()
    codes: tuple[Code, ...] = ()
    tampers: tuple[Tamper, ...] = ()
    keypads: tuple[Keypad, ...] = ()
    lamp: LampConfig | None = None
    profiles: tuple[Profile, ...] = ()
    calendar: Calendar = Calendar()
    calls: Calls = Calls()
    sound: SoundConfig = SoundConfig()
    sounds: Sounds = Sounds()
    network: Network = Network()
    name: str = "Door"
    """What phones show when the door calls."""
    warnings: tuple[str, ...] = ()
    """What is allowed but unwise, one line each."""
    missing: tuple[tuple[str, str], ...] = ()
    """What the door starts without, because a file or a credential that this names cannot be had: which, and why."""

    def address(self, target: str) -> str:
        """Return whom a target means: what its contact says, or itself."""
        return next((contact.call for contact in self.contacts if contact.key == target), target)


_USUAL_PORTS = {0, 5060, 5061}


def is_direct_ip(target: str, servers: Collection[str]) -> bool:
    """Whether a target is called straight at its IP address, past the accounts' `servers`.

    A host name never is: nobody can tell from it whether it leads to one of the servers.
    """
    address, port = validators.place(validators.server_of(target))
    if address is None:
        return False
    for server in servers:
        other, its = validators.place(server)
        # Who leaves the port out means the transport's own.
        if other == address and (its == port or (0 in {its, port} and {its, port} <= _USUAL_PORTS)):
            return False
    return True
