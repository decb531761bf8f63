"""Reads a frozen TensorFlow graph: as much of its protobuf as a converter needs, and no TensorFlow.

Source: the protobuf wire format ("Encoding", protobuf.dev), and the field numbers of TensorFlow's
graph.proto, node_def.proto, attr_value.proto, tensor.proto and tensor_shape.proto.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTH = {_FIXED64: 8, _FIXED32: 4}
# TensorFlow's DataType numbers, of the types that carry weights and shapes.
_DTYPES: dict[int, type[np.generic]] = {
    1: np.float32,
    2: np.float64,
    3: np.int32,
    4: np.uint8,
    9: np.int64,
    10: np.bool_,
}
_INTEGER_FIELDS = (7, 10, 11)  # int_val, int64_val, bool_val of a TensorProto

Field = tuple[int, int, Any]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation: its inputs are names of nodes, its attributes undecoded AttrValues."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, bytes]

    def text(self, key: str) -> str:
        """An attribute of type string."""
        return bytes(self._field(key, 2)).decode()

    def number(self, key: str) -> float:
        """An attribute of type float."""
        (value,) = struct.unpack("<f", self._field(key, 4))
        return float(value)

    def integers(self, key: str) -> list[int]:
        """An attribute of type list of ints."""
        listed = _fields(self._field(key, 1))
        return [each for field, wire, value in listed if field == 3 for each in _ints(value, wire)]

    def tensor(self, key: str) -> NDArray[Any]:
        """An attribute of type tensor."""
        return _tensor(self._field(key, 8))

    def _field(self, key: str, wanted: int) -> Any:
        for field, _, value in _fields(self.attributes.get(key, b"")):
            if field == wanted:
                return value
        raise ValueError(f"the node {self.name} ({self.op}) has no usable attribute {key}")


def read_graph(data: bytes) -> dict[str, Node]:
    """The nodes of a serialised GraphDef, by name.

    Raises:
        ValueError: the bytes are no such graph.
    """
    try:
        nodes = [_node(value) for field, _, value in _fields(data) if field == 1]
    except (IndexError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"this is not a frozen TensorFlow graph ({error})") from error
    return {node.name: node for node in nodes}


def node_name(reference: str) -> str:
    """The node an input refers to: `^name` is a control input, `name:1` a second output."""
    return reference.removeprefix("^").partition(":")[0]


def _node(data: bytes) -> Node:
    text: dict[int, str] = {}
    inputs: list[str] = []
    attributes: dict[str, bytes] = {}
    for field, _, value in _fields(data):
        if field in (1, 2):
            text[field] = bytes(value).decode()
        elif field == 3 and not bytes(value).startswith(b"^"):
            inputs.append(node_name(bytes(value).decode()))
        elif field == 5:
            entry = {key: content for key, _, content in _fields(value)}
            attributes[bytes(entry[1]).decode()] = entry[2]
    return Node(text[1], text[2], tuple(inputs), attributes)


def _tensor(data: bytes) -> NDArray[Any]:
    dtype: type[np.generic] = np.float32
    shape: tuple[int, ...] = ()
    raw, values = b"", list[float]()
    for field, wire, value in _fields(data):
        if field == 1:
            dtype = _DTYPES[value]
        elif field == 2:
            shape = _shape(value)
        elif field == 4:
            raw = bytes(value)
        elif field == 5:
            values += struct.unpack(f"<{len(value) // 4}f", value)
        elif field in _INTEGER_FIELDS:
            values += _ints(value, wire)
    if raw:
        return np.frombuffer(raw, dtype).reshape(shape)
    # A run of equal values at the end is written once.
    missing = int(np.prod(shape)) - len(values)
    return np.array(values + [values[-1] if values else 0] * missing, dtype).reshape(shape)


def _shape(data: bytes) -> tuple[int, ...]:
    sizes = []
    for field, _, dimension in _fields(data):
        if field == 2:
            found = [_ints(value, wire)[0] for f, wire, value in _fields(dimension) if f == 1]
            sizes.append(found[0] if found else 0)
    return tuple(sizes)


def _fields(data: bytes) -> Iterator[Field]:
    """The fields of a message: number, wire type, and an int or the bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        field, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield field, wire, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        else:
            length = _WIDTH[wire]
        if at + length > len(data):
            raise IndexError("it ends in the middle of a field")
        yield field, wire, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _ints(value: Any, wire: int) -> list[int]:
    """A field of signed integers: one, or many packed."""
    if wire == _VARINT:
        return [_signed(value)]
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(_signed(number))
    return found


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
