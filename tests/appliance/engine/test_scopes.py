"""Names of a file in the whole plan: what they are called in full, and what stands in between."""

from collections.abc import Callable

from appliance.engine.definition import Step, read_definition
from appliance.engine.plan import Plan
from appliance.engine.scopes import (
    Draft,
    Entrance,
    Exit,
    Outside,
    Scope,
    WorkflowManifest,
    exit_draft,
    made_block,
)
from blocks.block import Manifest, Parameter

Planner = Callable[..., Plan]

TEXT = "version: 1\nname: w\ninputs: {n: {type: number}}\nsteps: [{name: a, type: add@1}]\n"


def scope(prefix: str = "") -> Scope:
    definition, document = read_definition(TEXT, "w.yaml")
    outside = Outside(prefix, {}, frozenset(), None, ("w.yaml",))
    return Scope(definition, document, outside, {"a": None})


def draft(given: dict[str, object], prefix: str = "", cls: type = Exit) -> Draft:
    inputs = {name: Parameter(name, float, True) for name in ("a", "b")}
    block = made_block("made", cls, inputs, {"value": float})
    step = Step(0, "a", "made@1", None, "skip", given)
    return Draft(scope(prefix), step, block, ("steps", 0))


def test_the_main_file_has_the_names_as_they_are_written() -> None:
    assert scope().full("steps.a.value") == "steps.a.value"


def test_a_file_inside_has_the_names_of_its_step_before_its_own() -> None:
    assert scope("s/").full("steps.a.value") == "s/steps.a.value"
    assert scope("s/").full("inputs.n") == "s/inputs.n"


def test_the_frame_is_the_same_for_all_files() -> None:
    assert scope("s/").full("frame.camera") == "frame.camera"


def test_an_output_of_a_file_inside_stands_for_what_gives_it() -> None:
    outer = scope()
    outer.aliases["steps.s.sum"] = "s/steps.sum.value"
    assert outer.full("steps.s.sum") == "s/steps.sum.value"


def test_a_draft_is_called_by_its_file_and_its_own_name() -> None:
    found = draft({}, "s/")
    assert (found.name, found.ran, found.where) == ("s/a", "s/steps.a", "steps.a")
    assert (found.place("b"), found.where_of("b")) == (("steps", 0, "b"), "steps.a.b")
    assert found.output("value") == "s/steps.a.value"


def test_what_enters_a_file_are_its_inputs() -> None:
    assert draft({}, "s/", Entrance).output("n") == "s/a/inputs.n"


def test_what_a_draft_is_wired_to_is_found_in_all_it_is_given() -> None:
    found = draft({"a": {"x": ["$frame.sequence", "= 1 + 1"]}, "b": 3, "other": "$no.wire"})
    assert list(found.wired()) == [("a", "$frame.sequence"), ("a", "= 1 + 1")]


def test_an_output_that_is_made_is_a_step_of_its_own() -> None:
    made = exit_draft(scope("s/"), "half", "= inputs.n / 2")
    assert (made.name, made.ran, made.where) == ("s/outputs.half", "s/outputs.half", "outputs.half")
    assert (made.place("value"), made.where_of("value")) == (("outputs", "half"), "outputs.half")
    assert (made.block.cls, made.block.manifest) == (Exit, Manifest)


def test_a_made_block_passes_on_what_it_is_given() -> None:
    block = made_block("workflow", Entrance, {"n": Parameter("n", float, True)}, {"n": float})
    assert (block.type, block.manifest, block.arguments) == ("workflow@1", WorkflowManifest, ("n",))
    assert block.cls(Manifest()).run(1, "x") == (1, "x", True)
    assert Exit(Manifest()).run(1) == (1,)
