"""Streams that are taken, and callers that wait for them."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.inference.streams import Streams

PATIENCE_S = 20.0
ANY = np.zeros((1, 1), np.float32)


class Held:
    """A session whose runs last until it is let go."""

    def __init__(self) -> None:
        self.inside, self._free = threading.Event(), threading.Event()

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        self.inside.set()
        assert self._free.wait(PATIENCE_S)
        return {}

    def let_go(self) -> None:
        self._free.set()


@contextmanager
def taken(streams: Streams) -> Iterator[None]:
    """One of the streams is taken inside of the `with`."""
    held = Held()
    thread = threading.Thread(target=lambda: streams.run(held, ANY))
    thread.start()
    try:
        assert held.inside.wait(PATIENCE_S)
        yield
    finally:
        held.let_go()
        thread.join(PATIENCE_S)


class Callers:
    """Threads that ask something of streams; what each got, or the error it was told."""

    def __init__(self, streams: Streams) -> None:
        self.got: dict[str, Any] = {}
        self._streams = streams
        self._threads: list[threading.Thread] = []

    def ask(self, name: str, call: Callable[[], Any]) -> None:
        """Begin to ask, and go on when it waits for a stream."""

        def work() -> None:
            try:
                self.got[name] = call()
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                self.got[name] = error

        already = len(self._streams._waiting)
        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()
        pause = threading.Event()
        for _ in range(int(PATIENCE_S / 0.001)):
            if len(self._streams._waiting) > already or not self._threads[-1].is_alive():
                return
            pause.wait(0.001)
        raise AssertionError(f"{name} does not wait for a stream")

    def end(self) -> None:
        """All have been answered."""
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
