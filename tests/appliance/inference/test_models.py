"""The models as blocks see them, with the real detector and known people."""

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from appliance.engine.testing import image
from appliance.inference.catalog import ModelCard, ModelError, load_catalog, model_cards
from appliance.inference.loading import Loop, Patience
from appliance.inference.models import Models
from appliance.inference.session import available_providers, cores
from appliance.inference.store import Store
from blocks.data import Detections, Image
from blocks.host import Host, LateError
from tests.appliance.inference.tiny import card, detector, write

CARDS = model_cards(load_catalog())
# Seen by eye in the frame: the middle of each person, in pixels.
PEOPLE = [(601, 173), (716, 356), (291, 241)]


@pytest.fixture(scope="module")
def models(demo_store: Store) -> Models:
    return Models(demo_store, CARDS)


def own_card(path: Path, **changes: object) -> ModelCard:
    """A user's card for a file of his own that is the demo's model."""
    card = CARDS["people-ssdlite"].model_dump() | {"name": "mine", "package": None, "sha256": None}
    return ModelCard.model_validate(card | {"file": path} | changes)


def assert_near(found: Detections, people: list[tuple[int, int]]) -> None:
    middles = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2
    assert len(middles) == len(people)
    for person in people:
        assert np.hypot(*(middles - person).T).min() < 12


@pytest.mark.network
def test_the_people_in_a_known_frame_are_found_where_they_are(
    models: Models, campus: Image
) -> None:
    found = models.detector("people-ssdlite").detect(campus)
    assert set(found.label) == {"person"}
    assert found.confidence.min() > 0.5
    assert_near(found, PEOPLE)


@pytest.mark.network
def test_people_found_in_a_crop_are_where_they_are_in_the_frame(
    models: Models, campus: Image
) -> None:
    found = models.detector("people-ssdlite").detect(campus.crop((500, 60, 760, 320)), 0.6)
    assert_near(found, PEOPLE[:1])


@pytest.mark.network
def test_a_higher_bar_leaves_the_surest(models: Models, campus: Image) -> None:
    assert_near(models.detector("people-ssdlite").detect(campus, 0.85), PEOPLE[:2])


@pytest.mark.network
def test_a_model_is_loaded_once_and_says_what_runs_it(models: Models) -> None:
    first, host = models.detector("people-ssdlite"), cast(Host, models)
    assert host.detector("people-ssdlite") is first
    assert first.labels == ("person",)
    assert first.loaded.provider == available_providers()[0]
    assert models.status()["people-ssdlite"]["provider"] == first.loaded.provider


@pytest.mark.network
def test_a_users_own_file_is_used_as_it_is(demo_store: Store, tmp_path: Path) -> None:
    path = demo_store.path(CARDS["people-ssdlite"])
    host = Models(Store(tmp_path), {"mine": own_card(path)})
    assert host.detector("mine").resolved.card.name == "mine"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": ["person", "dog"]}, "2 labels and the background make 3"),
        ({"input": {"size": [320, 320]}}, "takes 16 x 16, not the 320 x 320 that is said"),
    ],
)
def test_a_card_that_does_not_fit_its_file_is_refused(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    given = {"labels": ["person"], **changes}
    file = detector(tmp_path / "mine.onnx")
    mine = ModelCard.model_validate({"name": "mine", "file": file, "family": "ssd", **given})
    with pytest.raises(ModelError, match=sentence):
        Models(Store(tmp_path), {"mine": mine}).detector("mine")


def test_a_model_of_other_numbers_than_images_are_given_as_is_refused(tmp_path: Path) -> None:
    body = (
        "boxes = Constant<value = float[1,2,4] {0,0,1,1, 0,0,1,1}>() "
        "whole = ReduceMean<axes=[1,2,3], keepdims=0>(image) near = Cast<to=1>(whole) "
        "sure = Constant<value = float[1,2,2] {0.1,0.9, 0.8,0.2}>() scores = Add(sure, near)"
    )
    outputs = "float[1,2,4] boxes, float[1,2,2] scores"
    file = write(tmp_path / "mine.onnx", outputs, body, "double[1,3,16,16]")
    host = Models(Store(tmp_path), {"mine": card("mine", file, "ssd", "person")})
    with pytest.raises(ModelError, match=r"mine: .* it takes 1 x 3 x 16 x 16 of float64"):
        host.detector("mine").detect(image())


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"mine: .*mine\.onnx is no ONNX file"):
        Models(Store(tmp_path), {"mine": card("mine", path, "ssd", "person")}).detector("mine")


def test_an_unknown_model_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model called 'people_ssdlite' \(did you mean"):
        Models(Store(tmp_path), CARDS).detector("people_ssdlite")


def test_a_model_that_is_not_fetched_is_answered_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="run `appliance models pull people-ssdlite --state-dir"):
        Models(Store(tmp_path), CARDS).detector("people-ssdlite")


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.path(CARDS["people-ssdlite"])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half of i")
    with pytest.raises(ModelError, match="is damaged"):
        Models(store, CARDS).detector("people-ssdlite")


# Shared.


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


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is found out of the models, which are the same in all tests."""
    return tmp_path_factory.mktemp("probes")


@pytest.fixture
def yard(tmp_path: Path, probes: Path) -> Models:
    """Models of one file under three names, the last of them in another form."""
    (tmp_path / "probes").symlink_to(probes)
    file = detector(tmp_path / "yard.onnx")
    cards = {
        "yard": card("yard", file, "ssd", "person"),
        "gate": card("gate", file, "ssd", "somebody", confidence=0.1),
        "dark": card("dark", file, "ssd", "person", input={"scale": "0..255"}),
    }
    return Models(Store(tmp_path), cards, unloads=True)


def test_cards_of_one_file_share_a_session_and_keep_their_own_words(yard: Models) -> None:
    first, second = yard.detector("yard"), yard.detector("gate")
    assert first.loaded.session is second.loaded.session
    assert list(first.detect(image()).label) == ["person"]
    assert list(second.detect(image()).label) == ["somebody", "somebody"]
    assert yard.detector("dark").loaded.session is not first.loaded.session


def test_all_lanes_use_one_session_which_has_a_stream_for_each_while_there_are_cores(
    yard: Models,
) -> None:
    lending, aside = yard.lend(), Aside()
    hosts = [lending.host() for _ in range(4)]
    lent = [host.detector("yard") for host in hosts]
    assert hosts[0].detector("yard") is lent[0]
    lending.begin(aside)
    assert yard.status()["yard"]["state"] == "loading"
    aside.run()
    assert aside.names == ["model:yard"]
    assert len({id(each.loaded.session) for each in lent}) == 1
    status = yard.status()["yard"]
    assert (status["users"], status["streams"]) == (4, min(4, cores()))
    assert status["provider"] in available_providers()
    assert status["late"] == 0


def test_what_no_lane_uses_any_more_is_let_go(yard: Models) -> None:
    lending = yard.lend()
    lent = lending.host().detector("yard")
    lent.detect(image())
    session = weakref.ref(lent.loaded.session)
    lending.close()
    assert yard.status() == {}
    assert session() is None
    with pytest.raises(ModelError, match="not lent any more"):
        lent.detect(image())
    assert len(yard.lend().host().detector("yard").detect(image())) == 1


def test_what_another_daemon_uses_stays(yard: Models) -> None:
    ours, theirs = yard.lend(), yard.lend()
    for lending in (ours, ours, theirs):
        lending.host().detector("yard")
    ours.begin(Aside())
    theirs.begin(Aside())
    assert yard.status()["yard"]["users"] == 3
    ours.close()
    assert yard.status()["yard"]["users"] == 1


def test_models_that_keep_lend_the_same_session_again(tmp_path: Path) -> None:
    file = detector(tmp_path / "yard.onnx")
    models = Models(Store(tmp_path), {"yard": card("yard", file, "ssd", "person")})
    lending = models.lend()
    session = lending.host().detector("yard").loaded.session
    lending.close()
    assert models.lend().host().detector("yard").loaded.session is session


def test_a_bad_model_keeps_no_other_from_being_lent(tmp_path: Path) -> None:
    good, bad = detector(tmp_path / "good.onnx"), tmp_path / "bad.onnx"
    bad.write_bytes(good.read_bytes()[:100])
    cards = {
        name: card(name, tmp_path / f"{name}.onnx", "ssd", "person") for name in ("good", "bad")
    }
    host = Models(Store(tmp_path), cards).lend().host()
    with pytest.raises(ModelError, match=r"bad: .*bad\.onnx"):
        host.detector("bad")
    assert len(host.detector("good").detect(image())) == 1


def test_a_lane_gives_its_permit_back_where_a_block_says_so(yard: Models) -> None:
    said = []

    @contextmanager
    def waiting() -> Iterator[None]:
        said.append("out")
        yield
        said.append("in")

    host: Host = yard.lend(Patience(waiting)).host()
    with host.waiting():
        assert said == ["out"]
    assert said == ["out", "in"]


def test_a_stop_ends_the_wait_for_a_model(yard: Models) -> None:
    lending = yard.lend()
    lent = lending.host().detector("yard")
    lending.begin(Aside())
    lending.stop()
    with pytest.raises(LateError, match="the model yard is still loading"):
        lent.detect(image())
