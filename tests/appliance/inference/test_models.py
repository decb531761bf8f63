"""The models as blocks see them, with the real detector and known people."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from appliance.inference.catalog import ModelCard, ModelError, load_catalog, model_cards
from appliance.inference.models import Models
from appliance.inference.session import available_providers
from appliance.inference.store import Store
from blocks.data import Detections, Image
from blocks.host import Host

# Of TensorProto.DataType.
UINT8 = 2
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
    host: Host = models
    first = host.detector("people-ssdlite")
    assert host.detector("people-ssdlite") is first
    assert first.labels == ("person",)
    assert first.loaded.provider == available_providers()[0]
    assert models.status()["people-ssdlite"]["provider"] == first.loaded.provider


@pytest.mark.network
def test_a_users_own_file_is_used_as_it_is(demo_store: Store, tmp_path: Path) -> None:
    path = demo_store.path(CARDS["people-ssdlite"])
    host = Models(Store(tmp_path), {"mine": own_card(path)})
    assert host.detector("mine").resolved.card.name == "mine"


@pytest.mark.network
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": ["person", "dog"]}, "2 labels and the background make 3"),
        ({"input": {"size": [320, 320]}}, r"card's input is \(1, 3, 320, 320\)"),
    ],
)
def test_a_card_that_does_not_fit_its_file_is_refused(
    demo_store: Store, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    card = own_card(demo_store.path(CARDS["people-ssdlite"]), **changes)
    with pytest.raises(ModelError, match=sentence):
        Models(Store(tmp_path), {"mine": card}).detector("mine")


def test_a_model_of_other_numbers_than_images_are_given_as_is_refused(
    onnx_file: Callable[..., Path], tmp_path: Path
) -> None:
    host = Models(Store(tmp_path), {"mine": own_card(onnx_file(element=UINT8))})
    with pytest.raises(ModelError, match=r"it takes tensor\(uint8\), where images are given as"):
        host.detector("mine")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"mine: onnxruntime cannot load .*mine\.onnx"):
        Models(Store(tmp_path), {"mine": own_card(path)}).detector("mine")


def test_an_unknown_model_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model called 'people_ssdlite' \(did you mean"):
        Models(Store(tmp_path), CARDS).detector("people_ssdlite")


def test_a_model_that_is_not_fetched_is_answered_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="run `appliance models pull people-ssdlite --state-dir"):
        Models(Store(tmp_path), CARDS).detector("people-ssdlite")


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.path(CARDS["people-ssdlite"])
    path.parent.mkdir()
    path.write_bytes(b"half of i")
    with pytest.raises(ModelError, match="is damaged"):
        Models(store, CARDS).detector("people-ssdlite")
