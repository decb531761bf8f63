"""Where boxes and wires are put: in order, apart from each other, and in bounded time."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.engine.plan import Plan
from appliance.graph.diagram import Diagram, Edge, Node, Port, diagram_of
from appliance.graph.layout import Layout, Placed, layout_of


def overlap(one: Placed, other: Placed) -> bool:
    return (
        one.x < other.x + other.box.width
        and other.x < one.x + one.box.width
        and one.y < other.y + other.box.height
        and other.y < one.y + one.box.height
    )


def assert_is_readable(layout: Layout) -> None:
    """No box over another, none outside, each wire from its box to its box and over no other."""
    for one, other in combinations(layout.boxes, 2):
        assert not overlap(one, other), (one.box.node.key, other.box.node.key)
    for placed in layout.boxes:
        assert placed.x >= 0
        assert placed.y >= 0
        assert placed.x + placed.box.width <= layout.width
        assert placed.y + placed.box.height <= layout.height
        if placed.inside:
            x, y = placed.inside_at
            assert placed.x <= x
            assert x + placed.inside.width <= placed.x + placed.box.width + 0.01
            assert placed.y + placed.box.head <= y
            assert y + placed.inside.height <= placed.y + placed.box.height + 0.01
            assert_is_readable(placed.inside)
    boxes = {placed.box.node.key: placed for placed in layout.boxes}
    for wire in layout.wires:
        source, target = boxes[wire.edge.source], boxes[wire.edge.target]
        (x, y), (to_x, to_y) = wire.points[0], wire.points[-1]
        assert x == source.x + source.box.width
        assert source.y <= y <= source.y + source.box.height
        assert to_x == target.x
        assert target.y <= to_y <= target.y + target.box.height
        ways = [round(at, 3) for at, _ in wire.points]
        assert ways == sorted(ways)
        assert_level_parts_meet_no_box(wire.points, layout)


def assert_level_parts_meet_no_box(points: tuple[tuple[float, float], ...], layout: Layout) -> None:
    for (x, y), (to_x, _) in zip(points[::2], points[1::2], strict=True):
        for placed in layout.boxes:
            inside = placed.y < y < placed.y + placed.box.height
            met = max(x, placed.x) < min(to_x, placed.x + placed.box.width) - 0.01
            assert not (inside and met), placed.box.node.key


def chain(count: int) -> Diagram:
    nodes = [
        Node(f"s{i}", "step", f"s{i}", "x@1", (Port("a"),), (Port("b"),)) for i in range(count)
    ]
    edges = [Edge(f"s{i}", "b", f"s{i + 1}", "a") for i in range(count - 1)]
    return Diagram("chain", tuple(nodes), tuple(edges))


@st.composite
def diagrams(draw: st.DrawFn, deep: int = 1) -> Diagram:
    count = draw(st.integers(1, 12))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    wires = draw(st.lists(pairs.filter(lambda pair: pair[0] < pair[1]), max_size=30, unique=True))
    ports = st.integers(0, 4)
    nodes = []
    for i in range(count):
        takes = tuple(Port(f"in{k}") for k in range(draw(ports)))
        gives = tuple(Port(f"out{k}", draw(ports) // 3) for k in range(draw(ports)))
        inner = draw(diagrams(deep - 1)) if deep and draw(st.integers(0, 5)) == 0 else None
        is_input = inner is None and not any(to == i for _, to in wires) and draw(st.booleans())
        kind = "workflow" if inner else "input" if is_input else "step"
        title = draw(st.text("abcMW_ 門", min_size=1, max_size=60))
        when = draw(st.sampled_from(["", "x > 1", "x > 1 && " * 40]))
        each = draw(st.integers(0, 2))
        nodes.append(
            Node(f"n{i}", kind, title, "x@1", takes, gives, each, when, inside=inner)  # type: ignore[arg-type]  # one of the kinds
        )
    edges = [Edge(f"n{a}", draw(st.sampled_from(["out0", "out2", ""])), f"n{b}",
                  draw(st.sampled_from(["in0", "in1", "when"]))) for a, b in wires]  # fmt: skip
    return Diagram("random", tuple(nodes), tuple(edges))


@given(diagrams())
@settings(max_examples=60, deadline=None)
def test_whatever_is_wired_to_what_no_box_is_over_another(diagram: Diagram) -> None:
    layout = layout_of(diagram)
    assert len(layout.boxes) == len(diagram.nodes)
    assert len(layout.wires) == len(diagram.edges)
    assert_is_readable(layout)


def test_a_real_workflow_is_readable(helmets: Plan) -> None:
    assert_is_readable(layout_of(diagram_of(helmets)))


def test_what_comes_later_stands_further_right() -> None:
    xs = [placed.x for placed in layout_of(chain(5)).boxes]
    assert xs == sorted(set(xs))


def test_a_chain_is_one_straight_line() -> None:
    layout = layout_of(chain(6))
    assert len({round(placed.y, 3) for placed in layout.boxes}) == 1


def test_an_input_stands_beside_the_first_step_that_takes_it() -> None:
    plain = chain(4)
    late = Node("late", "input", "late", gives=(Port("late"),))
    edges = (*plain.edges, Edge("late", "late", "s3", "a"))
    layout = layout_of(Diagram("w", (late, *plain.nodes), edges))
    at = {placed.box.node.key: placed.x for placed in layout.boxes}
    assert at["s1"] < at["late"] < at["s3"]


def test_a_long_chain_is_placed_even_if_every_result_goes_to_the_end() -> None:
    plain = chain(250)
    end = Node("end", "outputs", "end", takes=tuple(Port(f"o{i}") for i in range(250)))
    edges = tuple(Edge(f"s{i}", "b", "end", f"o{i}") for i in range(250))
    layout = layout_of(Diagram("w", (*plain.nodes, end), (*plain.edges, *edges)))
    assert len(layout.boxes) == 251
    assert layout.width < 251 * 400


def test_where_very_many_wires_are_long_the_longest_go_straight() -> None:
    plain = chain(500)
    long = tuple(Edge("s0", "b", f"s{i}", "when") for i in range(2, 500))
    layout = layout_of(Diagram("w", plain.nodes, (*plain.edges, *long)))
    assert sum(len(wire.points) for wire in layout.wires) < 20_000
    lengths = [len(wire.points) for wire in layout.wires if wire.edge.conditional]
    # Two points at each end, and two for each layer between.
    led = next(i for i, length in enumerate(lengths) if length == 4)
    assert led > 50
    assert lengths[:led] == [6 + 2 * i for i in range(led)]
    assert set(lengths[led:]) == {4}


def test_nothing_is_a_layout_too() -> None:
    layout = layout_of(Diagram("w", (), ()))
    assert (layout.boxes, layout.wires) == ((), ())
