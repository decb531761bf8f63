"""What other languages write is refused with what to write instead, where it stands."""

import pytest

from appliance.engine.cel_hints import FUNCTIONS
from appliance.engine.expressions import ExpressionError
from tests.appliance.engine.known_values import LANGUAGE, refused, value

THERE_ARE = f"(there are {', '.join(FUNCTIONS)})"


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("= steps.gate.open", "a condition is written without the = at its beginning", 1),
        ("steps.gate.total => 3", "there is no => here: write >=", 18),
        ("true => 'x'", "there is no => here: write >=", 6),
        ("steps.crop.sizes.some(d => d > 1)", "there is no => here: write exists(d, …)", 25),
        ("steps.crop.sizes.any(d => d > 1)", "there is no => here: write exists(d, …)", 24),
        ("steps.crop.sizes.find(d => d > 1)", "there is no => here: write filter(d, …)", 25),
        ("not steps.gate.open", "there is no 'not' here: write !x, in quotes", 1),
        ("true && not (true)", "there is no 'not' here: write !x, in quotes", 9),
        ("not(true)", "there is no 'not' here: write !x, in quotes", 1),
        (
            "steps.gate.speed ?? 3 > 1",
            "there is no ?? here: first_present@1 gives a default",
            18,
        ),
        (
            "steps.gate.total > ${N:-3}",
            "${NAME} cannot stand in a condition: make it the default of an input and write "
            "inputs.NAME",
            20,
        ),
        ("len(steps.crop.sizes) > 2", "there is no function 'len' (did you mean 'size'?)", 4),
        ("frame.camera.upper() == 'A'", f"there is no function 'upper' {THERE_ARE}", 19),
        ("max(1, 2) > 1", f"there is no function 'max' {THERE_ARE}", 4),
        (
            "frame.camera.startswith('A')",
            "there is no function 'startswith' (did you mean 'startsWith'?)",
            24,
        ),
        (
            "'a' + steps.gate.total == ''",
            "this is no condition: '+' does not go with a text and a number (string(…) makes a "
            "text of it)",
            5,
        ),
        ("steps.gat.total > 1", "there is no step 'gat' (did you mean 'gate'?)", 1),
        ("gate.total > 1", "unknown name 'gate.total' (did you mean steps.gate.total?)", 5),
    ],
)
def test_habits_of_other_languages_are_told_what_to_write(
    text: str, message: str, column: int
) -> None:
    assert refused(text) == (message, column)


@pytest.mark.parametrize(
    "text", ["'a => b' == 'not x ?? ${N}'", "[true].exists(not, not)", "'a'.matches('a??')"]
)
def test_in_quotes_and_as_names_they_stand(text: str) -> None:
    assert isinstance(LANGUAGE.condition(text).constant, bool)


@pytest.mark.parametrize(
    "text",
    [
        "inputs.site.name",
        "inputs.site[inputs.site.name]",
        "'a'.matches('(' + inputs.site.name)",
        "inputs.site.name + 1",
        "timestamp(inputs.site.name)",
        "duration(inputs.site.name)",
        "int(inputs.site.name)",
        "[1].map(x, x)[inputs.site.name]",
        "inputs.site.name.x",
        "{inputs.site.name: 1}[inputs.site.name + 'x']",
        "timestamp('2026-01-01T00:00:00Z').getHours(inputs.site.name)",
    ],
)
def test_no_value_that_came_in_is_told(text: str) -> None:
    compiled = LANGUAGE.expression(f"dyn({text})")
    with pytest.raises(ExpressionError) as caught:
        compiled.holds([{"name": "hunter2"}])
    assert "hunter2" not in str(caught.value)


def test_what_stands_in_the_text_is_told() -> None:
    with pytest.raises(ExpressionError, match="there is no key 'missing'"):
        value("inputs.site['missing']")
