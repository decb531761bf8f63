"""What of a stream is decoded: levels, lateness, and what becomes of the rest."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import av

from appliance.clock import Clock
from appliance.video.levels import ALL, KEYS, REFERENCES
from appliance.video.reader import VideoReader
from appliance.video.selection import LATE_S, Selection
from appliance.video.source import Item, LeftOut, Resume
from blocks.data import Frame, Image

Render = Callable[..., Path]
NumberOf = Callable[[Image], int]


def read(path: Path, clock: Clock, selection: Selection) -> list[Item]:
    with VideoReader(str(path), "gate", clock, resume=Resume(selection=selection)) as reader:
        items = list(reader.frames())
        assert reader.demuxed == len(items)
    return items


def told(items: list[Item]) -> Counter[str]:
    """How many ended where."""
    return Counter(each.bucket if isinstance(each, LeftOut) else "frame" for each in items)


def test_all_is_decoded_unless_less_is_asked_for(clip: Path, clock: Clock) -> None:
    selection = Selection()
    assert (selection.level, selection.wanted) == (ALL, ALL)
    assert told(read(clip, clock, selection)) == {"frame": 24}


def test_of_key_frames_alone_each_is_given_and_the_rest_is_over_budget(
    clip: Path, clock: Clock, number_of: NumberOf
) -> None:
    selection = Selection()
    selection.want(KEYS)
    items = read(clip, clock, selection)
    # A key every eighth picture.
    numbers = [number_of(each.image) for each in items if isinstance(each, Frame)]
    assert numbers == [0, 8, 16]
    assert told(items) == {"frame": 3, "over-budget": 21}
    assert selection.level == KEYS


def test_what_no_other_picture_refers_to_can_be_left_out_without_harm(
    clip: Path, clock: Clock, number_of: NumberOf
) -> None:
    selection = Selection()
    selection.want(REFERENCES)
    items = read(clip, clock, selection)
    numbers = [number_of(each.image) for each in items if isinstance(each, Frame)]
    counts = told(items)
    assert {0, 8, 16} <= set(numbers)
    assert counts["frame"] + counts["over-budget"] == 24
    assert 0 < counts["over-budget"] < 21


def test_frames_are_numbered_with_those_that_are_left_out(clip: Path, clock: Clock) -> None:
    selection = Selection()
    selection.want(KEYS)
    frames = [each for each in read(clip, clock, selection) if isinstance(each, Frame)]
    assert [frame.sequence for frame in frames] == [0, 8, 16]


def refusals(
    path: Path, lags_s: dict[int, float], selection: Selection, skip_at: int | None = None
) -> list[str]:
    """What is said of each unit, given how late some come, and before which a skip is asked for."""

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        selection.begin("h264", stream.codec_context.extradata)
        packets = [packet for packet in container.demux(stream) if packet.size]
        said = []
        for number, packet in enumerate(packets):
            if number == skip_at:
                selection.skip_to_key()
            said.append(selection.refusal(packet, number / 25, lags_s.get(number, 0.0)))
        return said


def test_what_comes_more_than_a_second_late_is_stale_up_to_the_next_key(clip: Path) -> None:
    said = refusals(clip, {3: LATE_S + 0.1}, Selection())
    assert said == [""] * 3 + ["stale"] * 5 + [""] * 16


def test_a_key_that_is_late_is_still_decoded(clip: Path) -> None:
    said = refusals(clip, dict.fromkeys(range(24), LATE_S + 0.1), Selection())
    assert [number for number, why in enumerate(said) if not why] == [0, 8, 16]
    assert set(said) == {"", "stale"}


def test_what_waits_can_be_left_out_once_when_it_is_asked_for(clip: Path) -> None:
    selection = Selection()
    assert refusals(clip, {}, selection, skip_at=11) == [""] * 11 + ["stale"] * 5 + [""] * 8


def test_without_its_first_key_nothing_of_a_connection_is_decoded(clip: Path) -> None:

    selection = Selection()
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        selection.begin("h264", stream.codec_context.extradata)
        packets = [packet for packet in container.demux(stream) if packet.size][5:]
        said = [selection.refusal(each, number / 25, 0.0) for number, each in enumerate(packets)]
    assert said == ["no-key"] * 3 + [""] * 16


def test_how_a_stream_is_made_is_measured_while_it_is_read(clip: Path, clock: Clock) -> None:
    selection = Selection()
    measured = [selection.measured]
    read(clip, clock, selection)
    assert [*measured, selection.measured] == [False, True]
    assert selection.structure.units_per_key == 8.0
    assert selection.structure.disposable > 0.1


def test_a_new_connection_keeps_what_is_wanted_and_forgets_what_was_measured(
    clip: Path, clock: Clock
) -> None:
    selection = Selection()
    read(clip, clock, selection)
    selection.want(KEYS)
    selection.begin("h264", None)
    assert selection.wanted == KEYS
    assert not selection.measured
    assert told(read(clip, clock, selection)) == {"frame": 3, "over-budget": 21}
