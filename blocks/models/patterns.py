"""Regular expressions that cannot take for ever.

Python's search goes back over every choice it made, and holds the interpreter meanwhile: `(a+)+$`
on thirty letters stops all cameras. So the choices are counted before an expression is taken.
"""

import re
from re import _parser  # type: ignore[attr-defined]  # the only way to what an expression says
from typing import Any

LONGEST_LINE = 200
"""More of a line is not searched."""

# With this many choices at each of 200 places, a search takes well under a second.
MOST_CHOICES = 50_000
MOST_ITEMS = 10_000
_TOO_MANY = MOST_CHOICES + 1


def bounded(text: str) -> str:
    """The expression itself.

    Raises:
        ValueError: it is none, or a search for it may take too long; a sentence.
    """
    try:
        choices, items = _cost(_parser.parse(text))
        if choices <= MOST_CHOICES and items <= MOST_ITEMS:
            # Not before: what is built grows with the items. It refuses some that can be parsed.
            re.compile(text)
            return text
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"this is no regular expression: {error}") from None
    raise ValueError(
        "a search for this could take too long: give repeats an upper end ({1,8} in place of +), "
        "and put no repeat into another one"
    )


def _cost(parsed: Any) -> tuple[int, int]:
    """How many ways there are to match a sequence at one place, at most, and its items."""
    choices, items = 1, 1
    for operation, value in parsed:
        more_choices, more_items = _cost_of(str(operation), value)
        choices = min(choices * more_choices, _TOO_MANY)
        items = min(items + more_items, MOST_ITEMS + 1)
    return choices, items


def _cost_of(operation: str, value: Any) -> tuple[int, int]:
    if operation.endswith("_REPEAT"):
        least, most, body = value
        choices, items = _cost(body)
        most = min(int(most), LONGEST_LINE)
        ends = max(1, most - int(least) + 1)
        # Each time round there are the choices of the body again.
        every = min(choices**most, _TOO_MANY)
        return min(ends * every, _TOO_MANY), items * max(int(least), 1)
    if operation == "BRANCH":
        return _either(value[1])
    if operation == "GROUPREF_EXISTS":
        return _either([part for part in value[1:] if part is not None])
    if operation in ("SUBPATTERN", "ASSERT", "ASSERT_NOT"):
        return _cost(value[-1])
    if operation == "ATOMIC_GROUP":
        return _cost(value)
    return 1, 1


def _either(parts: Any) -> tuple[int, int]:
    costs = [_cost(part) for part in parts]
    return sum(choices for choices, _ in costs), sum(items for _, items in costs)
