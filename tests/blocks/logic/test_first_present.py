from typing import Any

import numpy as np
import pytest

from blocks.data import Image
from blocks.logic.first_present import FirstPresentManifest, FirstPresentValue


def first(*values: Any, **settings: Any) -> Any:
    answer = FirstPresentValue(FirstPresentManifest(**settings)).run(list(values))
    return answer and answer.value


@pytest.mark.parametrize("value", [3, 0, False, "", [], {}])
def test_the_first_value_is_taken_whatever_it_is(value: Any) -> None:
    assert first(value, 7) == value


def test_what_is_null_is_not_there() -> None:
    assert first(None, 7) == 7


def test_an_image_is_a_value() -> None:
    image = Image.from_bgr(np.zeros((4, 4, 3), np.uint8))
    assert first(image) is image


def test_of_nothing_the_default_is_given() -> None:
    assert first(default=5) == 5
    assert first(None, default="none") == "none"
    assert first(2, default=5) == 2


def test_without_a_default_the_answer_is_absent() -> None:
    assert FirstPresentValue(FirstPresentManifest()).run([]) is None
