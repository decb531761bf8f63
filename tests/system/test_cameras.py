"""Faults of real cameras: each is named and recovered from, and no other camera feels it."""

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from tests.cameras.camera import RtspCamera, RtspServer
from tests.cameras.clips import ClipSpec
from tests.cameras.site import Site, open_files

SMALL = ClipSpec(width=320, height=240, scene="moving")
# A test shares two processors with others: three frames of 40 ms, and what those take.
GAP_S = 0.35
BACK_S = 10.0

Fault = Callable[[RtspCamera], object]


@pytest.fixture
def twins(rtsp_server: RtspServer, tmp_path: Path) -> tuple[RtspCamera, RtspCamera]:
    del tmp_path
    return rtsp_server.add("bad", SMALL), rtsp_server.add("good", SMALL)


def site_of(tmp_path: Path, *cameras: RtspCamera, **options: object) -> Site:
    given = {c.name: {"url": c.url(), "silence_s": 1.0, **options} for c in cameras}
    return Site(tmp_path / "site", given)


@pytest.mark.parametrize(
    ("fault", "states", "said"),
    [
        (RtspCamera.stall, ("offline",), "no data for 1 s; the camera or the network hangs"),
        (lambda c: c.jump(3600.0), ("degraded",), "time stamps jumped"),
        (lambda c: c.jump(-3600.0), ("degraded",), "time stamps jumped"),
    ],
    ids=["stalled", "forward", "back"],
)
def test_a_fault_is_named_and_ends_and_the_other_camera_goes_on(
    twins: tuple[RtspCamera, RtspCamera],
    tmp_path: Path,
    fault: Fault,
    states: tuple[str, ...],
    said: str,
) -> None:
    bad, good = twins
    with site_of(tmp_path, bad, good) as site:
        site.until_frames("bad", 25)
        site.until_frames("good", 5)
        began_s = time.monotonic()
        fault(bad)
        why = site.until_state("bad", *states)
        assert said in why
        assert site.gap_s("good", began_s) < GAP_S
        bad.go_on()
        back = site.until_frames("bad", 25, BACK_S)
        assert len({note.number for note in back}) >= 20
        assert site.gap_s("good", began_s) < GAP_S
        assert site.unbalanced() == []
        assert site.backwards == []
    assert site.left_over() == []


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_damage_is_named_counted_and_over_when_it_ends(
    rtsp_server: RtspServer, tmp_path: Path, codec: Literal["h264", "h265"]
) -> None:
    bad, good = rtsp_server.add("bad", ClipSpec(codec, scene="moving")), rtsp_server.add("good")
    with site_of(tmp_path, bad, good) as site:
        site.until_frames("bad", 25)
        began_s = time.monotonic()
        bad.corrupt(drop=0.3)
        why = site.until_state("bad", "degraded")
        assert why.endswith(("of what it sends is damaged", "of what it sends cannot be decoded"))
        bad.go_on()
        site.until_state("bad", "running")
        notes = site.until_frames("bad", 25)
        assert [note.number for note in notes].count(None) == 0
        lane = next(x for x in site.daemon.status()["lanes"] if x["name"] == "noting:bad")
        # Of H.264 the decoder paints a picture in any case.
        assert codec == "h264" or lane["buckets"]["decode-error"] > 0
        assert site.gap_s("good", began_s) < GAP_S
        assert site.unbalanced() == []
        assert site.backwards == []


@pytest.mark.long
def test_a_camera_that_hangs_up_again_and_again_leaves_no_thread_and_no_file(
    twins: tuple[RtspCamera, RtspCamera], tmp_path: Path
) -> None:
    bad, good = twins
    with site_of(tmp_path, bad, good) as site:
        site.until_frames("bad", 5)
        before = _held()
        began_s = time.monotonic()
        for _ in range(10):
            assert bad.close() == 1 or site.until_frames("bad", 1)
            site.until_frames("bad", 2, BACK_S)
        site.until(lambda: _held() <= before, f"no more than {before} threads and files")
        assert site.camera("bad")["connections"] >= 10
        assert site.gap_s("good", began_s) < GAP_S
        assert site.unbalanced() == []
        assert site.backwards == []
    assert site.left_over() == []


def test_a_camera_that_is_down_at_the_start_delays_nobody_and_is_found_when_it_comes(
    rtsp_server: RtspServer, tmp_path: Path
) -> None:
    (tmp_path / "late").mkdir()
    good = rtsp_server.add("good", SMALL)
    late = RtspServer(tmp_path / "late")
    bad = late.add("bad", SMALL)
    began_s = time.monotonic()
    with site_of(tmp_path, bad, good) as site:
        assert time.monotonic() - began_s < 2.0
        site.until_frames("good", 25)
        assert "the connection is refused" in site.until_state("bad", "offline")
        site.until(lambda: site.camera("bad")["failures"] >= 4, "some tries")
        with late:
            came_s = time.monotonic()
            site.until_frames("bad", 5, 5.0)
            assert time.monotonic() - came_s < 5.0
            since_s = time.monotonic()
            late.kill()
            site.until_state("bad", "offline")
            late.start()
            site.until_frames("bad", 5, 5.0)
        assert site.gap_s("good", since_s) < GAP_S
        assert site.unbalanced() == []
        assert site.backwards == []


def test_a_server_that_stands_still_is_noticed_and_its_cameras_come_back(
    rtsp_server: RtspServer, tmp_path: Path
) -> None:
    camera = rtsp_server.add("bad", SMALL)
    with site_of(tmp_path, camera) as site:
        site.until_frames("bad", 5)
        rtsp_server.stop()
        try:
            assert "no data for 1 s" in site.until_state("bad", "offline")
        finally:
            rtsp_server.cont()
        site.until_frames("bad", 5, BACK_S)
        assert site.backwards == []


@pytest.mark.parametrize(
    ("spec", "drop"),
    [
        (ClipSpec(width=640, height=480, scene="moving"), False),
        (ClipSpec(width=640, height=480, scene="moving"), True),
        (ClipSpec("h265", 640, 480, scene="moving"), True),
    ],
    ids=["size", "size, hung up", "codec"],
)
def test_a_stream_that_becomes_another_is_followed(
    twins: tuple[RtspCamera, RtspCamera], tmp_path: Path, spec: ClipSpec, drop: bool
) -> None:
    bad, good = twins
    with site_of(tmp_path, bad, good) as site:
        site.until_frames("bad", 5)
        began_s = time.monotonic()
        bad.switch(spec, drop=drop)
        site.until(
            lambda: [n.size for n in site.notes("bad", began_s)][-5:] == [(640, 480)] * 5,
            "pictures of the new size",
            BACK_S,
        )
        site.until(
            lambda: tuple(site.camera("bad")["size"]) == (640, 480), "the size in the status"
        )
        assert site.camera("bad")["codec"] == {"h264": "h264", "h265": "hevc"}[spec.codec]
        assert site.gap_s("good", began_s) < GAP_S
        assert site.unbalanced() == []
        assert site.backwards == []


@pytest.mark.parametrize("rate", [25.0, 12.5, 29.5])
def test_a_camera_that_declares_30_and_delivers_another_rate_is_processed_at_that(
    rtsp_server: RtspServer, tmp_path: Path, rate: float
) -> None:
    camera = rtsp_server.add("odd", ClipSpec(rate=30.0, frames=120, gop=30), rate=rate)
    with site_of(tmp_path, camera) as site:
        site.until_frames("odd", 25)
        notes = site.until_frames("odd", 75)
        numbers = [n.number for n in notes if n.number is not None]
        assert len(numbers) == len(notes)
        steps = {(b - a) % 120 for a, b in pairwise(numbers)}
        assert steps == {1}
        measured = (len(notes) - 1) / (notes[-1].at_s - notes[0].at_s)
        assert measured == pytest.approx(rate, rel=0.01)


@pytest.mark.long
def test_a_frozen_picture_is_named_and_opened_again_once(
    twins: tuple[RtspCamera, RtspCamera], tmp_path: Path
) -> None:
    bad, good = twins
    with site_of(tmp_path, bad, good) as site:
        site.until_frames("bad", 5)
        began_s = time.monotonic()
        bad.freeze()
        assert "same" in site.until_state("bad", "degraded")
        site.until(lambda: site.camera("bad")["connections"] == 2, "a new connection", 45.0)
        site.until_state("bad", "degraded")
        bad.go_on()
        site.until_state("bad", "running")
        assert site.camera("bad")["connections"] == 2
        assert site.gap_s("good", began_s) < GAP_S
        assert site.backwards == []


def _held() -> tuple[int, int]:
    """Threads and open files of this process, as the system counts them."""
    return len(list(Path("/proc/self/task").iterdir())), open_files().total()
