"""Downloads over a real connection: whole, gone on with, or begun again."""

import contextlib
import http.server
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.inference.downloads import SOURCES, Incoming, WebSource, download, shown
from appliance.inference.packages import FetchError

CONTENT = bytes(range(256)) * 400
HALF = len(CONTENT) // 2


class Shelf:
    """A web server of one file, as a test wants it: `asked` are the headers of each request."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.etag = '"one"'
        self.ranges = True
        self.stop_after: int | None = None
        self.asked: list[dict[str, str]] = []
        self.url = ""

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.asked.append(dict(handler.headers))
        wanted = re.match(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        begin = int(wanted[1]) if wanted and self.ranges else 0
        if begin and handler.headers.get("If-Range", self.etag) != self.etag:
            begin = 0
        if begin >= len(self.content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if begin else 200)
        if begin:
            last = len(self.content) - 1
            handler.send_header("Content-Range", f"bytes {begin}-{last}/{last + 1}")
        handler.send_header("Content-Length", str(len(self.content) - begin))
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.end_headers()
        handler.wfile.write(self.content[begin : self.stop_after])


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shelf.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        shelf.url = f"http://127.0.0.1:{server.server_port}/x.onnx"
        yield shelf
        server.shutdown()
        thread.join()


def broken_off(shelf: Shelf, target: Path) -> None:
    """Have a first try break off in the middle."""
    shelf.stop_after = HALF
    with pytest.raises(FetchError) as caught:
        download(shelf.url, target, print)
    assert str(caught.value) == (
        f"downloading {shelf.url} failed (it ended {HALF} bytes too early): check the network and "
        "the address; the next try goes on after 0.1 MB"
    )
    assert target.read_bytes() == CONTENT[:HALF]
    shelf.stop_after = None


def test_a_file_is_there_whole_and_said(shelf: Shelf, tmp_path: Path) -> None:
    said: list[str] = []
    target = download(shelf.url, tmp_path / "x", said.append)
    assert target.read_bytes() == CONTENT
    assert said == [f"downloading {shelf.url} (0.1 MB)"]
    assert "Range" not in shelf.asked[0]


def test_one_that_broke_off_is_gone_on_with(shelf: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "x"
    broken_off(shelf, target)
    said: list[str] = []
    assert download(shelf.url, target, said.append).read_bytes() == CONTENT
    assert said == [f"going on with {shelf.url} after 0.1 MB (0.1 MB)"]
    assert shelf.asked[1]["Range"] == f"bytes={HALF}-"
    assert shelf.asked[1]["If-Range"] == '"one"'


def test_another_content_than_at_the_first_try_is_fetched_from_its_beginning(
    shelf: Shelf, tmp_path: Path
) -> None:
    target = tmp_path / "x"
    broken_off(shelf, target)
    shelf.content, shelf.etag = CONTENT[::-1], '"two"'
    assert download(shelf.url, target, print).read_bytes() == CONTENT[::-1]


def test_a_server_that_knows_no_parts_begins_again(shelf: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "x"
    broken_off(shelf, target)
    shelf.ranges = False
    assert download(shelf.url, target, print).read_bytes() == CONTENT


def test_without_a_version_the_part_is_still_asked_for(shelf: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "x"
    shelf.etag = ""
    broken_off(shelf, target)
    assert download(shelf.url, target, print).read_bytes() == CONTENT
    assert "If-Range" not in shelf.asked[1]
    assert len(shelf.asked) == 2


def test_a_weak_version_is_none(shelf: Shelf, tmp_path: Path) -> None:
    shelf.etag = 'W/"one"'
    broken_off(shelf, tmp_path / "x")
    download(shelf.url, tmp_path / "x", print)
    assert "If-Range" not in shelf.asked[1]


def test_where_less_is_left_than_was_fetched_it_begins_again(shelf: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "x"
    broken_off(shelf, target)
    shelf.content = CONTENT[:100]
    assert download(shelf.url, target, print).read_bytes() == CONTENT[:100]


def test_one_that_was_killed_when_it_had_all_is_not_fetched_again(
    shelf: Shelf, tmp_path: Path
) -> None:
    target = download(shelf.url, tmp_path / "x", print)
    target.write_bytes(b"x" * len(CONTENT))
    assert download(shelf.url, target, print).read_bytes() == b"x" * len(CONTENT)
    assert shelf.asked[1]["Range"] == f"bytes={len(CONTENT)}-"
    assert len(shelf.asked) == 2


def test_what_is_there_of_another_address_is_thrown_away(shelf: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"something else")
    (tmp_path / "x.json").write_text(json.dumps({"url": "http://elsewhere/x", "version": "1"}))
    assert download(shelf.url, target, print).read_bytes() == CONTENT
    assert "Range" not in shelf.asked[0]


def test_a_note_that_cannot_be_read_is_none(shelf: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(CONTENT[:10])
    (tmp_path / "x.json").write_text("[half of i")
    assert download(shelf.url, target, print).read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_named(shelf: Shelf, tmp_path: Path) -> None:
    shelf.content = b""
    with pytest.raises(FetchError, match=r"x\.onnx failed: HTTP 416"):
        download(shelf.url, tmp_path / "x", print)
    assert list(tmp_path.iterdir()) == []


def test_an_address_where_nobody_answers_is_named(no_network: int, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{no_network}/x"
    with pytest.raises(FetchError, match=r"Connection refused.*check the network and the address$"):
        download(url, tmp_path / "x", print)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot", "it ended 6 bytes too early"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nnot", "IncompleteRead"),
        (b"220 a mail server\r\n", r"220 a mail server\)"),
        (b"HTTP/1.1 206 Part\r\nContent-Length: 1\r\n\r\nx", "does not say which part"),
    ],
)
def test_a_server_that_breaks_off_is_told_from_one_that_has_another_file(
    tmp_path: Path, answer: bytes, reason: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        with pytest.raises(FetchError, match=rf"x failed \(.*{reason}.*check the network"):
            download(url, tmp_path / "x", print)
        thread.join()


def test_user_and_password_are_sent_and_not_shown(shelf: Shelf, tmp_path: Path) -> None:
    said: list[str] = []
    url = shelf.url.replace("http://", "http://me:s%40cret@") + "?signature=abc"
    download(url, tmp_path / "x", said.append)
    assert shelf.asked[0]["Authorization"] == "Basic bWU6c0BjcmV0"
    assert "cret" not in said[0] + (tmp_path / "x.json").read_text()
    assert shown(url) == f"{shelf.url}?…"


def test_a_file_on_this_machine_is_gone_on_with_while_it_is_the_same(tmp_path: Path) -> None:
    file, target = tmp_path / "a model.onnx", tmp_path / "x"
    file.write_bytes(CONTENT)
    url = file.as_uri()
    download(url, target, print)
    note = (tmp_path / "x.json").read_text()
    target.write_bytes(b"x" * HALF)
    said: list[str] = []
    download(url, target, said.append)
    assert target.read_bytes() == b"x" * HALF + CONTENT[HALF:]
    assert said[0].startswith(f"going on with {url}")
    file.write_bytes(CONTENT + b"more")
    (tmp_path / "x.json").write_text(note)
    assert download(url, target, print).read_bytes() == CONTENT + b"more"


def test_a_file_that_is_not_on_this_machine_is_named(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"gone\.onnx cannot be read: No such file"):
        download((tmp_path / "gone.onnx").as_uri(), tmp_path / "x", print)


def test_another_scheme_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="an address begins with https, http, file"):
        download("ftp://host/x", tmp_path / "x", print)


def test_a_source_of_ones_own_is_asked_for_its_scheme(tmp_path: Path) -> None:
    class Shelves:
        def open(
            self, url: str, begin: int, version: str
        ) -> contextlib.AbstractContextManager[Incoming]:
            return SOURCES["file"].open(f"file://{tmp_path}/{url.rpartition('/')[2]}", begin, "")

    (tmp_path / "yard").write_bytes(CONTENT)
    sources = {"shelf": Shelves()}
    assert download("shelf://a/yard", tmp_path / "x", print, sources).read_bytes() == CONTENT


def test_what_a_source_gives_says_where_it_begins(shelf: Shelf) -> None:
    reads: Callable[[int], bytes]
    with WebSource().open(shelf.url, HALF, '"one"') as incoming:
        reads = incoming.read
        assert incoming == Incoming(HALF, HALF, '"one"', reads)
        assert reads(4) == CONTENT[HALF : HALF + 4]
