"""HTTP whose exchanges are over by a given time, with real servers on the loopback."""

import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.clock import Clock, SystemClock
from appliance.engine.testing import ManualClock
from appliance.inference.remote_address import Address
from appliance.inference.remote_http import Answer, Buffer, Server, ServerError
from tests.oip_server import OipServer

PATIENCE_S = 20.0
LIMIT = 100_000


@pytest.fixture
def oip() -> Iterator[OipServer]:
    with OipServer() as server:
        yield server


Reach = Callable[..., Server]


@pytest.fixture
def reach() -> Iterator[Reach]:
    made = []

    def make(url: str, clock: Clock | None = None, ca_file: str = "") -> Server:
        made.append(Server(Address.of(url), clock or SystemClock(), {"X-Site": "yard"}, ca_file))
        return made[-1]

    yield make
    for server in made:
        server.close()


def ask(server: Server, path: str = "/v2", within_s: float = PATIENCE_S) -> Answer:
    return server.ask("GET", path, SystemClock().monotonic() + within_s, LIMIT)


def infer(server: Server, until_s: float, limit: int = LIMIT) -> Answer:
    text = b'{"inputs": [{"name": "image", "datatype": "FP32", "shape": [2], "data": [0, 0]}]}'
    return server.ask("POST", "/v2/models/double/infer", until_s, limit, [text[:9], text[9:]])


def infer_in_time(server: Server, limit: int = LIMIT) -> Answer:
    return infer(server, SystemClock().monotonic() + PATIENCE_S, limit)


class Raw:
    """A server that sends the same bytes to whoever connects, and closes then."""

    def __init__(self, content: bytes) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.recv(65536)
                self.request.sendall(content)

        self._server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


def test_an_answer_has_its_status_its_headers_and_its_content(oip: OipServer, reach: Reach) -> None:
    answer = ask(reach(oip.url))
    assert answer.status == 200
    assert answer.headers["content-length"] == str(len(answer.body))
    assert b'"name": "stub"' in answer.body
    assert oip.seen[0].headers["x-site"] == "yard"


def test_content_goes_in_pieces_of_any_kind_and_with_its_length(
    oip: OipServer, reach: Reach
) -> None:
    values = np.zeros(2, np.float32)
    head = b'{"inputs": [{"name": "image", "datatype": "FP32", "shape": [2], '
    head += b'"parameters": {"binary_data_size": 8}}]}'
    headers = {"Inference-Header-Content-Length": str(len(head))}
    until_s = SystemClock().monotonic() + PATIENCE_S
    pieces: list[Buffer] = [head, values.view(np.uint8).data]
    path = "/v2/models/double/infer"
    answer = reach(oip.url).ask("POST", path, until_s, LIMIT, pieces, headers)
    assert answer.status == 200
    assert oip.seen[0].headers["content-length"] == str(len(head) + 8)


def test_one_connection_serves_requests_that_follow_each_other(
    oip: OipServer, reach: Reach
) -> None:
    server = reach(oip.url)
    for _ in range(5):
        assert ask(server).status == 200
        assert infer_in_time(server).status == 200
    assert len({seen.port for seen in oip.seen}) == 1


def test_a_kept_connection_that_the_server_closed_is_made_anew(
    oip: OipServer, reach: Reach
) -> None:
    server = reach(oip.url)
    assert ask(server).status == 200
    oip.hang_up()
    assert ask(server).status == 200
    assert len({seen.port for seen in oip.seen}) == 2


def test_a_server_that_closes_each_connection_is_not_asked_for_ever(
    oip: OipServer, reach: Reach
) -> None:
    server = reach(oip.url)
    assert ask(server).status == 200
    oip.fault = "closes"
    with pytest.raises(ServerError, match="closes the connection instead of answering"):
        infer_in_time(server)
    assert len(oip.inferences) == 2


def test_threads_have_connections_of_their_own(oip: OipServer, reach: Reach) -> None:
    server = reach(oip.url)
    meet = threading.Barrier(4)
    oip.compute = lambda image: [image, np.zeros(meet.wait(PATIENCE_S) * 0 + 1)]
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(infer_in_time(server).status))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert statuses == [200] * 4
    assert len({seen.port for seen in oip.seen}) == 4


def test_a_closed_server_keeps_no_connection(oip: OipServer, reach: Reach) -> None:
    server = reach(oip.url)
    server.close()
    assert [ask(server).status for _ in range(2)] == [200, 200]
    assert len({seen.port for seen in oip.seen}) == 2


def test_a_server_that_says_nothing_is_given_up_in_time(oip: OipServer, reach: Reach) -> None:
    oip.fault = "silent"
    clock = SystemClock()
    began_s = clock.monotonic()
    with pytest.raises(TimeoutError):
        infer(reach(oip.url), began_s + 0.2)
    assert 0.2 <= clock.monotonic() - began_s < 5.0


def test_a_server_that_trickles_gains_no_time(oip: OipServer, reach: Reach) -> None:
    clock = ManualClock()
    # A tenth of a second passes with each byte: no single one takes long.
    oip.fault, oip.between = "trickle", lambda: clock.advance(0.1)
    with pytest.raises(TimeoutError):
        infer(reach(oip.url, clock), clock.monotonic() + 5.0)
    assert clock.monotonic() >= 5.0


def test_head_lines_that_trickle_gain_no_time(reach: Reach) -> None:
    clock = ManualClock()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                clock.advance(0.1)
                self.request.sendall(b"X-Y: z\r\n")

    class Quiet(socketserver.TCPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """The client goes away, as it should."""

    with Quiet(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.handle_request)
        thread.start()
        # So many lines are refused as well, whichever is first.
        with pytest.raises((TimeoutError, ServerError)):
            ask_until(reach(f"http://127.0.0.1:{listening.server_address[1]}", clock), 5.0)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def ask_until(server: Server, until_s: float) -> Answer:
    return server.ask("GET", "/v2", until_s, LIMIT)


def test_where_the_time_is_over_nothing_is_sent(oip: OipServer, reach: Reach) -> None:
    clock = ManualClock()
    with pytest.raises(TimeoutError):
        ask_until(reach(oip.url, clock), clock.monotonic())
    assert oip.seen == []


def test_a_host_that_never_takes_the_connection_is_given_up_in_time(reach: Reach) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        with socket.create_connection(place), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(place)
            with pytest.raises(TimeoutError):
                ask(reach(f"http://127.0.0.1:{place[1]}"), within_s=0.2)


@pytest.mark.parametrize("fault", ["huge", "endless"])
def test_an_answer_that_is_too_long_is_not_read(oip: OipServer, fault: str, reach: Reach) -> None:
    oip.fault = fault  # type: ignore[assignment]  # one of its faults
    with pytest.raises(ServerError, match="longer than the 100000 bytes that are awaited"):
        infer_in_time(reach(oip.url))


def test_an_answer_that_breaks_off_is_a_sentence(oip: OipServer, reach: Reach) -> None:
    oip.fault = "breaks-off"
    with pytest.raises(ServerError, match="breaks off in the middle of its answer"):
        infer_in_time(reach(oip.url))


@pytest.mark.parametrize(
    "content",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 zwei OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    ],
)
def test_what_is_no_http_is_a_sentence(content: bytes, reach: Reach) -> None:
    with Raw(content) as url, pytest.raises(ServerError, match=r"no HTTP|breaks off|closes"):
        ask(reach(url))


@pytest.mark.parametrize(
    "content",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nabcde",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
    ],
)
def test_content_is_read_however_its_end_is_told(content: bytes, reach: Reach) -> None:
    with Raw(content) as url:
        assert ask(reach(url))[::2] == (200, b"abcde")


def test_a_long_answer_on_a_connection_that_closes_then_is_read_whole(
    reach: Reach,
) -> None:
    # More than comes in at once.
    answer = b" " * 90_000
    with Raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + answer) as url:
        assert ask(reach(url)).body == answer


def test_a_server_that_is_not_there_is_a_sentence(reach: Reach) -> None:
    with socket.socket() as taken:
        # Bound but not listening: connections are refused, and nobody else gets the port.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ServerError, match="refused; check that the server runs"):
            ask(reach(url))


def test_of_several_addresses_of_a_name_the_first_may_be_dead(
    oip: OipServer, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(oip.url.rpartition(":")[2])
        kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
        places = [(*kind, taken.getsockname()), (*kind, ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
        assert ask(reach(f"http://gpu-box:{port}")).status == 200
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places[::-1])
        assert ask(reach(f"http://gpu-box:{port}")).status == 200
    assert len(oip.seen) == 2


@pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'a' * 64}.invalid"])
def test_a_host_that_is_not_known_is_a_sentence(host: str, reach: Reach) -> None:
    with pytest.raises(ServerError, match=r"name is not known|cannot be reached"):
        ask(reach(f"http://{host}"))


def openssl(folder: Path, *arguments: str) -> None:
    command = ["openssl", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[OipServer]:
    """A server with a certificate that `ca.pem` beside it has signed: its own."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    name = ("-subj", "/CN=box", "-addext", "subjectAltName=IP:127.0.0.1")
    openssl(tmp_path, "req", "-x509", *key, *name, "-keyout", "key.pem", "-out", "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.pem", tmp_path / "key.pem")
    with OipServer(context) as server:
        yield server


def test_a_server_with_tls_is_checked_against_the_given_authority(
    tls: OipServer, tmp_path: Path, reach: Reach
) -> None:
    trusted = reach(tls.url, ca_file=str(tmp_path / "ca.pem"))
    assert infer_in_time(trusted).status == 200
    assert infer_in_time(trusted).status == 200
    assert len({seen.port for seen in tls.seen}) == 1
    with pytest.raises(ServerError, match=r"certificate is not trusted.*name who signed it"):
        ask(reach(tls.url))


def test_a_server_without_tls_asked_for_it_is_a_sentence(oip: OipServer, reach: Reach) -> None:
    with pytest.raises(ServerError, match=r"no TLS can be agreed on|closes the connection"):
        ask(reach(oip.url.replace("http:", "https:")))


def test_certificates_that_cannot_be_read_are_a_sentence(tmp_path: Path, reach: Reach) -> None:
    with pytest.raises(ServerError, match=r"no certificates can be read from .*no\.pem"):
        reach("https://box", ca_file=str(tmp_path / "no.pem"))
    (tmp_path / "empty.pem").write_text("none\n")
    with pytest.raises(ServerError, match=r"no certificates can be read from .*empty\.pem"):
        reach("https://box", ca_file=str(tmp_path / "empty.pem"))
