"""Lent models: streams and deadlines, batches, and models on servers."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.engine.testing import ManualClock, image
from appliance.inference.catalog import ModelCard, ModelError
from appliance.inference.families.fitting import Form
from appliance.inference.families.registry import family_of
from appliance.inference.lending import LentDetector, LentEmbedder
from appliance.inference.loading import AHEAD, Opened, Patience, SharedSession, Start
from appliance.inference.metadata import Facts
from appliance.inference.resolution import Resolved
from appliance.inference.session import CPU, Session
from blocks.host import LateError
from tests.appliance.inference.busy import Callers, taken
from tests.appliance.inference.tiny import write

FORM = Form((4, 4))
CARD = ModelCard(name="yard", file=Path("yard.onnx"), confidence=0.6)
RED, BLUE = image(bgr=(0, 0, 255)), image(bgr=(255, 0, 0))


class Colours:
    """Finds a box where a picture is red, and gives the mean of each colour."""

    provider = "test"
    input_type = "tensor(float)"
    input_shape: tuple[int | str, ...] = ("N", 3, 4, 4)

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        self.sizes.append(len(tensor))
        means = tensor.mean(axis=(2, 3))
        sure = np.stack([1 - means[:, 0], means[:, 0]], axis=1)[:, None]
        boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (len(tensor), 1, 1))
        return {"boxes": boxes, "scores": sure.astype(np.float32), "means": means}


class FarAway(Colours):
    """The same on another machine, which is asked with a deadline."""

    state, is_offline, late = "online", False, 2

    def __init__(self) -> None:
        super().__init__()
        self.deadlines: list[float | None] = []
        self.closed = False

    def run(
        self, tensor: NDArray[Any], deadline_s: float | None = None
    ) -> Mapping[str, NDArray[Any]]:
        self.deadlines.append(deadline_s)
        return super().run(tensor)

    def close(self) -> None:
        self.closed = True


def resolved(family: str, card: ModelCard = CARD) -> Resolved:
    facts = Facts(inputs={}, outputs={})
    return Resolved(card, Path("yard.onnx"), "", facts, family_of(family), FORM, ("thing",))


def shared(opened: Opened, clock: ManualClock | None = None) -> SharedSession:
    def open_(callers: int, start: Start | None) -> Opened:
        return opened

    return SharedSession("yard", open_, lambda callers: callers, clock or ManualClock())


def test_boxes_are_as_sure_as_the_card_wants_or_the_caller() -> None:
    lent = LentDetector(resolved("ssd"), shared(Opened(Colours(), FORM, 1)), Patience())
    half = image(bgr=(0, 0, 128))
    assert [len(lent.detect(RED)), len(lent.detect(half)), len(lent.detect(half, 0.4))] == [1, 0, 1]
    assert lent.labels == ("thing",)
    assert lent.loaded.detect(RED).xyxy.tolist() == [[0, 0, 64, 48]]


def test_overlaps_are_as_the_card_wants_them() -> None:
    card = CARD.model_copy(update={"overlap": 0.3})
    lent = LentDetector(resolved("ssd", card), shared(Opened(Colours(), FORM, 1)), Patience())
    assert len(lent.detect(RED)) == 1


@pytest.mark.parametrize(("batch", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1])])
def test_several_images_go_together_where_that_is_faster(batch: int, sizes: list[int]) -> None:
    session = Colours()
    lent = LentDetector(resolved("ssd"), shared(Opened(session, FORM, 1, batch)), Patience())
    found = lent.detect_many([RED, BLUE, RED, BLUE, RED])
    assert [len(each) for each in found] == [1, 0, 1, 0, 1]
    assert session.sizes == sizes


def test_a_request_that_waits_for_a_stream_for_too_long_is_not_computed() -> None:
    session, clock = Colours(), ManualClock()
    sharing = shared(Opened(session, FORM, 1), clock)
    lent = LentEmbedder(resolved("embedding"), sharing, Patience(until=lambda: 0.3))
    lent.loaded  # noqa: B018 - it is there before the stream is taken
    with ExitStack() as busy:
        for _ in range(1 + AHEAD):
            busy.enter_context(taken(sharing.streams))
        with pytest.raises(LateError):
            lent.embed(RED)
    assert session.sizes == []
    assert sharing.status()["late"] == 1


def test_a_model_on_a_server_is_waited_for_without_a_permit_until_it_is_too_late() -> None:
    session, said = FarAway(), []

    @contextmanager
    def waiting() -> Iterator[None]:
        said.append(len(session.deadlines))
        yield
        said.append(len(session.deadlines))

    sharing = shared(Opened(session, FORM, 1, elsewhere=session))
    sharing.use(Patience())
    lent = LentDetector(resolved("ssd"), sharing, Patience(waiting, lambda: 0.7))
    assert len(lent.detect(RED)) == 1
    assert (session.deadlines, said) == ([0.7], [0, 1])
    status = sharing.status()
    assert (status["state"], status["late"], lent.is_offline) == ("online", 2, False)
    sharing.wanted(8, lambda _name, _loop: pytest.fail("it has no streams here"))
    sharing.close()
    assert session.closed


def test_lanes_share_runs_and_each_finds_what_is_in_its_own_picture() -> None:
    session = Colours()
    sharing = shared(Opened(session, FORM, 1, batch=4))
    sharing.use(Patience())
    callers = Callers(sharing.streams)
    pictures = {"red": RED, "blue": BLUE, "red too": RED, "blue too": BLUE}
    with ExitStack() as busy:
        for _ in range(1 + AHEAD):
            busy.enter_context(taken(sharing.streams))
        for name, picture in pictures.items():
            lane = LentDetector(resolved("ssd"), sharing, Patience())
            callers.ask(name, partial(lane.detect, picture))
    callers.end()
    assert session.sizes == [4]
    assert {name: len(found) for name, found in callers.got.items()} == {
        "red": 1,
        "blue": 0,
        "red too": 1,
        "blue too": 0,
    }


def test_who_waits_when_a_model_is_let_go_is_answered_yet() -> None:
    session = Colours()
    sharing = shared(Opened(session, FORM, 1, batch=4))
    sharing.use(Patience())
    lent = LentDetector(resolved("ssd"), sharing, Patience())
    callers = Callers(sharing.streams)
    with ExitStack() as busy:
        for _ in range(1 + AHEAD):
            busy.enter_context(taken(sharing.streams))
        for name in ("first", "second"):
            callers.ask(name, partial(lent.detect, RED))
        sharing.close()
    callers.end()
    assert ([len(found) for found in callers.got.values()], session.sizes) == ([1, 1], [2])
    with pytest.raises(ModelError, match="not lent any more"):
        lent.detect(RED)


def test_a_real_model_finds_the_same_together_as_alone(tmp_path: Path) -> None:
    chance = np.random.default_rng(7)
    weights = ",".join(f"{weight:.3f}" for weight in chance.normal(size=5 * 3 * 3 * 3))
    body = (
        f"weights = Constant<value = float[5,3,3,3] {{{weights}}}>() "
        "found = Conv<pads=[1,1,1,1]>(image, weights) strong = Relu(found) "
        "vector = ReduceMean<axes=[2,3], keepdims=0>(strong)"
    )
    file = write(tmp_path / "any.onnx", "float[N,5] vector", body, "float[N,3,4,4]")
    session = Session(file, CPU)
    runs: list[int] = []
    compute = session.run

    def run(tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        runs.append(len(tensor))
        return compute(tensor)

    session.run = run  # type: ignore[method-assign]  # noted
    sharing = shared(Opened(session, FORM, 1, batch=4))
    lent = LentEmbedder(resolved("embedding"), sharing, Patience())
    pictures = [image(bgr=tuple(chance.integers(0, 256, 3).tolist())) for _ in range(4)]
    alone = [lent.embed(picture).vector for picture in pictures]
    callers = Callers(sharing.streams)
    with ExitStack() as busy:
        for _ in range(1 + AHEAD):
            busy.enter_context(taken(sharing.streams))
        for number, picture in enumerate(pictures):
            callers.ask(str(number), partial(lent.embed, picture))
    callers.end()
    assert runs == [1, 1, 1, 1, 4]
    assert len({tuple(vector.round(3)) for vector in alone}) == 4
    for number, vector in enumerate(alone):
        np.testing.assert_allclose(callers.got[str(number)].vector, vector, atol=1e-6)
