"""The converter, by what it made of the demo's model: it runs where onnx is, which is not here."""

import numpy as np
import pytest

from appliance.inference.catalog import load_catalog
from appliance.inference.session import CPU, Session
from appliance.inference.store import Store, digest

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def model(demo_store: Store) -> Session:
    return Session(demo_store.path(load_catalog()["people-ssdlite"]), CPU)


def test_the_result_is_the_same_on_every_machine(demo_store: Store) -> None:
    card = load_catalog()["people-ssdlite"]
    assert digest(demo_store.path(card)) == card.sha256


def test_shapes_are_fixed_and_named(model: Session) -> None:
    assert model.input_shape == (1, 3, 300, 300)
    assert model.output_shapes == {"boxes": (1, 1917, 4), "scores": (1, 1917, 2)}


def test_boxes_are_corners_in_order_and_scores_are_shares(model: Session) -> None:
    found = model.run(np.zeros((1, 3, 300, 300), np.float32))
    boxes, scores = found["boxes"][0], found["scores"][0]
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert scores.min() >= 0
    assert scores.max() <= 1
    # Background and person are judged by a sigmoid each, and a grey image is background.
    assert scores[:, 0].min() > 0.5
