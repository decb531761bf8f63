"""What single texts of a file mean: unquoted ones, and those with `${NAME}` in them."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False}
_BOOLEANS["FALSE"] = False
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_OPENING = re.compile(r"\$?\$\{")
_REFERENCE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:(:[-?])(.*))?", re.DOTALL)
_FORMS = "write ${NAME}, ${NAME:-default} or ${NAME:?message}; $${ is the text ${"

_NO_DEFAULT = (
    "a default is a plain value, no selector or expression: what the file says does not hang on "
    "whether the environment variable is set (an input of the workflow may have this default)"
)


def plain_scalar(text: str) -> Any:
    """The value of an unquoted text, by the core schema of YAML 1.2 with decimal numbers only."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text) and len(text) < 20:
        return int(text)
    # A number beyond all floats stays a text, and is refused where a number is asked for.
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: as it stands in the file, or from the environment."""

    text: str
    outside: bool = False
    reference: bool = False


def has_references(text: str) -> bool:
    """Whether there is anything in a text that `pieces` would change."""
    return "${" in text


def pieces(text: str, variable: Callable[[str], str | None]) -> Iterator[Piece]:
    """A text in pieces, each `${NAME}` replaced by the variable, or by its default.

    As in a shell an empty variable counts as one that is not set where a default or a message is
    given.

    Raises:
        ValueError: a `${` that begins nothing, a variable that is not set, or a default that
            would be a selector or an expression; a sentence.
        LookupError: what `variable` raises, where there is no default.
    """
    end = 0
    while opening := _OPENING.search(text, end):
        yield Piece(text[end : opening.start()])
        end = opening.end()
        if opening[0] == "$${":
            yield Piece("${")
            continue
        closing = text.find("}", end)
        reference = _REFERENCE.fullmatch(text[end:closing]) if closing >= 0 else None
        if reference is None or "${" in reference[0]:
            raise ValueError(f"a ${{ that begins no environment variable: {_FORMS}")
        if opening.start() == 0 and (reference[3] or "").startswith(("$", "=")):
            raise ValueError(_NO_DEFAULT)
        yield _looked_up(reference[1], reference[2], reference[3], variable)
        end = closing + 1
    yield Piece(text[end:])


def _looked_up(
    name: str, mark: str | None, behind: str | None, variable: Callable[[str], str | None]
) -> Piece:
    try:
        value = variable(name)
    except LookupError:
        if mark != ":-":
            raise
        value = None
    if value or (value is not None and mark is None):
        return Piece(value, outside=True, reference=True)
    if mark == ":-":
        return Piece(behind or "", reference=True)
    empty = "empty" if value is not None else "not set"
    message = f": {behind}" if behind else ""
    raise ValueError(f"the environment variable {name} is {empty}{message}")
