"""The example of every shipped block is a workflow that is accepted, and runs."""

from textwrap import indent

import pytest
import yaml

from appliance.engine.plan import Plan, load_plan
from appliance.engine.testing import frame
from blocks.block import BlockType, Origin
from blocks.loading import load_blocks
from tests.blocks.stand_ins import anything

BLOCKS = load_blocks()
SHIPPED = [b for b in BLOCKS.values() if b.cls.__module__.startswith("blocks.")]
# Those that the examples name.
LABELS = ("person", "scratch", "dent", "material")
SCORES = (0.9, 0.8, 0.1, 0.0)
HEAD = "version: 1\nname: example\ninputs:\n  image: {type: image}\nsteps:\n"


@pytest.mark.parametrize("block", SHIPPED, ids=lambda block: block.type)
def test_every_shipped_block_has_an_example_that_is_accepted(block: BlockType) -> None:
    assert block.type in [step.block.type for step in plan_of(block).steps]


@pytest.mark.parametrize("block", SHIPPED, ids=lambda block: block.type)
def test_an_example_runs_without_a_failure(block: BlockType) -> None:
    run = plan_of(block).start(
        {}, anything(labels=LABELS, scores=SCORES), Origin("", "yard", "gate", "")
    )
    for at_s in (0.0, 1.0):
        assert run.turn(frame(at_s, size=(640, 480))).failures == ()
    conditional = {step["name"] for step in yaml.safe_load(block.example) if "when" in step}
    assert {time.step for time in run.times if not time.runs} <= conditional


@pytest.mark.parametrize("block", SHIPPED, ids=lambda block: block.type)
def test_an_example_leaves_nothing_out_that_its_block_must_have(block: BlockType) -> None:
    steps = yaml.safe_load(block.example)
    shown = next(step for step in steps if step["type"] == block.type)
    needed = {n for n, field in block.manifest.model_fields.items() if field.is_required()}
    needed |= {n for n, parameter in block.inputs.items() if parameter.required}
    assert needed <= shown.keys()


def plan_of(block: BlockType) -> Plan:
    return load_plan(HEAD + indent(block.example, "  "), f"{block.name}.yaml", BLOCKS)
