"""What begins a run. That one bad pipeline does not stop others: test_daemon_models.py."""

from typing import Any

import pytest

from appliance.starting import is_picture
from blocks.data import Image


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Image, True),
        (tuple[Image, ...], True),
        (tuple[tuple[Image | None, ...], ...], True),
        (int, False),
        (tuple[str, ...], False),
        (Any, False),
        (tuple[Image | str, ...], False),
    ],
)
def test_pictures_are_also_those_of_which_there_are_many(
    annotation: Any, *, expected: bool
) -> None:
    assert is_picture(annotation) is expected
