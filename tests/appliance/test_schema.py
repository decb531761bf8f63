"""The schema of workflow files: what is right fits it, what is often wrong does not."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from appliance.cli import main
from appliance.engine.definition import read_definition
from appliance.engine.document import read_document
from appliance.schema import SCHEMA_FILE, schema_text, workflow_schema
from blocks.loading import load_blocks

ROOT = Path(__file__).parents[2]
BLOCKS = load_blocks()
SCHEMA = workflow_schema(BLOCKS)
WORKFLOWS = sorted((ROOT / "workflows").rglob("*.yaml"))

RIGHT = """
version: 1
name: gate
inputs:
  image: {type: image}
  bar: {type: number, default: 0.4, description: How sure.}
steps:
  - name: people
    type: object_detection@1
    image: $inputs.image
    model: people-ssdlite
    confidence: $inputs.bar
    labels: [person]
  - name: zone
    type: zone_count@1
    when: inputs.bar > 0
    on_error: stop
    detections: $steps.people.detections
    zone: [[0, 0], [1, 0], [1, 1]]
outputs:
  count: $steps.zone.count
  twice: = steps.zone.count * 2
"""


def wrong_with(data: Any) -> list[str]:
    """Where something is wrong, as dotted paths."""
    errors = Draft202012Validator(SCHEMA).iter_errors(data)
    return [".".join(map(str, error.absolute_path)) for error in errors]


def read(text: str) -> Any:
    return read_document(text, "w.yaml").data


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_workflow_that_ships_fits_and_names_the_schema(path: Path) -> None:
    text = path.read_text("utf-8")
    assert wrong_with(read(text)) == []
    first, _, _ = text.partition("\n")
    start, equals, target = first.partition("=")
    assert (start, equals) == ("# yaml-language-server: $schema", "=")
    assert (path.parent / target).resolve() == ROOT / SCHEMA_FILE


@pytest.mark.parametrize("type_", BLOCKS)
def test_the_example_of_every_block_fits(type_: str) -> None:
    head = "version: 1\nname: example\ninputs: {image: {type: image}}\nsteps:\n"
    assert wrong_with(read(head + textwrap.indent(BLOCKS[type_].example, "  "))) == []


def test_a_whole_workflow_fits() -> None:
    assert wrong_with(read(RIGHT)) == []


@pytest.mark.parametrize(
    ("right", "wrong", "where"),
    [
        ("version: 1", "version: 2", "version"),
        ("name: gate", "title: gate", ""),
        ("inputs:\n", "input:\n", ""),
        ("type: image}", "type: picture}", "inputs.image.type"),
        ("default: 0.4", "default: high", "inputs.bar.default"),
        ("name: people", "name: all people", "steps.0.name"),
        ("type: object_detection@1", "type: object_detection", "steps.0.type"),
        ("type: object_detection@1", "type: object_detecton@1", "steps.0.type"),
        ("model: people-ssdlite", "modle: people-ssdlite", "steps.0"),
        ("model: people-ssdlite", "model: 5", "steps.0.model"),
        ("confidence: $inputs.bar", "confidence: 40", "steps.0.confidence"),
        ("confidence: $inputs.bar", "confidence: $steps.a.b", "steps.0.confidence"),
        ("labels: [person]", "labels: person", "steps.0.labels"),
        ("image: $inputs.image\n", "image: inputs.image\n", "steps.0.image"),
        ("when: inputs.bar > 0", "when: ''", "steps.1.when"),
        ("when: inputs.bar > 0", "when: '${RUN:-true}'", "steps.1.when"),
        ("when: inputs.bar > 0", "when: $inputs.bar > 0", "steps.1.when"),
        ("when: inputs.bar > 0", "when: true && ($inputs.bar > 0)", "steps.1.when"),
        ("when: inputs.bar > 0", "when: = inputs.bar > 0", "steps.1.when"),
        ("on_error: stop", "on_error: ignore", "steps.1.on_error"),
        ("zone: [[0, 0], [1, 0], [1, 1]]", "zone: [[0, 0], [1, 0]]", "steps.1.zone"),
        ("zone: [[0, 0], [1, 0], [1, 1]]", "zones: []", "steps.1"),
        ("detections: $steps.people.detections", "detections: people", "steps.1.detections"),
        ("count: $steps.zone.count", "count: $step.zone.count", "outputs.count"),
        ("count: $steps.zone.count", "a count: $steps.zone.count", "outputs"),
    ],
)
def test_a_typical_mistake_does_not_fit(right: str, wrong: str, where: str) -> None:
    assert RIGHT.count(right) == 1
    assert where in wrong_with(read(RIGHT.replace(right, wrong)))


@pytest.mark.parametrize(
    ("plain", "other"),
    [
        ("version: 1", "version: ${VERSION:-1}"),
        ("name: gate", "name: ${NAME:-gate}"),
        ("name: gate", "name: gate-${SITE:-1}"),
        ("type: number", "type: '${KIND:-number}'"),
        ("on_error: stop", "on_error: '${ON_ERROR:-skip}'"),
        ("when: inputs.bar > 0", "when: inputs.bar > 0 // not 5 $"),
        ("when: inputs.bar > 0", "when: string(inputs.bar) != '$5'"),
        ("when: inputs.bar > 0", "when: string(inputs.bar) != '${BAR}'"),
    ],
)
def test_what_the_check_takes_fits(plain: str, other: str) -> None:
    assert RIGHT.count(plain) == 1
    text = RIGHT.replace(plain, other)
    # As an editor reads it, without any environment.
    assert wrong_with(read(text.replace("${", "$${"))) == []
    definition, _ = read_definition(text, "w.yaml")
    assert definition.name.startswith("gate")


def test_a_workflow_that_runs_as_a_step_takes_any_inputs_but_names_its_file() -> None:
    step = {"name": "inner", "type": "workflow", "workflow": "inner.yaml", "bar": "= inputs.x"}
    whole = {"version": 1, "name": "outer", "steps": [step]}
    assert wrong_with(whole) == []
    del step["workflow"]
    assert wrong_with(whole) == ["steps.0"]


def test_there_is_a_branch_for_each_block_and_it_says_what_the_block_is_for() -> None:
    for type_, block in BLOCKS.items():
        branch = SCHEMA["$defs"][type_]
        assert branch["description"].endswith(".")
        assert set(branch["properties"]) == {
            "name", "type", "when", "on_error", *block.manifest.model_fields, *block.inputs,
        }  # fmt: skip
        for name, property_ in branch["properties"].items():
            assert property_["description"], name


def test_the_help_has_the_lines_that_an_editor_asks_for() -> None:
    lines = [
        line.strip() for line in CliRunner().invoke(main, ["schema", "--help"]).stdout.split("\n")
    ]
    assert "# yaml-language-server: $schema=workflow.schema.json" in lines
    assert '"yaml.customTags": ["!secret", "!include"]' in lines


def test_the_schema_that_ships_is_that_of_the_blocks() -> None:
    ours = {t: b for t, b in BLOCKS.items() if b.cls.__module__.startswith("blocks.")}
    shipped = (ROOT / SCHEMA_FILE).read_text("utf-8")
    assert shipped == schema_text(ours), (
        f"renew it: make generated, or appliance schema > {SCHEMA_FILE}"
    )
    assert json.loads(shipped) == workflow_schema(ours)
