"""Settings: the only reader of config/appliance.yaml and of the environment.

A file binds workflows to cameras and names the connections. Paths in it are relative to its folder.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from appliance.camera_settings import (
    CameraNames,
    CameraSettings,
    MotionGate,
    MotionGateSettings,
    Seconds,
    hinted,
    wrong_cameras,
)
from appliance.connection_settings import TYPES_BY_SCHEME, ConnectionSettings
from appliance.engine.document import Document, read_document
from appliance.engine.errors import DefinitionError, Mark, Problem, suggestion
from appliance.engine.syntax import LONGEST_EXCERPT
from appliance.engine.validation import validated
from appliance.sources import FileSources, SettingsError, read_text

__all__ = [
    "BUILT_IN",
    "CONSOLE",
    "LOCAL",
    "CameraSettings",
    "ConnectionSettings",
    "MotionGateSettings",
    "PipelineSettings",
    "Settings",
    "default_state_dir",
    "logs_to_journal",
    "model_file",
    "read_part",
    "read_settings",
    "refusal",
    "settings_for_run",
    "sources_for",
]

LOCAL = "local"
CONSOLE = "console"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# In an address, or the value of a key that says what it is.
_SECRET = re.compile(
    r"://.*[@?]|:\S[^@]*@|(?:pas|pwd|psw|token|secret|key|auth|sig)\w*="
    r"|\b\w*(?:pass|pwd|secret|token|key)\w*['\"]?\s*:|\bpw['\"]?\s*:",
    re.IGNORECASE,
)
_QUOTED_ADDRESS = re.compile(r"""(['"])([^'"\s]*://)(?:\\.|(?!\1).)*\1""")


def _name(text: str) -> str:
    # Names become parts of topics, addresses of events, and names of threads.
    if not _NAME.fullmatch(text):
        raise ValueError(_no_name(text))
    return text


def _no_name(text: str) -> str:
    return f"{text!r} is no name: a letter or digit, then also '_', '.' and '-'"


Name = Annotated[str, AfterValidator(_name)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


BUILT_IN: Mapping[str, ConnectionSettings] = MappingProxyType(
    {
        LOCAL: ConnectionSettings(type="sql", url="sqlite:///events.db"),
        CONSOLE: ConnectionSettings(type="console"),
    }
)


class PipelineSettings(_Part):
    """One workflow on one or more cameras."""

    workflow: str = Field(min_length=1, description="The workflow file.")
    cameras: CameraNames = Field(min_length=1, description="Names of cameras.")
    inputs: dict[str, Any] = Field(default_factory=dict, description="Values of its inputs.")
    max_latency_s: Seconds = Field(
        default=0.5, gt=0, le=3600, description="How old a frame may be when its result is there."
    )
    priority: float = Field(
        default=1.0, ge=0.01, le=100, description="Its share of the processor against the others."
    )
    max_rate: float | None = Field(
        default=None, gt=0, le=1000, description="Frames for each second, at most."
    )
    motion_gate: MotionGate = Field(
        default=None, description="Process frames only while something moves; `true` is enough."
    )


class _File(_Part):
    version: Literal[1]
    state_dir: str = ""
    cameras: dict[Name, CameraSettings] = Field(default_factory=dict)
    # Read by what uses them: appliance/inference/declared.py.
    models: dict[Name, Any] = Field(default_factory=dict)
    connections: dict[Name, ConnectionSettings] = Field(default_factory=dict)
    pipelines: dict[Name, PipelineSettings] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the daemon is told. `document` is the file behind it, if there is one.

    `models` are cards as they are written, unchecked.
    """

    state_dir: Path
    cameras: Mapping[str, CameraSettings]
    connections: Mapping[str, ConnectionSettings]
    pipelines: Mapping[str, PipelineSettings]
    base: Path
    document: Document | None = None
    models: Mapping[str, Any] = field(default_factory=dict)

    def workflow_path(self, pipeline: str) -> Path:
        """The workflow file of a pipeline."""
        return self.base / self.pipelines[pipeline].workflow

    def connection_url(self, name: str) -> str:
        """The URL of a connection; a relative SQLite file lies in the state directory."""
        url = self.connections[name].url
        scheme, separator, file = url.partition(":///")
        if scheme.startswith("sqlite") and separator and not file.startswith("/"):
            return f"{scheme}:///{self.state_dir.absolute() / file}"
        return url

    def connection_options(self, name: str) -> dict[str, str]:
        """What else is set for a connection; files with their whole path."""
        given = self.connections[name].model_dump(exclude={"type", "url"}, exclude_defaults=True)
        return {
            key: str((self.base / value).absolute()) if key.endswith("_file") else value
            for key, value in given.items()
        }

    @property
    def local_database(self) -> Path | None:
        """The SQLite file behind the connection `local`, if that is what it is."""
        scheme, _, file = self.connection_url(LOCAL).partition(":///")
        return Path(file) if scheme.startswith("sqlite") and file else None


def default_state_dir() -> Path:
    """Where state lies if nobody says: systemd's state directory, or `.appliance` right here."""
    return Path(os.environ.get("STATE_DIRECTORY", "").split(":")[0] or ".appliance")


def model_file(name: str, workflow: str) -> Path | None:
    """The file of a model that a workflow file names by its path; None if it is a name."""
    if "/" not in name and not name.endswith(".onnx"):
        return None
    return Path(workflow).parent / name


def logs_to_journal() -> bool:
    """Whether what is printed goes to systemd's journal."""
    return "JOURNAL_STREAM" in os.environ


def read_settings(path: Path, state_dir: Path | None = None) -> Settings:
    """Read a settings file; `state_dir` overrules what it says.

    Raises:
        SettingsError: the file cannot be read.
        DefinitionError: everything that is wrong in it.
    """
    text = read_text(path, "settings file")
    try:
        document = _discreet(read_document(text, str(path), _sources(path, path.parent), []))
        _refuse_workflow(document)
        file = validated(_File, document)
    except DefinitionError as error:
        told = map(hinted, error.problems)
        raise DefinitionError(map(_discreet_problem, told)) from None
    problems = [
        *document.refusals,
        *wrong_cameras(file.cameras, path.parent, document),
        *_unknown_cameras(file, document),
        *_wrong_urls(file, document),
    ]
    if problems:
        raise DefinitionError(map(_discreet_problem, document.discreet(problems)))
    base = path.parent
    stated = base / file.state_dir if file.state_dir else default_state_dir()
    return Settings(
        state_dir=state_dir or stated,
        cameras={name: _placed(camera, base) for name, camera in file.cameras.items()},
        connections=_with_built_in(file.connections),
        pipelines=file.pipelines,
        base=base,
        document=document,
        models=file.models,
    )


def read_part(path: Path, settings: Settings | None, kind: str) -> Document:
    """A file that belongs to the settings, with the secrets they have; `kind` says what it is.

    Raises:
        SettingsError: it cannot be read.
        DefinitionError: it is not YAML.
    """
    text = read_text(path, kind)
    try:
        return _discreet(read_document(text, str(path), sources_for(path, settings), []))
    except DefinitionError as error:
        raise DefinitionError(map(_discreet_problem, error.problems)) from None


def refusal(problems: Iterable[Problem], document: Document) -> DefinitionError:
    """What is wrong in a part of the settings, as it may be told: no password is shown."""
    return DefinitionError(map(_discreet_problem, document.discreet(problems)))


def sources_for(first: Path, settings: Settings | None = None) -> FileSources:
    """What a file may take from outside; with a settings file, also the secrets beside that."""
    by_file = settings is not None and settings.document is not None
    return _sources(first, settings.base if settings is not None and by_file else None)


def _sources(first: Path, settings_dir: Path | None) -> FileSources:
    return FileSources(first, settings_dir, dict(os.environ))


def _refuse_workflow(document: Document) -> None:
    data = document.data
    if isinstance(data, dict) and "steps" in data and "pipelines" not in data:
        what = "this looks like a workflow file: name it without --config"
        raise DefinitionError([Problem(document.key_mark(("steps",)), "", what)])


def _discreet(document: Document) -> Document:
    """The document with marks that show no password: what is refused goes to the log."""
    values = {path: _discreet_mark(mark) for path, mark in document.values.items()}
    keys = {path: _discreet_mark(mark) for path, mark in document.keys.items()}
    return replace(
        document,
        values=values,
        keys=keys,
        refusals=tuple(map(_discreet_problem, document.refusals)),
        unread={_discreet_mark(m): _discreet_problem(p) for m, p in document.unread.items()},
    )


def _discreet_mark(mark: Mark) -> Mark:
    # In a line that was cut short the end of an address may be missing.
    cut = len(mark.excerpt) >= LONGEST_EXCERPT
    return replace(mark, excerpt="") if cut or _SECRET.search(mark.excerpt) else mark


def _discreet_problem(problem: Problem) -> Problem:
    return replace(
        problem,
        mark=_discreet_mark(problem.mark),
        where=re.sub("://.*", "://…", problem.where),
        what=_QUOTED_ADDRESS.sub(r"\1\2…\1", problem.what),
    )


def _placed(camera: CameraSettings, base: Path) -> CameraSettings:
    """The camera with a video file found from the folder of the settings; an address stays."""
    if "://" in camera.url:
        return camera
    return camera.model_copy(update={"url": str(base / camera.url)})


def settings_for_run(
    workflow: Path,
    source: str,
    inputs: Mapping[str, Any],
    connections: Mapping[str, str],
    state_dir: Path | None = None,
) -> Settings:
    """Settings without a file: one workflow, the camera `source`, the connection `local`.

    Raises:
        SettingsError: a connection's name is none, or its URL is of no known kind.
    """
    named = {name: _connection(name, url) for name, url in connections.items()}
    return Settings(
        state_dir=state_dir or default_state_dir(),
        cameras={"source": CameraSettings(url=source)},
        connections=_with_built_in(named),
        pipelines={
            workflow.stem: PipelineSettings(
                workflow=str(workflow), cameras=("source",), inputs=dict(inputs)
            )
        },
        base=Path(),
    )


def _connection(name: str, url: str) -> ConnectionSettings:
    if not _NAME.fullmatch(name):
        raise SettingsError(f"connection: {_no_name(name)}")
    kind = TYPES_BY_SCHEME.get(_scheme(url))
    if kind is None:
        raise SettingsError(f"connection {name}: a URL begins with {_one_of(TYPES_BY_SCHEME)}")
    return ConnectionSettings(type=kind, url=url)


def _scheme(url: str) -> str:
    """The scheme without a driver: `postgresql` of `postgresql+psycopg://…`."""
    return url.partition(":")[0].partition("+")[0]


def _one_of(schemes: Iterable[str]) -> str:
    *most, last = (f"{scheme}://" for scheme in schemes)
    return f"{', '.join(most)} or {last}"


def _with_built_in(named: Mapping[str, ConnectionSettings]) -> dict[str, ConnectionSettings]:
    """And those there always are: `local`, a SQLite file in the state directory, and `console`."""
    return {**BUILT_IN, **named}


def _unknown_cameras(file: _File, document: Document) -> list[Problem]:
    problems = []
    for name, pipeline in file.pipelines.items():
        for i, camera in enumerate(pipeline.cameras):
            if camera not in file.cameras:
                hint = suggestion(camera, file.cameras)
                what = f"there is no camera '{camera}'{hint}"
                if not file.cameras:
                    what += " (none is declared under `cameras`)"
            elif camera in pipeline.cameras[:i]:
                what = f"the camera '{camera}' stands here twice"
            else:
                continue
            mark = document.mark(("pipelines", name, "cameras", i))
            problems.append(Problem(mark, f"pipelines.{name}.cameras", what))
    return problems


def _wrong_urls(file: _File, document: Document) -> list[Problem]:
    problems = []
    for name, connection in file.connections.items():
        where = f"connections.{name}"
        schemes = [known for known, kind in TYPES_BY_SCHEME.items() if kind == connection.type]
        if connection.type != "console" and not connection.url:
            mark = document.key_mark(("connections", name))
            problems.append(Problem(mark, where, "the key 'url' is missing"))
        elif connection.type != "console" and _scheme(connection.url) not in schemes:
            mark = document.mark(("connections", name, "url"))
            what = f"the URL of a connection of type {connection.type} begins with "
            # Without the line of the file: it may hold a password, and this goes to the log.
            mark = replace(mark, excerpt="")
            problems.append(Problem(mark, f"{where}.url", what + _one_of(schemes)))
    return problems
