"""Turns a frozen SSD graph of TensorFlow's Object Detection API into a static ONNX model.

    python -m appliance.inference.convert.ssd_to_onnx frozen_inference_graph.pb model.onnx

Input `image` is (1, 3, 300, 300) float32, RGB as x / 127.5 - 1. Outputs are `boxes` (1, N, 4) as
x1, y1, x2, y2 in 0..1, and `scores` (1, N, C) in 0..1, column 0 being the background.

The graph's own front (resizing) and back (a loop over classes) are left away; batch normalisation
goes into the weights of the convolutions, and boxes are decoded in the graph. All arithmetic here
is correctly rounded float32, so that the result is the same to the bit on every machine.
"""

import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from appliance.inference.convert.frozen_graph import Node, read_graph

Array = NDArray[Any]

SIZE = 300
OPSET, IR_VERSION = 13, 8
FEATURE_MAPS = (19, 10, 5, 3, 2, 1)
SMALLEST, LARGEST = 0.2, 0.95
# The image after resizing and normalising, and the raw heads, by their names in every such graph.
IMAGE, BOX_HEAD, CLASS_HEAD = "Preprocessor/sub", "concat", "concat_1"


@dataclass(frozen=True)
class Convolution:
    """A convolution not yet written down, so that scales and shifts after it can join it."""

    source: str
    weight: Array
    bias: Array
    attributes: dict[str, Any]

    def scaled(self, factor: Array) -> "Convolution":
        """Followed by a factor for each channel."""
        weight = self.weight * factor.reshape(-1, 1, 1, 1)
        return replace(self, weight=weight, bias=self.bias * factor)

    def shifted(self, summand: Array) -> "Convolution":
        """Followed by a summand for each channel."""
        return replace(self, bias=self.bias + summand)


class Builder:
    """Collects the nodes and constants of an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Array) -> str:
        """The name of a new constant; of floats as float32."""
        dtype = np.float32 if value.dtype.kind == "f" else value.dtype
        name = f"constant_{len(self.constants)}"
        array = np.array(value, dtype, order="C")
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, op: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        """Add a node, and give the name of its first output."""
        names = list(outputs) or [f"{op.lower()}_{len(self.nodes)}"]
        self.nodes.append(helper.make_node(op, inputs, names, name=names[0], **attributes))
        return names[0]


class Translation:
    """The layers between the image and the raw heads, from TensorFlow's into ONNX's."""

    def __init__(self, graph: dict[str, Node], builder: Builder) -> None:
        self._graph = graph
        self._builder = builder
        self._values: dict[str, str | Convolution] = {IMAGE: "image"}
        self._written: dict[str, str] = {}

    def tensor(self, name: str) -> str:
        """The ONNX name of a node's output; what it needs is written down first."""
        while self._node(name).op in ("Identity", "Squeeze") and name != IMAGE:
            name = self._node(name).inputs[0]
        if name not in self._written:
            value = self._value(name)
            self._written[name] = value if isinstance(value, str) else self._write(value)
        return self._written[name]

    def columns(self, name: str) -> int:
        """The size of the last axis of a head, which is the same in each of its parts."""
        shape = self._node(self._node(self._node(name).inputs[0]).inputs[1])
        return int(self._constant(shape.inputs[-1]))

    def _node(self, name: str) -> Node:
        if name not in self._graph:
            raise ValueError(f"the graph has no node {name}: it is no SSD of this kind")
        return self._graph[name]

    def _constant(self, name: str) -> Array:
        node = self._node(name)
        if node.op == "Identity":
            return self._constant(node.inputs[0])
        if node.op != "Const":
            raise ValueError(f"{name} should be a constant, but is {node.op}")
        return node.tensor("value")

    def _value(self, name: str) -> str | Convolution:
        if name not in self._values:
            self._values[name] = self._translate(self._node(name))
        return self._values[name]

    def _convolution(self, name: str) -> Convolution:
        value = self._value(name)
        if isinstance(value, str):
            raise ValueError(f"{name} should be a convolution, for what follows to join it")  # noqa: TRY004 - of the file, not of an argument
        return value

    def _write(self, layer: Convolution) -> str:
        weight, bias = self._builder.constant(layer.weight), self._builder.constant(layer.bias)
        return self._builder.add("Conv", [layer.source, weight, bias], **layer.attributes)

    def _translate(self, node: Node) -> str | Convolution:
        add = self._builder.add
        match node.op:
            case "Conv2D" | "DepthwiseConv2dNative":
                return self._convolved(node)
            case "FusedBatchNorm":
                return self._normalised(node)
            case "BiasAdd":
                return self._convolution(node.inputs[0]).shifted(self._constant(node.inputs[1]))
            case "Add":
                return add("Add", [self.tensor(each) for each in node.inputs])
            case "Relu6":
                bounds = [self._builder.constant(np.array(bound, np.float32)) for bound in (0, 6)]
                return add("Clip", [self.tensor(node.inputs[0]), *bounds])
            case "Reshape":
                return self._reshaped(node)
            case "ConcatV2":
                return add("Concat", [self.tensor(each) for each in node.inputs[:-1]], axis=1)
        raise ValueError(
            f"{node.name} is of the kind {node.op}, which this converter does not know"
        )

    def _convolved(self, node: Node) -> Convolution:
        weight = self._constant(node.inputs[1])
        height, width, channels, outputs = weight.shape
        groups = 1
        if node.op == "DepthwiseConv2dNative":
            groups = channels
            weight = weight.transpose(2, 3, 0, 1).reshape(channels * outputs, 1, height, width)
        else:
            weight = weight.transpose(3, 2, 0, 1)
        attributes = {
            "group": groups,
            "kernel_shape": [height, width],
            "strides": node.integers("strides")[1:3],
            "auto_pad": "SAME_UPPER" if node.text("padding") == "SAME" else "VALID",
        }
        bias = np.zeros(len(weight), np.float32)
        return Convolution(self.tensor(node.inputs[0]), weight, bias, attributes)

    def _normalised(self, node: Node) -> Convolution:
        gamma, beta, mean, variance = (self._constant(name) for name in node.inputs[1:5])
        factor = gamma / np.sqrt(variance + np.float32(node.number("epsilon")))
        return self._convolution(node.inputs[0]).scaled(factor).shifted(beta - mean * factor)

    def _reshaped(self, node: Node) -> str:
        last = int(self._constant(self._node(node.inputs[1]).inputs[-1]))
        # TensorFlow's channels come last, so they do here, before rows and columns become one axis.
        rows = self._builder.add("Transpose", [self.tensor(node.inputs[0])], perm=[0, 2, 3, 1])
        shape = self._builder.constant(np.array([1, -1, last], np.int64))
        return self._builder.add("Reshape", [rows, shape])


def anchors() -> Array:
    """The default boxes (N, 4) as centre x, centre y, width, height, in 0..1.

    Source: W. Liu et al., "SSD: Single Shot MultiBox Detector" (2016), section 2.2, as in the
    Object Detection API's ssd_anchor_generator with a reduced lowest layer.
    """
    steps = len(FEATURE_MAPS) - 1
    scales = [SMALLEST + (LARGEST - SMALLEST) * i / steps for i in range(steps + 1)] + [1.0]
    rows = []
    for layer, cells in enumerate(FEATURE_MAPS):
        scale, following = scales[layer], scales[layer + 1]
        shapes = [(scale, ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 0.3333)]
        shapes.append((math.sqrt(scale * following), 1.0))
        if layer == 0:
            shapes = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        rows += [
            ((x + 0.5) / cells, (y + 0.5) / cells, s * math.sqrt(ratio), s / math.sqrt(ratio))
            for y in range(cells)
            for x in range(cells)
            for s, ratio in shapes
        ]
    return np.array(rows, np.float32)


def add_decoding(builder: Builder, encoded: str, logits: str) -> None:
    """Add what makes `boxes` and `scores` of the raw heads.

    Source: the same paper, the inverse of its equation 2, with the API's scales 10, 10, 5, 5.
    """
    boxes = anchors()
    centre, size = boxes[None, :, [1, 0]], boxes[None, :, [3, 2]]
    constant, add = builder.constant, builder.add
    add("Split", [encoded, constant(np.array([2, 2], np.int64))], "yx", "hw", axis=2)
    offset = add("Mul", ["yx", constant(size / np.float32(10))])
    middle = add("Add", [offset, constant(centre)])
    stretch = add("Exp", [add("Mul", ["hw", constant(np.array(0.2, np.float32))])])
    half = add("Mul", [stretch, constant(size / np.float32(2))])
    corners = [add("Sub", [middle, half]), add("Add", [middle, half])]
    yxyx = add("Concat", corners, axis=2)
    add("Gather", [yxyx, constant(np.array([1, 0, 3, 2], np.int64))], "boxes", axis=2)
    add("Sigmoid", [logits], "scores")


def convert(graph: dict[str, Node]) -> Any:
    """The ONNX model (an onnx.ModelProto) of an SSD graph.

    Raises:
        ValueError: the graph is not of the kind that this converter knows.
    """
    builder = Builder()
    translation = Translation(graph, builder)
    encoded, logits = translation.tensor(BOX_HEAD), translation.tensor(CLASS_HEAD)
    add_decoding(builder, encoded, logits)
    count, columns = len(anchors()), translation.columns(CLASS_HEAD)
    floats, describe = TensorProto.FLOAT, helper.make_tensor_value_info
    outputs = [
        describe("boxes", floats, [1, count, 4]),
        describe("scores", floats, [1, count, columns]),
    ]
    image = describe("image", floats, [1, 3, SIZE, SIZE])
    body = helper.make_graph(builder.nodes, "ssd", [image], outputs, builder.constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def main(source: str, target: str) -> None:
    """Convert one file into another."""
    onnx.save(convert(read_graph(Path(source).read_bytes())), target)


if __name__ == "__main__":
    main(*sys.argv[1:3])
