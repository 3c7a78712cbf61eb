# SPDX-License-Identifier: GPL-2.0-or-later
"""One function per section of the configuration: its keys, their limits, their defaults.

The defaults are the dataclasses' own; what is wrong is noted and something harmless returned, so that all of the file
is read.
"""

import os
import stat
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args

from intercom.config import gpio_pins, tls_files, validators
from intercom.config.model import (
    Account,
    Active,
    Button,
    Calendar,
    CallerIs,
    Calls,
    Code,
    Codec,
    Contact,
    Country,
    Door,
    Holidays,
    Identity,
    Keypad,
    LampConfig,
    Network,
    Profile,
    Pull,
    Shut,
    SoundConfig,
    Sounds,
    Srtp,
    SrtpKeys,
    StageConfig,
    Tamper,
    Transport,
    Trust,
)
from intercom.config.secrets import SecretReader
from intercom.config.toml_section import Section
from intercom.errors import SoundFileError

CHANGE_ME = "change-me"
"""The password in sample.toml, which no server should take."""
EASY = 6
"""Codes with fewer digits are guessed by hand."""


def account(key: str, section: Section, vault: SecretReader) -> Account:
    """Read `[accounts.KEY]`."""
    password = vault.fetch(section, "password", validators.PASSWORD, validators.is_password, needed=False)
    if password.reveal() == CHANGE_ME:
        section.problems.warn(f"{section.title} password", "is still the sample's")
    transport = section.choice("transport", default(Account, "transport"), get_args(Transport))
    srtp = section.choice("srtp", default(Account, "srtp"), get_args(Srtp))
    if srtp != "off" and transport != "tls":
        warning = 'its keys are there for everybody to read: without transport = "tls" it keeps out only the curious'
        section.problems.warn(f"{section.title} srtp", warning)
    found = Account(
        key=key,
        server=section.text("server", None, validators.SERVER, validators.is_server),
        user=section.text("user", None, validators.USER, validators.is_user),
        password=password,
        transport=transport,
        **tls_files.read(section, vault.folder, encrypted=transport == "tls"),
        srtp=srtp,
        srtp_keys=section.choice("srtp_keys", default(Account, "srtp_keys"), get_args(SrtpKeys)),
        register=section.flag("register", default(Account, "register")),
        expires_s=section.whole("expires_s", default(Account, "expires_s"), 60, 3600, "seconds"),
        proxy=section.text(
            "proxy", default(Account, "proxy"), f'{validators.SERVER}, or "" for none', validators.is_proxy
        ),
        callers=section.texts("callers", default(Account, "callers"), validators.CALLERS, validators.is_caller),
        trust=section.choice("trust", default(Account, "trust"), get_args(Trust)),
        addresses=section.texts(
            "addresses", default(Account, "addresses"), validators.ADDRESSES, validators.is_addresses
        ),
        caller_is=section.choice("caller_is", default(Account, "caller_is"), get_args(CallerIs)),
        domains=section.texts("domains", default(Account, "domains"), validators.DOMAINS, validators.is_domain),
        identity=section.choice("identity", default(Account, "identity"), get_args(Identity)),
        keys_in_band=section.flag("keys_in_band", default(Account, "keys_in_band")),
        presence=section.flag("presence", default(Account, "presence")),
        ice=section.flag("ice", default(Account, "ice")),
        turn=section.text("turn", default(Account, "turn"), validators.TURN, validators.is_turn),
        turn_user=section.text(
            "turn_user", default(Account, "turn_user"), validators.TURN_USER, validators.is_turn_user
        ),
        turn_password=vault.fetch(
            section,
            "turn_password",
            validators.PASSWORD,
            validators.is_password,
            needed=False,
            credential="turn_credential",
        ),
        redirects=section.texts(
            "redirects", default(Account, "redirects"), validators.REDIRECTS, validators.is_redirect
        ),
        login=section.text("login", default(Account, "login"), validators.LOGIN, validators.is_login),
        texters=section.texts("texters", default(Account, "texters"), validators.TEXTERS, validators.is_caller),
    )
    _warn_of_trust(found, section)
    _warn_of_transport(found, section)
    return found


def _warn_of_transport(account: Account, section: Section) -> None:
    """Say what UDP cannot do for this account."""
    if account.transport == "udp" and validators.is_this_machine(account.proxy or account.server):
        taken = "every user of this machine can take its place at that port"
        section.problems.warn(f"{section.title} transport", f'{taken}; "tcp" is safe from that')
    if account.large:
        text = "calls with ICE are larger than one packet, and a router may drop such: take tcp or tls if you can"
        section.problems.warn(f"{section.title} transport", text)


def _warn_of_trust(account: Account, section: Section) -> None:
    """Say what it means by what calls are known, to whoever lets somebody call or text."""
    title, warn = section.title, section.problems.warn
    if account.addresses and account.trust != "address":
        warn(f"{title} addresses", 'count only with trust = "address"')
    if not account.callers and not account.texters:
        return
    if account.trust == "address" and account.transport == "udp":
        forged = "whoever can write the server's address on a packet may call and text as anybody"
        warn(f"{title} trust", f'{forged}; "contact" or transport = "tls" is safe from that')
    if account.trust == "contact" and not account.register:
        warn(f"{title} trust", 'nobody can call or text: without a registration only trust = "address" lets anybody in')


def contact(key: str, section: Section, vault: SecretReader) -> Contact:
    """Read `[contacts.KEY]`."""
    return Contact(
        key=key,
        call=section.text("call", None, validators.TARGET, validators.is_target),
        then=vault.fetch(section, "then", validators.KEYS, validators.is_keys, needed=False),
    )


def button(key: str, section: Section, ring_s: float, profiles: tuple[str, ...]) -> Button:
    """Read `[buttons.KEY]`. Its phones ring for `ring_s` where it does not say; `profiles` are keys."""
    pin = _pin(section, "pin")
    pull = section.choice("pull", default(Button, "pull"), get_args(Pull))
    stages = _stages(section, ring_s, profiles)
    fallback = tuple(dict.fromkeys(target for stage in stages for target in stage.targets))
    if "fallback" in section and any(not stage.when for stage in stages):
        section.problems.warn(f"{section.title} fallback", "is never called: a stage without `when` counts at any hour")
    return Button(
        key=key,
        pin=pin,
        stages=stages,
        fallback=_targets(section, "fallback") if section.take("fallback") is not None else fallback,
        confirm=section.flag("confirm", default(Button, "confirm")),
        pull=pull,
        name=section.text("name", key, validators.NAME, validators.is_name),
        ring=section.text("ring", default(Button, "ring"), validators.RING, validators.is_ring),
    )


def _stages(section: Section, ring_s: float, profiles: tuple[str, ...]) -> tuple[StageConfig, ...]:
    """Read whom a button calls: `stages`, or `targets` for a single one."""
    staged, plain = (section.take(key) is not None for key in ("stages", "targets"))
    if staged and plain:
        section.problems.error(section.title, "targets and stages exclude each other; keep one")
        return ()
    if staged:
        return tuple(_stage(one, ring_s, profiles) for one in section.tables("stages", "stage", validators.STAGES))
    if plain:
        return (StageConfig(_targets(section, "targets"), ring_s),)
    section.complain("targets", f"a list of {validators.TARGETS}, none of them twice; or give stages")
    return ()


def _stage(section: Section, ring_s: float, profiles: tuple[str, ...]) -> StageConfig:
    """Read one of a button's `stages`."""
    stage = StageConfig(
        targets=_targets(section, "targets"),
        ring_s=section.number("ring_s", ring_s, 3, 300, "seconds"),
        when=_when(section, profiles),
    )
    section.close()
    return stage


def _when(section: Section, profiles: tuple[str, ...]) -> str:
    if section.take("when") not in (None, "") and not profiles:
        section.problems.error(f"{section.title} when", "there is no [profiles.NAME] that it could mean")
        return ""
    return section.choice("when", "", ("", *profiles))


def _targets(section: Section, key: str) -> tuple[str, ...]:
    return section.texts(key, None, validators.TARGETS, validators.is_target)


def profile(key: str, section: Section, calendar: Calendar) -> Profile:
    """Read `[profiles.KEY]`, whose holidays are those of `calendar`."""
    days = section.text("days", "mon-sun", validators.DAYS, validators.is_days)
    start = section.text("from", "00:00", validators.FROM, validators.is_from)
    end = section.text("to", "24:00", validators.TO, validators.is_to)
    holidays = section.choice("holidays", default(Profile, "holidays"), get_args(Holidays))
    if holidays == "only" and not calendar.holidays:
        section.problems.warn(f"{section.title} holidays", 'is "only", but [calendar] has none: it never counts')
    return Profile(key, validators.weekdays(days), validators.minute(start), validators.minute(end), holidays)


def calendar(section: Section) -> Calendar:
    """Read `[calendar]`."""
    return Calendar(holidays=section.dates("holidays", validators.DATES, validators.day))


def door(key: str, section: Section) -> Door:
    """Read `[doors.KEY]`."""
    read = Door(
        key=key,
        strike_pin=_pin(section, "strike_pin"),
        active=section.choice("active", default(Door, "active"), get_args(Active)),
        pulse_s=section.number("pulse_s", default(Door, "pulse_s"), 0.2, 30, "seconds"),
        hold_s=section.number("hold_s", default(Door, "hold_s"), 10, 86400, "seconds"),
        exit_pin=_pin(section, "exit_pin", needed=False),
        contact_pin=_pin(section, "contact_pin", needed=False),
        contact_shut=section.choice("contact_shut", default(Door, "contact_shut"), get_args(Shut)),
        handle=section.flag("handle", default(Door, "handle")),
        held_s=section.number("held_s", default(Door, "held_s"), 5, 86400, "seconds"),
    )
    for needless in ("contact_shut", "handle", "held_s"):
        if needless in section and section.take("contact_pin") is None:
            section.problems.warn(f"{section.title} {needless}", "does nothing without contact_pin")
    return read


def tamper(key: str, section: Section) -> Tamper:
    """Read `[tampers.KEY]`."""
    return Tamper(key, _pin(section, "pin"), section.choice("shut", default(Tamper, "shut"), get_args(Shut)))


def keypad(key: str, section: Section) -> Keypad:
    """Read `[keypads.KEY]`."""
    matrix, wiegand = ("rows" in section or "columns" in section), ("data0" in section or "data1" in section)
    if matrix and wiegand:
        section.problems.error(section.title, "rows and columns, or data0 and data1; not both")
    if wiegand and not matrix:
        return Keypad(key, data0=_pin(section, "data0"), data1=_pin(section, "data1"))
    for needless in ("data0", "data1"):
        section.take(needless)
    return Keypad(key, _pins(section, "rows", (4,)), _pins(section, "columns", (3, 4)))


def _pins(section: Section, key: str, counts: tuple[int, ...]) -> tuple[str, ...]:
    """Return a list of so many pins, as gpiozero names them."""
    value = section.take(key)
    items = value if isinstance(value, list) else []
    plain = [item for item in items if isinstance(item, str | int) and not isinstance(item, bool)]
    found = tuple(name for item in plain if (name := gpio_pins.canonical(item)) is not None)
    if len(found) == len(items) and len(found) in counts:
        return found
    number = " or ".join(map(str, counts))
    section.complain(key, f"a list of {number} pins, each {gpio_pins.ALLOWED}; or give data0 and data1")
    return ()


def code(key: str, section: Section, vault: SecretReader, doors: tuple[Door, ...], profiles: tuple[str, ...]) -> Code:
    """Read `[codes.KEY]`, which releases some of `doors`; `profiles` are keys."""
    secret = vault.fetch(section, "secret", validators.CODE, validators.is_secret, needed=True)
    text = secret.reveal()
    if text and 0 < validators.keys_of(text) < EASY:
        section.problems.warn(f"{section.title} secret", f"has fewer than {EASY} digits: easily guessed")
    if section.take("secret") is not None and validators.is_code(text):
        section.problems.warn(f"{section.title} secret", "can be read by who reads it; `intercom code hash` hides it")
    expires = section.text("expires", "", validators.EXPIRES, validators.is_expiry)
    return Code(
        key,
        secret,
        _doors(section, tuple(one.key for one in doors)),
        when=_when(section, profiles),
        expires=validators.end(expires),
        uses=section.whole("uses", default(Code, "uses"), 0, 100_000, "times, 0 for ever"),
        hold=section.flag("hold", default(Code, "hold")),
    )


def _doors(section: Section, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Read which of the doors a code releases: `door`, or `doors`, or the only one."""
    one, several = (section.take(key) is not None for key in ("door", "doors"))
    if not keys:
        section.problems.error(section.title, "there is no [doors.NAME] that it could release")
    elif one and several:
        section.problems.error(section.title, "door and doors exclude each other; keep one")
    elif several:
        return section.texts("doors", None, " or ".join(f'"{key}"' for key in keys), keys.__contains__)
    else:
        return (section.choice("door", keys[0], keys, needed=len(keys) > 1),)
    return ()


def lamp(section: Section) -> LampConfig:
    """Read `[lamp]`."""
    active = section.choice("active", default(LampConfig, "active"), get_args(Active))
    colours = ("red", "green", "blue")
    if not any(colour in section for colour in colours):
        return LampConfig(_pin(section, "pin"), active)
    if "pin" in section:
        section.problems.error(section.title, "pin, or red, green and blue; not both")
        section.take("pin")
    return LampConfig("", active, *(_pin(section, colour) for colour in colours))


def calls(section: Section) -> Calls:
    """Read `[calls]`."""
    usual = Calls()
    return Calls(
        ring_s=section.number("ring_s", usual.ring_s, 1, 600, "seconds"),
        talk_s=section.number("talk_s", usual.talk_s, 1, 3600, "seconds"),
        warn_s=section.number("warn_s", usual.warn_s, 1, 60, "seconds"),
        rtp_timeout_s=section.number("rtp_timeout_s", usual.rtp_timeout_s, 0, 600, "seconds"),
        patience_s=section.number("patience_s", usual.patience_s, 1, 600, "seconds"),
        confirm_s=section.number("confirm_s", usual.confirm_s, 3, 60, "seconds"),
        debounce_ms=section.whole("debounce_ms", usual.debounce_ms, 0, 500, "milliseconds"),
        code_pause_s=section.number("code_pause_s", usual.code_pause_s, 1, 60, "seconds"),
        wrong_codes=section.whole("wrong_codes", usual.wrong_codes, 1, 10, "tries"),
        wrong_codes_lately=section.whole("wrong_codes_lately", usual.wrong_codes_lately, 1, 20, "tries"),
        reminder_s=section.number("reminder_s", usual.reminder_s, 0, 3600, "seconds, 0 for no tone,"),
        text_missed_to=section.text("text_missed_to", usual.text_missed_to, validators.TEXTED, validators.is_texted),
        text_unanswered_to=section.text(
            "text_unanswered_to", usual.text_unanswered_to, validators.TEXTED, validators.is_texted
        ),
        emergency=section.texts("emergency", usual.emergency, validators.EMERGENCY, validators.is_emergency),
        deaf_days=section.whole("deaf_days", usual.deaf_days, 1, 60, "days"),
        stuck_s=section.number("stuck_s", usual.stuck_s, 10, 3600, "seconds"),
        probe_s=section.number("probe_s", usual.probe_s, 5, 25, "seconds"),
    )


def sound(section: Section) -> SoundConfig:
    """Read `[sound]`."""
    usual = SoundConfig()
    codecs: tuple[Codec, ...] = get_args(Codec)
    names = " or ".join(f'"{codec}"' for codec in codecs)
    chosen = section.texts("codecs", None, names, codecs.__contains__) if "codecs" in section else usual.codecs
    return SoundConfig(
        input=section.text("input", usual.input, validators.CARD, validators.is_card),
        output=section.text("output", usual.output, validators.CARD, validators.is_card),
        microphone_db=section.number("microphone_db", usual.microphone_db, -40, 40, "dB"),
        loudspeaker_db=section.number("loudspeaker_db", usual.loudspeaker_db, -40, 12, "dB"),
        mixer=section.texts("mixer", usual.mixer, validators.MIXER, validators.is_mixer),
        period_ms=section.choice("period_ms", usual.period_ms, (10, 20)),
        echo_cancelling=section.flag("echo_cancelling", usual.echo_cancelling),
        gain_control=section.flag("gain_control", usual.gain_control),
        country=section.choice("country", usual.country, get_args(Country)),
        test_at=section.text("test_at", usual.test_at, validators.TEST_AT, validators.is_test_at),
        test_at_start=section.flag("test_at_start", usual.test_at_start),
        codecs=tuple(codec for name in chosen for codec in codecs if codec == name),
    )


def sounds(section: Section, base: Path) -> Sounds:
    """Read `[sounds]`, and every file that it names; relative paths begin at `base`. The paths come back whole."""
    folder = section.text("folder", Sounds().folder, validators.PATH, validators.is_path)
    place = base / folder if folder else None
    if place is not None and not _is_folder(place):
        if section.problems.lenient:
            section.problems.lack(section.title, "folder", f"{place} is no folder that can be read")
        else:
            section.complain("folder", "a folder that is there and can be read; intercom audio speak makes one")
        place = None
    found: dict[str, str] = {}
    for field in fields(Sounds):
        if field.name == "folder":
            continue
        name = section.text(field.name, "", validators.PATH, validators.is_path)
        path = base / name if name else place / f"{field.name}.wav" if place is not None else None
        if path is not None and (name or _exists(path)) and _is_sound(section, field.name, path):
            found[field.name] = str(path)
    return Sounds(**found, folder=str(place or ""))


def _is_folder(path: Path) -> bool:
    """Whether there is a folder that can be looked into; `Path.is_dir` raises where that is forbidden."""
    return os.access(path, os.R_OK | os.X_OK) and stat.S_ISDIR(path.stat().st_mode)


def _exists(path: Path) -> bool:
    """Whether there is something: `Path.exists` raises where looking is forbidden, or the name is too long."""
    return os.access(path, os.F_OK)


def _is_sound(section: Section, key: str, path: Path) -> bool:
    """Whether a file can be played for a tone; why not is complained about."""
    from intercom import wav_file  # noqa: PLC0415  (most doors have no files)

    try:
        wav_file.check(path, wav_file.LONGEST.get(key.replace("_", "-"), wav_file.LONGEST_TONE_S))
    except SoundFileError as error:
        section.problems.lack(section.title, key, str(error))
        return False
    return True


def network(section: Section) -> Network:
    """Read `[network]`."""
    return Network(bind=section.text("bind", Network().bind, validators.BIND, validators.is_bind))


def default(kind: type[Any], name: str) -> Any:
    """Return the default of a dataclass' field."""
    value = next(field.default for field in fields(kind) if field.name == name)
    assert value is not MISSING
    return value


def _pin(section: Section, key: str, *, needed: bool = True) -> str:
    """Return a pin as it is written, a bare number as gpiozero's own name for it."""
    value = section.take(key)
    if value is None and not needed:
        return ""
    name = None if isinstance(value, bool) or not isinstance(value, str | int) else gpio_pins.canonical(value)
    if name is None:
        section.complain(key, gpio_pins.ALLOWED)
        return ""
    text = str(value).upper()
    return name if text.isdigit() else text
