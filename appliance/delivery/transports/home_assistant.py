"""What Home Assistant is told of a box, so that its values appear there by themselves.

MQTT discovery in its device form (Home Assistant 2024.11 and later): one retained JSON on
`<prefix>/device/<client id>/config` names the device and its components. What a component is, is
learnt from the events that are delivered: each number, text or truth value in their data becomes
one. So nothing has to be declared, and topics that name a label are found, too.
Source: Home Assistant, MQTT integration, "Device discovery payload".
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.delivery.envelope import Row

# What is learnt of one box: more would be a topic that names what changes at each event.
MOST_COMPONENTS = 500
# Of the unique id of a value: client, pipeline, camera, step, topic, name.
VALUE_PARTS = 6
_NOT_IN_A_KEY = re.compile(r"[^A-Za-z0-9_-]+")
ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True, slots=True)
class Box:
    """Who speaks: `client_id` is its name at the broker, where it says that it is there."""

    client_id: str
    availability_topic: str
    version: str


class Discovery:
    """The components of one box, and the message that tells of them; no I/O.

    `pipelines` and `cameras` are those there are: a component of another one is taken back.
    """

    def __init__(
        self, box: Box, prefix: str, pipelines: Collection[str], cameras: Collection[str]
    ) -> None:
        key = _key(box.client_id)
        self.topic = f"{prefix}/device/{key}/config"
        self.birth_topic = f"{prefix}/status"
        self._box = box
        self._pipelines = frozenset(pipelines)
        self._seen: set[tuple[str, str]] = set()
        self._removed: dict[str, dict[str, Any]] = {}
        self._components = {f"camera_{_key(name)}": self._camera(name) for name in cameras}

    def camera_topic(self, name: str) -> str:
        """Where it says of a camera, retained, whether it is `online` or `offline`."""
        return f"appliance/{self._box.client_id}/cameras/{_NOT_IN_A_KEY.sub('_', name)}"

    def recall(self, payload: bytes) -> None:
        """Take up what the broker has kept of an earlier run; what is damaged, or gone, is not."""
        try:
            known = dict(json.loads(payload)["cmps"])
        except (ValueError, TypeError, KeyError):
            return
        for key, component in known.items():
            # One that has only its platform was taken back before.
            if key in self._components or not _is_whole(component):
                continue
            if self._is_ours(component["unique_id"].split(".")):
                self._components[key] = component
            else:
                self._removed[key] = {"p": component["p"]}

    def _is_ours(self, parts: list[str]) -> bool:
        return len(parts) == VALUE_PARTS and parts[1] in {_key(each) for each in self._pipelines}

    def learn(self, row: Row) -> bool:
        """Whether an event has shown something that was not known."""
        if (row.type, row.subject) in self._seen or len(self._seen) >= MOST_COMPONENTS:
            return False
        self._seen.add((row.type, row.subject))
        event = json.loads(row.body)
        source = str(event.get("source", ""))
        before = len(self._components)
        data = event.get("data")
        for name, value in data.items() if isinstance(data, Mapping) else ():
            if isinstance(value, (bool, int, float, str)) and before < MOST_COMPONENTS:
                key, component = self._value(source, row, str(name), value=value)
                self._components.setdefault(key, component)
                self._removed.pop(key, None)
        return len(self._components) > before

    def config(self) -> bytes:
        """The message, as it is retained."""
        about = {"ids": [self._box.client_id], "name": self._box.client_id}
        maker = {"name": "vision-appliance", "sw": self._box.version}
        return json.dumps(
            {
                "dev": about | {"mf": "vision-appliance", "sw": self._box.version},
                "o": maker,
                "avty_t": self._box.availability_topic,
                "cmps": self._components | self._removed,
            },
            ensure_ascii=False,
        ).encode()

    def _value(
        self, source: str, row: Row, name: str, *, value: bool | float | str
    ) -> tuple[str, dict[str, Any]]:
        pipeline, camera = [*source.strip("/").split("/"), "", ""][1:3]
        step = row.type.rsplit(".", 1)[-1]
        parts = [_key(part) for part in (pipeline, camera, step, row.subject, name)]
        # As Home Assistant's templates quote a text; another step may use the same topic.
        quoted = json.dumps(name, ensure_ascii=False)
        template = f"value_json.data.get({quoted}, this.state)"
        component: dict[str, Any] = {
            "p": "sensor",
            "unique_id": ".".join([_key(self._box.client_id), *parts]),
            "name": f"{camera} {step} {name}",
            "stat_t": row.subject,
        }
        if isinstance(value, bool):
            component |= {"p": "binary_sensor", "pl_on": "on", "pl_off": "off"}
            template = f"'on' if value_json.data.get({quoted}) else 'off'"
        elif not isinstance(value, str):
            component["stat_cla"] = "measurement"
        return "_".join(parts), component | {"val_tpl": f"{{{{ {template} }}}}"}

    def _camera(self, name: str) -> dict[str, Any]:
        return {
            "p": "binary_sensor",
            "unique_id": f"{_key(self._box.client_id)}.camera.{_key(name)}",
            "name": f"camera {name}",
            "dev_cla": "connectivity",
            "ent_cat": "diagnostic",
            "stat_t": self.camera_topic(name),
            "pl_on": ONLINE,
            "pl_off": OFFLINE,
        }


def _is_whole(component: Any) -> bool:
    return isinstance(component, dict) and {"p", "unique_id"} <= component.keys()


def _key(text: str) -> str:
    return _NOT_IN_A_KEY.sub("_", text)
