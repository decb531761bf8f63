"""Who an MQTT broker is, and who we are to it, from the settings of a connection."""

import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from paho.mqtt.enums import MQTTProtocolVersion

from appliance.delivery.transports.transport import ConnectionSettings, InvalidConnection

PORTS = {"mqtt": 1883, "mqtts": 8883}
OPTIONS = (
    *("client_id", "ca_file", "cert_file", "key_file"),
    *("version", "availability_topic", "home_assistant"),
)
VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
# Room for a host's name, which may have 64 characters, and that of the connection.
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,256}")


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is, and who we are to it.

    `availability_topic` is where it says, retained, whether we are `online` or `offline`.
    """

    host: str
    port: int
    client_id: str
    username: str | None
    password: str | None
    tls: ssl.SSLContext | None
    version: MQTTProtocolVersion
    availability_topic: str
    # The prefix of Home Assistant's discovery; empty where it is told nothing.
    home_assistant: str

    @classmethod
    def of(cls, settings: ConnectionSettings) -> "Broker":
        """The broker of a connection; InvalidConnection where the settings cannot be used."""
        url = _checked_url(settings)
        options = _checked_options(settings)
        client_id = options.get("client_id", f"appliance-{socket.gethostname()}-{settings.name}")
        if not _CLIENT_ID.fullmatch(client_id):
            raise InvalidConnection(
                f"connection {settings.name}: the client id {client_id!r} is not made of letters, "
                "digits, `.`, `_` and `-` (256 at most); set `client_id`"
            )
        return cls(
            host=url.hostname or "",
            port=url.port or PORTS[url.scheme],
            client_id=client_id,
            username=None if url.username is None else unquote(url.username),
            password=None if url.password is None else unquote(url.password),
            tls=_tls(settings.name, options) if url.scheme == "mqtts" else None,
            version=_version(settings.name, options),
            availability_topic=_availability_topic(settings.name, options, client_id),
            home_assistant=options.get("home_assistant", ""),
        )

    def __str__(self) -> str:
        return f"the broker {self.host}:{self.port}"


def _checked_url(settings: ConnectionSettings) -> SplitResult:
    # The address itself may hold a password, and stays out of the messages.
    try:
        url = urlsplit(settings.url)
        usable = url.scheme in PORTS and url.hostname and (url.port or PORTS[url.scheme])
    except ValueError:
        usable = False
    if not usable or url.path.strip("/") or url.query or url.fragment:
        raise InvalidConnection(
            f"connection {settings.name}: `url` is not of the form mqtt://user:password@host:1883 "
            "(or mqtts://, with TLS)"
        )
    return url


def _checked_options(settings: ConnectionSettings) -> Mapping[str, str]:
    unknown = set(settings.options) - set(OPTIONS)
    if unknown:
        raise InvalidConnection(
            f"connection {settings.name}: {sorted(unknown)[0]!r} is not an option of mqtt; "
            f"there are {', '.join(OPTIONS)}"
        )
    return settings.options


def _tls(name: str, options: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.get("ca_file"))
        if "cert_file" in options:
            context.load_cert_chain(options["cert_file"], options.get("key_file"))
    except (OSError, ValueError) as error:
        raise InvalidConnection(
            f"connection {name}: the certificates cannot be read: {error}; see `ca_file`, "
            "`cert_file` and `key_file`"
        ) from error
    return context


def _version(name: str, options: Mapping[str, str]) -> MQTTProtocolVersion:
    version = options.get("version", "5")
    if version not in VERSIONS:
        raise InvalidConnection(
            f"connection {name}: `version` is {version!r}; it is {' or '.join(VERSIONS)}"
        )
    return VERSIONS[version]


def _availability_topic(name: str, options: Mapping[str, str], client_id: str) -> str:
    topic = options.get("availability_topic", f"appliance/{client_id}/status")
    if not topic or not topic.isprintable() or "+" in topic or "#" in topic or topic[0] == "$":
        raise InvalidConnection(
            f"connection {name}: `availability_topic` is {topic!r}; a topic to publish to has no "
            "wildcards, no control characters, and no `$` at its beginning"
        )
    return topic
