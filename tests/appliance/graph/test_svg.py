"""Diagrams as SVG."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.engine.plan import Plan
from appliance.graph.diagram import Diagram, Edge, Node, Port, diagram_of
from appliance.graph.svg import svg

SVG = "{http://www.w3.org/2000/svg}"
ROOT = Path(__file__).parents[3]


def parsed(diagram: Diagram) -> ET.Element:
    # What is parsed was written a line above.
    return ET.fromstring(svg(diagram))


def groups(root: ET.Element, kind: str) -> list[ET.Element]:
    return [group for group in root.iter(f"{SVG}g") if group.get("class") == kind]


def texts(root: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def test_all_nodes_and_wires_are_there_also_those_inside(helmets: Plan) -> None:
    root = parsed(diagram_of(helmets))
    assert sorted(group.get("data-key", "") for group in groups(root, "node")) == [
        "frame", "inputs.bar", "inputs.image", "inputs.picture", "outputs", "outputs",
        "steps.crops", "steps.helmet", "steps.look", "steps.people", "steps.tell",
    ]  # fmt: skip
    assert len(groups(root, "edge")) == 13
    for text in ("people", "object_detection@1", "model people-ssdlite", "connection plant",
                 "when index < 5", "inner.yaml"):  # fmt: skip
        assert text in texts(root)


def test_the_wires_of_conditions_are_dashed_and_those_of_many_are_bold(helmets: Plan) -> None:
    classes = [path.get("class") for path in parsed(diagram_of(helmets)).iter(f"{SVG}path")]
    assert classes.count("wire cond") == 2
    assert classes.count("wire many") == 2


def test_what_runs_once_for_each_is_a_stack_of_boxes(helmets: Plan) -> None:
    root = parsed(diagram_of(helmets))
    boxes = {
        group.get("data-key"): len(
            [r for r in group.findall(f"{SVG}rect") if "k-" not in r.get("class", "")]
        )
        for group in groups(root, "node")
    }
    assert boxes["steps.look"] == 2
    assert boxes["steps.crops"] == 1


def test_a_wire_says_where_from_and_where_to(helmets: Plan) -> None:
    root = parsed(diagram_of(helmets))
    told = {edge.findtext(f"{SVG}title") for edge in groups(root, "edge")}
    assert "images → picture\nsteps.crops.images → steps.look.picture" in told


def test_a_long_name_is_shortened_and_told_whole_where_the_pointer_rests() -> None:
    name = "a_name_that_is_much_too_long_for_any_box_" * 3
    root = parsed(Diagram("w", (Node("steps.a", "step", name, "b@1"),), ()))
    (group,) = groups(root, "node")
    assert name in (group.findtext(f"{SVG}title") or "")
    assert name not in texts(root)
    assert any(text.endswith("…") for text in texts(root))


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", "\"'/><g onload='x'>", "]]>", "&lt;&#0;", "\0\x1b\ud800\uffff"],
)
def test_whatever_a_text_holds_the_picture_stays_a_picture(hostile: str) -> None:
    node = Node("steps.a", "step", hostile, hostile, (Port(hostile),), (Port(hostile),), 1, hostile)
    sink = Node("steps.b", "sink", "b", notes=(hostile,), takes=(Port("x"),))
    root = parsed(Diagram(hostile, (node, sink), (Edge("steps.a", hostile, "steps.b", "x"),)))
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "style", "rect", "text", "g", "path", "polygon", "circle"}
    assert not any(key.startswith("on") for element in root.iter() for key in element.attrib)


def test_it_needs_nothing_from_elsewhere_and_has_colours_for_dark_ground(helmets: Plan) -> None:
    text = svg(diagram_of(helmets))
    assert "prefers-color-scheme:dark" in text
    assert re.findall(r"(?:href|src|url|@import)", text) == []
    assert set(re.findall(r"https?://\S+?(?=\")", text)) == {"http://www.w3.org/2000/svg"}


def test_five_hundred_steps_make_a_picture_of_bounded_size(load: Callable[..., Plan]) -> None:
    steps = "\n".join(
        f"  - {{name: s{i}, type: merge@1, detections: [$steps.s{i - 1}.detections]}}"
        for i in range(1, 500)
    )
    first = "  - {name: s0, type: object_detection@1, image: $inputs.image, model: m}\n"
    head = "version: 1\nname: w\ninputs: {image: {type: image}}\nsteps:\n"
    plan = load(f"{head}{first}{steps}\noutputs: {{x: $steps.s499.detections}}\n")
    text = svg(diagram_of(plan))
    assert len(text) < 1_000_000
    assert len(groups(ET.fromstring(text), "node")) == 502


def test_the_picture_grows_with_the_wires_and_not_with_the_layers_they_pass() -> None:
    nodes = tuple(
        Node(f"s{i}", "step", f"s{i}", "x@1", (Port("a"), Port("b")), (Port("c"),))
        for i in range(2_000)
    )
    pairs = [(f"s{i - 1}", f"s{i}") for i in range(1, 2_000)]
    edges = [Edge(a, "c", b, "a") for a, b in pairs] + [Edge("s0", "c", b, "b") for _, b in pairs]
    assert len(svg(Diagram("w", nodes, tuple(edges)))) < 3_000_000


def test_the_workflow_that_ships_can_be_drawn(load: Callable[..., Plan]) -> None:
    plan = load((ROOT / "workflows" / "people-count.yaml").read_text("utf-8"))
    keys = [group.get("data-key") for group in groups(parsed(diagram_of(plan)), "node")]
    assert len(keys) == len(plan.definition.inputs) + len(plan.definition.steps) + 1
