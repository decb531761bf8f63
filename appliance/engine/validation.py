"""Data of a file against a pydantic model; what does not fit becomes problems with their places."""

import difflib
import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from appliance.engine.document import Document, Path, dotted, with_step_name
from appliance.engine.errors import (
    MOST_PROBLEMS,
    DefinitionError,
    Problem,
    nearest,
    suggestion,
)
from appliance.engine.sources import Verbatim

M = TypeVar("M", bound=BaseModel)


def validated(model: type[M], document: Document) -> M:
    """The whole document as the model.

    Raises:
        DefinitionError: all that does not fit, and all that could not be read.
    """
    try:
        return strict(model, document.data)
    except ValidationError as error:
        problems = [*document.refusals, *problems_of(error, document, model)]
        raise DefinitionError(document.discreet(problems)) from None


def strict(model: type[M], data: Any) -> M:
    """The data as the model, types as they are written: a text is no number, a number no text.

    Pydantic's strict mode for JSON is what we mean: it takes lists for tuples and texts for enums.
    """
    return model.model_validate_json(json.dumps(data), strict=True)


def problems_of(
    error: ValidationError,
    document: Document,
    model: type[BaseModel],
    prefix: Path = (),
    unset: Collection[str] = (),
) -> list[Problem]:
    """What pydantic found, as problems with their places in the document.

    `prefix` is the path at which the validated data stands; `model` tells the known keys. What is
    due to fields that are not set yet, or may be, is left out.
    """
    found = faults(error, unset)[:MOST_PROBLEMS]
    return [problem_of(details, document, model, prefix) for details in found]


def faults(error: ValidationError, unset: Collection[str] = ()) -> list[ErrorDetails]:
    """What pydantic found, without what only follows from it or may be due to `unset` fields."""
    found = error.errors()
    return [
        details
        for details in found
        if not (unset and _may_be_due_to(unset, details)) and not _follows(details, found)
    ]


def _follows(details: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """Whether a list is only called too short since some of its entries are wrong."""
    loc = details["loc"]
    return details["type"] == "too_short" and any(
        other["loc"][: len(loc)] == loc and len(other["loc"]) > len(loc) for other in found
    )


def _may_be_due_to(unset: Collection[str], details: ErrorDetails) -> bool:
    loc = details["loc"]
    # A validator of the model's own may have looked at any of its fields; those of parts inside
    # of a field see nothing else.
    return (details["type"] in _OF_VALIDATORS and len(loc) < 2) or not loc or loc[0] in unset


def problem_of(
    details: ErrorDetails, document: Document, model: type[BaseModel], prefix: Path
) -> Problem:
    """One thing that pydantic found, as a problem with its place in the document."""
    kind = details["type"]
    # Parts of the location that are not in the document are pydantic's own (the tags of unions).
    place: Path = prefix
    for part in details["loc"]:
        if (*place, part) in document.values or kind in ("missing", "extra_forbidden"):
            place = (*place, part)
    where = dotted(with_step_name(place, document.data))
    if place in document.outside:
        details = _without_input(details)
    if details["loc"][-1:] == ("[key]",):
        return Problem(document.key_mark(place), where, _sentence(details))
    if kind == "extra_forbidden":
        key = str(place[-1])
        what = f"unknown key '{key}'" + suggestion(key, _known_keys(model, details["loc"][:-1]))
        return Problem(document.key_mark(place), where, what)
    if kind == "missing":
        given = [str(key) for key in details["input"]] if isinstance(details["input"], dict) else []
        misspelt = difflib.get_close_matches(str(place[-1]), given, n=1, cutoff=0.75)
        hint = f" (is '{misspelt[0]}' meant to be it?)" if misspelt else _TO_WRITE.get(place, "")
        what = f"the key '{place[-1]}' is missing{hint}"
        where = dotted(with_step_name(place[:-1], document.data))
        return Problem(document.key_mark(place[:-1]), where, what)
    return Problem(document.mark(place), where, _sentence(details))


def _without_input(details: ErrorDetails) -> ErrorDetails:
    """What is wrong with a value from outside, without the value."""
    hidden = details.copy()
    hidden["input"] = Verbatim() if isinstance(details["input"], str) else _HIDDEN
    return hidden


def _known_keys(model: type[BaseModel], loc: Sequence[str | int]) -> Iterable[str]:
    """The keys of the model that stands at `loc` inside of another."""
    current: Any = model
    for part in loc:
        current = _inner_model(current, part)
        if current is None:
            return ()
    return tuple(current.model_fields)


def _inner_model(model: Any, part: str | int) -> Any:
    field = model.model_fields.get(part) if isinstance(part, str) else None
    if field is None:
        # Inside of a mapping or a list the part is a key or a number: the model stays the same.
        return model
    return _first_model(field.annotation)


def _first_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _first_model(argument)
        if found is not None:
            return found
    return None


def _sentence(details: ErrorDetails) -> str:
    """What pydantic says, in the words of this program."""
    kind, context = details["type"], details.get("ctx", {})
    given = shown(details["input"])
    expected = _EXPECTED.get(kind)
    if expected:
        hint = _hint(details)
        return f"this must be {expected}, not {given}{hint}"
    if kind in ("literal_error", "enum"):
        known = [
            part.strip(" '") for part in str(context["expected"]).replace(" or ", ",").split(",")
        ]
        near = nearest(details["input"], known) if isinstance(details["input"], str) else None
        hint = f" (did you mean '{near}'?)" if near else ""
        return f"this must be {context['expected']}, not {given}{hint}"
    if kind in _OF_VALIDATORS:
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return f"{given} does not have the form {context['pattern']}"
    if kind == "string_too_short" and context["min_length"] == 1:
        return "this must not be empty"
    message = details["msg"]
    if kind in _LIMITS:
        (limit,) = context.values()
        number = f"{limit:g}" if isinstance(limit, float) else limit
        return f"this must be {_LIMITS[kind]} {number}, not {given}"
    if kind in ("too_short", "too_long"):
        limit = context["min_length"] if kind == "too_short" else context["max_length"]
        few = "at least" if kind == "too_short" else "at most"
        entries = "entry" if limit == 1 else "entries"
        return f"this needs {few} {limit} {entries}, not {context['actual_length']}"
    return f"{message[:1].lower()}{message[1:]} (this is {given})"


def _hint(details: ErrorDetails) -> str:
    """What was probably meant by a value of another kind."""
    kind, given, loc = details["type"], details["input"], details["loc"]
    if kind == "string_type" and isinstance(given, dict):
        return " (a text that begins with { goes in quotes)"
    if kind in ("list_type", "tuple_type") and loc == ("steps",) and isinstance(given, dict):
        return " (each step begins with `- name:`)"
    if kind in ("dict_type", "model_type") and len(loc) == 2 and loc[0] == "inputs":
        return " (write {type: image})" if given == "image" else " (write {type: …})"
    return ""


# What a validator says that is written in Python: a ValueError, or an assert.
_OF_VALIDATORS = frozenset({"value_error", "assertion_error"})
_EXPECTED = {
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
}
_TO_WRITE: dict[Path, str] = {("version",): ": write version: 1"}
_LIMITS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}


# Stands for a number from outside, as a Verbatim does for a text.
_HIDDEN = object()


def shown(value: Any) -> str:
    """A value of a file as messages show it."""
    if isinstance(value, Verbatim):
        return "a hidden text"
    if value is _HIDDEN:
        return "a hidden value"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value)
    if not isinstance(value, str):
        return text
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
