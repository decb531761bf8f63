"""A model's session, shared by all who use it: loaded in the background, made anew, unloaded.

Whoever uses it while it is loading waits, and others compute in his place meanwhile. Where nothing
can load in the background, the first who uses it loads it.
"""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from appliance.clock import Clock
from appliance.inference.catalog import ModelError
from appliance.inference.families.fitting import Canvases, Fitted, Form, fit, pixels
from appliance.inference.streams import Streams
from blocks.data import Image
from blocks.host import LateError

BYTES = "tensor(uint8)"
# After a failure that may pass, such as a lack of memory.
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0
# So many more than a session has streams are let into it: where one ends, the runtime has the next
# at hand, and no core is idle until a thread is awake.
AHEAD = 2
# A server has a queue of its own.
AT_ONCE_ELSEWHERE = 32
# How often one who waits looks whether that still makes sense.
LOOK_S = 0.05

log = structlog.get_logger(__name__)

State = Literal["not loaded", "loading", "ready", "failed"]
Loop = Callable[[threading.Event], None]
Start = Callable[[str, Loop], object]
"""Runs a loop once, on a thread of that name."""


class MayPassError(ModelError):
    """It cannot be loaded now, but perhaps later."""


class _NotBegunError(MayPassError):
    """It could not be begun to load it: who wants it next has it tried again."""


class Runs(Protocol):
    """What a session is to those who use it, here or on another machine."""

    @property
    def provider(self) -> str:
        """What runs it."""
        ...

    @property
    def input_shape(self) -> tuple[int | str, ...]:
        """Of the tensor it takes; an axis of any size is a word."""
        ...

    @property
    def input_type(self) -> str:
        """Of the numbers it takes, in onnxruntime's words."""
        ...

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """The outputs of one input, by name."""
        ...


class RunsElsewhere(Runs, Protocol):
    """A session on another machine: that is waited for, and may not answer."""

    @property
    def state(self) -> str:
        """How it fares, in words."""
        ...

    @property
    def is_offline(self) -> bool:
        """Whether a request now would fail at once."""
        ...

    @property
    def late(self) -> int:
        """How many requests were given up because it was too late for them."""
        ...

    def run(
        self, tensor: NDArray[Any], deadline_s: float | None = None
    ) -> Mapping[str, NDArray[Any]]:
        """The outputs of one input, by name. LateError: they are not there by then."""
        ...

    def close(self) -> None:
        """Ask for nothing more."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, the form of its input, and what is worth knowing of it.

    `batch` is how many images at once are faster than one after the other; 1 if none are.
    `notes` go into the status as they are. With `canvases` it takes pixels as these draw them.
    `elsewhere` is the session, if it is on another machine.
    """

    session: Runs
    form: Form
    streams: int
    batch: int = 1
    notes: Mapping[str, Any] = field(default_factory=dict)
    canvases: Canvases | None = None
    elsewhere: RunsElsewhere | None = None

    @contextmanager
    def fitted(self, image: Image) -> Iterator[tuple[NDArray[Any], Fitted]]:
        """The tensor of an image as the session takes it, and where in it the image lies.

        The tensor is only to be used inside the `with`: the next image may be drawn into it.
        """
        if self.canvases is None:
            yield self.fit(image)
        else:
            with self.canvases.one() as canvas:
                yield canvas.draw(image)

    def fit(self, image: Image) -> tuple[NDArray[Any], Fitted]:
        """The same in an array of its own."""
        if self.session.input_type != BYTES:
            return fit(image, self.form)
        drawn, place = pixels(image, self.form)
        if self.canvases is None:
            # A file that takes bytes as it is: in its own order of colours and axes.
            drawn = drawn[..., ::-1] if self.form.colours == "bgr" else drawn
            drawn = drawn.transpose(0, 3, 1, 2) if self.form.layout == "nchw" else drawn
        return np.ascontiguousarray(drawn), place


Open = Callable[[int, Start | None], Opened]
"""Makes a session for so many callers at a time; what else it has to do, it does on threads that it
starts, if it can. Raises ModelError, with a sentence."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How one who uses models waits for them.

    Inside of `waiting()` others compute in its place; `until()` is when, on the clock's monotonic
    line, what it does now is too late, None if never. Once it is `stopping`, it waits for no model
    to be loaded.
    """

    waiting: Callable[[], AbstractContextManager[None]] = nullcontext
    until: Callable[[], float | None] = lambda: None
    stopping: threading.Event = field(default_factory=threading.Event)


class SharedSession:
    """One session for all users of a model. Safe to use from several threads.

    `streams_for(callers)` is how many streams a session has that is made for so many.
    """

    def __init__(
        self, name: str, open_: Open, streams_for: Callable[[int], int], clock: Clock
    ) -> None:
        self.name = name
        self.streams = Streams(1, clock)
        self._open = open_
        self._streams_for = streams_for
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self._error: ModelError | None = None
        self._pause_s = 0.0
        self._retry_s = -math.inf
        # Set while nobody loads it.
        self._settled = threading.Event()
        self._settled.set()
        self._remaking = False
        self._closed = False
        self._callers = self._made_for = 1
        self._start: Start | None = None
        self._took_s = 0.0

    def wanted(self, callers: int, start: Start | None) -> None:
        """So many use it from now on; `start`, if there is one, loads it in the background.

        Its session is made anew, in the background, where another number of streams is better.
        """
        with self._lock:
            self._callers, self._start = max(1, callers), start
        self._follow()

    def _follow(self) -> None:
        """Begin what its callers need now, if it can be done in the background."""
        with self._lock:
            start = self._start
            untried = self._error is None or isinstance(self._error, _NotBegunError)
            if start is not None and self._opened is None and untried:
                self._begin(start)
            remake = start is not None and not self._remaking and self._unfit()
            self._remaking = self._remaking or remake
        if remake and start is not None:
            try:
                start(f"model:{self.name}", self._remake)
            except Exception as error:  # noqa: BLE001 - of what starts threads, nothing is known
                log.warning("model keeps its streams", model=self.name, error=str(error))
                with self._lock:
                    self._remaking = False

    def use(self, patience: Patience) -> Opened:
        """The session, once it is there.

        Raises:
            ModelError: it cannot be loaded, or is not lent any more.
            LateError: it is still loading, and what it was wanted for is too late.
        """
        opened = self._opened
        while opened is None:
            with self._lock:
                mine = self._claim()
            if mine:
                with patience.waiting():
                    self._load()
            else:
                self._wait(patience)
            opened = self._opened
        return opened

    def close(self) -> None:
        """Let the session go. Who is in it yet comes to its end; who waits for it is told."""
        with self._lock:
            opened, self._opened = self._opened, None
            self._closed = True
            self._settled.set()
        if opened is not None and opened.elsewhere is not None:
            opened.elsewhere.close()

    def status(self) -> dict[str, Any]:
        """How it fares, as plain data."""
        with self._lock:
            opened, error, state = self._opened, self._error, self._state()
        told: dict[str, Any] = {"state": f"failed: {error}" if state == "failed" else state}
        if opened is not None:
            told |= _told(opened) | {"loaded_s": round(self._took_s, 3)}
        late = self.streams.late
        if opened is not None and opened.elsewhere is not None:
            told["state"] = opened.elsewhere.state
            late += opened.elsewhere.late
        return told | {"late": late}

    @property
    def opened(self) -> Opened | None:
        """The session, if it is there."""
        return self._opened

    def _state(self) -> State:
        if self._opened is not None:
            return "ready"
        if not self._settled.is_set():
            return "loading"
        return "failed" if self._error is not None else "not loaded"

    def _claim(self) -> bool:
        """Whether the caller is to load it; if somebody can in the background, he does. Locked."""
        if self._closed:
            raise ModelError(f"{self.name}: it is not lent any more")
        if self._opened is not None or not self._settled.is_set():
            return False
        if self._error is not None and self._clock.monotonic() < self._retry_s:
            raise self._error
        if self._start is not None:
            self._begin(self._start)
            return False
        self._settled.clear()
        return True

    def _begin(self, start: Start) -> None:
        """Load it in the background, unless somebody does. Locked."""
        if not self._settled.is_set() or self._closed:
            return
        self._settled.clear()
        try:
            start(f"model:{self.name}", lambda _stop: self._load())
        except Exception as error:  # noqa: BLE001 - of what starts threads, nothing is known
            what = f"{self.name}: it cannot be loaded now, for no thread can be started: {error}"
            self._ended(_NotBegunError(what))
            self._settled.set()
            log.warning("model not loaded", model=self.name, error=what)

    def _wait(self, patience: Patience) -> None:
        if self._settled.is_set():
            return
        until_s = patience.until()
        with patience.waiting():
            while not self._clock.wait(self._settled, LOOK_S):
                late = until_s is not None and self._clock.monotonic() >= until_s
                if late or patience.stopping.is_set():
                    raise LateError(f"the model {self.name} is still loading")

    def _load(self) -> None:
        began_s = self._clock.monotonic()
        opened, error, callers = None, None, self._callers
        try:
            opened = self._made(callers)
        except ModelError as found:
            error = found
        with self._lock:
            self._took_s = self._clock.monotonic() - began_s
            self._ended(error)
            closed = self._closed
            if opened is not None and not closed:
                self._take(opened, callers)
            self._settled.set()
        if closed and opened is not None and opened.elsewhere is not None:
            opened.elsewhere.close()
        if error is not None:
            log.error("model not loaded", model=self.name, error=str(error))
        elif opened is not None and not closed:
            log.info("model loaded", model=self.name, **_told(opened))
        # It may have got other callers meanwhile.
        self._follow()

    def _ended(self, error: ModelError | None) -> None:
        """Note how an attempt to load it ended, and when the next one is due. Locked."""
        self._error = error
        if isinstance(error, MayPassError):
            self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2 or FIRST_PAUSE_S)
            self._retry_s = self._clock.monotonic() + self._pause_s
        else:
            self._retry_s = math.inf

    def _made(self, callers: int) -> Opened:
        try:
            return self._open(callers, self._start)
        except ModelError:
            raise
        except MemoryError as error:
            raise MayPassError(f"{self.name}: there is not enough memory to load it") from error
        except Exception as error:
            raise ModelError(f"{self.name}: it cannot be loaded: {error}") from error

    def _take(self, opened: Opened, callers: int) -> None:
        self._opened, self._made_for = opened, callers
        here = opened.elsewhere is None
        self.streams.resize(opened.streams + AHEAD if here else AT_ONCE_ELSEWHERE)

    def _unfit(self) -> bool:
        if self._opened is None or self._opened.elsewhere is not None:
            return False
        return self._streams_for(self._made_for) != self._streams_for(self._callers)

    def _remake(self, stop: threading.Event) -> None:
        """Make sessions until one fits the callers; the old one serves meanwhile."""
        while True:
            with self._lock:
                if stop.is_set() or self._closed or not self._unfit():
                    self._remaking = False
                    return
                callers = self._callers
            try:
                opened = self._made(callers)
            except ModelError as error:
                log.warning("model keeps its streams", model=self.name, error=str(error))
                opened = None
            with self._lock:
                # What failed is tried again when the callers change once more.
                self._made_for = callers
                if opened is not None and not self._closed:
                    self._take(opened, callers)


def _told(opened: Opened) -> dict[str, Any]:
    """What is worth telling of a session. On a server, how many streams it has is not known."""
    streams = {} if opened.elsewhere is not None else {"streams": opened.streams}
    return {"provider": opened.session.provider, **streams, **opened.notes}
