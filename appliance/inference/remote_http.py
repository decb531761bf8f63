"""HTTP/1.1 whose every exchange is over by a given time, and whose answers are bounded.

The standard library's client, on sockets whose time-out is what is left until then: a server that
sends a byte now and then gains nothing by it.
"""

import http.client
import io
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from appliance.clock import Clock
from appliance.inference.remote_address import Address

Buffer = bytes | memoryview
PIECE = 1 << 20
# More are closed after their use. As many are open as requests were under way at the same time.
MOST_IDLE = 8


class ServerError(Exception):
    """A server that cannot be asked, or answers nothing of use. Its text is the reason."""


class Answer(NamedTuple):
    """What a server answers: its status, its headers (names in small letters) and its content."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Server:
    """A server and the connections to it, which are kept. Safe to use from several threads.

    Raises:
        ServerError: the file of certificates cannot be read.
    """

    def __init__(
        self, address: Address, clock: Clock, headers: Mapping[str, str], ca_file: str = ""
    ) -> None:
        self._address = address
        self._clock = clock
        self._headers = {"Accept-Encoding": "identity", **headers}
        self._tls = _tls(ca_file) if address.tls else None
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._closed = False

    def ask(
        self,
        method: str,
        path: str,
        until_s: float,
        limit: int,
        content: Sequence[Buffer] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, answered by `until_s` on the clock's monotonic line.

        An answer of more than `limit` bytes is not read.

        Raises:
            TimeoutError: there was no answer by then.
            ServerError: there is none, or it is none of HTTP.
        """
        request = _Request(
            method,
            self._address.prefix + path,
            content,
            {**self._headers, **(headers or {})},
        )
        kept = self._kept()
        if kept is not None:
            try:
                return self._asked(kept, request, until_s, limit)
            except _GoneError:
                # The server had closed it while it was idle, and most likely the others as well.
                self._close_idle()
        fresh = _Connection(self._address, self._tls, self._clock)
        return self._asked(fresh, request, until_s, limit)

    def close(self) -> None:
        """Close the connections, those in use once they are not."""
        self._closed = True
        self._close_idle()

    def _asked(
        self, connection: "_Connection", request: "_Request", until_s: float, limit: int
    ) -> Answer:
        try:
            answer = connection.exchange(request, until_s, limit)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if connection.usable and not self._closed and len(self._idle) < MOST_IDLE:
                self._idle.append(connection)
                return answer
        connection.close()
        return answer

    def _kept(self) -> "_Connection | None":
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


class _GoneError(ServerError):
    """The connection was closed before any answer."""


class _Request(NamedTuple):
    method: str
    path: str
    content: Sequence[Buffer]
    headers: Mapping[str, str]


class _Connection:
    """One connection, used by one thread at a time."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None, clock: Clock) -> None:
        self._timed = _TimedSocket(address, tls, clock)
        self._http = _Http(address, self._timed)

    @property
    def usable(self) -> bool:
        """Whether it can be used for another request."""
        return self._http.sock is not None

    def exchange(self, request: _Request, until_s: float, limit: int) -> Answer:
        self._timed.until_s = until_s
        try:
            return self._exchange(request, limit)
        except TimeoutError:
            raise
        except ssl.SSLCertVerificationError as error:
            why = error.verify_message or error.reason
            raise ServerError(
                f"its certificate is not trusted ({why}): name who signed it in `ca_file`"
            ) from error
        except (socket.gaierror, UnicodeError) as error:
            raise ServerError("the host's name is not known; check the url") from error
        except ConnectionRefusedError as error:
            what = "the connection is refused; check that the server runs, and the port"
            raise ServerError(what) from error
        except (ConnectionError, ssl.SSLEOFError) as error:
            raise _GoneError("it closes the connection instead of answering") from error
        except ssl.SSLError as error:
            raise ServerError(
                f"no TLS can be agreed on ({error.reason}); check the port"
            ) from error
        except http.client.IncompleteRead as error:
            raise ServerError("it breaks off in the middle of its answer") from error
        except (http.client.HTTPException, ValueError) as error:
            raise ServerError("what it answers is no HTTP; check the port") from error
        except OSError as error:
            raise ServerError(f"it cannot be reached: {error.strerror or error}") from error

    def _exchange(self, request: _Request, limit: int) -> Answer:
        length = sum(len(part) for part in request.content)
        headers = dict(request.headers)
        if request.method != "GET":
            headers["Content-Length"] = str(length)
        self._http.request(request.method, request.path, list(request.content) or None, headers)
        with self._http.getresponse() as response:
            told = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, told, _content(response, limit))

    def close(self) -> None:
        self._http.close()
        self._timed.hang_up()


def _content(response: http.client.HTTPResponse, limit: int) -> bytes:
    too_long = ServerError(f"its answer is longer than the {limit} bytes that are awaited")
    if response.length is not None:
        if response.length > limit:
            raise too_long
        return response.read()
    parts, size = [], 0
    while part := response.read(PIECE):
        size += len(part)
        if size > limit:
            raise too_long
        parts.append(part)
    return b"".join(parts)


class _Http(http.client.HTTPConnection):
    """The standard library's client, on a socket of ours."""

    def __init__(self, address: Address, timed: "_TimedSocket") -> None:
        super().__init__(address.host, address.port)
        self._timed = timed

    def connect(self) -> None:
        self._timed.connect()
        self.sock = self._timed


class _TimedSocket:
    """What http.client needs of a socket; all that is done has to be done by `until_s`."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None, clock: Clock) -> None:
        self.until_s = 0.0
        self._address = address
        self._tls = tls
        self._clock = clock
        self._sock: socket.socket | None = None

    def connect(self) -> None:
        places = socket.getaddrinfo(self._address.host, self._address.port, type=socket.SOCK_STREAM)
        for number, (family, kind, protocol, _, place) in enumerate(places):
            # Of several addresses of one name, the first may be dead.
            share_s = self._left_s() / (len(places) - number)
            self._sock = sock = socket.socket(family, kind, protocol)
            sock.settimeout(share_s)
            try:
                sock.connect(place)
            except OSError:
                self.hang_up()
                if number == len(places) - 1:
                    raise
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                break
        if self._tls is not None:
            sock = self._open
            sock.settimeout(self._left_s())
            self._sock = self._tls.wrap_socket(sock, server_hostname=self._address.host)

    def sendall(self, content: Buffer) -> None:
        view, sock = memoryview(content), self._open
        while len(view):
            sock.settimeout(self._left_s())
            view = view[sock.send(view) :]

    def receive_into(self, buffer: memoryview) -> int:
        sock = self._open
        sock.settimeout(self._left_s())
        count = sock.recv_into(buffer)
        # What came too late is late, however much of it came at once.
        self._left_s()
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Nothing: http.client does so while an answer is read after which there is no other."""

    def hang_up(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    @property
    def _open(self) -> socket.socket:
        if self._sock is None:
            raise ConnectionError("it is closed")
        return self._sock

    def _left_s(self) -> float:
        left_s = self.until_s - self._clock.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


class _Reader(io.RawIOBase):
    """What comes in at a socket, which is not closed with it."""

    def __init__(self, timed: _TimedSocket) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a buffer it is
        return self._timed.receive_into(buffer)


def _tls(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise ServerError(f"no certificates can be read from {ca_file}: {error}") from error
