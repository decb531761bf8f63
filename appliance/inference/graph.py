"""What stands in an ONNX file, read without the runtime: what is wrong with it, and its shapes.

A file from anywhere may crash the runtime, or ask for what is not there; most of that can be seen
in the file. It is read piece by piece, and never as a whole. The numbers of the fields are those of
`onnx.proto` (onnx.ai, version 1.20).
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.inference.metadata import Facts, is_size
from appliance.inference.wire import EndError, Field, fields

FLOAT, UINT8, INT32, INT64, FLOAT16 = 1, 2, 6, 7, 10
# What onnxruntime 1.24 loads.
NEWEST_FORMAT, NEWEST_OPERATORS = 13, 25
DOMAINS = frozenset(
    {
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "ai.onnx.preview",
        "ai.onnx.preview.training",
        "ai.onnx.training",
        "com.microsoft",
        "com.microsoft.experimental",
        "com.microsoft.nchwc",
        "com.ms.internal.nhwc",
        "org.pytorch.aten",
    }
)
_WITH_GRAPHS = ("If", "Loop", "Scan", "SequenceMap")
_DEEPEST = 16
# How other files begin that are taken for models.
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", "a zip archive, as PyTorch's .pt files are: export the model to ONNX"),
    (4, b"TFL3", "a TensorFlow Lite model: convert it to ONNX"),
    (0, b"\x89HDF", "an HDF5 file, as Keras writes: convert the model to ONNX"),
    (0, b"ftrt", "a TensorRT engine: take the ONNX file that it was made of"),
    (0, b"version https://git-lfs", "only Git LFS's note of where it is: run `git lfs pull`"),
    (0, b"<", "a web page or XML: what it was downloaded from gave something else"),
)


@dataclass(frozen=True, slots=True)
class Value:
    """An input or output: its name, the number of its type, and its axes, None if not said.

    An axis of any size is a word. `field` is where it stands, `axes` are the fields of its axes.
    """

    name: str
    element: int
    shape: tuple[int | str, ...] | None
    field: Field
    axes: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """An ONNX file's parts, as places in the file."""

    top: tuple[Field, ...]
    graph: Field
    format: int
    operators: Mapping[str, int]
    metadata: Mapping[str, str]
    functions: tuple[Field, ...]
    nodes: tuple[Field, ...]
    weights: tuple[Field, ...]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


@contextmanager
def opened(path: Path) -> Iterator[Model]:
    """The parts of an ONNX file, which can be read until the end of the block.

    Raises:
        ValueError: it is none; what it is instead, to be put behind its name.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        yield _model(file.fileno())


def problems(path: Path) -> str:
    """Why a file cannot be used, to be put behind its name; nothing if no reason is seen.

    What does not stand in the file is not checked: whether the runtime can really load it.
    """
    try:
        with opened(path) as model:
            return (
                _too_new(model)
                or _missing_data(model, path.parent)
                or _unknown_operators(model)
                or _takes_no_image(model)
            )
    except ValueError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def facts_of(path: Path) -> Facts | None:
    """The shapes and the metadata that stand in a file; None if some only the runtime can tell.

    Raises:
        ValueError: it is no ONNX file; what it is instead, to be put behind its name.
        OSError: it cannot be read.
    """
    with opened(path) as model:
        inputs = {value.name: value.shape for value in model.inputs}
        outputs = {value.name: value.shape for value in model.outputs}
        metadata = dict(model.metadata)
    told = {name: shape for name, shape in (inputs | outputs).items() if shape is not None}
    # Of an output whose first axis alone is a word, the runtime knows no more.
    vague = any(isinstance(axis, str) for name in outputs for axis in told.get(name, ())[1:])
    if vague or len(told) < len(inputs | outputs):
        return None
    return Facts(
        inputs={name: told[name] for name in inputs},
        outputs={name: told[name] for name in outputs},
        metadata=metadata,
    )


def external(weights: Iterable[Field]) -> Iterator[dict[str, str]]:
    """Of the weights that lie in other files: `location`, and perhaps `offset` and `length`."""
    for weight in weights:
        parts = list(weight.fields())
        # 1 is EXTERNAL.
        if any(part.number == 14 and part.integer == 1 for part in parts):
            yield dict(_entry(part) for part in parts if part.number == 13)


def _model(handle: int) -> Model:
    size = os.fstat(handle).st_size
    start = os.pread(handle, 32, 0)
    if not start:
        raise ValueError("is empty")
    for place, mark, what in _OTHERS:
        if start.startswith(mark, place):
            raise ValueError(f"is no ONNX file, but {what}")
    top: list[Field] = []
    try:
        top.extend(fields(handle, 0, size))
        return _parts(top)
    except EndError:
        # Where a cut one breaks off, its own first fields stand before: the version and the maker.
        if start[0] == 0x08 and start[1] <= NEWEST_FORMAT:
            raise ValueError("is cut off, or damaged: copy or download it again") from None
        raise ValueError("is no ONNX file") from None
    except ValueError as error:
        raise ValueError(f"is no ONNX file, or damaged: {error}") from None


def _parts(top: list[Field]) -> Model:
    graphs = [field for field in top if field.number == 7]
    if len(graphs) != 1:
        raise ValueError("there is no graph in it")
    (graph,) = graphs
    inside: dict[int, list[Field]] = {}
    for field in graph.fields():
        inside.setdefault(field.number, []).append(field)
    weights, nodes = inside.get(5, []), inside.get(1, [])
    if not nodes:
        raise ValueError("there are no operators in its graph")
    # Files of the first versions name their weights among the inputs.
    given = {_name(weight, 8) for weight in weights}
    inputs = [_value(field) for field in inside.get(11, [])]
    return Model(
        top=tuple(top),
        graph=graph,
        format=next((field.integer for field in top if field.number == 1), 0),
        operators=dict(_operators(field) for field in top if field.number == 8),
        metadata=dict(_entry(field) for field in top if field.number == 14),
        functions=tuple(field for field in top if field.number == 25),
        nodes=tuple(nodes),
        weights=tuple(weights),
        inputs=tuple(value for value in inputs if value.name not in given),
        outputs=tuple(_value(field) for field in inside.get(12, [])),
    )


def _name(field: Field, number: int) -> str:
    return next((part.text for part in field.fields() if part.number == number), "")


def _entry(field: Field) -> tuple[str, str]:
    return _name(field, 1), _name(field, 2)


def _operators(field: Field) -> tuple[str, int]:
    domain, version = "", 1
    for part in field.fields():
        if part.number == 1:
            domain = part.text
        elif part.number == 2:
            version = part.integer
    return "" if domain == "ai.onnx" else domain, version


def _value(field: Field) -> Value:
    name, element = _name(field, 1), 0
    axes: list[Field] | None = None
    for kind in field.fields():
        # A type, and of types only that of a tensor.
        tensors = [t for t in kind.fields() if t.number == 1] if kind.number == 2 else []
        for part in (part for tensor in tensors for part in tensor.fields()):
            if part.number == 1:
                element = part.integer
            elif part.number == 2:
                axes = [axis for axis in part.fields() if axis.number == 1]
    if axes is None:
        return Value(name, element, None, field)
    return Value(name, element, tuple(_axis(axis) for axis in axes), field, tuple(axes))


def _axis(field: Field) -> int | str:
    for part in field.fields():
        if part.number == 1 and part.integer >= 0:
            return part.integer
        if part.number == 2 and part.end > part.content:
            return part.text
    return "?"


def _too_new(model: Model) -> str:
    version = model.operators.get("", 1)
    if model.format > NEWEST_FORMAT:
        newer = f"of version {model.format} of the format, where {NEWEST_FORMAT}"
    elif version > NEWEST_OPERATORS:
        newer = f"for operators of version {version}, where {NEWEST_OPERATORS}"
    else:
        return ""
    return f"is {newer} is the newest that can be run: export it with `opset` 17"


def _missing_data(model: Model, folder: Path) -> str:
    for entry in external(model.weights):
        location = entry.get("location", "")
        beside = Path(location)
        if not location or beside.is_absolute() or ".." in beside.parts:
            return f"keeps weights in {location or 'no file'}, which is not a file beside it"
        try:
            size = (folder / beside).stat().st_size
        except OSError:
            return f"keeps weights in a second file, {location}, which is not beside it"
        needed = _number(entry.get("offset", "0")) + _number(entry.get("length", "0"))
        if size < needed:
            return f"keeps weights in {location}, which is cut off: it has {size} of {needed} bytes"
    return ""


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _unknown_operators(model: Model) -> str:
    defined = {_name(function, 10) for function in model.functions}
    nodes = list(model.nodes)
    for function in model.functions:
        nodes += [part for part in function.fields() if part.number == 7]
    unknown: dict[str, None] = {}
    for domain, operator in _calls(nodes):
        if domain not in DOMAINS and domain not in defined:
            unknown[f"{operator} of {domain}"] = None
    if not unknown:
        return ""
    first = ", ".join(list(unknown)[:3]) + (" and more" if len(unknown) > 3 else "")
    return f"uses operators of somebody's own, which are not here: {first}; export it without them"


def _calls(nodes: Iterable[Field], depth: int = 0) -> Iterator[tuple[str, str]]:
    """Domain and name of the operators, also of those in branches and loops."""
    if depth > _DEEPEST:
        raise ValueError(f"is nested deeper than {_DEEPEST} levels")
    for node in nodes:
        parts = list(node.fields())
        operator = next((part.text for part in parts if part.number == 4), "")
        yield next((part.text for part in parts if part.number == 7), ""), operator
        if operator in _WITH_GRAPHS:
            attributes = (part for part in parts if part.number == 5)
            for graph in (g for a in attributes for g in a.fields() if g.number in (6, 11)):
                yield from _calls([n for n in graph.fields() if n.number == 1], depth + 1)


def _takes_no_image(model: Model) -> str:
    given = [value for value in model.inputs if not is_size(value.name, value.shape)]
    images = [v for v in given if v.shape is None or len(v.shape) == 4]
    if len(given) == 1 and images:
        return ""
    said = ", ".join(f"{v.name} of {len(v.shape or ())} axes" for v in model.inputs) or "nothing"
    return f"takes no single image: its inputs are {said}"
