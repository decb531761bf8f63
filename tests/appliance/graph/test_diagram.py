"""What is drawn of a plan."""

from collections.abc import Callable

import pytest

from appliance.engine.plan import Plan
from appliance.graph.diagram import Diagram, Edge, Node, Port, diagram_of, times
from appliance.graph.svg import svg


@pytest.fixture(scope="module")
def drawn(helmets: Plan) -> Diagram:
    return diagram_of(helmets)


def node(diagram: Diagram, key: str) -> Node:
    (found,) = [node for node in diagram.nodes if node.key == key]
    return found


def test_there_is_a_node_for_each_input_step_and_for_the_outputs(drawn: Diagram) -> None:
    assert [(n.key, n.kind) for n in drawn.nodes] == [
        ("inputs.image", "input"),
        ("inputs.bar", "input"),
        ("frame", "frame"),
        ("steps.people", "step"),
        ("steps.crops", "step"),
        ("steps.look", "workflow"),
        ("steps.tell", "sink"),
        ("outputs", "outputs"),
    ]


def test_a_step_names_its_block_and_what_it_needs_outside(drawn: Diagram) -> None:
    people, tell = node(drawn, "steps.people"), node(drawn, "steps.tell")
    assert (people.detail, people.notes) == ("object_detection@1", ("model people-ssdlite",))
    assert (tell.detail, tell.notes) == ("mqtt@1", ("connection plant",))


def test_settings_inputs_conditions_and_expressions_are_wires(drawn: Diagram) -> None:
    assert set(drawn.edges) == {
        Edge("inputs.image", "image", "steps.people", "image"),
        Edge("inputs.bar", "bar", "steps.people", "confidence"),
        Edge("inputs.image", "image", "steps.crops", "image"),
        Edge("steps.people", "detections", "steps.crops", "detections"),
        Edge("steps.crops", "images", "steps.look", "picture"),
        Edge("frame", "captured_at", "steps.tell", "data", "at"),
        Edge("steps.people", "detections", "steps.tell", "data", "count"),
        Edge("steps.people", "detections", "steps.tell", "when"),
        Edge("steps.crops", "", "steps.tell", "when"),
        Edge("steps.look", "found", "outputs", "found"),
        Edge("inputs.bar", "bar", "outputs", "sure"),
    }
    assert [edge.conditional for edge in drawn.edges].count(True) == 2


def test_a_step_tells_its_condition(drawn: Diagram) -> None:
    assert node(drawn, "steps.look").when == "index < 5"
    assert node(drawn, "steps.people").when == ""


def test_what_is_many_is_marked_and_what_runs_once_for_each(drawn: Diagram) -> None:
    assert node(drawn, "steps.crops").gives == (Port("images", 1),)
    look = node(drawn, "steps.look")
    assert look.each == 1
    assert look.gives == (Port("found", 1),)


def test_a_workflow_that_runs_as_a_step_is_a_diagram_inside_with_depths_of_its_own(
    drawn: Diagram,
) -> None:
    inside = node(drawn, "steps.look").inside
    assert inside is not None
    assert inside.name == "inner"
    assert [n.key for n in inside.nodes] == ["inputs.picture", "steps.helmet", "outputs"]
    assert node(inside, "steps.helmet").each == 0
    assert set(inside.edges) == {
        Edge("inputs.picture", "picture", "steps.helmet", "image"),
        Edge("steps.helmet", "detections", "outputs", "found"),
    }


def test_a_label_names_output_and_input_once_if_they_are_called_the_same() -> None:
    assert Edge("a", "images", "b", "image").label == "images → image"
    assert Edge("a", "image", "b", "image").label == "image"
    assert Edge("a", "", "b", "when").label == "when"
    assert Edge("a", "total", "b", "data", "in").label == "total → data.in"


def test_a_secret_is_not_drawn(load: Callable[..., Plan]) -> None:
    plan = load(
        "version: 1\nname: w\ninputs: {image: {type: image}}\nsteps:\n"
        "  - {name: a, type: object_detection@1, image: $inputs.image, model: !secret which}\n"
    )
    (note,) = node(diagram_of(plan), "steps.a").notes
    assert "secret-which" not in note


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("${SITE}", "…"),
        ("${ONE}", "…"),
        ("gate-${SITE}", "gate-…"),
        ("${OTHER:-gate}", "gate"),
        ("gate", "gate"),
    ],
)
def test_a_name_from_outside_is_not_drawn(name: str, shown: str, load: Callable[..., Plan]) -> None:
    plan = load(f"version: 1\nname: {name}\nsteps: [{{name: a, type: gather@1, values: [1]}}]\n")
    assert diagram_of(plan).name == shown
    assert "site-12" not in svg(diagram_of(plan))


def test_many_of_many_is_told_twice() -> None:
    assert times(0) == ""
    assert times(2).count("n") == 2
