"""Settings and workflow files on disk become plans, or a list of everything that is wrong."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st
from pydantic import Field

from appliance.engine.errors import DefinitionError, InputError
from appliance.engine.plan import load_plan
from appliance.pipelines.planning import check_files, plan_file, plan_pipelines
from appliance.settings import Settings, read_settings, settings_for_run
from appliance.sources import SettingsError
from blocks.block import BlockType, ConnectionName, Manifest, ModelName, ShapeManifest, block
from blocks.data import Event, Frame, Image
from blocks.geometry import Line

MODELS = ("people-ssdlite", "cars-ssdlite")


class FindManifest(Manifest):
    """The model."""

    model: ModelName = Field(description="A model.")


class Found(NamedTuple):
    """How many there are."""

    number: int


@block("find@1", FindManifest)
class Find:
    """Finds nothing."""

    def __init__(self, manifest: FindManifest) -> None: ...

    def run(self, image: Image) -> Found:
        """Look at an image."""
        return Found(0)


class TellManifest(Manifest):
    """The connection."""

    connection: ConnectionName = Field(description="A connection.")


@block("tell@1", TellManifest)
class Tell:
    """Emits an event."""

    def __init__(self, manifest: TellManifest) -> None: ...

    def run(self, frame: Frame, count: int) -> Event:
        """Say how many."""
        return Event("", "", "", frame.captured_at, {"count": count})


class CrossManifest(ShapeManifest):
    """Lines, and a bar."""

    line: Line = Field(default=((0.0, 0.0), (1.0, 1.0)), description="A line.")
    more: tuple[Line, ...] = Field(default=(), description="More lines.")
    least: float = Field(default=0.5, ge=0, le=1, description="A bar.")


@block("cross@1", CrossManifest)
class Cross:
    """Counts nothing."""

    def __init__(self, manifest: CrossManifest) -> None: ...

    def run(self, image: Image) -> Found:
        """Look at an image."""
        return Found(0)


BLOCKS: dict[str, BlockType] = {
    found.type: found for found in (vars(cls)["block_type"] for cls in (Find, Tell, Cross))
}
CROSSING = """\
version: 1
name: people
inputs:
  image: {type: image}
  line: {type: list, default: [[0, 0.5], [1, 0.5]]}
  least: {type: number, default: 0.5}
steps:
  - {name: one, type: cross@1, image: $inputs.image, line: $inputs.line, least: $inputs.least}
  - {name: two, type: cross@1, image: $inputs.image, more: [$inputs.line]}
"""
WORKFLOW = """\
version: 1
name: people
inputs:
  image: {type: image}
  model: {type: string, default: people-ssdlite}
steps:
  - {name: find, type: find@1, image: $inputs.image, model: $inputs.model}
  - {name: tell, type: tell@1, count: $steps.find.number, connection: plant}
"""
SETTINGS = """\
version: 1
cameras: {gate: {url: gate.mp4}}
connections:
  plant: {type: mqtt, url: "mqtt://broker"}
pipelines:
  people:
    workflow: workflows/people.yaml
    cameras: [gate]
"""
MORE = """\
  cars:
    workflow: workflows/cars.yaml
    cameras: [gate]
    inputs: {model: cars-ssdlite}
"""


@pytest.fixture(autouse=True)
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings and two workflows, in which the test stands."""
    monkeypatch.chdir(tmp_path)
    Path("workflows").mkdir()
    Path("workflows/people.yaml").write_text(WORKFLOW)
    Path("workflows/cars.yaml").write_text(WORKFLOW.replace("name: people", "name: cars"))
    return tmp_path


def settings_of(text: str) -> Settings:
    Path("appliance.yaml").write_text(text)
    return read_settings(Path("appliance.yaml"))


def refusal(settings: Settings) -> str:
    with pytest.raises(DefinitionError) as caught:
        plan_pipelines(settings, BLOCKS, MODELS)
    return str(caught.value)


def heads(text: str) -> list[str]:
    """The first lines of problems, without the excerpts."""
    return [line for line in text.splitlines() if not re.match(r" +(\d+ )?\| ", line)]


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert text.count(old) == 1
    Path(path).write_text(text.replace(old, new))


def test_a_file_becomes_a_plan() -> None:
    plan = plan_file(Path("workflows/people.yaml"), BLOCKS)
    assert (plan.name, [step.name for step in plan.steps]) == ("people", ["find", "tell"])


def test_each_pipeline_has_its_plan() -> None:
    plans = plan_pipelines(settings_of(SETTINGS + MORE), BLOCKS, MODELS)
    assert {name: plan.name for name, plan in plans.items()} == {"people": "people", "cars": "cars"}


def test_settings_without_pipelines_have_no_plans() -> None:
    assert plan_pipelines(settings_of("version: 1\n"), BLOCKS, MODELS) == {}


# What is wrong with pipelines.


def test_a_missing_workflow_is_shown_in_the_settings() -> None:
    said = refusal(settings_of(SETTINGS.replace("people.yaml", "poeple.yaml")))
    assert said == (
        "appliance.yaml:7:5: pipelines.people.workflow: workflows/poeple.yaml: "
        "there is no such workflow file (did you mean 'people.yaml'?)\n"
        "     7 |     workflow: workflows/poeple.yaml\n"
        "       |     ^"
    )


def test_an_input_that_does_not_fit_is_shown_in_the_settings() -> None:
    said = refusal(settings_of(SETTINGS + "    inputs: {modle: x}\n"))
    assert said == (
        "appliance.yaml:9:14: pipelines.people.inputs.modle: "
        "workflow people has no input 'modle' (did you mean 'model'?)\n"
        "     9 |     inputs: {modle: x}\n"
        "       |              ^"
    )


def test_a_value_that_a_step_refuses_is_shown_in_the_settings_with_the_steps() -> None:
    Path("workflows/people.yaml").write_text(CROSSING)
    said = refusal(settings_of(SETTINGS + "    inputs: {line: [[0.3, 0.8]], least: 7}\n"))
    assert said == (
        "appliance.yaml:9:20: pipelines.people.inputs.line: a line is its two ends: "
        "[[x, y], [x, y]]; this has 1 (at steps.one.line and steps.two.more.0 of workflow people)\n"
        "     9 |     inputs: {line: [[0.3, 0.8]], least: 7}\n"
        "       |                    ^\n"
        "appliance.yaml:9:41: pipelines.people.inputs.least: this must be at most 1, not 7 "
        "(at steps.one.least of workflow people)\n"
        "     9 |     inputs: {line: [[0.3, 0.8]], least: 7}\n"
        "       |                                         ^"
    )


def test_a_part_of_a_value_that_is_refused_is_shown_in_its_place() -> None:
    Path("workflows/people.yaml").write_text(CROSSING)
    lines = "    inputs:\n      line:\n      - [0.1, 0.5]\n      - [0.5]\n"
    assert heads(refusal(settings_of(SETTINGS + lines))) == [
        "appliance.yaml:12:9: pipelines.people.inputs.line.1: a point is [x, y]; this has 1 number "
        "(at steps.one.line and steps.two.more.0 of workflow people)"
    ]


def test_a_check_says_of_inputs_what_a_start_would() -> None:
    Path("workflows/people.yaml").write_text(CROSSING)
    settings = settings_of(SETTINGS + "    inputs: {least: 7}\n")
    checked = check_files([Path("workflows/people.yaml")], settings, BLOCKS, MODELS)
    assert list(checked.refusals) == [refusal(settings)]
    assert checked.lines == ("workflows/people.yaml: ok, 2 steps",)


IDLE = """\
workflows/people.yaml:8:5: warning: steps.one: this step is for nothing: no step and no output \
takes what it gives"""


def test_a_check_warns_of_what_is_probably_not_meant_and_refuses_nothing() -> None:
    Path("workflows/people.yaml").write_text(CROSSING)
    file = Path("workflows/people.yaml")
    checked = check_files([file], None, BLOCKS, MODELS)
    assert checked.refusals == ()
    assert checked.lines[0] == "workflows/people.yaml: ok, 2 steps"
    assert [line.splitlines()[0] for line in checked.lines[1:]] == [
        IDLE,
        IDLE.replace(":8:", ":9:").replace("steps.one", "steps.two"),
    ]


def test_a_check_of_settings_warns_once_of_a_workflow_of_two_pipelines() -> None:
    Path("workflows/people.yaml").write_text(CROSSING)
    text = SETTINGS + MORE.replace("cars.yaml", "people.yaml").replace(
        "{model: cars-ssdlite}", "{}"
    )
    settings = settings_of(text)
    checked = check_files([Path("workflows/people.yaml")], settings, BLOCKS, MODELS)
    assert checked.refusals == ()
    shown = [line.splitlines()[0].split(": ")[0] for line in checked.lines]
    assert [line for line in checked.lines if IDLE.split(": ", 1)[1] in line] == [checked.lines[1]]
    assert (shown[0], shown[-1], len(shown)) == ("appliance.yaml", "workflows/people.yaml", 4)


def test_an_input_that_is_missing_is_shown_at_the_pipeline() -> None:
    edit("workflows/people.yaml", ", default: people-ssdlite", "")
    said = refusal(settings_of(SETTINGS))
    assert heads(said) == [
        "appliance.yaml:7:5: pipelines.people.inputs: "
        "workflow people needs a value for its input 'model' (a text)"
    ]


def test_a_connection_that_is_not_declared_is_shown_where_it_is_named() -> None:
    said = refusal(settings_of(SETTINGS.replace("  plant:", "  plnt:")))
    assert heads(said) == [
        "workflows/people.yaml:8:71: steps.tell.connection: there is no connection 'plant' "
        "(did you mean 'plnt'?); declare it under `connections` in appliance.yaml"
    ]
    assert said.endswith(
        "     8 |   - {name: tell, type: tell@1, count: $steps.find.number, connection: plant}\n"
        "       |                                                                       ^"
    )


def test_a_model_that_is_not_there_is_shown_where_it_is_named() -> None:
    said = refusal(settings_of(SETTINGS + "    inputs: {model: people-sdlite}\n"))
    assert heads(said) == [
        "workflows/people.yaml:7:61: steps.find.model: there is no model 'people-sdlite' "
        "(did you mean 'people-ssdlite'?); `appliance models` lists them"
    ]


def test_a_model_may_be_the_path_of_its_file_as_seen_from_the_workflow() -> None:
    settings = settings_of(SETTINGS + "    inputs: {model: ./best.onnx}\n")
    Path("workflows/best.onnx").touch()
    assert plan_pipelines(settings, BLOCKS, MODELS).keys() == {"people"}
    Path("workflows/best.onnx").rename("workflows/bets.onnx")
    what = "there is no model file workflows/best.onnx (did you mean 'bets.onnx'?)"
    place = "workflows/people.yaml:7:61: steps.find.model: "
    assert heads(refusal(settings)) == [place + what]
    edit("workflows/people.yaml", "default: people-ssdlite", "default: ./best.onnx")
    noted = check_files([Path("workflows/people.yaml")], None, BLOCKS, MODELS).lines[1]
    assert noted.endswith("model: needs the model file workflows/best.onnx, which is not there")


def test_everything_wrong_with_all_pipelines_is_said_at_once() -> None:
    edit("workflows/cars.yaml", "type: find@1", "type: fnd@1")
    edit("workflows/cars.yaml", "$steps.find.number", "$steps.fnd.number")
    more = (
        "  third: {workflow: nowhere.yaml, cameras: [gate]}\n"
        "  fourth: {workflow: workflows/people.yaml, cameras: [gate], inputs: {model: 5}}\n"
        "  fifth: {workflow: workflows/people.yaml, cameras: [gate], inputs: {model: none}}\n"
    )
    said = refusal(settings_of(SETTINGS.replace("plant:", "works:") + MORE + more))
    known = "(one of console, local or works); declare it under `connections` in appliance.yaml"
    assert heads(said) == [
        "workflows/people.yaml:7:61: steps.find.model: there is no model 'none' "
        "(one of cars-ssdlite or people-ssdlite); `appliance models` lists them",
        "workflows/people.yaml:8:71: steps.tell.connection: there is no connection 'plant' "
        + known,
        "workflows/cars.yaml:7:24: steps.find.type: unknown block 'fnd@1' (did you mean 'find@1'?)",
        "workflows/cars.yaml:8:39: steps.tell.count: there is no step 'fnd' (did you mean 'find'?)",
        "appliance.yaml:13:11: pipelines.third.workflow: "
        "nowhere.yaml: there is no such workflow file",
        "appliance.yaml:14:78: pipelines.fourth.inputs.model: "
        "input 'model' of workflow people must be a text, not 5",
    ]


def test_a_workflow_of_two_pipelines_is_refused_once() -> None:
    edit("workflows/people.yaml", "type: tell@1", "type: tell@3")
    said = refusal(settings_of(SETTINGS + MORE.replace("cars.yaml", "people.yaml")))
    assert heads(said) == [
        "workflows/people.yaml:8:24: steps.tell.type: "
        "block 'tell' has no version '3' (there is tell@1)"
    ]


# A run without a settings file.


def test_without_a_settings_file_sentences_speak_of_flags() -> None:
    settings = settings_for_run(Path("workflows/people.yaml"), "a.mp4", {}, {})
    assert heads(refusal(settings)) == [
        "workflows/people.yaml:8:71: steps.tell.connection: there is no connection 'plant' "
        "(one of console or local); give it as --connection plant=URL, such as mqtt://host:1883"
    ]


def test_without_a_settings_file_a_missing_workflow_is_one_sentence() -> None:
    settings = settings_for_run(Path("nowhere.yaml"), "a.mp4", {}, {})
    with pytest.raises(SettingsError, match=r"^nowhere.yaml: there is no such workflow file$"):
        plan_pipelines(settings, BLOCKS, MODELS)


def test_without_a_settings_file_a_wrong_input_is_one_sentence() -> None:
    settings = settings_for_run(Path("workflows/people.yaml"), "a.mp4", {"a": 1}, {})
    with pytest.raises(InputError, match=r"^workflow people has no input 'a' \(there is model\)$"):
        plan_pipelines(settings, BLOCKS, MODELS)


def test_without_a_settings_file_every_wrong_input_is_named() -> None:
    Path("workflows/people.yaml").write_text(CROSSING)
    inputs = {"line": [[0.1, 0.5], [0.5]], "least": 7, "leest": 0.5}
    settings = settings_for_run(Path("workflows/people.yaml"), "a.mp4", inputs, {})
    with pytest.raises(InputError) as caught:
        plan_pipelines(settings, BLOCKS, MODELS)
    assert str(caught.value).splitlines() == [
        "workflow people has no input 'leest' (did you mean 'least'?)",
        "input 'line.1': a point is [x, y]; this has 1 number "
        "(at steps.one.line and steps.two.more.0 of workflow people)",
        "input 'least': this must be at most 1, not 7 (at steps.one.least of workflow people)",
    ]


def test_a_run_with_all_it_needs_is_planned() -> None:
    connections = {"plant": "mqtt://broker"}
    settings = settings_for_run(Path("workflows/people.yaml"), "a.mp4", {}, connections)
    assert list(plan_pipelines(settings, BLOCKS, MODELS)) == ["people"]


# Checking.


def test_files_that_are_right_are_said_to_be_with_what_they_need() -> None:
    files = [Path("workflows/people.yaml"), Path("workflows/cars.yaml")]
    checked = check_files(files, None, BLOCKS, MODELS)
    assert checked.refusals == ()
    assert checked.lines[:3] == (
        "workflows/people.yaml: ok, 2 steps",
        "workflows/people.yaml:7:61: note: steps.find.model: needs the model 'people-ssdlite'",
        "workflows/people.yaml:8:71: note: steps.tell.connection: needs the connection 'plant'",
    )
    assert checked.lines[3] == "workflows/cars.yaml: ok, 2 steps"
    assert len(checked.lines) == 6


def test_one_wrong_file_does_not_hide_the_next() -> None:
    edit("workflows/people.yaml", "type: find@1", "type: fnd@1")
    files = [
        Path(name) for name in ("workflows/people.yaml", "nowhere.yaml", "workflows/cars.yaml")
    ]
    checked = check_files(files, None, BLOCKS, MODELS)
    assert [heads(text)[0] for text in checked.refusals] == [
        "workflows/people.yaml:7:24: steps.find.type: "
        "unknown block 'fnd@1' (did you mean 'find@1'?)",
        "nowhere.yaml: there is no such workflow file",
    ]
    assert checked.lines[0] == "workflows/cars.yaml: ok, 2 steps"


def test_settings_are_checked_with_all_their_pipelines() -> None:
    checked = check_files([], settings_of(SETTINGS + MORE), BLOCKS, MODELS)
    assert (checked.lines, checked.refusals) == (("appliance.yaml: ok, 2 pipelines",), ())
    checked = check_files([], settings_of(SETTINGS), BLOCKS, MODELS)
    assert checked.lines == ("appliance.yaml: ok, 1 pipeline",)


def test_with_settings_what_a_file_needs_is_no_note_but_must_be_there() -> None:
    settings = settings_of(SETTINGS.replace("  plant:", "  works:"))
    other = Path("workflows/cars.yaml")
    checked = check_files([other], settings, BLOCKS, MODELS)
    assert checked.lines == ()
    assert [heads(text)[0] for text in checked.refusals] == [
        "workflows/people.yaml:8:71: steps.tell.connection: there is no connection 'plant' "
        "(one of console, local or works); declare it under `connections` in appliance.yaml",
        "workflows/cars.yaml:8:71: steps.tell.connection: there is no connection 'plant' "
        "(one of console, local or works); declare it under `connections` in appliance.yaml",
    ]
    checked = check_files([other], settings_of(SETTINGS), BLOCKS, MODELS)
    assert checked.lines == (
        "appliance.yaml: ok, 1 pipeline",
        "workflows/cars.yaml: ok, 2 steps",
    )
    assert checked.refusals == ()


@pytest.mark.parametrize("spelling", ["workflows/people.yaml", "../{box}/workflows/people.yaml"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("type: find@1", "type: fnd@1"),
        ("connection: plant", "connection: plan"),
        ("steps:", "stepps:"),
    ],
)
def test_a_file_that_is_a_pipeline_too_is_refused_once(
    box: Path, spelling: str, old: str, new: str
) -> None:
    edit("workflows/people.yaml", old, new)
    settings = settings_of(SETTINGS)
    checked = check_files([Path(spelling.format(box=box.name))], settings, BLOCKS, MODELS)
    assert checked.lines == ()
    assert list(checked.refusals) == [refusal(settings)]


def test_a_missing_file_that_is_a_pipeline_too_is_refused_once() -> None:
    Path("workflows/people.yaml").unlink()
    settings = settings_of(SETTINGS)
    checked = check_files([Path("workflows/people.yaml")], settings, BLOCKS, MODELS)
    assert list(checked.refusals) == [refusal(settings)]


def test_the_file_of_a_pipeline_needs_what_the_pipeline_sets_not_its_defaults() -> None:
    edit("workflows/people.yaml", "default: people-ssdlite", "default: to-be-set")
    settings = settings_of(SETTINGS + "    inputs: {model: cars-ssdlite}\n")
    checked = check_files([Path("workflows/people.yaml")], settings, BLOCKS, MODELS)
    assert checked.refusals == ()
    assert checked.lines == (
        "appliance.yaml: ok, 1 pipeline",
        "workflows/people.yaml: ok, 2 steps",
    )


def test_a_file_is_right_though_the_pipeline_of_another_is_refused() -> None:
    settings = settings_of(SETTINGS.replace("people.yaml", "nowhere.yaml"))
    checked = check_files([Path("workflows/people.yaml")], settings, BLOCKS, MODELS)
    assert checked.lines == ("workflows/people.yaml: ok, 2 steps",)
    assert list(checked.refusals) == [refusal(settings)]


# Secrets, variables and included files.


SECRET = "hunter2-0815"


@pytest.fixture
def secrets(box: Path) -> Path:
    """The file of secrets beside the settings."""
    path = box / "secrets.yaml"
    path.write_text(f"word: {SECRET}\n")
    return path


def test_a_workflow_takes_secrets_variables_and_other_files(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", "cars-ssdlite")
    edit("workflows/people.yaml", "people-ssdlite", '"${MODEL}"')
    edit("workflows/people.yaml", "connection: plant", "connection: !secret word")
    Path("workflows/tell.yaml").write_text(
        "{name: told, type: tell@1, count: 1, connection: plant}"
    )
    with Path("workflows/people.yaml").open("a") as file:
        file.write("  - !include tell.yaml\n")
    settings = settings_of(SETTINGS.replace("plant:", f"{SECRET}: {{type: console}}\n  plant:"))
    (plan,) = plan_pipelines(settings, BLOCKS, MODELS).values()
    assert [need.name for need in plan.needs()] == ["cars-ssdlite", SECRET, "plant"]
    assert [str(need.mark) for need in plan.needs()][2] == "workflows/tell.yaml:1:50"


def test_what_a_secret_names_outside_is_missed_without_being_named(secrets: Path) -> None:
    edit("workflows/people.yaml", "connection: plant", "connection: !secret word")
    assert heads(refusal(settings_of(SETTINGS))) == [
        "workflows/people.yaml:8:71: steps.tell.connection: there is no connection '…' "
        "(one of console, local or plant); declare it under `connections` in appliance.yaml"
    ]
    checked = check_files(
        [Path("workflows/people.yaml")], settings_of("version: 1"), BLOCKS, MODELS
    )
    assert "there is no connection '…'" in checked.refusals[0]
    Path("workflows/secrets.yaml").write_text(secrets.read_text())
    checked = check_files([Path("workflows/people.yaml")], None, BLOCKS, MODELS)
    assert "workflows/people.yaml:8:71: note: steps.tell.connection: needs the connection '…'" in (
        checked.lines
    )


def test_an_input_from_outside_that_does_not_fit_is_not_shown(secrets: Path) -> None:
    Path("workflows/people.yaml").write_text(CROSSING)
    text = f"{SETTINGS}    inputs:\n      least: !secret word\n      line: [[0, 1], !secret word]\n"
    said = refusal(settings_of(text))
    assert heads(said) == [
        "appliance.yaml:10:14: pipelines.people.inputs.least: "
        "input 'least' of workflow people must be a number, not '…'",
        "appliance.yaml:11:22: pipelines.people.inputs.line.1: a point is [x, y] "
        "(at steps.one.line and steps.two.more.0 of workflow people)",
    ]
    assert SECRET not in said


def test_secrets_beside_the_settings_are_no_secrets_of_a_file_that_is_checked_alone(
    secrets: Path,
) -> None:
    edit("workflows/people.yaml", "connection: plant", "connection: !secret word")
    checked = check_files([Path("workflows/people.yaml")], None, BLOCKS, MODELS)
    assert heads("\n".join(checked.refusals)) == [
        "workflows/people.yaml:8:71: steps.tell.connection: there is no secret 'word': "
        "write it into workflows/secrets.yaml, as word: TEXT"
    ]


PLACES = [
    "version: 1", "name: people", "type: image", "type: list", "type: number", "default: 0.5",
    "[0, 0.5]", "name: one", "type: cross@1", "image: $inputs.image", "line: $inputs.line",
    "least: $inputs.least", "more: [$inputs.line]", "inputs:", "steps:",
]  # fmt: skip
# An unquoted ${ cannot stand in brackets, as most of these places do.
FORMS = ["!secret word", '"${WORD}"', '"x${WORD}"', "[!secret word]", '{a: "${WORD}"}',
         "!include more.yaml", '"${WORD:-a}"', '"$inputs.${WORD}"']  # fmt: skip


# The folder that all tests here stand in is not written to.
@of_hypothesis(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    # What is put into an environment is text without zeros, and not the mark of what is left out.
    secret=st.text(st.characters(codec="utf-8", exclude_characters="\0…"), min_size=4, max_size=90)
    .filter(lambda text: len(text.strip()) >= 4)
    # No word of any sentence begins so.
    .map(lambda text: f"§{text.strip()}"),
    places=st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(FORMS)), max_size=6),
    lines=st.lists(st.sampled_from(["outputs: {a: !secret word}", "more: x${WORD}", "steps: 5"])),
)
def test_a_secret_is_in_no_problem_wherever_it_stands(
    secret: str, places: list[tuple[str, str]], lines: list[str]
) -> None:
    text = CROSSING
    for place, form in places:
        key, _, _ = place.rpartition(":")
        text = text.replace(place, f"{key}: {form}" if key else form, 1)
    text = "\n".join([text, *lines])
    try:
        load_plan(text, "w", BLOCKS, Whispering(secret))
    except DefinitionError as error:
        for problem in error.problems:
            for told in (problem.what, problem.where, problem.mark.excerpt):
                assert secret not in told, repr(problem)


class Whispering:
    """Sources of one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def secret(self, name: str) -> str:
        if name != "word":
            raise LookupError(f"there is no secret '{name}'")
        return self._secret

    def variable(self, name: str) -> str | None:
        return self._secret if name == "WORD" else None

    def file(self, name: str, beside: str) -> tuple[str, str]:
        return "[!secret word, 'a ${WORD} b']", name
