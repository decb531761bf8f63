"""A model on another machine, and one here that takes its place while that one is away."""

import numpy as np
import pytest

from appliance.engine.testing import detections, image
from appliance.inference.remote import OfflineError
from appliance.inference.remote_fallback import Fallback
from blocks.data import Detections, Image
from blocks.host import LateError
from blocks.predictions import Embedding


class Model:
    """It finds one of its label, or raises."""

    def __init__(self, label: str) -> None:
        self.labels = (label,)
        self.error: Exception | None = None
        self.asked = 0

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return detections((self.labels[0], (1, 2, 3, 4)))

    def detect_many(self, images: list[Image], confidence: float | None) -> list[Detections]:
        return [self.detect(image, confidence) for image in images]

    def embed(self, image: Image) -> Embedding:
        return Embedding(np.ones(1, np.float32))


class Pair:
    def __init__(self) -> None:
        self.remote, self.local, self.offline = Model("there"), Model("here"), False
        self.lent = Fallback(self.remote, self.local, lambda: self.offline)

    def finds(self) -> str:
        return str(self.lent.detect(image()).data["label"][0])


def test_while_the_remote_model_answers_the_local_one_is_not_asked() -> None:
    pair = Pair()
    assert pair.finds() == "there"
    assert pair.lent.labels == ("there",)
    assert (pair.local.asked, pair.lent.local_calls) == (0, 0)


def test_a_call_that_finds_the_server_gone_is_answered_here() -> None:
    pair = Pair()
    pair.remote.error = OfflineError("gone")
    assert pair.finds() == "here"
    assert (pair.remote.asked, pair.lent.local_calls) == (1, 1)


def test_while_it_is_known_to_be_away_it_is_not_asked_and_then_again() -> None:
    pair = Pair()
    pair.offline = True
    assert [pair.finds(), pair.finds()] == ["here", "here"]
    assert pair.lent.labels == ("here",)
    assert pair.remote.asked == 0
    pair.offline = False
    assert pair.finds() == "there"
    assert pair.lent.local_calls == 2


def test_what_came_too_late_is_not_made_again_here() -> None:
    pair = Pair()
    pair.remote.error = LateError("late")
    with pytest.raises(LateError):
        pair.finds()
    assert pair.local.asked == 0


def test_other_kinds_of_models_are_asked_the_same_way() -> None:
    pair = Pair()
    pair.offline = True
    found = pair.lent.detect_many([image(), image()])
    assert [str(one.data["label"][0]) for one in found] == ["here", "here"]
    assert pair.lent.embed(image()).vector.tolist() == [1.0]
    assert pair.lent.local_calls == 2
