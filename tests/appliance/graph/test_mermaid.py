"""Diagrams as Mermaid."""

import re

import pytest

from appliance.engine.plan import Plan
from appliance.graph.diagram import Diagram, Edge, Node, Port, diagram_of
from appliance.graph.mermaid import mermaid

EACH = " \N{MULTIPLICATION SIGN}n"


def test_a_small_graph_is_this_text() -> None:
    nodes = (
        Node("inputs.image", "input", "image", gives=(Port("image"),)),
        Node("steps.a", "step", "a", "crop@1", each=1, when="inputs.x", notes=("model m",)),
        Node("steps.b", "sink", "b", "mqtt@1", notes=("connection plant",)),
        Node("outputs", "outputs", "outputs", takes=(Port("total"),)),
    )
    edges = (
        Edge("inputs.image", "image", "steps.a", "image"),
        Edge("steps.a", "count", "steps.b", "when"),
        Edge("steps.a", "count", "outputs", "total"),
    )
    assert mermaid(Diagram("w", nodes, edges)) == (
        "flowchart LR\n"
        '  n1(["image"])\n'
        f'  n2[["a<br/>crop@1{EACH}<br/>model m<br/>when inputs.x"]]\n'
        '  n3[("b<br/>mqtt@1<br/>connection plant")]\n'
        '  n4(["total"])\n'
        '  n1 -- "image" --> n2\n'
        '  n2 -. "count → when" .-> n3\n'
        '  n2 -- "count → total" --> n4\n'
    )


def test_a_workflow_that_runs_as_a_step_is_a_subgraph_wired_at_its_inputs_and_outputs(
    helmets: Plan,
) -> None:
    lines = mermaid(diagram_of(helmets)).splitlines()
    assert lines[1:] == [
        '  n1(["image"])',
        '  n2(["bar"])',
        '  n3(["frame"])',
        '  n4["people<br/>object_detection@1<br/>model people-ssdlite"]',
        '  n5["crops<br/>crop@1"]',
        f'  subgraph n6["look · workflow{EACH} · inner.yaml · when index #60; 5"]',
        '    n7(["picture"])',
        '    n8["helmet<br/>object_detection@1<br/>model helmets"]',
        '    n9(["found"])',
        "  end",
        '  n10[("tell<br/>mqtt@1<br/>connection plant<br/>'
        'when size(steps.people.detections) #62; 0 #38;#38; present(steps.crops)")]',
        '  n11(["found"])',
        '  n12(["sure"])',
        '  n7 -- "picture → image" --> n8',
        '  n8 -- "detections → found" --> n9',
        '  n1 -- "image" --> n4',
        '  n2 -- "bar → confidence" --> n4',
        '  n1 -- "image" --> n5',
        '  n4 -- "detections" --> n5',
        '  n5 -- "images → picture" --> n7',
        '  n3 -- "captured_at → data.at" --> n10',
        '  n4 -- "detections → data.count" --> n10',
        '  n4 -. "detections → when" .-> n10',
        '  n5 -. "when" .-> n10',
        '  n9 -- "found" --> n11',
        '  n2 -- "bar → sure" --> n12',
    ]


@pytest.mark.parametrize(
    "hostile", ['"]; click n1 "x"', "<script>alert(1)</script>", "%%{init: {}}%%", "a\nend\n", "#"]
)
def test_a_text_cannot_leave_its_quotes(hostile: str) -> None:
    text = mermaid(Diagram("w", (Node("steps.a", "step", hostile, when=hostile),), ()))
    assert len(text.splitlines()) == 2
    inside = re.fullmatch(r'  n1\["(.*)"\]', text.splitlines()[1])
    assert inside
    plain = inside[1].replace("<br/>", " ")
    assert not set('"<>%`') & set(plain)
    assert re.sub(r"#\d+;", "", plain).count("#") == 0
