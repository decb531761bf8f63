"""The code of each kind of outside system, by the `type` of a connection."""

from collections.abc import Callable, Mapping

from appliance.clock import Clock
from appliance.delivery.transports.console import ConsoleTransport
from appliance.delivery.transports.mqtt import MqttTransport
from appliance.delivery.transports.sql import SqlTransport
from appliance.delivery.transports.transport import (
    ConnectionSettings,
    InvalidConnection,
    Transport,
)

TRANSPORTS: Mapping[str, Callable[[ConnectionSettings, Clock], Transport]] = {
    "console": ConsoleTransport,
    "mqtt": MqttTransport,
    "sql": SqlTransport,
}


def make_transport(settings: ConnectionSettings, clock: Clock) -> Transport:
    """The transport of a configured connection.

    Raises:
        InvalidConnection: there is none of that type, or it cannot use the settings.
    """
    make = TRANSPORTS.get(settings.type)
    if make is None:
        raise InvalidConnection(
            f"connection {settings.name}: there is no type {settings.type!r}; there are "
            f"{', '.join(TRANSPORTS)}"
        )
    return make(settings, clock)
