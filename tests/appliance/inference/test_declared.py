"""Where models are declared: the catalog, the store, settings, cards beside them, and by path."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from appliance.engine.errors import DefinitionError, Mark, Problem
from appliance.engine.plan import Need
from appliance.inference.catalog import ModelCard
from appliance.inference.declared import (
    added,
    cards,
    declared,
    forget,
    labels_of,
    path_card,
    remember,
)
from appliance.inference.store import Store
from appliance.settings import Settings, model_file, read_part, read_settings, refusal
from appliance.sources import SettingsError
from tests.unprivileged import as_nobody

SHA256 = "0" * 64


@pytest.fixture
def settings_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Settings]:
    """Reads settings whose file has these models in it; it stands in the folder `site`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site" / "models").mkdir(parents=True)

    def read(models: str) -> Settings:
        file = Path("site/appliance.yaml")
        file.write_text(f"version: 1\nstate_dir: state\n{models}")
        return read_settings(file)

    return read


def refusals(settings: Settings) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        cards(settings)
    return [f"{p.mark.path}:{p.mark.line}: {p.where}: {p.what}" for p in caught.value.problems]


def need(name: str, workflow: str = "flows/gate.yaml", kind: str = "model") -> Need:
    return Need(kind, name, Mark(workflow, 4, 9), "steps.find.model")


def test_a_model_of_the_settings_has_its_file_beside_them(
    settings_of: Callable[[str], Settings],
) -> None:
    text = "models:\n  yard: {file: nets/yard.onnx, family: yolo, labels: [boat, car]}\n"
    found = cards(settings_of(text))["yard"]
    assert found.file == Path("site/nets/yard.onnx")
    assert (found.family, found.labels) == ("yolo", ("boat", "car"))


def test_a_model_may_be_the_path_of_its_file_alone(
    settings_of: Callable[[str], Settings],
) -> None:
    assert cards(settings_of("models: {yard: yard.onnx}"))["yard"].file == Path("site/yard.onnx")


def test_each_yaml_file_in_the_folder_of_models_is_a_card(
    settings_of: Callable[[str], Settings],
) -> None:
    settings = settings_of("")
    Path("site/models/yard.yaml").write_text("file: yard.onnx\n")
    Path("site/models/b.yml").write_text(f"name: boats\nurl: https://x.org/b\nsha256: '{SHA256}'\n")
    Path("site/models/yard.onnx").write_bytes(b"no card")
    Path("site/models/config.json").write_text("{}")
    found = cards(settings)
    assert found["yard"].file == Path("site/models/yard.onnx")
    assert found["boats"].url == "https://x.org/b"
    assert found.keys() == {"people-ssdlite", "yard", "boats"}


def test_labels_come_from_a_text_file_too(settings_of: Callable[[str], Settings]) -> None:
    settings = settings_of("models: {yard: {file: yard.onnx, labels: lists/yard.txt}}")
    Path("site/lists").mkdir()
    Path("site/lists/yard.txt").write_text("boat\ncar, red\n\n")
    assert cards(settings)["yard"].labels == ("boat", "car, red")


def test_all_files_that_a_card_names_lie_beside_it(settings_of: Callable[[str], Settings]) -> None:
    settings = settings_of("")
    Path("site/models/odd.yaml").write_text("file: odd.onnx\nfamily: anomaly\nbank: odd.npz\n")
    Path("site/models/far.yaml").write_text(
        "backend: oip\nremote: {url: 'https://gpu', model: a, ca_file: ca.pem}\n"
    )
    found = cards(settings)
    assert found["odd"].bank == Path("site/models/odd.npz")
    assert found["far"].remote is not None
    assert found["far"].remote.ca_file == "site/models/ca.pem"


def test_settings_come_before_what_was_added_and_that_before_the_catalog(
    settings_of: Callable[[str], Settings],
) -> None:
    settings = settings_of("models: {yard: yard.onnx}")
    store = Store(settings.state_dir)
    remember(store, ModelCard(name="yard", sha256=SHA256))
    remember(store, ModelCard(name="people-ssdlite", sha256=SHA256))
    found = declared(settings.state_dir, settings)
    assert found["yard"].where == "site/appliance.yaml:3"
    assert found["people-ssdlite"].where == "added"
    assert declared(settings.state_dir)["yard"].where == "added"
    assert declared(settings.state_dir / "other")["people-ssdlite"].where == "catalog"


def test_everything_wrong_is_said_at_once_with_its_place(
    settings_of: Callable[[str], Settings],
) -> None:
    settings = settings_of(
        "models:\n"
        "  yard: {file: yard.onnx, famly: yolo}\n"
        "  boats: {url: 'https://x.org/b'}\n"
        "  cars: 7\n"
        "  dogs: {file: d.onnx, labels: dogs.txt, confidence: 2}\n"
        "  text: {file: t.onnx, family: ocr, reads_with: raeder}\n"
        "  reader: {file: r.onnx, name: riter}\n"
    )
    Path("site/models/cats.yaml").write_text("file: c.onnx\nfamily: [yolo]\n")
    Path("site/models/late.yaml").write_text("name: text\nfile: c.onnx\n")
    assert refusals(settings) == [
        "site/appliance.yaml:4: models.yard.famly: unknown key 'famly' (did you mean 'family'?)",
        "site/appliance.yaml:5: models.boats: what is downloaded needs its sha256 "
        "(`appliance models add URL` finds it out)",
        "site/appliance.yaml:6: models.cars: a model is a mapping with its `file`, `url` or "
        "`package`, or the path of its file",
        "site/appliance.yaml:7: models.dogs.labels: site/dogs.txt: there is no such text file of "
        "labels",
        "site/appliance.yaml:7: models.dogs.confidence: this must be at most 1, not 2",
        "site/appliance.yaml:8: models.text.reads_with: there is no other model 'raeder' "
        "(there is people-ssdlite)",
        "site/appliance.yaml:9: models.reader.name: the model is called 'reader' already, by the "
        "key in front",
        "site/models/cats.yaml:2: family: this must be a text, not a list",
        "site/models/late.yaml:1: : there is a model 'text' already: site/appliance.yaml:8",
    ]


def test_a_card_that_is_no_yaml_is_shown_where_it_ends(
    settings_of: Callable[[str], Settings],
) -> None:
    settings = settings_of("")
    Path("site/models/yard.yaml").write_text("file: [yard.onnx\n")
    (said,) = refusals(settings)
    assert said.startswith("site/models/yard.yaml:")


def test_a_token_is_in_no_refusal(settings_of: Callable[[str], Settings]) -> None:
    Path("site/secrets.yaml").write_text("gpu: hush-hush\n")
    settings = settings_of(
        "models:\n  far: {backend: oip, remote: {url: 'http://gpu', token: !secret gpu, port: 1}}\n"
    )
    with pytest.raises(DefinitionError) as caught:
        cards(settings)
    assert "hush" not in str(caught.value)
    assert "unknown key 'port'" in str(caught.value)


def test_what_was_added_is_read_again_as_it_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    card = ModelCard.model_validate(
        {"name": "yard", "sha256": SHA256, "input": {"size": [640, 480]}, "labels": ["a, b", "ü"]}
    )
    file = remember(store, card)
    assert added(store) == [card]
    assert "confidence" not in yaml.safe_load(file.read_text())
    assert forget(store, "yard")
    assert not forget(store, "yard")
    assert added(store) == []


def test_a_card_in_the_store_that_somebody_broke_is_shown(tmp_path: Path) -> None:
    file = remember(Store(tmp_path), ModelCard(name="yard", sha256=SHA256))
    file.write_text("name: yard\nsha256: 12\n")
    with pytest.raises(DefinitionError, match=r"yard\.yaml:2:9: sha256: this must be a text"):
        added(Store(tmp_path))


def test_a_folder_of_cards_that_may_not_be_looked_into_is_named(tmp_path: Path) -> None:
    names = Store(tmp_path).names
    names.mkdir(parents=True)
    tmp_path.chmod(0)
    with as_nobody(), pytest.raises(SettingsError, match="cannot be read: Permission denied"):
        added(Store(tmp_path))
    tmp_path.chmod(0o700)
    assert added(Store(tmp_path)) == []


def test_a_model_named_by_path_is_found_from_its_workflow(
    settings_of: Callable[[str], Settings],
) -> None:
    needs = [need("./best.onnx"), need("/nets/b.onnx"), need("people"), need("./x", kind="other")]
    found = cards(settings_of(""), needs)
    assert found.keys() == {"people-ssdlite", "./best.onnx", "/nets/b.onnx"}
    assert found["./best.onnx"] == ModelCard(name="best", file=Path("flows/best.onnx"))
    assert found["/nets/b.onnx"].file == Path("/nets/b.onnx")


def test_one_path_that_means_two_files_is_refused(settings_of: Callable[[str], Settings]) -> None:
    settings = settings_of("")
    same = [need("./best.onnx"), need("./best.onnx", "flows/../flows/yard.yaml")]
    assert "./best.onnx" in cards(settings, same)
    with pytest.raises(DefinitionError) as caught:
        cards(settings, [need("./best.onnx"), need("./best.onnx", "other/yard.yaml")])
    assert str(caught.value) == (
        "other/yard.yaml:4:9: steps.find.model: in flows/gate.yaml this path means another file: "
        "declare one of them under `models` in the settings, and name it"
    )


@pytest.mark.parametrize(
    ("file", "name"), [("best.onnx", "best"), ("my net (2).onnx", "my-net-2-"), ("_.onnx", "model")]
)
def test_a_file_becomes_a_name(file: str, name: str) -> None:
    assert path_card(Path(file)).name == name


@pytest.mark.parametrize(
    ("text", "labels"),
    [("person", ("person",)), ("a, b ,c", ("a", "b", "c")), ("", ())],
)
def test_labels_in_one_text(text: str, labels: tuple[str, ...]) -> None:
    assert labels_of(text, Path()) == labels


def test_a_file_of_one_line_has_commas(tmp_path: Path) -> None:
    (tmp_path / "x.names").write_text("???,person, dog\n")
    assert labels_of("x.names", tmp_path) == ("???", "person", "dog")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("", r"x\.txt: there are no labels in it"), ("a\n\nb\n", r"x\.txt:2: this label is empty")],
)
def test_a_file_without_proper_labels_is_refused(
    tmp_path: Path, content: str, sentence: str
) -> None:
    (tmp_path / "x.txt").write_text(content)
    with pytest.raises(ValueError, match=sentence):
        labels_of("x.txt", tmp_path)


def test_a_name_of_a_model_is_a_word(settings_of: Callable[[str], Settings]) -> None:
    with pytest.raises(DefinitionError, match=r"'\./yard' is no name"):
        settings_of("models: {./yard: yard.onnx}\n")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("yard", None),
        ("yard.onnx", "flows/yard.onnx"),
        ("./nets/yard", "flows/nets/yard"),
        ("/nets/yard.onnx", "/nets/yard.onnx"),
    ],
)
def test_a_model_may_be_named_by_the_path_of_its_file(name: str, path: str | None) -> None:
    assert model_file(name, "flows/gate.yaml") == (Path(path) if path else None)


def test_a_card_beside_the_settings_takes_their_secrets_and_shows_none(
    settings_of: Callable[[str], Settings],
) -> None:
    settings, part = settings_of(""), Path("site/models/far.yaml")
    Path("site/secrets.yaml").write_text("token: hush-hush\n")
    part.write_text("token: !secret token\nurl: http://me:hush@gpu\n")
    document = read_part(part, settings, "model card")
    assert document.data["token"] == "hush-hush"
    problem = Problem(document.mark(("url",)), "url", "it has hush-hush in it")
    assert "hush" not in str(refusal([problem], document))
