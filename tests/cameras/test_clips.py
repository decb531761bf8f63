"""Clips of every codec decode to pictures that say their numbers."""

from itertools import pairwise

import av
import cv2
import numpy as np
import pytest

from blocks.data import Image, Pixels
from tests.cameras.clip_file import Clip, Codec
from tests.cameras.clips import ClipSpec, Scene, clip, clip_file, draw_number, read_number

DECODERS: dict[Codec, str] = {"h264": "h264", "h265": "hevc", "mjpeg": "mjpeg"}


def decoded(made: Clip) -> list[av.VideoFrame]:
    context = av.VideoCodecContext.create(DECODERS[made.codec], "r")
    assert isinstance(context, av.VideoCodecContext)
    frames = [f for unit in made.units for f in context.decode(av.Packet(unit.data))]
    return [*frames, *context.decode(None)]


def bgr(frame: av.VideoFrame) -> Pixels:
    return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def numbers(made: Clip) -> list[int | None]:
    return [read_number(bgr(frame)) for frame in decoded(made)]


@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
@pytest.mark.parametrize("scene", ["plain", "still", "moving"])
def test_every_picture_says_its_number_after_compression(codec: Codec, scene: Scene) -> None:
    spec = ClipSpec(codec, 320, 240, 30, gop=10, scene=scene, first_number=40_000)
    assert numbers(clip(spec)) == list(range(40_000, 40_030))


def test_a_low_bit_rate_leaves_the_numbers_readable() -> None:
    spec = ClipSpec(width=640, height=360, frames=50, scene="moving", bit_rate=200_000)
    assert numbers(clip(spec)) == list(range(50))


def test_key_frames_are_as_far_apart_as_asked() -> None:
    made = clip(ClipSpec(frames=60, gop=12, scene="moving"))
    assert [i for i, unit in enumerate(made.units) if unit.key] == [0, 12, 24, 36, 48]
    assert made.next_key(13) == 24
    assert made.next_key(49) == 0


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_b_frames_stand_in_the_order_of_decoding(codec: Codec) -> None:
    made = clip(ClipSpec(codec, frames=40, gop=20, b_frames=2, scene="moving"))
    places = [unit.place for unit in made.units]
    assert sorted(places) == list(range(40))
    assert sum(b < a for a, b in pairwise(places)) >= 10
    assert 0 < made.delay <= 3
    assert numbers(made) == list(range(40))


def test_the_stream_declares_its_rate() -> None:
    made = clip(ClipSpec(rate=29.97, frames=5))
    context = av.CodecContext.create("h264", "r")
    context.decode(av.Packet(made.units[0].data))
    context.decode(None)
    assert isinstance(context, av.VideoCodecContext)
    assert context.framerate is not None
    assert float(context.framerate) == pytest.approx(29.97, abs=0.01)


def test_a_moving_scene_is_worth_decoding_and_a_still_one_small() -> None:
    scenes: tuple[Scene, ...] = ("still", "moving")
    later = {
        scene: sum(len(u.data) for u in clip(ClipSpec(frames=25, scene=scene)).units[1:])
        for scene in scenes
    }
    assert later["moving"] > 4 * later["still"]


def test_a_clip_is_made_once() -> None:
    spec = ClipSpec(frames=3)
    path = clip_file(spec)
    made_ns = path.stat().st_mtime_ns
    assert clip_file(spec) == path
    assert path.stat().st_mtime_ns == made_ns
    assert [unit.number for unit in clip(spec).units] == [0, 1, 2]


@pytest.mark.parametrize("number", [0, 1, 0x5555, 0xFFFF])
def test_a_number_survives_a_change_of_size(number: int) -> None:
    luma = np.full((480, 640), 100, np.uint8)
    draw_number(luma, number)
    small = cv2.resize(luma, (220, 160), interpolation=cv2.INTER_AREA)
    for plane in (luma, small):
        bgr = cv2.merge([plane, plane, plane])
        assert read_number(np.asarray(bgr, np.uint8)) == number
        assert read_number(Image.from_bgr(np.asarray(bgr, np.uint8))) == number


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_picture_without_squares_has_no_number(shade: int) -> None:
    assert read_number(np.full((240, 320, 3), shade, np.uint8)) is None


def test_one_wrong_square_is_noticed() -> None:
    luma = np.full((240, 320), 100, np.uint8)
    draw_number(luma, 1234)
    luma[:14, 33:41] = 251 - luma[:14, 33:41]
    luma[:14, 41:44] = luma[0, 40]
    bgr = cv2.merge([luma, luma, luma])
    assert read_number(np.asarray(bgr, np.uint8)) is None
