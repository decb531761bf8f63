"""Expressions made by chance: nothing but ExpressionError ever, and nothing true by mistake."""

import re
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from appliance.engine.expressions import Expression, ExpressionError, Language
from blocks.data import Columns, Detections

KNOWN: dict[str, Any] = {
    "steps.a.n": float,
    "steps.a.b": bool,
    "steps.a.s": str,
    "steps.a.d": Annotated[Detections, Columns(direction=str)],
    "inputs.x": Any,
    "inputs.y": Any,
    "frame.camera": str,
}
LANGUAGE = Language(KNOWN, ("a", "b"))
BOXES = Detections.of([[0, 0, 1, 1], [0, 0, 2, 2]], label=["person", "car"], tracker_id=[-1, 7])

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)
ANYTHING = JSON | st.sampled_from([BOXES, object(), b"x", 10**400, "\ud800", "a\0b"])
PIECES = st.sampled_from(
    ["steps.a.n", "steps.a.b", "steps.a.s", "steps.a.d", "inputs.x", "inputs.y", "frame.camera",
     "steps.a", "steps.zz.n", "item", "index", "present(steps.a)", "present(", "present", "size",
     "has", "has(inputs.x.k)", "(", ")", "[", "]", "{", "}", "3", "0x1f", "1e5", "5u", ".5", "%",
     "+", "-", "*", "/", "&&", "||", "!", "?", ":", "==", "!=", "<", ">=", "in", ".", ",", '"',
     "'", '"""', "r'", "b", "`", "\\", "//", "\n", "\r", " ", "d", "é", "😀", "\x00", "$", "_",
     ".size()", ".exists(d, d.label == 's')", ".all(d, d)", ".map(d, ", ".filter(", ".k", "[0]",
     "true", "false", "null", "int(", "double(", "string(", "timestamp(", "type(", "dyn(",
     ".matches(", "duration('1s')", "present_0", "appliance.Detection0"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=40)

CODES = re.compile(r"gave [A-Z_]+: |: (INVALID_ARGUMENT|NOT_FOUND|OUT_OF_RANGE|UNKNOWN|INTERNAL): ")


def attempted(call: Callable[..., Any], *arguments: Any) -> Any:
    """What a call gives, or the ExpressionError that it raises; nothing else may come of it."""
    try:
        return call(*arguments)
    except ExpressionError as error:
        return error


def compiled(text: str, noun: str, item: Any = None) -> Expression | ExpressionError:
    """The expression, or the error where it is refused as it should be."""
    compile_text = LANGUAGE.condition if noun == "condition" else LANGUAGE.expression
    found: Expression | ExpressionError = attempted(compile_text, text, item)
    if isinstance(found, ExpressionError):
        assert 1 <= found.column <= len(text) + 2
        assert str(found)
    return found


@given(TEXTS, st.sampled_from(["condition", "expression"]), st.sampled_from([None, float, Any]),
       st.data())  # fmt: skip
@example("\ud800", "condition", None, None)
def test_any_text_is_refused_with_a_sentence_or_works_out(
    text: str, noun: str, item: Any, data: Any
) -> None:
    expression = compiled(text, noun, item)
    if isinstance(expression, ExpressionError):
        return
    values = [data.draw(ANYTHING) for _ in expression.names]
    values += [data.draw(st.booleans()) for _ in expression.presences]
    found = attempted(expression.value, values)
    decided = attempted(expression.holds, values)
    if isinstance(found, ExpressionError):
        assert str(found) == str(decided)
        assert not CODES.search(str(found))
    else:
        assert expression.annotation in (Any, type(found))
        assert decided is found if isinstance(found, bool) else type(decided) is ExpressionError


@given(TEXTS)
def test_names_are_read_from_any_text(text: str) -> None:
    found = attempted(LANGUAGE.names, text)
    if isinstance(found, ExpressionError):
        assert 1 <= found.column <= len(text) + 2
        # What cannot be read cannot be compiled either.
        assert isinstance(compiled(text, "expression"), ExpressionError)
        return
    names, presences = found
    assert all(n.split(".")[0] in ("inputs", "steps", "frame", "item", "index") for n in names)
    assert all(n.split(".")[0] in ("inputs", "steps") for n in presences)
    expression = compiled(text, "expression")
    if not isinstance(expression, ExpressionError):
        # What compiles needs no other values than those.
        assert (expression.names, expression.presences) == found


@given(st.text(max_size=20))
def test_a_text_comes_back_as_it_went_in(text: str) -> None:
    expression = LANGUAGE.expression("steps.a.s")
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        with pytest.raises(ExpressionError):
            expression.value([text])
    else:
        assert expression.value([text]) == text


class MissingError(Exception):
    """A key is asked for that is not there."""


# A tree is (written, worked out); what is worked out is a number, a boolean or MissingError.
Tree = tuple[str, Any]
X = {"k": 2.0, "t": True, "f": False}
NUMBER = st.floats(allow_nan=False, allow_infinity=False, width=32)


def arithmetic(operator: str, left: Tree, right: Tree) -> Tree:
    def work(values: dict[str, Any]) -> Any:
        a, b = left[1](values), right[1](values)
        if operator == "/":
            return divided(a, b)
        return a + b if operator == "+" else a - b if operator == "-" else a * b

    return f"({left[0]} {operator} {right[0]})", work


def divided(a: float, b: float) -> float:
    if b:
        return a / b
    sign = str(b).startswith("-") != str(a).startswith("-")
    return float("nan") if not a or a != a else float("-inf" if sign else "inf")


def comparison(operator: str, left: Tree, right: Tree) -> Tree:
    def work(values: dict[str, Any]) -> Any:
        a, b = left[1](values), right[1](values)
        if operator == "==":
            return a == b
        return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "!=": a != b}[operator]

    return f"{left[0]} {operator} {right[0]}", work


def both(left: Tree, right: Tree) -> Tree:
    return f"({left[0]} && {right[0]})", lambda v: left[1](v) and right[1](v)


def either(left: Tree, right: Tree) -> Tree:
    return f"({left[0]} || {right[0]})", lambda v: left[1](v) or right[1](v)


def row(operators: list[str], parts: list[Tree]) -> Tree:
    """A row without brackets: && binds closer than ||."""
    text = parts[0][0] + "".join(
        f" {op} {part[0]}" for op, part in zip(operators, parts[1:], strict=False)
    )

    def work(values: dict[str, Any]) -> Any:
        chains = [[parts[0]]]
        for op, part in zip(operators, parts[1:], strict=False):
            if op == "||":
                chains.append([part])
            else:
                chains[-1].append(part)
        return any(all(part[1](values) for part in chain) for chain in chains)

    return f"({text})", work


def choice(question: Tree, yes: Tree, no: Tree) -> Tree:
    text = f"({question[0]} ? {yes[0]} : {no[0]})"
    return text, lambda v: yes[1](v) if question[1](v) else no[1](v)


def negation(inner: Tree) -> Tree:
    return f"!({inner[0]})", lambda v: not inner[1](v)


def loop(macro: str, inner: Tree) -> Tree:
    """Over [1, 2], asking all elements: one that cannot be worked out is an error."""

    def work(values: dict[str, Any]) -> Any:
        found = [inner[1](values) and e > 1 for e in (1, 2)]
        return any(found) if macro == "exists" else all(found)

    return f"[1, 2].{macro}(e, {inner[0]} && e > 1)", work


def missing(_values: dict[str, Any]) -> Any:
    raise MissingError


NUMBERS: st.SearchStrategy[Tree] = st.recursive(
    st.integers(0, 99).map(lambda n: (str(n), lambda _v: float(n)))
    | st.sampled_from(["0.5", "1e3", "2.25"]).map(lambda t: (t, lambda _v: float(t)))
    | st.just(("steps.a.n", lambda v: v["steps.a.n"]))
    | st.just(("inputs.x.k", lambda _v: 2.0))
    | st.just(("size([1, 2])", lambda _v: 2.0)),
    lambda inner: st.builds(arithmetic, st.sampled_from("+-*/"), inner, inner),
    max_leaves=5,
)
BOOLEANS: st.SearchStrategy[Tree] = st.recursive(
    st.builds(comparison, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), NUMBERS, NUMBERS)
    | st.just(("steps.a.b", lambda v: v["steps.a.b"]))
    | st.just(("inputs.x.t", lambda _v: True))
    | st.just(("inputs.x.f", lambda _v: False))
    | st.just(("inputs.x.off", missing))
    | st.just(("has(inputs.x.off)", lambda _v: False))
    | st.just(("present(steps.b)", lambda v: v["steps.b"])),
    lambda inner: (
        st.builds(both, inner, inner)
        | st.builds(either, inner, inner)
        | st.builds(negation, inner)
        | st.builds(choice, inner, inner, inner)
        | st.builds(loop, st.sampled_from(["exists", "all"]), inner)
        | st.builds(
            row,
            st.lists(st.sampled_from(["&&", "||"]), min_size=3, max_size=3),
            st.lists(inner, min_size=4, max_size=4),
        )
    ),
    max_leaves=8,
)


def worked_out(tree: Tree, values: dict[str, Any]) -> Any:
    try:
        return tree[1](values)
    except MissingError:
        return MissingError


@given(BOOLEANS, NUMBER, st.booleans(), st.booleans())
def test_conditions_mean_what_a_small_evaluator_says(
    tree: Tree, number: float, yes: bool, there: bool
) -> None:
    values = {"steps.a.n": number, "steps.a.b": yes, "steps.b": there, "inputs.x": X}
    condition = compiled(tree[0], "condition")
    # Nested too deeply, or an error that does not hang on any value.
    assume(isinstance(condition, Expression))
    assert isinstance(condition, Expression)
    given_values = [values[name] for name in (*condition.names, *condition.presences)]
    found = attempted(condition.holds, given_values)
    expected = worked_out(tree, values)
    if expected is MissingError:
        assert "there is no key" in str(found)
    else:
        assert found is expected


@given(NUMBERS, NUMBER)
def test_numbers_are_doubles(tree: Tree, number: float) -> None:
    values = {"steps.a.n": number, "inputs.x": X}
    expression = LANGUAGE.expression(tree[0])
    found = expression.value([values[name] for name in expression.names])
    expected = worked_out(tree, values)
    assert found == expected or (found != found and expected != expected)
