"""What a model file says of itself."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.inference.metadata import Facts, read, told

Shapes = dict[str, tuple[int | str, ...]]
IMAGE: Shapes = {"images": (1, 3, 384, 640)}
TWO = {"names": "{0: 'cat', 1: \"dog's bed\"}"}


def facts(outputs: Shapes, inputs: Shapes | None = None, /, **metadata: str) -> Facts:
    return Facts(inputs=inputs or IMAGE, outputs=outputs, metadata=metadata)


def test_an_exporters_metadata_says_it_all() -> None:
    found = told(facts({"output0": (1, 6, 5040)}, task="detect", **TWO))
    assert (found.family, found.size, found.layout) == ("yolo", (640, 384), "nchw")
    assert (found.labels, found.unknown) == (("cat", "dog's bed"), ())


@pytest.mark.parametrize(
    ("task", "outputs", "family"),
    [
        ("segment", {"output0": (1, 38, 5040), "output1": (1, 32, 96, 160)}, "yolo_masks"),
        ("obb", {"output0": (1, 7, 5040)}, "yolo_oriented"),
        ("classify", {"output0": (1, 2)}, "classification"),
    ],
)
def test_the_task_says_the_family(
    task: str, outputs: dict[str, tuple[int | str, ...]], family: str
) -> None:
    assert told(facts(outputs, task=task, **TWO)).family == family


def test_a_task_that_the_outputs_do_not_fit_is_told() -> None:
    (sentence,) = told(facts({"x": (1, 6)}, task="classify", **TWO)).unknown
    assert sentence == (
        "its metadata says `task` classify, but it gives 6 scores, where there are 2 labels"
    )


@pytest.mark.parametrize(
    "names",
    ['["cat", "dog"]', "['cat', 'dog']", '{"0": "cat", "1": "dog"}', "{1: 'dog', 0: 'cat'}"],
)
def test_labels_are_read_however_they_are_written(names: str) -> None:
    assert told(facts({"x": (1, 2)}, names=names)).labels == ("cat", "dog")


@pytest.mark.parametrize("names", ["", "cat, dog", "[1, 2]", "{0: 'a', 2: 'b'}", "open('x')", "{"])
def test_labels_that_are_none_are_told(names: str) -> None:
    found = told(facts({"x": (1, 2)}, names=names))
    assert found.labels == ()
    assert "its metadata `names` is no list of labels" in found.unknown[0]


def test_without_metadata_the_shapes_say_the_family() -> None:
    assert told(facts({"x": (1, 84, 5040)})).family == "yolo"
    assert told(facts({"x": (1, 2)}, **TWO)).family == "classification"
    assert told(facts({"x": (1, 2, 384, 640)}, **TWO)).family == "segmentation"
    assert told(facts({"x": (1, 84, 5040)})).unknown == (
        "the file names no labels: say them with `labels`",
    )


def test_what_may_be_two_families_is_asked_for() -> None:
    assert told(facts({"x": (1, 1000)})).unknown == (
        "it may be of the family classification or embedding: say which with `family`",
    )
    assert told(facts({"x": (1, 1, 384, 640)})).unknown == (
        "it may be of the family segmentation or ocr: say which with `family`",
    )
    assert (
        "of the family ssd or detr"
        in told(facts({"boxes": (1, 300, 4), "scores": (1, 300, 2)})).unknown[0]
    )
    # No DETR asks so much.
    assert told(facts({"boxes": (1, 1917, 4), "scores": (1, 1917, 2)})).family == "ssd"


EIGHTY = tuple(f"class {number}" for number in range(80))
FOUR_MAPS: Shapes = {
    "537": (1, 1, 120, 160),
    "538": (1, 2, 120, 160),
    "539": (1, 2, 120, 160),
    "540": (1, 10, 120, 160),
}


@pytest.mark.parametrize(
    ("outputs", "family", "labels"),
    [
        (FOUR_MAPS, "centerface", ("face",)),
        ({"regressors": (1, 896, 16), "classificators": (1, 896, 1)}, "blazeface", ("face",)),
        ({"out": (1, 1, 17, 3)}, "movenet", ("person",)),
        ({"out": (1, 6, 56)}, "movenet", ("person",)),
    ],
)
def test_families_that_find_one_thing_have_its_label(
    outputs: Shapes, family: str, labels: tuple[str, ...]
) -> None:
    found = told(facts(outputs))
    assert (found.family, found.labels, found.unknown) == (family, labels, ())
    assert told(facts(outputs), family).labels == labels
    assert told(facts(outputs), labels=("visitor",)).labels == ("visitor",)
    (sentence,) = told(facts(outputs), labels=EIGHTY).unknown
    assert sentence.startswith(f"its outputs are like those of the family {family}, but ")


@pytest.mark.parametrize(
    ("outputs", "side", "family"),
    [
        ({"x": (1, 3598, 112)}, 416, "nanodet"),
        ({"x": (1, 25200, 85)}, 640, "yolo"),
        ({"x": (1, 8400, 84)}, 640, "yolo"),
        ({"logits": (1, 300, 80), "pred_boxes": (1, 300, 4)}, 640, "detr"),
        ({"logits": (1, 300, 81), "pred_boxes": (1, 300, 4)}, 640, "rf_detr"),
        ({"dets": (1, 300, 4), "labels": (1, 300, 91)}, 560, "rf_detr"),
        ({"boxes": (1, 1917, 4), "scores": (1, 1917, 81)}, 300, "ssd"),
        ({"boxes": (1, 300, 4), "scores": (1, 300, 80)}, 640, "detr"),
        ({"x": (1, 116, 8400), "y": (1, 32, 160, 160)}, 640, "yolo_masks"),
    ],
)
def test_with_the_labels_the_shapes_say_the_family(outputs: Shapes, side: int, family: str) -> None:
    found = told(facts(outputs, {"x": (1, 3, side, side)}), labels=EIGHTY)
    assert (found.family, found.unknown) == (family, ())


def test_one_candidate_for_each_cell_may_be_of_two_families() -> None:
    table = facts({"x": (1, 8400, 85)}, {"x": (1, 3, 640, 640)})
    assert told(table, labels=EIGHTY).unknown == (
        "it may be of the family yolo or yolox: say which with `family`",
    )
    assert told(table, "yolox", EIGHTY).unknown == ()
    # Three for each cell, of an input four times as small, are of no yolox.
    smaller = facts({"x": (1, 6300, 85)}, {"x": (1, 3, 320, 320)})
    assert told(smaller, labels=EIGHTY).family == "yolo"
    # Only exporters of yolo write the names.
    named = facts({"x": (1, 8400, 85)}, {"x": (1, 3, 640, 640)}, names=str(list(EIGHTY)))
    assert told(named).family == "yolo"


def test_family_and_labels_are_asked_for_together() -> None:
    assert told(facts({"x": (1, 56, 5040)})).unknown == (
        "it may be of the family yolo or yolo_pose: say which with `family`",
        "the file names no labels: say them with `labels`",
    )
    assert told(facts({"x": (1, 56, 5040)}), labels=("person",)).family == "yolo_pose"


def test_labels_that_are_too_few_or_too_many_are_told() -> None:
    assert told(facts({"x": (1, 84, 5040)}), labels=("cat", "dog")).unknown == (
        "its outputs are like those of the family yolo, but its output is (1, 84, 5040), where "
        "2 labels make 6 columns (one more in rows with an objectness)",
    )


def test_an_export_that_takes_the_size_of_the_image_is_told() -> None:
    shapes: Shapes = {"labels": (1, 300), "boxes": (1, 300, 4), "scores": (1, 300)}
    inputs: Shapes = {"images": (1, 3, 640, 640), "orig_target_sizes": (1, 2)}
    found = told(facts(shapes, inputs), labels=EIGHTY)
    assert (found.family, found.size, found.unknown) == ("detr", (640, 640), ())


FINISHED: list[tuple[Shapes, str]] = [
    ({"detection_boxes:0": ("n", 100, 4), "detection_classes:0": ("n", 100),
      "detection_scores:0": ("n", 100), "num_detections:0": ("n",),
      "raw_detection_boxes:0": ("n", 1917, 4)}, "tf_detection"),
    ({"TFLite_Detection_PostProcess": (1, 10, 4), "TFLite_Detection_PostProcess:1": (1, 10),
      "TFLite_Detection_PostProcess:2": (1, 10), "TFLite_Detection_PostProcess:3": (1,)},
     "tf_detection"),
    ({"6379": ("n", 4), "6381": ("n",), "6383": ("n",)}, "torchvision_detection"),
    ({"boxes": ("n", 4), "labels": ("n",), "scores": ("n",), "masks": ("n", 1, 64, 64)},
     "torchvision_detection"),
    ({"dets": (1, "n", 5), "labels": (1, "n")}, "mmdetection"),
    ({"dets": (1, 300, 4), "labels": (1, 300, 81)}, "rf_detr"),
    ({"dets": (1, 200, 4), "labels": (1, 200, 91), "masks": (1, 200, 108, 108)}, "rf_detr_masks"),
    ({"bboxes": (1, "n", 4), "labels": (1, "n"), "scores": (1, "n")}, "ssd"),
    ({"multiclass_nms3_0.tmp_0": ("n", 6), "multiclass_nms3_0.tmp_2": (1,)}, "paddle_detection"),
    ({"output0": (1, 300, 84)}, "detr"),
]  # fmt: skip


@pytest.mark.parametrize(("shapes", "family"), FINISHED)
def test_boxes_that_the_graph_finishes_are_told_by_their_outputs(
    shapes: Shapes, family: str
) -> None:
    assert told(facts(shapes), labels=EIGHTY).family == family


def test_a_table_of_as_many_rows_as_cells_is_a_yolo_and_none_of_queries() -> None:
    names = str(dict(enumerate(EIGHTY)))
    found = told(facts({"output0": (1, 300, 84)}, task="detect", names=names))
    assert found.family == "detr"
    # 640 x 384 has 5040 cells, 160 x 160 has 525.
    assert told(facts({"o": (1, 84, 5040)}, task="detect", names=names)).family == "yolo"
    small: Shapes = {"images": (1, 3, 160, 160)}
    assert told(facts({"o": (1, 525, 84)}, small, task="detect", names=names)).family == "yolo"


def test_paddles_models_are_told_by_what_they_take() -> None:
    inputs: Shapes = {
        "im_shape": ("n", 2),
        "image": ("n", 3, 640, 640),
        "scale_factor": ("n", 2),
    }
    shapes: Shapes = {"reshape2_83.tmp_0": ("a", 6), "tile_3.tmp_0": ("n",)}
    found = told(facts(shapes, inputs), labels=EIGHTY)
    assert (found.family, found.size, found.unknown) == ("paddle_detection", (640, 640), ())
    (why,) = told(facts({"boxes": (1, 8, 7)}, inputs), labels=EIGHTY).unknown
    assert why.startswith("PaddleDetection's models have the outputs boxes (N, 6)")


def test_a_model_of_several_images_at_once_is_refused_in_one_sentence() -> None:
    four: Shapes = {"images": (4, 3, 640, 640)}
    assert told(facts({"output0": (4, 84, 8400)}, four), labels=EIGHTY).unknown == (
        "it takes 4 images at once, where one is given: export it with a batch of 1, or of any "
        "size",
    )


def test_outputs_of_no_family_are_told() -> None:
    (sentence,) = told(facts({"x": (1, 2, 3, 4, 5)})).unknown
    assert sentence == "its outputs are of no family known: x (1 x 2 x 3 x 4 x 5)"


def test_outputs_whose_sizes_are_not_known_are_not_guessed() -> None:
    shapes: Shapes = {"num": ("a",), "scores": ("b", "c"), "boxes": ("d", "e", "f")}
    (sentence,) = told(facts(shapes)).unknown
    assert sentence.startswith("its outputs are of no family known: num (a), ")
    (sentence,) = told(facts({"b": ("a", "b", 1, 4), "s": ("c", "d", "e")})).unknown
    assert sentence.startswith("its outputs are of no family known: ")


def test_a_recogniser_of_text_has_its_characters_as_labels() -> None:
    found = told(facts({"x": ("n", "t", 5)}, {"x": ("n", 3, 48, "width")}, character="a\nb\nc"))
    assert (found.family, found.labels) == ("ocr_lines", ("a", "b", "c"))
    assert found.unknown == ("its input x takes images of any size: say which with `size`",)


@pytest.mark.parametrize(("sides", "size"), [("[384, 640]", (640, 384)), ("320", (320, 320))])
def test_of_an_input_of_any_size_the_metadata_says_it(sides: str, size: tuple[int, int]) -> None:
    inputs: dict[str, tuple[int | str, ...]] = {"x": ("n", "h", "w", 3)}
    found = told(facts({"x": (1, 2)}, inputs, imgsz=sides, **TWO))
    assert (found.size, found.layout, found.unknown) == (size, "nhwc", ())


def test_inputs_that_are_no_image_are_told() -> None:
    two: dict[str, tuple[int | str, ...]] = {"images": (1, 3, 8, 8), "sizes": (1, 2)}
    assert told(facts({"x": (1, 2)}, two, **TWO)).unknown == (
        "it takes other inputs than one image: images, sizes",
    )
    assert told(facts({"x": (1, 2)}, {"x": (1, 16000)}, **TWO)).unknown == (
        "its input takes no image of three colours: x (1 x 16000)",
    )


def test_a_file_is_read_in_a_child(onnx_file: Callable[..., Path]) -> None:
    found = read(onnx_file())
    assert found.inputs == {"image": (1, 3, 300, 300)}
    assert found.outputs == {"same": (1, 3, 300, 300)}
    assert found.metadata == {}


def test_a_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"x\.onnx is no model that can be loaded: .*x\.onnx"):
        read(tmp_path / "x.onnx")


def child(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_a_crash_of_the_child_is_a_reason(tmp_path: Path) -> None:
    crash = child("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(ValueError, match=r"x crashes the runtime \(signal 9\)"):
        read(tmp_path / "x", crash)
    with pytest.raises(ValueError, match="the reader ended with status 0"):
        read(tmp_path / "x", child("print('nonsense')"))
