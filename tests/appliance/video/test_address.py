"""What an address names, and where its password ends."""

from pathlib import Path

import pytest

from appliance.video.address import (
    credentials_end,
    file_of,
    is_device,
    scheme_of,
    with_encoded_password,
)


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [("RTSP://host/a", "rtsp"), ("clip.mp4", ""), ("C:/clip.mp4", ""), ("http://h", "http")],
)
def test_the_scheme_is_what_stands_before_two_slashes(uri: str, scheme: str) -> None:
    assert scheme_of(uri) == scheme


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("a b.mp4", Path("a b.mp4")),
        ("file:///a%20b.mp4", Path("/a b.mp4")),
        ("/dev/video0", Path("/dev/video0")),
        ("rtsp://host/a", None),
    ],
)
def test_a_file_is_named_by_its_path_or_its_address(uri: str, path: Path | None) -> None:
    assert file_of(uri) == path


@pytest.mark.parametrize(
    ("rest", "host"),
    [
        ("admin:secret@10.0.0.7:554/ch1", "10.0.0.7:554/ch1"),
        ("admin:p@ss@10.0.0.7/ch1", "10.0.0.7/ch1"),
        ("admin:pa/ss?w#1@10.0.0.7/ch1", "10.0.0.7/ch1"),
        ("admin:p@ss:w/rd#1@127.0.0.1:60885/gate", "127.0.0.1:60885/gate"),
        ("[fe80::1]:554/a@b", None),
        ("host:554/user@home", None),
        ("host/a", None),
    ],
)
def test_the_password_may_hold_what_ends_a_host(rest: str, host: str | None) -> None:
    end = credentials_end(rest)
    assert (rest[end + 1 :] if end >= 0 else None) == host


@pytest.mark.parametrize(
    ("uri", "encoded"),
    [
        ("rtsp://a:p@ss@host/x", "rtsp://a:p%40ss@host/x"),
        ("rtsp://a:pa/ss@host/x", "rtsp://a:pa%2Fss@host/x"),
        ("rtsp://a:p%40ss@host/x", "rtsp://a:p%40ss@host/x"),
        ("rtsp://a:p@ss:w/rd#1@host/x", "rtsp://a:p%40ss%3Aw%2Frd%231@host/x"),
        ("rtsp://host/x", "rtsp://host/x"),
        ("rtmp://a:p@ss@host/x", "rtmp://a:p@ss@host/x"),
        ("RTSP://a:p@ss@host/X", "rtsp://a:p%40ss@host/X"),
        ("RTMP://host/X", "rtmp://host/X"),
    ],
)
def test_a_password_is_encoded_once_for_those_that_take_it_so(uri: str, encoded: str) -> None:
    assert with_encoded_password(uri) == encoded


def test_a_device_is_told_from_a_file_and_from_what_cannot_be_looked_at(tmp_path: Path) -> None:
    assert is_device(Path("/dev/null"))
    assert not is_device(tmp_path)
    assert not is_device(Path("a" * 300))
    assert not is_device(Path("a\0b"))
