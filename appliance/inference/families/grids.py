"""The cells of the grids that a detector gives a box for, one for each cell."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from appliance.inference.families.fitting import Values

Strides = tuple[int, ...]


def number(size: tuple[int, int], strides: Strides) -> int:
    """How many cells there are for an input of (width, height)."""
    return sum(-(-size[0] // s) * -(-size[1] // s) for s in strides)


def strides_of(count: int, size: tuple[int, int], known: Sequence[Strides]) -> Strides:
    """Which of the known strides make so many cells of an input of (width, height).

    Raises:
        ValueError: none do; a sentence.
    """
    for strides in known:
        if number(size, strides) == count:
            return strides
    wanted = " or ".join(str(number(size, strides)) for strides in known)
    raise ValueError(
        f"it gives {count} candidates, where an input of {size[0]} x {size[1]} has {wanted} cells"
    )


# A few models have a few sizes; the cells of 640 x 640 take 100 kB.
@lru_cache(maxsize=16)
def cells(size: tuple[int, int], strides: tuple[int, ...]) -> Values:
    """(N, 3): column and row of each cell, and its stride; grid by grid, row by row. Read-only."""
    grids = []
    for stride in strides:
        wide, high = -(-size[0] // stride), -(-size[1] // stride)
        row, column = np.divmod(np.arange(wide * high), wide)
        grids.append(np.stack([column, row, np.full(len(row), stride)], axis=1))
    table = np.concatenate(grids).astype(np.float32)
    table.flags.writeable = False
    return table
