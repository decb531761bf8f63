"""Conditions in CEL, the Common Expression Language: the one door to Google's implementation.

Names are declared under their dotted paths (`steps.gate.total_in`), each with its type, so a wrong
name or type is refused when the file is checked. All numbers are doubles: integer literals are
rewritten, values converted on entry, so that `count / 12` and `count > 3.5` mean what they say.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cel_expr_python import cel

from appliance.engine.annotations import fits, members
from appliance.engine.errors import suggestion
from blocks.data import Detections, Image

_TOKEN = re.compile(
    r"""(?P<text>[bB]?[rR][bB]?(?:\"\"\"(?:.|\n)*?\"\"\"|\'\'\'(?:.|\n)*?\'\'\'|"[^"\n]*"|'[^'\n]*')
              |[bB]?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|\'\'\'(?:\\.|[^\\])*?\'\'\'
                      |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
      | (?P<comment>//[^\n]*)
      | (?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)
      | (?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)[uU]?)
      | (?P<bracket>[()\[\]{}])""",
    re.VERBOSE,
)
_BRACES = re.compile(r"\s*(\$\{|\{\{)")
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
        data = {name: convert(v) for name, convert, v in converted}
        value = self._compiled.eval(data=data).value()
        # An error is a value in CEL, here a text, and true: only a boolean is taken for one.
        if not isinstance(value, bool):
            raise ExpressionError(f"'{self.text}' gave {value}")
        return value


def compile_condition(text: str, known: Mapping[str, Any]) -> Condition:
    """Compile a condition over names with Python annotations.

    Raises:
        ExpressionError: a syntax error, an unknown name, a wrong type, or no true-or-false result.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"a condition has at most {LONGEST:,} characters")
    if not text.isascii() and any(unicodedata.category(c) == "Cs" for c in text):
        raise ExpressionError("there is half a character (a lone surrogate) in this condition")
    if _BRACES.match(text):
        bare = text.strip(" \t\n${}")
        raise ExpressionError(f"a condition needs no braces: {bare}")
    written = _Written(text)
    names = written.names(known)
    kinds = [_kind(known[name]) for name in names]
    variables = {name: kind.cel_type for name, kind in zip(names, kinds, strict=True)}
    rewritten, added = written.with_doubles()
    try:
        compiled = cel.NewEnv(variables=variables).compile(rewritten)
    except RuntimeError as error:
        raise _refusal(str(error), added) from None
    if compiled.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        given = _in_our_words(compiled.return_type().name().lower())
        raise ExpressionError(f"a condition is true or false; this gives {given}")
    return Condition(text, names, compiled, tuple(kind.convert for kind in kinds))


class _Written:
    """A condition as it was written, in tokens."""

    def __init__(self, text: str) -> None:
        # Comments become blanks: nothing in them counts, and all offsets stay.
        self._text = _TOKEN.sub(lambda t: t[0] if t["comment"] is None else " " * len(t[0]), text)
        self._tokens = list(_TOKEN.finditer(self._text))
        self._partners = _partners(self._tokens)
        ends = [0, *(token.end() for token in self._tokens)]
        starts = [*(token.start() for token in self._tokens), len(self._text)]
        # What stands between the tokens: operators, dots and commas.
        self._gaps = [self._text[a:b].strip() for a, b in zip(ends, starts, strict=True)]

    def names(self, known: Mapping[str, Any]) -> tuple[str, ...]:
        """The known names that are used, each once.

        Raises:
            ExpressionError: a name is not known, or is used in a way that says nothing.
        """
        found: dict[str, None] = {}
        for i, token in enumerate(self._tokens):
            parts = _parts(token)
            if not parts or parts[0] not in _ROOTS or self._before(i) == ".":
                continue
            name = ".".join(parts[: 3 if parts[0] == "steps" else 2])
            column = token.start() + 1
            if self._has_dollar(token):
                raise ExpressionError(
                    f"in a condition names have no dollar: {self._without_dollars()}", column - 1
                )
            if name not in known:
                raise ExpressionError(f"unknown name '{name}'{suggestion(name, known)}", column)
            if Image in members(known[name]):
                raise ExpressionError(
                    f"'{name}' is an image: a condition cannot look at it", column
                )
            if self._is_whole_argument_of_has(i) and len(parts) == len(name.split(".")):
                raise ExpressionError(
                    f"has() asks for a key inside of a value; '{name}' is a value that is there "
                    "whenever this step runs",
                    column,
                )
            found[name] = None
        return tuple(found)

    def _has_dollar(self, token: re.Match[str]) -> bool:
        return token["name"] is not None and self._text[: token.start()].endswith("$")

    def _without_dollars(self) -> str:
        """What was meant, on one line."""
        dollars = {token.start() - 1 for token in self._tokens if self._has_dollar(token)}
        kept = "".join(sign for i, sign in enumerate(self._text) if i not in dollars)
        return " ".join(kept.split())

    def with_doubles(self) -> tuple[str, list[tuple[int, str]]]:
        """The text with one kind of number: `3` as `3.0`, `size(x)` as `double(size(x))`.

        Also what was put in, in order, as (offset in the written text, insertion).
        """
        added: list[tuple[int, str]] = []
        for i, token in enumerate(self._tokens):
            if token["number"] is not None:
                if token["number"].isdigit() and not self._stays_whole(i):
                    added.append((token.end(), ".0"))
            elif _parts(token)[-1:] == ["size"] and self._is_called(i):
                added.append((self._operand(i), "double("))
                added.append((self._tokens[self._partners[i + 1]].end(), ")"))
        added.sort()
        pieces, last = [], 0
        for offset, insertion in added:
            pieces += [self._text[last:offset], insertion]
            last = offset
        return "".join([*pieces, self._text[last:]]), added

    def _is_whole_argument_of_has(self, i: int) -> bool:
        around = [token[0] for token in self._tokens[max(0, i - 2) : i + 2]]
        return len(around) == 4 and around[:2] == ["has", "("] and around[3] == ")"

    def _is_called(self, i: int) -> bool:
        following = self._tokens[i + 1][0] if i + 1 in self._partners else ""
        return following == "(" and not self._gaps[i + 1]

    def _stays_whole(self, i: int) -> bool:
        """Whether a number is an index or stands beside `%`: CEL has neither for doubles."""
        if self._before(i) == "%" or self._after(i) == "%":
            return True
        return self._before(i) == "[" and self._after(i) == "]" and self._follows_value(i - 1)

    def _follows_value(self, i: int) -> bool:
        """Whether a bracket stands right behind a value: an index or a call, no list or group."""
        if i == 0 or self._gaps[i]:
            return False
        before = self._tokens[i - 1]
        return before[0] != "in" and (before["name"] is not None or before[0] in (")", "]", "}"))

    def _operand(self, i: int) -> int:
        """Where the value begins whose method the name at `i` is; the name itself if it is none."""
        while i > 0 and self._before(i) == ".":
            i -= 1
            while self._partners.get(i, i) < i:
                i = self._partners[i]
                if not self._follows_value(i):
                    break
                i -= 1
        return self._tokens[i].start()

    def _before(self, i: int) -> str:
        return self._gaps[i][-1:] or (self._tokens[i - 1][0][-1:] if i else "")

    def _after(self, i: int) -> str:
        following = self._tokens[i + 1][0] if i + 1 < len(self._tokens) else ""
        return self._gaps[i + 1][:1] or following[:1]


def _parts(token: re.Match[str]) -> list[str]:
    return re.split(r"\s*\.\s*", token["name"]) if token["name"] is not None else []


def _partners(tokens: Sequence[re.Match[str]]) -> dict[int, int]:
    """For each bracket that has one the bracket that belongs to it, both by number of token."""
    partners: dict[int, int] = {}
    waiting: list[int] = []
    for i, token in enumerate(tokens):
        if token["bracket"] is None:
            continue
        if token[0] in "([{":
            waiting.append(i)
        elif waiting:
            opening = waiting.pop()
            partners |= {opening: i, i: opening}
    return partners


@dataclass(frozen=True, slots=True)
class _Kind:
    cel_type: Any
    convert: Callable[[Any], Any]


def _plain(value: Any) -> Any:
    """A value as CEL takes it: numbers as doubles, detections as a list of maps."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, np.bool_):
        return bool(value)
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


_WORDS = {
    "bool": "true or false",
    "bytes": "bytes",
    "double": "a number",
    "int": "a whole number",
    "list": "a list",
    "map": "a mapping",
    "null": "nothing",
    "string": "a text",
}
_CEL_MESSAGE = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_OVERLOAD = re.compile(r"found no matching overload for '_?([^']+?)_?' applied to '\((.*)\)'")
_HINTS = {
    "'and'": " (write && for and)",
    "'or'": " (write || for or)",
    "at: '= '": " (write == to compare)",
}


def _in_our_words(kind: str) -> str:
    name = re.sub(r"[<(].*", "", kind)
    return _WORDS.get(name, name)


def _refusal(message: str, added: list[tuple[int, str]]) -> ExpressionError:
    """CEL's own words in ours; its column counts the rewritten text, ours the written one."""
    match = _CEL_MESSAGE.search(message)
    if match is None:
        what = re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", message.splitlines()[0])
        return ExpressionError(f"this is no condition: {what}")
    # Only the first line keeps its numbering, and only it is shown with a caret.
    column = _original_column(int(match[2]), added) if match[1] == "1" else 1
    what = match[3].replace("Syntax error: ", "")
    what = what.removesuffix(" [INVALID_ARGUMENT]").split(" expecting ")[0]
    if "undeclared reference to '" in what:
        name = what.split("'")[1]
        return ExpressionError(
            f"unknown name '{name}' (names begin with inputs, steps or frame)", column
        )
    overload = _OVERLOAD.match(what)
    if overload is not None:
        what = f"'{overload[1]}' does not go with {_operands(overload[1], overload[2])}"
    if "'<EOF>'" in what:
        what = "it ends too early"
    what += next((hint for sign, hint in _HINTS.items() if sign in what), "")
    return ExpressionError(f"this is no condition: {what}", column)


def _operands(operator: str, given: str) -> str:
    kinds = re.split(r", (?![^(]*\))", given)
    hint = ""
    if operator == "%":
        hint = " (whole numbers only: double(int(x) % 2))"
    elif {"int", "double"} <= set(kinds):
        hint = " (write double(…) around the whole number)"
    return " and ".join(_in_our_words(kind) for kind in kinds) + hint


def _original_column(column: int, added: list[tuple[int, str]]) -> int:
    """Where a column of the rewritten text lies in the written one."""
    offset = column - 1
    for position, insertion in added:
        if position < offset:
            offset = max(position, offset - len(insertion))
    return offset + 1
