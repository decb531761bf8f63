"""Findings as lines, as data, and as settings that the daemon takes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.settings import read_settings
from appliance.video.findings import Findings, HardwareTrial
from appliance.video.probe_report import codec_name, report_data, report_lines, settings_lines
from appliance.video.source import StreamInfo
from appliance.video.tally import StampFindings

FOUND = Findings(
    where="rtsp://admin:***@gate/ch1",
    info=StreamInfo("h264", 1920, 1080, 30.0, None, None, live=True),
    timed=True,
    profile="High",
    pixel_format="yuv420p",
    audio=("aac",),
    watched_s=4.0,
    units=100,
    rate=25.0,
    bit_rate=4e6,
    key_frames=3,
    key_distance=50,
    skippable=0.66,
    reorder_depth=2,
    stamps=StampFindings(0, 0, 0, 1.0),
    decode_ms=5.0,
    undecodable=0,
    hardware=(HardwareTrial("cuda", 0.4), HardwareTrial("qsv", None, "no device")),
    transports={"tcp": "", "udp": "no answer within 3 s"},
    sender_ahead_s=-0.05,
)
SECRET = "rtsp://admin:hunter2@gate/ch1"


def test_all_that_was_found_is_a_line() -> None:
    assert report_lines(FOUND, 2) == [
        "rtsp://admin:***@gate/ch1",
        "  video       H.264 High, 1920x1080, yuv420p",
        "  rate        25 frames/s, 30 declared",
        "  key frames  every 50 frames (2.0 s)",
        "  bit rate    4.00 Mbit/s",
        "  skipping    66% of the frames can be left out before decoding",
        "  decoding    5.0 ms of CPU a frame, 12.5% of a core; this machine's 2 cores decode 16 "
        "such cameras in full, with no model running",
        "  hardware    cuda: 0.4 ms of CPU a frame; qsv: no device",
        "  transports  tcp works, udp: no answer within 3 s",
        "  times       stamps in order; sender reports: its clock is 0.05 s behind ours",
        "  audio       aac",
        "  watched     4.0 s, 100 frames",
    ]


def test_what_was_not_found_is_said_too() -> None:
    little = replace(
        FOUND,
        info=replace(FOUND.info, rate=None),
        profile="",
        audio=(),
        rate=None,
        bit_rate=None,
        key_frames=1,
        key_distance=None,
        skippable=0.0,
        decode_ms=None,
        hardware=(),
        transports={},
        timed=False,
    )
    lines = [line[14:] for line in report_lines(little, 1)[1:]]
    assert lines == [
        "H.264, 1920x1080, yuv420p",
        "unknown, none declared",
        "1 in 4.0 s",
        "unknown",
        "no frame can be left out before decoding, but for all between two key frames",
        "no frame could be decoded",
        "none found for this codec",
        "no time stamps; frames are dated by their arrival",
        "none",
        "4.0 s, 100 frames",
    ]


def test_a_stream_of_pictures_by_themselves_can_leave_out_any() -> None:
    lines = report_lines(replace(FOUND, key_distance=1, decode_ms=0.1), 2)
    assert lines[3] == "  key frames  every frame"
    assert lines[5] == "  skipping    every frame can be left out before decoding"
    assert "decode more than 100 such cameras" in lines[6]


def test_sender_reports_that_do_not_come_are_said_of_rtsp() -> None:
    assert report_lines(replace(FOUND, sender_ahead_s=None), 2)[9].endswith(
        "stamps in order; no sender report came"
    )


def test_data_is_plain_and_without_a_password() -> None:
    data = report_data(FOUND, 2, SECRET)
    text = json.dumps(data)
    assert "hunter2" not in text
    assert data["source"] == "rtsp://admin:***@gate/ch1"
    assert (data["codec"], data["rate"], data["key_distance_s"]) == ("h264", 25.0, 2.0)
    assert data["hardware"][1] == {"name": "qsv", "decode_ms": None, "problem": "no device"}
    assert data["cameras_possible"] == 16
    assert len(data["recommendations"]) == 4


def test_a_password_is_kept_out_of_the_settings() -> None:
    assert settings_lines(SECRET, FOUND) == [
        "cameras:",
        "  camera:",
        "    url: !secret camera_url  # secrets.yaml beside this file: "
        'camera_url: "rtsp://admin:***@gate/ch1"',
    ]


def test_a_camera_that_speaks_udp_only_is_declared_so() -> None:
    found = replace(FOUND, transports={"tcp": "refused", "udp": ""})
    assert settings_lines("rtsp://gate/ch1", found)[2:] == [
        "    url: rtsp://gate/ch1",
        "    transport: udp",
    ]


@pytest.mark.parametrize(
    "uri", ["rtsp://gate/ch1?x=1&y=2", "/clips/a b: c #1.mp4", "http://gate/$video", SECRET]
)
def test_the_settings_are_taken_by_the_daemon(tmp_path: Path, uri: str) -> None:
    text = "\n".join(["version: 1", *settings_lines(uri, FOUND), ""])
    (tmp_path / "appliance.yaml").write_text(text, "utf-8")
    (tmp_path / "secrets.yaml").write_text(f"camera_url: {SECRET}\n", "utf-8")
    assert read_settings(tmp_path / "appliance.yaml").cameras["camera"].url == uri


def test_codecs_have_the_names_that_people_know() -> None:
    assert [codec_name(each) for each in ("hevc", "mjpeg", "vp8")] == ["H.265", "MJPEG", "vp8"]
