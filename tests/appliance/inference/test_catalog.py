"""The catalog that ships, and cards that users write."""

import re
from importlib import resources
from typing import Any

import pytest
from pydantic import ValidationError

from appliance.inference.catalog import Clip, Input, ModelCard, ModelError, find, load_catalog
from appliance.inference.catalog import model_cards as models_of

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
    assert ModelCard.model_validate(CARD).input.shape == (1, 3, 200, 300)


def test_the_colours_come_last_where_the_layout_says_so() -> None:
    assert Input(size=(300, 200), layout="nhwc").shape == (1, 200, 300, 3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"url": "http://example.com/x.onnx"}, "exactly one of file, url and package"),
        ({"file": None}, "exactly one of file, url and package"),
        ({"file": None, "url": "http://example.com/x.onnx"}, "needs its sha256"),
        ({"file": None, "url": "ftp://example.com/x.onnx"}, "url"),
        ({"name": "../mine"}, "name"),
        ({"lables": ["person"]}, "lables"),
        ({"labels": []}, "labels"),
    ],
)
def test_a_card_that_cannot_be_meant_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        ModelCard.model_validate(CARD | change)


def test_a_package_from_pip_is_pinned() -> None:
    package = {"source": "pip", "name": "x", "member": "y", "sha256": "0" * 64, "download_mb": 1}
    with pytest.raises(ValidationError, match="needs its exact version"):
        ModelCard.model_validate(CARD | {"file": None, "sha256": "0" * 64, "package": package})
