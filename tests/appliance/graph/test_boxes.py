"""Boxes: how large they are, and what is shortened."""

from appliance.graph.boxes import SMALL, TITLE, box_of, port_text, shortened, width_of, wrapped
from appliance.graph.diagram import WHEN, Node, Port


def test_a_text_that_fits_is_shown_as_it_is() -> None:
    text = shortened("line_count", 200, SMALL)
    assert text.shown == text.full == "line_count"


def test_a_text_that_does_not_fit_ends_in_an_ellipsis_and_is_kept_whole() -> None:
    text = shortened("a_very_long_name" * 9, 100, TITLE)
    assert text.full == "a_very_long_name" * 9
    assert text.shown.endswith("…")
    assert 60 < width_of(text.shown, TITLE) <= 100


def test_wide_characters_count_as_wide() -> None:
    assert width_of("門", SMALL) > width_of("n", SMALL) > width_of("i", SMALL)


def test_a_condition_is_wrapped_between_words_and_ends_after_three_lines() -> None:
    assert [line.shown for line in wrapped("when a > 1", 300)] == ["when a > 1"]
    lines = wrapped("when " + " && ".join(f"steps.gate_{i}.count > {i}" for i in range(20)), 150)
    assert len(lines) == 3
    assert lines[-1].shown.endswith("…")
    assert all(width_of(line.shown, SMALL) <= 150 for line in lines)


def test_a_box_is_as_wide_as_its_widest_line_up_to_a_limit() -> None:
    small = box_of(Node("steps.a", "step", "a", "b@1"))
    large = box_of(Node("steps.a", "step", "a" * 20, "b@1"))
    limit = box_of(Node("steps.a", "step", "a" * 200, "b@1"))
    assert small.width < large.width < limit.width < 320
    assert limit.title.shown.endswith("…")


def test_ports_stand_below_the_head_in_their_order_and_within_the_box() -> None:
    node = Node(
        "steps.a", "step", "a", "b@1", takes=(Port("x"), Port("y")), gives=(Port("z"),), when="x"
    )
    box = box_of(node)
    when, x, y = (box.height_of_input(name) for name in (WHEN, "x", "y"))
    assert 0 < when < x < y < box.height
    assert box.height_of_output("z") == x


def test_a_wire_of_presence_begins_at_the_title() -> None:
    box = box_of(Node("steps.a", "step", "a", "b@1", gives=(Port("z"),)))
    assert 0 < box.height_of_output("") < box.height_of_output("z")


def test_a_box_has_room_for_what_is_inside_of_it() -> None:
    box = box_of(Node("steps.a", "workflow", "a", "workflow"), (500.0, 300.0))
    assert box.width >= 500
    assert box.height >= box.head + 300


def test_a_port_that_is_many_says_so() -> None:
    assert port_text(Port("images", 2)).shown.count("n") == 2
    assert port_text(Port("x" * 99)).shown.endswith("…")
