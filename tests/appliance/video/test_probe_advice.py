"""What is recommended of findings, each sentence where it belongs and nowhere else."""

from dataclasses import replace

import pytest

from appliance.video.findings import Findings, HardwareTrial
from appliance.video.probe_advice import cameras_possible, recommendations
from appliance.video.source import StreamInfo
from appliance.video.tally import StampFindings

INFO = StreamInfo("h264", 640, 360, 25.0, None, None, live=True)
GOOD = Findings(
    where="rtsp://admin:***@gate/ch1",
    info=INFO,
    timed=True,
    profile="Main",
    pixel_format="yuv420p",
    audio=(),
    watched_s=4.0,
    units=100,
    rate=25.0,
    bit_rate=1e6,
    key_frames=3,
    key_distance=25,
    skippable=0.0,
    reorder_depth=0,
    stamps=StampFindings(0, 0, 0, 1.0),
    decode_ms=1.0,
    undecodable=0,
    transports={"tcp": "", "udp": ""},
    sender_ahead_s=0.02,
)
HEAVY = replace(GOOD, info=replace(INFO, width=1920, height=1080), decode_ms=5.0)


def only(found: Findings) -> str:
    """The single recommendation."""
    (sentence,) = recommendations(found, 2)
    return sentence


def test_a_good_camera_is_left_alone() -> None:
    assert recommendations(GOOD, 2) == ()


def test_cameras_are_counted_by_what_decoding_costs() -> None:
    assert cameras_possible(HEAVY, 2) == 16
    assert cameras_possible(HEAVY, 4) == 32
    assert cameras_possible(replace(GOOD, decode_ms=None), 2) is None


def test_a_long_key_distance_is_shortened() -> None:
    assert only(replace(GOOD, key_distance=250)) == (
        "Set the camera's key frame interval to 1 to 2 s: now it is 10.0 s, so that after a lost "
        "packet or a new connection the picture may be damaged or missing for so long, and where "
        "decoding is short one frame in 10.0 s is all that is left."
    )


def test_a_key_distance_that_was_not_seen_is_said_by_the_time() -> None:
    unseen = replace(GOOD, key_distance=None, key_frames=1, watched_s=10.0)
    assert "no two key frames came in 10 s" in only(unseen)
    assert recommendations(replace(unseen, watched_s=1.0), 2) == ()


def test_a_costly_stream_names_its_cost_and_the_sub_stream() -> None:
    assert only(HEAVY) == (
        "Use the camera's sub stream (about 640x360) where it shows enough: 1920x1080 at 25/s "
        "costs 5.0 ms of CPU a frame, 12% of a core; this machine's 2 cores can decode 16 such "
        "cameras and then have nothing left for models."
    )


def test_h265_is_named_where_it_costs() -> None:
    heavy = recommendations(replace(HEAVY, info=replace(HEAVY.info, codec="hevc")), 1)
    assert len(heavy) == 2
    assert "this machine's one core can decode 8 such" in heavy[0]
    assert heavy[1].startswith("Choose H.264 at the camera")
    assert recommendations(replace(GOOD, info=replace(INFO, codec="hevc")), 2) == ()


def test_hardware_that_works_makes_the_load_no_matter() -> None:
    trials = (HardwareTrial("cuda", 0.4), HardwareTrial("qsv", None, "no device"))
    assert only(replace(HEAVY, hardware=trials)) == (
        "Leave hardware decoding on: cuda decodes a frame for 0.4 ms of CPU."
    )


def test_b_frames_are_weighed_by_delay_and_skipping() -> None:
    assert only(replace(GOOD, reorder_depth=2, skippable=0.5)) == (
        "Turn B-frames off at the camera where latency counts: they delay each picture by 80 ms; "
        "keep them where decoding is short, since 50% of the frames can be left out undecoded."
    )
    assert only(replace(GOOD, reorder_depth=1)).endswith("by 40 ms.")


@pytest.mark.parametrize(
    ("transports", "sentence"),
    [
        ({"tcp": "refused", "udp": ""}, "Set `transport: udp` for this camera"),
        ({"tcp": "", "udp": "no answer"}, "Leave the transport as it is, TCP"),
    ],
)
def test_a_transport_that_does_not_work_is_avoided(
    transports: dict[str, str], sentence: str
) -> None:
    assert only(replace(GOOD, transports=transports)).startswith(sentence)


def test_stamps_that_are_not_sane_are_named() -> None:
    stamps = StampFindings(missing=0, backward=2, jumps=1, pace=1.0)
    assert "(2 backward, 1 jumping)" in only(replace(GOOD, stamps=stamps))
    fast = only(replace(GOOD, stamps=StampFindings(0, 0, 0, 1.2)))
    assert "(1.20 s for each second that passes)" in fast
    assert recommendations(replace(GOOD, stamps=stamps, timed=False), 2) == ()


@pytest.mark.parametrize(
    ("ahead_s", "words"), [(37.2, "37 s ahead of this machine's"), (-90.0, "90 s behind this")]
)
def test_a_camera_whose_clock_is_off_is_to_be_set(ahead_s: float, words: str) -> None:
    sentence = only(replace(GOOD, sender_ahead_s=ahead_s))
    assert sentence.startswith("Set the camera's clock by NTP: ")
    assert words in sentence


def test_a_rate_that_is_not_as_declared_needs_nothing() -> None:
    assert only(replace(GOOD, rate=12.5, key_distance=12)).startswith(
        "Nothing is to be done about the rate: it declares 25 frames/s and delivers 12.5"
    )
    assert recommendations(replace(GOOD, rate=24.5), 2) == ()


def test_mjpeg_is_told_with_what_it_takes() -> None:
    mjpeg = replace(GOOD, info=replace(INFO, codec="mjpeg"), key_distance=1, bit_rate=12e6)
    assert "MJPEG takes 12.0 Mbit/s here" in only(mjpeg)


def test_losses_and_odd_formats_come_first() -> None:
    found = replace(GOOD, ended="the camera hangs", undecodable=3, pixel_format="yuv422p10le")
    first, second, third = recommendations(found, 2)
    assert first == "Look after the connection first: the camera hangs."
    assert second.startswith("Look for losses on the network: 3 of 100 frames")
    assert "is converted from yuv422p10le" in third


def test_a_file_is_not_a_camera() -> None:
    clip = replace(HEAVY, info=replace(HEAVY.info, live=False), key_distance=250, reorder_depth=2)
    assert recommendations(clip, 2) == ()
