"""One session for all: loaded aside, waited for, made anew, let go."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.clock import SystemClock
from appliance.engine.testing import ManualClock, image
from appliance.inference import loading
from appliance.inference.catalog import ModelError
from appliance.inference.families.fitting import Canvases, Form
from appliance.inference.loading import (
    FIRST_PAUSE_S,
    Loop,
    MayPassError,
    Opened,
    Patience,
    SharedSession,
    Start,
)
from blocks.host import LateError

PATIENCE_S = 20.0
FORM = Form((4, 2))


class Echo:
    """A session that gives what it is given."""

    provider = "echo"
    input_type = "tensor(float)"
    input_shape: tuple[int | str, ...] = (1, 3, 2, 4)

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        return {"same": tensor}


class Maker:
    """Makes sessions, and notes for how many callers; `errors` come first."""

    def __init__(self, *errors: Exception) -> None:
        self.callers: list[int] = []
        self._errors = list(errors)

    def __call__(self, callers: int, start: Start | None = None) -> Opened:
        self.callers.append(callers)
        if self._errors:
            raise self._errors.pop(0)
        return Opened(Echo(), FORM, min(callers, 2), notes={"precision": "fp32"})


class Aside:
    """Keeps what is to be run on threads until it is told to run it."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._loops: list[Loop] = []

    def __call__(self, name: str, loop: Loop) -> None:
        self.names.append(name)
        self._loops.append(loop)

    def run(self) -> None:
        while self._loops:
            self._loops.pop(0)(threading.Event())


def shared(make: Maker, clock: ManualClock | SystemClock | None = None) -> SharedSession:
    return SharedSession("yard", make, lambda callers: min(callers, 2), clock or ManualClock())


def test_without_threads_the_first_use_loads_it_for_all() -> None:
    make = Maker()
    session = shared(make)
    assert session.status() == {"state": "not loaded", "late": 0}
    assert session.use(Patience()) is session.use(Patience())
    assert make.callers == [1]


def test_it_is_loaded_aside_for_as_many_as_use_it() -> None:
    make, aside = Maker(), Aside()
    session = shared(make)
    session.wanted(3, aside)
    session.wanted(4, aside)
    assert session.status()["state"] == "loading"
    aside.run()
    assert aside.names == ["model:yard"]
    assert make.callers == [4]
    assert session.status() == {
        "state": "ready", "provider": "echo", "streams": 2, "loaded_s": 0.0, "precision": "fp32",
        "late": 0,
    }  # fmt: skip


def test_who_needs_it_while_it_loads_waits_and_lets_others_compute() -> None:
    session, aside = shared(Maker(), SystemClock()), Aside()
    session.wanted(1, aside)
    out = threading.Event()
    got: list[Opened] = []

    @contextmanager
    def waiting() -> Iterator[None]:
        out.set()
        yield
        out.clear()

    thread = threading.Thread(target=lambda: got.append(session.use(Patience(waiting))))
    thread.start()
    assert out.wait(PATIENCE_S)
    aside.run()
    thread.join(PATIENCE_S)
    assert got == [session.opened]
    assert not out.is_set()


def test_a_frame_that_would_be_too_old_when_it_is_loaded_is_given_up() -> None:
    clock = ManualClock()
    session = shared(Maker(), clock)
    session.wanted(1, Aside())
    with pytest.raises(LateError, match="the model yard is still loading"):
        session.use(Patience(until=lambda: 0.5))
    assert clock.monotonic() == pytest.approx(0.5, abs=0.06)


def test_nobody_waits_for_it_once_all_is_to_stop() -> None:
    session = shared(Maker())
    session.wanted(1, Aside())
    patience = Patience()
    patience.stopping.set()
    with pytest.raises(LateError):
        session.use(patience)


def test_a_model_that_cannot_be_loaded_says_why_at_each_use() -> None:
    make, aside = Maker(ModelError("yard: it is of no family")), Aside()
    session = shared(make, clock := ManualClock())
    session.wanted(1, aside)
    aside.run()
    clock.advance(1e6)
    for _ in range(2):
        with pytest.raises(ModelError, match="of no family"):
            session.use(Patience())
    session.wanted(2, aside)
    aside.run()
    assert make.callers == [1]
    assert session.status()["state"] == "failed: yard: it is of no family"


def test_what_the_runtime_raises_becomes_a_sentence() -> None:
    with pytest.raises(ModelError, match="yard: it cannot be loaded: no such operator"):
        shared(Maker(RuntimeError("no such operator"))).use(Patience())


def test_where_memory_is_short_it_is_tried_again_after_pauses_that_grow() -> None:
    short = MayPassError("yard: it needs more memory than there is")
    make, aside = Maker(short, MemoryError()), Aside()
    session = shared(make, clock := ManualClock())
    session.wanted(1, aside)
    aside.run()
    for pause_s in (FIRST_PAUSE_S, 2 * FIRST_PAUSE_S):
        clock.advance(pause_s - 0.1)
        with pytest.raises(MayPassError, match="memory"):
            session.use(Patience())
        clock.advance(0.2)
        with pytest.raises(LateError):
            session.use(Patience(until=clock.monotonic))
        aside.run()
    assert session.status()["state"] == "ready"
    assert make.callers == [1, 1, 1]


def test_its_streams_follow_its_callers_and_it_serves_meanwhile() -> None:
    make, aside = Maker(), Aside()
    session = shared(make)
    session.wanted(1, aside)
    aside.run()
    first = session.use(Patience())
    session.wanted(5, aside)
    assert session.use(Patience()) is first
    aside.run()
    assert session.use(Patience()) is not first
    assert session.status()["streams"] == 2
    # As many streams as before.
    session.wanted(2, aside)
    aside.run()
    assert make.callers == [1, 5]


def test_callers_that_come_while_it_loads_have_it_made_anew() -> None:
    aside = Aside()

    class Slow(Maker):
        def __call__(self, callers: int, start: Start | None = None) -> Opened:
            opened = super().__call__(callers, start)
            session.wanted(2, aside)
            return opened

    make = Slow()
    session = shared(make)
    session.wanted(1, aside)
    aside.run()
    assert make.callers == [1, 2]


def test_a_session_that_cannot_be_made_anew_stays_as_it_is() -> None:
    make, aside = Maker(), Aside()
    session = shared(make)
    session.wanted(1, aside)
    aside.run()
    make._errors.append(MemoryError())
    session.wanted(2, aside)
    aside.run()
    assert session.status()["streams"] == 1
    for callers in (1, 2):
        session.wanted(callers, aside)
        aside.run()
    assert session.status()["streams"] == 2


def test_what_is_closed_is_lent_no_more_and_its_session_is_gone() -> None:
    session = shared(Maker())
    session.use(Patience())
    session.close()
    assert session.opened is None
    with pytest.raises(ModelError, match="yard: it is not lent any more"):
        session.use(Patience())


def test_a_session_closed_while_it_loads_is_not_kept() -> None:
    aside = Aside()
    session = shared(Maker())
    session.wanted(1, aside)
    session.close()
    aside.run()
    assert session.opened is None


def test_a_session_on_a_server_that_is_closed_while_it_loads_is_told() -> None:
    closed: list[bool] = []

    class FarAway(Echo):
        state, late, is_offline = "online", 0, False

        def run(
            self, tensor: NDArray[Any], deadline_s: float | None = None
        ) -> Mapping[str, NDArray[Any]]:
            raise NotImplementedError

        def close(self) -> None:
            closed.append(True)

    aside, session = Aside(), FarAway()
    sharing = SharedSession(
        "yard", lambda *_: Opened(session, FORM, 1, elsewhere=session), lambda _: 1, ManualClock()
    )
    sharing.wanted(1, aside)
    sharing.close()
    aside.run()
    assert closed == [True]
    assert sharing.opened is None


@pytest.mark.parametrize(
    ("element", "form", "shape"),
    [
        ("tensor(float)", FORM, (1, 3, 2, 4)),
        ("tensor(uint8)", FORM, (1, 3, 2, 4)),
        ("tensor(uint8)", Form((4, 2), layout="nhwc", colours="bgr"), (1, 2, 4, 3)),
    ],
)
def test_an_image_is_fitted_as_the_session_takes_it(
    element: str, form: Form, shape: tuple[int, ...]
) -> None:
    echo = Echo()
    echo.input_type = element
    with Opened(echo, form, 1).fitted(image((8, 4), bgr=(0, 0, 255))) as (tensor, place):
        assert tensor.shape == shape
        assert tensor.dtype == (np.uint8 if "uint8" in element else np.float32)
        red = tensor[0, ..., 2] if form.colours == "bgr" else tensor[0, 0]
        assert red.min() == tensor.max() > tensor.min()
        assert place.size == (4, 2)


def test_pixels_are_drawn_into_a_canvas_that_is_used_again() -> None:
    echo = Echo()
    echo.input_type = "tensor(uint8)"
    opened = Opened(echo, FORM, 1, canvases=Canvases(FORM))
    drawn = []
    for _ in range(2):
        with opened.fitted(image((8, 4), bgr=(9, 9, 9))) as (tensor, _place):
            assert tensor.shape == (1, 2, 4, 3)
            drawn.append(tensor)
    assert drawn[0] is drawn[1]
    assert opened.fit(image((8, 4)))[0] is not drawn[0]


class Moments(Maker):
    """A maker, and the log of its session: does something at a moment of the first load's end.

    It is `made` before anybody knows of it, and `told` of when all may know, before what it was
    loaded for is looked at again. Sessions are counted by who still holds them.
    """

    def __init__(self, moment: str, *errors: Exception) -> None:
        super().__init__(*errors)
        self.moment = moment
        self.act: Callable[[], None] = lambda: None
        self.held: weakref.WeakSet[Echo] = weakref.WeakSet()

    def __call__(self, callers: int, start: Start | None = None) -> Opened:
        try:
            opened = super().__call__(callers, start)
            self.held.add(cast(Echo, opened.session))
            return opened
        finally:
            self._do("made")

    def info(self, *_words: object, **_more: object) -> None:
        self._do("told")

    error = warning = info

    def _do(self, moment: str) -> None:
        if moment == self.moment:
            self.moment = ""
            self.act()


@pytest.fixture(params=["made", "told"])
def moment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Moments:
    moments = Moments(request.param)
    monkeypatch.setattr(loading, "log", moments)
    return moments


class Waiting:
    """One who waits for a session on a thread of his own, from when it is made."""

    def __init__(self, session: SharedSession) -> None:
        self.got: Opened | ModelError | None = None
        waits = threading.Event()

        @contextmanager
        def waiting() -> Iterator[None]:
            waits.set()
            yield

        def use() -> None:
            try:
                self.got = session.use(Patience(waiting))
            except ModelError as error:
                self.got = error

        self._thread = threading.Thread(target=use)
        self._thread.start()
        assert waits.wait(PATIENCE_S)

    def end(self) -> "Opened | ModelError | None":
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self.got


@pytest.mark.parametrize(("callers", "made"), [((1, 2), [1, 2]), ((2, 1), [2, 1]), ((2, 3), [2])])
def test_who_comes_or_leaves_as_a_load_ends_is_counted(
    moment: Moments, callers: tuple[int, int], made: list[int]
) -> None:
    aside, session = Aside(), shared(moment, SystemClock())
    session.wanted(callers[0], aside)
    waits = Waiting(session)
    moment.act = lambda: session.wanted(callers[1], aside)
    aside.run()
    assert isinstance(waits.end(), Opened)
    assert moment.callers == made
    assert session.status()["streams"] == min(2, callers[1])
    # Who waited had the first of them.
    waits.got = None
    gc.collect()
    assert len(moment.held) == 1


def test_all_who_leave_as_a_load_ends_leave_nothing(moment: Moments) -> None:
    aside, session = Aside(), shared(moment, SystemClock())
    session.wanted(1, aside)
    waits = Waiting(session)
    moment.act = session.close
    aside.run()
    # Whoever looked while it was there has it to its end; else he is told.
    got = waits.end()
    assert isinstance(got, Opened) or "it is not lent any more" in str(got)
    waits.got = got = None
    gc.collect()
    assert (session.opened, len(moment.held), aside.names) == (None, 0, ["model:yard"])


def test_who_comes_as_a_load_fails_is_told_and_has_it_tried_when_it_is_due(moment: Moments) -> None:
    aside, session = Aside(), shared(moment, clock := ManualClock())
    moment._errors.append(MemoryError())
    session.wanted(1, aside)
    moment.act = lambda: session.wanted(2, aside)
    aside.run()
    with pytest.raises(MayPassError, match="not enough memory"):
        session.use(Patience())
    clock.advance(FIRST_PAUSE_S)
    with pytest.raises(LateError):
        session.use(Patience(until=clock.monotonic))
    aside.run()
    assert session.status()["streams"] == 2
    assert moment.callers == [1, 2]


def test_a_load_that_could_not_be_begun_is_tried_again_by_who_wants_it_next() -> None:
    make, aside = Maker(), Aside()
    session = shared(make, clock := ManualClock())

    def full(name: str, loop: Loop) -> None:
        raise RuntimeError("can't start new thread")

    session.wanted(1, full)
    why = "yard: it cannot be loaded now, for no thread can be started: can't start new thread"
    assert session.status()["state"] == f"failed: {why}"
    with pytest.raises(MayPassError, match="no thread can be started"):
        session.use(Patience())
    clock.advance(FIRST_PAUSE_S)
    with pytest.raises(MayPassError, match="no thread can be started"):
        session.use(Patience())
    session.wanted(1, aside)
    assert session.status()["state"] == "loading"
    aside.run()
    assert session.status()["state"] == "ready"
    assert make.callers == [1]


def test_a_session_that_could_not_be_begun_anew_is_when_its_callers_change() -> None:
    make, aside = Maker(), Aside()
    session = shared(make)
    session.wanted(1, aside)
    aside.run()

    def full(name: str, loop: Loop) -> None:
        raise RuntimeError("can't start new thread")

    session.wanted(2, full)
    assert session.status()["streams"] == 1
    session.wanted(3, aside)
    aside.run()
    assert session.status()["streams"] == 2
