from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks.block import RESETS, BlockType
from blocks.data import Columns, Detections, Frame, Image
from blocks.tracking.byte_track import ByteTrack
from blocks.zones.line_count import Crossed, LineCount, LineCountManifest, LineTotals

FrameAt = Callable[[float], Frame]

# From left to right at half the height of 640 x 480: the right hand, `in`, is below.
LEVEL = [[0.1, 0.5], [0.9, 0.5]]


def gate(**settings: Any) -> LineCount:
    return LineCount(LineCountManifest.model_validate({"line": LEVEL, **settings}))


def standing(*feet: tuple[int, float, float]) -> Detections:
    """People of 40 x 100 pixels, each given by tracker id and the place of his feet."""
    boxes = [[x - 20, y - 100, x + 20, y] for _, x, y in feet]
    return Detections.of(boxes, tracker_id=[i for i, _, _ in feet], label=["person"] * len(feet))


def test_the_check_lets_it_be_wired_to_a_tracker_only() -> None:
    line_count: BlockType = vars(LineCount)["block_type"]
    byte_track: BlockType = vars(ByteTrack)["block_type"]
    asked = Annotated[Detections, Columns(tracker_id=int)]
    assert line_count.inputs["detections"].annotation == asked
    assert byte_track.outputs["detections"] == asked


def walk(block: LineCount, *ys: float, x: float = 320, tracker_id: int = 1) -> tuple[int, int]:
    """The totals after somebody stood with his feet at each height, a tenth of a second apart."""
    image = Image.from_bgr(np.zeros((480, 640, 3), np.uint8))
    for i, y in enumerate(ys):
        at_s = i * 0.1
        answer = block.run(
            Frame("gate", at_s, at_s, sequence=i, image=image), standing((tracker_id, x, y))
        )
    return answer.total_in, answer.total_out


def test_walking_across_counts_once_in_the_frame_where_it_is_done(frame_at: FrameAt) -> None:
    block = gate()
    counts = []
    for i, y in enumerate((200, 225, 245, 260, 300)):
        answer = block.run(frame_at(i * 0.1), standing((1, 320, y)))
        counts.append((answer.crossed_in, answer.crossed_out, answer.total_in, answer.total_out))
    # At 245 the feet are across, but not yet a tenth of the height past the line.
    assert counts == [(0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), (1, 0, 1, 0), (0, 0, 1, 0)]


def test_in_is_toward_the_right_hand_and_the_other_order_exchanges() -> None:
    assert walk(gate(), 200, 300) == (1, 0)
    assert walk(gate(), 300, 200) == (0, 1)
    assert walk(gate(line=LEVEL[::-1]), 200, 300) == (0, 1)


def test_one_sight_on_each_side_is_enough() -> None:
    assert walk(gate(), 120, 430) == (1, 0)


def test_trembling_on_the_line_counts_nothing() -> None:
    assert walk(gate(), 180, *[240 + 3 * (-1) ** i for i in range(40)], 180) == (0, 0)
    assert walk(gate(), *[240 + 3 * (-1) ** i for i in range(40)]) == (0, 0)


def test_trembling_on_the_way_across_counts_once() -> None:
    assert walk(gate(), 180, *[240 + 3 * (-1) ** i for i in range(41)], 300) == (1, 0)


def test_first_seen_on_the_line_counts_when_leaving_on_the_other_side() -> None:
    assert walk(gate(), 238, 300) == (1, 0)
    assert walk(gate(), 238, 180) == (0, 0)


def test_each_way_across_counts_again() -> None:
    assert walk(gate(), 200, 300, 200, 300, 200) == (2, 2)


def test_a_stop_exactly_on_the_line_counts_once() -> None:
    assert walk(gate(), 200, 240, 300) == (1, 0)
    assert walk(gate(), 300, 240, 200) == (0, 1)
    assert walk(gate(band=0), 200, 240, 240, 300) == (1, 0)
    assert walk(gate(band=0), 300, 240, 240, 200) == (0, 1)


def test_the_way_round_the_end_of_the_line_counts_nothing(frame_at: FrameAt) -> None:
    block = gate()
    for i, (x, y) in enumerate([(560, 200), (620, 200), (620, 300), (560, 300), (560, 320)]):
        answer = block.run(frame_at(i * 0.1), standing((1, x, y)))
    assert (answer.total_in, answer.total_out) == (0, 0)
    # He is on the other side all the same, and counts when he comes back through the gate.
    answer = block.run(frame_at(0.6), standing((1, 560, 200)))
    assert (answer.total_in, answer.total_out) == (0, 1)


def test_round_the_end_within_the_band_counts_nothing(frame_at: FrameAt) -> None:
    block = gate()
    for i, (x, y) in enumerate([(560, 200), (570, 236), (600, 236), (600, 244), (560, 300)]):
        answer = block.run(frame_at(i * 0.1), standing((1, x, y)))
    assert (answer.total_in, answer.total_out) == (0, 0)


def test_both_directions_in_one_frame_are_told_apart(frame_at: FrameAt) -> None:
    block = gate()
    block.run(frame_at(0.0), standing((1, 200, 200), (2, 300, 300), (3, 400, 200)))
    answer = block.run(frame_at(0.1), standing((3, 400, 210), (2, 300, 200), (1, 200, 300)))
    assert (answer.crossed_in, answer.crossed_out) == (1, 1)
    assert answer.detections.tracker_id.tolist() == [2, 1]
    assert answer.detections.data["direction"].tolist() == ["out", "in"]
    assert answer.detections.as_rows()[0]["direction"] == "out"


def test_who_has_no_tracker_id_counts_nothing() -> None:
    assert walk(gate(), 200, 300, tracker_id=-1) == (0, 0)


def test_two_tracks_are_not_one_way() -> None:
    block = gate()
    walk(block, 200, tracker_id=1)
    assert walk(block, 300, tracker_id=2) == (0, 0)


def test_a_pause_in_the_track_is_bridged_and_a_long_one_forgotten(frame_at: FrameAt) -> None:
    for pause_s, total in ((4.0, 1), (6.0, 0)):
        block = gate(forget_s=5.0)
        block.run(frame_at(0.0), standing((1, 320, 200)))
        assert block.run(frame_at(pause_s), standing((1, 320, 300))).total_in == total


def test_tracks_that_are_gone_are_forgotten(frame_at: FrameAt) -> None:
    block = gate(forget_s=1.0)
    for i in range(300):
        block.run(frame_at(i * 0.1), standing((i, 320, 200)))
        assert len(block._ways) <= 12


def test_a_frame_with_nobody_keeps_the_totals(frame_at: FrameAt) -> None:
    block = gate()
    block.run(frame_at(0.0), standing((1, 320, 200)))
    block.run(frame_at(0.1), standing((1, 320, 300)))
    answer = block.run(frame_at(0.2), Detections.empty())
    assert answer == Crossed(0, 0, 1, 0, answer.detections)
    assert len(answer.detections) == 0
    assert answer.detections.data["direction"].tolist() == []


def test_the_totals_go_on_from_the_state_that_was_kept() -> None:
    before = gate()
    walk(before, 200, 300, 200)
    assert before.state == LineTotals(total_in=1, total_out=1)
    kept = before.state.model_dump_json()
    after = gate()
    after.state = LineTotals.model_validate_json(kept)
    assert walk(after, 200, 300) == (2, 1)


def test_the_state_is_replaced_only_when_somebody_crossed() -> None:
    block = gate()
    first = block.state
    walk(block, 200, 220)
    assert block.state is first
    walk(block, 200, 300)
    assert block.state is not first
    assert first == LineTotals()


def test_the_totals_are_worth_nothing_for_another_line() -> None:
    fields = LineCountManifest.model_fields
    assert {n for n, f in fields.items() if RESETS in f.metadata} == {"line", "units", "anchor"}


def test_it_says_which_column_it_adds_and_that_it_remembers() -> None:
    found: BlockType = vars(LineCount)["block_type"]
    assert found.outputs["detections"] == Annotated[Detections, Columns(direction=str)]
    assert (found.state, found.remembers) == (LineTotals, True)


def test_the_band_grows_with_the_box() -> None:
    assert walk(gate(band=0.1), 200, 249) == (0, 0)
    assert walk(gate(band=0.1), 200, 251) == (1, 0)
    assert walk(gate(band=0.3), 200, 251) == (0, 0)


def test_the_anchor_and_the_units_are_those_asked_for() -> None:
    # Feet from 260 to 300 pass no line at 240, but the middle of the box does.
    assert walk(gate(), 260, 320) == (0, 0)
    assert walk(gate(anchor="center"), 260, 320) == (1, 0)
    assert walk(gate(line=[[64, 290], [576, 290]], units="pixels"), 260, 320) == (1, 0)


@given(st.lists(st.integers(100, 400), min_size=2, max_size=40))
def test_in_and_out_take_turns_whatever_the_walk(ys: list[int]) -> None:
    total_in, total_out = walk(gate(), *ys)
    assert abs(total_in - total_out) <= 1
    if abs(ys[0] - 240) > 10 and abs(ys[-1] - 240) > 10:
        assert total_in - total_out == (ys[-1] > 240) - (ys[0] > 240)


def test_a_line_outside_the_frame_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"the point \[640, 0\] is outside 0..1"):
        gate(line=[[0, 0], [640, 0]])
