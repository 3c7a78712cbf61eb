# SPDX-License-Identifier: GPL-2.0-or-later
"""TOML file -> `Config`, with every complaint at once, one line each."""

import ipaddress
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from intercom import limits, sip_address
from intercom.config import gpio_pins, sections, validators
from intercom.config.model import Code, Config, is_direct_ip
from intercom.config.secrets import SecretReader
from intercom.config.toml_section import Problems, Section, show
from intercom.errors import ConfigError
from intercom.security import code_hash

LARGEST = 1 << 20
"""Bytes; a file with more in it is not a configuration."""
MILLS = 2
"""Salts that codes may have among them before that is worth a warning."""
_PLACE = re.compile(r"(?P<what>.*) \(at (?P<where>.*)\)", re.DOTALL)


class Content(NamedTuple):
    """What was in a file."""

    text: bytes
    open_to_all: bool
    """Whether everybody on this machine can read it."""


def load(path: Path, *, in_service: bool = True) -> Config:
    """Return the configuration in `path`.

    Raises ConfigError with all that is wrong. `in_service` is false for who only checks a file: systemd credentials,
    which nobody but the service is given, are then taken on trust.
    """
    return made(path, read(path), in_service=in_service)


def read(path: Path) -> Content:
    """Return what is in a file. Raises ConfigError."""
    content, mode = _read(path)
    return Content(content, bool(mode & stat.S_IROTH))


def made(path: Path, content: Content, *, in_service: bool = True, lenient: bool = False) -> Config:
    """Return the configuration of a content of `path`; the rest is as in `load` and `parse`."""
    document = _document(path, content.text)
    return parse(document, path, in_service=in_service, open_to_all=content.open_to_all, lenient=lenient)


def parse(
    document: Mapping[str, object],
    path: Path,
    *,
    in_service: bool = True,
    open_to_all: bool = False,
    environ: Mapping[str, str] = os.environ,
    lenient: bool = False,
) -> Config:
    """Return the configuration in a parsed document. `path` names it in complaints; its folder is that of its files.

    With `lenient` a file or a credential that it names and that cannot be had is no error: it is `Config.missing`, and
    what does not work without it is left out.
    """
    problems = Problems(str(path), lenient=lenient)
    vault = SecretReader(path.parent, environ, in_service=in_service)
    try:
        config = _config(Section("", document, problems), problems, vault)
        _check(config, problems)
    except Exception as error:
        # Whatever no check has foreseen. Its text may hold a secret: only the system's own words are shown.
        told = f"{type(error).__name__}{f': {error.strerror}' if isinstance(error, OSError) else ''}"
        problems.error(problems.reading or "the file", f"cannot be used ({told})")
        raise ConfigError(problems.errors) from error
    if vault.inline and open_to_all:
        problems.warnings.append(f"{path}: everybody can read the secrets in it; sudo chmod o= {path}")
    if problems.errors:
        raise ConfigError(problems.errors)
    return replace(config, warnings=tuple(problems.warnings), missing=tuple(sorted(problems.missing.items())))


def _config(top: Section, problems: Problems, vault: SecretReader) -> Config:
    """Read every section, and close it, so that keys nobody knows are found."""
    name = top.text("name", sections.default(Config, "name"), validators.NAME, validators.is_name)
    named = {
        key: top.sections(key, validators.KEY, validators.is_key)
        for key in ("accounts", "contacts", "buttons", "profiles", "doors", "codes", "tampers", "keypads")
    }
    plain = {key: top.section(key) for key in ("calendar", "calls", "sound", "sounds", "network", "lamp")}
    if not top.take("buttons"):
        problems.error("[buttons.NAME]", "missing; a door needs at least one")
    calls, calendar = sections.calls(plain["calls"]), sections.calendar(plain["calendar"])
    profiles = tuple(key for key, _ in named["profiles"])
    doors = tuple(sections.door(key, section) for key, section in named["doors"])
    config = Config(
        name=name,
        accounts=tuple(sections.account(key, section, vault) for key, section in named["accounts"]),
        buttons=tuple(sections.button(key, section, calls.ring_s, profiles) for key, section in named["buttons"]),
        profiles=tuple(sections.profile(key, section, calendar) for key, section in named["profiles"]),
        calendar=calendar,
        contacts=tuple(sections.contact(key, section, vault) for key, section in named["contacts"]),
        doors=doors,
        codes=tuple(sections.code(key, section, vault, doors, profiles) for key, section in named["codes"]),
        keypads=tuple(sections.keypad(key, section) for key, section in named["keypads"]),
        tampers=tuple(sections.tamper(key, section) for key, section in named["tampers"]),
        lamp=sections.lamp(plain["lamp"]) if "lamp" in top else None,
        calls=calls,
        sound=sections.sound(plain["sound"]),
        sounds=sections.sounds(plain["sounds"], Path(problems.file).parent),
        network=sections.network(plain["network"]),
    )
    config = _without(config, problems.missing)
    if not top.take("accounts") and not _does_without(config):
        problems.error(
            "[accounts.NAME]",
            "missing; a door needs at least one, unless it calls only IP addresses (sip:201@192.0.2.7)",
        )
    for section in (top, *(section for group in named.values() for _, section in group), *plain.values()):
        section.close()
    return config


def _check(config: Config, problems: Problems) -> None:
    """Complain about what does not go together."""
    _check_pins(config, problems)
    _check_codes(config.codes, problems)
    _check_emergency(config, problems)
    _check_limits(config, problems)
    _check_reachable(config, problems)


def _without(config: Config, missing: Mapping[str, str]) -> Config:
    """Leave out what does not work without what is missing: codes, accounts; of an account its TURN server alone."""
    names = [name.rpartition(" ") for name in missing]
    lacking = {title for title, _, key in names if not key.startswith("turn_")}
    unturned = {title for title, _, key in names if key.startswith("turn_")}
    kept = (one for one in config.accounts if f"[accounts.{one.key}]" not in lacking)
    return replace(
        config,
        accounts=tuple(replace(one, turn="") if f"[accounts.{one.key}]" in unturned else one for one in kept),
        codes=tuple(one for one in config.codes if f"[codes.{one.key}]" not in lacking),
    )


def _does_without(config: Config) -> bool:
    """Whether nobody whom the door calls or texts is behind an account's server."""
    calls = [target for button in config.buttons for target in button.targets]
    texts = [text for text in (config.calls.text_missed_to, config.calls.text_unanswered_to) if text]
    return bool(calls) and all(is_direct_ip(config.address(target), ()) for target in calls + texts)


def _check_pins(config: Config, problems: Problems) -> None:
    """Complain about a pin with two uses: one of them would not work, and a strike might move by itself."""
    uses = [(f"[buttons.{button.key}] pin", button.pin) for button in config.buttons]
    for door in config.doors:
        uses += [(f"[doors.{door.key}] strike_pin", door.strike_pin)]
        uses += [(f"[doors.{door.key}] exit_pin", door.exit_pin)] if door.exit_pin else []
        uses += [(f"[doors.{door.key}] contact_pin", door.contact_pin)] if door.contact_pin else []
    uses += [(f"[tampers.{tamper.key}] pin", tamper.pin) for tamper in config.tampers]
    for keypad in config.keypads:
        wires = [("rows", pin) for pin in keypad.rows] + [("columns", pin) for pin in keypad.columns]
        wires += [(key, pin) for key, pin in (("data0", keypad.data0), ("data1", keypad.data1)) if pin]
        uses += [(f"[keypads.{keypad.key}] {key}", pin) for key, pin in wires]
    lamp = config.lamp
    wires = [("pin", lamp.pin), ("red", lamp.red), ("green", lamp.green), ("blue", lamp.blue)] if lamp else []
    uses += [(f"[lamp] {key}", pin) for key, pin in wires if pin]
    for where, pin in uses:
        if (other_use := gpio_pins.SPECIAL.get(gpio_pins.canonical(pin) or "")) is not None:
            problems.warn(f"{where} = {show(pin)}", f"is also {other_use}")
    for (first, one), (second, other) in combinations(uses, 2):
        name = gpio_pins.canonical(other)
        if name is not None and gpio_pins.canonical(one) == name:
            problems.error(f"{second} = {show(other)}", f"must be a pin of its own; {name} is taken by {first}")


def _check_emergency(config: Config, problems: Problems) -> None:
    """Complain about numbers of the police and the like: anybody can press a button, and nobody there can explain."""
    called = [(f"[buttons.{button.key}]", target) for button in config.buttons for target in button.targets]
    called += [(f"[contacts.{contact.key}] call", contact.call) for contact in config.contacts]
    for where, target in called:
        if validators.is_emergency(target) and target not in config.calls.emergency:
            problems.error(
                f"{where}: {show(target)}",
                f"looks like an emergency number, which a door does not call; if it is none here: "
                f"[calls] emergency = [{show(target)}]",
            )


def _called(config: Config) -> list[tuple[str, str]]:
    """Return everybody whom the door may call or text: where that is said, and the target."""
    called = [(f"[buttons.{button.key}]", target) for button in config.buttons for target in button.targets]
    called += [(f"[contacts.{contact.key}] call", contact.call) for contact in config.contacts]
    texted = {key: getattr(config.calls, key) for key in ("text_missed_to", "text_unanswered_to")}
    return called + [(f"[calls] {key}", target) for key, target in texted.items() if target]


def _check_limits(config: Config, problems: Problems) -> None:
    """Complain about more of something than the voice engine has room for, or a small Pi has the time for."""
    counts = [
        ("[accounts]", config.accounts, limits.ACCOUNTS, "accounts"),
        ("[contacts]", config.contacts, limits.CONTACTS, "contacts"),
        ("[codes]", config.codes, limits.CODES, "codes"),
    ]
    for button in config.buttons:
        where = f"[buttons.{button.key}]"
        counts += [
            (f"{where} stage {number}", stage.targets, limits.TARGETS, "targets at once")
            for number, stage in enumerate(button.stages, 1)
        ]
        if all(stage.when for stage in button.stages):
            counts.append((f"{where} fallback", button.fallback, limits.TARGETS, "targets at once"))
    for where, several, most, what in counts:
        if len(several) > most:
            problems.error(where, f"has {len(several)}; there must be at most {most} {what}")


def _check_reachable(config: Config, problems: Problems) -> None:
    """Complain about an address to which nothing could be sent: each press would find out anew."""
    secure = any(account.transport == "tls" for account in config.accounts)
    bind = ipaddress.ip_address(config.network.bind) if config.network.bind else None
    if bind is not None and (reason := sip_address.unusable(bind)):
        problems.error(f"[network] bind = {show(config.network.bind)}", reason)
        return
    for where, target in _called(config):
        address = sip_address.parse(target)
        if address is None:
            continue  # told already
        names = [name.lower() for name in re.findall(r";([^=;]+)", address.parameters)]
        told = f"{where}: {show(target)}"
        if len(names) != len(set(names)):
            problems.error(told, "says a parameter twice")
        elif odd := {"maddr", "method", "ttl"} & set(names):
            problems.error(told, f"must not say {' or '.join(sorted(odd))}: that is not for calls")
        elif address.transport not in ("", "udp", "tcp", "tls") or ("transport" in names and not address.transport):
            problems.error(told, "the transport must be udp, tcp or tls")
        elif (address.scheme == "sips" or address.transport == "tls") and not secure:
            problems.error(told, 'needs an account with transport = "tls"')
        elif address.scheme == "sips" and address.transport in ("udp", "tcp"):
            problems.error(told, "sips: is TLS, and nothing else")
        elif reason := _off(validators.server_of(target), bind):
            problems.error(told, reason)
    for account in config.accounts:
        for key, server in (("server", account.server), ("proxy", account.proxy), ("turn", account.turn)):
            if server and (reason := _off(server, bind)):
                problems.error(f"[accounts.{account.key}] {key} = {show(server)}", reason)


def _off(server: str, bind: sip_address.Ip | None) -> str:
    """Return why nothing can be sent from the own address to a server; empty when it can, or only a name is known."""
    address, _ = validators.place(server)
    if address is None:
        return ""
    if bind is not None and address.version != bind.version:
        return f"is IPv{address.version}, but [network] bind is IPv{bind.version}"
    return sip_address.unusable(address)


def _check_codes(codes: tuple[Code, ...], problems: Problems) -> None:
    """Complain about codes that begin alike: the shorter one would act before the longer one is keyed.

    Cards are read whole, and of hashes nobody knows how they begin: those only must not be the same.
    """
    hashes = [code for code in codes if code_hash.parse(code.secret.reveal()) is not None]
    whole: dict[str, str] = {}
    beginnings: dict[str, str] = {}
    for code in codes:
        secret = code.secret.reveal()
        keyed = secret.isdigit()
        parts = [secret[:length] for length in range(1, len(secret))] if keyed else []
        first = next((whole[part] for part in (secret, *parts) if part in whole), None)
        if secret and (other := first or (beginnings.get(secret) if keyed else None)) is not None:
            problems.error(
                f"[codes.{code.key}] secret = ***", f"must not be, begin or continue the code of [codes.{other}]"
            )
        whole.setdefault(secret, code.key)
        for part in parts:
            beginnings.setdefault(part, code.key)
    lengths = {validators.keys_of(code.secret.reveal()) for code in codes} - {0}
    if hashes and len(lengths) > 1:
        problems.warn("[codes]", "hashed codes of different lengths: one that begins like a shorter one never counts")
    salts = {hashed.mill for code in hashes if (hashed := code_hash.parse(code.secret.reveal())) is not None}
    if len(salts) > MILLS:
        problems.warn("[codes]", f"{len(salts)} salts: each makes every code slower; make them with one --config")


def _read(path: Path) -> tuple[bytes, int]:
    """Return what is in a file, and its mode."""
    try:
        # Not blocking: a pipe that nobody writes to would hold up the door.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            content, mode = file.read(LARGEST + 1) or b"", os.fstat(file.fileno()).st_mode
    except OSError as error:
        hint = "; try with sudo" if isinstance(error, PermissionError) else ""
        raise ConfigError([f"{path}: cannot be read: {error.strerror}{hint}"]) from error
    except ValueError as error:  # a zero byte in the name
        raise ConfigError([f"{str(path)!r}: not a file's name"]) from error
    if len(content) > LARGEST:
        raise ConfigError([f"{path}: larger than {LARGEST} bytes: not a configuration"])
    return content, mode


def _document(path: Path, content: bytes) -> dict[str, object]:
    """Return the TOML document. Nothing of the content is shown: the place is enough, and a secret may be there."""
    try:
        # A byte order mark is what some editors leave; tomllib would trip over it.
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}: line {line}: not text in UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.fullmatch(str(error))
        what, where = (place["what"], place["where"]) if place else (str(error), "somewhere")
        raise ConfigError([f"{path}: {where}: not TOML: {what[:1].lower()}{what[1:]}"]) from error
    except (ValueError, RecursionError) as error:
        # Python's own limits: numbers of thousands of digits, lists nested a thousand deep.
        raise ConfigError([f"{path}: not a configuration: a number too long or lists nested too deep"]) from error
