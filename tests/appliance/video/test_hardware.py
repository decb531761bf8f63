"""The choice of a hardware decoder, and the return to software; untested on hardware itself."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import av
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from appliance.video import hardware
from appliance.video.hardware import (
    FAILURES_BEFORE_A_KEY,
    LONGEST_KEY_DISTANCE,
    MOST_SWALLOWED,
    Decoding,
    Devices,
    FallibleDecoder,
    HardwareChoice,
    HardwareDecoder,
    HardwareError,
    candidates,
    find_devices,
)

NO_DEVICES = Devices(frozenset(), frozenset(), frozenset(), ())
EVERYTHING = Devices(
    kinds=frozenset({"cuda", "vaapi", "drm", "qsv"}),
    decoders=frozenset(
        {"h264", "h264_v4l2m2m", "h264_qsv", "h264_cuvid", "h264_rkmpp", "mpeg2_v4l2m2m"}
    ),
    accelerated=frozenset({("h264", "cuda"), ("h264", "vaapi"), ("hevc", "vaapi")}),
    nodes=(
        "/dev/nvidia0",
        "/dev/dri/renderD128",
        "/dev/dri/renderD129",
        "/dev/mpp_service",
        "/dev/video11",
    ),
)
# Takes H.264 and makes nothing of it.
WRONG = HardwareDecoder("wrong", "hevc")
# What a working device looks like from here.
RIGHT = HardwareDecoder("right", "h264")
GONE = HardwareDecoder("gone", "h264_of_no_device")

Offer = Callable[..., HardwareChoice]


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """A choice among the given decoders, in their order."""

    def choose(*decoders: Any) -> HardwareChoice:
        monkeypatch.setattr(hardware, "candidates", lambda *_: decoders)
        return HardwareChoice("auto", lambda: NO_DEVICES)

    return choose


@pytest.fixture
def stream(clip: Path) -> Iterator[VideoStream]:
    with av.open(str(clip)) as container:
        yield container.streams.video[0]


@pytest.fixture
def expected(clip: Path) -> list[int | None]:
    """The stamps of the pictures, as software gives them."""
    with av.open(str(clip)) as container:
        return [picture.pts for picture in container.decode(video=0)]


def opened(choice: HardwareChoice, stream: VideoStream) -> FallibleDecoder:
    return choice.open(stream, lambda context: None)


def packets_of(stream: VideoStream) -> list["av.Packet[VideoStream]"]:
    container = cast("av.container.InputContainer", stream.container)
    return [packet for packet in container.demux(stream) if packet.size]


def stamps_of(decoder: FallibleDecoder, stream: VideoStream) -> list[int | None]:
    pictures = [each for packet in packets_of(stream) for each in decoder.decode(packet)]
    return [each.pts for each in [*pictures, *decoder.decode(None)]]


def names(found: Sequence[HardwareDecoder]) -> list[str]:
    return [each.name for each in found]


def test_where_there_is_no_device_there_is_nothing_to_try() -> None:
    assert candidates("h264", "auto", NO_DEVICES) == ()
    nodes_alone = Devices(frozenset(), frozenset({"h264"}), frozenset(), EVERYTHING.nodes)
    assert candidates("h264", "auto", nodes_alone) == ()


def test_the_best_is_tried_first_and_each_render_node_by_itself() -> None:
    found = candidates("h264", "auto", EVERYTHING)
    assert names(found) == ["cuda", "vaapi", "vaapi", "rkmpp", "v4l2m2m", "qsv"]
    assert found[1] == HardwareDecoder("vaapi", "h264", "vaapi", "/dev/dri/renderD128")
    assert found[2].device == "/dev/dri/renderD129"
    assert found[4] == HardwareDecoder("v4l2m2m", "h264_v4l2m2m")


def test_only_what_can_decode_the_codec_is_offered() -> None:
    assert names(candidates("hevc", "auto", EVERYTHING)) == ["vaapi", "vaapi"]
    assert names(candidates("mpeg2video", "auto", EVERYTHING)) == ["v4l2m2m"]
    assert candidates("mjpeg", "auto", EVERYTHING) == ()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("off", []),
        ("v4l2m2m", ["h264_v4l2m2m"]),
        ("h264_qsv", ["h264_qsv"]),
        ("cuvid", ["h264_cuvid"]),
        ("vaapi", ["h264", "h264"]),
        ("vulkan", []),
    ],
)
def test_a_decoder_may_be_wanted_by_its_name(wanted: str, found: list[str]) -> None:
    assert [each.decoder for each in candidates("h264", wanted, EVERYTHING)] == found


def test_the_devices_of_a_machine_are_found_by_their_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nvidia0", "nvidiactl", "dri/card0", "dri/renderD128", "video0", "video10"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(hardware, "is_codec", lambda node: node.name == "video10")
    found = find_devices(tmp_path)
    assert found.nodes == ("/dev/nvidia0", "/dev/dri/renderD128", "/dev/video10")
    assert "h264" in found.decoders


def test_a_machine_without_devices_is_not_asked_what_libav_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(av, "codecs_available")
    assert find_devices(tmp_path) == NO_DEVICES


@pytest.mark.parametrize(
    ("capabilities", "of_device", "codec"),
    [(0x84200000, 0x04208000, True), (0x84208000, 0, True), (0x85200001, 0x04200001, False)],
)
def test_a_codec_is_told_from_a_camera_by_its_capabilities(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capabilities: int,
    of_device: int,
    codec: bool,
) -> None:
    answer = bytes(84) + capabilities.to_bytes(4, "little") + of_device.to_bytes(4, "little")
    monkeypatch.setattr("fcntl.ioctl", lambda *_: answer + bytes(12))
    (tmp_path / "video10").touch()
    assert hardware.is_codec(tmp_path / "video10") is codec


def test_a_file_that_is_no_device_is_no_codec(tmp_path: Path) -> None:
    (tmp_path / "video0").touch()
    assert not hardware.is_codec(tmp_path / "video0")
    assert not hardware.is_codec(tmp_path / "video1")


def test_hardware_that_works_gives_the_same_pictures(
    offer: Offer, stream: VideoStream, expected: list[int | None]
) -> None:
    choice = offer(RIGHT)
    decoder = opened(choice, stream)
    assert decoder.context is not stream.codec_context
    assert stamps_of(decoder, stream) == expected
    assert choice.decoding == Decoding("right", "")


def test_a_decoder_that_cannot_be_opened_leaves_software(
    offer: Offer, stream: VideoStream, expected: list[int | None]
) -> None:
    choice = offer(GONE)
    decoder = opened(choice, stream)
    assert decoder.context is stream.codec_context
    assert stamps_of(decoder, stream) == expected
    assert choice.decoding.name == "software"
    assert choice.decoding.reason.startswith("gone: the device cannot be opened: ")


def test_a_kind_of_device_that_this_build_does_not_know_is_a_sentence(stream: VideoStream) -> None:
    with pytest.raises(HardwareError, match="this build of libav cannot decode h264 so"):
        HardwareDecoder("videotoolbox", "h264", "videotoolbox").open(stream)


def test_a_decoder_that_fails_on_its_first_unit_loses_no_picture(
    offer: Offer, stream: VideoStream, expected: list[int | None]
) -> None:
    choice = offer(WRONG)
    decoder = opened(choice, stream)
    assert choice.decoding.name == "wrong"
    assert stamps_of(decoder, stream) == expected
    assert decoder.context is stream.codec_context
    assert choice.decoding.name == "software"
    assert choice.decoding.reason.startswith("wrong: it cannot decode this stream: ")


def test_the_next_best_is_tried_before_software(
    offer: Offer, stream: VideoStream, expected: list[int | None]
) -> None:
    choice = offer(GONE, WRONG, RIGHT)
    assert stamps_of(opened(choice, stream), stream) == expected
    assert choice.decoding.name == "right"
    assert choice.decoding.reason.startswith("wrong: ")


def test_what_has_failed_is_not_tried_again_when_the_camera_comes_back(
    offer: Offer, clip: Path
) -> None:
    choice = offer(WRONG)
    contexts = []
    for _ in range(2):
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            decoder = opened(choice, stream)
            contexts.append(decoder.context is stream.codec_context)
            stamps_of(decoder, stream)
    assert contexts == [False, True]
    assert choice.decoding.reason.startswith("wrong: ")


def test_each_context_is_set_up_and_keeps_the_level_of_skipping(
    offer: Offer, stream: VideoStream
) -> None:
    prepared: list[VideoCodecContext] = []
    decoder = offer(Stub(["lost"])).open(stream, prepared.append)
    decoder.context.skip_frame = "NONREF"
    decoder.decode(packets_of(stream)[0])
    assert len(prepared) == 2
    assert prepared[1] is decoder.context
    assert decoder.context.skip_frame == "NONREF"


def test_units_before_the_first_key_frame_condemn_no_decoder(
    offer: Offer, stream: VideoStream
) -> None:
    choice = offer(WRONG)
    decoder = opened(choice, stream)
    with pytest.raises(av.FFmpegError):
        decoder.decode(packets_of(stream)[1])
    assert choice.decoding.name == "wrong"


def damaged() -> "av.Packet[VideoStream]":
    return cast("av.Packet[VideoStream]", av.Packet(b"\xff" * 64))


def test_a_unit_that_nothing_can_decode_is_an_error(offer: Offer, stream: VideoStream) -> None:
    choice = offer(WRONG)
    decoder = opened(choice, stream)
    unit = damaged()
    unit.is_keyframe = True
    with pytest.raises(av.FFmpegError):
        decoder.decode(unit)
    assert choice.decoding.name == "software"


def test_what_earlier_units_bring_out_is_not_lost_with_a_damaged_one(
    offer: Offer, stream: VideoStream
) -> None:
    units = packets_of(stream)
    decoder = opened(offer(Stub([0] * len(units) + ["lost"])), stream)
    assert [decoder.decode(unit) for unit in units] == [[]] * len(units)
    assert len(decoder.decode(damaged())) >= len(units) - 4


def test_a_stream_whose_key_frames_are_not_seen_is_not_given_to_a_wrong_decoder_for_ever(
    offer: Offer, stream: VideoStream
) -> None:
    choice = offer(WRONG)
    decoder = opened(choice, stream)
    other = packets_of(stream)[1]
    for _ in range(LONGEST_KEY_DISTANCE):
        with pytest.raises(av.FFmpegError):
            decoder.decode(other)
    assert choice.decoding.name == "wrong"
    with suppress(av.FFmpegError):
        decoder.decode(other)
    assert choice.decoding.name == "software"


@dataclass
class Stub:
    """A device that does for each unit what it is told to: a number of pictures, or an error."""

    acts: list[int | str]
    name: str = "stub"
    format: Any = field(default_factory=lambda: SimpleNamespace(name="nv12", components=(1, 2)))
    skip_frame: str = "DEFAULT"

    def __hash__(self) -> int:
        return id(self)

    def open(self, stream: VideoStream) -> "Stub":
        return self

    def decode(self, packet: object) -> list[Any]:
        act = self.acts.pop(0)
        if isinstance(act, str):
            raise av.error.InvalidDataError(1, act)
        return [SimpleNamespace(pts=None, format=self.format)] * act


def acts_until_software(choice: HardwareChoice, stream: VideoStream) -> int | None:
    """How many units the device is given before software takes over; None: never."""
    decoder = opened(choice, stream)
    key, other, *_ = packets_of(stream)
    for number in range(1, 200):
        with suppress(av.FFmpegError):
            decoder.decode(key if number == 1 or number % 25 == 0 else other)
        if choice.decoding.name == "software":
            return number
    return None


def test_a_device_that_is_lost_is_given_up_at_the_next_key_frame(
    offer: Offer, stream: VideoStream
) -> None:
    stub = Stub([1] * 10 + ["lost"] * 100)
    assert acts_until_software(offer(stub), stream) == 25


def test_damage_between_two_key_frames_condemns_no_decoder(
    offer: Offer, stream: VideoStream
) -> None:
    harmless: list[int | str] = [1] * 20 + ["damage"] * FAILURES_BEFORE_A_KEY + [1] * 176
    assert acts_until_software(offer(Stub(harmless)), stream) is None


def test_a_decoder_that_makes_no_pictures_is_given_up(offer: Offer, stream: VideoStream) -> None:
    stub = Stub([0] * 100)
    choice = offer(stub)
    assert acts_until_software(choice, stream) == MOST_SWALLOWED
    assert choice.decoding.reason == "stub: it made no picture of 64 units"


def test_pictures_that_stay_on_the_device_are_no_pictures(
    offer: Offer, stream: VideoStream
) -> None:
    stub = Stub([1], format=SimpleNamespace(name="drm_prime", components=()))
    choice = offer(stub)
    assert acts_until_software(choice, stream) == 1
    assert choice.decoding.reason == "stub: its pictures stay on the device, as drm_prime"


def test_a_decoder_that_is_wanted_and_not_there_is_said(
    stream: VideoStream, expected: list[int | None]
) -> None:
    choice = HardwareChoice("vaapi", lambda: NO_DEVICES)
    assert stamps_of(opened(choice, stream), stream) == expected
    assert choice.decoding == Decoding(
        "software", "there is no hardware decoder 'vaapi' for h264 here (this machine has none)"
    )


def test_where_hardware_is_off_no_device_is_looked_for(stream: VideoStream) -> None:
    def look() -> Devices:
        raise AssertionError("no device is looked for")

    choice = HardwareChoice("off", look)
    assert opened(choice, stream).context is stream.codec_context
    assert choice.decoding == Decoding("software", "")
