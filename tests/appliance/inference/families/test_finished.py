"""Networks that give finished boxes, from file to detections, against a reading in plain loops.

Each net has the inputs and outputs of a known export. What it finds stands in it as constants,
so that only the arithmetic of the export is between: that with the size of the image.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from appliance.inference import graph
from appliance.inference.catalog import ModelCard
from appliance.inference.choosing import file_of
from appliance.inference.families.finished import from_one, numbers
from appliance.inference.families.fitting import fit, pixels
from appliance.inference.metadata import facts_of
from appliance.inference.resolution import resolve
from appliance.inference.session import CPU, Session
from appliance.inference.store import Store, digest
from blocks.data import Detections, Image

WIDE, HIGH = 160, 96
FRAME = Image.from_bgr(np.full((200, 400, 3), 90, np.uint8))
LABELS = ("person", "dog", "car")
BAR = 0.4
COUNT = 12
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Given:
    """What a net finds: corners in 0..1 of the input, scores, and the places of labels."""

    corners: NDArray[np.float32]
    scores: NDArray[np.float32]
    places: NDArray[np.int64]

    def expected(self) -> list[tuple[list[float], float, int]]:
        """In pixels of the frame, the surest first: by hand, for a stretched input."""
        found = []
        for corners, score, place in zip(self.corners, self.scores, self.places, strict=True):
            if score >= BAR:
                sides = (FRAME.width, FRAME.height, FRAME.width, FRAME.height)
                box = [float(part) * side for part, side in zip(corners, sides, strict=True)]
                found.append((box, float(score), int(place)))
        return sorted(found, key=lambda one: -one[1])


@pytest.fixture(params=range(3))
def given(request: pytest.FixtureRequest) -> Given:
    random = np.random.default_rng(request.param)
    first = random.uniform(0, 0.5, (COUNT, 2))
    corners = np.concatenate([first, first + random.uniform(0.05, 0.5, (COUNT, 2))], axis=1)
    scores = random.permutation(np.linspace(0.05, 0.95, COUNT))
    return Given(
        corners.astype(np.float32), scores.astype(np.float32), random.integers(0, 3, COUNT)
    )


class Net:
    """A graph, put together node by node; what it gives needs the image, but not its values."""

    def __init__(self, image: str = "image", element: int = TensorProto.FLOAT) -> None:
        self.nodes = [helper.make_node("Shape", [image], ["shape"])]
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.takes(image, element, (1, 3, HIGH, WIDE))

    def takes(self, name: str, element: int, shape: tuple[int | str, ...]) -> None:
        if name in [one.name for one in self.inputs]:
            self.inputs.clear()
        self.inputs.append(helper.make_tensor_value_info(name, element, shape))

    def constant(self, values: NDArray[Any]) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def add(self, kind: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        name = to or f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def gives(self, name: str, values: NDArray[Any] | str, shape: tuple[int | str, ...]) -> None:
        source = values if isinstance(values, str) else self.constant(values)
        self.add("Identity", source, to=name)
        kind = np.dtype(np.float32) if isinstance(values, str) else values.dtype
        element = helper.np_dtype_to_tensor_dtype(kind)
        self.outputs.append(helper.make_tensor_value_info(name, element, shape))

    def found(self, folder: Path, overlap: float | None = None) -> tuple[str, Detections]:
        """The family that is told, and what the daemon would find in the frame."""
        graphs = helper.make_graph(self.nodes, "net", self.inputs, self.outputs, self.constants)
        model = helper.make_model(graphs, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        path = folder / "net.onnx"
        onnx.save(model, path)
        assert graph.problems(path) == ""
        about = {"name": "net", "file": path, "labels": LABELS, "input": {"size": (WIDE, HIGH)}}
        card, facts = ModelCard.model_validate(about), facts_of(path)
        resolved = resolve(card, path, digest(path), graph.facts_of(path) or facts)
        assert resolve(card, path, resolved.sha256, facts).family == resolved.family
        results = []
        half = self.inputs[0].type.tensor_type.elem_type == TensorProto.FLOAT16
        # Numbers are given in single precision only.
        for raw in (False,) if half else (True, False):
            file = file_of(resolved, Store(folder), fewer=False, raw=raw)
            assert file is not None
            session = Session(file.path, CPU)
            drawn = file.front or session.input_type == "tensor(uint8)"
            tensor, place = (pixels if drawn else fit)(FRAME, resolved.form)
            outputs = session.run(tensor)
            more = {} if overlap is None else {"overlap": overlap}
            decode = resolved.family.decode
            results.append(decode(outputs, place, resolved.labels, BAR, **more))
        assert results[0].xyxy.tolist() == results[-1].xyxy.tolist()
        return resolved.family.name, results[-1]


def same(
    found: Detections,
    wanted: list[tuple[list[float], float, int]],
    least: int = 4,
    loose: float = 1e-5,
) -> None:
    assert len(wanted) > least
    assert found.class_id.tolist() == [place for _, _, place in wanted]
    assert found.label.tolist() == [LABELS[place] for _, _, place in wanted]
    np.testing.assert_allclose(found.confidence, [score for _, score, _ in wanted], rtol=loose)
    np.testing.assert_allclose(found.xyxy, [box for box, _, _ in wanted], atol=200 * loose)


@pytest.mark.parametrize("first", [1, "n"])
def test_an_rt_detr_with_its_last_step_is_told_the_size_of_its_input(
    given: Given, first: int | str, tmp_path: Path
) -> None:
    net = Net("images")
    net.takes("orig_target_sizes", TensorProto.INT64, (first, 2))
    # boxes * orig_target_sizes.repeat(1, 2).unsqueeze(1), as its post-processor has it.
    size = net.add("Concat", "orig_target_sizes", "orig_target_sizes", axis=1)
    sizes = net.add("Unsqueeze", size, net.constant(np.array([1])))
    sides = "sides"
    net.nodes.append(helper.make_node("Cast", [sizes], [sides], to=TensorProto.FLOAT))
    boxes = net.add("Mul", net.constant(given.corners[None]), sides)
    net.gives("labels", given.places[None], (1, COUNT))
    net.gives("boxes", boxes, (1, COUNT, 4))
    net.gives("scores", given.scores[None], (1, COUNT))
    family, found = net.found(tmp_path)
    assert family == "detr"
    same(found, given.expected())


def test_an_rt_detr_of_one_table_has_scores_and_no_logits(given: Given, tmp_path: Path) -> None:
    first, last = given.corners[:, :2], given.corners[:, 2:]
    table = np.zeros((1, COUNT, 4 + len(LABELS)), np.float32)
    table[0, :, :4] = np.concatenate([(first + last) / 2, last - first], axis=1)
    table[0, np.arange(COUNT), 4 + given.places] = given.scores
    net = Net("images")
    net.gives("output0", table, (1, COUNT, 4 + len(LABELS)))
    family, found = net.found(tmp_path)
    assert family == "detr"
    same(found, given.expected())


@pytest.mark.parametrize("names", [("im_shape", "scale_factor"), ("scale_factor",)])
def test_paddles_boxes_are_wanted_in_pixels_of_the_input(
    given: Given, names: tuple[str, ...], tmp_path: Path
) -> None:
    net = Net()
    for name in names:
        net.takes(name, TensorProto.FLOAT, ("n", 2))
    # Times height and width in the order width, height, width, height, then by the factors.
    rows = net.constant(given.corners)
    if "im_shape" in names:
        order = net.constant(np.array([1, 0, 1, 0]))
        boxes = net.add("Mul", rows, net.add("Gather", "im_shape", order, axis=1))
    else:
        boxes = net.add("Mul", rows, net.constant(np.array([WIDE, HIGH] * 2, np.float32)))
    factors = net.add("Concat", "scale_factor", "scale_factor", axis=1)
    boxes = net.add("Div", boxes, factors)
    said = np.column_stack([given.places.astype(np.float32), given.scores])
    # A row that counts for none, as Paddle fills up with.
    table = net.add("Concat", net.constant(said), boxes, axis=1)
    none = net.constant(np.array([[-1, 0.99, 0, 0, 9, 9]], np.float32))
    net.gives("boxes", net.add("Concat", none, table, axis=0), ("n", 6))
    net.gives("count", np.array([COUNT + 1]), ("n",))
    family, found = net.found(tmp_path)
    assert family == "paddle_detection"
    same(found, given.expected())


@pytest.mark.parametrize("end", ["", ":0"])
def test_tensorflows_boxes_begin_with_y_and_its_classes_with_1(
    given: Given, end: str, tmp_path: Path
) -> None:
    net = Net("image_tensor", TensorProto.UINT8)
    net.takes("image_tensor", TensorProto.UINT8, (1, "h", "w", 3))
    more = np.ones((1, 2, 4), np.float32)
    boxes = np.concatenate([given.corners[None][..., [1, 0, 3, 2]], more], axis=1)
    # What stands behind as many as there are does not count.
    scores = np.concatenate([given.scores[None], [[0.9, 0.9]]], axis=1).astype(np.float32)
    classes = np.concatenate([given.places[None] + 1, [[1, 1]]], axis=1).astype(np.float32)
    net.gives(f"detection_boxes{end}", boxes, (1, COUNT + 2, 4))
    net.gives(f"detection_classes{end}", classes, (1, COUNT + 2))
    net.gives(f"detection_scores{end}", scores, (1, COUNT + 2))
    net.gives(f"num_detections{end}", np.array([COUNT], np.float32), (1,))
    family, found = net.found(tmp_path)
    assert family == "tf_detection"
    same(found, given.expected())


def test_those_of_tensorflow_lite_begin_with_0(given: Given, tmp_path: Path) -> None:
    name, net = "TFLite_Detection_PostProcess", Net()
    net.gives(name, given.corners[None][..., [1, 0, 3, 2]], (1, COUNT, 4))
    net.gives(f"{name}:1", given.places[None].astype(np.float32), (1, COUNT))
    net.gives(f"{name}:2", given.scores[None], (1, COUNT))
    net.gives(f"{name}:3", np.array([COUNT], np.float32), (1,))
    family, found = net.found(tmp_path)
    assert family == "tf_detection"
    same(found, given.expected())


@pytest.mark.parametrize("names", [("boxes", "labels", "scores"), ("6379", "6381", "6383")])
@pytest.mark.parametrize("turned", [False, True])
def test_torchvisions_boxes_are_as_many_as_there_are(
    given: Given, names: tuple[str, str, str], *, turned: bool, tmp_path: Path
) -> None:
    net = Net("images")
    boxes = given.corners * np.array([WIDE, HIGH] * 2, np.float32)
    net.gives(names[0], boxes, ("n", 4))
    rows: list[tuple[str, NDArray[Any]]] = [
        (names[1], given.places + 1),
        (names[2], given.scores),
    ]
    for name, values in reversed(rows) if turned else rows:
        net.gives(name, values, ("n",))
    family, found = net.found(tmp_path)
    assert family == "torchvision_detection"
    same(found, given.expected())


def test_the_ssd_of_the_model_zoo_gives_parts_of_the_image(given: Given, tmp_path: Path) -> None:
    net = Net()
    net.gives("bboxes", given.corners[None], (1, "n", 4))
    net.gives("labels", given.places[None] + 1, (1, "n"))
    net.gives("scores", given.scores[None], (1, "n"))
    family, found = net.found(tmp_path)
    assert family == "ssd"
    same(found, given.expected())


def test_mmdetections_boxes_lie_in_the_corner_of_the_input(given: Given, tmp_path: Path) -> None:
    net = Net()
    boxes = given.corners * np.array([WIDE, HIGH] * 2, np.float32)
    net.gives("dets", np.column_stack([boxes, given.scores])[None], (1, "n", 5))
    net.gives("labels", given.places[None], (1, "n"))
    family, found = net.found(tmp_path)
    assert family == "mmdetection"
    # 400 x 200 in 160 x 96 is 160 x 80: rows of the input below that are no part of the frame.
    low = min(WIDE / FRAME.width, HIGH / FRAME.height)
    wanted = []
    for box, score, place in given.expected():
        x1, y1, x2, y2 = np.array(box) / ((FRAME.width, FRAME.height) * 2)
        y1, y2 = (min(y * HIGH / low, FRAME.height) for y in (y1, y2))
        if y2 > y1:
            wanted.append(([x1 * WIDE / low, y1, x2 * WIDE / low, y2], score, place))
    same(found, wanted)


@pytest.mark.parametrize("name", ["output", "graph2_flat_predictions"])
@pytest.mark.parametrize("count", [COUNT, 1])
def test_rows_of_a_yolo_begin_with_the_number_of_the_image(
    given: Given, name: str, count: int, tmp_path: Path
) -> None:
    net = Net("images")
    boxes = given.corners * np.array([WIDE, HIGH] * 2, np.float32)
    places = given.places.astype(np.float32)
    last = (places, given.scores) if name == "output" else (given.scores, places)
    rows = np.column_stack([np.zeros(COUNT), boxes, *last]).astype(np.float32)
    surest = rows[np.argsort(-given.scores)[:count]]
    # Of unknown length, as exports have it: the rows that are not empty.
    kept = net.add("NonZero", net.constant(np.ones(count, np.float32)))
    flat = net.add("Squeeze", kept, net.constant(np.array([0])))
    net.gives(name, net.add("Gather", net.constant(surest), flat, axis=0), ("n", 7))
    family, found = net.found(tmp_path)
    assert family == "yolo"
    wanted = [letterboxed(one) for one in given.expected()[:count]]
    assert len(found) == len([one for one in wanted if one is not None])
    same(found, [one for one in wanted if one is not None], least=0)


@pytest.mark.parametrize("element", [np.float32, np.float16])
def test_a_yolo_nas_has_boxes_and_scores_apart(
    given: Given, element: type[np.floating[Any]], tmp_path: Path
) -> None:
    net = Net("images")
    # As many as it has cells, of which few are sure of anything.
    count = 1200
    boxes = np.zeros((1, count, 4), element)
    boxes[0, :COUNT] = given.corners * np.array([WIDE, HIGH] * 2, np.float32)
    scores = np.zeros((1, count, len(LABELS)), element)
    scores[0, np.arange(COUNT), given.places] = given.scores
    net.gives("904", boxes, (1, count, 4))
    net.gives("913", scores, (1, count, len(LABELS)))
    family, found = net.found(tmp_path, overlap=1.0)
    assert family == "yolo"
    wanted = [letterboxed(one) for one in given.expected()]
    loose = 3e-3 if element is np.float16 else 1e-5
    same(found, [one for one in wanted if one is not None], least=3, loose=loose)


@pytest.mark.parametrize("element", [TensorProto.FLOAT16, TensorProto.FLOAT])
@pytest.mark.parametrize("last", [False, True])
def test_an_export_of_a_yolo_may_take_half_precision_and_colours_last(
    given: Given, element: int, tmp_path: Path, *, last: bool
) -> None:
    half = element == TensorProto.FLOAT16
    shape = (1, HIGH, WIDE, 3) if last else ("n", 3, "h", "w")
    net = Net("images", element)
    net.takes("images", element, shape)
    first, end = given.corners[:, :2], given.corners[:, 2:]
    table = np.zeros((1, 4 + len(LABELS), 315), np.float16 if half else np.float32)
    middle = np.concatenate([(first + end) / 2, end - first], axis=1)
    table[0, :4, :COUNT] = (middle * np.array([WIDE, HIGH] * 2)).T
    table[0, 4 + given.places, np.arange(COUNT)] = given.scores
    net.gives("output0", table, (1, 4 + len(LABELS), 315))
    family, found = net.found(tmp_path, overlap=1.0)
    assert family == "yolo"
    wanted = [letterboxed(one) for one in given.expected()]
    same(found, [one for one in wanted if one is not None], least=3, loose=3e-3 if half else 1e-5)


def letterboxed(
    one: tuple[list[float], float, int],
) -> tuple[list[float], float, int] | None:
    """What was stretched over the input, where 400 x 200 lies in 160 x 96 with 8 rows above."""
    (x1, y1, x2, y2), score, place = one
    y1, y2 = ((y / FRAME.height * HIGH - 8) / 0.4 for y in (y1, y2))
    y1, y2 = (min(max(y, 0), FRAME.height) for y in (y1, y2))
    return ([x1, y1, x2, y2], score, place) if y2 > y1 else None


COCO = ("person", *(f"thing {number}" for number in range(78)), "toothbrush")


def test_the_names_of_coco_stand_for_its_numbers() -> None:
    classes = np.array([1, 11, 12, 13, 90, 91, 0, -1], np.intp)
    assert from_one(classes, COCO).tolist() == [0, 10, -1, 11, 79, -1, -1, -1]
    assert from_one(classes, ("dog", "cat")).tolist() == [0, 10, 11, 12, 89, 90, -1, -2]


def test_labels_that_begin_with_the_background_are_counted_from_0() -> None:
    classes = np.array([0, 1, 2], np.intp)
    assert from_one(classes, ("???", "dog", "cat")).tolist() == [-1, 1, 2]
    assert from_one(classes, ("__background__", "dog")).tolist() == [-1, 1, 2]


def test_numbers_that_are_none_are_of_no_class() -> None:
    said = np.array([2.0, 0.9999, np.nan, np.inf, -1e30])
    assert numbers(said).tolist() == [2, 1, -1, -1, -1]
