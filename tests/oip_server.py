"""A server of the Open Inference Protocol, version 2, for tests.

It listens on a free port of the loopback, speaks JSON and the binary extension, and can be told to
do what servers do wrong. Its model `double` gives twice what it is given, and the sum of that.
"""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Fault = Literal[
    "",
    "breaks-off",
    "closes",
    "endless",
    "garbage",
    "huge",
    "model-denied",
    "model-not-ready",
    "moved",
    "mute",
    "nan",
    "no-binary",
    "no-http",
    "no-model",
    "not-ready",
    "silent",
    "slow",
    "trickle",
    "wrong-shape",
    "wrong-type",
]
NUMPY = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BF16": np.dtype(np.uint16),
}
HEADER_LENGTH = "Inference-Header-Content-Length"


class Seen(NamedTuple):
    """A request, and the port of who made it, by which connections are told apart."""

    method: str
    path: str
    headers: dict[str, str]
    port: int


class OipServer:
    """The server. What it does is set by its attributes, also while it runs.

    `compute` makes the values of all outputs from those of the input. `between` is called before
    each byte of an answer that trickles, and `let_go` ends the wait of one that is slow.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.fault: Fault = ""
        self.extensions: list[str] | None = ["binary_tensor_data"]
        self.takes = ("image", "FP32", [1, 3, 2, 2])
        self.gives = [("doubled", "FP32", [1, 3, 2, 2]), ("sum", "FP32", [-1])]
        self.compute: Callable[[NDArray[Any]], list[NDArray[Any]]] = _doubled
        self.between: Callable[[], object] = lambda: None
        self.let_go = threading.Event()
        self.seen: list[Seen] = []
        self.token = ""
        self._tls = context is not None
        self._server = _Threads(("127.0.0.1", 0), _handler(self))
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        port = self._server.socket.getsockname()[1]
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"

    @property
    def inferences(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.path.endswith("/infer")]

    def hang_up(self) -> None:
        """Close all connections."""
        self._server.hang_up()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


def _doubled(image: NDArray[Any]) -> list[NDArray[Any]]:
    return [image * 2, (image * 2).sum(keepdims=True).reshape(1)]


class _Threads(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for request in list(self._open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is nothing to say."""


def _handler(oip: OipServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Answers):
        server_of = oip

    return Handler


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is not held back until the next: it is written in two pieces.
    disable_nagle_algorithm = True
    server_of: OipServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
        """Say nothing."""

    def do_GET(self) -> None:
        self._see()
        oip = self.server_of
        if oip.token and self.headers.get("Authorization") != oip.token:
            return self._json({"error": f"who is {self.headers.get('Authorization')}?"}, 401)
        if oip.fault == "mute":
            oip.let_go.wait(30.0)
        if oip.fault == "moved":
            return self._send(302, b"")
        if oip.fault.startswith("model-") and self.path.endswith("double/ready"):
            status = 200 if oip.fault == "model-denied" else 400
            return self._json({"ready": False}, status)
        if self.path.endswith("/ready"):
            return self._json({"ready": oip.fault != "not-ready"}, 200)
        if self.path.endswith("/v2"):
            if oip.extensions is None:
                return self._send(200, b"no JSON")
            return self._json({"name": "stub", "extensions": oip.extensions})
        if oip.fault == "no-model" or "/models/double" not in self.path:
            return self._json({"error": "Request for unknown model"}, 404)
        described = [_described(*tensor) for tensor in (oip.takes, *oip.gives)]
        return self._json({"name": "double", "inputs": described[:1], "outputs": described[1:]})

    def do_POST(self) -> None:
        self._see()
        oip = self.server_of
        body = self.rfile.read(int(self.headers["Content-Length"]))
        binary = HEADER_LENGTH in self.headers
        if oip.fault == "no-binary" and binary:
            return self._json({"error": "'utf-8' codec can't decode byte 0xff"}, 500)
        if oip.fault == "closes":
            self.close_connection = True
            return None
        if oip.fault in ("silent", "slow"):
            oip.let_go.wait(30.0)
        head, raw = body, b""
        if binary:
            length = int(self.headers[HEADER_LENGTH])
            head, raw = body[:length], body[length:]
        request = json.loads(head)
        values = oip.compute(_values(request["inputs"][0], raw))
        wants = request.get("parameters", {}).get("binary_data_output", False)
        return self._answer(values, binary=bool(wants))

    def _answer(self, values: list[NDArray[Any]], *, binary: bool) -> None:
        oip = self.server_of
        outputs, raw = [], b""
        for (name, datatype, _), value in zip(oip.gives, values, strict=True):
            shape = [7, *value.shape] if oip.fault == "wrong-shape" else list(value.shape)
            kind = "BYTES" if oip.fault == "wrong-type" else datatype
            output: dict[str, Any] = {"name": name, "shape": shape, "datatype": kind}
            written = value if datatype == "BF16" else value.astype(NUMPY[datatype])
            if binary:
                output["parameters"] = {"binary_data_size": written.nbytes}
                raw += written.tobytes()
            else:
                output["data"] = written.ravel().tolist()
            outputs.append(output)
        text = json.dumps({"model_name": "double", "outputs": outputs})
        if oip.fault == "nan":
            text = text.replace("0.0", "NaN")
        head = text.encode()
        self._faulty(head + raw, {HEADER_LENGTH: str(len(head))} if binary else {})

    def _faulty(self, body: bytes, headers: dict[str, str]) -> None:
        """The answer, as the fault has it."""
        oip = self.server_of
        if oip.fault == "garbage":
            return self._send(200, b"<html>welcome</html>")
        if oip.fault == "no-http":
            self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            self.close_connection = True
            return None
        if oip.fault == "huge":
            return self._send(200, b" " * (1 << 20) + body, headers)
        if oip.fault == "endless":
            return self._endless()
        if oip.fault == "breaks-off":
            self._head(200, len(body), headers)
            self.wfile.write(body[:-5])
            self.close_connection = True
            return None
        if oip.fault == "trickle":
            self._head(200, len(body), headers)
            for byte in body:
                oip.between()
                self.wfile.write(bytes([byte]))
            return None
        return self._send(200, body, headers)

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            self.wfile.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    def _see(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server_of.seen.append(Seen(self.command, self.path, headers, self.client_address[1]))

    def _json(self, content: object, status: int = 200) -> None:
        if self.server_of.fault == "not-ready" and self.path == "/v2/health/ready":
            status = 503
        self._send(status, json.dumps(content).encode())

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, len(body), headers or {})
        self.wfile.write(body)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()


def _described(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def _values(tensor: dict[str, Any], raw: bytes) -> NDArray[Any]:
    kind = NUMPY[tensor["datatype"]]
    if raw:
        assert tensor["parameters"]["binary_data_size"] == len(raw)
        return np.frombuffer(raw, kind).reshape(tensor["shape"])
    return np.array(tensor["data"], kind).reshape(tensor["shape"])
