"""What decodes are checked against, in plain loops."""

from collections.abc import Callable

import pytest

Box = tuple[float, ...]
Find = tuple[Box, float, int]
"""Corners, confidence, class."""
Alone = Callable[[list[Find], float], list[Find]]


@pytest.fixture
def alone() -> Alone:
    """The finds that stay, the surest first: greedy, class by class."""

    def overlapping(a: Box, b: Box) -> float:
        wide = min(a[2], b[2]) - max(a[0], b[0])
        high = min(a[3], b[3]) - max(a[1], b[1])
        if wide <= 0 or high <= 0:
            return 0.0
        areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
        return wide * high / (sum(areas) - wide * high)

    def left(finds: list[Find], overlap: float) -> list[Find]:
        kept: list[Find] = []
        for one in sorted(finds, key=lambda find: -find[1]):
            if all(one[2] != o[2] or overlapping(one[0], o[0]) <= overlap for o in kept):
                kept.append(one)
        return kept

    return left
