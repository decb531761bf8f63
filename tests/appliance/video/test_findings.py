"""What is reckoned from findings."""

from dataclasses import replace

import pytest

from appliance.video.findings import Findings
from appliance.video.source import StreamInfo
from appliance.video.tally import StampFindings

FOUND = Findings(
    where="x.mp4",
    info=StreamInfo("h264", 640, 360, 25.0, None, None, live=False),
    timed=True,
    profile="",
    pixel_format="yuv420p",
    audio=(),
    watched_s=4.0,
    units=100,
    rate=12.5,
    bit_rate=None,
    key_frames=2,
    key_distance=50,
    skippable=0.0,
    reorder_depth=0,
    stamps=StampFindings(0, 0, 0, None),
    decode_ms=8.0,
    undecodable=0,
)


def test_the_load_and_the_key_distance_go_by_the_rate_that_is_delivered() -> None:
    assert FOUND.load == pytest.approx(0.1)
    assert FOUND.key_distance_s == 4.0


def test_without_a_rate_nothing_is_reckoned() -> None:
    found = replace(FOUND, rate=None)
    assert (found.load, found.key_distance_s) == (None, None)
    assert replace(FOUND, key_distance=None).key_distance_s is None
    assert replace(FOUND, decode_ms=None).load is None
