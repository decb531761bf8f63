"""A model on another machine, and one here that takes its place while that one is away."""

from collections.abc import Callable

import pytest

from appliance.engine.testing import detections, image
from appliance.inference.remote import OfflineError
from appliance.inference.remote_fallback import Fallback
from blocks.data import Detections, Image
from blocks.host import LateError


class Model:
    """It finds one of its label, or raises, and remembers how it was asked."""

    def __init__(self, label: str) -> None:
        self.labels = (label,)
        self.error: Exception | None = None
        self.told: list[tuple[str, float | None, bool]] = []

    def detect(self, image: Image, confidence: float | None = None) -> Detections:
        self.told.append(("detect", confidence, False))
        if self.error is not None:
            raise self.error
        return detections((self.labels[0], (1, 2, 3, 4)))

    def __getattr__(self, name: str) -> Callable[..., None]:
        def asked(
            image: Image, confidence: float | None = None, *, multi_label: bool = False
        ) -> None:
            self.told.append((name, confidence, multi_label))

        return asked


class Pair:
    def __init__(self) -> None:
        self.remote, self.local, self.offline = Model("there"), Model("here"), False
        self.lent = Fallback(lambda: None if self.offline else self.remote, self.local)

    def finds(self) -> str:
        return str(self.lent.detect(image()).data["label"][0])


def test_while_the_remote_model_answers_the_local_one_is_not_asked() -> None:
    pair = Pair()
    assert pair.finds() == "there"
    assert pair.lent.labels == ("there",)
    assert (len(pair.local.told), pair.lent.local_calls) == (0, 0)


def test_a_call_that_finds_the_server_gone_is_answered_here() -> None:
    pair = Pair()
    pair.remote.error = OfflineError("gone")
    assert pair.finds() == "here"
    assert (len(pair.remote.told), pair.lent.local_calls) == (1, 1)


def test_while_it_is_known_to_be_away_it_is_not_asked_and_then_again() -> None:
    pair = Pair()
    pair.offline = True
    assert [pair.finds(), pair.finds()] == ["here", "here"]
    assert pair.lent.labels == ("here",)
    assert pair.remote.told == []
    pair.offline = False
    assert pair.finds() == "there"
    assert pair.lent.local_calls == 2


def test_what_came_too_late_is_not_made_again_here() -> None:
    pair = Pair()
    pair.remote.error = LateError("late")
    with pytest.raises(LateError):
        pair.finds()
    assert pair.local.told == []


def test_models_of_all_kinds_are_asked_the_same_way() -> None:
    pair = Pair()
    picture = image()
    calls: list[Callable[[], object]] = [
        lambda: pair.lent.detect(picture, 0.5),
        lambda: pair.lent.detect_many([picture, picture]),
        lambda: pair.lent.classify(picture, 0.25, multi_label=True),
        lambda: pair.lent.segment(picture),
        lambda: pair.lent.read(picture),
        lambda: pair.lent.embed(picture),
        lambda: pair.lent.inspect(picture),
    ]
    for call in calls:
        call()
    assert pair.local.told == []
    pair.offline = True
    for call in calls:
        call()
    assert pair.remote.told == pair.local.told
    assert pair.local.told == [
        ("detect", 0.5, False),
        ("detect_many", None, False),
        ("classify", 0.25, True),
        ("segment", None, False),
        ("read", None, False),
        ("embed", None, False),
        ("inspect", None, False),
    ]
    assert pair.lent.local_calls == len(calls)
