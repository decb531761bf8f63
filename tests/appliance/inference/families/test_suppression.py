"""Boxes that say the same thing twice."""

import numpy as np

from appliance.inference.families.suppression import kept, surest

BOXES = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [30, 0, 40, 10]], np.float32)
SURE = np.array([0.6, 0.9, 0.7, 0.5], np.float32)


def test_of_two_boxes_of_a_group_that_overlap_the_surer_stays() -> None:
    assert kept(BOXES, SURE, np.array([0, 0, 1, 0]), 0.5).tolist() == [1, 2, 3]


def test_what_overlaps_less_than_is_allowed_stays() -> None:
    assert sorted(kept(BOXES, SURE, np.zeros(4, int), 0.9).tolist()) == [1, 2, 3]


def test_nothing_is_left_of_nothing() -> None:
    assert kept(BOXES[:0], SURE[:0], np.zeros(0, int), 0.5).tolist() == []


def test_the_surest_come_first_and_no_more_than_asked_for() -> None:
    assert surest(SURE, 0.55).tolist() == [1, 2, 0]
    assert surest(SURE, 0.0, most=2).tolist() == [1, 2]
    many = np.linspace(0, 1, 1000, dtype=np.float32)
    assert surest(many, 0.0, most=3).tolist() == [999, 998, 997]
