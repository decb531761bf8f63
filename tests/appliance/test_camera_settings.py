"""Cameras and motion in settings files: what cannot work, what was meant, what is in doubt."""

from pathlib import Path

import pytest

from appliance.camera_settings import HARDWARE, doubts
from appliance.engine.errors import DefinitionError
from appliance.settings import MotionGateSettings, Settings, read_settings
from appliance.video import hardware


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "appliance.yaml"


def camera(file: Path, text: str) -> Settings:
    file.write_text(f"version: 1\ncameras:\n  gate: {text}\n")
    return read_settings(file)


def pipeline(file: Path, text: str) -> Settings:
    file.write_text(
        "version: 1\ncameras:\n  gate: rtsp://10.0.0.7/1\npipelines:\n  people:\n"
        f"    workflow: people.yaml\n{text}\n"
    )
    return read_settings(file)


def camera_refusal(file: Path, text: str) -> str:
    """The first line that is said of a camera, from its line number on."""
    with pytest.raises(DefinitionError) as caught:
        camera(file, text)
    assert len(caught.value.problems) == 1
    return str(caught.value).splitlines()[0].removeprefix(f"{file}:")


def pipeline_refusal(file: Path, line: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        pipeline(file, f"    cameras: [gate]\n    {line}")
    assert len(caught.value.problems) == 1
    return str(caught.value).splitlines()[0].removeprefix(f"{file}:")


# What cannot work.

PORT = "3:15: cameras.gate.url: the port, after the `:` of the host, is a number from 1 to 65535"


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://10.0.0.7:99999/1",
        "rtsp://u:p@10.0.0.7:0/1",
        "http://[fe80::1]:65536/x",
        "rtsp://host:port/1",
        "rtsp://host:123456",
    ],
)
def test_a_port_that_no_host_has_is_refused(file: Path, url: str) -> None:
    assert camera_refusal(file, f'{{url: "{url}"}}') == PORT


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://10.0.0.7:65535/1",
        "rtsp://u:99999@10.0.0.7:554/1",
        "rtsp://u:99999/x@10.0.0.7/1",
        "rtsp://[fe80::1]/x",
        "http://host/at:99999",
        "udp://@:1234",
        "udplite://host:9000",
    ],
)
def test_a_url_with_a_port_that_may_be_is_taken(file: Path, url: str) -> None:
    assert camera(file, f'{{url: "{url}"}}').cameras["gate"].url == url


def test_an_unknown_scheme_is_refused_with_the_nearest(file: Path) -> None:
    said = camera_refusal(file, "{url: rstp://u:hunter2@10.0.0.7/1}")
    assert said == (
        "3:15: cameras.gate.url: addresses that begin with rstp:// are not known "
        "(did you mean rtsp://?)"
    )


def test_a_scheme_like_none_names_those_there_are(file: Path) -> None:
    said = camera_refusal(file, "{url: onvif://10.0.0.7/1}")
    assert said == (
        "3:15: cameras.gate.url: addresses that begin with onvif:// are not known; "
        "use rtsp://, http://, or a file"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{loop: true, url: rtsp://10.0.0.7/1}",
            "3:16: cameras.gate.loop: only a file begins again at its end, and this is a camera; "
            "leave it out",
        ),
        (
            "{watch: true, url: rtsp://10.0.0.7/1}",
            "3:17: cameras.gate.watch: only a folder of images is watched; leave it out",
        ),
        (
            "{transport: tcp, url: a.mp4}",
            "3:21: cameras.gate.transport: only RTSP has a transport, and this is no rtsp:// "
            "address; leave it out",
        ),
        (
            "{low_latency: true, url: a.mp4}",
            "3:23: cameras.gate.low_latency: this is for rtsp:// only; leave it out",
        ),
        (
            "{size: 640x480, url: a.mp4}",
            "3:16: cameras.gate.size: only a device such as /dev/video0 is asked for a size; "
            "leave it out",
        ),
        (
            "{rate: 5, url: rtsp://10.0.0.7/1}",
            "3:16: cameras.gate.rate: only a device, or images, are given a rate; fewer frames are "
            "processed with `max_rate` of a pipeline",
        ),
    ],
)
def test_a_key_of_another_kind_of_source_is_refused(file: Path, text: str, said: str) -> None:
    assert camera_refusal(file, text) == said


@pytest.mark.parametrize(
    "text",
    [
        "{url: /dev/video0, size: 640x480, rate: 30}",
        "{url: a.mp4, loop: true}",
        "{url: http://host/a.mp4, loop: true}",
        "{url: file:///scans, watch: true, rate: 2}",
        "{url: rtsps://host/1, transport: tcp, low_latency: true}",
        "{url: a.mp4, transport: auto, low_latency: false}",
    ],
)
def test_keys_of_its_own_kind_are_taken(file: Path, text: str) -> None:
    assert list(camera(file, text).cameras) == ["gate"]


def test_a_link_to_a_device_is_a_device(file: Path) -> None:
    (file.parent / "door").symlink_to("/dev/null")
    assert camera(file, "{url: door, size: 640x480}").cameras["gate"].width_and_height == (640, 480)


def test_an_unknown_hardware_decoder_is_refused_with_the_nearest(file: Path) -> None:
    said = camera_refusal(file, "{url: rtsp://h/1, hardware: cuda9}")
    assert said == (
        "3:37: cameras.gate.hardware: there is no hardware decoder 'cuda9' (did you mean 'cuda'?)"
    )


@pytest.mark.parametrize("name", ["auto", "off", "vaapi", "h264_v4l2m2m"])
def test_known_hardware_decoders_are_taken(file: Path, name: str) -> None:
    assert camera(file, f"{{url: a.mp4, hardware: {name}}}").cameras["gate"].hardware == name


def test_the_known_hardware_is_what_is_tried() -> None:
    tried = [name for name, _ in (*hardware._HELPED, *hardware._OF_DEVICES)]
    assert list(HARDWARE) == tried


def test_of_many_wrong_things_each_is_told(file: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        camera(file, "{url: rstp://host:99999/1, loop: true, watch: true}")
    assert [problem.where for problem in caught.value.problems] == [
        "cameras.gate.url",
        "cameras.gate.loop",
        "cameras.gate.watch",
    ]


# What was meant.


def test_a_camera_may_be_its_url_alone(file: Path) -> None:
    assert camera(file, "rtsp://u:p@10.0.0.7/1").cameras["gate"].url == "rtsp://u:p@10.0.0.7/1"
    assert camera(file, "clips/a.mp4").cameras["gate"].url == str(file.parent / "clips/a.mp4")


def test_a_url_alone_that_is_wrong_is_shown_in_its_place(file: Path) -> None:
    assert camera_refusal(file, "rstp://u:p@10.0.0.7/1").startswith(
        "3:9: cameras.gate.url: addresses that begin with rstp:"
    )


def test_the_transport_may_be_in_capitals(file: Path) -> None:
    assert camera(file, "{url: rtsp://h/1, transport: UDP}").cameras["gate"].transport == "udp"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "{url: rtsp://h/1, silence_s: 500ms}",
            "3:38: cameras.gate.silence_s: this is a number of seconds: write 0.5, not '500ms'",
        ),
        (
            "{url: rtsp://h/1, silence_s: 2 min}",
            "3:38: cameras.gate.silence_s: this is a number of seconds: write 120, not '2 min'",
        ),
        (
            "{url: /dev/video0, size: [640, 480]}",
            "3:34: cameras.gate.size: write the size as one word: 640x480",
        ),
        (
            "{url: rtsp://h/1, fps: 5}",
            "3:27: cameras.gate.fps: unknown key 'fps': fewer frames are processed with `max_rate` "
            "of a pipeline; the `rate` of a device, or of images, is set here",
        ),
        (
            "{url: rtsp://h/1, username: operator}",
            "3:27: cameras.gate.username: unknown key 'username': write both into the url, as "
            "rtsp://user:password@host/path; `url: !secret NAME` takes it from secrets.yaml",
        ),
        (
            "{url: rtsp://h/1, max_rate: 5}",
            "3:27: cameras.gate.max_rate: unknown key 'max_rate': it is a key of a pipeline",
        ),
        (
            "{url: rtsp://h/1, lop: true}",
            "3:27: cameras.gate.lop: unknown key 'lop' (did you mean 'loop'?)",
        ),
    ],
)
def test_what_a_camera_is_not_told_so_says_what_to_write(file: Path, text: str, said: str) -> None:
    assert camera_refusal(file, text) == said


def test_a_password_of_its_own_key_is_not_shown(file: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        camera(file, "{url: rtsp://h/1, password: hunter2}")
    assert "unknown key 'password': write both into the url" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_one_camera_of_a_pipeline_needs_no_list(file: Path) -> None:
    assert pipeline(file, "    cameras: gate").pipelines["people"].cameras == ("gate",)


def test_one_camera_that_is_not_there_is_shown_in_its_place(file: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        pipeline(file, "    cameras: gaet")
    assert str(caught.value).splitlines()[0] == (
        f"{file}:7:14: pipelines.people.cameras: there is no camera 'gaet' (did you mean 'gate'?)"
    )


@pytest.mark.parametrize(
    ("value", "gate"),
    [("true", MotionGateSettings()), ("{}", MotionGateSettings()), ("false", None)],
)
def test_a_motion_gate_may_be_true(file: Path, value: str, gate: MotionGateSettings | None) -> None:
    read = pipeline(file, f"    cameras: [gate]\n    motion_gate: {value}")
    assert read.pipelines["people"].motion_gate == gate


def test_masks_are_read(file: Path) -> None:
    read = pipeline(
        file, "    cameras: [gate]\n    motion_gate: {masks: [[[0, 0], [0.3, 0], [0.3, 1]]]}"
    )
    gate = read.pipelines["people"].motion_gate
    assert gate is not None
    assert gate.masks == (((0, 0), (0.3, 0), (0.3, 1)),)


PIXELS = (
    "points are in 0..1 of the picture, and 640 is more than 1: divide each x by its width and "
    "each y by its height in pixels (320 of 640 is 0.5)"
)


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        (
            "[[[0, 0], [0.5, 0.5]]]",
            "9:15: pipelines.people.motion_gate.masks.0: a polygon has at least 3 points, and this "
            "one has 2",
        ),
        (
            "[[[0, 0], [640, 0], [640, 48]]]",
            f"9:15: pipelines.people.motion_gate.masks.0: {PIXELS}",
        ),
        (
            '["0.1,0.2,0.3,0.4,0.5,0.6"]',
            "9:15: pipelines.people.motion_gate.masks.0: a polygon is a list of points: write "
            "[[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]",
        ),
        (
            '"0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8"',
            "9:14: pipelines.people.motion_gate.masks: this is a list of polygons: write, "
            "inside of [ ], [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], …]",
        ),
        (
            "[[0, 0, 640, 0, 640, 48]]",
            "9:15: pipelines.people.motion_gate.masks.0: a polygon is a list of points: write "
            f"[[0, 0], [640, 0], [640, 48]]; {PIXELS}",
        ),
        (
            "[[0, 0], [0.3, 0], [0.3, 0.1]]",
            "9:14: pipelines.people.motion_gate.masks: this is a list of polygons: put one more "
            "[ ] around the points",
        ),
        ("here", "9:14: pipelines.people.motion_gate.masks: this must be a list, not 'here'"),
        (
            "[[[0, 0], [-0.3, 0], [0.3, 1]]]",
            "9:25: pipelines.people.motion_gate.masks.0.1.0: this must be at least 0, not -0.3",
        ),
    ],
)
def test_masks_of_another_form_say_what_to_write(file: Path, masks: str, said: str) -> None:
    assert pipeline_refusal(file, f"motion_gate:\n      masks: {masks}") == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "fps: 5",
            "8:5: pipelines.people.fps: unknown key 'fps': write `max_rate`",
        ),
        (
            "max_latency_s: 500ms",
            "8:20: pipelines.people.max_latency_s: this is a number of seconds: write 0.5, "
            "not '500ms'",
        ),
        (
            "max_latency_s: 4000",
            "8:20: pipelines.people.max_latency_s: this must be at most 3600, not 4000",
        ),
        (
            "motion_gate: {linger_s: 3s}",
            "8:29: pipelines.people.motion_gate.linger_s: this is a number of seconds: write 3, "
            "not '3s'",
        ),
    ],
)
def test_what_a_pipeline_is_not_told_so_says_what_to_write(
    file: Path, line: str, said: str
) -> None:
    assert pipeline_refusal(file, line) == said


# What is in doubt.


def doubted(settings: Settings) -> list[str]:
    assert settings.document is not None
    used = {name for each in settings.pipelines.values() for name in each.cameras}
    found = doubts(settings.cameras, used, settings.base, settings.document)
    return [str(each).replace(f"{settings.base}/", "") for each in found]


def test_a_camera_that_no_pipeline_uses_is_in_doubt(file: Path) -> None:
    assert doubted(camera(file, "rtsp://10.0.0.7/1")) == [
        "appliance.yaml:3:3: warning: cameras.gate: no pipeline uses this camera\n"
        "     3 |   gate: rtsp://10.0.0.7/1\n"
        "       |   ^"
    ]


@pytest.mark.parametrize("url", ["rtsp:/u:hunter2@h/1", "rtsp//u:hunter2@h/1", "h/1?pwd=hunter2"])
def test_a_line_that_may_hold_a_password_is_not_shown(file: Path, url: str) -> None:
    warnings = doubted(camera(file, url))
    assert "appliance.yaml:3:3: warning: cameras.gate: no pipeline uses this camera" in warnings
    assert "hunter2" not in "".join(warnings)


def test_a_path_that_no_file_can_have_is_only_not_there(file: Path) -> None:
    url = "a" * 300 + ".mp4"
    warnings = doubted(camera(file, url))
    assert f"there is no file {url}" in warnings[-1]


def test_a_camera_that_is_used_and_there_is_not_in_doubt(file: Path) -> None:
    assert doubted(pipeline(file, "    cameras: gate")) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("a.mp4", "there is no file a.mp4"),
        ("clips.d/a.mp4", "there is no file clips.d/a.mp4"),
        ("file:///no/such%20one.mp4", "there is no file /no/such one.mp4"),
        (
            "/dev/video99",
            "there is no device /dev/video99; `v4l2-ctl --list-devices` lists the cameras",
        ),
        (
            "10.0.0.7/stream",
            "there is no file 10.0.0.7/stream; a camera on the network is written "
            "rtsp://10.0.0.7/stream",
        ),
        (
            "camera:554/stream",
            "there is no file camera:554/stream; a camera on the network is written "
            "rtsp://camera:554/stream",
        ),
        *(
            (url, "there is no such file; a camera on the network begins with rtsp://")
            for url in (
                "u:hunter2@10.0.0.7/stream",
                "10.0.0.7/cgi?password=hunter2",
                "10.0.0.7:554/user=a_password=hunter2_channel=1",
            )
        ),
    ],
)
def test_what_is_not_there_is_in_doubt_and_shows_no_password(
    file: Path, url: str, said: str
) -> None:
    file.write_text(
        f'version: 1\ncameras: {{gate: {{url: "{url}"}}}}\n'
        "pipelines: {people: {workflow: p.yaml, cameras: gate}}\n"
    )
    (warning,) = doubted(read_settings(file))
    assert warning.splitlines()[0] == f"appliance.yaml:2:23: warning: cameras.gate.url: {said}"
    assert "hunter2" not in warning


def test_a_file_that_is_there_is_not_in_doubt(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = file.parent / "box"
    box.mkdir()
    (box / "a.mp4").write_bytes(b"x")
    (box / "appliance.yaml").write_text(
        "version: 1\ncameras: {gate: a.mp4}\n"
        "pipelines: {people: {workflow: p.yaml, cameras: gate}}\n"
    )
    monkeypatch.chdir(file.parent)
    assert doubted(read_settings(Path("box/appliance.yaml"))) == []
