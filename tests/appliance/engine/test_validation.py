"""What pydantic finds, in our words and with the places of the file."""

from enum import StrEnum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from appliance.engine.document import read_document
from appliance.engine.errors import DefinitionError
from appliance.engine.sources import Verbatim
from appliance.engine.validation import problems_of, shown, strict, validated
from blocks.geometry import Polygon


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = 0
    type: Literal["a"] = "a"


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    number: float = Field(default=1.0, gt=0, lt=10)
    least: int = Field(default=5, ge=5, le=6)
    colour: Colour = Colour.RED
    code: str = Field(default="A1", pattern="^[A-Z][0-9]$")
    text: str = Field(default="x", min_length=1)
    long: str = Field(default="xx", min_length=2)
    pair: tuple[int, int] = (0, 0)
    few: list[int] = Field(default=[], max_length=1)
    some: list[int] = Field(default=[1, 2], min_length=2)
    either: int | bool = 0
    inner: Inner = Inner()
    by_name: dict[str, Inner] = {}
    maybe: Inner | None = None

    @model_validator(mode="after")
    def _numbers_differ(self) -> "Outer":
        if self.number == self.least:
            raise ValueError("number and least must differ")
        return self


def refused(text: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        validated(Outer, read_document(text, "w"))
    return "\n".join(line for line in str(caught.value).splitlines() if line.startswith("w:"))


def test_a_fitting_document_becomes_the_model() -> None:
    document = read_document("number: 2\ncolour: blue\npair: [1, 2]", "w")
    made = validated(Outer, document)
    assert (made.number, made.colour, made.pair) == (2.0, Colour.BLUE, (1, 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("number: x", "w:1:9: number: this must be a number, not 'x'"),
        ("number: '5'", "w:1:9: number: this must be a number, not '5'"),
        ("number: 0", "w:1:9: number: this must be more than 0, not 0"),
        ("number: 10.5", "w:1:9: number: this must be less than 10, not 10.5"),
        ("number: 5", "w:1:1: number and least must differ"),
        ("least: 4", "w:1:8: least: this must be at least 5, not 4"),
        ("least: 7", "w:1:8: least: this must be at most 6, not 7"),
        ("least: 5.5", "w:1:8: least: this must be a whole number, not 5.5"),
        ("colour: rd", "w:1:9: colour: this must be 'red' or 'blue', not 'rd' "
                       "(did you mean 'red'?)"),
        ("colour: 5", "w:1:9: colour: this must be 'red' or 'blue', not 5"),
        ("code: a1", "w:1:7: code: 'a1' does not have the form ^[A-Z][0-9]$"),
        ("text: ''", "w:1:7: text: this must not be empty"),
        ("text: ~", "w:1:7: text: this must be a text, not nothing"),
        ("text: [1]", "w:1:7: text: this must be a text, not a list"),
        ("text: {a: 1}", "w:1:7: text: this must be a text, not a mapping "
                         "(a text that begins with { goes in quotes)"),
        ("text: false", "w:1:7: text: this must be a text, not false"),
        ("long: x", "w:1:7: long: string should have at least 2 characters (this is 'x')"),
        ("pair: 5", "w:1:7: pair: this must be a list, not 5"),
        ("few: [1, 2]", "w:1:6: few: this needs at most 1 entry, not 2"),
        ("some: [1]", "w:1:7: some: this needs at least 2 entries, not 1"),
        ("some: [x, 1]", "w:1:8: some.0: this must be a whole number, not 'x'"),
        ("inner: 5", "w:1:8: inner: this must be a mapping, not 5"),
        ("inner: {sise: 5}", "w:1:9: inner.sise: unknown key 'sise' (did you mean 'size'?)"),
        ("maybe: {sise: 5}", "w:1:9: maybe.sise: unknown key 'sise' (did you mean 'size'?)"),
        ("by_name: {x: {sise: 1}}", "w:1:15: by_name.x.sise: unknown key 'sise' "
                                    "(did you mean 'size'?)"),
        ("by_name: {type: {sise: 1}}", "w:1:18: by_name.type.sise: unknown key 'sise'"),
        ("numbr: 5", "w:1:1: numbr: unknown key 'numbr' (did you mean 'number'?)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_in_plain_words(text: str, message: str) -> None:
    assert refused(text) == message


def test_the_tags_of_a_union_are_no_part_of_the_place() -> None:
    assert refused("either: x") == (
        "w:1:9: either: this must be a whole number, not 'x'\n"
        "w:1:9: either: this must be true or false, not 'x'"
    )


def test_a_missing_key_is_missed_where_it_should_stand() -> None:
    class Needs(BaseModel):
        name: str

    class Whole(BaseModel):
        steps: list[Needs]

    def problems(text: str) -> list[str]:
        document = read_document(text, "w")
        with pytest.raises(ValidationError) as caught:
            strict(Whole, document.data)
        found = problems_of(caught.value, document, Whole)
        return [str(problem).splitlines()[0] for problem in found]

    assert problems("steps:\n- {nome: a}\n") == [
        "w:2:3: steps.0: the key 'name' is missing (is 'nome' meant to be it?)"
    ]
    assert problems("steps:\n- {}\n") == ["w:2:3: steps.0: the key 'name' is missing"]
    assert problems("steps:\n- {name: 5}\n") == ["w:2:10: steps.0.name: this must be a text, not 5"]


def test_a_prefix_says_where_the_validated_part_stands() -> None:
    document = read_document("steps:\n- name: gate\n  size: x\n  other: 1\n", "w")
    with pytest.raises(ValidationError) as caught:
        strict(Inner, {"size": "x", "other": 1})
    found = problems_of(caught.value, document, Inner, ("steps", 0))
    assert [str(problem).splitlines()[0] for problem in found] == [
        "w:3:9: steps.gate.size: this must be a whole number, not 'x'",
        "w:4:3: steps.gate.other: unknown key 'other' (one of size or type)",
    ]


def test_what_may_be_due_to_fields_that_are_not_set_yet_is_left_out() -> None:
    document = read_document("number: 5\ncode: x\npair: 3", "w")
    with pytest.raises(ValidationError) as caught:
        strict(Outer, {"code": "x", "pair": 3})
    found = problems_of(caught.value, document, Outer, unset={"code"})
    assert [problem.where for problem in found] == ["pair"]
    with pytest.raises(ValidationError) as caught:
        strict(Outer, {"number": 5})
    assert len(problems_of(caught.value, document, Outer)) == 1
    assert problems_of(caught.value, document, Outer, unset={"least"}) == []


def test_a_part_that_its_own_validator_refuses_is_not_due_to_other_fields() -> None:
    class Shaped(BaseModel):
        units: str = ""
        zone: Polygon = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))

    document = read_document("zone: [[0, 0], [1], [1, 1]]", "w")
    with pytest.raises(ValidationError) as caught:
        strict(Shaped, document.data)
    (problem,) = problems_of(caught.value, document, Shaped, unset={"units"})
    assert str(problem).splitlines()[0] == "w:1:16: zone.1: a point is [x, y]; this has 1 number"
    assert problems_of(caught.value, document, Shaped, unset={"zone"}) == []


def test_an_assertion_of_a_validator_is_said_in_its_own_words() -> None:
    class Ordered(BaseModel):
        low: int = 0
        high: int = 1

        @model_validator(mode="after")
        def _in_order(self) -> "Ordered":
            if self.low > self.high:
                # As an assert does; pytest adds to those that stand in tests.
                raise AssertionError("low must not be more than high")
            return self

    document = read_document("low: 5", "w")
    with pytest.raises(ValidationError) as caught:
        strict(Ordered, document.data)
    (problem,) = problems_of(caught.value, document, Ordered)
    assert problem.what == "low must not be more than high"
    # What is not set yet may set it right.
    assert problems_of(caught.value, document, Ordered, unset={"high"}) == []


@pytest.mark.parametrize("value", ["5", "true", 1.5])
def test_nothing_is_converted(value: Any) -> None:
    with pytest.raises(ValidationError):
        strict(Inner, {"size": value})


class Outside:
    """Sources of one secret and one number."""

    def secret(self, name: str) -> str:
        if name != "pin":
            raise LookupError(f"there is no secret '{name}'")
        return "r3d"

    def variable(self, name: str) -> str | None:
        return "7" if name == "SEVEN" else None

    def file(self, name: str, beside: str) -> tuple[str, str]:
        raise LookupError(f"'{name}' is not beside {beside}")


def told(text: str) -> list[str]:
    """The first line of each problem of a text that may take something from outside."""
    with pytest.raises(DefinitionError) as caught:
        validated(Outer, read_document(text, "w", Outside(), []))
    return [line for line in str(caught.value).splitlines() if line.startswith("w:")]


def test_a_value_from_outside_is_not_shown_however_short_it_is() -> None:
    assert told(
        "colour: !secret pin\nleast: ${SEVEN}\nnumber: '${SEVEN}'\ncode: x${SEVEN}\nlong: ${SEVEN}"
    ) == [
        "w:1:9: colour: this must be 'red' or 'blue', not a hidden text",
        "w:2:8: least: this must be at most 6, not a hidden value",
        "w:3:9: number: this must be a number, not a hidden text",
        "w:4:7: code: a hidden text does not have the form ^[A-Z][0-9]$",
        "w:5:7: long: this must be a text, not a hidden value",
    ]


def test_what_could_not_be_read_is_said_with_what_does_not_fit() -> None:
    assert told("text: !secret no\nnumber: 0\nleast: ${UNSET}\nfew: !include x") == [
        "w:1:7: text: there is no secret 'no'",
        "w:2:9: number: this must be more than 0, not 0",
        "w:3:8: least: the environment variable UNSET is not set",
        "w:4:6: few: 'x' is not beside w",
    ]


def test_a_text_from_outside_is_never_shown() -> None:
    assert shown(Verbatim("x")) == "a hidden text"


def test_a_long_text_is_shown_in_part() -> None:
    assert shown("x" * 61) == f"'{'x' * 57}...'"
    assert shown("x" * 60) == f"'{'x' * 60}'"
