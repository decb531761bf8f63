"""Networks of random weights with the outputs of well known detectors, from file to detections.

What the runtime gives is read a second time in plain loops, from the numbers alone.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from appliance.inference.catalog import ModelCard
from appliance.inference.families.fitting import fit
from appliance.inference.metadata import facts_of
from appliance.inference.resolution import Resolved, resolve
from blocks.data import Image

LABELS = ("person", "dog", "car")
WIDE, HIGH = 192, 128
FRAME = (300, 150)
Row = tuple[tuple[float, float, float, float], list[float]]
"""Corners in pixels of the input, and the score of each class."""
Alone = Callable[[list[Any], float], list[Any]]
Rows = NDArray[np.float32]


class Network:
    """A graph from an image (1, 3, 128, 192) on, put together node by node."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(11)

    def add(self, kind: str, *inputs: str | Rows, **attributes: Any) -> str:
        """A node; arrays among its inputs become constants."""
        names = [one if isinstance(one, str) else self._constant(one) for one in inputs]
        name = f"{kind}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, names, [name], **attributes))
        return name

    def grids(self, strides: tuple[int, ...], columns: int) -> str:
        """(1, columns, cells): each a random mixture of the mean colours of its cell."""
        tables = []
        for stride in strides:
            sides = [stride, stride]
            mean = self.add("AveragePool", "image", kernel_shape=sides, strides=sides)
            weights = self._random.normal(0, 2, (columns, 3, 1, 1)).astype(np.float32)
            biases = self._random.normal(-1, 1, columns).astype(np.float32)
            cells = self.add("Conv", mean, weights, biases)
            tables.append(self.add("Reshape", cells, np.array([1, columns, -1])))
        return self.add("Concat", *tables, axis=2)

    def columns(self, table: str, first: int, end: int) -> str:
        """Some of the columns of such a table."""
        return self.add("Slice", table, np.array([first]), np.array([end]), np.array([1]))

    def save(self, path: Path, outputs: dict[str, tuple[str, tuple[int, ...]]]) -> Path:
        """Write it; outputs by name, each of what it is, and its shape."""
        for name, (value, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, HIGH, WIDE])
        gives = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
            for name, (_, shape) in outputs.items()
        ]
        graph = helper.make_graph(self._nodes, "net", [image], gives, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path

    def _constant(self, value: NDArray[Any]) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(value, name))
        return name


def cells(strides: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    for stride in strides:
        for row in range(math.ceil(HIGH / stride)):
            for column in range(math.ceil(WIDE / stride)):
                yield column, row, stride


def around(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


THREE, COUNT = (8, 16, 32), 24 * 16 + 12 * 8 + 6 * 4


def yolo(path: Path) -> Path:
    """As v8 and v11 are exported: decoded in the graph, columns first, no objectness."""
    net = Network()
    table = net.grids(THREE, 7)
    middle = np.array([[(x + 0.5) * s, (y + 0.5) * s] for x, y, s in cells(THREE)], np.float32)
    stride = np.array([s for _, _, s in cells(THREE)], np.float32)
    places = net.add("Add", net.columns(table, 0, 2), np.ascontiguousarray(middle.T[None]))
    sides = net.add("Mul", net.add("Exp", net.columns(table, 2, 4)), stride[None, None])
    scores = net.add("Sigmoid", net.columns(table, 4, 7))
    out = net.add("Concat", places, sides, scores, axis=1)
    return net.save(path, {"output0": (out, (1, 7, COUNT))})


def yolo_rows(outputs: dict[str, Rows]) -> Iterator[Row]:
    for column in outputs["output0"][0].T.tolist():
        yield around(*column[:4]), column[4:]


def yolox(path: Path) -> Path:
    """As it is exported: boxes counted from their cells, rows first, with an objectness."""
    net = Network()
    table = net.grids(THREE, 8)
    sure = net.add("Sigmoid", net.columns(table, 4, 8))
    rows = net.add("Concat", net.columns(table, 0, 4), sure, axis=1)
    out = net.add("Transpose", rows, perm=[0, 2, 1])
    return net.save(path, {"output": (out, (1, COUNT, 8))})


def yolox_rows(outputs: dict[str, Rows]) -> Iterator[Row]:
    for row, (column, line, stride) in zip(
        outputs["output"][0].tolist(), cells(THREE), strict=True
    ):
        x, y = (column + row[0]) * stride, (line + row[1]) * stride
        box = around(x, y, math.exp(row[2]) * stride, math.exp(row[3]) * stride)
        yield box, [float(np.float32(row[4]) * np.float32(score)) for score in row[5:]]


def nanodet(path: Path) -> Path:
    """As NanoDet-Plus is exported."""
    net, strides = Network(), (8, 16, 32, 64)
    table = net.grids(strides, 35)
    sure = net.add("Sigmoid", net.columns(table, 0, 3))
    rows = net.add("Concat", sure, net.columns(table, 3, 35), axis=1)
    out = net.add("Transpose", rows, perm=[0, 2, 1])
    return net.save(path, {"output": (out, (1, COUNT + 6, 35))})


def nanodet_rows(outputs: dict[str, Rows]) -> Iterator[Row]:
    rows = zip(outputs["output"][0].tolist(), cells((8, 16, 32, 64)), strict=True)
    for row, (column, line, stride) in rows:
        sides = []
        for first in range(3, 35, 8):
            shares = [math.exp(value) for value in row[first : first + 8]]
            mean = sum(i * share for i, share in enumerate(shares)) / sum(shares)
            sides.append(mean * stride)
        x, y = column * stride, line * stride
        yield (x - sides[0], y - sides[1], x + sides[2], y + sides[3]), row[:3]


def queries(path: Path, boxes: str, logits: str, columns: int) -> Path:
    """As RT-DETR, D-FINE and RF-DETR are exported."""
    net = Network()
    table = net.grids((16,), 4 + columns)
    places = net.add("Transpose", net.add("Sigmoid", net.columns(table, 0, 4)), perm=[0, 2, 1])
    scores = net.add("Transpose", net.columns(table, 4, 4 + columns), perm=[0, 2, 1])
    return net.save(path, {boxes: (places, (1, 96, 4)), logits: (scores, (1, 96, columns))})


def detr(path: Path) -> Path:
    return queries(path, "pred_boxes", "logits", 3)


def rf_detr(path: Path) -> Path:
    return queries(path, "dets", "labels", 4)


def detr_rows(outputs: dict[str, Rows]) -> Iterator[Row]:
    boxes, logits = outputs.values()
    for (x, y, w, h), row in zip(boxes[0].tolist(), logits[0].tolist(), strict=True):
        scores = [1 / (1 + math.exp(-value)) for value in row[:3]]
        # Each class is a find by itself.
        for number, score in enumerate(scores):
            alone = [score if number == i else 0.0 for i in range(3)]
            yield around(x * WIDE, y * HIGH, w * WIDE, h * HIGH), alone


@dataclass(frozen=True)
class Contract:
    """How a family is exported, read, and put into a frame of 300 x 150 pixels."""

    make: Callable[[Path], Path]
    rows: Callable[[dict[str, Rows]], Iterator[Row]]
    overlap: float
    factor: tuple[float, float]
    shift: tuple[float, float] = (0.0, 0.0)


STRETCHED = (WIDE / 300, HIGH / 150)
WHOLE = (WIDE / 300, WIDE / 300)
CONTRACTS = {
    # 96 of the 128 rows are the image's.
    "yolo": Contract(yolo, yolo_rows, 0.45, WHOLE, (0.0, 16.0)),
    "yolox": Contract(yolox, yolox_rows, 0.45, WHOLE),
    "nanodet": Contract(nanodet, nanodet_rows, 0.6, STRETCHED),
    "detr": Contract(detr, detr_rows, 1.0, STRETCHED),
    "rf_detr": Contract(rf_detr, detr_rows, 1.0, STRETCHED),
}


def picture() -> Image:
    """Patches of random colours."""
    colours = np.random.default_rng(5).integers(0, 256, (10, 20, 3), np.uint8)
    return Image.from_bgr(np.asarray(cv2.resize(colours, FRAME), np.uint8))


def resolved(family: str, folder: Path) -> Resolved:
    path = CONTRACTS[family].make(folder / "net.onnx")
    # One candidate for each cell may be of two families.
    said = {"family": "yolox"} if family == "yolox" else {}
    card = ModelCard.model_validate({"name": "net", "file": path, "labels": LABELS, **said})
    return resolve(card, path, "0" * 64, facts_of(path))


@pytest.mark.parametrize("family", CONTRACTS)
def test_what_a_network_gives_is_as_read_slowly(family: str, tmp_path: Path, alone: Alone) -> None:
    model, contract = resolved(family, tmp_path), CONTRACTS[family]
    assert (model.family.name, model.form.size) == (family, (WIDE, HIGH))
    session = onnxruntime.InferenceSession(model.path, providers=["CPUExecutionProvider"])
    tensor, place = fit(picture(), model.form)
    names = [output.name for output in session.get_outputs()]
    # The weights are of numbers around 1, whatever the family's own.
    outputs = dict(zip(names, session.run(names, {"image": tensor / tensor.max()}), strict=True))
    finds = [
        (box, max(scores), scores.index(max(scores))) for box, scores in contract.rows(outputs)
    ]
    # The 150 surest, so that none is left out for being too many.
    finds.sort(key=lambda find: -find[1])
    bar = (finds[149][1] + finds[150][1]) / 2
    found = model.family.decode(outputs, place, model.labels, bar)
    expected = []
    for box, sure, number in alone(finds[:150], contract.overlap):
        x1, y1, x2, y2 = (
            min(max((v - contract.shift[i % 2]) / contract.factor[i % 2], 0), FRAME[i % 2])
            for i, v in enumerate(box)
        )
        if x2 > x1 and y2 > y1:
            expected.append(((x1, y1, x2, y2), sure, number))
    assert len(expected) > 20
    np.testing.assert_allclose(found.confidence, [sure for _, sure, _ in expected], rtol=1e-5)
    np.testing.assert_allclose(found.xyxy, [box for box, _, _ in expected], rtol=1e-4, atol=0.02)
    assert found.label.tolist() == [LABELS[number] for _, _, number in expected]
