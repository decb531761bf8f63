"""Settings files, right and wrong, and the settings of a single run."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from appliance import settings as settings_module
from appliance.engine.errors import DefinitionError
from appliance.settings import (
    CameraSettings,
    ConnectionSettings,
    PipelineSettings,
    Settings,
    default_state_dir,
    logs_to_journal,
    read_settings,
    settings_for_run,
    sources_for,
)
from appliance.shipped import shipped
from appliance.sources import SettingsError

RIGHT = """\
version: 1
state_dir: state
cameras:
  gate: {url: rtsp://user:secret@10.0.0.7/stream}
  yard: {url: clips/yard.mp4}
connections:
  plant: {type: mqtt, url: "mqtt://broker:1883"}
pipelines:
  people:
    workflow: workflows/people.yaml
    cameras: [gate, yard]
    inputs: {confidence: 0.6}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "box" / "appliance.yaml"
    path.parent.mkdir()
    path.write_text(RIGHT)
    return path


def refusal(path: Path, text: str) -> str:
    """What is said of a text that is no settings file, its folder left out."""
    path.write_text(text)
    with pytest.raises(DefinitionError) as caught:
        read_settings(path)
    return str(caught.value).replace(f"{path.parent}/", "")


def changed(old: str, new: str) -> str:
    assert RIGHT.count(old) == 1
    return RIGHT.replace(old, new)


def test_a_settings_file_is_read_with_its_paths_beside_it(file: Path) -> None:
    settings = read_settings(file)
    assert settings.state_dir == file.parent / "state"
    assert settings.cameras == {
        "gate": CameraSettings(url="rtsp://user:secret@10.0.0.7/stream"),
        "yard": CameraSettings(url=str(file.parent / "clips/yard.mp4")),
    }
    assert settings.pipelines == {
        "people": PipelineSettings(
            workflow="workflows/people.yaml",
            cameras=("gate", "yard"),
            inputs={"confidence": 0.6},
        )
    }
    assert settings.workflow_path("people") == file.parent / "workflows/people.yaml"
    assert settings.connections["plant"] == ConnectionSettings(
        type="mqtt", url="mqtt://broker:1883"
    )
    assert settings.document is not None
    assert settings.document.path == str(file)


def test_an_absolute_path_of_a_camera_stays(file: Path) -> None:
    file.write_text(changed("clips/yard.mp4", "/dev/video0"))
    assert read_settings(file).cameras["yard"].url == "/dev/video0"


def test_a_file_of_a_version_alone_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "appliance.yaml"
    path.write_text("version: 1\n")
    settings = read_settings(path)
    assert (settings.cameras, settings.pipelines) == ({}, {})
    assert list(settings.connections) == ["local", "console"]


def test_a_file_in_json_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "appliance.json"
    path.write_text('{"version": 1, "cameras": {"gate": {"url": "/dev/video0"}}}')
    assert read_settings(path).cameras["gate"].url == "/dev/video0"


# What cannot be read at all.


def test_a_missing_file_is_named_with_the_one_that_was_meant(file: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(file.with_name("apliance.yaml"))
    assert str(caught.value) == (
        f"{file.parent}/apliance.yaml: there is no such settings file "
        "(did you mean 'appliance.yaml'?)"
    )


def test_a_workflow_file_is_no_settings_file(file: Path) -> None:
    file.write_text("version: 1\nname: w\nsteps: []\n")
    with pytest.raises(DefinitionError) as caught:
        read_settings(file)
    assert str(caught.value) == (
        f"{file}:3:1: this looks like a workflow file: name it without --config\n"
        "     3 | steps: []\n"
        "       | ^"
    )


def test_a_quote_that_is_never_closed_shows_no_password(file: Path) -> None:
    file.write_text('version: 1\ncameras: {gate: {url: "rtsp://u:hunter2@host/1}}\n')
    with pytest.raises(DefinitionError) as caught:
        read_settings(file)
    assert str(caught.value) == (
        f"{file}:2:23: this is not YAML: the quote that opens here is never closed"
    )


# What is wrong inside: each with its line, its column and a caret.


def test_broken_yaml_is_shown_where_it_breaks(file: Path) -> None:
    said = refusal(file, changed("cameras: [gate, yard]", "cameras: [gate, yard"))
    assert said.startswith("appliance.yaml:12:11: this is not YAML: ")
    assert said.endswith("\n    12 |     inputs: {confidence: 0.6}\n       |           ^")


def test_an_empty_file_is_refused(file: Path) -> None:
    assert refusal(file, "# nothing yet\n") == "appliance.yaml:1:1: the file is empty"


def test_an_unknown_key_is_shown_with_the_one_that_was_meant(file: Path) -> None:
    assert refusal(file, changed("    cameras: [", "    camera: [gate]\n    cameras: [")) == (
        "appliance.yaml:11:5: pipelines.people.camera: unknown key 'camera' "
        "(did you mean 'cameras'?)\n"
        "    11 |     camera: [gate]\n"
        "       |     ^"
    )


def test_everything_wrong_with_the_form_is_said_at_once(file: Path) -> None:
    said = refusal(
        file,
        "version: 2\n"
        "cameras:\n"
        "  gate: {}\n"
        "connections:\n"
        "  plant: {type: matt, url: 5}\n"
        "pipelines:\n"
        "  people: {workflow: '', cameras: []}\n",
    )
    assert re.findall(r"^appliance.yaml:(\S+): (\S+): (.*)$", said, re.MULTILINE) == [
        ("1:10", "version", "this must be 1, not 2"),
        ("3:3", "cameras.gate", "the key 'url' is missing"),
        (
            "5:17",
            "connections.plant.type",
            "this must be 'sql', 'mqtt' or 'console', not 'matt' (did you mean 'mqtt'?)",
        ),
        ("5:28", "connections.plant.url", "this must be a text, not 5"),
        (
            "7:22",
            "pipelines.people.workflow",
            "this must not be empty",
        ),
        ("7:35", "pipelines.people.cameras", "this needs at least 1 entry, not 0"),
    ]


def test_an_unknown_type_of_a_connection_is_shown(file: Path) -> None:
    assert refusal(file, changed("type: mqtt", "type: kafka")) == (
        "appliance.yaml:7:17: connections.plant.type: "
        "this must be 'sql', 'mqtt' or 'console', not 'kafka'\n"
        '     7 |   plant: {type: kafka, url: "mqtt://broker:1883"}\n'
        "       |                 ^"
    )


@pytest.mark.parametrize(
    "line",
    [
        'connections: {plant: {type: matt, url: "mqtt://box:hunter2@broker"}}',
        'connections: {plant: {url: "mqtt://broker", type: mqtt, password: hunter2}}',
        'connections: {plant: "mqtt://box:hunter2@broker"}',
        'connections: {plant: "mqtt://box:it\'s hunter2@broker"}',
        'connections: {plant: {type: mqtt, url: "mqtt://box:hunter2@broker"',
        'cameras: {gate: {url: ["rtsp://box:hunter2@gate/1"]}}',
        'cameras: {gate: {url: "http://gate/1?token=hunter2", fps: 5}}',
        'cameras: {gate: {fps: 5, url: "rtsp://box:%s@gate/1"}}' % ("hunter2" * 40),
        'cameras: {"rtsp://box:hunter2@gate": {url: a.mp4}}',
        'cameras: {gate: {url: "rtsp://box:hunter2@gate"}}, ]',
    ],
)
def test_what_is_refused_shows_no_password(file: Path, line: str) -> None:
    said = refusal(file, f"version: 1\n{line}\n")
    assert "hunter2" not in said
    assert said.startswith("appliance.yaml:")


def test_a_pipeline_that_is_refused_shows_no_password_of_its_line(file: Path) -> None:
    file.write_text(
        'version: 1\ncameras: {gate: {url: "rtsp://box:hunter2@gate/1"}}\n'
        'pipelines: {p: {workflow: w.yaml, cameras: [gate], inputs: {url: "x://u:hunter2@h"}}}\n'
    )
    document = read_settings(file).document
    assert document is not None
    mark = document.key_mark(("pipelines", "p", "workflow"))
    assert (mark.line, mark.excerpt) == (3, "")


@pytest.mark.parametrize("name", ["my camera", "a/b", "-x", "käfer", "a+b", "a#"])
def test_a_name_that_could_not_stand_in_a_topic_is_refused(file: Path, name: str) -> None:
    said = refusal(file, f"version: 1\ncameras:\n  '{name}': {{url: a.mp4}}\n")
    assert f"'{name}' is no name: a letter or digit, then also '_', '.' and '-'\n" in said
    assert said.startswith("appliance.yaml:3:3: cameras.")
    assert said.endswith("\n       |   ^")


@pytest.mark.parametrize("name", ["gate", "7", "hall-2.north_side"])
def test_ordinary_names_are_taken(file: Path, name: str) -> None:
    file.write_text(f"version: 1\ncameras:\n  '{name}': {{url: a.mp4}}\n")
    assert list(read_settings(file).cameras) == [name]


def test_a_camera_that_is_not_there_is_shown_with_the_one_that_was_meant(file: Path) -> None:
    assert refusal(file, changed("cameras: [gate, yard]", "cameras: [gate, yrad]")) == (
        "appliance.yaml:11:21: pipelines.people.cameras: there is no camera 'yrad' "
        "(did you mean 'yard'?)\n"
        "    11 |     cameras: [gate, yrad]\n"
        "       |                     ^"
    )


def test_a_camera_where_none_is_declared_is_refused(file: Path) -> None:
    said = refusal(file, "version: 1\npipelines:\n  people: {workflow: w.yaml, cameras: [gate]}\n")
    assert said.startswith(
        "appliance.yaml:3:40: pipelines.people.cameras: there is no camera 'gate' "
        "(none is declared under `cameras`)\n"
    )


def test_of_many_cameras_none_is_guessed(file: Path) -> None:
    many = "".join(f"  entrance-{i}: {{url: a.mp4}}\n" for i in range(40))
    said = refusal(
        file,
        f"version: 1\ncameras:\n{many}pipelines:\n  p: {{workflow: w.yaml, cameras: [zz]}}\n",
    )
    assert "pipelines.p.cameras: there is no camera 'zz'\n" in said


def test_a_camera_that_stands_twice_in_a_pipeline_is_refused(file: Path) -> None:
    said = refusal(file, changed("cameras: [gate, yard]", "cameras: [gate, yard, gate]"))
    assert said.startswith(
        "appliance.yaml:11:27: pipelines.people.cameras: the camera 'gate' stands here twice\n"
    )


@pytest.mark.parametrize("type_", ["sql", "mqtt"])
@pytest.mark.parametrize("url", ["", ", url: ''"])
def test_a_connection_without_its_url_is_refused(file: Path, type_: str, url: str) -> None:
    said = refusal(file, f"version: 1\nconnections:\n  plant: {{type: {type_}{url}}}\n")
    assert said == (
        "appliance.yaml:3:3: connections.plant: the key 'url' is missing\n"
        f"     3 |   plant: {{type: {type_}{url}}}\n"
        "       |   ^"
    )


@pytest.mark.parametrize(
    ("type_", "url", "schemes"),
    [
        ("mqtt", "postgresql://user:pa55@host/db", "mqtt:// or mqtts://"),
        ("mqtt", "user:pa55@broker", "mqtt:// or mqtts://"),
        ("sql", "mqtt://user:pa55@host", "sqlite://, postgresql://, mysql:// or mariadb://"),
    ],
)
def test_a_url_of_another_type_is_refused_and_not_shown(
    file: Path, type_: str, url: str, schemes: str
) -> None:
    text = f"version: 1\nconnections:\n  plant: {{type: {type_}, url: '{url}'}}\n"
    column = text.splitlines()[2].index(url)
    assert refusal(file, text) == (
        f"appliance.yaml:3:{column}: connections.plant.url: "
        f"the URL of a connection of type {type_} begins with {schemes}"
    )


@pytest.mark.parametrize(
    ("type_", "url"),
    [
        ("sql", "postgresql+psycopg://user:pa55@host/db"),
        ("sql", "mariadb://host/db"),
        ("sql", "sqlite:////var/lib/events.db"),
        ("mqtt", "mqtts://broker"),
        ("console", ""),
    ],
)
def test_every_known_url_is_taken(file: Path, type_: str, url: str) -> None:
    file.write_text(f"version: 1\nconnections:\n  plant: {{type: {type_}, url: '{url}'}}\n")
    assert read_settings(file).connection_url("plant") == url


def test_wrong_cameras_and_wrong_connections_are_said_at_once(file: Path) -> None:
    said = refusal(
        file, changed(', url: "mqtt://broker:1883"', "").replace("[gate, yard]", "[gatt]")
    )
    assert re.findall(r"^appliance.yaml:(\d+)", said, re.MULTILINE) == ["7", "11"]


# The connections there always are.


def test_local_and_console_are_there_undeclared(file: Path) -> None:
    settings = read_settings(file)
    assert list(settings.connections) == ["local", "console", "plant"]
    assert settings.connections["console"] == ConnectionSettings(type="console")
    assert settings.connections["local"].type == "sql"
    database = file.parent / "state" / "events.db"
    assert settings.connection_url("local") == f"sqlite:///{database}"
    assert settings.local_database == database


def test_local_may_be_another_database(file: Path) -> None:
    other = '  local: {type: sql, url: "postgresql://host/db"}\npipelines:'
    file.write_text(changed("pipelines:", other))
    settings = read_settings(file)
    assert settings.connection_url("local") == "postgresql://host/db"
    assert settings.local_database is None


@pytest.mark.parametrize("type_", ["mqtt, url: 'mqtt://host'", "console"])
def test_local_may_be_no_database_at_all(file: Path, type_: str) -> None:
    file.write_text(changed("pipelines:", f"  local: {{type: {type_}}}\npipelines:"))
    assert read_settings(file).local_database is None


def test_a_relative_sqlite_file_lies_in_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    connections = {
        "a": "sqlite:///mine.db",
        "b": "sqlite:///sub/mine.db",
        "c": "sqlite+pysqlite:///mine.db",
        "d": "sqlite:////data/mine.db",
        "e": "mysql://host/mine.db",
    }
    settings = settings_for_run(Path("w.yaml"), "a.mp4", {}, connections, Path("state"))
    assert {name: settings.connection_url(name) for name in connections} == {
        "a": f"sqlite:///{tmp_path}/state/mine.db",
        "b": f"sqlite:///{tmp_path}/state/sub/mine.db",
        "c": f"sqlite+pysqlite:///{tmp_path}/state/mine.db",
        "d": "sqlite:////data/mine.db",
        "e": "mysql://host/mine.db",
    }


def test_local_may_be_an_absolute_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/mine.db"
    settings = settings_for_run(Path("w.yaml"), "a.mp4", {}, {"local": url})
    assert settings.local_database == tmp_path / "mine.db"


# Where state lies.


def test_the_argument_overrules_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/appliance")
    assert read_settings(file, Path("given")).state_dir == Path("given")


def test_the_file_overrules_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/appliance")
    assert read_settings(file).state_dir == file.parent / "state"


def test_the_environment_is_asked_where_nobody_says(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(changed("state_dir: state\n", ""))
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/appliance")
    assert read_settings(file).state_dir == Path("/var/lib/appliance")


def test_of_several_state_directories_the_first_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two")
    assert default_state_dir() == Path("/var/lib/one")


@pytest.mark.parametrize("value", [None, ""])
def test_else_it_lies_right_here(
    file: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    if value is not None:
        monkeypatch.setenv("STATE_DIRECTORY", value)
    file.write_text(changed("state_dir: state\n", ""))
    assert read_settings(file).state_dir == Path(".appliance")


def test_systemd_says_that_it_reads_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    assert not logs_to_journal()
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    assert logs_to_journal()


# The settings of `appliance run`.


def test_a_run_has_one_pipeline_on_one_camera() -> None:
    settings = settings_for_run(
        Path("workflows/gate.yaml"), "clip.mp4", {"bar": 1}, {"plant": "mqtt://host"}, Path("s")
    )
    assert settings == Settings(
        state_dir=Path("s"),
        cameras={"source": CameraSettings(url="clip.mp4")},
        connections={
            "local": ConnectionSettings(type="sql", url="sqlite:///events.db"),
            "console": ConnectionSettings(type="console"),
            "plant": ConnectionSettings(type="mqtt", url="mqtt://host"),
        },
        pipelines={
            "gate": PipelineSettings(
                workflow="workflows/gate.yaml", cameras=("source",), inputs={"bar": 1}
            )
        },
        base=Path(),
        document=None,
    )
    # As it was typed: that is how messages name it.
    assert str(settings.workflow_path("gate")) == "workflows/gate.yaml"


def test_a_run_keeps_its_state_where_a_daemon_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/appliance")
    settings = settings_for_run(Path("gate.yaml"), "clip.mp4", {}, {})
    assert settings.state_dir == Path("/var/lib/appliance")


@pytest.mark.parametrize(
    ("url", "type_"),
    [
        ("mqtt://h", "mqtt"),
        ("mqtts://h", "mqtt"),
        ("sqlite:///f.db", "sql"),
        ("postgresql://h/d", "sql"),
        ("postgresql+psycopg://h/d", "sql"),
        ("mysql://h/d", "sql"),
        ("mariadb://h/d", "sql"),
    ],
)
def test_the_type_of_a_connection_is_read_from_its_url(url: str, type_: str) -> None:
    settings = settings_for_run(Path("w.yaml"), "a.mp4", {}, {"plant": url})
    assert settings.connections["plant"] == ConnectionSettings.model_validate(
        {"type": type_, "url": url}
    )


@pytest.mark.parametrize("url", ["kafka://user:pa55@host", "broker", "", "10.0.0.7:1883"])
def test_a_url_of_no_known_kind_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_for_run(Path("w.yaml"), "a.mp4", {}, {"plant": url})
    assert str(caught.value) == (
        "connection plant: a URL begins with mqtt://, mqtts://, sqlite://, postgresql://, "
        "mysql:// or mariadb://"
    )


# The file that ships.


def test_the_shipped_file_reads() -> None:
    settings = read_settings(shipped("config/appliance.yaml"))
    assert settings.pipelines
    for name in settings.pipelines:
        assert settings.workflow_path(name).is_file()


def keys_of(model: type[BaseModel]) -> set[str]:
    """The names of all fields of a model, and of the models in it."""
    found = set(model.model_fields)
    for field in model.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= keys_of(part)
    return found


def test_every_key_stands_in_the_shipped_file_and_is_spoken_of() -> None:
    keys = keys_of(settings_module._File)
    assert {"version", "state_dir", "url", "type", "workflow", "inputs"} <= keys
    text = shipped("config/appliance.yaml").read_text()
    comments = " ".join(re.findall("#(.*)", text))
    for key in keys:
        assert re.search(rf"^#?\s*{key}:", text, re.MULTILINE), f"{key} is not there"
        beside = re.search(rf"^#.*\n{key}:|^#?\s*{key}:[^#\n]*# ", text, re.MULTILINE)
        assert beside or re.search(rf"\b{key}\b", comments), f"nothing is said of {key}"


def test_what_else_a_connection_is_set_to_is_handed_on_with_whole_paths(file: Path) -> None:
    text = (
        "version: 1\nconnections:\n  plant: {type: mqtt, url: mqtts://host, client_id: gate-7,"
        " ca_file: ca.pem, key_file: /etc/key.pem}\n"
    )
    file.write_text(text)
    settings = read_settings(file)
    assert settings.connection_options("plant") == {
        "client_id": "gate-7",
        "ca_file": str((file.parent / "ca.pem").absolute()),
        "key_file": "/etc/key.pem",
    }
    assert settings.connection_options("local") == {}


# What comes from outside of the file.


def test_settings_take_secrets_variables_and_other_files(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_HOST", "broker")
    (file.parent / "secrets.yaml").write_text("gate: rtsp://user:pass@10.0.0.7/stream\n")
    (file.parent / "connections.yaml").write_text(
        'plant: {type: mqtt, url: "mqtt://${BROKER_HOST}:${BROKER_PORT:-1883}"}\n'
    )
    file.write_text(
        "version: 1\n"
        "cameras:\n"
        "  gate: {url: !secret gate}\n"
        "connections: !include connections.yaml\n"
    )
    settings = read_settings(file)
    assert settings.cameras["gate"].url == "rtsp://user:pass@10.0.0.7/stream"
    assert settings.connection_url("plant") == "mqtt://broker:1883"


def test_what_cannot_be_taken_from_outside_is_said_with_all_the_rest(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BROKER_URL", raising=False)
    (file.parent / "secrets.yaml").write_text("gate: hunter2-0815\n")
    said = refusal(
        file,
        "version: 1\n"
        "cameras:\n"
        "  gate: {url: !secret gat}\n"
        "connections:\n"
        '  plant: {type: mqtt, url: "${BROKER_URL}"}\n'
        "  other: {type: !secret gate}\n"
        "  hunter2-0815: {type: 5}\n",
    )
    assert re.findall(r"^appliance.yaml:(\S+): (\S+): (.*)$", said, re.MULTILINE) == [
        (
            "3:15",
            "cameras.gate.url",
            "there is no secret 'gat' in secrets.yaml (did you mean 'gate'?)",
        ),
        ("5:28", "connections.plant.url", "the environment variable BROKER_URL is not set"),
        (
            "6:17",
            "connections.other.type",
            "this must be 'sql', 'mqtt' or 'console', not a hidden text",
        ),
        ("7:24", "connections.….type", "this must be 'sql', 'mqtt' or 'console', not 5"),
    ]
    assert "hunter2" not in said


def test_a_secret_is_not_shown_by_checks_across_the_file(file: Path) -> None:
    (file.parent / "secrets.yaml").write_text("name: hunter2-0815\n")
    said = refusal(file, changed("cameras: [gate, yard]", "cameras: [!secret name]"))
    assert "pipelines.people.cameras: there is no camera '…'" in said
    assert "hunter2" not in said


def test_a_workflow_takes_the_secrets_of_its_settings(file: Path) -> None:
    (file.parent / "secrets.yaml").write_text("pin: hunter2\n")
    settings = read_settings(file)
    workflow = file.parent / "workflows" / "people.yaml"
    assert sources_for(workflow, settings).secret("pin") == "hunter2"
    for without in (None, settings_for_run(workflow, "a.mp4", {}, {})):
        with pytest.raises(LookupError, match="there is no secret 'pin': write it into"):
            sources_for(workflow, without).secret("pin")
