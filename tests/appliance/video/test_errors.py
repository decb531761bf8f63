"""Sentences about sources, without their passwords."""

from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.video.errors import cannot_go_on, cannot_open, missing_file, redact
from tests.unprivileged import as_nobody


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("rtsp://admin:pw@10.0.0.5:554/ch1", "rtsp://admin:***@10.0.0.5:554/ch1"),
        ("rtsp://admin:p@w:x@10.0.0.5/ch1", "rtsp://admin:***@10.0.0.5/ch1"),
        ("rtsp://admin:p/w@10.0.0.5/ch1", "rtsp://admin:***@10.0.0.5/ch1"),
        ("rtsp://admin:p#w?@10.0.0.5/ch1", "rtsp://admin:***@10.0.0.5/ch1"),
        ("rtsp://:pw@10.0.0.5/ch1", "rtsp://:***@10.0.0.5/ch1"),
        ("rtsp://admin@10.0.0.5/ch1", "rtsp://admin@10.0.0.5/ch1"),
        ("rtsp://10.0.0.5:554/user@home", "rtsp://10.0.0.5:554/user@home"),
        ("rtsp://[::1]:554/user@home", "rtsp://[::1]:554/user@home"),
        ("http://c/v.cgi?user=a&pwd=pw&ch=1", "http://c/v.cgi?user=a&pwd=***&ch=1"),
        ("http://c/v?access_token=pw", "http://c/v?access_token=***"),
        ("http://c/v?user=a&pw=p/w", "http://c/v?user=a&pw=***"),
        ("http://c/v.cgi?loginuse=a&loginpas=pw", "http://c/v.cgi?loginuse=a&loginpas=***"),
        ("rtsp://c/user=a_password=pw_channel=1.sdp", "rtsp://c/user=a_password=***"),
        ("rtsp://c/user=a&password=pw&channel=1", "rtsp://c/user=a&password=***&channel=1"),
        ("http://c/v#token=pw", "http://c/v#token=***"),
        ("admin:pw@10.0.0.5/ch1", "admin:***@10.0.0.5/ch1"),
        ("admin:p/w@10.0.0.5/ch1", "admin:***@10.0.0.5/ch1"),
        ("10.0.0.5/cgi?password=pw", "10.0.0.5/cgi?password=***"),
        ("clips/gate.mp4", "clips/gate.mp4"),
        ("clips/10:30@gate.mp4", "clips/10:30@gate.mp4"),
    ],
)
def test_an_address_is_shown_without_its_secrets(uri: str, shown: str) -> None:
    assert redact(uri) == shown


def test_a_missing_file_names_the_most_similar_one(tmp_path: Path) -> None:
    (tmp_path / "gate.mp4").touch()
    (tmp_path / "yard.mp4").touch()
    wrong = tmp_path / "gaet.mp4"
    expected = f"{wrong}: there is no such file (did you mean {tmp_path / 'gate.mp4'}?)"
    assert str(missing_file(wrong)) == expected


def test_an_address_without_its_scheme_is_a_missing_file_and_shows_no_password() -> None:
    assert "/w" not in str(missing_file(Path("rtsp:/admin:p/w@h/ch1")))
    told = str(missing_file(Path("/srv/admin:pw@10.0.0.5/ch1")))
    shown = "/srv/admin:***@10.0.0.5"
    assert told == f"{shown}/ch1: there is no folder {shown}"


def test_a_missing_file_with_no_similar_one_is_only_missing(tmp_path: Path) -> None:
    wrong = tmp_path / "gate.mp4"
    assert str(missing_file(wrong)) == f"{wrong}: there is no such file"


def test_a_missing_file_in_a_folder_that_cannot_be_listed_is_only_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # From inside, since the folders above it may be closed to others altogether.
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o311)
    with as_nobody():
        told = str(missing_file(Path("gate.mp4")))
    tmp_path.chmod(0o700)
    assert told == "gate.mp4: there is no such file"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "clips" / "gate.mp4"
    assert str(missing_file(wrong)) == f"{wrong}: there is no folder {tmp_path / 'clips'}"


@pytest.mark.parametrize(
    ("kind", "number", "words"),
    [
        (av.error.ExitError, 1, "no answer within 5 s; check the address and the network"),
        (av.error.TimeoutError, 110, "no answer within 5 s; check the address and the network"),
        (av.error.InvalidDataError, 1, "it answers no video within 5 s"),
        (av.error.OSError, 5, "no connection, or nothing came over it"),
        (av.error.HTTPForbiddenError, 1, "access is forbidden (403)"),
        (av.error.OSError, 113, "it cannot be opened: so says av"),
    ],
)
def test_what_fails_on_the_network_is_a_sentence(
    kind: type[av.FFmpegError], number: int, words: str
) -> None:
    error = kind(number, "so says av", "rtsp://admin:pw@camera/1")
    said = str(cannot_open("rtsp://admin:***@camera/1", error, network=True, timeout_s=5.0))
    assert said.startswith(f"rtsp://admin:***@camera/1: {words}")


def test_a_device_that_is_no_camera_is_said_to_be_none() -> None:
    error = av.error.OSError(25, "Inappropriate ioctl for device")
    said = str(cannot_open("/dev/null", error, network=False, timeout_s=5.0))
    assert said.startswith("/dev/null: this device is not a camera")


def test_silence_and_failure_while_reading_are_told_apart() -> None:
    silent = cannot_go_on("camera", av.error.ExitError(1, "exit"), silent_s=5.0)
    broken = cannot_go_on("camera", av.error.OSError(5, "Input/output error"), silent_s=5.0)
    assert str(silent) == "camera: no data for 5 s; the camera or the network hangs"
    assert str(broken) == "camera: reading stopped: Input/output error"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=12))
def test_no_password_of_whatever_characters_is_shown(password: str) -> None:
    assert (
        redact(f"rtsp://admin:{password}@10.0.0.7:554/ch1") == "rtsp://admin:***@10.0.0.7:554/ch1"
    )
