"""The labels that a step names, among those that its model knows."""

import difflib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Labels named in a message, and characters of them, about.
MOST_NAMED = 20
LONGEST_LIST = 200


def known_labels(model: str, wanted: Sequence[str], known: Sequence[str]) -> NDArray[np.int64]:
    """Which of the model's classes are wanted, by their numbers.

    Raises:
        ValueError: the model does not know one of them; the nearest is named.
    """
    for label in wanted:
        if label not in known:
            close = _nearest(label, known)
            hint = f"did you mean {close!r}?" if close else f"it knows {_listed(known)}"
            raise ValueError(f"the model {model} knows no label {label!r} ({hint})")
    return np.array([list(known).index(label) for label in wanted], np.int64)


def _nearest(label: str, known: Sequence[str]) -> str | None:
    """What was meant, in whatever case it was written."""
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(label.casefold(), folded, 1)
    return folded[close[0]] if close else None


def _listed(known: Sequence[str]) -> str:
    """As many as are read in a message; labels may be long, and have commas in them."""
    shown, length = 0, 0
    while shown < min(len(known), MOST_NAMED) and length < LONGEST_LIST:
        length += len(known[shown]) + 2
        shown += 1
    rest = len(known) - shown
    return ", ".join(known[:shown]) + (f" and {rest} more" if rest else "")
