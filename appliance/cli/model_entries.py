"""What models and clips the commands are about: those of the catalog, added, and of settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.cli.options import CONFIG
from appliance.engine.errors import DefinitionError
from appliance.inference.catalog import Clip, Entry, ModelCard, ModelError, find, load_catalog
from appliance.inference.declared import CATALOG, Declared, declared, path_card
from appliance.inference.store import Store
from appliance.pipelines.planning import plan_file
from appliance.sentences import say
from appliance.settings import Settings, default_state_dir, model_file, read_settings
from appliance.sources import SettingsError
from blocks.loading import load_blocks

__all__ = ["CONFIG", "Entries", "entries"]

_DEFAULT_CONFIG = Path("config/appliance.yaml")


@dataclass(frozen=True, slots=True)
class Entries:
    """All there are, the folder their files lie in, and the settings, if they can be read."""

    store: Store
    settings: Settings | None
    models: Mapping[str, Declared]
    clips: Mapping[str, Clip]

    @property
    def all(self) -> dict[str, Entry]:
        """Models and clips, by name."""
        models: dict[str, Entry] = {name: each.card for name, each in self.models.items()}
        return models | dict(self.clips)

    def find(self, name: str) -> Entry:
        """The model or clip of that name.

        Raises:
            ModelError: there is none; the text names the nearest.
        """
        try:
            return find(self.all, name)
        except ModelError as error:
            more = "" if self.settings else ", and with --config FILE those of a settings file too"
            raise ModelError(f"{error}{more}") from None

    def model(self, name: str) -> ModelCard:
        """The model of that name, or of that path.

        Raises:
            ModelError: there is none.
        """
        file = model_file(name, "")
        if name not in self.models and file is not None:
            if not file.is_file():
                raise ModelError(f"{name}: there is no such file")
            return path_card(file)
        card = self.find(name)
        if not isinstance(card, ModelCard):
            raise ModelError(f"{name} is a clip, not a model")
        return card

    def where(self, name: str) -> str:
        """Where an entry is declared."""
        return self.models[name].where if name in self.models else CATALOG

    def users(self) -> dict[str, list[str]]:
        """Who needs each model: pipelines of the settings, and other models' cards.

        Raises:
            SettingsError, DefinitionError: a workflow cannot be read.
        """
        found: dict[str, list[str]] = {}
        for name, each in self.models.items():
            remote = each.card.remote
            named = (each.card.reads_with, each.card.turns_with, remote and remote.fallback)
            for other in filter(None, named):
                found.setdefault(str(other), []).append(f"the model {name}")
        blocks = load_blocks()
        settings = self.settings
        if settings is None:
            return found
        for name, pipeline in settings.pipelines.items():
            plan = plan_file(settings.workflow_path(name), blocks, settings)
            needs = {need.name for need in plan.needs(pipeline.inputs) if need.kind == "model"}
            for model in needs:
                found.setdefault(model, []).append(f"the pipeline {name}")
        return found


def entries(config: Path | None, state_dir: Path | None) -> Entries:
    """All there are, with those of a settings file: the one named, or else the usual one.

    Raises:
        SettingsError, DefinitionError: the settings that are named cannot be read.
    """
    settings = read_settings(config, state_dir) if config else _usual(state_dir)
    default = settings.state_dir if config and settings else default_state_dir()
    root = state_dir or default
    clips = {name: each for name, each in load_catalog().items() if isinstance(each, Clip)}
    try:
        models = declared(root, settings)
    except (SettingsError, DefinitionError) as error:
        if config or settings is None:
            raise
        _tell(error)
        settings, models = None, declared(root)
    return Entries(Store(root), settings, models, clips)


def _usual(state_dir: Path | None) -> Settings | None:
    if not _DEFAULT_CONFIG.exists():
        return None
    try:
        return read_settings(_DEFAULT_CONFIG, state_dir)
    except (SettingsError, DefinitionError) as error:
        _tell(error)
        return None


def _tell(error: Exception) -> None:
    say(f"{error}\nso the models that {_DEFAULT_CONFIG} declares are left out here")
