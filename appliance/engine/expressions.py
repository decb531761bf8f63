"""Conditions in CEL, the Common Expression Language: the one door to Google's implementation.

Names are declared under their dotted paths (`steps.gate.total_in`), each with its type, so a wrong
name or type is refused when the file is checked. All numbers are doubles: integer literals are
rewritten, values converted on entry, so that `count / 12` and `count > 3.5` mean what they say.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel

from appliance.engine.annotations import fits, members
from appliance.engine.errors import suggestion
from blocks.data import Detections

_TOKEN = re.compile(
    r"""(?P<text>[rRbB]{0,2}(?:\"\"\"(?:.|\n)*?\"\"\"|'''(?:.|\n)*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
      | (?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)
      | (?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)[uU]?)""",
    re.VERBOSE,
)
_ROOTS = ("inputs", "steps", "frame")
LONGEST = 10_000


class ExpressionError(Exception):
    """An expression that is refused, or that could not be worked out. `column` counts from 1."""

    def __init__(self, what: str, column: int = 1) -> None:
        self.column = column
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition, and the dotted names of the values it needs."""

    text: str
    names: tuple[str, ...]
    _compiled: Any
    _converters: tuple[Callable[[Any], Any], ...]

    def holds(self, values: tuple[Any, ...]) -> bool:
        """Work it out over the values of `names`, in their order.

        Raises:
            ExpressionError: it gave an error, or something that is not true or false.
        """
        converted = zip(self.names, self._converters, values, strict=True)
        result = self._compiled.eval(data={name: convert(v) for name, convert, v in converted})
        # An error is a value in CEL, and true in Python: only a boolean is taken for one.
        if result.type() != cel.Type.BOOL:
            raise ExpressionError(f"'{self.text}' gave {result.value()}")
        return bool(result.value())


def compile_condition(text: str, known: Mapping[str, Any]) -> Condition:
    """Compile a condition over names with Python annotations.

    Raises:
        ExpressionError: a syntax error, an unknown name, a wrong type, or no true-or-false result.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"a condition has at most {LONGEST:,} characters")
    names = _names_in(text, known)
    kinds = [_kind(known[name]) for name in names]
    variables = {name: kind.cel_type for name, kind in zip(names, kinds, strict=True)}
    rewritten, added = _with_doubles(text)
    try:
        compiled = cel.NewEnv(variables=variables).compile(rewritten)
    except RuntimeError as error:
        raise _refusal(str(error), added) from None
    if compiled.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        given = _WORDS.get(compiled.return_type().name(), compiled.return_type().name())
        raise ExpressionError(f"a condition is true or false; this gives {given}")
    return Condition(text, names, compiled, tuple(kind.convert for kind in kinds))


def _names_in(text: str, known: Mapping[str, Any]) -> tuple[str, ...]:
    """The known names that the text uses, each once; a name that is not known is refused."""
    found: dict[str, None] = {}
    for match in _TOKEN.finditer(text):
        if match["name"] is None:
            continue
        parts = re.split(r"\s*\.\s*", match["name"])
        before = text[: match.start()].rstrip()[-1:]
        if parts[0] not in _ROOTS or before == ".":
            continue
        depth = 3 if parts[0] == "steps" else 2
        name = ".".join(parts[:depth])
        if name not in known:
            raise ExpressionError(
                f"unknown name '{name}'{suggestion(name, known)}", match.start() + 1
            )
        found[name] = None
    return tuple(found)


def _with_doubles(text: str) -> tuple[str, list[tuple[int, str]]]:
    """The text with `3` as `3.0` and `size(x)` as `double(size(x))`: one kind of number.

    Also what was put in, in order, as (offset in the written text, insertion).
    """
    added: list[tuple[int, str]] = []
    for match in _TOKEN.finditer(text):
        if match["number"] is not None and match["number"].isdigit():
            added.append((match.end(), ".0"))
        elif match["name"] == "size" and text[match.end() : match.end() + 1] == "(":
            added.append((match.start(), "double("))
            added.append((_closing(text, match.end()), ")"))
    added.sort()
    pieces, last = [], 0
    for offset, insertion in added:
        pieces += [text[last:offset], insertion]
        last = offset
    return "".join([*pieces, text[last:]]), added


def _closing(text: str, opening: int) -> int:
    """The offset behind the bracket that closes the one at `opening`; the end if none does."""
    depth, texts = 0, [m.span() for m in _TOKEN.finditer(text) if m["text"] is not None]
    for offset in range(opening, len(text)):
        if any(start <= offset < end for start, end in texts):
            continue
        depth += {"(": 1, ")": -1}.get(text[offset], 0)
        if depth == 0:
            return offset + 1
    return len(text)


@dataclass(frozen=True, slots=True)
class _Kind:
    cel_type: Any
    convert: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _plain(value: Any) -> Any:
    """A value as CEL takes it: numbers as doubles, detections as a list of maps."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, Detections):
        return [_plain(row) for row in value.as_rows()]
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return float(value)


_BOOL = _Kind(cel.Type.BOOL, bool)
_DOUBLE = _Kind(cel.Type.DOUBLE, float)
_STRING = _Kind(cel.Type.STRING, str)
_ROWS = _Kind(cel.Type.List(cel.Type.DYN), _plain)
_DYNAMIC = _Kind(cel.Type.DYN, _plain)


def _kind(annotation: Any) -> _Kind:
    if Any in members(annotation):
        return _DYNAMIC
    for target, kind in ((bool, _BOOL), (float, _DOUBLE), (str, _STRING), (Detections, _ROWS)):
        if fits(annotation, target):
            return kind
    return _DYNAMIC


_WORDS = {"BOOL": "true or false", "DOUBLE": "a number", "STRING": "a text", "LIST": "a list"}
_CEL_MESSAGE = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")


def _refusal(message: str, added: list[tuple[int, str]]) -> ExpressionError:
    """CEL's own words in ours; its column counts the rewritten text, ours the written one."""
    match = _CEL_MESSAGE.search(message)
    if match is None:
        return ExpressionError(f"this is no condition: {message.splitlines()[0]}")
    column = _original_column(int(match[2]), added) if match[1] == "1" else 1
    what = match[3].replace("Syntax error: ", "")
    if "undeclared reference to '" in what:
        name = what.split("'")[1]
        return ExpressionError(
            f"unknown name '{name}' (names begin with inputs, steps or frame)", column
        )
    what = what.replace("<EOF>", "its end").split(" expecting ")[0]
    if "no matching overload" in what:
        what = re.sub(
            r"found no matching overload for '_?([^']+?)_?' applied to '\((.*)\)'.*",
            r"'\1' does not go with (\2)",
            what,
        )
        what = what.replace("double", "a number").replace("string", "a text")
        what = what.replace("bool", "true or false").replace(", ", " and ")
    return ExpressionError(f"this is no condition: {what}", column)


def _original_column(column: int, added: list[tuple[int, str]]) -> int:
    """Where a column of the rewritten text lies in the written one."""
    offset = column - 1
    for position, insertion in added:
        if position < offset:
            offset = max(position, offset - len(insertion))
    return offset + 1
