"""What CEL says of an expression, in our words: where it is wrong, or why it fails."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from appliance.engine.cel_hints import unknown_function, unknown_name
from appliance.engine.cel_text import ExpressionError, Insertion
from appliance.engine.errors import suggestion

_WORDS = {
    "bool": "true or false",
    "bytes": "bytes",
    "double": "a number",
    "duration": "a duration",
    "dyn": "a value of any type",
    "int": "a whole number",
    "list": "a list",
    "map": "a mapping",
    "null": "nothing",
    "null_type": "nothing",
    "string": "a text",
    "timestamp": "a time",
    "type": "a type",
    "uint": "a whole number of 0 or more",
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
# At the beginning of a line: CEL quotes the expression, which may say anything, further on.
_TOO_DEEP = re.compile(
    r"^(?:[A-Z_]+: )?(?:ERROR: <input>:-1:-1: Exceeded max recursion|Expression recursion limit)",
    re.MULTILINE,
)
_RUNNING_KINDS = {"int64": "int", "null_type": "null", "uint64": "uint"}
_WRITTEN_AS = {
    "duration": " (as in 90s or 1h30m)",
    "timestamp": " (as in 2026-01-31T12:00:00Z)",
}
_NEEDED = {
    "!_": "what ! turns around is neither true nor false",
    "<jump_condition>": (
        "what decides (before ?, beside && and ||, in exists() and the like) "
        "is neither true nor false"
    ),
    "<iter_range>": "what map(), exists() and the like go through is neither a list nor a mapping",
    "@in": "what 'in' looks into is neither a list nor a mapping",
}
_FAILURES = {
    "Applying SELECT to non-message type": "a field is asked of a value that has no fields",
    "duplicate key in map": "a key stands twice in a mapping",
    "divide by zero": "a whole number is divided by zero",
    "modulus by zero": "the remainder (%) of a division by zero is asked for",
    "integer overflow": "a whole number or a duration gets longer than 64 bits",
    "unsigned integer overflow": "a whole number like 5u gets below 0, or longer than 64 bits",
    "malformed UTF-8 bytes": "the bytes given to string() are no text in UTF-8",
    "timestamp overflow": "a time is not within the years 1 to 9999",
    "Iteration budget exceeded": "it goes through too many elements: nest fewer loops",
    "Invalid timezone": "there is no such time zone (as in Europe/Rome, UTC or +02:00)",
}
_WITHOUT_VALUE = {
    "Key not found in map": "there is no such key (has(…) asks whether there is one)",
    "invalid regular expression": "the regular expression is wrong",
}
_VALUE = re.compile(r"(Key not found in map|invalid regular expression) ?: ?(?:[^:]*: )?(.*)")
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")


def in_our_words(kind: str) -> str:
    """A type of CEL's: `a list` for `list(double)`."""
    name = re.sub(r"[<(].*", "", kind)
    if name.startswith("appliance.Detection"):
        return "a detection"
    return "an image" if name == "appliance.Image" else _WORDS.get(name, name)


class Refusals:
    """Makes our errors of CEL's, for one expression.

    `text` is what was compiled, `added` what was put into the written text to make it so.
    `fields` are those of the message types by name, `steps` the names of all steps.
    """

    def __init__(
        self,
        noun: str,
        text: str,
        added: Sequence[Insertion],
        fields: Mapping[str, Sequence[str]],
        steps: Collection[str] = (),
    ) -> None:
        self._noun = f"no {noun.split()[1]}"
        self._text = text
        self._added = added
        self._fields = fields
        self._steps = steps

    def refusal(self, message: str) -> ExpressionError:
        """CEL's own words in ours; its columns count the compiled text, ours the written one."""
        if _TOO_DEEP.search(message):
            deep = "it is nested deeper than 32 levels: write it flatter, or in several steps"
            return ExpressionError(f"this is {self._noun}: {deep}")
        match = _MESSAGE.search(message)
        if match is None:
            what = _without_status(message)
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
            called = self._text[offset : offset + 1] == "(" or self._text.startswith(
                f"{name}(", offset
            )
            said = unknown_function(name) if called else unknown_name(name, self._steps)
            return ExpressionError(said, column)
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
    elif operator == "+" and len(set(kinds)) == 2 and "string" in kinds:
        hint = " (string(…) makes a text of it)"
    elif {"int", "double"} <= set(kinds):
        hint = " (write double(…) around the whole number)"
    return " and ".join(in_our_words(kind) for kind in kinds) + hint


def failure(message: str, text: str) -> str:
    """Why the expression `text` could not be worked out, from what CEL says of it at run time.

    Of values that it quotes only those are told that stand in the text: others may be secrets.
    """
    what = _without_status(message)
    quoted = _VALUE.fullmatch(what)
    if quoted is not None and quoted[2] and _bare(quoted[2]) not in text:
        return _WITHOUT_VALUE[quoted[1]]
    for theirs, ours in _FAILURES_OF:
        match = theirs.fullmatch(what)
        if match is not None:
            return ours(*match.groups())
    return _FAILURES.get(what) or _QUOTED.sub(lambda m: m[0] if m[0][1:-1] in text else "'…'", what)


def _without_status(message: str) -> str:
    """The first line of what CEL says, without the names of its status codes."""
    return _STATUS.sub("", message.partition("\n")[0])


def _running(kind: str) -> str:
    return in_our_words(_RUNNING_KINDS.get(kind, kind))


def _element(index: str, size: str) -> str:
    hint = "" if size == "0" else " (the first is 0)"
    return f"there is no element {index} in a list of {size}{hint}"


def _bare(key: str) -> str:
    """A text without the quotes and backslashes that CEL writes it with."""
    return re.sub(r'\\(["\\])', r"\1", key[1:-1]) if key[:1] in ('"', "'") else key


def _key(key: str) -> str:
    if key[:1] in ('"', "'"):
        # CEL writes a text in these quotes where the others stand in it.
        key = f"'{_bare(key)}'"
    return f"there is no key {key} (has(…) asks whether there is one)"


def _index(kind: str) -> str:
    hint = " (an index is a whole number: x[int(i)])" if kind == "double" else ""
    return f"a list has no element that is told by {_running(kind)}{hint}"


def _no_container(kind: str) -> str:
    return f"{_running(kind)} has no elements"


def _no_key(kind: str) -> str:
    return f"{_running(kind)} is no key: keys are texts, whole numbers, true and false"


def _conversion(kind: str) -> str:
    kind = kind.lower()
    return f"what is given to {kind}() is not {in_our_words(kind)}{_WRITTEN_AS.get(kind, '')}"


def _no_overload(operation: str) -> str:
    """Of `_+_(double, string)`, `(string).matches(double)`, or what stands in `_NEEDED`."""
    if operation in _NEEDED:
        return _NEEDED[operation]
    method = re.fullmatch(r"\((.*?)\)\.(\w+)\((.*)\)", operation)
    if method is not None:
        name, given = method[2], ", ".join(kinds for kinds in (method[1], method[3]) if kinds)
    else:
        name, _, given = operation.rstrip(")").partition("(")
    kinds = [_RUNNING_KINDS.get(kind, kind) for kind in given.split(", ")]
    operator = name.strip("_")
    return f"'{operator}' does not go with {_operands(operator, ', '.join(kinds))}"


def _out_of_range(kind: str) -> str:
    whole = in_our_words(kind)
    return f"what is given to {kind}() is too large or too small for {whole}, or not finite"


_FAILURES_OF: Sequence[tuple[re.Pattern[str], Callable[..., str]]] = [
    (re.compile(r"Index error: index=(-?\d+) size=(\d+)"), _element),
    (re.compile(r"Index error: expected integer type, got (.*)"), _index),
    (re.compile(r"Key not found in map : (.*)"), _key),
    (re.compile(r"Invalid container type: '(.*)'"), _no_container),
    (re.compile(r"Invalid map key type: '(.*)'"), _no_key),
    (re.compile(r"\w+ out of (u?int)64 range"), _out_of_range),
    (re.compile(r"cannot convert string to (\w+)"), _conversion),
    (re.compile(r"[Tt]ype conversion error from '.*' to '(.*)'"), _conversion),
    (re.compile(r"String to (\w+) conversion failed"), _conversion),
    (
        re.compile(r'Duration ".*" (?:above|below) .*'),
        lambda: "a duration is longer than 10,000 years",
    ),
    (re.compile(r"invalid regular expression: (.*)"), "the regular expression is wrong: {}".format),
    (re.compile(r"No matching overloads found : (.*)"), _no_overload),
]
