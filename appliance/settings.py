"""Settings: the only reader of config/appliance.yaml and of the environment.

A file binds workflows to cameras and names the connections. Paths in it are relative to its folder.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from appliance.engine.document import Document, read_document
from appliance.engine.errors import DefinitionError, Problem, suggestion
from appliance.engine.validation import validated

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
LOCAL = "local"
CONSOLE = "console"

ConnectionType = Literal["sql", "mqtt", "console"]
_TYPES_BY_SCHEME: dict[str, ConnectionType] = {
    "mqtt": "mqtt",
    "mqtts": "mqtt",
    "sqlite": "sql",
    "postgresql": "sql",
    "mysql": "sql",
    "mariadb": "sql",
}


class SettingsError(Exception):
    """Settings that cannot be used; the message says which and why."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CameraSettings(_Part):
    """Where a camera's pictures come from."""

    url: str = Field(min_length=1, description="A file, an rtsp:// or http:// URL, or /dev/videoN.")


class ConnectionSettings(_Part):
    """An outside system that events go to."""

    type: ConnectionType = Field(description="`sql`, `mqtt` or `console`.")
    url: str = Field(default="", description="sqlite:///events.db, mqtt://user:password@host:1883.")


class PipelineSettings(_Part):
    """One workflow on one or more cameras."""

    workflow: str = Field(min_length=1, description="The workflow file.")
    cameras: tuple[str, ...] = Field(min_length=1, description="Names of cameras.")
    inputs: dict[str, Any] = Field(default_factory=dict, description="Values of its inputs.")


class _File(_Part):
    version: Literal[1]
    state_dir: str = ""
    cameras: dict[str, CameraSettings] = Field(default_factory=dict)
    connections: dict[str, ConnectionSettings] = Field(default_factory=dict)
    pipelines: dict[str, PipelineSettings] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the daemon is told. `document` is the file behind it, if there is one."""

    state_dir: Path
    cameras: Mapping[str, CameraSettings]
    connections: Mapping[str, ConnectionSettings]
    pipelines: Mapping[str, PipelineSettings]
    base: Path
    document: Document | None = None

    def workflow_path(self, pipeline: str) -> Path:
        """The workflow file of a pipeline."""
        return self.base / self.pipelines[pipeline].workflow

    def connection_url(self, name: str) -> str:
        """The URL of a connection; a SQLite file without a folder lies in the state directory."""
        url = self.connections[name].url
        scheme, separator, file = url.partition(":///")
        if scheme.startswith("sqlite") and separator and not file.startswith("/"):
            return f"{scheme}:///{self.state_dir.absolute() / file}"
        return url

    @property
    def local_database(self) -> Path:
        """The SQLite file behind the connection `local`, if that is what it is."""
        return Path(self.connection_url(LOCAL).partition(":///")[2])


def default_state_dir() -> Path:
    """Where state lies if nobody says: systemd's state directory, or `.appliance` right here."""
    return Path(os.environ.get("STATE_DIRECTORY", "").split(":")[0] or ".appliance")


def logs_to_journal() -> bool:
    """Whether what is printed goes to systemd's journal."""
    return "JOURNAL_STREAM" in os.environ


def read_text(path: Path, kind: str) -> str:
    """A small text file that a user named.

    Raises:
        SettingsError: it is not there, is a folder, may not be read, or is not UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = suggestion(path.name, _names_beside(path))
        hint = near if "did you mean" in near else ""
        raise SettingsError(f"{path}: there is no such {kind}{hint}") from None
    except IsADirectoryError:
        raise SettingsError(f"{path}: this is a folder, not a {kind}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: this is no {kind}: it is not text in UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None


def _names_beside(path: Path) -> list[str]:
    try:
        return [other.name for other in path.parent.iterdir()]
    except OSError:
        return []


def read_settings(path: Path, state_dir: Path | None = None) -> Settings:
    """Read a settings file; `state_dir` overrules what it says.

    Raises:
        SettingsError: the file cannot be read.
        DefinitionError: everything that is wrong in it.
    """
    document = read_document(read_text(path, "settings file"), str(path))
    file = validated(_File, document)
    problems = _wrong_names(file, document)
    if problems:
        raise DefinitionError(problems)
    base = path.parent
    stated = base / file.state_dir if file.state_dir else default_state_dir()
    return Settings(
        state_dir=state_dir or stated,
        cameras=file.cameras,
        connections=_with_built_in(file.connections),
        pipelines=file.pipelines,
        base=base,
        document=document,
    )


def settings_for_run(
    workflow: Path,
    source: str,
    inputs: Mapping[str, Any],
    connections: Mapping[str, str],
    state_dir: Path | None = None,
) -> Settings:
    """The settings of `appliance run`: one workflow, the camera `source`, the connection `local`.

    Raises:
        SettingsError: a connection's URL is of no known kind.
    """
    named = {name: _connection(name, url) for name, url in connections.items()}
    return Settings(
        state_dir=state_dir or default_state_dir(),
        cameras={"source": CameraSettings(url=source)},
        connections=_with_built_in(named),
        pipelines={
            workflow.stem: PipelineSettings(
                workflow=str(workflow.absolute()), cameras=("source",), inputs=dict(inputs)
            )
        },
        base=Path(),
    )


def _connection(name: str, url: str) -> ConnectionSettings:
    scheme = url.partition(":")[0].partition("+")[0].lower()
    if scheme not in _TYPES_BY_SCHEME:
        known = ", ".join(f"{known}://" for known in _TYPES_BY_SCHEME)
        raise SettingsError(f"--connection {name}: a URL begins with one of {known}")
    return ConnectionSettings(type=_TYPES_BY_SCHEME[scheme], url=url)


def _with_built_in(named: Mapping[str, ConnectionSettings]) -> dict[str, ConnectionSettings]:
    """And those there always are: `local`, a SQLite file in the state directory, and `console`."""
    built_in = {
        LOCAL: ConnectionSettings(type="sql", url="sqlite:///events.db"),
        CONSOLE: ConnectionSettings(type="console"),
    }
    return built_in | dict(named)


def _wrong_names(file: _File, document: Document) -> list[Problem]:
    problems = []
    for name, pipeline in file.pipelines.items():
        for i, camera in enumerate(pipeline.cameras):
            if camera not in file.cameras:
                hint = suggestion(camera, file.cameras) or " (none is declared under `cameras`)"
                mark = document.mark(("pipelines", name, "cameras", i))
                what = f"there is no camera '{camera}'{hint}"
                problems.append(Problem(mark, f"pipelines.{name}.cameras", what))
    for name, connection in file.connections.items():
        if connection.type != "console" and not connection.url:
            mark = document.mark(("connections", name))
            problems.append(Problem(mark, f"connections.{name}", "the key 'url' is missing"))
    return problems
