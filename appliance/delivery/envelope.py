"""Events as CloudEvents 1.0 in JSON, structured mode: what is stored, and what is sent.

Source: the CloudEvents specification 1.0.2, its JSON event format, and its extension `sequence`.
`clock` is an extension of our own, there only where the box did not know the time.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

import numpy as np

from blocks.data import Detections, Event

# Deeper than any sensible payload, and well before Python's own limit.
DEEPEST = 32
# The extension asks for texts that sort as the numbers do.
SEQUENCE_DIGITS = 12


class UnsendableEvent(ValueError):  # noqa: N818  it is the event that is at fault
    """An event that cannot be written down; the text is a sentence that says what and where."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event whose data is JSON text already, before it has an id."""

    connection: str
    type: str
    subject: str
    time: float
    data: str
    clock: str
    options: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """An event that waits in the outbox, as a transport gets it.

    `id` is its place in the outbox, `event_id` its name to the world, the same in every try.
    `body` is the whole CloudEvent as JSON; `time` is UTC in seconds since 1970. `options` is JSON
    of what the sink asks of the transport, such as `retain`; empty where it is as usual.
    """

    id: int
    event_id: str
    connection: str
    type: str
    subject: str
    time: float
    body: str
    tries: int = 0
    options: str = ""


def draft(event: Event) -> Draft:
    """The event with its data as JSON text.

    Raises:
        ValueError: something in it cannot be sent; the sentence says what and where.
    """
    rfc3339(event.time)
    text = json.dumps(
        _plain(event.data, "data", 0), ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    return Draft(
        connection=_storable(event.connection),
        type=_storable(event.type),
        subject=_storable(event.subject),
        time=float(event.time),
        data=_storable(text),
        clock=event.clock,
        options=json.dumps(dict(event.options)) if event.options else "",
    )


def body(draft: Draft, event_id: str, source: str, sequence: int) -> str:
    """The whole CloudEvent as JSON text."""
    head: dict[str, str] = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": draft.type,
        "time": rfc3339(draft.time),
        "datacontenttype": "application/json",
        "sequence": f"{sequence:0{SEQUENCE_DIGITS}d}",
    }
    if draft.subject:
        head["subject"] = draft.subject
    if draft.clock != "synchronised":
        head["clock"] = draft.clock
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
    # The data is JSON text already: it is put in as it is, not read and written again.
    return f'{text[:-1]},"data":{draft.data}}}'


def rfc3339(time: float) -> str:
    """UTC seconds since 1970 as `2026-01-31T12:00:00.000Z`.

    Raises:
        ValueError: it is not a time.
    """
    try:
        moment = datetime.fromtimestamp(time, UTC)
    except (ValueError, OverflowError, OSError, TypeError) as error:
        raise ValueError(f"`time` is {time!r}, which is not a time") from error
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _storable(text: str) -> str:
    # Half of a surrogate pair is a str to Python, but neither UTF-8 nor anything SQLite takes.
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain(value: Any, where: str, depth: int) -> Any:
    """The value in what JSON knows; numbers that are none (NaN, infinity) become null."""
    if depth > DEEPEST:
        raise ValueError(f"`{where}` is nested more than {DEEPEST} deep")
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (date, datetime)):
        return _moment(value, where)
    return _collection(value, where, depth)


def _collection(value: Any, where: str, depth: int) -> Any:
    if isinstance(value, Detections):
        value = value.as_rows()
    elif isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {
            _key(key, where): _plain(item, f"{where}.{key}", depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    raise ValueError(
        f"`{where}` is of the type {type(value).__name__}, which cannot be sent as JSON; send "
        "texts, numbers, truth values, times, detections, or lists and maps of them"
    )


def _key(key: Any, where: str) -> str:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, (str, int, np.integer)) and not isinstance(key, bool):
        return str(key)
    raise ValueError(f"`{where}` has the key {key!r}; a key is a text or a whole number")


def _moment(value: date, where: str) -> str:
    if not isinstance(value, datetime):
        return value.isoformat()
    if value.tzinfo is None:
        raise ValueError(f"`{where}` is a time of no zone; send it in UTC")
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
