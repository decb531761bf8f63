"""What selectors stand for in one workflow, and the sentence for each that stands for nothing."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import pytest

from appliance.engine.annotations import columns_of
from appliance.engine.definition import read_definition
from appliance.engine.errors import MOST_LISTED
from appliance.engine.names import KnownNames, unknown_block
from blocks.block import BlockType, Manifest, block
from blocks.data import Columns, Detections, Image

WORKFLOW = """\
version: 1
name: w
inputs: {image: {type: image}, limit: {type: number}}
steps:
- {name: gate, type: count@1}
- {name: sink, type: send@1}
- {name: later, type: not_there@1}
"""


def names_of(text: str, blocks: Mapping[str, BlockType]) -> KnownNames:
    definition, _ = read_definition(text, "w.yaml")
    return KnownNames(definition, {s.name: blocks.get(s.type) for s in definition.steps})


@pytest.fixture(scope="module")
def known(blocks: Mapping[str, BlockType]) -> KnownNames:
    return names_of(WORKFLOW, blocks)


def refused(known: KnownNames, text: str) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        known.find(text)
    return str(caught.value)


def test_names_are_known_with_their_types(known: KnownNames) -> None:
    assert known.types == {
        "frame.captured_at": float,
        "frame.camera": str,
        "frame.sequence": int,
        "inputs.image": Image,
        "inputs.limit": float,
        "steps.gate.total": int,
        "steps.gate.text": str,
    }


@pytest.mark.parametrize("name", ["inputs.limit", "frame.camera", "steps.gate.total"])
def test_a_selector_stands_for_its_name(name: str, known: KnownNames) -> None:
    assert known.find(f"${name}") == name


def test_of_a_step_whose_block_nobody_knows_nothing_is_said(known: KnownNames) -> None:
    assert known.find("$steps.later.x") is None
    assert known.leaves_open("unknown name 'steps.later.x'")
    assert not known.leaves_open("unknown name 'steps.gate.x'")


FRAME = "$frame.captured_at, $frame.camera, $frame.sequence"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("$inputs.limt", "there is no input 'limt' (did you mean 'limit'?)"),
        ("$frame.cam", "there is no frame field 'cam' (did you mean 'camera'?)"),
        ("$steps.gate.totl", "step 'gate' has no output 'totl' (did you mean 'total'?)"),
        ("$steps.sink.x", "step 'sink' has no output 'x' (it gives none)"),
        ("$steps.gat.total", "there is no step 'gat' (did you mean 'gate'?)"),
        (
            "$steps.gate",
            "'$steps.gate' is a whole step: name one of its outputs: $steps.gate.total, "
            "$steps.gate.text",
        ),
        ("$steps.later", "'$steps.later' is a whole step: name one of its outputs"),
        ("$steps.sink", "step 'sink' has no output: it gives nothing to other steps"),
        ("$steps.gat", "there is no step 'gat' (did you mean 'gate'?)"),
        ("$steps", "'$steps' is all steps: name one and its output: $steps.step.output"),
        (
            "$inputs",
            "'$inputs' is all inputs: name one of them: $inputs.image, $inputs.limit",
        ),
        ("$frame", f"'$frame' is the whole frame: name a fact of it: {FRAME}"),
        ("$frame.", f"'$frame.' is the whole frame: name a fact of it: {FRAME}"),
        (
            "$inputs.a.b",
            "'$inputs.a.b' is no selector: write $inputs.name, $steps.step.output or $frame.name "
            "(a text that begins with a dollar is written with two)",
        ),
    ],
)
def test_what_names_nothing_is_told_what_to_name(
    text: str, sentence: str, known: KnownNames
) -> None:
    assert refused(known, text) == sentence


def test_of_many_names_only_the_first_are_listed(blocks: Mapping[str, BlockType]) -> None:
    inputs = ", ".join(f"i{n}: {{type: number}}" for n in range(MOST_LISTED + 1))
    text = f"version: 1\nname: w\ninputs: {{{inputs}}}\nsteps: [{{name: a, type: count@1}}]\n"
    sentence = refused(names_of(text, blocks), "$inputs")
    assert sentence.endswith(f"$inputs.i{MOST_LISTED - 1}, …")


def test_a_workflow_without_inputs_has_none_to_list(blocks: Mapping[str, BlockType]) -> None:
    text = "version: 1\nname: w\nsteps: [{name: a, type: count@1}]\n"
    known = names_of(text, blocks)
    assert refused(known, "$inputs") == "'$inputs' is all inputs: name one of them"
    assert refused(known, "$inputs.x") == "there is no input 'x' (the workflow has none)"


@pytest.mark.parametrize(
    ("type_", "sentence"),
    [
        ("add", "'add' lacks its version: write add@1 or add@3"),
        ("add@2", "block 'add' has no version '2' (there is add@1 and add@3)"),
        ("constant@x", "block 'constant' has no version 'x' (there is constant@1)"),
        ("ad@1", "unknown block 'ad@1' (did you mean 'add@3'?)"),
        ("zebra@1", "unknown block 'zebra@1' (`appliance blocks` lists what there is)"),
        (
            "workflow@1",
            "'workflow@1' is no block: write workflow, without a version, to run another file",
        ),
        ("", "unknown block '' (`appliance blocks` lists what there is)"),
    ],
)
def test_an_unknown_block_is_answered_by_what_there_is(
    type_: str, sentence: str, blocks: Mapping[str, BlockType]
) -> None:
    assert unknown_block(type_, blocks) == sentence


class Nothing(Manifest):
    """No settings."""


class Gathered(NamedTuple):
    detections: Detections


@block("gather@1", Nothing)
class Gather:
    """Makes one of many."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, detections: tuple[Detections, ...]) -> Gathered:
        return Gathered(detections[0])


class Speeding(NamedTuple):
    detections: Annotated[Detections, Columns(direction=float, speed=float)]


@block("speed@1", Nothing)
class Speed:
    """Its direction is a number."""

    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, detections: Detections) -> Speeding:
        return Speeding(detections)


@pytest.mark.parametrize(
    ("written", "columns"),
    [
        ("$steps.look.detections", {"direction": str}),
        ("[$steps.look.detections]", {"direction": str}),
        ("[$steps.look.detections, $steps.again.detections]", {"direction": str}),
        ("[$steps.look.detections, $steps.plain.detections]", {}),
        ("[$steps.plain.detections, $steps.look.detections]", {}),
        ("[$steps.look.detections, $inputs.any]", {}),
        ("[$steps.look.detections, $steps.fast.detections]", {}),
        ("[$steps.fast.detections, $steps.speed.detections]", {"direction": float, "speed": float}),
        ("[$steps.look.detections, $steps.later.x]", {"direction": str}),
        ("[$steps.look.detections, $steps.all.detections]", {}),
        ("[]", {}),
    ],
)
def test_of_several_only_the_columns_that_all_have_are_passed_on(
    written: str, columns: dict[str, type], blocks: Mapping[str, BlockType]
) -> None:
    text = f"""\
version: 1
name: w
inputs: {{image: {{type: image}}, any: {{type: any}}}}
steps:
- {{name: end, type: gather@1, detections: [$steps.all.detections]}}
- {{name: all, type: gather@1, detections: {written}}}
- {{name: look, type: look@1}}
- {{name: again, type: look@1}}
- {{name: fast, type: speed@1, detections: $steps.plain.detections}}
- {{name: speed, type: speed@1, detections: $steps.look.detections}}
- {{name: plain, type: find@1, model: m, image: $inputs.image}}
- {{name: later, type: not_there@1}}
"""
    own = {cls.type: cls for cls in (vars(c)["block_type"] for c in (Gather, Speed))}
    known = names_of(text, {**blocks, **own})
    assert columns_of(known.types["steps.all.detections"]) == columns
    assert columns_of(known.types["steps.end.detections"]) == columns
