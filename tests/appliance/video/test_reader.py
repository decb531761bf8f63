"""Sources of all kinds to frames: every unit counted, every frame at its time."""

import itertools
import random
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from appliance.clock import Clock
from appliance.video.address import file_of
from appliance.video.errors import VideoError
from appliance.video.reader import VideoReader
from appliance.video.source import Item, StreamInfo, Undecodable
from blocks.data import Frame, Image
from tests.unprivileged import as_nobody

Render = Callable[..., Path]
NumberOf = Callable[[Image], int]

B_FRAMES = {"bf": "3", "g": "8"}


def read_all(uri: Path | str, clock: Clock) -> tuple[VideoReader, list[Frame], list[Undecodable]]:
    with VideoReader(str(uri), "gate", clock) as reader:
        items = list(reader.frames())
    undecodable = [item for item in items if isinstance(item, Undecodable)]
    return reader, frames_in(items), undecodable


def frames_in(items: list[Item]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame)]


def refusal(uri: Path | str, clock: Clock) -> str:
    with pytest.raises(VideoError) as caught:
        read_all(uri, clock)
    return str(caught.value)


def packets_in(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("c.mp4", {"options": B_FRAMES}),
        ("c.mkv", {"options": B_FRAMES}),
        ("c.ts", {"options": B_FRAMES}),
        ("c.h264", {"options": B_FRAMES}),
        ("c.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}),
        ("c.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
        ("c.avi", {"codec": "mjpeg", "pixel_format": "yuvj420p", "size": (161, 121)}),
        ("c.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}}),
    ],
)
def test_every_frame_comes_once_in_order_at_its_time(
    render: Render, clock: Clock, number_of: NumberOf, name: str, settings: dict[str, object]
) -> None:
    reader, frames, undecodable = read_all(render(name, frames=24, **settings), clock)
    assert undecodable == []
    assert [number_of(frame.image) for frame in frames] == list(range(24))
    assert [frame.sequence for frame in frames] == list(range(24))
    assert [frame.at_s for frame in frames] == pytest.approx([i / 25 for i in range(24)], abs=1e-6)
    assert reader.demuxed == 24
    assert {frame.camera for frame in frames} == {"gate"}


def test_a_clip_says_what_it_is(clip: Path, clock: Clock) -> None:
    with VideoReader(str(clip), "gate", clock) as reader:
        assert reader.info == StreamInfo(
            codec="h264", width=160, height=120, rate=25.0, frames=24, duration_s=0.96, live=False
        )


def test_a_container_that_does_not_count_its_frames_leaves_them_open(
    render: Render, clock: Clock
) -> None:
    with VideoReader(str(render("c.mkv", frames=5)), "gate", clock) as reader:
        assert reader.info.frames is None
        assert reader.info.duration_s == pytest.approx(0.2)


def test_uneven_times_are_kept_and_start_at_zero(render: Render, clock: Clock) -> None:
    path = render("c.mkv", frames=4, stamps=[50, 51, 60, 100])
    _, frames, _ = read_all(path, clock)
    assert [frame.at_s for frame in frames] == pytest.approx([0.0, 0.04, 0.4, 2.0])


def test_a_clip_is_taken_to_begin_when_it_is_opened(clip: Path, clock: Clock) -> None:
    _, frames, _ = read_all(clip, clock)
    assert frames[0].captured_at == clock.now()
    assert frames[10].captured_at == pytest.approx(clock.now() + 0.4)


def test_units_before_the_beginning_of_a_cut_clip_are_not_captured(
    clip: Path, tmp_path: Path, clock: Clock, number_of: NumberOf
) -> None:
    cut = tmp_path / "cut.mp4"
    with av.open(str(clip)) as source, av.open(str(cut), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        assert stream.time_base is not None
        for packet in source.demux(stream):
            if packet.pts is not None and packet.dts is not None:
                # 5 frames earlier: MP4 then keeps them, and says to show what is after 0.
                packet.pts -= round(0.2 / stream.time_base)
                packet.dts -= round(0.2 / stream.time_base)
                packet.stream = copy
                target.mux(packet)
    reader, frames, undecodable = read_all(cut, clock)
    assert [number_of(frame.image) for frame in frames] == list(range(5, 24))
    assert undecodable == []
    assert reader.demuxed == 19


def test_garbage_in_the_middle_costs_only_the_units_it_hits(
    clip: Path, tmp_path: Path, clock: Clock, number_of: NumberOf
) -> None:
    content = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        second_group = [p for p in container.demux(video=0) if p.is_keyframe][1]
    assert second_group.pos is not None
    end = second_group.pos + second_group.size
    content[second_group.pos : end] = random.Random(1).randbytes(second_group.size)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    reader, frames, undecodable = read_all(broken, clock)
    assert undecodable
    assert len(frames) + len(undecodable) == reader.demuxed == packets_in(broken) == 24
    numbers = [number_of(frame.image) for frame in frames]
    # The decoder still held 6 and 7 back, and gives them among those it patches up.
    assert numbers[:6] == list(range(6))
    assert {6, 7} < set(numbers)
    assert numbers[-8:] == list(range(16, 24))
    assert [f.at_s for f in frames[-4:]] == pytest.approx([i / 25 for i in range(20, 24)])


@pytest.mark.parametrize("name", ["c.ts", "c.mkv", "c.avi", "c.h264"])
@pytest.mark.parametrize("seed", range(3))
def test_every_unit_is_accounted_for_in_a_damaged_stream(
    render: Render, clock: Clock, name: str, seed: int
) -> None:
    settings = {"codec": "mpeg4"} if name == "c.avi" else {"options": B_FRAMES}
    path = render(name, frames=48, **settings)
    content = bytearray(path.read_bytes())
    noise = random.Random(seed)
    for _ in range(3):
        start = noise.randrange(len(content) // 4, len(content) - 300)
        content[start : start + 200] = noise.randbytes(200)
    path.write_bytes(content)
    reader, frames, undecodable = read_all(path, clock)
    assert len(frames) + len(undecodable) == reader.demuxed == packets_in(path)
    assert len(frames) >= 8
    assert all(item.reason for item in undecodable)


def test_a_truncated_clip_gives_what_is_there(
    clip: Path, tmp_path: Path, clock: Clock, number_of: NumberOf
) -> None:
    content = clip.read_bytes()
    start = content.index(b"mdat")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: start + (len(content) - start) * 2 // 3])
    reader, frames, undecodable = read_all(cut, clock)
    assert 8 <= len(frames) < 24
    assert len(frames) + len(undecodable) == reader.demuxed
    assert [number_of(frame.image) for frame in frames[:8]] == list(range(8))


def test_two_readers_in_turns_do_not_mix(
    clip: Path, clock: Clock, number_of: NumberOf, tmp_path: Path
) -> None:
    other = shutil.copy(clip, tmp_path / "other.mp4")
    with (
        VideoReader(str(clip), "a", clock) as first,
        VideoReader(str(other), "b", clock) as second,
    ):
        pairs = list(zip(first.frames(), second.frames(), strict=True))
    numbers = [
        [number_of(item.image) for item in pair if isinstance(item, Frame)] for pair in pairs
    ]
    assert numbers == [[i, i] for i in range(24)]


@pytest.mark.parametrize("name", ["a:b.mp4", "100%d.mp4", "with space.mp4"])
def test_odd_file_names_are_only_names(clip: Path, tmp_path: Path, clock: Clock, name: str) -> None:
    path = shutil.copy(clip, tmp_path / name)
    assert len(read_all(path, clock)[1]) == 24


def test_a_file_address_is_a_path(clip: Path, tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "with space.mp4"
    shutil.copy(clip, path)
    assert len(read_all(path.as_uri(), clock)[1]) == 24
    assert len(read_all(path.as_uri().replace("file:", "FILE:"), clock)[1]) == 24


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("clips/a%20b.mp4", Path("clips/a%20b.mp4")),
        ("file:///clips/a%20b.mp4", Path("/clips/a b.mp4")),
        ("/dev/video0", Path("/dev/video0")),
        ("rtsp://camera/1", None),
    ],
)
def test_an_address_may_name_a_file(uri: str, path: Path | None) -> None:
    assert file_of(uri) == path


def test_a_file_in_a_folder_that_may_not_be_read_is_a_sentence(
    tmp_path: Path, clock: Clock
) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    wrong = folder / "gate.mp4"
    with as_nobody():
        told = refusal(wrong, clock)
    folder.chmod(0o700)
    assert told == f"{wrong}: reading it is not permitted; check the owner and the mode"


def test_a_name_that_no_file_can_have_is_missing(clock: Clock) -> None:
    assert refusal("file://gate%00.mp4", clock) == "gate\0.mp4: there is no such file"


def test_a_name_longer_than_any_file_has_is_a_sentence(clock: Clock) -> None:
    wrong = Path("x" * 300)
    assert refusal(wrong, clock) == f"{wrong}: it cannot be opened: File name too long"


def test_a_missing_file_is_named_with_a_similar_one(clip: Path, clock: Clock) -> None:
    wrong = clip.with_name("cilp.mp4")
    assert refusal(wrong, clock) == f"{wrong}: there is no such file (did you mean {clip}?)"


def test_a_folder_is_no_clip(tmp_path: Path, clock: Clock) -> None:
    assert refusal(tmp_path, clock) == f"{tmp_path}: this is a folder; name a video file in it"


def test_an_empty_file_is_no_clip(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "clip.mp4"
    path.touch()
    assert refusal(path, clock) == (f"{path}: the file is empty (0 bytes); copy or record it again")


def test_a_text_called_mp4_is_no_clip(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("this is no video\n" * 40)
    assert refusal(path, clock) == (
        f"{path}: this is no video, or one cut short before its index was written; "
        "play it with another program to see which"
    )


def test_a_text_is_no_clip(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "clip.txt"
    path.write_text("this is no video\n" * 40)
    assert refusal(path, clock) == f"{path}: this is a text file, not a video"


def test_sound_alone_is_no_clip(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame(format="s16", layout="stereo", samples=800)
        silence.rate = 8000
        container.mux(stream.encode(silence))
    assert refusal(path, clock) == f"{path}: there is no video stream in it, only audio"


def test_a_codec_without_a_decoder_is_refused(clip: Path, tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip.read_bytes().replace(b"avc1", b"zzzz"))
    assert refusal(path, clock) == (f"{path}: its codec has no decoder here; convert it to H.264")


def test_a_device_that_is_no_camera_is_refused(clock: Clock) -> None:
    assert refusal("/dev/null", clock).startswith("/dev/null: this device is not a camera")


def test_an_unknown_kind_of_address_is_refused(clock: Clock) -> None:
    assert refusal("ipcam://10.0.0.5/1", clock).startswith(
        "ipcam://10.0.0.5/1: this kind of address is not known; use rtsp://"
    )


def test_a_clip_over_http_is_read_to_its_end(
    clip: Path, tmp_path: Path, camera_server: str, clock: Clock, number_of: NumberOf
) -> None:
    shutil.copy(clip, tmp_path / "clip.mp4")
    reader, frames, _ = read_all(f"{camera_server}/clip.mp4", clock)
    assert [number_of(frame.image) for frame in frames] == list(range(24))
    assert not reader.info.live


def test_a_stream_over_http_that_knows_its_length_is_not_live(
    render: Render, camera_server: str, clock: Clock
) -> None:
    render("c.ts", frames=24)
    reader, frames, _ = read_all(f"{camera_server}/c.ts", clock)
    assert len(frames) == 24
    assert not reader.info.live


def test_a_live_source_that_ends_is_an_error_after_its_last_frame(
    camera_server: str, clock: Clock, number_of: NumberOf
) -> None:
    with VideoReader(f"{camera_server}/live/12", "gate", clock) as reader:
        assert reader.info.live
        assert reader.info.rate is None
        items: list[Item] = []
        # What has come before the error stays in the list.
        with pytest.raises(VideoError, match=f"^{camera_server}/live/12: "):
            items.extend(reader.frames())
    assert [number_of(frame.image) for frame in frames_in(items)] == list(range(12))
    assert len(items) == reader.demuxed == 12


class TickingClock:
    """Each look at it is half a second later."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return 4900.0 + self.seconds

    def monotonic(self) -> float:
        self.seconds += 0.5
        return self.seconds

    def cpu_s(self) -> float:
        return 0.0

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        return stop.is_set()


def test_a_camera_without_time_stamps_is_timed_by_the_clock(camera_server: str) -> None:
    items: list[Item] = []
    clock = TickingClock()
    with (
        VideoReader(f"{camera_server}/live/4", "gate", clock) as reader,
        pytest.raises(VideoError),
    ):
        items.extend(reader.frames())
    frames = frames_in(items)
    steps = [later.at_s - earlier.at_s for earlier, later in itertools.pairwise(frames)]
    assert frames[0].at_s == 0.0
    # The clock is looked at as often for each picture.
    assert steps == [steps[0]] * 3
    assert steps[0] in [looks * 0.5 for looks in range(1, 20)]
    waited_s = [frame.captured_at - frames[0].captured_at for frame in frames]
    assert waited_s == pytest.approx([frame.at_s for frame in frames], abs=0.01)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "the user or the password is refused (401); check both"),
        (403, "access is forbidden (403); check the user's rights there"),
        (404, "there is nothing at this path (404); check the path"),
        (500, "it cannot be opened: Server returned 5XX Server Error reply"),
    ],
)
def test_what_a_server_refuses_is_said(
    camera_server: str, clock: Clock, status: int, words: str
) -> None:
    address = camera_server.replace("//", "//admin:secret@")
    shown = camera_server.replace("//", "//admin:***@")
    assert refusal(f"{address}/{status}", clock) == f"{shown}/{status}: {words}"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_refused_connection_is_said_without_the_password(clock: Clock) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(VideoError) as caught:
            VideoReader(f"rtsp://admin:secret@127.0.0.1:{port}/1", "gate", clock)
    assert str(caught.value) == (
        f"rtsp://admin:***@127.0.0.1:{port}/1: the connection is refused; "
        "check that the camera is on, and the port"
    )
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        ("rtsp", "it answers no video within 0.2 s; check the path and the camera"),
        ("http", "no answer within 0.2 s; check the address and the network"),
    ],
)
def test_a_silent_server_is_given_up(
    silent_port: int, clock: Clock, monkeypatch: pytest.MonkeyPatch, scheme: str, words: str
) -> None:
    monkeypatch.setattr("appliance.video.opening.OPEN_TIMEOUT_S", 0.2)
    address = f"{scheme}://127.0.0.1:{silent_port}/1"
    assert refusal(address, clock) == f"{address}: {words}"
