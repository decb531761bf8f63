"""What values are to CEL: the type they are checked as, the one they run as, and back to Python.

All numbers are doubles. A detection is checked as a protobuf message, so that a wrong field is
found, and runs as a plain map, which is far cheaper to make.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args, get_origin

import numpy as np
from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool

from appliance.engine.annotations import bare, fits, members
from blocks.data import Columns, Detections, Image

DEEPEST = 32
_PACKAGE = "appliance"
_Field = descriptor_pb2.FieldDescriptorProto
_FIELD_TYPES = {
    bool: _Field.TYPE_BOOL,
    float: _Field.TYPE_DOUBLE,
    int: _Field.TYPE_DOUBLE,
    str: _Field.TYPE_STRING,
}
_COLUMNS = {"label": str, "confidence": float, "tracker_id": float}


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of value: as it is checked, as it runs, and how a value of it is given to CEL.

    `structured` says that it is checked as something else than it runs as.
    """

    checked: Any
    running: Any
    convert: Callable[[Any], Any]
    structured: bool = False


class Kinds:
    """The kinds of one workflow's values, and the message types they are checked with."""

    def __init__(self) -> None:
        # proto2: its field names may differ by case and underscores alone.
        self._file = descriptor_pb2.FileDescriptorProto(
            name="values.proto", package=_PACKAGE, syntax="proto2"
        )
        self._file.message_type.add(name="Image")
        self._detections: dict[Columns, str] = {}
        self._fields: dict[str, tuple[str, ...]] = {f"{_PACKAGE}.Image": ()}

    @property
    def fields(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the fields of each message type."""
        return self._fields

    def pool(self) -> descriptor_pool.DescriptorPool:
        """The message types so far."""
        pool = descriptor_pool.DescriptorPool()
        pool.Add(self._file)
        return pool

    def of(self, annotation: Any) -> Kind:
        """The kind of values with a Python annotation."""
        parts = [part for part in members(annotation) if part is not type(None)]
        if Any in parts:
            return _DYNAMIC
        for target, kind in ((bool, _BOOL), (float, _DOUBLE), (str, _STRING)):
            if fits(annotation, target):
                return kind
        if fits(annotation, Detections):
            message = cel.Type(self._message(_columns(annotation)))
            return Kind(cel.Type.List(message), _LIST, _rows, structured=True)
        if parts == [Image]:
            return Kind(cel.Type(f"{_PACKAGE}.Image"), cel.Type.DYN, _nothing, structured=True)
        return self._many(annotation) or _DYNAMIC

    def _many(self, annotation: Any) -> Kind | None:
        """The kind of many detections or images."""
        found = bare(annotation)
        arguments = [part for part in get_args(found) if part is not Ellipsis]
        if get_origin(found) not in (list, tuple, Sequence) or len(arguments) != 1:
            return None
        inner = self.of(arguments[0])
        if not inner.structured:
            return None
        convert = inner.convert
        return Kind(
            cel.Type.List(inner.checked),
            _LIST,
            lambda many: [convert(value) for value in many],
            structured=True,
        )

    def _message(self, columns: Columns) -> str:
        """The message type of one of the detections that have these columns."""
        if columns not in self._detections:
            name = f"Detection{len(self._detections)}"
            # Neither protobuf nor CEL has names with letters beyond ASCII.
            given = {
                name: kind
                for name, kind in columns.types.items()
                if kind in _FIELD_TYPES and name.isascii() and name not in ("box", *_COLUMNS)
            }
            fields = given | _COLUMNS
            message = self._file.message_type.add(name=name)
            for number, (field, kind) in enumerate(fields.items(), 2):
                message.field.add(
                    name=field,
                    number=number,
                    type=_FIELD_TYPES[kind],
                    label=_Field.LABEL_OPTIONAL,
                )
            message.field.add(
                name="box", number=1, type=_Field.TYPE_DOUBLE, label=_Field.LABEL_REPEATED
            )
            self._detections[columns] = f"{_PACKAGE}.{name}"
            self._fields[f"{_PACKAGE}.{name}"] = (
                "label",
                "confidence",
                "box",
                *given,
                "tracker_id",
            )
        return self._detections[columns]


def _columns(annotation: Any) -> Columns:
    """The columns that an annotation of detections promises, in whatever it is wrapped."""
    found: dict[str, type] = {}
    for part in get_args(annotation):
        # The arguments of Annotated are the type, and then its marks.
        mark = part if isinstance(part, Columns) else _columns(part)
        found.update(mark.types)
    return Columns(**found)


def _bool(value: Any) -> bool:
    # What a text or a number is true for is nobody's meaning here.
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{given(value)} is not true or false")
    return bool(value)


def _double(value: Any) -> float:
    # A text has none, though float() would read it.
    if not hasattr(value, "__float__"):
        raise TypeError(f"{given(value)} is no number")
    return float(value)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{given(value)} is no text")
    if "\0" in value:
        # CEL would take the text to end there.
        raise ValueError("the text has a character of code zero in it")
    if not value.isascii():
        value.encode()
    return str(value)


def _plain(value: Any, depth: int = 0) -> Any:
    """A value of a type that is not known before: numbers as doubles, times as seconds."""
    if value is None or isinstance(value, bool):
        return value
    if depth > DEEPEST:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels")
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        return {_string(str(k)): _plain(inner, depth + 1) for k, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, depth + 1) for inner in value]
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.ndarray):
        return _plain(value.tolist(), depth)
    if isinstance(value, Detections):
        return _rows(value)
    if isinstance(value, datetime):
        return value.timestamp()
    return _double(value)


def _rows(detections: Any) -> list[dict[str, Any]]:
    """The rows of `Detections.as_rows` with all numbers as doubles, made column by column."""
    if not isinstance(detections, Detections):
        raise TypeError(f"{given(detections)} is no detections")
    columns = {
        # Beside its own columns a box has only such as hold one value for each.
        "label": detections.label.tolist(),
        "confidence": np.round(detections.confidence.astype(np.float64), 4).tolist(),
        "box": np.round(detections.xyxy.astype(np.float64), 1).tolist(),
        **{
            name: _column(column)
            for name, column in detections.data.items()
            if column.ndim == 1 and name not in ("label", "confidence", "box", "tracker_id")
        },
    }
    names = tuple(columns)
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for row, tracker_id in zip(rows, detections.tracker_id.tolist(), strict=True):
        if tracker_id >= 0:
            row["tracker_id"] = float(tracker_id)
    return rows


def _column(column: np.ndarray[Any, Any]) -> list[Any]:
    if column.dtype.kind in "iuf":
        found: list[Any] = column.astype(np.float64).tolist()
        return found
    return [_plain(value) for value in column.tolist()]


def blanks(many: Sequence[Any]) -> list[None]:
    """What is left of many values where only their number counts."""
    return [None] * len(many)


def _nothing(_value: Any) -> None:
    """What is left of an image: that there is one."""


def given(value: Any) -> str:
    """What a value is, without the value: it may hold what nobody is to see."""
    found = (name for kind, name in _GIVEN if isinstance(value, kind))
    return next(found, f"a value of type {type(value).__name__}")


_GIVEN: Sequence[tuple[Any, str]] = (
    (type(None), "nothing"),
    (bool, "true or false"),
    (int | float, "a number"),
    (str, "a text"),
    (list | tuple, "a list"),
    (Mapping, "a mapping"),
)
_LIST = cel.Type.List(cel.Type.DYN)
_BOOL = Kind(cel.Type.BOOL, cel.Type.BOOL, _bool)
_DOUBLE = Kind(cel.Type.DOUBLE, cel.Type.DOUBLE, _double)
_STRING = Kind(cel.Type.STRING, cel.Type.STRING, _string)
_DYNAMIC = Kind(cel.Type.DYN, cel.Type.DYN, _plain)

RESULTS: Mapping[str, Any] = {
    "BOOL": bool,
    "BYTES": bytes,
    "DOUBLE": float,
    "DURATION": timedelta,
    "DYN": Any,
    "INT": int,
    "LIST": list,
    "MAP": dict,
    "NULL": type(None),
    "STRING": str,
    "TIMESTAMP": datetime,
    "UINT": int,
}
"""What results of CEL's types are in Python."""


def root(kind: Any) -> str:
    """The name of a type of CEL without what it is of: `LIST` of `LIST<DOUBLE>`."""
    return str(kind.name()).partition("<")[0]


def python_value(value: Any) -> Any:
    """A result of CEL in plain Python.

    Raises:
        TypeError: there is something in it that has no such form.
    """
    if isinstance(value, bool | int | float | str | datetime | timedelta) or value is None:
        return value
    if isinstance(value, bytearray | bytes):
        return bytes(value)
    if isinstance(value, list):
        return [python_value(inner) for inner in value]
    if isinstance(value, dict):
        return {key: python_value(inner) for key, inner in value.items()}
    raise TypeError(f"there is a {type(value).__name__} in it")
