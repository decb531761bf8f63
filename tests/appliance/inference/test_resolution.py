"""A card completed by its file."""

import json
from pathlib import Path

import pytest

from appliance.inference.catalog import ModelError
from appliance.inference.declared import path_card
from appliance.inference.metadata import Facts
from appliance.inference.resolution import known_facts, resolve, resolved
from appliance.inference.store import Store
from tests.appliance.inference import tiny


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state")


def test_a_model_is_checked_read_and_completed(store: Store, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    found = resolved(tiny.card("pets", path, "classification", "cat", "dog"), store)
    assert (found.path, found.family.name, found.labels) == (path, "classification", ("cat", "dog"))
    assert found.form.size == (tiny.SIZE, tiny.SIZE)
    assert len(found.sha256) == 64
    assert found.facts.outputs == {"out": (1, 2)}


def test_all_that_does_not_fit_is_said_in_one_sentence(store: Store, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    card = tiny.card("pets", path, "classification", "cat", input={"size": [300, 200]})
    with pytest.raises(ModelError) as caught:
        resolved(card, store)
    assert str(caught.value).startswith(f"pets: the model card does not fit {path}: ")
    assert "its input takes 16 x 16, not the 300 x 200 that is said" in str(caught.value)


def test_a_file_of_which_nothing_is_said_and_that_does_not_tell_is_asked_for(
    store: Store, tmp_path: Path
) -> None:
    path = tiny.detector(tmp_path / "yard.onnx")
    with pytest.raises(ModelError) as caught:
        resolved(path_card(path), store)
    said = str(caught.value)
    assert said.startswith(f"yard: {path} does not tell all that must be known: ")
    assert "say which with `family`; the file names no labels: say them with `labels`" in said
    assert said.endswith(
        f"say it in a card under `models` in the settings, or to `appliance models add {path}`"
    )


def test_a_file_that_is_no_model_is_named(store: Store, tmp_path: Path) -> None:
    (tmp_path / "pets.onnx").write_bytes(b"<html>not found</html>")
    card = tiny.card("pets", tmp_path / "pets.onnx", "classification", "cat")
    with pytest.raises(ModelError, match=r"^pets: .*pets\.onnx is no ONNX file"):
        resolved(card, store)


def kept_otherwise(store: Store, path: Path, **changes: object) -> Facts:
    """What is known of a file after what was kept of it was changed."""
    known_facts(path, "ab" * 32, store)
    kept = store.facts / f"{'ab' * 32}.json"
    told = json.loads(kept.read_text())
    told["facts"]["metadata"] = {"kept": "yes"}
    kept.write_text(json.dumps(told | changes))
    return known_facts(path, "ab" * 32, store)


def test_what_a_file_says_is_kept_by_its_checksum(store: Store, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    found = kept_otherwise(store, path)
    assert (found.metadata, found.outputs) == ({"kept": "yes"}, {"out": (1, 2)})


@pytest.mark.parametrize("other", [{"version": 1}, {"version": 99}, {"runtime": "1.0.0"}])
def test_what_another_version_kept_is_read_anew(
    store: Store, tmp_path: Path, other: dict[str, object]
) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    assert kept_otherwise(store, path, **other).metadata == {}
    assert known_facts(path, "ab" * 32, store).metadata == {}


def test_what_the_first_versions_kept_is_read_anew(store: Store, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    said = Facts(inputs={"image": (1, 3, 9, 9)}, outputs={"out": (1, 2)})
    store.written(store.facts / f"{'ab' * 32}.json", said.model_dump_json())
    assert known_facts(path, "ab" * 32, store).inputs == {"image": (1, 3, 16, 16)}


def test_what_was_kept_and_cannot_be_read_is_read_anew(store: Store, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    store.facts.mkdir(parents=True)
    kept = store.facts / f"{'ab' * 32}.json"
    kept.write_text("half of i")
    assert known_facts(path, "ab" * 32, store).outputs == {"out": (1, 2)}
    assert kept.read_text().startswith("{")


def test_where_nothing_can_be_written_it_is_read_each_time(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    path = tiny.classifier(tmp_path / "pets.onnx")
    assert known_facts(path, "ab" * 32, Store(tmp_path / "state")).outputs == {"out": (1, 2)}


def test_what_the_card_says_counts_before_what_is_usual(tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    said = {"colours": "bgr", "scale": "-1..1"}
    card = tiny.card("pets", path, "classification", "cat", "dog", input=said)
    facts = Facts(inputs={"image": (1, 3, 16, 16)}, outputs={"out": (1, 2)})
    form = resolve(card, path, "", facts).form
    assert (form.colours, form.mean) == ("bgr", (127.5, 127.5, 127.5))
