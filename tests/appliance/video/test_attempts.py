"""What libav is told of a source, without opening any."""

import pytest

from appliance.video.attempts import device_attempts, network_attempts
from appliance.video.source import SourceOptions

PLAIN = SourceOptions()


@pytest.mark.parametrize(
    ("scheme", "transport", "tried"),
    [
        ("rtsp", "auto", ["tcp", "udp"]),
        ("rtsp", "tcp", ["tcp"]),
        ("rtsp", "udp", ["udp"]),
        ("rtsps", "auto", ["tcp"]),
        ("rtsps", "udp", ["tcp"]),
    ],
)
def test_the_transports_of_rtsp_are_tried_in_order(
    scheme: str, transport: str, tried: list[str]
) -> None:
    given = SourceOptions(transport=transport)  # type: ignore[arg-type]  # one of the three
    attempts = network_attempts(f"{scheme}://c/1", given)
    assert [each.options["rtsp_transport"] for each in attempts] == tried
    assert all(each.probes_fast and each.silence_s == 5.0 for each in attempts)


def test_udp_has_room_for_key_frames_and_puts_packets_in_order() -> None:
    tcp, udp = network_attempts("rtsp://c/1", PLAIN)
    assert (udp.options["buffer_size"], udp.options["reorder_queue_size"]) == ("4194304", "500")
    assert "buffer_size" not in tcp.options
    (raw,) = network_attempts("udp://239.0.0.1:5000", PLAIN)
    assert raw.options == {"buffer_size": "4194304", "overrun_nonfatal": "1"}


def test_low_latency_is_asked_of_rtsp_only_and_probed_once() -> None:
    given = SourceOptions(low_latency=True)
    attempts = network_attempts("rtsp://c/1", given)
    assert [each.options["fflags"] for each in attempts] == ["noparse+nofillin"] * 2
    assert [each.options["probesize"] for each in attempts] == ["32768"] * 2
    assert not any(each.probes_fast for each in attempts)
    assert "fflags" not in network_attempts("http://c/1", given)[0].options


def test_a_playlist_begins_at_its_end_and_may_be_silent_for_a_segment() -> None:
    (playlist,) = network_attempts("https://c/live/index.M3U8?key=1", PLAIN)
    assert playlist.options == {
        "user_agent": "vision-appliance",
        "live_start_index": "-1",
        "seg_max_retry": "3",
    }
    assert playlist.silence_s == 30.0
    (patient,) = network_attempts("http://c/a.m3u8", SourceOptions(silence_s=60.0))
    assert patient.silence_s == 60.0


def test_plain_http_never_connects_again_by_itself() -> None:
    (attempt,) = network_attempts("http://c/video.cgi", PLAIN)
    assert attempt.options == {"user_agent": "vision-appliance"}
    assert attempt.silence_s == 5.0


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("rtsp://u:p@w:x@c:554/1", "rtsp://u:p%40w%3Ax@c:554/1"),
        ("rtsp://u:p/w?#@c/1", "rtsp://u:p%2Fw%3F%23@c/1"),
        ("rtsp://u:p%40w@c/1", "rtsp://u:p%40w@c/1"),
        ("http://u:100%@c/1", "http://u:100%25@c/1"),
        ("https://me@home:pw@c/1", "https://me%40home:pw@c/1"),
        ("rtsp://u@c/1", "rtsp://u@c/1"),
        ("rtsp://c/1@2", "rtsp://c/1@2"),
        ("rtmp://u:p@w@c/1", "rtmp://u:p@w@c/1"),
    ],
)
def test_a_password_may_be_percent_encoded_or_not(uri: str, address: str) -> None:
    assert network_attempts(uri, PLAIN)[0].address == address


def test_a_device_is_asked_for_size_and_rate() -> None:
    (attempt,) = device_attempts("/dev/video0", SourceOptions(size=(640, 480), rate=12.5))
    assert attempt.options == {"video_size": "640x480", "framerate": "12.5"}
    assert (attempt.address, attempt.format) == ("/dev/video0", "v4l2")
    assert device_attempts("/dev/video0", PLAIN)[0].options == {}


def test_large_pictures_of_a_device_are_asked_for_as_jpeg_first() -> None:
    first, second = device_attempts("/dev/video0", SourceOptions(size=(1280, 720)))
    assert first.options == {"video_size": "1280x720", "input_format": "mjpeg"}
    assert second.options == {"video_size": "1280x720"}
