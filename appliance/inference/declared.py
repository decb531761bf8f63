"""All models there are: of the catalog, added by command, declared in settings, named by path.

A later one of a name takes the place of an earlier one, but for two in the settings.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from appliance.engine.document import Document, dotted
from appliance.engine.document import Path as Place
from appliance.engine.errors import DefinitionError, Problem, suggestion
from appliance.engine.plan import Need
from appliance.engine.validation import problems_of, strict
from appliance.inference.catalog import ModelCard, load_catalog, model_cards
from appliance.inference.store import Store, sync
from appliance.settings import Settings, model_file, read_part, refusal
from appliance.sources import SettingsError, read_text

FOLDER = "models"
"""Beside the settings file: a card in each YAML file."""
CATALOG, ADDED = "catalog", "added"
_SUFFIXES = (".yaml", ".yml")
_LABEL_FILES = (".txt", ".names", ".labels", ".csv")


@dataclass(frozen=True, slots=True)
class Declared:
    """A model's card, and where it is declared: `catalog`, `added`, or a place in a file."""

    card: ModelCard
    where: str


def cards(settings: Settings, needs: Iterable[Need] = ()) -> dict[str, ModelCard]:
    """The cards of all models there are, by the names that workflows use.

    `needs` are what workflows name outside: a model that is named by the path of its file, such as
    `./best.onnx`, has its card under that very text.

    Raises:
        DefinitionError: everything that is wrong in what declares them.
        SettingsError: a file of the settings cannot be read.
    """
    found = {name: each.card for name, each in declared(settings.state_dir, settings).items()}
    return found | _by_path(needs)


def declared(state_dir: Path, settings: Settings | None = None) -> dict[str, Declared]:
    """All models that have names, by these. Raises as `cards` does."""
    found = {n: Declared(card, CATALOG) for n, card in model_cards(load_catalog()).items()}
    found |= {card.name: Declared(card, ADDED) for card in added(Store(state_dir))}
    return found | (_Reader(settings, found).declared() if settings is not None else {})


def added(store: Store) -> list[ModelCard]:
    """The cards of the models that were put into a store. Raises as `cards` does."""
    found = []
    for file in _files(store.names):
        document = read_part(file, None, "model card")
        problems: list[Problem] = []
        card = _card(document, (), file.stem, problems)
        if card is None or problems:
            raise refusal(problems, document)
        found.append(card)
    return found


def remember(store: Store, card: ModelCard) -> Path:
    """Write the card of a model that is put into the store; the file.

    Raises:
        OSError: it cannot be written.
    """
    told = card.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    text = yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
    target = store.names / f"{card.name}.yaml"
    store.written(target, text)
    return target


def forget(store: Store, name: str) -> bool:
    """Take the card of an added model away; whether there was one."""
    file = store.names / f"{name}.yaml"
    if not file.exists():
        return False
    file.unlink()
    sync(file.parent)
    return True


def labels_of(text: str, base: Path) -> tuple[str, ...]:
    """Labels as they are written in one text: with commas, or the path of a text file.

    Raises:
        ValueError: the file cannot be read, or has no labels.
    """
    if "/" not in text and not text.endswith(_LABEL_FILES):
        return tuple(label.strip() for label in text.split(",") if label.strip())
    file = base / text
    try:
        lines = read_text(file, "text file of labels").rstrip().splitlines()
    except SettingsError as error:
        raise ValueError(str(error)) from None
    if len(lines) == 1:
        lines = lines[0].split(",")
    labels = tuple(line.strip() for line in lines)
    if not labels:
        raise ValueError(f"{file}: there are no labels in it")
    if "" in labels:
        raise ValueError(f"{file}:{labels.index('') + 1}: this label is empty")
    return labels


class _Reader:
    """Reads what settings declare, and gathers what is wrong in it."""

    def __init__(self, settings: Settings, others: Iterable[str]) -> None:
        self._settings = settings
        self._others = set(others)
        self._found: dict[str, Declared] = {}
        self._placed: list[tuple[ModelCard, Document, Place]] = []
        self._refusals: list[Problem] = []

    def declared(self) -> dict[str, Declared]:
        """All of them, by name. Raises as `cards` does."""
        document = self._settings.document
        if document is not None:
            for name in self._settings.models:
                self._add(document, ("models", name), name)
            for file in _files(self._settings.base / FOLDER):
                self._add_file(file)
        self._check_names()
        if self._refusals:
            raise DefinitionError(self._refusals)
        return self._found

    def _add_file(self, file: Path) -> None:
        try:
            document = read_part(file, self._settings, "model card")
        except DefinitionError as error:
            self._refusals += error.problems
            return
        self._add(document, (), file.stem)

    def _add(self, document: Document, place: Place, name: str) -> None:
        problems: list[Problem] = [] if place else list(document.refusals)
        card = _card(document, place, name, problems)
        if card is not None and place and card.name != name:
            mark = document.mark((*place, "name"))
            what = f"the model is called '{name}' already, by the key in front"
            problems.append(Problem(mark, dotted((*place, "name")), what))
        elif card is not None and card.name in self._found:
            mark = document.mark((*place, "name"))
            what = f"there is a model '{card.name}' already: {self._found[card.name].where}"
            problems.append(Problem(mark, dotted(place), what))
        elif card is not None:
            where = document.key_mark(place)
            self._found[card.name] = Declared(card, f"{where.path}:{where.line}")
            self._placed.append((card, document, place))
        self._refusals += refusal(problems, document).problems

    def _check_names(self) -> None:
        """Cards name each other: whether there are all of them."""
        known = self._others | self._found.keys()
        for card, document, place in self._placed:
            named: dict[Place, str | None] = {
                ("reads_with",): card.reads_with,
                ("turns_with",): card.turns_with,
            }
            if card.remote is not None:
                named["remote", "fallback"] = card.remote.fallback
            for keys, name in named.items():
                others = known - {card.name}
                if name and name not in others:
                    what = f"there is no other model '{name}'{suggestion(name, others)}"
                    problem = Problem(document.mark((*place, *keys)), dotted((*place, *keys)), what)
                    self._refusals += refusal([problem], document).problems


def _files(folder: Path) -> list[Path]:
    """The files of cards in a folder, in the order of their names."""
    try:
        found = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SettingsError(f"{folder}: cannot be read: {error.strerror}") from None
    return [file for file in found if file.suffix in _SUFFIXES and not file.name.startswith(".")]


def _card(document: Document, place: Place, name: str, problems: list[Problem]) -> ModelCard | None:
    """The card that stands at a place; None if there is none, and what is wrong in `problems`."""
    data = document.data
    for key in place:
        data = data[key]
    given = _written(data)
    if given is None:
        what = "a model is a mapping with its `file`, `url` or `package`, or the path of its file"
        problems.append(Problem(document.mark(place), dotted(place), what))
        return None
    base = Path(document.path).parent
    try:
        given = given | _read_labels(given, base)
    except ValueError as error:
        where = (*place, "labels")
        problems.append(Problem(document.mark(where), dotted(where), str(error)))
        given = given | {"labels": []}
    try:
        card = strict(ModelCard, {"name": name} | given)
    except ValidationError as error:
        problems += problems_of(error, document, ModelCard, place)
        return None
    return _placed(card, base)


def _written(data: object) -> dict[str, Any] | None:
    if isinstance(data, str) and data:
        return {"url" if "://" in data else "file": data}
    return dict(data) if isinstance(data, Mapping) else None


def _read_labels(given: Mapping[str, Any], base: Path) -> dict[str, Any]:
    labels = given.get("labels")
    return {"labels": list(labels_of(labels, base))} if isinstance(labels, str) else {}


def _placed(card: ModelCard, base: Path) -> ModelCard:
    """The card with its files found from the folder of what declares it."""
    update: dict[str, Any] = {}
    if card.file is not None:
        update["file"] = base / card.file
    if card.bank is not None:
        update["bank"] = base / card.bank
    if card.remote is not None and card.remote.ca_file:
        ca_file = str(base / card.remote.ca_file)
        update["remote"] = card.remote.model_copy(update={"ca_file": ca_file})
    return card.model_copy(update=update)


def _by_path(needs: Iterable[Need]) -> dict[str, ModelCard]:
    """Cards of the models that workflow files name by path."""
    found: dict[str, tuple[Path, Need]] = {}
    problems = []
    for need in needs:
        file = model_file(need.name, need.mark.path) if need.kind == "model" else None
        if file is None:
            continue
        first, other = found.setdefault(need.name, (file, need))
        if os.path.realpath(first) != os.path.realpath(file):
            # Models have one name for all pipelines.
            what = (
                f"in {other.mark.path} this path means another file: declare one of them under "
                "`models` in the settings, and name it"
            )
            problems.append(Problem(need.mark, need.where, what))
    if problems:
        raise DefinitionError(problems)
    return {name: path_card(file) for name, (file, _) in found.items()}


def path_card(file: Path) -> ModelCard:
    """The card of a file of which nothing else is said: all is told by the file."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).lstrip("._-") or "model"
    return ModelCard(name=name, file=file)
