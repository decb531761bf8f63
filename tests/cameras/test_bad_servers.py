"""Each of the other servers, seen by a client that is not ours."""

import time
from pathlib import Path

import av
import pytest

from tests.cameras.bad_servers import (
    BadServer,
    Fault,
    FileServer,
    HlsServer,
    MjpegServer,
    write_file,
)
from tests.cameras.clip_file import Codec
from tests.cameras.clips import ClipSpec
from tests.cameras.viewing import view


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
@pytest.mark.parametrize("fault", ["mute", "garbage", "hangs-up"])
def test_a_bad_server_cannot_be_opened(fault: Fault, scheme: str) -> None:
    with BadServer(fault, scheme) as server:
        began_s = time.monotonic()
        with pytest.raises((av.FFmpegError, OSError)), view(server.url, open_s=0.5):
            pass
        took_s = time.monotonic() - began_s
        assert server.accepted >= 1
        assert took_s < 2.5
        assert fault != "mute" or took_s > 0.4


@pytest.mark.parametrize("lengths", [True, False])
def test_mjpeg_comes_picture_by_picture(*, lengths: bool) -> None:
    with MjpegServer(lengths=lengths) as server, view(server.url) as stream:
        seen = stream.seen(20)
    numbers = [s.number for s in seen]
    assert numbers[0] is not None
    assert numbers == list(range(numbers[0], numbers[0] + 20))
    assert seen[-1].at_s - seen[5].at_s == pytest.approx(14 / 25, abs=0.2)


def test_mjpeg_tells_when_a_picture_was_sent() -> None:
    with MjpegServer() as server, view(server.url) as stream:
        stream.numbers(10)
        (seen,) = stream.seen(1)
        assert seen.number is not None
        assert 0 < seen.at_s - server.sent_s[seen.number] < 0.2


def test_mjpeg_stalls_and_goes_on() -> None:
    with MjpegServer() as server:
        with view(server.url, read_s=0.4) as stream:
            stream.numbers(3)
            server.stall()
            assert len(stream.seen(40)) < 30
        server.go_on()
        with view(server.url) as stream:
            assert None not in stream.numbers(3)


def test_mjpeg_freezes() -> None:
    with MjpegServer() as server, view(server.url) as stream:
        stream.numbers(3)
        server.freeze()
        frozen = stream.seen(30)[-5:]
        assert len({s.number for s in frozen}) == 1
        server.go_on()
        assert frozen[0].number is not None
        assert stream.until(frozen[0].number + 3).number == frozen[0].number + 3


def test_mjpeg_changes_its_size() -> None:
    with MjpegServer() as server, view(server.url) as stream:
        stream.numbers(3)
        server.switch(ClipSpec("mjpeg", 640, 480, first_number=700))
        seen = stream.until(700)
    assert (seen.width, seen.height) == (640, 480)


def test_mjpeg_hangs_up() -> None:
    with MjpegServer() as server, view(server.url) as stream:
        stream.numbers(3)
        server.close()
        assert len(stream.seen(60)) < 40


def test_a_live_playlist_goes_on_beyond_the_clip(tmp_path: Path) -> None:
    spec = ClipSpec(frames=30, gop=10)
    with HlsServer(tmp_path, spec) as server, view(server.url, read_s=5.0) as stream:
        assert stream.numbers(45) == [n % 30 for n in range(45)]


def test_a_live_playlist_that_stalls_brings_nothing_new(tmp_path: Path) -> None:
    spec = ClipSpec(frames=30, gop=10)
    with HlsServer(tmp_path, spec) as server:
        server.stall()
        with view(server.url, read_s=0.5) as stream:
            assert len(stream.seen(100)) <= 40


def test_a_recorded_playlist_ends(tmp_path: Path) -> None:
    spec = ClipSpec(frames=30, gop=10)
    with HlsServer(tmp_path, spec, live=False) as server, view(server.url) as stream:
        assert stream.numbers(100) == list(range(30))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.ts", "clip.mkv"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_file_is_served_over_http(tmp_path: Path, codec: Codec, name: str) -> None:
    spec = ClipSpec(codec, frames=30, gop=10, b_frames=2, scene="moving")
    write_file(tmp_path / name, spec)
    with FileServer(tmp_path, name) as server, view(server.url) as stream:
        assert stream.numbers(100) == list(range(30))


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with (
        FileServer(tmp_path, "gone.mp4") as server,
        pytest.raises(av.FFmpegError, match="404"),
        view(server.url),
    ):
        pass
