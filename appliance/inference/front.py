"""A copy of a model that takes pixels as they are: what is done to them first is in its graph.

Colours in another order, their range, the place of the axes: the runtime does that at no cost that
could be measured, and is given a quarter of the bytes. Weights are copied as they are, never read.
Inputs that say how large the image is become constants: the input's own size, so that boxes are in
its pixels.
"""

import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from appliance.inference.families.fitting import Form
from appliance.inference.graph import (
    FLOAT,
    FLOAT16,
    INT32,
    INT64,
    UINT8,
    Model,
    Value,
    external,
    opened,
)
from appliance.inference.metadata import is_size
from appliance.inference.wire import Field, head, message, read, whole

NAME = "uint8_front"
# What is made in the graph. With another number, copies made before are made again.
_VERSION = 1
# Of the checksum, in the names of copies: enough for no two models to have the same.
_DIGITS = 20
# From here on, Sub and Mul spread values over the other axes.
_OLDEST_OPERATORS = 7
_BLOCK = 1 << 20
# Of AttributeProto: INT, TENSOR, INTS.
_INT, _TENSOR, _INTS = 2, 4, 7

log = structlog.get_logger(__name__)

Part = bytes | tuple[int, int]
"""Of what is written: bytes, or from where to where in the file that is copied."""


def prepared(path: Path, sha256: str, form: Form, folder: Path) -> Path:
    """The copy of a model that takes (1, height, width, 3) of uint8, red first.

    It is kept in `folder`, and compared with its source each time. Where the model can have none,
    or the folder cannot be written, it is `path` itself.
    """
    target = _target(sha256, form, folder, "")
    try:
        return target if with_front(path, form, target) else path
    except (ValueError, OSError) as error:
        log.warning("the model is given numbers, not pixels", model=str(path), error=str(error))
        return path


def alone(path: Path, sha256: str, form: Form, folder: Path) -> Path:
    """The copy of a model that takes the image alone, as numbers; `path` if it does so itself.

    It is kept as that of `prepared` is.
    """
    target = _target(sha256, form, folder, "numbers")
    try:
        return target if without_sizes(path, form, target) else path
    except (ValueError, OSError) as error:
        log.warning("the model is left with its inputs", model=str(path), error=str(error))
        return path


def copies(sha256: str, folder: Path) -> list[Path]:
    """All copies in the folder of the model with this checksum, in whatever form."""
    return sorted(folder.glob(f"{sha256[:_DIGITS]}-*.onnx"))


def _target(sha256: str, form: Form, folder: Path, kind: str) -> Path:
    said = hashlib.sha256(f"{_VERSION}{kind}\n{sha256}\n{form!r}".encode()).hexdigest()
    return folder / f"{sha256[:_DIGITS]}-{said[:12]}.onnx"


def with_front(path: Path, form: Form, target: Path) -> bool:
    """Write the copy to `target`, whole or not at all; whether the model can have one.

    It can if it takes one image of float32 or float16 in this form; axes of any size get that of
    the form, but for the first. The input keeps its name. What is there already is left alone.

    Raises:
        ValueError: it is no ONNX file.
        OSError: a file cannot be read or written.
    """
    with opened(path) as model:
        image = _image(model, form)
        if image is None:
            return False
        _copy(model, target, list(_graph(model, image, form)))
    return True


def without_sizes(path: Path, form: Form, target: Path) -> bool:
    """Write a copy to `target` that takes the image as `path` does, and nothing else beside it.

    Returns whether there is anything else. Raises as `with_front` does.
    """
    with opened(path) as model:
        if not _sizes(model) or any(external(model.weights)):
            return False
        fields = (
            (field.start, field.end) for field in model.graph.fields() if not _is_gone(field, model)
        )
        _copy(model, target, [b"".join(_constants(model, form)), *fields])
    return True


def _copy(model: Model, target: Path, inside: Sequence[Part]) -> None:
    """All of the file, but with this graph."""
    parts, handle = list(_parts(model, inside)), model.graph.handle
    if not _is_there(target, handle, parts):
        _write(target, handle, parts)


def _sizes(model: Model) -> list[Value]:
    """The inputs that say how large the image is, of those whose numbers can be written."""
    known = (FLOAT, INT32, INT64)
    return [v for v in model.inputs if is_size(v.name, v.shape) and v.element in known]


def _is_gone(field: Field, model: Model) -> bool:
    return any(field.start == value.field.start for value in _sizes(model))


def _constants(model: Model, form: Form) -> Iterator[bytes]:
    """What those inputs are given, if boxes are to be in pixels of the input."""
    width, height = form.size
    said = {"orig_target_sizes": (width, height), "im_shape": (height, width)}
    letters = {FLOAT: "f", INT32: "i", INT64: "q"}
    for value in _sizes(model):
        numbers = said.get(value.name, (1, 1))
        content = struct.pack(f"<2{letters[value.element]}", *numbers)
        tensor = _attribute("value", _TENSOR, _tensor(value.element, (1, 2), content))
        yield message(1, message(2, value.name), message(4, "Constant"), tensor)


def _image(model: Model, form: Form) -> Value | None:
    """The input, if it can be given pixels."""
    sizes = _sizes(model)
    images = [value for value in model.inputs if value not in sizes]
    if len(images) != 1 or model.operators.get("", 1) < _OLDEST_OPERATORS:
        return None
    (image,) = images
    if image.element not in (FLOAT, FLOAT16) or image.shape is None or len(image.shape) != 4:
        return None
    fits = all(
        given == wanted or isinstance(given, str)
        for given, wanted in zip(image.shape[1:], form.shape[1:], strict=True)
    )
    given_out = any(output.name == image.name for output in model.outputs)
    # A second file would have to lie beside the copy.
    return None if not fits or given_out or any(external(model.weights)) else image


def _parts(model: Model, inside: Sequence[Part]) -> Iterator[Part]:
    for field in model.top:
        if field.number == 7:
            yield head(7, sum(map(_length, inside)))
            yield from inside
        else:
            yield (field.start, field.end)


def _graph(model: Model, image: Value, form: Form) -> Iterator[Part]:
    """The graph with a new input, its nodes, and the new name it goes by."""
    old, new = image.name, f"{NAME}/{image.name}"
    yield b"".join([*_constants(model, form), *_nodes(old, new, form, image.element)])
    for field in model.graph.fields():
        if _is_gone(field, model):
            continue
        if field.start == image.field.start:
            yield _input(image, form)
        elif field.number == 1:
            node = _renamed(field, old, new)
            yield node if node is not None else (field.start, field.end)
        else:
            yield (field.start, field.end)


def _input(image: Value, form: Form) -> bytes:
    width, height = form.size
    sizes = (message(1, whole(1, size)) for size in (height, width, 3))
    shape = message(2, image.axes[0].raw, *sizes)
    return message(11, message(1, image.name), message(2, message(1, whole(1, UINT8), shape)))


def _nodes(old: str, new: str, form: Form, element: int) -> Iterator[bytes]:
    """From pixels to what the model took: (brightness - mean) / std, of each colour."""
    across = (1, 1) if form.layout == "nchw" else ()
    steps: list[tuple[str, bytes, bytes]] = []
    if form.layout == "nchw":
        steps.append(("Transpose", b"", _attribute("perm", _INTS, *_repeated(8, (0, 3, 1, 2)))))
    steps.append(("Cast", b"", _attribute("to", _INT, whole(3, FLOAT))))
    if form.colours == "bgr":
        axis = 1 if form.layout == "nchw" else 3
        swap = _tensor(INT64, (3,), struct.pack("<3q", 2, 1, 0))
        steps.append(("Gather", swap, _attribute("axis", _INT, whole(3, axis))))
    if any(form.mean):
        steps.append(("Sub", _numbers(form.mean, across), b""))
    if any(std != 1 for std in form.std):
        steps.append(("Mul", _numbers([1 / std for std in form.std], across), b""))
    if element == FLOAT16:
        steps.append(("Cast", b"", _attribute("to", _INT, whole(3, FLOAT16))))
    value = old
    for i, (operator, constant, attribute) in enumerate(steps):
        made = new if i == len(steps) - 1 else f"{NAME}/{i}"
        operands = [message(1, value)]
        if constant:
            # A node, because files of the first versions need weights to be inputs as well.
            name = f"{NAME}/{i}/constant"
            tensor = _attribute("value", _TENSOR, constant)
            yield message(1, message(2, name), message(4, "Constant"), tensor)
            operands.append(message(1, name))
        yield message(1, *operands, message(2, made), message(4, operator), attribute)
        value = made


def _attribute(name: str, kind: int, *content: bytes) -> bytes:
    return message(5, message(1, name), *content, whole(20, kind))


def _repeated(number: int, values: Sequence[int]) -> Iterator[bytes]:
    return (whole(number, value) for value in values)


def _numbers(values: Sequence[float], across: Sequence[int]) -> bytes:
    """A constant of one number for each colour, or of one for all."""
    if len(set(values)) == 1:
        return _tensor(FLOAT, (), struct.pack("<f", values[0]))
    return _tensor(FLOAT, (len(values), *across), struct.pack(f"<{len(values)}f", *values))


def _tensor(element: int, shape: Sequence[int], content: bytes) -> bytes:
    """The field of an attribute that is a tensor."""
    return message(5, *_repeated(1, shape), whole(2, element), message(9, content))


def _renamed(node: Field, old: str, new: str) -> bytes | None:
    """A node that is given `new` where it was given `old`; None if it was not."""
    if old.encode() not in node.data:
        return None
    return message(node.number, *_with_new_name(node, old, new))


def _with_new_name(node: Field, old: str, new: str) -> Iterator[bytes]:
    for part in node.fields():
        if part.number == 1 and part.text == old:
            yield message(1, new)
        elif part.number == 5:
            # Branches and loops see the values round them.
            inner = (
                _renamed_graph(field, old, new) if field.number in (6, 11) else field.raw
                for field in part.fields()
            )
            yield message(5, *inner)
        else:
            yield part.raw


def _renamed_graph(graph: Field, old: str, new: str) -> bytes:
    nodes = (
        (_renamed(field, old, new) if field.number == 1 else None) or field.raw
        for field in graph.fields()
    )
    return message(graph.number, *nodes)


def _length(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else part[1] - part[0]


def _blocks(handle: int, parts: Sequence[Part]) -> Iterator[bytes]:
    """What is written, piece by piece."""
    gathered = bytearray()
    for part in parts:
        if isinstance(part, bytes):
            gathered += part
            continue
        start, end = part
        for at in range(start, end, _BLOCK):
            gathered += read(handle, at, min(at + _BLOCK, end))
            if len(gathered) >= _BLOCK:
                yield bytes(gathered)
                gathered.clear()
    yield bytes(gathered)


def _is_there(target: Path, handle: int, parts: Sequence[Part]) -> bool:
    try:
        with target.open("rb") as file:
            if os.fstat(file.fileno()).st_size != sum(map(_length, parts)):
                return False
            return all(file.read(len(block)) == block for block in _blocks(handle, parts))
    except FileNotFoundError:
        return False


def _write(target: Path, handle: int, parts: Sequence[Part]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Several processes may make it at the same time.
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    _sweep(target.parent)
    try:
        with unfinished.open("wb") as file:
            for block in _blocks(handle, parts):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _sweep(folder: Path) -> None:
    """Take away what killed processes did not finish."""
    for left in folder.glob(".*.onnx.*"):
        process = left.suffix[1:]
        if process.isdecimal() and not Path("/proc", process).exists():
            left.unlink(missing_ok=True)
