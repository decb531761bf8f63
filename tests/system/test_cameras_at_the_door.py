"""Cameras that cannot be opened, and those that are not of RTSP: named, tried again, harmless."""

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cameras.bad_servers import BadServer, Fault, HlsServer, MjpegServer
from tests.cameras.camera import RtspServer
from tests.cameras.clips import ClipSpec
from tests.cameras.site import Note, Site

PASSWORD = "Kr0k0dil-7"


@pytest.mark.parametrize("fault", ["mute", "garbage", "hangs-up"])
def test_a_server_that_is_no_camera_is_named_and_tried_again_beside_others(
    tmp_path: Path, fault: Fault
) -> None:
    with BadServer(fault) as bad, MjpegServer() as good:
        cameras = {n: {"url": s.url, "silence_s": 1.0} for n, s in (("b", bad), ("g", good))}
        with Site(tmp_path / "site", cameras) as site:
            site.until(lambda: bad.accepted >= 2, "a second try")
            why = site.until_state("b", "offline")
            assert why.startswith(f"rtsp://127.0.0.1:{bad.port}/camera: ")
            assert len(why) > len("rtsp://127.0.0.1:65535/camera: ") + 20
            site.until_frames("g", 25)
            assert site.camera("g")["state"] == "running"
            assert site.notes("b") == []
        assert site.left_over() == []


def test_a_wrong_password_is_named_and_shown_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rtsp").mkdir()
    with RtspServer(tmp_path / "rtsp", credentials=("viewer", "right")) as server:
        camera = server.add("gate", ClipSpec())
        url = camera.url("viewer", PASSWORD)
        with Site(tmp_path / "site", {"gate": {"url": url}}) as site:
            why = site.until_state("gate", "offline")
            assert (
                "the user or the password is refused (401); check both; tried again in 30 s" in why
            )
            said = [json.dumps(site.daemon.status()), site.explained("gate")]
    printed = capfd.readouterr()
    assert PASSWORD not in "".join([why, *said, printed.out, printed.err])


def test_mjpeg_that_changes_its_size_stalls_and_hangs_up_goes_on(tmp_path: Path) -> None:
    with MjpegServer() as server:
        camera: dict[str, Any] = {"url": server.url, "silence_s": 1.0}
        with Site(tmp_path / "site", {"web": camera}) as site:
            _rising(site.until_frames("web", 25), 100)
            server.switch(ClipSpec("mjpeg", 640, 480))
            since_s = time.monotonic()
            site.until(
                lambda: [n.size for n in site.notes("web", since_s)][-5:] == [(640, 480)] * 5,
                "pictures of the new size",
            )
            server.stall()
            assert "no data for 1 s" in site.until_state("web", "offline")
            server.go_on()
            site.until_frames("web", 5, 10.0)
            server.close()
            site.until_frames("web", 5, 10.0)
            assert site.unbalanced() == []
            assert site.backwards == []
        assert site.left_over() == []


def test_live_hls_is_played_at_its_own_pace(tmp_path: Path) -> None:
    (tmp_path / "hls").mkdir()
    with (
        HlsServer(tmp_path / "hls") as server,
        Site(tmp_path / "site", {"hls": {"url": server.url}}) as site,
    ):
        notes = site.until_frames("hls", 100)
        took_s = notes[-1].done_s - notes[0].done_s
        assert took_s > 2.5
        assert site.backwards == []
        assert all(0 < b.at_s - a.at_s < 0.5 for a, b in pairwise(notes))


@pytest.mark.long
def test_a_still_scene_costs_no_turns_and_what_moves_is_processed(
    rtsp_server: RtspServer, tmp_path: Path
) -> None:
    # Only the drawn number changes in the still scene, and that is masked.
    mask = [[[0.0, 0.0], [1.0, 0.0], [1.0, 0.2], [0.0, 0.2]]]
    gate = {"masks": mask, "look_every_s": 60.0, "linger_s": 0.5}
    still = rtsp_server.add("yard", ClipSpec(scene="still", gop=100))
    with Site(tmp_path / "site", {"yard": {"url": still.url()}}, motion_gate=gate) as site:
        site.until(lambda: _buckets(site).get("no-motion", 0) >= 150, "150 gated frames")
        assert _buckets(site).get("processed", 0) <= 25
        before = _buckets(site).get("processed", 0)
        site.until(lambda: _buckets(site)["no-motion"] >= 250, "100 more")
        assert _buckets(site).get("processed", 0) - before <= 1
        still.switch(ClipSpec(scene="moving", gop=25), drop=False)
        site.until_frames("yard", 25)
        assert site.unbalanced() == []


def test_what_a_rate_leaves_out_is_not_decoded_and_what_is_given_is_undamaged(
    rtsp_server: RtspServer, tmp_path: Path
) -> None:
    spec = ClipSpec(frames=100, gop=50, b_frames=2, scene="moving")
    camera = rtsp_server.add("b", spec)
    with Site(tmp_path / "site", {"b": {"url": camera.url()}}, max_rate=5.0) as site:
        site.until(lambda: site.camera("b")["level"] != "all", "a cheaper level")
        notes = site.until_frames("b", 15)
        assert all(note.number is not None for note in notes)
        assert _buckets(site)["over-rate"] > 0
        measured = (len(notes) - 1) / (notes[-1].at_s - notes[0].at_s)
        assert measured == pytest.approx(5.0, rel=0.2)
        assert site.backwards == []


def _rising(notes: list[Note], frames: int) -> None:
    numbers = [note.number for note in notes]
    assert None not in numbers
    assert set(np.diff([n or 0 for n in numbers]) % frames) == {1}


def _buckets(site: Site) -> dict[str, int]:
    found: dict[str, int] = site.daemon.status()["lanes"][0]["buckets"]
    return found
