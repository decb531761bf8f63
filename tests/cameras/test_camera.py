"""Every control of the RTSP cameras, seen by a client that is not ours."""

import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import av
import pytest

from tests.cameras import camera as camera_module
from tests.cameras.camera import RtspCamera, RtspServer
from tests.cameras.clip_file import Codec
from tests.cameras.clips import ClipSpec
from tests.cameras.viewing import View, view

MJPEG = ClipSpec("mjpeg")
"""Its pictures need no others, and it is opened in a third of a second."""


@pytest.fixture
def jpeg(rtsp_server: RtspServer) -> RtspCamera:
    return rtsp_server.add("jpeg", MJPEG)


def rate_of(stream: View, count: int) -> float:
    """Pictures per second, of the stream's own stamps."""
    seen = stream.seen(count)
    return (len(seen) - 1) / (seen[-1].pts_s - seen[0].pts_s)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
def test_numbers_rise_one_by_one(rtsp_server: RtspServer, codec: Codec, transport: str) -> None:
    camera = rtsp_server.add("camera", ClipSpec(codec, 640, 360, scene="moving"))
    with view(camera.url(), transport) as stream:
        assert stream.numbers(35) == list(range(35))


def test_a_clip_goes_round_and_its_time_goes_on(rtsp_server: RtspServer) -> None:
    camera = rtsp_server.add("short", ClipSpec(frames=15, gop=5))
    with view(camera.url()) as stream:
        seen = stream.seen(40)
    assert [s.number for s in seen] == [i % 15 for i in range(40)]
    steps = [b.pts_s - a.pts_s for a, b in pairwise(seen[2:])]
    assert min(steps) == pytest.approx(0.04, abs=0.002)
    assert max(steps) == pytest.approx(0.04, abs=0.002)


def test_b_frames_are_shown_in_their_order(rtsp_server: RtspServer) -> None:
    camera = rtsp_server.add("b", ClipSpec(frames=50, b_frames=2, scene="moving"))
    with view(camera.url()) as stream:
        seen = stream.seen(30)
    assert [s.number for s in seen] == list(range(30))


def test_the_send_times_are_known(jpeg: RtspCamera) -> None:
    with view(jpeg.url()) as stream:
        stream.numbers(5)
        late = []
        for seen in stream.seen(15):
            assert seen.number is not None
            sent_s = jpeg.sent_s(seen.number)
            assert sent_s is not None
            late.append(seen.at_s - sent_s)
    assert jpeg.sent_s(99) is None
    assert 0 < min(late) < 0.04


def test_a_stalled_camera_sends_nothing_and_goes_on_where_it_was(jpeg: RtspCamera) -> None:
    with view(jpeg.url(), read_s=0.4) as stream:
        stream.numbers(5)
        jpeg.stall()
        before = [n for n in stream.numbers(30) if n is not None]
        assert len(before) < 20
        assert stream.numbers(1) == []


def test_a_stalled_camera_that_is_opened_holds_up_no_other(
    rtsp_server: RtspServer, jpeg: RtspCamera
) -> None:
    other = rtsp_server.add("other", MJPEG)
    jpeg.stall()
    with pytest.raises(av.FFmpegError), view(jpeg.url(), open_s=0.5):
        pass
    with view(other.url()) as stream:
        assert stream.numbers(2) == [0, 1]
    jpeg.go_on()
    with view(jpeg.url()) as stream:
        assert None not in stream.numbers(5)


def test_a_camera_goes_on_after_a_stall(jpeg: RtspCamera) -> None:
    with view(jpeg.url(), read_s=5.0) as stream:
        stream.numbers(3)
        jpeg.stall()
        time.sleep(0.3)
        jpeg.go_on()
        seen = stream.seen(25)
    numbers = [s.number for s in seen]
    assert numbers == list(range(3, 28))
    gaps = [b.pts_s - a.pts_s for a, b in pairwise(seen)]
    assert 0.25 < max(gaps) < 1.0


@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
def test_a_frozen_camera_repeats_one_picture(rtsp_server: RtspServer, codec: Codec) -> None:
    camera = rtsp_server.add("cold", ClipSpec(codec, scene="moving", gop=10))
    with view(camera.url()) as stream:
        stream.numbers(30)
        camera.freeze()
        time.sleep(0.6)
        seen = stream.seen(35)
        frozen = seen[-10:]
        assert len({s.number for s in frozen}) == 1
        assert all((s.pixels == frozen[0].pixels).all() for s in frozen)
        assert frozen[-1].pts_s > frozen[0].pts_s + 0.3
        camera.go_on()
        last = frozen[0].number
        assert last is not None
        assert stream.until(last + 5).number == last + 5


def test_a_switch_changes_the_size_within_the_stream(rtsp_server: RtspServer) -> None:
    camera = rtsp_server.add("gate", ClipSpec())
    with view(camera.url()) as stream:
        stream.numbers(3)
        camera.switch(ClipSpec(width=640, height=480, first_number=1000))
        first = stream.until(1000)
    assert (first.number, first.width, first.height) == (1000, 640, 480)


def test_a_switch_of_the_codec_hangs_up_and_serves_the_other(rtsp_server: RtspServer) -> None:
    camera = rtsp_server.add("gate", ClipSpec(frames=50))
    with view(camera.url()) as stream:
        stream.numbers(3)
        camera.switch(ClipSpec("mjpeg", 640, 480, first_number=500))
        assert len(stream.seen(120)) < 100
    with view(camera.url()) as stream:
        assert stream.container.streams.video[0].codec_context.name == "mjpeg"
        first = stream.until(500)
    assert (first.width, first.height) == (640, 480)


def test_flipped_bytes_damage_pictures(rtsp_server: RtspServer) -> None:
    jpeg = rtsp_server.add("jpeg", ClipSpec("mjpeg", frames=20))
    with view(jpeg.url()) as stream:
        whole = {s.number: s.pixels for s in stream.seen(20)}
        jpeg.corrupt(flip=1.0)
        time.sleep(0.5)
        seen = stream.seen(40)[-20:]
        damaged = [s for s in seen if s.number not in whole or (s.pixels != whole[s.number]).any()]
        assert len(damaged) > 15
        jpeg.go_on()
        time.sleep(0.5)
        healed = stream.seen(30)[-5:]
    assert all((s.pixels == whole[s.number]).all() for s in healed)


def test_dropped_packets_are_missing(rtsp_server: RtspServer) -> None:
    camera = rtsp_server.add("lossy", MJPEG, mtu=300)
    with view(camera.url(), read_s=0.5) as stream:
        stream.numbers(5)
        camera.corrupt(drop=1.0)
        assert len(stream.seen(30)) < 20
    camera.go_on()
    with view(camera.url()) as stream:
        whole = {s.number: s.pixels for s in stream.seen(10)}
        assert None not in whole


@pytest.mark.parametrize("seconds", [10.0, -10.0])
def test_time_stamps_jump(jpeg: RtspCamera, seconds: float) -> None:
    with view(jpeg.url()) as stream:
        stream.numbers(5)
        jpeg.jump(seconds)
        seen = stream.seen(30)
    steps = [b.pts_s - a.pts_s for a, b in pairwise(seen)]
    largest = max(steps, key=abs)
    assert largest == pytest.approx(seconds + 0.04, abs=0.02)
    assert [s.number for s in seen] == list(range(5, 35))


@pytest.mark.parametrize("rate", [12.5, 29.5])
def test_a_camera_delivers_another_rate_than_it_declares(
    rtsp_server: RtspServer, rate: float
) -> None:
    camera = rtsp_server.add("liar", ClipSpec("mjpeg", rate=30), rate=rate)
    with view(camera.url()) as stream:
        assert stream.container.streams.video[0].average_rate == 30
        assert rate_of(stream, 25) == pytest.approx(rate, rel=0.03)
        camera.rate(50.0)
        time.sleep(0.5)
        stream.seen(15)
        assert rate_of(stream, 40) == pytest.approx(50.0, rel=0.1)


def test_the_clock_of_a_camera_drifts(rtsp_server: RtspServer) -> None:
    camera = rtsp_server.add("fast", MJPEG, drift_ppm=100_000)
    with view(camera.url()) as stream:
        assert rate_of(stream, 25) == pytest.approx(25 / 1.1, rel=0.02)


def test_a_picture_comes_in_two_bursts(rtsp_server: RtspServer) -> None:
    camera = rtsp_server.add("slow", MJPEG, mtu=300)
    camera.burst_pause(0.02)
    with view(camera.url()) as stream:
        stream.numbers(3)
        late = []
        for seen in stream.seen(15):
            sent_s = camera.sent_s(seen.number or 0)
            assert sent_s is not None
            late.append(seen.at_s - sent_s)
    assert min(late) >= 0.02


def test_sender_reports_give_the_wall_clock(rtsp_server: RtspServer) -> None:
    camera = rtsp_server.add("clock", MJPEG, report_every_s=1.0)
    offset_s = time.time() - time.monotonic()
    with view(camera.url()) as stream:
        clocks = stream.wall_clocks(40)
        assert len(clocks) > 10
        sent_s = camera.sent_s(39)
        assert sent_s is not None
        # The picture was taken when it was due, and sent when the processor had the time.
        assert clocks[-1] == pytest.approx(sent_s + offset_s, abs=0.03)
        assert stream.container.start_time_realtime > 0


def test_two_cameras_do_not_know_each_other(rtsp_server: RtspServer, jpeg: RtspCamera) -> None:
    other = rtsp_server.add("other", ClipSpec("mjpeg", first_number=300))
    with view(jpeg.url()) as stream, view(other.url()) as good:
        stream.numbers(2)
        jpeg.stall()
        assert good.numbers(20) == list(range(300, 320))
        assert jpeg.close() == 1
        assert good.numbers(20) == list(range(320, 340))


def test_two_clients_see_one_camera(jpeg: RtspCamera) -> None:
    with view(jpeg.url()) as one, view(jpeg.url(), "udp") as two:
        first, second = one.numbers(60), two.numbers(20)
    assert first == list(range(60))
    assert set(second) <= set(first)


def test_who_comes_later_gets_whole_pictures(rtsp_camera: RtspCamera) -> None:
    with view(rtsp_camera.url()) as one, view(rtsp_camera.url()) as two:
        one.numbers(5)
        late = two.numbers(10)
        assert None not in late
        assert late[1:] == list(range(25, 34)) or late[1:] == list(range(50, 59))


def test_clients_that_were_hung_up_on_may_come_again(rtsp_camera: RtspCamera) -> None:
    with view(rtsp_camera.url()) as stream:
        stream.numbers(3)
        assert rtsp_camera.close() == 1
        assert len(stream.seen(150)) < 100
    with view(rtsp_camera.url()) as stream:
        assert None not in stream.numbers(5)


def test_a_server_that_refuses_hangs_up_at_once(rtsp_server: RtspServer, jpeg: RtspCamera) -> None:
    rtsp_server.refuse()
    began_s = time.monotonic()
    with pytest.raises((av.FFmpegError, OSError)), view(jpeg.url()):
        pass
    assert time.monotonic() - began_s < 2.0
    rtsp_server.refuse(on=False)
    with view(jpeg.url()) as stream:
        assert stream.numbers(2) == [0, 1]


def test_a_stopped_server_is_silent_and_comes_to_life(
    rtsp_server: RtspServer, jpeg: RtspCamera
) -> None:
    with view(jpeg.url(), read_s=5.0) as stream:
        stream.numbers(3)
        rtsp_server.stop()
        time.sleep(0.7)
        rtsp_server.cont()
        seen = stream.seen(20)
    assert [s.number for s in seen] == list(range(3, 23))
    assert max(b.pts_s - a.pts_s for a, b in pairwise(seen)) > 0.5


def test_a_killed_server_returns_on_its_port(rtsp_server: RtspServer, jpeg: RtspCamera) -> None:
    url = jpeg.url()
    with view(url) as stream:
        stream.numbers(3)
        rtsp_server.kill()
        assert len(stream.seen(60)) < 50
    with pytest.raises(OSError, match="Connection refused"), view(url):
        pass
    rtsp_server.start()
    assert jpeg.url() == url
    with view(url) as stream:
        assert stream.numbers(3) == [0, 1, 2]


def test_a_camera_may_be_named_before_its_server_runs(tmp_path: Path) -> None:
    server = RtspServer(tmp_path)
    camera = server.add("late", MJPEG)
    with pytest.raises(OSError, match="Connection refused"), view(camera.url()):
        pass
    with server, view(camera.url()) as stream:
        assert stream.numbers(2) == [0, 1]


@pytest.mark.parametrize("method", ["basic", "digest"])
def test_who_has_no_password_stays_outside(tmp_path: Path, method: str) -> None:
    assert method in {"basic", "digest"}
    with RtspServer(tmp_path, ("guard", "secret"), method) as server:  # type: ignore[arg-type]  # a parameter
        camera = server.add("vault", MJPEG)
        for url in (camera.url(), camera.url("guard", "wrong")):
            with pytest.raises(av.FFmpegError, match="401"), view(url):
                pass
        with view(camera.url("guard", "secret")) as stream:
            assert stream.numbers(2) == [0, 1]


@pytest.mark.parametrize(
    ("python", "word"), [("/nowhere/python3", "is not there"), (sys.executable, "gi")]
)
def test_a_missing_part_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str, word: str
) -> None:
    monkeypatch.setattr(camera_module, "SYSTEM_PYTHON", python)
    with pytest.raises(pytest.fail.Exception, match=rf"(?s){word}.*`make parts`"):
        RtspServer(tmp_path).start()


def test_an_unknown_mount_is_not_found(rtsp_server: RtspServer, jpeg: RtspCamera) -> None:
    with pytest.raises(av.FFmpegError, match="404"), view(jpeg.url() + "s"):
        pass


def test_a_wrong_command_is_an_error_of_the_test(rtsp_server: RtspServer) -> None:
    with pytest.raises(AssertionError, match="somersault"):
        rtsp_server.do("somersault")


def test_the_server_ends_with_who_started_it(rtsp_server: RtspServer) -> None:
    process = rtsp_server._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(5.0) == 0


def test_sixteen_cameras_keep_their_rate(rtsp_server: RtspServer) -> None:
    cameras = [rtsp_server.add(f"c{i}", MJPEG) for i in range(16)]
    with view(cameras[0].url()) as first, view(cameras[15].url()) as last:
        rates = [rate_of(stream, 30) for stream in (first, last)]
    assert median(rates) == pytest.approx(25.0, rel=0.03)
