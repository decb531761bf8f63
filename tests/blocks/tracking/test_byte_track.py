from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from blocks.data import Detections, Frame
from blocks.tracking.byte_track import ByteTrack, ByteTrackManifest

# A guard: over three scenes the tracker reaches an IDF1 of 0.88 to 0.96 with 4 to 9 switches.
IDF1_BAR = 0.87
SWITCHES_BAR = 12

FrameAt = Callable[[float], Frame]


def tracker(**settings: float) -> ByteTrack:
    return ByteTrack(ByteTrackManifest(**settings))


def walker(x: float, confidence: float = 0.9, label: str = "person") -> Detections:
    return Detections.of([[x, 100, x + 40, 200]], [confidence], label=[label])


def ids(block: ByteTrack, frame: Frame, detections: Detections) -> list[int]:
    return [int(i) for i in block.run(frame, detections).detections.tracker_id]


def test_walkers_keep_their_ids_at_any_rhythm_of_frames(
    scene: Callable[[int, int, Sequence[float]], Iterable[Any]],
    score: Callable[[Iterable[Any]], Any],
    times: list[float],
    frame_at: FrameAt,
) -> None:
    results = []
    for seed in (1, 2, 3):
        block = tracker()
        results.append(
            score(
                (look.truth, block.run(frame_at(look.at_s), look.seen).detections)
                for look in scene(seed, 10, times)
            )
        )
    assert sum(r.idf1 for r in results) / 3 > IDF1_BAR
    assert sum(r.switches for r in results) <= SWITCHES_BAR


def test_a_sure_box_is_a_track_at_its_first_sight(frame_at: FrameAt) -> None:
    block = tracker()
    assert ids(block, frame_at(0.0), walker(100)) == [1]
    assert ids(block, frame_at(0.4), walker(130)) == [1]


def test_an_unsure_box_must_be_seen_twice(frame_at: FrameAt) -> None:
    block = tracker()
    assert ids(block, frame_at(0.0), walker(100, 0.5)) == []
    assert ids(block, frame_at(0.1), walker(105, 0.5)) == [1]


def test_a_flicker_begins_no_track_and_spends_no_id(frame_at: FrameAt) -> None:
    block = tracker()
    assert ids(block, frame_at(0.0), walker(100, 0.5)) == []
    assert ids(block, frame_at(0.1), Detections.empty()) == []
    assert ids(block, frame_at(0.2), walker(100, 0.5)) == []
    assert ids(block, frame_at(0.3), walker(400, 0.9)) == [1]


def test_a_weak_box_carries_a_track_on_but_begins_none(frame_at: FrameAt) -> None:
    block = tracker()
    both = Detections.of(
        [[104, 100, 144, 200], [400, 100, 440, 200]], [0.2, 0.2], label=["person"] * 2
    )
    assert ids(block, frame_at(0.0), walker(100)) == [1]
    assert ids(block, frame_at(0.1), both) == [1]
    assert ids(block, frame_at(0.2), both) == [1]


def test_a_box_below_the_low_bar_is_ignored(frame_at: FrameAt) -> None:
    block = tracker()
    ids(block, frame_at(0.0), walker(100))
    assert ids(block, frame_at(0.1), walker(100, 0.05)) == []


@pytest.mark.parametrize("rate", [30, 5, 2])
def test_a_track_survives_unseen_by_seconds_not_by_frames(rate: int, frame_at: FrameAt) -> None:
    for unseen_s, answer in ((1.0, [1]), (2.5, [2])):
        block = tracker(lost_s=2.0)
        assert ids(block, frame_at(0.0), walker(100)) == [1]
        for i in range(1, round(unseen_s * rate)):
            assert ids(block, frame_at(i / rate), Detections.empty()) == []
        assert ids(block, frame_at(unseen_s), walker(100)) == answer


def test_what_is_not_seen_any_more_is_forgotten(frame_at: FrameAt) -> None:
    block = tracker(lost_s=1.0)
    for i in range(200):
        block.run(frame_at(i * 0.1), walker(float(i % 2 * 500 + i), 0.9))
        # Nobody stays in his place, so only those of the last second are kept.
        assert len(block._tracks) <= 12
    block.run(frame_at(30.0), Detections.empty())
    assert len(block._tracks) == 0


def test_a_pause_of_an_hour_ends_all_tracks(frame_at: FrameAt) -> None:
    block = tracker()
    assert ids(block, frame_at(0.0), walker(100)) == [1]
    assert ids(block, frame_at(3600.0), walker(100)) == [2]


def test_someone_fast_is_followed_although_his_boxes_never_overlap(frame_at: FrameAt) -> None:
    block = tracker()
    seen = [ids(block, frame_at(i * 0.4), walker(50 + 45 * i)) for i in range(10)]
    assert seen == [[1]] * 10


def test_those_who_pass_each_other_keep_their_ids(frame_at: FrameAt) -> None:
    block = tracker()
    for i in range(31):
        left, right = 50 + 10 * i, 350 - 10 * i
        boxes = [[left, 100, left + 40, 200], [right, 120, right + 40, 220]]
        found = block.run(frame_at(i * 0.1), Detections.of(boxes, label=["person"] * 2)).detections
        assert found.tracker_id.tolist() == [1, 2]


def test_a_track_never_takes_a_box_of_another_label(frame_at: FrameAt) -> None:
    block = tracker()
    assert ids(block, frame_at(0.0), walker(100, label="person")) == [1]
    assert ids(block, frame_at(0.1), walker(100, label="dog")) == [2]
    assert ids(block, frame_at(0.2), walker(100, label="person")) == [1]


def test_the_rows_keep_their_order_and_all_their_columns(frame_at: FrameAt) -> None:
    given = Detections.of(
        [[300, 0, 340, 100], [0, 0, 40, 100], [100, 0, 140, 100]],
        [0.9, 0.3, 0.8],
        class_id=[2, 1, 0],
        label=["person"] * 3,
    )
    found = tracker().run(frame_at(0.0), given).detections
    np.testing.assert_array_equal(found.xyxy, given.xyxy[[0, 2]])
    assert found.class_id.tolist() == [2, 0]
    assert found.tracker_id.tolist() == [1, 2]
    assert given.tracker_id.tolist() == [-1, -1, -1]


def test_boxes_that_are_not_numbers_are_left_out(frame_at: FrameAt) -> None:
    block = tracker()
    ids(block, frame_at(0.0), walker(100))
    mixed = Detections.of([[np.nan, 0, 1, 1], [104, 100, 144, 200], [0, 0, np.inf, 9]])
    mixed = Detections.of(mixed.xyxy, label=["person"] * 3)
    assert ids(block, frame_at(0.1), mixed) == [1]
    assert ids(block, frame_at(0.2), mixed) == [1]


def test_frames_without_anybody_are_nothing_special(frame_at: FrameAt) -> None:
    block = tracker()
    assert [ids(block, frame_at(t), Detections.empty()) for t in (0.0, 0.1, 0.1)] == [[], [], []]


def test_bars_in_falling_order_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"low \(0.1\), high \(0.7\) and start \(0.6\)"):
        ByteTrackManifest(high=0.7)


def test_it_stays_awake_until_its_last_track_would_be_forgotten(frame_at: FrameAt) -> None:
    block = tracker(lost_s=2.0)
    asked = [block.awake_until]
    block.run(frame_at(1.0), walker(100))
    asked.append(block.awake_until)
    assert asked == [None, 3.0]
    block.run(frame_at(1.5), walker(110))
    assert block.awake_until == 3.5
    block.run(frame_at(3.0), Detections.empty())
    assert block.awake_until == 3.5
    block.run(frame_at(3.6), Detections.empty())
    assert block.awake_until is None


def test_a_flicker_keeps_nothing_awake(frame_at: FrameAt) -> None:
    block = tracker()
    block.run(frame_at(0.0), walker(100, 0.5))
    assert block.awake_until is None
