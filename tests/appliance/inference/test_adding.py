"""Models put into the store: read, shown, asked about, kept whole or not at all."""

import http.server
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml

from appliance.inference.adding import Addition, Wish, add
from appliance.inference.catalog import ModelCard, ModelError
from appliance.inference.declared import ADDED, Declared, added
from appliance.inference.packages import FetchError
from appliance.inference.store import Store, digest
from tests.appliance.inference import tiny

PETS = Wish(family="classification", labels=("cat", "dog"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state")


def put(source: Path | str, wish: Wish, store: Store, *names: Declared) -> tuple[Addition, str]:
    """Add a model; what came of it, and all that was said meanwhile."""
    known: Mapping[str, Declared] = {each.card.name: each for each in names}
    said: list[str] = []
    found = add(str(source), wish, store, known, said.append)
    return found, "\n".join(said)


def kept(store: Store) -> list[str]:
    """All models and cards in the store, and what is left of the work."""
    found = (path for path in store.root.rglob("*") if path.is_file())
    return [p.name for p in found if not p.name.startswith(".lock") and p.parent != store.facts]


def with_names(path: Path, **metadata: str) -> Path:
    """The file with what an exporter writes into it."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def test_a_file_that_tells_all_is_added_without_a_word_more(store: Store, tmp_path: Path) -> None:
    path = with_names(tiny.classifier(tmp_path / "pets.onnx"), names="['cat', 'dog']")
    found, said = put(path, Wish(), store)
    assert found.told.labels == ("cat", "dog")
    assert found.path == store.model_path(digest(path))
    assert found.path.read_bytes() == path.read_bytes()
    card = yaml.safe_load((store.names / "pets.yaml").read_text())
    assert card == {
        "name": "pets",
        "description": "Added from pets.onnx.",
        "sha256": digest(path),
        "family": "classification",
        "input": {"size": [tiny.SIZE, tiny.SIZE]},
    }
    assert said == ""


def test_what_is_said_stands_in_the_card(store: Store, tmp_path: Path) -> None:
    wish = Wish("zoo", "classification", ("cat", "dog"), None, 0.7, "", "MIT")
    found, _ = put(tiny.classifier(tmp_path / "pets.onnx"), wish, store)
    assert added(store) == [found.card]
    assert (found.card.name, found.card.labels, found.card.confidence, found.card.licence) == (
        "zoo",
        ("cat", "dog"),
        0.7,
        "MIT",
    )


def test_all_that_cannot_be_told_is_asked_for_at_once(store: Store, tmp_path: Path) -> None:
    image = "float[1,3,height,width]"
    path = tiny.detector(tmp_path / "yard.onnx", image)
    with pytest.raises(ModelError) as caught:
        put(path, Wish(), store)
    first, *reasons, how = str(caught.value).splitlines()
    assert first == f"{path}: the file does not tell all that must be known:"
    assert any(each.endswith("say which with --family") for each in reasons)
    assert any(each.endswith("say them with --labels") for each in reasons)
    assert any(each.endswith("say which with --size") for each in reasons)
    assert how == (
        f"Say it so: appliance models add {path} --name yard --family NAME "
        "--size WIDTHxHEIGHT --labels FILE"
    )
    assert kept(store) == []


def test_labels_that_are_too_few_are_refused(store: Store, tmp_path: Path) -> None:
    wish = Wish(family="classification", labels=("cat",))
    with pytest.raises(ModelError, match="it gives 2 scores, where there"):
        put(tiny.classifier(tmp_path / "pets.onnx"), wish, store)


def test_the_background_among_the_labels_of_an_ssd_is_left_out(
    store: Store, tmp_path: Path
) -> None:
    wish = Wish(labels=("???", "person"))
    found, said = put(tiny.detector(tmp_path / "yard.onnx"), wish, store)
    assert (found.card.family, found.card.labels) == ("ssd", ("person",))
    assert said == "yard: the first of the labels, '???', is the background, and is left out"


def test_a_background_that_is_a_class_stays(store: Store, tmp_path: Path) -> None:
    wish = Wish(family="classification", labels=("background", "dog"))
    found, _ = put(tiny.classifier(tmp_path / "pets.onnx"), wish, store)
    assert found.card.labels == ("background", "dog")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<html>404</html>", r"^\S*/x\.onnx is no ONNX file"),
        (b"", r"^\S*/x\.onnx is "),
    ],
)
def test_what_is_no_model_is_refused_by_its_own_name(
    store: Store, tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=sentence):
        put(tmp_path / "x.onnx", Wish(), store)
    assert kept(store) == []


def test_a_file_that_is_cut_off_is_refused(store: Store, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "x.onnx")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ModelError, match=r"x\.onnx is cut off"):
        put(path, PETS, store)


def test_a_file_that_is_not_there_is_answered_with_the_nearest(
    store: Store, tmp_path: Path
) -> None:
    tiny.classifier(tmp_path / "pets.onnx")
    with pytest.raises(ModelError, match=r"pest\.onnx: there is no such file \(did you mean 'pets"):
        put(tmp_path / "pest.onnx", PETS, store)
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        put(tmp_path, PETS, store)


def test_a_model_with_weights_in_other_files_is_not_torn_apart(
    store: Store, tmp_path: Path
) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    model = onnx.load(path)
    weight = onnx.numpy_helper.from_array(np.ones(4096, np.float32), "weight")
    model.graph.initializer.append(weight)
    onnx.save(model, path, save_as_external_data=True, location="pets.data", size_threshold=0)
    with pytest.raises(ModelError, match="keeps its weights in other files beside it"):
        put(path, PETS, store)


def test_another_file_than_its_checksum_says_is_not_kept(store: Store, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    wish = Wish(family="classification", labels=("cat", "dog"), sha256="0" * 64)
    with pytest.raises(FetchError, match=f"its sha256 is {digest(path)}, not 0000"):
        put(path, wish, store)
    assert kept(store) == []


def test_a_name_that_is_taken_is_not_taken_away(store: Store, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    other = ModelCard(name="pets", sha256="0" * 64)
    with pytest.raises(ModelError, match=r"called 'pets' already \(catalog\): give another --name"):
        put(path, PETS, store, Declared(other, "catalog"))
    with pytest.raises(ModelError, match="`appliance models remove pets`"):
        put(path, PETS, store, Declared(other, ADDED))


def test_the_same_file_may_be_added_again_to_say_more(store: Store, tmp_path: Path) -> None:
    path = tiny.classifier(tmp_path / "pets.onnx")
    first, _ = put(path, PETS, store)
    wish = Wish(family="classification", labels=("tom", "spike"))
    put(path, wish, store, Declared(first.card, ADDED))
    (card,) = added(store)
    assert card.labels == ("tom", "spike")


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    path = tiny.classifier(tmp_path / "pets.onnx")
    with pytest.raises(FetchError, match=r"pets: cannot write to .*state"):
        put(path, PETS, Store(tmp_path / "state"))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server's address; it serves the files of the folder `web`."""
    (tmp_path / "web").mkdir()
    tiny.classifier(tmp_path / "web" / "pets.onnx")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = partial(Handler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_comes_from_an_address_is_pinned_and_that_is_said(
    store: Store, tmp_path: Path, web: str
) -> None:
    found, said = put(f"{web}/pets.onnx", PETS, store)
    sha256 = digest(tmp_path / "web" / "pets.onnx")
    assert (found.card.url, found.card.sha256) == (f"{web}/pets.onnx", sha256)
    assert said.splitlines()[0] == f"the network is used, to fetch {web}/pets.onnx"
    assert (
        f"NO CHECKSUM WAS GIVEN, so what came is trusted from now on. Its sha256 is {sha256}"
        in (said)
    )


def test_with_its_checksum_nothing_is_to_be_trusted(store: Store, tmp_path: Path, web: str) -> None:
    sha256 = digest(tmp_path / "web" / "pets.onnx")
    wish = Wish(family="classification", labels=("cat", "dog"), sha256=sha256.upper())
    assert "NO CHECKSUM" not in put(f"{web}/pets.onnx", wish, store)[1]


def test_what_may_be_a_secret_in_an_address_is_not_kept(store: Store, web: str) -> None:
    url = web.replace("http://", "http://me:hush@") + "/pets.onnx?signature=psst"
    found, said = put(url, PETS, store)
    assert found.card.url is None
    assert found.card.name == "pets"
    assert found.card.origin == f"{web}/pets.onnx?…"
    written = said + (store.names / "pets.yaml").read_text()
    assert "hush" not in written
    assert "psst" not in written
