"""What CEL says of an expression, in our words, and where in the written text."""

import re
from collections.abc import Mapping, Sequence

from appliance.engine.cel_text import ExpressionError, Insertion
from appliance.engine.errors import suggestion

_WORDS = {
    "bool": "true or false",
    "bytes": "bytes",
    "double": "a number",
    "duration": "a duration",
    "int": "a whole number",
    "list": "a list",
    "map": "a mapping",
    "null": "nothing",
    "null_type": "nothing",
    "string": "a text",
    "timestamp": "a time",
    "type": "a type",
    "google.protobuf.Duration": "a duration",
    "google.protobuf.Timestamp": "a time",
}
_MESSAGE = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_OVERLOAD = re.compile(r"found no matching overload for '[_@]?([^']+?)_?' applied to '\((.*)\)'")
_FIELD = re.compile(r"undefined field '([^']*)' not found in struct '([^']*)'")
_SELECTED = re.compile(r"expression of type '(.*)' cannot be the operand of a select operation")
_HINTS = {
    "'and'": " (write && for and)",
    "'AND'": " (write && for and)",
    "at: '& '": " (write && for and)",
    "'or'": " (write || for or)",
    "'OR'": " (write || for or)",
    "at: '| '": " (write || for or)",
    "at: '= '": " (write == to compare)",
}
_LIMITS = {
    "recursion": "it is nested deeper than 32 levels: write it flatter, or in several steps",
    "Iteration budget": "it would go through too many elements: nest fewer loops",
}


def in_our_words(kind: str) -> str:
    """A type of CEL's: `a list` for `list(double)`."""
    name = re.sub(r"[<(].*", "", kind)
    if name.startswith("appliance.Detection"):
        return "a detection"
    return "an image" if name == "appliance.Image" else _WORDS.get(name, name)


class Refusals:
    """Makes our errors of CEL's, for one expression.

    `text` is what was compiled, `added` what was put into the written text to make it so.
    `fields` are those of the message types by name.
    """

    def __init__(
        self,
        noun: str,
        text: str,
        added: Sequence[Insertion],
        fields: Mapping[str, Sequence[str]],
    ) -> None:
        self._noun = f"no {noun.split()[1]}"
        self._text = text
        self._added = added
        self._fields = fields

    def refusal(self, message: str) -> ExpressionError:
        """CEL's own words in ours; its columns count the compiled text, ours the written one."""
        limit = next((ours for theirs, ours in _LIMITS.items() if theirs in message), None)
        if limit is not None:
            return ExpressionError(f"this is {self._noun}: {limit}")
        match = _MESSAGE.search(message)
        if match is None:
            what = re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", (message.splitlines() or [""])[0])
            return ExpressionError(f"this is {self._noun}: {what}")
        offset = self._offset(int(match[1]), int(match[2]))
        what = match[3].replace("Syntax error: ", "")
        what = what.removesuffix(" [INVALID_ARGUMENT]").split(" expecting ")[0]
        field = _FIELD.search(what)
        if field is not None:
            return self._unknown_field(field[1], field[2], offset)
        column = self._written(offset)
        if "undeclared reference to '" in what:
            name = what.split("'")[1]
            return ExpressionError(
                f"unknown name '{name}' (names begin with inputs, steps or frame)", column
            )
        return ExpressionError(f"this is {self._noun}: {_what(what)}", column)

    def _unknown_field(self, name: str, struct: str, offset: int) -> ExpressionError:
        known = self._fields.get(struct, ())
        whose = "detections have" if known else "an image has"
        # CEL points at the dot.
        column = self._written(max(offset, self._text.find(name, offset)))
        what = f"{whose} no field '{name}'{suggestion(name, known)}"
        return ExpressionError(what, column)

    def _offset(self, line: int, column: int) -> int:
        lines = self._text.split("\n")[: max(line - 1, 0)]
        return sum(len(before) + 1 for before in lines) + max(column - 1, 0)

    def _written(self, offset: int) -> int:
        """The column in the written text."""
        for position, insertion in self._added:
            if position < offset:
                offset = max(position, offset - len(insertion))
        return offset + 1


def _what(what: str) -> str:
    overload = _OVERLOAD.match(what)
    if overload is not None:
        what = f"'{overload[1]}' does not go with {_operands(overload[1], overload[2])}"
    selected = _SELECTED.match(what)
    if selected is not None:
        what = f"{in_our_words(selected[1])} has no fields"
        if selected[1].startswith("list("):
            what += " (ask its elements: list.exists(d, d.label == 'x'))"
    if "'<EOF>'" in what:
        what = "it ends too early"
    return what + next((hint for sign, hint in _HINTS.items() if sign in what), "")


def _operands(operator: str, given: str) -> str:
    kinds = re.split(r", (?![^(]*\))", given)
    hint = ""
    if operator == "?_:":
        hint = " (both sides of ? : are of one type)"
    elif operator == "%":
        hint = " (whole numbers only: double(int(x) % 2))"
    elif operator == "[_]" and kinds[-1] == "double":
        hint = " (an index is a whole number: x[int(i)])"
    elif "null_type" in kinds:
        hint = " (present(…) asks whether there is a value)"
    elif {"int", "double"} <= set(kinds):
        hint = " (write double(…) around the whole number)"
    return " and ".join(in_our_words(kind) for kind in kinds) + hint
