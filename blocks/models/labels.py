"""The labels that a step names, among those that its model knows."""

import difflib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def known_labels(model: str, wanted: Sequence[str], known: Sequence[str]) -> NDArray[np.int64]:
    """Which of the model's classes are wanted, by their numbers.

    Raises:
        ValueError: the model does not know one of them; the nearest is named.
    """
    for label in wanted:
        if label not in known:
            close = difflib.get_close_matches(label, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"it knows {_listed(known)}"
            raise ValueError(f"the model {model} knows no label {label!r} ({hint})")
    return np.array([list(known).index(label) for label in wanted], np.int64)


def _listed(known: Sequence[str]) -> str:
    shown = ", ".join(known[:20])
    return f"{shown} and {len(known) - 20} more" if len(known) > 20 else shown
