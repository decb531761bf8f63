"""What a probe finds of files, of HTTP, and of cameras over RTSP."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.clock import Clock, SystemClock
from appliance.video import probe as module
from appliance.video.errors import VideoError
from appliance.video.hardware import Devices, HardwareDecoder
from appliance.video.probe import probe
from appliance.video.probe_greeting import greet
from appliance.video.source import SourceOptions
from tests.cameras.camera import RtspServer
from tests.cameras.clips import ClipSpec

Render = Callable[..., Path]

NO_DEVICES = Devices(frozenset(), frozenset(), frozenset(), ())
SHOWN = "rtsp://admin:***@127.0.0.1"


class CountingClock(SystemClock):
    """Its thread computes a millisecond each time it is asked how much it has."""

    def __init__(self) -> None:
        self._asked = 0

    def cpu_s(self) -> float:
        self._asked += 1
        return self._asked / 1000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    with RtspServer(tmp_path_factory.mktemp("rtsp"), ("admin", "hunter2")) as running:
        yield running


def test_a_file_is_described(render: Render) -> None:
    path = render("x.mp4", frames=75, options={"bf": "0", "g": "12", "sc_threshold": "0"})
    found = probe(str(path), CountingClock(), find=lambda: NO_DEVICES)
    assert found.where == str(path)
    assert (found.info.codec, found.info.width, found.info.height) == ("h264", 160, 120)
    assert (found.profile, found.pixel_format) == ("High", "yuv420p")
    assert found.rate == pytest.approx(25.0)
    assert found.key_distance == 12
    assert found.key_distance_s == pytest.approx(12 / 25)
    assert (found.reorder_depth, found.skippable) == (0, 0.0)
    assert found.stamps.sane
    assert found.decode_ms == pytest.approx(1.0)
    assert found.load == pytest.approx(0.025)
    assert (found.undecodable, found.audio, found.hardware, found.transports) == (0, (), (), {})
    assert found.ended == ""


def test_three_key_frames_and_two_seconds_are_enough(render: Render) -> None:
    path = render("x.mp4", frames=250, options={"bf": "0", "g": "10", "sc_threshold": "0"})
    assert probe(str(path), SystemClock()).units == 51
    assert probe(str(path), SystemClock(), seconds=1.0).units == 26


def test_frames_that_can_be_left_out_are_found(clip: Path) -> None:
    found = probe(str(clip), SystemClock())
    assert found.reorder_depth == 1
    assert found.skippable == 9 / 24


def test_a_camera_without_stamps_goes_by_arrival(camera_server: str) -> None:
    found = probe(f"{camera_server}/live/40", SystemClock())
    assert (found.info.codec, found.timed, found.units) == ("mjpeg", False, 40)
    assert (found.key_distance, found.skippable) == (1, 1.0)
    assert found.stamps.missing == 40


def test_a_refusal_names_the_source_without_its_password(camera_server: str) -> None:
    address = camera_server.replace("http://", "http://admin:hunter2@")
    shown = camera_server.replace("http://", "http://admin:***@")
    with pytest.raises(VideoError) as caught:
        probe(f"{address}/404", SystemClock())
    assert str(caught.value).startswith(f"{shown}/404: there is nothing at this path (404)")


def test_units_that_cannot_be_decoded_are_counted(tmp_path: Path) -> None:
    (tmp_path / "x.mjpeg").write_bytes(b"\xff\xd8\xff\xd9" * 3)
    found = probe(str(tmp_path / "x.mjpeg"), SystemClock())
    assert (found.units, found.undecodable, found.decode_ms, found.load) == (3, 3, None, None)


def test_a_source_that_sends_no_picture_is_refused(clip: Path, tmp_path: Path) -> None:
    content = clip.read_bytes()
    (tmp_path / "x.mp4").write_bytes(content[: content.index(b"mdat") + 4])
    with pytest.raises(VideoError) as caught:
        probe(str(tmp_path / "x.mp4"), SystemClock())
    assert str(caught.value) == (
        f"{tmp_path}/x.mp4: it was opened and sent no picture within 10 s; "
        "check the camera's video settings"
    )


def test_a_mute_camera_does_not_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "greet", lambda uri: greet(uri, patience_s=0.5))
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"rtsp://127.0.0.1:{mute.getsockname()[1]}/gate"
        before_s = SystemClock().monotonic()
        with pytest.raises(VideoError, match="accepts the connection and says nothing within"):
            probe(address, SystemClock(), seconds=1.0)
        assert SystemClock().monotonic() - before_s < 5.0


def test_a_camera_that_is_given_no_user_asks_for_one(server: RtspServer) -> None:
    address = server.add("locked").url()
    with pytest.raises(VideoError) as caught:
        probe(address, SystemClock(), seconds=1.0)
    assert str(caught.value) == (
        f"{address}: it needs a user and a password; write "
        f"{address.replace('://', '://user:password@')}"
    )


def test_a_camera_over_rtsp_is_described(server: RtspServer) -> None:
    camera = server.add("steady", ClipSpec(gop=25), report_every_s=0.5)
    found = probe(camera.url("admin", "hunter2"), SystemClock())
    assert found.where.startswith(SHOWN)
    assert (found.info.codec, found.info.live, found.timed) == ("h264", True, True)
    assert found.rate == pytest.approx(25.0, rel=0.05)
    assert found.key_distance == 25
    assert found.stamps.sane
    assert found.transports == {"tcp": "", "udp": ""}
    assert found.sender_ahead_s == pytest.approx(0.0, abs=0.5)


def test_a_camera_that_sends_nothing_is_refused_in_time(
    server: RtspServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.video.opening.OPEN_TIMEOUT_S", 1.0)
    camera = server.add("silent")
    camera.stall()
    clock = SystemClock()
    before_s = clock.monotonic()
    with pytest.raises(VideoError) as caught:
        probe(camera.url("admin", "hunter2"), clock, options=SourceOptions(silence_s=0.5))
    assert str(caught.value).startswith(SHOWN)
    assert clock.monotonic() - before_s < 20.0


def test_a_camera_that_stops_in_the_middle_is_told_by_what_came(
    server: RtspServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRANSPORT_PATIENCE_S", 0.3)
    camera = server.add("stalls", ClipSpec(gop=25))
    clock = _Stalling(SystemClock(), camera.stall)
    options = SourceOptions(silence_s=1.0)
    found = probe(camera.url("admin", "hunter2"), clock, options=options)
    assert 20 <= found.units < 100
    assert found.ended.endswith(": no data for 1 s; the camera or the network hangs")
    assert "hunter2" not in found.ended


def test_a_transport_that_does_not_work_has_its_reason(
    server: RtspServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRANSPORTS", ("tcp", "no-such-transport"))
    camera = server.add("transports")
    found = probe(camera.url("admin", "hunter2"), SystemClock(), seconds=1.0)
    assert found.transports["tcp"] == ""
    assert found.transports["no-such-transport"]
    assert "hunter2" not in found.transports["no-such-transport"]


def test_hardware_is_tried_on_the_stream(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = (
        HardwareDecoder("right", "h264"),
        HardwareDecoder("wrong", "hevc"),
        HardwareDecoder("gone", "h264_of_no_device"),
    )
    monkeypatch.setattr(module, "candidates", lambda *_: offered)
    right, wrong, gone = probe(str(clip), CountingClock(), find=lambda: NO_DEVICES).hardware
    # One millisecond in all, for 24 pictures.
    assert (right.name, right.problem) == ("right", "")
    assert right.decode_ms == pytest.approx(1 / 24)
    assert wrong.decode_ms is None
    assert wrong.problem.startswith("it cannot decode this stream: ")
    assert gone.problem.startswith("the device cannot be opened: ")


class _Stalling(SystemClock):
    """Calls `stall` a second after it is first asked for the time."""

    def __init__(self, clock: Clock, stall: Callable[[], None]) -> None:
        self._clock = clock
        self._stall: Callable[[], None] | None = stall
        self._began_s: float | None = None

    def monotonic(self) -> float:
        now = self._clock.monotonic()
        self._began_s = now if self._began_s is None else self._began_s
        if self._stall is not None and now - self._began_s > 1.0:
            stall, self._stall = self._stall, None
            stall()
        return now
