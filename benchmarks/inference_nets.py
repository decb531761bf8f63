"""Networks of the shapes of a YOLO and a DETR, with random weights: as fast as real ones, and free.

What they find means nothing. Their last layers are such that few boxes are sure, as in a picture.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CLASSES = 80
SIZE = 320
QUERIES = 100
_OPERATORS, _FORMAT = 17, 8


class Net:
    """A graph that grows by one operator after the other; each gives the name of its output."""

    def __init__(self, seed: int, size: int = SIZE) -> None:
        self.size = size
        self._chance = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """One operator."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, values: object, kind: type = np.float32) -> str:
        """Values that never change."""
        name = f"constant_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def weights(self, *shape: int, spread: float | None = None) -> str:
        """Numbers by chance, such that what goes through them keeps its size."""
        usual = float(np.sqrt(2 / np.prod(shape[1:]))) if spread is None else spread
        return self.constant(self._chance.normal(0, usual, shape))

    def conv(self, value: str, channels: tuple[int, int], size: int = 3, stride: int = 1) -> str:
        """A convolution, and SiLU as today's detectors have it."""
        before, after = channels
        pad = [size // 2] * 4
        made = self.add(
            "Conv",
            value,
            self.weights(after, before, size, size),
            strides=[stride] * 2,
            pads=pad,
            kernel_shape=[size] * 2,
        )
        return self.add("Mul", made, self.add("Sigmoid", made))

    def shortcut(self, value: str, channels: int) -> str:
        """Two convolutions, and what went into them."""
        half = self.conv(value, (channels, channels // 2))
        return self.add("Add", value, self.conv(half, (channels // 2, channels)))

    def linear(self, value: str, width: tuple[int, int], bias: float = 0.0) -> str:
        """A layer that takes all to all, over the last axis."""
        made = self.add("MatMul", value, self.weights(*width, spread=float(width[0] ** -0.5)))
        return self.add("Add", made, self.constant(np.full(width[1], bias)))

    def save(self, path: Path, outputs: Sequence[tuple[str, str, Sequence[int]]]) -> None:
        """Write it; of each output, the value that it is, its name, and its shape."""
        for value, name, _ in outputs:
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        shape = [1, 3, self.size, self.size]
        image = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
        given = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for _, name, shape in outputs
        ]
        graph = helper.make_graph(self._nodes, path.stem, [image], given, self._weights)
        operators = [helper.make_opsetid("", _OPERATORS)]
        model = helper.make_model(graph, opset_imports=operators, ir_version=_FORMAT)
        helper.set_model_props(model, {"names": str({i: f"thing {i}" for i in range(CLASSES)})})
        onnx.save(model, path)


def _backbone(net: Net, width: int) -> list[tuple[str, int]]:
    """The picture at an eighth, a sixteenth and a thirty-second, each with its channels."""
    value = net.conv("images", (3, width), stride=2)
    levels = []
    for depth in (1, 2, 4, 8):
        value = net.conv(value, (width * depth, width * depth * 2), stride=2)
        value = net.shortcut(net.shortcut(value, width * depth * 2), width * depth * 2)
        levels.append((value, width * depth * 2))
    return levels[1:]


def yolo(path: Path, width: int = 16, size: int = SIZE) -> None:
    """As YOLOv8 is exported: one (1, 4 + classes, 2100) of centre, size and scores.

    There are as many rows as cells: 2100 of 320 pixels, 8400 of 640.
    """
    net = Net(seed=8, size=size)
    tables = []
    for value, channels in _backbone(net, width):
        side = size * width * 4 // (8 * channels)
        value = net.conv(value, (channels, 64))
        boxes = net.add("Conv", value, net.weights(4, 64, 1, 1))
        boxes = net.add("Mul", net.add("Sigmoid", boxes), net.constant(float(size)))
        scores = net.add("Conv", value, net.weights(CLASSES, 64, 1, 1, spread=0.1))
        scores = net.add("Mul", _normed(net, scores), net.constant(0.3))
        # Chance decides more than the picture, so that about as many are sure in each.
        scores = net.add("Add", scores, net.weights(1, CLASSES, side, side, spread=1.0))
        scores = net.add("Sigmoid", net.add("Sub", scores, net.constant(3.7)))
        table = net.add("Concat", boxes, scores, axis=1)
        shape = net.constant([1, 4 + CLASSES, side * side], np.int64)
        tables.append(net.add("Reshape", table, shape))
    table = net.add("Concat", *tables, axis=2)
    cells = sum((size // stride) ** 2 for stride in (8, 16, 32))
    net.save(path, [(table, "output0", (1, 4 + CLASSES, cells))])


def detr(path: Path, width: int = 16, layers: int = 2) -> None:
    """As DETR and its kin are exported: `logits` and `pred_boxes` of 100 queries."""
    net = Net(seed=9)
    value, channels = _backbone(net, width)[-1]
    cells = (SIZE // 32) ** 2
    tokens = net.add("Reshape", value, net.constant([1, channels, cells], np.int64))
    tokens = _layer_norm(net, net.add("Transpose", tokens, perm=[0, 2, 1]), channels)
    queries = net.weights(1, QUERIES, channels, spread=1.0)
    for _ in range(layers):
        tokens = _attended(net, tokens, tokens, channels)
        queries = _attended(net, queries, tokens, channels)
    logits = net.linear(queries, (channels, CLASSES), bias=-3.0)
    boxes = net.add("Sigmoid", net.linear(queries, (channels, 4)))
    shapes = ((1, QUERIES, CLASSES), (1, QUERIES, 4))
    net.save(path, [(logits, "logits", shapes[0]), (boxes, "pred_boxes", shapes[1])])


def _attended(net: Net, asking: str, asked: str, width: int) -> str:
    """Attention of one head, and the two layers behind it."""
    question = net.linear(asking, (width, width))
    key = net.add("Transpose", net.linear(asked, (width, width)), perm=[0, 2, 1])
    likeness = net.add("Mul", net.add("MatMul", question, key), net.constant(width**-0.5))
    share = net.add("Softmax", likeness, axis=-1)
    found = net.add("MatMul", share, net.linear(asked, (width, width)))
    value = _layer_norm(net, net.add("Add", asking, found), width)
    inner = net.add("Relu", net.linear(value, (width, width * 2)))
    added = net.add("Add", value, net.linear(inner, (width * 2, width)))
    return _layer_norm(net, added, width)


def _layer_norm(net: Net, value: str, width: int) -> str:
    """The values of each token with mean 0 and spread 1."""
    ones, zeros = net.constant(np.ones(width)), net.constant(np.zeros(width))
    return net.add("LayerNormalization", value, ones, zeros, axis=-1)


def _normed(net: Net, value: str) -> str:
    """All values together with mean 0 and spread 1."""
    away = net.add("Sub", value, net.add("ReduceMean", value, keepdims=1))
    spread = net.add("Sqrt", net.add("ReduceMean", net.add("Mul", away, away), keepdims=1))
    return net.add("Div", away, net.add("Add", spread, net.constant(1e-3)))
