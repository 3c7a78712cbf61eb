# SPDX-License-Identifier: GPL-2.0-or-later
"""`/etc/intercom/house.toml`: which broker and which web servers are told. Without this file nobody is."""

import re
import tomllib
import urllib.parse
from dataclasses import field
from pathlib import Path

from intercom.config import tls_files, validators
from intercom.config.model import Secret
from intercom.config.secrets import SecretReader
from intercom.config.toml_section import Problems, Section
from intercom.core.commands import Kind
from intercom.core.fast_dataclass import dataclass
from intercom.errors import ConfigError

COMMANDS = ("press", "release", "hangup")
BROKER = 'a host or host:port, such as "broker.example" or "[fd00::5]:1883"; user and password have keys of their own'
URL = (
    'an address such as "https://house.example/door"; a user and password go into headers: '
    '{ Authorization = "Basic ..." }'
)
HEADERS = 'names and texts, such as { Authorization = "Bearer ..." }; none that this program makes itself'
_OURS = {"host", "content-length", "content-type", "transfer-encoding", "connection", "user-agent"}
TOLD = ("press-accepted", "press-answered", "visit-ended", "door-released", "condition-began", "condition-ended")
"""Kinds of records that a webhook is told of, unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Mqtt:
    """The broker, `[mqtt]`."""

    server: str
    """host, host:port, IPv6 address or [IPv6 address]:port."""
    user: str = ""
    password: Secret = field(default_factory=Secret)
    tls: bool = False
    """Whether to encrypt, and verify the broker's certificate."""
    ca_file: str = ""
    """Authorities whose signature counts (PEM), for a broker that signs for itself; empty: the system's."""
    topic: str = ""
    """What all our topics begin with; empty for "intercom/" and the door's identity. No two doors may have the same."""
    discovery: str = "homeassistant"
    """Home Assistant's discovery prefix; empty for none."""
    commands: tuple[str, ...] = ()
    """What the broker's clients may do: "press", "release" (and lock), "hangup". Nothing unless told."""
    identity: str = ""
    """By what the broker knows this machine (`adapters.instance.at_brokers`); not in the file, which may be copied."""

    @property
    def base(self) -> str:
        """What all our topics begin with."""
        return self.topic or f"intercom/{self.identity}"

    @property
    def address(self) -> tuple[str, int]:
        """Its host and its port, which is MQTT's usual one where none is given."""
        bare = f"[{self.server}]" if self.server.count(":") > 1 and not self.server.startswith("[") else self.server
        host, _, port = bare[1:].partition("]") if bare.startswith("[") else bare.partition(":")
        return host, int(port.removeprefix(":") or (8883 if self.tls else 1883))


@dataclass(frozen=True, slots=True)
class Webhook:
    """A web server that is told, `[webhooks.KEY]`."""

    key: str
    url: str
    kinds: tuple[str, ...] = TOLD
    """Kinds of records that it is told of."""
    secret: Secret = field(default_factory=Secret)
    """What the time and the body are signed with (HMAC-SHA-256, in X-Intercom-Signature); empty for no signature."""
    ca_file: str = ""
    """Authorities whose signature counts (PEM), for a server that signs for itself; empty: the system's."""
    headers: tuple[tuple[str, Secret], ...] = ()
    """Headers of one's own: name and value, such as a token in Authorization."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it."""

    mqtt: Mqtt | None
    webhooks: tuple[Webhook, ...]


def load(path: Path, identity: str = "") -> Settings:
    """Return what the file says, for the machine of this identity. Raises ConfigError with all that is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{path}: not TOML: {error}"]) from error
    problems = Problems(str(path))
    top, vault = Section("", document, problems), SecretReader(path.parent, {}, in_service=False)
    given = "mqtt" in top
    broker, hooks = top.section("mqtt"), top.sections("webhooks", validators.KEY, validators.is_key)
    settings = Settings(
        _mqtt(broker, vault, path.parent, identity) if given else None,
        tuple(_webhook(key, one, vault, path.parent) for key, one in hooks),
    )
    if not given and not hooks:
        problems.error("[mqtt]", "missing, and no [webhooks.NAME] either: nobody would be told")
    for section in (top, broker, *(section for _, section in hooks)):
        section.close()
    if problems.errors:
        raise ConfigError(problems.errors)
    return settings


def _mqtt(section: Section, vault: SecretReader, folder: Path, identity: str) -> Mqtt:
    usual = Mqtt("")
    which = ", ".join(COMMANDS)
    tls, name = (
        section.flag("tls", usual.tls),
        section.text("ca_file", usual.ca_file, tls_files.FILE, str.isprintable),
    )
    ca_file = str(folder / name) if name else ""
    if ca_file and not tls:
        section.problems.error(f"{section.title} ca_file", "is of use only with tls = true")
    else:
        tls_files.check_authorities(section, ca_file)
    return Mqtt(
        server=section.text("server", None, BROKER, _is_broker),
        user=section.text("user", usual.user, "a user, or nothing", str.isprintable),
        password=vault.fetch(section, "password", validators.PASSWORD, validators.is_password, needed=False),
        tls=tls,
        ca_file=ca_file,
        topic=section.text(
            "topic", usual.topic, 'a topic such as "intercom/front", or ""', lambda text: not text or _is_topic(text)
        ),
        discovery=section.text(
            "discovery", usual.discovery, 'a topic, or ""', lambda text: not text or _is_topic(text)
        ),
        commands=section.texts("commands", usual.commands, which, COMMANDS.__contains__),
        identity=identity,
    )


def _webhook(key: str, section: Section, vault: SecretReader, folder: Path) -> Webhook:
    name = section.text("ca_file", "", tls_files.FILE, str.isprintable)
    ca_file = str(folder / name) if name else ""
    tls_files.check_authorities(section, ca_file)
    return Webhook(
        key=key,
        url=section.text("url", None, URL, _is_url),
        kinds=section.texts("kinds", TOLD, "kinds of records (INTERCOM_KIND in the journal)", set(Kind).__contains__),
        secret=vault.fetch(section, "secret", validators.PASSWORD, validators.is_password, needed=False),
        ca_file=ca_file,
        headers=_headers(section),
    )


def _headers(section: Section) -> tuple[tuple[str, Secret], ...]:
    """Read headers of one's own. Their values are secrets, and never shown."""
    table = section.take("headers")
    if table is None:
        return ()
    good = isinstance(table, dict) and all(
        _is_header(name) and isinstance(value, str) and value.isascii() and value.isprintable()
        for name, value in table.items()
    )
    if not isinstance(table, dict) or not good:
        section.complain("headers", HEADERS, secret=True)
        return ()
    return tuple((name, Secret(value)) for name, value in table.items())


def _is_broker(text: str) -> bool:
    return validators.is_server(text) or (":" in text and validators.is_server(f"[{text}]"))


def _is_topic(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", text))


def _is_url(text: str) -> bool:
    """Whether a text is a web address that can be asked: its host and port as everywhere else, no user, no fragment."""
    if not re.fullmatch(r"https?://[!-~]+", text):
        return False
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError:
        return False
    return validators.is_server(parts.netloc) and not parts.fragment


def _is_header(name: str) -> bool:
    """Whether a header may be one's own (RFC 9110 section 5.6.2): none of those that this program makes."""
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", name):
        return False
    lower = name.lower()
    return lower not in _OURS and not lower.startswith("x-intercom-")
