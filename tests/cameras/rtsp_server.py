"""The RTSP server of the test cameras: one process, commands on stdin, answers on stdout.

Run by the system's Python, which has GStreamer's bindings (`make parts`). GStreamer speaks RTSP,
RTCP and both transports; the packets and their pace are made here, so that a test can ask for
any fault. Each line is a JSON object; `tests/cameras/camera.py` is the other side. It ends with
its standard input.
"""

import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

try:
    import gi  # type: ignore[import-not-found]  # of the system's Python, which mypy does not see

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import (  # type: ignore[import-not-found]  # as above
        GLib,
        Gst,
        GstRtspServer,
    )
except (ImportError, ValueError) as missing:
    print(json.dumps({"missing": str(missing)}), flush=True)
    sys.exit(1)

from tests.cameras.sender import Sender

LAUNCH = "( appsrc name=pay0 is-live=true format=time do-timestamp=false max-bytes=50000000 )"
PLAYING = Gst.State.PLAYING
ROLE = "viewer"


class Outlet:
    """Where the packets of one media go: an appsrc of GStreamer."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.playing = False

    def running_ns(self, taken_ns: int) -> int | None:
        """How long the media had been running at a time of CLOCK_MONOTONIC; None: not yet."""
        if self._source.get_clock() is None or not self._source.get_base_time():
            return None
        return int(taken_ns - self._source.get_base_time())

    def push(self, packets: list[bytes], taken_ns: int) -> None:
        """Send packets, whose picture was taken at `taken_ns` of CLOCK_MONOTONIC."""
        stamp = max(0, self.running_ns(taken_ns) or 0)
        for packet in packets:
            buffer = Gst.Buffer.new_wrapped(packet)
            buffer.pts = buffer.dts = stamp
            self._source.emit("push-buffer", buffer)


class Camera:
    """One mount point: a sender, and a media for each client."""

    def __init__(self, server: "Server", name: str, sender: Sender, report_every_s: float) -> None:
        self.name = name
        self.sender = sender
        self._server = server
        self._report_every_s = report_every_s
        self.factory = GstRtspServer.RTSPMediaFactory()
        self.factory.set_launch(LAUNCH)
        self.factory.connect("media-configure", self._configure)

    def _configure(self, _factory: Any, media: Any) -> None:
        element = media.get_element()
        source = element.get_by_name("pay0")
        source.set_property("caps", Gst.Caps.from_string(self.sender.caps()))
        outlet = Outlet(source)
        element.get_parent().connect("deep-element-added", self._added)
        media.connect("new-state", lambda _media, state: _note_state(outlet, state))
        media.connect("unprepared", lambda _media: self.sender.leave(outlet))
        self.sender.join(outlet)

    def _added(self, _pipeline: Any, _bin: Any, element: Any) -> None:
        if element.find_property("sync"):
            # The pace is made by the sender; a sink that waits as well adds 20 ms.
            element.set_property("sync", False)
        if element.find_property("internal-session"):
            session = element.get_property("internal-session")
            session.set_property("rtcp-min-interval", int(self._report_every_s * Gst.SECOND))


def _note_state(outlet: Outlet, state: int) -> None:
    outlet.playing = state == int(PLAYING)


class Server:
    """All cameras of the process."""

    def __init__(self, port: int) -> None:
        self._cameras: dict[str, Camera] = {}
        self._clients: dict[Any, str] = {}
        self._refusing = False
        self._server = GstRtspServer.RTSPServer()
        self._server.set_address("127.0.0.1")
        self._server.set_service(str(port))
        # A client that waits for the first picture of a stalled camera must not hold up others.
        self._server.get_thread_pool().set_max_threads(-1)
        self._server.connect("client-connected", self._connected)
        self._permissions = GstRtspServer.RTSPPermissions()
        for permission in ("media.factory.access", "media.factory.construct"):
            self._permissions.add_permission_for_role(ROLE, permission, True)

    def attach(self) -> int:
        """Listen; the port, or 0 where it is taken."""
        if self._server.attach(None) == 0:
            return 0
        return int(self._server.get_bound_port())

    def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do one command; what went wrong is in the answer."""
        action, name = command.pop("do"), command.pop("camera", None)
        actions: dict[str, Callable[..., int | None]] = {
            "add": self._add,
            "close": self._close,
            "switch": self._switch,
        }
        try:
            if name is None:
                answer = getattr(self, f"do_{action}")(**command)
            elif action in actions:
                answer = actions[action](name, **command)
            else:
                answer = getattr(self._cameras[name].sender, action)(**command)
        except Exception as error:  # noqa: BLE001 - the other side raises it
            return {"error": f"{action}: {error!r}"}
        return {"answer": answer}

    def do_refuse(self, *, on: bool) -> None:
        """Close every new connection at once."""
        self._refusing = on

    def do_credentials(self, user: str, password: str, method: str) -> None:
        """Let in only who gives these, by `basic` or by `digest`."""
        gst_rtsp = gi.repository.GstRtsp
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", ROLE)
        auth = GstRtspServer.RTSPAuth()
        if method == "basic":
            auth.set_supported_methods(gst_rtsp.RTSPAuthMethod.BASIC)
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        else:
            auth.set_supported_methods(gst_rtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(user, password, token)
        self._server.set_auth(auth)

    def _add(self, name: str, clip: str, log: str, report_every_s: float, **options: Any) -> None:
        sender = Sender(Path(clip), Path(log), **options)
        camera = Camera(self, name, sender, report_every_s)
        camera.factory.set_permissions(self._permissions)
        self._cameras[name] = camera
        self._server.get_mount_points().add_factory(f"/{name}", camera.factory)
        threading.Thread(target=sender.run, name=name, daemon=True).start()

    def _switch(self, name: str, clip: str, *, drop: bool) -> None:
        self._cameras[name].sender.switch(Path(clip))
        if drop:
            self._close(name)

    def _close(self, name: str) -> int:
        """Hang up on all clients of a camera; how many they were."""
        clients = [client for client, camera in list(self._clients.items()) if camera == name]
        for client in clients:
            client.close()
        return len(clients)

    def _connected(self, _server: Any, client: Any) -> None:
        if self._refusing:
            client.close()
            return
        # GStreamer leaves Nagle's algorithm on, which holds the end of a picture for up to 40 ms.
        connection = client.get_connection().get_read_socket()
        connection.set_option(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect("describe-request", self._described)
        client.connect("closed", lambda closed: self._clients.pop(closed, None) and None)

    def _described(self, client: Any, context: Any) -> None:
        self._clients[client] = context.uri.abspath.strip("/").partition("/")[0]


def say(message: dict[str, Any]) -> None:
    """One line to the other side."""
    print(json.dumps(message), flush=True)


def obey(server: Server) -> None:
    """Pass the commands of stdin to the main loop; end the process when it is closed."""

    def run(command: dict[str, Any]) -> bool:
        say(server.do(command))
        return False

    with contextlib.suppress(KeyboardInterrupt):
        for line in sys.stdin:
            GLib.idle_add(run, json.loads(line))
    # The media of clients that are still there have nothing to say any more.
    os._exit(0)


def main() -> None:
    """Serve on the port of the first argument."""
    Gst.init(None)
    server = Server(int(sys.argv[1]))
    port = server.attach()
    say({"port": port})
    if port:
        threading.Thread(target=obey, args=(server,), daemon=True).start()
        GLib.MainLoop().run()


if __name__ == "__main__":
    main()
