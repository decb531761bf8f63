"""The example of every shipped block is a workflow that is accepted."""

from textwrap import indent

import pytest
import yaml

from appliance.engine.plan import load_plan
from blocks.block import BlockType
from blocks.loading import load_blocks

BLOCKS = load_blocks()
SHIPPED = [b for b in BLOCKS.values() if b.cls.__module__.startswith("blocks.")]
HEAD = "version: 1\nname: example\ninputs:\n  image: {type: image}\nsteps:\n"


@pytest.mark.parametrize("block", SHIPPED, ids=lambda block: block.type)
def test_every_shipped_block_has_an_example_that_is_accepted(block: BlockType) -> None:
    plan = load_plan(HEAD + indent(block.example, "  "), f"{block.name}.yaml", BLOCKS)
    assert block.type in [step.block.type for step in plan.steps]


@pytest.mark.parametrize("block", SHIPPED, ids=lambda block: block.type)
def test_an_example_leaves_nothing_out_that_its_block_must_have(block: BlockType) -> None:
    steps = yaml.safe_load(block.example)
    shown = next(step for step in steps if step["type"] == block.type)
    needed = {n for n, field in block.manifest.model_fields.items() if field.is_required()}
    needed |= {n for n, parameter in block.inputs.items() if parameter.required}
    assert needed <= shown.keys()
