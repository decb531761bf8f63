"""What was probably meant by a text that CEL refuses: the ways of writing of other languages."""

import re
from collections.abc import Collection

from appliance.engine.cel_text import ExpressionError, Written
from appliance.engine.errors import suggestion

FUNCTIONS = [
    *("all", "bool", "bytes", "contains", "double", "duration", "dyn", "endsWith", "exists"),
    *("exists_one", "filter", "has", "int", "map", "matches", "present", "size", "startsWith"),
    *("string", "timestamp", "type", "uint"),
]
# Names like some of those, with another meaning.
_NOT_THERE = ("abs", "max", "min", "round", "sum", "upper", "lower")
_CALLED_ELSEWHERE = {
    "any": "exists",
    "count": "size",
    "float": "double",
    "len": "size",
    "length": "size",
    "number": "double",
    "some": "exists",
    "str": "string",
}
_THERE_ARE = f" (there are {', '.join(FUNCTIONS)})"
_BEHIND_NOT = re.compile(r"\s+[\w(]|\(")
_MACROS = ("all", "exists", "exists_one", "filter", "map")


def check_habits(written: Written, noun: str) -> None:
    """Refuse what other languages write and CEL does not, where it would only say `=>`.

    Raises:
        ExpressionError: with what to write instead.
    """
    # Behind the last token there is one more gap.
    for i, (token, gap) in enumerate(zip(written.tokens, written.gaps[:-1], strict=True)):
        column = token.start() + 1
        following = written.text[token.end() : token.end() + 2]
        if gap.endswith("$") and token[0] == "{":
            what = "${NAME} cannot stand in " + noun
            hint = "make it the default of an input and write inputs.NAME"
            raise ExpressionError(f"{what}: {hint}", column - 1)
        if token[0] == "?" and following[:1] == "?":
            raise ExpressionError("there is no ?? here: first_present@1 gives a default", column)
        if token["name"] == "not" and _BEHIND_NOT.match(written.text, token.end()):
            raise ExpressionError("there is no 'not' here: write !x, in quotes", column)
        if "=>" in gap:
            _refuse_arrow(written, i)


def _refuse_arrow(written: Written, i: int) -> None:
    column = written.text.rfind("=>", 0, written.tokens[i].start()) + 1
    variable = written.tokens[i - 1] if i else None
    if i < 3 or variable is None or written.tokens[i - 2][0] != "(":
        raise ExpressionError("there is no => here: write >=", column)
    method = (written.tokens[i - 3]["name"] or "").rpartition(".")[2].strip()
    macro = _CALLED_ELSEWHERE.get(method, method)
    if macro not in _MACROS:
        macro = "filter"
    what = f"there is no => here: write {macro}({variable[0]}, …)"
    raise ExpressionError(what, column)


def unknown_function(name: str) -> str:
    """That there is none of that name, and which was meant."""
    known = _CALLED_ELSEWHERE.get(name)
    hint = f" (did you mean '{known}'?)" if known else ""
    if not hint and name not in _NOT_THERE:
        hint = suggestion(name, FUNCTIONS)
    return f"there is no function '{name}'{hint or _THERE_ARE}"


def unknown_name(name: str, steps: Collection[str]) -> str:
    """That nothing is called so; a step is, if its name stands without `steps.`."""
    hint = "names begin with inputs, steps or frame"
    if name.partition(".")[0] in steps:
        hint = f"did you mean steps.{name}?"
    return f"unknown name '{name}' ({hint})"
