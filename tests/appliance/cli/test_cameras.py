"""`appliance cameras` as a user types it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
Refused = Callable[..., None]


def test_a_clip_is_looked_at(run: Run, short_clip: Path) -> None:
    result = run("cameras", "probe", short_clip)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert result.stderr == f"watching {short_clip} for up to 10 s\n"
    assert lines[0] == str(short_clip)
    assert "  rate        10 frames/s, 10 declared" in lines
    assert lines[-4:] == [
        "For config/appliance.yaml:",
        "cameras:",
        "  camera:",
        f"    url: {short_clip}",
    ]


def test_findings_are_data_for_a_program(run: Run, short_clip: Path) -> None:
    result = run("cameras", "probe", short_clip, "--json", "--seconds", "1")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["codec"], found["width"], found["height"]) == ("h264", 768, 576)
    assert found["recommendations"] == []


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_that_cannot_be_reached_is_a_sentence(
    run: Run, refused: Refused, transport: str
) -> None:
    refused(
        run("cameras", "probe", "rtsp://u:hunter2@127.0.0.1:9/x", "--transport", transport),
        "watching rtsp://u:***@127.0.0.1:9/x for up to 10 s",
        "rtsp://u:***@127.0.0.1:9/x: the connection is refused; check that the camera is on, "
        "and the port",
    )


def test_a_file_that_is_not_there_is_a_sentence(run: Run, refused: Refused) -> None:
    refused(
        run("cameras", "probe", "x.mp4"),
        "watching x.mp4 for up to 10 s",
        "x.mp4: there is no such file",
    )


def test_an_empty_source_is_refused(run: Run) -> None:
    result = run("cameras", "probe", " ")
    assert result.exit_code == 2
    assert "this is empty; name a file, a URL, or a device" in result.stderr
