"""The table of candidates, told from its shape and the number of labels."""

import numpy as np
import pytest

from appliance.inference.families.yolo_heads import Candidates, head, names, table_name


@pytest.mark.parametrize(
    ("shape", "labels", "columns_first", "objectness", "finished", "count"),
    [
        ((1, 84, 8400), 80, True, False, False, 8400),
        ((1, 8400, 84), 80, False, False, False, 8400),
        ((1, 25200, 85), 80, False, True, False, 25200),
        ((1, 300, 6), 80, False, False, True, 300),
    ],
)
def test_the_layout_is_told_from_the_shape(
    shape: tuple[int, ...],
    labels: int,
    columns_first: bool,
    objectness: bool,
    finished: bool,
    count: int,
) -> None:
    found = head(shape, labels)
    assert (found.columns_first, found.objectness) == (columns_first, objectness)
    assert (found.finished, found.count) == (finished, count)


def test_a_shape_that_no_number_of_labels_fits_is_a_sentence() -> None:
    with pytest.raises(ValueError, match="labels"):
        head((1, 84, 8400), 20)


def test_the_table_is_the_one_output_of_three_axes() -> None:
    assert table_name({"protos": (1, 32, 160, 160), "out": (1, 116, 8400)}) == "out"
    with pytest.raises(ValueError, match="one output of three axes"):
        table_name({"a": (1, 2, 3), "b": (1, 2, 3)})


def test_a_class_without_a_label_is_named_by_its_number() -> None:
    assert names(["cat"], np.array([0, 3])) == ["cat", "3"]


def test_near_duplicates_of_one_class_go_and_finished_ones_stay() -> None:
    box = np.array([[10, 10, 10, 10], [11, 10, 10, 10], [10, 10, 10, 10]], np.float32)
    sure, classes = np.array([0.9, 0.8, 0.7], np.float32), np.array([0, 0, 1])
    plain = Candidates(box, sure, classes, np.zeros((3, 0), np.float32), finished=False)
    assert plain.xyxy[0].tolist() == [5, 5, 15, 15]
    assert plain.suppressed().class_id.tolist() == [0, 1]
    finished = Candidates(box, sure, classes, np.zeros((3, 0), np.float32), finished=True)
    assert len(finished.suppressed().box) == 3
