"""The catalog that ships, and cards that users write."""

import json
import re
from importlib import resources
from typing import Any

import pytest
from pydantic import ValidationError

from appliance.inference.catalog import Clip, Input, ModelCard, ModelError, find, load_catalog
from appliance.inference.catalog import model_cards as models_of
from appliance.inference.families.fitting import Form

CARD: dict[str, Any] = {
    "name": "mine",
    "file": "/models/mine.onnx",
    "family": "ssd",
    "input": {"size": [300, 200]},
    "labels": ["person"],
}


def test_every_entry_says_what_it_is_and_under_which_licence() -> None:
    for entry in load_catalog().values():
        assert entry.description
        assert entry.licence
        assert entry.origin
        assert entry.package is not None


def test_the_demo_has_a_model_of_people_and_two_clips() -> None:
    catalog = load_catalog()
    assert models_of(catalog)["people-ssdlite"].labels == ("person",)
    assert {name for name, entry in catalog.items() if isinstance(entry, Clip)} == {
        "vtest",
        "bikes",
    }


def test_no_address_of_a_registry_is_written_down() -> None:
    text = resources.files("appliance.inference").joinpath("catalog.yaml").read_text("utf-8")
    assert not re.search(r"https?://", text)


def test_a_name_with_a_slip_is_answered_with_the_nearest() -> None:
    with pytest.raises(ModelError, match="did you mean 'people-ssdlite'"):
        find(models_of(load_catalog()), "people-sdlite")


def test_a_name_like_no_other_is_answered_with_the_command_that_lists() -> None:
    with pytest.raises(ModelError, match=r"no model called 'xyz'; `appliance models`"):
        find(models_of(load_catalog()), "xyz")


def test_a_card_of_a_users_own_file_needs_no_more_than_this() -> None:
    card = ModelCard.model_validate({"name": "mine", "file": "/models/mine.onnx"})
    assert (card.family, card.labels, card.input.size) == (None, (), None)


USUAL = Form((640, 480), mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0), fit="letterbox")


def test_what_a_card_leaves_out_of_the_input_is_as_usual() -> None:
    form = Input(size=(300, 200), colours="bgr").form(USUAL)
    assert (form.size, form.colours) == ((300, 200), "bgr")
    assert (form.mean, form.std, form.fit) == (USUAL.mean, USUAL.std, "letterbox")


def test_a_range_of_brightness_is_a_mean_and_a_divisor() -> None:
    form = Input(scale="-1..1").form(USUAL)
    assert (form.mean, form.std) == ((127.5,) * 3, (127.5,) * 3)


def test_labels_may_be_one_text_with_commas() -> None:
    card = ModelCard.model_validate(CARD | {"labels": "person, dog ,cat"})
    assert card.labels == ("person", "dog", "cat")


def test_labels_in_a_list_are_taken_in_strict_json_too() -> None:
    text = json.dumps(CARD)
    assert ModelCard.model_validate_json(text, strict=True).labels == ("person",)


def test_a_model_in_the_store_has_its_checksum_alone() -> None:
    assert ModelCard(name="mine", sha256="0" * 64).file is None


REMOTE = {"url": "http://gpu-box:8000", "model": "people"}


def test_a_model_on_a_server_needs_no_file() -> None:
    card = ModelCard.model_validate({"name": "far", "backend": "oip", "remote": REMOTE})
    assert card.remote is not None
    assert card.remote.model == "people"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"url": "http://example.com/x.onnx"}, "exactly one of file, url and package"),
        ({"file": None}, "exactly one of file, url and package"),
        ({"file": None, "url": "http://example.com/x.onnx"}, "needs its sha256"),
        ({"file": None, "url": "ftp://example.com/x.onnx"}, "url"),
        ({"name": "../mine"}, "name"),
        ({"lables": ["person"]}, "lables"),
        ({"labels": ["person", " "]}, "one of the labels is empty"),
        ({"family": "yolo_mask"}, "did you mean 'yolo_masks'"),
        ({"input": {"scale": "0..1", "mean": [0, 0, 0]}}, "either scale, or mean and std"),
        ({"backend": "oip"}, "leave out file and url"),
        ({"backend": "oip", "file": None}, "`backend: oip` and `remote` go together"),
        ({"remote": REMOTE}, "`backend: oip` and `remote` go together"),
        ({"reads_with": "reader"}, "for a model of the family ocr"),
        ({"family": "ocr", "turns_with": "turner"}, "no use without reads_with"),
        ({"bank": "good.npz"}, "family anomaly or embedding"),
    ],
)
def test_a_card_that_cannot_be_meant_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        ModelCard.model_validate(CARD | change)


def test_a_package_from_pip_is_pinned() -> None:
    package = {"source": "pip", "name": "x", "member": "y", "sha256": "0" * 64, "download_mb": 1}
    with pytest.raises(ValidationError, match="needs its exact version"):
        ModelCard.model_validate(CARD | {"file": None, "sha256": "0" * 64, "package": package})
