"""What the settings say of an outside system."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

ConnectionType = Literal["sql", "mqtt", "console"]
TYPES_BY_SCHEME: Mapping[str, ConnectionType] = MappingProxyType(
    {
        "mqtt": "mqtt",
        "mqtts": "mqtt",
        "sqlite": "sql",
        "postgresql": "sql",
        "mysql": "sql",
        "mariadb": "sql",
    }
)


def _prefix(given: object) -> object:
    if isinstance(given, bool):
        return "homeassistant" if given else ""
    return given


class ConnectionSettings(BaseModel):
    """An outside system that events go to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: ConnectionType = Field(description="`sql`, `mqtt` or `console`.")
    url: str = Field(default="", description="sqlite:///events.db, mqtt://user:password@host:1883.")
    client_id: str = Field(default="", description="MQTT: its name at the broker.")
    ca_file: str = Field(default="", description="MQTT over TLS: who signed the broker.")
    cert_file: str = Field(default="", description="MQTT over TLS: our own certificate.")
    key_file: str = Field(default="", description="MQTT over TLS: its key.")
    version: Annotated[Literal["5", "3.1.1"], BeforeValidator(str)] = Field(
        default="5", description="MQTT: the version that the broker speaks."
    )
    availability_topic: str = Field(default="", description="MQTT: where it says `online`.")
    home_assistant: Annotated[str, BeforeValidator(_prefix)] = Field(
        default="", description="MQTT: tell Home Assistant; `true`, or its discovery prefix."
    )
