"""Turned boxes: corners, overlap, suppression."""

import math
from typing import Any

import cv2
import numpy as np
import pytest

from appliance.inference.families.rotated import corners, kept, overlaps


def array(*values: Any) -> Any:
    return np.array(values, np.float32)


def test_corners_turn_clockwise() -> None:
    found = corners(array([10, 20, 8, 4], [10, 20, 8, 4]), array(0, math.pi / 2))
    np.testing.assert_allclose(found[0], [[6, 18], [14, 18], [14, 22], [6, 22]], atol=1e-5)
    np.testing.assert_allclose(found[1], [[12, 16], [12, 24], [8, 24], [8, 16]], atol=1e-5)


def test_corners_are_those_of_opencv() -> None:
    random = np.random.default_rng(1)
    boxes = random.uniform(5, 50, (20, 4)).astype(np.float32)
    angles = random.uniform(-1, 3, 20).astype(np.float32)
    for box, angle, found in zip(boxes, angles, corners(boxes, angles), strict=True):
        turned = ((box[0], box[1]), (box[2], box[3]), math.degrees(angle))
        expected = cv2.boxPoints(turned)
        np.testing.assert_allclose(sorted(found.tolist()), sorted(expected.tolist()), atol=1e-3)


def gaussian(box: Any, angle: float) -> Any:
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turn @ np.diag([box[2] ** 2 / 12, box[3] ** 2 / 12]) @ turn.T


def test_overlaps_are_those_of_the_matrices() -> None:
    random = np.random.default_rng(2)
    boxes = random.uniform(5, 30, (12, 4)).astype(np.float32)
    angles = random.uniform(-1, 3, 12).astype(np.float32)
    found = overlaps(boxes, angles)
    for i in range(12):
        for j in range(12):
            one, other = (gaussian(boxes[k].astype(float), float(angles[k])) for k in (i, j))
            mean = (one + other) / 2
            way = boxes[i, :2].astype(float) - boxes[j, :2]
            bhattacharyya = way @ np.linalg.inv(mean) @ way / 8 + 0.5 * math.log(
                np.linalg.det(mean) / math.sqrt(np.linalg.det(one) * np.linalg.det(other))
            )
            expected = 1 - math.sqrt(max(0.0, 1 - math.exp(-bhattacharyya)))
            assert found[i, j] == pytest.approx(expected, abs=1e-6)


def test_equal_boxes_overlap_wholly_and_distant_ones_not() -> None:
    found = overlaps(array([10, 10, 8, 4], [10, 10, 4, 8], [90, 90, 8, 4]), array(0, np.pi / 2, 0))
    np.testing.assert_allclose(found[0], [1, 1, 0], atol=1e-3)


def test_boxes_without_width_are_no_trouble() -> None:
    found = overlaps(array([10, 10, 0, 0], [10, 10, 0, 0]), array(0, 1))
    np.testing.assert_allclose(found, 1, atol=1e-3)


def test_boxes_of_any_length_are_no_trouble() -> None:
    boxes = array([10, 10, 1e30, 1e-30], [10, 10, 1e30, 1e-30], [10, 10, 8, 4])
    found = overlaps(boxes, array(0.7, 0.7, 0))
    np.testing.assert_allclose(found, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-3)


def test_of_two_of_a_group_that_overlap_the_first_stays() -> None:
    boxes = array([10, 10, 20, 4], [10, 10, 20, 4], [11, 10, 20, 4], [60, 60, 20, 4])
    angles = array(0, np.pi / 2, 0.05, 0)
    assert kept(boxes, angles, np.zeros(4, int), 0.45).tolist() == [0, 1, 3]
    assert kept(boxes, angles, np.array([0, 0, 1, 0]), 0.45).tolist() == [0, 1, 2, 3]
    assert kept(boxes[:0], angles[:0], np.zeros(0, int), 0.45).tolist() == []


def test_what_was_left_out_leaves_nothing_else_out() -> None:
    boxes = array([10, 10, 20, 20], [16, 10, 20, 20], [22, 10, 20, 20])
    values = overlaps(boxes, array(0, 0, 0))
    assert values[0, 1] == pytest.approx(values[1, 2])
    assert values[0, 1] > 0.4 > values[0, 2]
    assert kept(boxes, array(0, 0, 0), np.zeros(3, int), 0.4).tolist() == [0, 2]
