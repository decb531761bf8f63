"""One result for each access unit, whatever the decoder does."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import av
import pytest
from av.video.stream import VideoStream

from appliance.video.decoder import LONGEST_DELAY, Decoded, Decoder
from appliance.video.gauge import DAMAGED_SHARE
from appliance.video.source import Undecodable
from tests.appliance.video.encoded import STREAMS, Stream, Unit, h264, stream_of

Render = Callable[..., Path]

SWALLOWED = Undecodable("the decoder made no picture of it")


def open_video(path: Path) -> tuple[av.container.InputContainer, VideoStream]:
    container = av.open(str(path))
    return container, container.streams.video[0]


def no_picture(stream: VideoStream) -> "av.Packet[VideoStream]":
    packet = cast("av.Packet[VideoStream]", av.Packet(b"\x00\x00\x10\x00 no picture"))
    packet.stream = stream
    return packet


def test_pictures_held_back_come_at_the_flush(clip: Path) -> None:
    container, stream = open_video(clip)
    with container:
        decoder: Decoder[None] = Decoder(stream)
        before = [r for p in container.demux(stream) if p.size for r in decoder.decode(p, None)]
        after = decoder.flush()
    assert after
    assert len(before) + len(after) == 24
    assert not [r for r in before + after if isinstance(r, Undecodable)]


def test_a_unit_that_cannot_be_decoded_says_why(clip: Path) -> None:
    container, stream = open_video(clip)
    with container:
        decoder: Decoder[None] = Decoder(stream)
        packets = [p for p in container.demux(stream) if p.size]
        broken = no_picture(stream)
        results = decoder.decode(packets[0], None) + decoder.decode(broken, None) + decoder.flush()
    reasons = [r.reason for r in results if isinstance(r, Undecodable)]
    assert reasons == ["Invalid data found when processing input"]
    assert len(results) == 2


def test_a_unit_that_is_swallowed_is_given_up_after_the_longest_delay(render: Render) -> None:
    path = render("c.mkv", frames=LONGEST_DELAY + 4, options={"bf": "0", "g": "100"})
    container, stream = open_video(path)
    with container:
        decoder: Decoder[None] = Decoder(stream)
        packets = [p for p in container.demux(stream) if p.size]
        # Skipped by the decoder without a word, as it does with what refers to lost pictures.
        stream.codec_context.skip_frame = "ALL"
        assert decoder.decode(packets[0], None) == []
        stream.codec_context.skip_frame = "DEFAULT"
        counts = [decoder.decode(packet, None).count(SWALLOWED) for packet in packets[1:]]
    assert counts[LONGEST_DELAY - 1] == 1
    assert sum(counts[: LONGEST_DELAY - 1]) == 0


def test_a_flush_settles_what_was_swallowed(render: Render) -> None:
    container, stream = open_video(render("c.mkv", frames=3, options={"bf": "0"}))
    with container:
        decoder: Decoder[None] = Decoder(stream)
        stream.codec_context.skip_frame = "ALL"
        early = [r for p in container.demux(stream) if p.size for r in decoder.decode(p, None)]
        late = decoder.flush()
    assert early == []
    assert late == [SWALLOWED] * 3


def test_two_streams_decoded_in_turns_do_not_take_each_others_units(
    clip: Path, render: Render
) -> None:
    other = render("other.mkv", frames=24, options={"bf": "3"})
    (first, first_stream), (second, second_stream) = open_video(clip), open_video(other)
    with first, second:
        decoders: list[Decoder[None]] = [Decoder(each) for each in (first_stream, second_stream)]
        counts = [0, 0]
        for packets in zip(first.demux(first_stream), second.demux(second_stream), strict=True):
            for i, packet in enumerate(packets):
                if packet.size:
                    counts[i] += len(decoders[i].decode(packet, None))
        rest = [decoder.flush() for decoder in decoders]
    assert [count + len(late) for count, late in zip(counts, rest, strict=True)] == [24, 24]
    assert not [r for late in rest for r in late if isinstance(r, Undecodable)]


def test_a_hidden_unit_that_is_broken_harms_nothing(clip: Path) -> None:
    container, stream = open_video(clip)
    with container:
        decoder: Decoder[None] = Decoder(stream)
        broken = no_picture(stream)
        decoder.decode_hidden(broken)
        results = [r for p in container.demux(stream) if p.size for r in decoder.decode(p, None)]
        results += decoder.flush()
    assert len(results) == 24
    assert not [r for r in results if isinstance(r, Undecodable)]


@pytest.mark.parametrize("codec", ["mpeg4", "libvpx", "libx265"])
def test_every_decoder_passes_the_mark_of_a_unit_on(render: Render, codec: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    container, stream = open_video(render("c.mkv", codec=codec, options=options))
    with container:
        decoder: Decoder[None] = Decoder(stream)
        results = [r for p in container.demux(stream) if p.size for r in decoder.decode(p, None)]
        results += decoder.flush()
    pictures = [r.picture for r in results if isinstance(r, Decoded)]
    assert len(results) == len(pictures) == 24
    assert all(picture.opaque is not None for picture in pictures)


def corrupt_marks(stream: Stream, units: Sequence[Unit | None]) -> list[bool]:
    """Of each picture whether the decoder calls it damaged; at each None it is drained."""
    context = av.CodecContext.create(stream.codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    marks = []
    for unit in [*units, None]:
        try:
            pictures = context.decode(None if unit is None else av.Packet(unit.data))
        except av.FFmpegError:
            continue
        marks += [picture.is_corrupt for picture in pictures]
        if unit is None:
            context.flush_buffers()
    return marks


@pytest.mark.parametrize(("codec", "kind"), STREAMS)
def test_what_is_left_out_on_purpose_damages_no_picture(codec: str, kind: str) -> None:
    stream = stream_of(codec, kind)
    units, keys = stream.units, [unit for unit in stream.units if unit.marks.key]
    drained: list[Unit | None] = []
    parts: list[Unit | None] = []
    for place, unit in enumerate(units):
        drained += [None, unit] if unit.marks.key else [unit]
        parts += [None, *units[place : place + 4]] if unit.marks.key else []
    referenced = [unit for unit in units if not unit.marks.disposable]
    ways: list[Sequence[Unit | None]] = [units, keys, drained, parts, referenced, units[30:]]
    for way in ways:
        marks = corrupt_marks(stream, way)
        assert marks
        assert not any(marks)


def test_a_picture_with_a_broken_part_is_called_damaged() -> None:
    stream = h264("no-b")
    broken = []
    for number, unit in enumerate(stream.units):
        data = bytearray(unit.data)
        if number % 20:
            data[len(data) // 2 :] = bytes(byte ^ 0x55 for byte in data[len(data) // 2 :])
        broken.append(unit._replace(data=bytes(data)))
    marks = corrupt_marks(stream, broken)
    assert sum(marks) > DAMAGED_SHARE * len(marks)
    assert not marks[0]
