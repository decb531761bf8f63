"""How much an expression can make of what it is given; what could fill the memory is refused.

CEL counts the turns of loops, and ends those of more than 10,000. It does not count what a turn
makes: `[x].map(a, a + a).map(a, a + a)`, and so on, doubles with each few characters.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from appliance.engine.cel_text import ExpressionError, Loop, Written
from blocks.data import Detections

DEEPEST_LOOPS = 4
MOST_GROWTH = 64
LONGEST_GROWING = 800
LONGEST_BODY = 1_000
LONGEST_MATCHING = 400
MOST_LISTED = 100
"""So many entries of lists in the body of a loop: they are made anew in each turn."""

# What many values come to at worst, of which a loop makes more.
_MOST_MADE = 5_000_000
# A loop in a loop makes a list of lists.
_OF_A_LOOP = 8
_OUTSIDE = ("inputs", "steps", "frame", "item")
_IN_STEPS = "do it in several steps"


def growth(written: Written) -> int:
    """At most so many times a loop takes over what it is given: 1 if there is none that does.

    Raises:
        ExpressionError: that is beyond all use, or loops are chained or nested too deeply.
    """
    loops = written.loops()
    _check_lengths(written, loops)
    # A loop holds another in its body, and in front of its name: one that it goes on from.
    spans = [(written.operand(loop.name), written.tokens[loop.last].end()) for loop in loops]
    factors = [_factor(written, loop, loops) for loop in loops]
    most = 1
    for start, end in spans:
        around = [i for i, (a, b) in enumerate(spans) if a <= start and end <= b]
        column = start + 1
        if len(around) > DEEPEST_LOOPS:
            what = f"more than {DEEPEST_LOOPS} of map(), filter(), exists() and the like are "
            raise ExpressionError(f"{what}chained or nested: {_IN_STEPS}", column)
        product = 1
        for i in around:
            product *= factors[i]
        if product > MOST_GROWTH:
            what = "what is put together in its loops (with +, or in lists) gets too large: "
            raise ExpressionError(f"{what}{_IN_STEPS}", column)
        most = max(most, product)
    if most > 1 and len(written.text) > LONGEST_GROWING:
        what = f"with a loop that puts things together it has at most {LONGEST_GROWING} characters"
        raise ExpressionError(f"{what}: {_IN_STEPS}")
    return most


def _check_lengths(written: Written, loops: Iterable[Loop]) -> None:
    """What is long takes long in each turn."""
    for loop in loops:
        start, end = written.tokens[loop.first].start(), written.tokens[loop.last].end()
        inside = range(loop.first + 2, loop.last)
        what = ""
        if end - start > LONGEST_BODY:
            what = f"in the brackets of {loop.macro}() stand at most {LONGEST_BODY:,} characters"
        elif sum(_commas(written, i) for i in inside) > MOST_LISTED:
            what = f"lists in the brackets of {loop.macro}() have at most {MOST_LISTED} entries"
        elif ".matches" in written.text and len(written.text) > LONGEST_MATCHING:
            what = f"with a loop and matches() it has at most {LONGEST_MATCHING} characters"
        if what:
            raise ExpressionError(f"{what}: {_IN_STEPS}", start + 1)


def _factor(written: Written, loop: Loop, loops: Iterable[Loop]) -> int:
    tokens = range(loop.first + 2, loop.last)
    gaps = range(loop.first + 2, loop.last + 1)
    found = 1 + sum(written.gaps[i].count("+") for i in gaps)
    found += sum(_put_together(written, i) for i in tokens)
    if loop.macro == "map":
        roots = [(written.tokens[i]["name"] or "").partition(".")[0].strip() for i in tokens]
        found += any(root in _OUTSIDE for root in roots)
    inner = [other for other in loops if loop.first < other.name < loop.last]
    return found * (_OF_A_LOOP if any(other.macro == "map" for other in inner) else 1)


def _put_together(written: Written, i: int) -> int:
    """How many more than one a list or mapping that opens here holds, if it names anything."""
    inside = written.tokens[i + 1 : written.partners.get(i, 0)]
    return _commas(written, i) if any(token["name"] is not None for token in inside) else 0


def _commas(written: Written, i: int) -> int:
    """How many there are in a list or mapping that opens here."""
    opening, close = written.tokens[i][0], written.partners.get(i, 0)
    if opening not in ("[", "{") or close < i or written.follows_value(i):
        return 0
    return sum(token[0] == "," for token in written.tokens[i + 1 : close])


def check_values(values: Mapping[str, Any], growth: int) -> None:
    """Refuse values of which an expression would make too much.

    Raises:
        ValueError: that many would be made.
    """
    extent = sum(_extent(value) for value in values.values())
    if extent * extent * growth > _MOST_MADE:
        raise ValueError("it puts together too much at once: ask it of fewer values")


def _extent(value: Any) -> int:
    """How many values there are in one; a long text counts as some."""
    if isinstance(value, str):
        return 1 + len(value) // 100
    if isinstance(value, Detections):
        return len(value)
    if isinstance(value, Mapping):
        return 1 + sum(map(_extent, value.values()))
    if isinstance(value, list | tuple):
        return 1 + sum(map(_extent, value))
    return int(getattr(value, "size", 1))
