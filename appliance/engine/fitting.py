"""What is written for an input against what the block takes: the sentence for what does not fit."""

from collections.abc import Iterator
from typing import Any

from appliance.engine.annotations import (
    columns_of,
    element,
    fits,
    holds_image,
    is_of,
    many_words,
    takes_images,
    words,
    writable,
)
from appliance.engine.document import Path
from appliance.engine.names import KnownNames
from appliance.engine.selectors import is_expression, is_selector, references_in
from appliance.engine.validation import shown
from blocks.block import Parameter

# The column that trackers give.
_TRACKED = "tracker_id"


def _takes(parameter: Parameter) -> str:
    return f"'{parameter.name}' takes {words(parameter.annotation)}"


def misfit_of_value(
    parameter: Parameter, text: str, given: Any, *, many: bool, collects: bool
) -> str:
    """Of a selector whose value does not fit.

    `many` says that it is many, `collects` that all of its elements are taken at once.
    """
    if collects:
        return f"{_takes(parameter)}, but {text} is many {many_words(given)}"
    each = "each of " if many else ""
    what = f"{_takes(parameter)}, but {each}{text} is {words(given)}"
    one = element(parameter.annotation)
    if one is not None and fits(given, one):
        what += f": one alone goes in a list, [{text}]"
    return what


def misfit_of_columns(parameter: Parameter, text: str, names: KnownNames) -> str:
    """Of a selector whose detections lack a column that the block asks for; else empty."""
    lacking = names.lacks(text, columns_of(parameter.annotation))
    if lacking is None:
        return ""
    kind, hint = f"detections with the column '{lacking}'", ""
    if lacking == _TRACKED:
        kind, hint = "tracked detections", ": put a byte_track@1 between"
    return f"'{parameter.name}' takes {kind}; {text} has no column '{lacking}'{hint}"


def misfits_of_made(
    parameter: Parameter, written: Any, names: KnownNames
) -> Iterator[tuple[Path, str]]:
    """Of a list or a mapping with values of steps in it: where in it, and what is said.

    What expressions in it give is seen when they are compiled.
    """
    annotation = parameter.annotation
    one = element(annotation) if isinstance(written, list) else None
    if one is not None:
        yield from _misfits_of_entries(parameter, written, names)
        return
    kind = dict if isinstance(written, dict) else list
    if not fits(kind, annotation):
        yield (), f"{_takes(parameter)}, but this is {words(kind)}"
        return
    for inner, text in references_in(written):
        known = names.types.get(names.named(text) or "") if is_selector(text) else None
        if known is not None and holds_image(known) and not takes_images(annotation):
            what = f"'{parameter.name}' cannot hold an image; {text} is one: leave it out"
            yield inner, what


def _misfits_of_entries(
    parameter: Parameter, written: list[Any], names: KnownNames
) -> Iterator[tuple[Path, str]]:
    one = element(parameter.annotation)
    for i, entry in enumerate(written):
        if is_selector(entry):
            known = names.types.get(names.named(entry) or "")
            if known is not None and not fits(known, one):
                yield (i,), f"{_takes(parameter)}, but {entry} is {words(known)}"
        elif not is_expression(entry) and not is_of(entry, one):
            yield (i,), f"{_takes(parameter)}: {shown(entry)} is none"


def misfit_of_result(parameter: Parameter, given: Any, inner: Path) -> str:
    """Of an expression whose result does not fit, where it is the whole, or an entry of a list.

    Empty if it fits, or stands anywhere else.
    """
    wanted = parameter.annotation if not inner else element(parameter.annotation)
    if wanted is None or len(inner) > 1:
        return ""
    # A number may be whole; whether it is, each turn will show.
    if fits(given, wanted) or (given is float and fits(int, wanted)):
        return ""
    return f"{_takes(parameter)}, but this expression gives {words(given)}"


def misfit_of_literal(parameter: Parameter, plain: Any) -> tuple[Path, str]:
    """Of a literal that does not fit: where in it, and what is said."""
    annotation, one = parameter.annotation, element(parameter.annotation)
    if plain is None:
        what = f"'{parameter.name}' is given nothing, and the step cannot do without: it takes "
        return (), what + words(annotation)
    if writable(annotation) is None:
        return (), f"{_takes(parameter)}: wire it, as $steps.step.output"
    if isinstance(plain, list) and one is not None:
        for i, entry in enumerate(plain):
            if not is_of(entry, one):
                return (i,), f"{_takes(parameter)}: {shown(entry)} is none"
    return (), f"{_takes(parameter)}, not {shown(plain)}"
