"""Sessions as they are made: of files here, and of servers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from appliance.clock import SystemClock
from appliance.engine.testing import image
from appliance.inference import opening
from appliance.inference.catalog import ModelCard, ModelError
from appliance.inference.loading import MayPassError
from appliance.inference.models import Models
from appliance.inference.opening import Opener, resolved_elsewhere
from appliance.inference.providers import NotNowError
from appliance.inference.remote import OfflineError
from appliance.inference.resolution import Resolved, resolved
from appliance.inference.session import Session, available_providers
from appliance.inference.store import Store
from tests.appliance.inference.tiny import card, detector, segmenter

# Nobody listens there.
NOWHERE = {"url": "http://127.0.0.1:9", "model": "yard", "timeout_s": 0.5}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state")


@pytest.fixture
def opener(store: Store) -> Opener:
    return Opener(store, SystemClock())


@pytest.fixture
def yard(store: Store, tmp_path: Path) -> Resolved:
    return resolved(card("yard", detector(tmp_path / "yard.onnx"), "ssd", "person"), store)


def test_a_file_is_given_pixels_and_is_told_about(opener: Opener, yard: Resolved) -> None:
    opened = opener.open(yard, 2)
    assert opened.session.input_type == "tensor(uint8)"
    assert opened.session.input_shape == (1, 16, 16, 3)
    assert opened.canvases is not None
    assert opened.session.provider in available_providers()
    assert opened.notes["precision"] == "fp32"
    assert 0 <= opened.notes["memory_mib"] < 500
    with opened.fitted(image()) as (tensor, _place):
        assert opened.session.run(tensor)["boxes"].shape == (1, 2, 4)


def test_a_raw_one_takes_the_numbers_that_the_file_takes(opener: Opener, yard: Resolved) -> None:
    opened = opener.open(yard, 1, raw=True)
    assert (opened.session.input_type, opened.canvases) == ("tensor(float)", None)


def test_a_model_of_many_images_is_tried_with_some_and_its_verdict_kept(
    opener: Opener, store: Store, tmp_path: Path
) -> None:
    file = segmenter(tmp_path / "ground.onnx", "float[N,3,16,16]")
    ground = resolved(card("ground", file, "segmentation", "sand", "grass", "water"), store)
    assert opener.open(ground, 1).batch in (1, 4, 8, 16)
    assert len(list(store.probes.glob("batch-*.json"))) == 1


def test_batches_that_pay_are_told_of_and_run_before_they_are_needed(
    opener: Opener, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    run = Session.run

    def counted(session: Session, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        sizes.append(len(tensor))
        if len(tensor) > most:
            raise RuntimeError("Reshape: 4 is no multiple")
        return run(session, tensor)

    monkeypatch.setattr(Session, "run", counted)
    monkeypatch.setattr(opening, "best_batch", lambda *_given: 4)
    file = segmenter(tmp_path / "ground.onnx", "float[N,3,16,16]")
    ground = resolved(card("ground", file, "segmentation", "sand", "grass", "water"), store)
    most = 4
    opened = opener.open(ground, 1)
    assert (opened.batch, opened.notes["batch"], sizes) == (4, 4, [1, 4, 3, 2])
    most = 2
    opened = opener.open(ground, 1)
    assert (opened.batch, "batch" in opened.notes) == (1, False)


def test_what_cannot_be_run_now_may_pass(
    opener: Opener, yard: Resolved, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(*_given: object, **_more: object) -> None:
        raise NotNowError("yard: it needs about 900 MiB of memory, 200 are free")

    monkeypatch.setattr(opening, "choose", choose)
    with pytest.raises(MayPassError, match="yard: it needs about 900 MiB"):
        opener.open(yard, 1)


def test_int8_that_was_never_made_is_a_sentence(
    opener: Opener, store: Store, tmp_path: Path
) -> None:
    file = detector(tmp_path / "yard.onnx")
    fewer = resolved(card("yard", file, "ssd", "person", precision="int8"), store)
    with pytest.raises(ModelError, match="yard: there is no int8 file of it: make one with"):
        opener.open(fewer, 1)


def far(**more: object) -> ModelCard:
    told = {"name": "far", "backend": "oip", "remote": NOWHERE, **more}
    return ModelCard.model_validate(told)


def test_a_server_that_is_away_at_first_is_lent_if_the_card_says_all(store: Store) -> None:
    with pytest.raises(OfflineError, match=r"far: the model 'yard' on .* cannot be used"):
        resolved_elsewhere(far(), store, SystemClock())
    told = far(family="ssd", input={"size": [16, 16]}, labels=["person"])
    found = resolved_elsewhere(told, store, SystemClock())
    assert (found.family.name, found.form.size, found.labels) == ("ssd", (16, 16), ("person",))


def test_while_a_server_is_away_the_model_here_takes_its_place(
    store: Store, tmp_path: Path
) -> None:
    here = card("yard", detector(tmp_path / "yard.onnx"), "ssd", "person")
    told = far(
        family="ssd",
        input={"size": [16, 16]},
        labels=["person"],
        remote={**NOWHERE, "fallback": "yard"},
    )
    models = Models(store, {"yard": here, "far": told})
    assert list(models.detector("far").detect(image()).label) == ["person"]
    status = models.status()
    assert status["yard"]["state"] == "ready"
    assert status["far"]["state"].startswith("offline")
    assert "streams" in status["yard"]
    assert "streams" not in status["far"]


def test_a_model_on_a_server_takes_nobodys_place(store: Store) -> None:
    said = {"family": "ssd", "input": {"size": [16, 16]}, "labels": ["person"]}
    first = far(**said, remote={**NOWHERE, "fallback": "second"})
    models = Models(store, {"far": first, "second": far(**{**said, "name": "second"})})
    with pytest.raises(ModelError, match="second is on a server, too"):
        models.detector("far")
