"""Python annotations as the language's types: do they fit each other, and what are they called.

The one place that knows; messages, documentation and schemas take the words from here.
"""

import json
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from blocks.data import Columns, Detections, Image
from blocks.geometry import Point

_WORDS: dict[Any, str] = {
    Any: "any value",
    Detections: "detections",
    Image: "an image",
    bool: "true or false",
    dict: "a mapping",
    float: "a number",
    int: "a whole number",
    list: "a list",
    str: "a text",
    type(None): "nothing",
}

# Where there are many of them; of anything else it is said what one is.
_MANY: dict[str, str] = {
    "a list": "lists",
    "a mapping": "mappings",
    "a number": "numbers",
    "a text": "texts",
    "a whole number": "whole numbers",
    "an image": "images",
    "any value": "values of any kind",
}

_SHAPES: tuple[tuple[Any, str], ...] = (
    (get_args(Point)[0], "a point [x, y]"),
    (tuple[Point, Point], "two points [[x, y], [x, y]]"),
    (tuple[Point, ...], "points [[x, y], [x, y], …]"),
)

INPUT_TYPES: dict[str, Any] = {
    "image": Image,
    "number": float,
    "integer": int,
    "string": str,
    "boolean": bool,
    "list": list,
    "object": dict,
    "any": Any,
}
"""What an input of a workflow may be declared as."""


def bare(annotation: Any) -> Any:
    """The annotation without what `Annotated` adds to it, and behind a name of its own."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    # What is written `type X[T] = …` since Python 3.12, as numpy does.
    named = getattr(get_origin(annotation) or annotation, "__value__", None)
    if named is None:
        return annotation
    return bare(named[get_args(annotation)] if get_args(annotation) else named)


def members(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a union; anything else alone."""
    annotation = bare(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(part for arg in get_args(annotation) for part in members(arg))
    return (annotation,)


def optional(annotation: Any) -> bool:
    """Whether an absent value fits."""
    return type(None) in members(annotation)


def element(annotation: Any) -> Any:
    """What one element is of a type that is many; None for a type that is one."""
    for part in members(annotation):
        inner = get_args(part)
        if get_origin(part) is tuple and inner[1:] == (Ellipsis,) and not shape_words(part):
            return inner[0]
    return None


def many_of(annotation: Any, depth: int) -> Any:
    """A type that is many of another, `depth` times over."""
    return many_of(tuple[annotation, ...], depth - 1) if depth else annotation


def columns_of(annotation: Any) -> dict[str, type]:
    """The further columns of detections that the type promises, with the types of their values."""
    found: dict[str, type] = {}
    if get_origin(annotation) is Annotated:
        for mark in annotation.__metadata__:
            found |= mark.types if isinstance(mark, Columns) else {}
        return columns_of(get_args(annotation)[0]) | found
    if get_origin(annotation) in (Union, types.UnionType, tuple):
        for part in get_args(annotation):
            found |= columns_of(part)
    return found


def with_columns(annotation: Any, columns: dict[str, type]) -> Any:
    """Detections with further columns; any other type as it is."""
    if not columns or Detections not in members(annotation):
        return annotation
    return Annotated[annotation, Columns(**(columns_of(annotation) | columns))]


def fits(source: Any, target: Any) -> bool:
    """Whether every value of the source's type may go where the target's is asked for.

    Absence is not looked at here: a step wired to an absent value does not run.
    """
    wanted = members(target)
    if Any in wanted or object in wanted:
        return True
    given = [part for part in members(source) if part is not type(None)]
    # A value whose type is not known before it comes is let through, and tried when it does.
    return Any in given or all(any(_one_fits(g, w) for w in wanted) for g in given)


def _one_fits(source: Any, target: Any) -> bool:
    source_class, target_class = _class(source), _class(target)
    if source_class is None or target_class is None:
        return bool(source == target)
    if target_class is float and source_class is int:
        return True
    if source_class is bool and target_class is not bool:
        return False
    if not issubclass(source_class, target_class):
        return False
    if issubclass(source_class, str):
        # To Python a text is a sequence of texts, to nobody else.
        return issubclass(target_class, str)
    if issubclass(target_class, Sequence):
        inner, outer = get_args(source)[:1], get_args(target)[:1]
        return not inner or not outer or fits(inner[0], outer[0])
    return True


def holds_image(annotation: Any) -> bool:
    """Whether a value of the type may be an image, or have one in it."""
    return any(
        part is Image or any(holds_image(inner) for inner in get_args(part))
        for part in members(annotation)
    )


def takes_images(annotation: Any) -> bool:
    """Whether a list or mapping that is made for a parameter of the type may have images in it."""
    parts = members(annotation)
    return Any in parts or object in parts or holds_image(annotation)


def writable(annotation: Any) -> Any:
    """The part of a type that can be written down in a file; None where there is none."""
    parts = [found for part in members(annotation) if (found := _writable(part)) is not None]
    return Union[tuple(parts)] if parts else None  # noqa: UP007 - made of a list


def _writable(part: Any) -> Any:
    if part is Any:
        return part
    found = _class(part)
    if found is None or found in (Detections, Image):
        return None
    if issubclass(found, str | bool | int | float):
        return part
    if not issubclass(found, Mapping | Sequence):
        return None
    inner = [arg if arg is Ellipsis else writable(arg) for arg in get_args(part)]
    if None in inner:
        return None
    return get_origin(part)[tuple(inner)] if inner else part


def is_of(value: Any, annotation: Any) -> bool:
    """Whether a value as a file or a caller gives it is of a type, without any conversion."""
    wanted = writable(annotation)
    if wanted is None:
        return False
    try:
        TypeAdapter(wanted).validate_json(json.dumps(value), strict=True)
    except (ValidationError, TypeError, ValueError):
        return False
    return True


def _class(annotation: Any) -> type[Any] | None:
    annotation = bare(annotation)
    if get_origin(annotation) is Literal:
        kinds = {type(value) for value in get_args(annotation)}
        return kinds.pop() if len(kinds) == 1 else None
    found = get_origin(annotation) or annotation
    return found if isinstance(found, type) else None


def shape_words(part: Any) -> str:
    """`two points [[x, y], [x, y]]` and so on; empty for what is no shape."""
    # Compared, not looked up: what `Annotated` adds may have no hash.
    return next((text for shape, text in _SHAPES if part == shape), "")


def many_words(annotation: Any) -> str:
    """The type of one element in plain words for many: `images`, `texts or nothing`."""
    return " or ".join(_MANY.get(part, part) for part in words(annotation).split(" or "))


def words(annotation: Any) -> str:
    """The type in plain words: `detections`, `a number`, `a text or nothing`."""
    parts = members(annotation)
    if len(parts) > 1:
        return " or ".join(dict.fromkeys(words(part) for part in parts))
    (part,) = parts
    if get_origin(part) is Literal:
        return " or ".join(f"'{value}'" for value in get_args(part))
    shape = shape_words(part)
    if shape:
        return shape
    if get_origin(part) is tuple:
        return f"many {many_words(get_args(part)[0])}"
    found = _class(part)
    if found is not None and issubclass(found, Mapping):
        return _WORDS[dict]
    if found is not None and found not in _WORDS and issubclass(found, str):
        return _WORDS[str]
    return _WORDS.get(found, getattr(found, "__name__", str(part)))
