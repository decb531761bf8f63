"""Tensors as the Open Inference Protocol, version 2, writes them: as JSON, or as bytes after it.

The protocol is that of KServe ("Open Inference Protocol", rest_predict_v2), the bytes are those of
Triton's "Binary Tensor Data Extension". No file or socket is touched here.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from appliance.inference.remote_http import Answer, Buffer, ServerError

HEADER_LENGTH = "Inference-Header-Content-Length"
# By the protocol's names. BF16 is not known to numpy: it is the upper half of a float32.
_TYPES = {
    "BOOL": "|b1",
    "UINT8": "|u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "|i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "BF16": "<u2",
    "FP32": "<f4",
    "FP64": "<f8",
}
_FLOATS = ("FP16", "BF16", "FP32", "FP64")
_MOST_AXES = 16
_LONGEST_AXIS = 1 << 31
# What a number takes in JSON at most, with its comma: -1.2345678901234567e-300.
_JSON_NUMBER = 26
# For all of an answer but its numbers.
_HEAD = 64 << 10
_UNKNOWN_LENGTH = 64 << 20

Shape = tuple[int | str, ...]


class ProtocolError(ServerError):
    """What a server says is not of the protocol, or not what was asked for."""


class Tensor(NamedTuple):
    """A tensor that a model takes or gives, as the server describes it; an axis may be a word."""

    name: str
    datatype: str
    shape: Shape

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an array of that shape may be this tensor."""
        return len(shape) == len(self.shape) and all(
            isinstance(axis, str) or axis == size
            for axis, size in zip(self.shape, shape, strict=True)
        )


class Signature(NamedTuple):
    """What a model takes, and what it gives."""

    takes: Tensor
    gives: tuple[Tensor, ...]

    @property
    def longest_answer(self) -> int:
        """More bytes than this no answer has, as bytes or as JSON."""
        if any(isinstance(axis, str) for tensor in self.gives for axis in tensor.shape):
            return _UNKNOWN_LENGTH
        numbers = sum(math.prod(map(int, tensor.shape)) for tensor in self.gives)
        return _HEAD + numbers * _JSON_NUMBER


class Request(NamedTuple):
    """The content of a request, in pieces, and its headers."""

    content: Sequence[Buffer]
    headers: Mapping[str, str]


def signature(body: bytes) -> Signature:
    """What a model takes and gives, from its metadata.

    Raises:
        ProtocolError: the metadata are none, or of a model that takes no one image; the reason.
    """
    metadata = parsed(body)
    takes, gives = (_described(metadata.get(key), key) for key in ("inputs", "outputs"))
    if len(takes) != 1:
        names = ", ".join(tensor.name for tensor in takes)
        raise ProtocolError(
            f"the model takes {len(takes)} inputs, where it is given one image: {names}"
        )
    return Signature(takes[0], gives)


def numpy_type(datatype: str) -> np.dtype[Any]:
    """What values of that type are to us: all floats are float32.

    Raises:
        ProtocolError: nothing can be done with them.
    """
    if datatype in _FLOATS:
        return np.dtype(np.float32)
    if datatype not in _TYPES:
        raise ProtocolError(f"it has values of the type {datatype[:20]!r}, which are no numbers")
    return np.dtype(_TYPES[datatype])


def encoded(tensor: NDArray[Any], takes: Tensor, *, binary: bool) -> Request:
    """The request for a model's outputs of one tensor; floats are written as the model takes them.

    Raises:
        ProtocolError: the model takes other numbers; the reason.
    """
    if tensor.dtype != numpy_type(takes.datatype):
        what = f"it is given {tensor.dtype}, where the server's model takes {takes.datatype}"
        raise ProtocolError(what)
    described: dict[str, Any] = {
        "name": takes.name,
        "shape": list(tensor.shape),
        "datatype": takes.datatype,
    }
    if not binary:
        inputs = [{**described, "data": tensor.ravel().tolist()}]
        text = json.dumps({"inputs": inputs}, allow_nan=False, separators=(",", ":"))
        return Request([text.encode("ascii")], {"Content-Type": "application/json"})
    values = _written(np.ascontiguousarray(tensor), takes.datatype)
    described["parameters"] = {"binary_data_size": values.nbytes}
    head = json.dumps({"inputs": [described], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return Request([head, values], headers)


def decoded(answer: Answer, gives: Sequence[Tensor]) -> dict[str, NDArray[Any]]:
    """The outputs in an answer, by name, read-only.

    Raises:
        ProtocolError: it is none, or it lacks an output or has it in another shape; the reason.
    """
    length = answer.headers.get(HEADER_LENGTH.lower(), "")
    head, raw = answer.body, memoryview(b"")
    if length:
        if not length.isdecimal() or int(length) > len(answer.body):
            raise ProtocolError(f"its answer has a wrong {HEADER_LENGTH}")
        head = answer.body[: int(length)]
        raw = memoryview(answer.body)[int(length) :]
    outputs = parsed(head).get("outputs")
    if not isinstance(outputs, list):
        raise ProtocolError("its answer has no outputs")
    found: dict[str, NDArray[Any]] = {}
    for output in outputs:
        name, values, used = _output(output, raw)
        raw = raw[used:]
        found[name] = values
    return {tensor.name: _fitting(tensor, found) for tensor in gives}


def parsed(body: bytes) -> dict[str, Any]:
    """An object of JSON.

    Raises:
        ProtocolError: it is none; the reason.
    """
    try:
        value = json.loads(body, parse_constant=_refuse)
    except RecursionError as error:
        raise ProtocolError("its answer is no JSON that can be read") from error
    except ValueError as error:
        raise ProtocolError("its answer is no JSON") from error
    if not isinstance(value, dict):
        raise ProtocolError("its answer is JSON, but no object")
    return value


def _refuse(word: str) -> NoReturn:
    raise ProtocolError(f"its answer has {word} in it, which is no number")


def _described(rows: object, key: str) -> tuple[Tensor, ...]:
    if not isinstance(rows, list) or not rows:
        raise ProtocolError(f"the server does not say the {key} of the model: set them there")
    return tuple(_tensor(row, key) for row in rows)


def _tensor(row: object, key: str) -> Tensor:
    row = row if isinstance(row, dict) else {}
    name, datatype, shape = (row.get(word) for word in ("name", "datatype", "shape"))
    if not (isinstance(name, str) and isinstance(datatype, str) and isinstance(shape, list)):
        raise ProtocolError(f"what the server says of the model's {key} is not of the protocol")
    if not all(type(axis) is int for axis in shape):
        raise ProtocolError(f"what the server says of the shape of {name} are no numbers")
    numpy_type(datatype)
    return Tensor(name, datatype, tuple("?" if axis < 0 else axis for axis in shape))


def _written(tensor: NDArray[Any], datatype: str) -> memoryview:
    if datatype == "BF16":
        bits = tensor.view(np.uint32)
        # Round to the nearest, and to the even one of two.
        values: NDArray[Any] = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    else:
        values = tensor.astype(_TYPES[datatype], copy=False)
    return values.reshape(-1).view(np.uint8).data


def _output(output: object, raw: memoryview) -> tuple[str, NDArray[Any], int]:
    """The name and the values of an output, and how many of the bytes are its own."""
    described = output if isinstance(output, dict) else {}
    name, shape, datatype = (described.get(word) for word in ("name", "shape", "datatype"))
    if not (isinstance(name, str) and isinstance(shape, list) and isinstance(datatype, str)):
        raise ProtocolError("an output in its answer is not of the protocol")
    axes = all(type(axis) is int and 0 <= axis < _LONGEST_AXIS for axis in shape)
    if len(shape) > _MOST_AXES or not axes:
        raise ProtocolError(f"the output {name[:60]} in its answer has a shape that is none")
    wanted = numpy_type(datatype)
    parameters = described.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        # What is too large for a float32 is infinite, as a local session would have it.
        with np.errstate(all="ignore"):
            values, used = _numbers(name, described.get("data")).astype(wanted), 0
    else:
        values, used = _read(name, datatype, raw, size), size
    # One by one: Python's numbers do not overflow.
    if math.prod(shape) != values.size:
        raise ProtocolError(
            f"the output {name[:60]} in its answer has {values.size} numbers, "
            f"not those of its shape {shape}"
        )
    values = values.reshape(shape)
    values.flags.writeable = False
    return name, values, used


def _read(name: str, datatype: str, raw: memoryview, size: object) -> NDArray[Any]:
    kind = np.dtype(_TYPES[datatype])
    if not (type(size) is int and 0 <= size <= len(raw) and size % kind.itemsize == 0):
        raise ProtocolError(f"the output {name[:60]} in its answer is cut short")
    values = np.frombuffer(raw[:size], kind)
    if datatype == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    # Its own memory, and aligned: the head may have any length.
    return values.astype(numpy_type(datatype))


def _numbers(name: str, data: object) -> NDArray[Any]:
    try:
        values = np.asarray(data if isinstance(data, list) else None)
    except ValueError:
        values = np.asarray(None)
    if values.dtype.kind not in "buif":
        raise ProtocolError(f"the output {name[:60]} in its answer has data that are no numbers")
    return values.ravel()


def _fitting(tensor: Tensor, found: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    if tensor.name not in found:
        raise ProtocolError(f"its answer lacks the output {tensor.name[:60]}")
    values = found[tensor.name]
    if not tensor.fits(values.shape):
        told = " x ".join(map(str, values.shape))
        raise ProtocolError(
            f"the output {tensor.name[:60]} in its answer has the shape {told}, not "
            f"{' x '.join(map(str, tensor.shape))} as the server says of the model"
        )
    return values
