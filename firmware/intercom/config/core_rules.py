# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration -> what the core goes by (`Rules`) and what the voice engine starts with (`EngineSettings`)."""

import ipaddress
import os
from collections.abc import Callable
from dataclasses import replace

from intercom import __version__, sip_address
from intercom.config import redirect_policy, validators
from intercom.config.model import Account, Code, Config, Sounds, is_direct_ip
from intercom.core.commands import Tone
from intercom.core.rules import CodeRule, Rules, Sensor, SensorKind
from intercom.core.snapshot import Stage
from intercom.core.words import DIRECT
from intercom.ipc.protocol import AccountSettings, ButtonSettings, EngineSettings, ToneFile
from intercom.security import code_hash

RATE_HZ = 16000
"""Of the conference bridge: wide enough for a voice (G.722, Opus wideband), half the work of 32 kHz."""
RETRY_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
REFUSED_S = (30.0, 120.0, 600.0, 1800.0)
KNOCK_S = ((600.0, 1.5), (3600.0, 5.0), (float("inf"), 30.0))
"""How long a server has said nothing -> how often it is knocked at."""
JITTER = 0.2
"""Share by which doors of one house differ, so that they do not all come back to a server in the same instant."""


def rules(config: Config, chance: Callable[[], float]) -> Rules:
    """Return what the core goes by. `chance` returns a random number from 0 to 1."""
    calls = config.calls
    return Rules(
        buttons={
            button.key: tuple(Stage(stage.targets, stage.ring_s, stage.when) for stage in button.stages)
            for button in config.buttons
        },
        fallback={button.key: button.fallback for button in config.buttons},
        confirm=frozenset(button.key for button in config.buttons if button.confirm),
        direct=_direct(config),
        redirect=redirect_policy.policy(config.accounts, _targets(config)),
        dial={contact.key: contact.call for contact in config.contacts},
        may_dial=lambda target: not validators.is_emergency(target) or target in calls.emergency,
        keys={contact.key: contact.then.reveal() for contact in config.contacts if contact.then},
        named=frozenset(named_servers(config)),
        text_missed_to=config.address(calls.text_missed_to),
        text_unanswered_to=config.address(calls.text_unanswered_to),
        texters={account.key: frozenset(map(sip_address.party_of, account.texters)) for account in config.accounts},
        names={button.key: button.name for button in config.buttons},
        deaf_s=calls.deaf_days * 86400.0,
        stuck_s=calls.stuck_s,
        probe_s=calls.probe_s,
        accounts=tuple(account.key for account in config.accounts),
        callers={account.key: frozenset(map(sip_address.party_of, account.callers)) for account in config.accounts},
        pulse_s={door.key: door.pulse_s for door in config.doors},
        hold_s={door.key: door.hold_s for door in config.doors},
        codes={code.key: _code(code) for code in config.codes},
        servers={account.key: account.server.lower() for account in config.accounts},
        code_lengths=frozenset(validators.keys_of(code.secret.reveal()) for code in config.codes) - {0},
        sensors=_sensors(config),
        held_s={door.key: door.held_s for door in config.doors},
        handles=frozenset(door.key for door in config.doors if door.handle),
        reminder_s=calls.reminder_s,
        tries=calls.wrong_codes_lately,
        ring_s=calls.ring_s,
        talk_s=calls.talk_s,
        rtp_timeout_s=calls.rtp_timeout_s,
        warn_s=calls.warn_s,
        patience_s=calls.patience_s,
        confirm_s=calls.confirm_s,
        debounce_s=calls.debounce_ms / 1000,
        code_pause_s=calls.code_pause_s,
        wrong_codes=calls.wrong_codes,
        retry_s=tuple(wait * (1 + JITTER * (2 * chance() - 1)) for wait in RETRY_S),
        refused_s=tuple(wait * (1 + JITTER * (2 * chance() - 1)) for wait in REFUSED_S),
        knock_s=tuple((until, wait * (1 + JITTER * (2 * chance() - 1))) for until, wait in KNOCK_S),
        near=_near(config),
    )


def _targets(config: Config) -> set[str]:
    """Return all whom the configuration calls."""
    named = {contact.key: contact.call for contact in config.contacts}
    called = {target for button in config.buttons for stage in button.stages for target in stage.targets}
    called |= {target for button in config.buttons for target in button.fallback}
    return {named.get(target, target) for target in called} | set(named.values())


def _code(code: Code) -> CodeRule:
    secret = code.secret.reveal()
    mark = code_hash.mark(secret) if code.uses else ""
    return CodeRule(code.doors, code.when, code.uses, code.hold, validators.keys_of(secret), mark)


def _sensors(config: Config) -> dict[str, Sensor]:
    exits = {f"exit {door.key}": Sensor(SensorKind.EXIT, door.key) for door in config.doors if door.exit_pin}
    contacts = {
        f"contact {door.key}": Sensor(SensorKind.CONTACT, door.key) for door in config.doors if door.contact_pin
    }
    return {**exits, **contacts, **{f"tamper {one.key}": Sensor(SensorKind.TAMPER) for one in config.tampers}}


def sensor_pins(config: Config) -> dict[str, tuple[str, bool]]:
    """Return where the sensors are wired: name -> pin, and whether it is active while its switch is closed."""
    pins = {f"exit {door.key}": (door.exit_pin, True) for door in config.doors if door.exit_pin}
    for door in config.doors:
        if door.contact_pin:
            pins[f"contact {door.key}"] = (door.contact_pin, door.contact_shut == "open")
    return {**pins, **{f"tamper {one.key}": (one.pin, one.shut == "open") for one in config.tampers}}


def engine_settings(config: Config, port: int, instance: str = "") -> EngineSettings:
    """Return what a voice engine has to know. It holds passwords: it goes nowhere but through the engine's socket.

    `instance` is the UUID of this door.
    """
    return EngineSettings(
        accounts=(*(_account(account, config.name) for account in config.accounts), *_nobodys_account(config)),
        codecs=config.sound.codecs,
        bind=config.network.bind,
        port=port,
        card_in=config.sound.input,
        card_out=config.sound.output,
        microphone_db=config.sound.microphone_db,
        loudspeaker_db=config.sound.loudspeaker_db,
        rate_hz=RATE_HZ,
        period_ms=config.sound.period_ms,
        echo=config.sound.echo_cancelling,
        gain=config.sound.gain_control,
        mixer=config.sound.mixer,
        country=config.sound.country,
        tone_files=_tone_files(config.sounds),
        user_agent=f"intercom/{__version__}",
        buttons=tuple(
            ButtonSettings(button.key, _quoted(button.name) if button.name != button.key else "", button.ring)
            for button in config.buttons
        ),
        transports=_transports(config),
        instance=instance,
    )


def _transports(config: Config) -> tuple[str, ...]:
    """Return the transports that targets ask for by themselves (`;transport=tcp`)."""
    contacts = [contact.call for contact in config.contacts]
    texts = [config.calls.text_missed_to, config.calls.text_unanswered_to]
    targets = [target for button in config.buttons for target in button.targets]
    asked = {found.transport for target in (*targets, *contacts, *texts) if (found := sip_address.parse(target))}
    return tuple(sorted(asked - {""}))


def with_keys(settings: EngineSettings) -> EngineSettings:
    """Return the settings with a fresh key for each account that registers: 128 random bits, which its server is told.

    One for all engines of a daemon, as the port is: a registrar takes a new engine's Contact for the old one's.
    """
    accounts = (
        replace(one, contact_key=os.urandom(16).hex() if one.registrar_uri else "") for one in settings.accounts
    )
    return replace(settings, accounts=tuple(accounts))


def _tone_files(sounds: Sounds) -> tuple[ToneFile, ...]:
    paths = {tone: str(getattr(sounds, tone.value.replace("-", "_"))) for tone in Tone}
    return tuple(ToneFile(tone, path) for tone, path in paths.items() if path)


def named_servers(config: Config) -> dict[str, tuple[str, int | None, str]]:
    """Return where to look for the accounts whose server is a name: account -> host, port, transport.

    With TLS the certificate is checked against this name, whatever SRV says (RFC 5922 section 4).
    """
    found: dict[str, tuple[str, int | None, str]] = {}
    for account in config.accounts:
        server = account.proxy or account.server
        address, port = validators.place(server)
        if address is None:
            found[account.key] = (server.partition(":")[0], port or None, account.transport)
    return found


def _near(config: Config) -> Callable[[str, str], bool]:
    """Return the function that tells whether a server is the house's own: account, where its name leads -> yes or no.

    Such a one may be asked for life by a REGISTER, three times a minute. A service of the public's gets no more of them
    than it wants, and a connection tells by its end that a server was restarted.
    """
    given = {
        account.key: str(validators.place(account.proxy or account.server)[0] or "")
        for account in config.accounts
        if account.register and account.transport == "udp"
    }

    def near(account: str, server: str) -> bool:
        address = server.rpartition(":")[0].strip("[]") if server else given.get(account, "")
        return account in given and bool(address) and ipaddress.ip_address(address).is_private

    return near


def _direct(config: Config) -> frozenset[str]:
    """Return the targets that are called at their own address."""
    servers = [account.server for account in config.accounts]
    targets = [target for button in config.buttons for target in button.targets]
    texted = (config.calls.text_missed_to, config.calls.text_unanswered_to)
    everybody = (*targets, *texted, *map(config.address, texted))
    return frozenset(target for target in everybody if is_direct_ip(config.address(target), servers))


def _nobodys_account(config: Config) -> tuple[AccountSettings, ...]:
    """Return the account of those who are called directly, where there are any: it registers nowhere."""
    if not _direct(config):
        return ()
    host = config.network.bind or "127.0.0.1"
    shown = _quoted(config.name)
    return (AccountSettings(DIRECT, f'"{shown}" <sip:door@{host}>', "", "", "", "", "udp", 300, host),)


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _account(account: Account, name: str) -> AccountSettings:
    transport = "" if account.transport == "udp" else f";transport={account.transport}"
    shown = _quoted(name)
    return AccountSettings(
        name=account.key,
        id_uri=f'"{shown}" <sip:{account.user}@{account.server}>',
        registrar_uri=f"sip:{account.server}{transport}" if account.register else "",
        user=account.auth_user_name,
        password=account.password.reveal(),
        proxy_uri=f"sip:{account.proxy}{transport};lr" if account.proxy else "",
        transport=account.transport,
        expires_s=account.expires_s,
        domain=account.server,
        srtp=account.srtp,
        srtp_keys=account.srtp_keys,
        ca_file=account.ca_file,
        cert_file=account.cert_file,
        key_file=account.key_file,
        identity=account.identity,
        keys_in_band=account.keys_in_band,
        caller_is=account.caller_is,
        domains=account.domains,
        trust=account.trust,
        addresses=account.addresses,
        presence=account.presence,
        ice=account.ice or bool(account.turn),
        turn=account.turn,
        turn_user=account.turn_user,
        turn_password=account.turn_password.reveal(),
    )
