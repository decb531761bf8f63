"""Commands as a user types them: what they print, and with what exit status."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.cli import main
from appliance.inference.store import Store

WORKFLOW = """\
version: 1
name: watch
inputs:
  image: {type: image}
  confidence: {type: number, default: 0.4}
steps:
  - name: people
    type: object_detection@1
    image: $inputs.image
    model: people-ssdlite
    confidence: $inputs.confidence
  - name: seen
    type: event@1
    when: size(steps.people.detections) > 0
    connection: local
    data: {people: $steps.people.detections}
outputs:
  people: $steps.people.detections
"""

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Type a command in an empty folder; signal handlers are put back afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def type_command(*words: str | Path) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words], prog_name="appliance")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    yield type_command
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    path = tmp_path / "watch.yaml"
    path.write_text(WORKFLOW)
    return path


def altered(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.fixture
def state_dir(tmp_path: Path, demo_store: Store) -> Path:
    """A state directory of its own that holds the fetched model."""
    for folder in ("models", "probes"):
        if (demo_store.root / folder).is_dir():
            shutil.copytree(demo_store.root / folder, tmp_path / "state" / folder)
    return tmp_path / "state"


@pytest.fixture(scope="session")
def clip(demo_store: Store) -> Path:
    return next((demo_store.root / "clips").glob("vtest.avi"))


def refused(result: Result, *sentences: str, status: int = 2) -> None:
    assert result.exit_code == status, result.output
    assert result.stderr == "\n".join(sentences) + "\n"
    assert "Traceback" not in result.output


def test_a_missing_workflow_file_is_named_with_its_neighbour(run: Run, workflow: Path) -> None:
    refused(
        run("run", "wtch.yaml", "--source", "x.avi"),
        "wtch.yaml: there is no such workflow file (did you mean 'watch.yaml'?)",
    )


def test_an_unknown_block_is_shown_with_the_one_that_was_meant(run: Run, workflow: Path) -> None:
    altered(workflow, "type: event@1", "type: evnt@1")
    refused(
        run("check", "watch.yaml"),
        "watch.yaml:13:11: steps.seen.type: unknown block 'evnt@1' (did you mean 'event@1'?)",
        "    13 |     type: evnt@1",
        "       |           ^",
    )


def test_a_wire_of_the_wrong_type_names_both_types(run: Run, workflow: Path) -> None:
    altered(workflow, "image: $inputs.image", "image: $inputs.confidence")
    refused(
        run("check", "watch.yaml"),
        "watch.yaml:9:12: steps.people.image: 'image' takes an image, "
        "but $inputs.confidence is a number",
        "     9 |     image: $inputs.confidence",
        "       |            ^",
    )


def test_broken_yaml_is_a_sentence_with_its_line(run: Run, workflow: Path) -> None:
    altered(workflow, "{people: $steps.people.detections}", "{people: $steps.people.detections")
    result = run("check", "watch.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "watch.yaml:17:8: this is not YAML: did not find expected ',' or '}'"
    )


def test_all_mistakes_of_a_file_are_shown_at_once(run: Run, workflow: Path) -> None:
    altered(workflow, "type: event@1", "type: evnt@1")
    altered(workflow, "model: people-ssdlite", "modle: people-ssdlite")
    result = run("check", "watch.yaml")
    assert result.exit_code == 2
    problems = [line for line in result.stderr.splitlines() if line.startswith("watch.yaml:")]
    assert [line.split(": ", 1)[1] for line in problems] == [
        "steps.people: the key 'model' is missing",
        "steps.people.modle: unknown key 'modle' (did you mean 'model'?)",
        "steps.seen.type: unknown block 'evnt@1' (did you mean 'event@1'?)",
    ]


def test_a_check_without_settings_lists_what_the_workflow_needs(run: Run, workflow: Path) -> None:
    result = run("check", "watch.yaml")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "watch.yaml: ok, 2 steps",
        "watch.yaml:10:12: note: steps.people.model: needs the model 'people-ssdlite'",
    ]


def test_a_check_with_settings_refuses_a_connection_they_do_not_name(
    run: Run, workflow: Path, tmp_path: Path
) -> None:
    altered(workflow, "connection: local", "connection: plant")
    (tmp_path / "appliance.yaml").write_text("version: 1\nconnections: {}\n")
    refused(
        run("check", "watch.yaml", "--config", "appliance.yaml"),
        "watch.yaml:15:17: steps.seen.connection: there is no connection 'plant' "
        "(one of console or local); declare it under `connections` in appliance.yaml",
        "    15 |     connection: plant",
        "       |                 ^",
    )


def test_a_check_of_nothing_says_what_to_name(run: Run) -> None:
    refused(run("check"), "name workflow files, or a settings file with --config")


def test_a_run_names_the_flag_for_a_connection_that_is_missing(run: Run, workflow: Path) -> None:
    altered(workflow, "connection: local", "connection: plant")
    result = run("run", "watch.yaml", "--source", "x.avi")
    assert result.exit_code == 2
    assert (
        "there is no connection 'plant' (one of console or local); give it as "
        "--connection plant=URL, such as mqtt://host:1883" in result.stderr
    )


def test_an_unknown_model_is_refused_with_the_command_that_lists_them(
    run: Run, workflow: Path
) -> None:
    altered(workflow, "people-ssdlite", "peple-ssdlite")
    result = run("run", "watch.yaml", "--source", "x.avi")
    assert result.exit_code == 2
    assert (
        "watch.yaml:10:12: steps.people.model: there is no model 'peple-ssdlite' "
        "(did you mean 'people-ssdlite'?); `appliance models` lists them" in result.stderr
    )


def test_a_model_that_is_not_fetched_names_the_command_that_does(
    run: Run, workflow: Path, clip: Path
) -> None:
    result = run("run", "watch.yaml", "--source", clip)
    assert result.exit_code == 2
    assert (
        "people-ssdlite is not on this machine yet: run `appliance models pull people-ssdlite`"
        in result.stderr
    )


def test_a_missing_video_is_a_sentence(run: Run, workflow: Path) -> None:
    refused(run("run", "watch.yaml", "--source", "x.avi"), "x.avi: there is no such file")


def test_an_empty_video_is_a_sentence(run: Run, workflow: Path, tmp_path: Path) -> None:
    (tmp_path / "x.avi").touch()
    refused(
        run("run", "watch.yaml", "--source", "x.avi"),
        "x.avi: the file is empty (0 bytes); copy or record it again",
    )


def test_a_file_that_is_no_video_is_a_sentence(run: Run, workflow: Path) -> None:
    result = run("run", "watch.yaml", "--source", "watch.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("watch.yaml: this is no video")


def test_a_value_for_an_unknown_input_is_refused(run: Run, workflow: Path) -> None:
    refused(
        run("run", "watch.yaml", "--source", "x.avi", "--set", "confidnce=0.3"),
        "workflow watch has no input 'confidnce' (did you mean 'confidence'?)",
    )


def test_a_value_of_the_wrong_type_is_refused(run: Run, workflow: Path) -> None:
    refused(
        run("run", "watch.yaml", "--source", "x.avi", "--set", "confidence=high"),
        "input 'confidence' of workflow watch must be a number, not 'high'",
    )


def test_a_flag_without_its_equals_sign_is_refused(run: Run, workflow: Path) -> None:
    refused(
        run("run", "watch.yaml", "--source", "x.avi", "--set", "confidence"),
        "--set takes NAME=VALUE, not 'confidence'",
    )


@pytest.mark.parametrize("name", ["lines", "line"])
def test_a_list_is_set_in_its_brackets(
    run: Run, workflow: Path, state_dir: Path, short_clip: Path, name: str
) -> None:
    altered(workflow, "steps:\n", "  line: {type: list, default: []}\nsteps:\n")
    words = ("run", "watch.yaml", "--source", short_clip, "--state-dir", state_dir)
    result = run(*words, "--set", f"{name}=[[0.1, 0.5], [0.9, 0.5]]")
    if name == "line":
        assert result.exit_code == 0, result.output
    else:
        refused(result, "workflow watch has no input 'lines' (did you mean 'line'?)")


def test_a_list_without_its_last_bracket_is_refused(run: Run, workflow: Path) -> None:
    result = run("run", "watch.yaml", "--source", "x.avi", "--set", "line=[[0.1, 0.5]")
    assert result.exit_code == 2
    assert result.stderr.startswith("--set line:1:12: this is not YAML: ")


@pytest.mark.parametrize("text", ["5", "", "true", "[a]", "0123", "null"])
def test_what_is_set_of_a_text_is_the_text(
    run: Run, workflow: Path, state_dir: Path, short_clip: Path, text: str
) -> None:
    workflow.write_text(
        "version: 1\nname: site\ninputs: {site: {type: string}}\nsteps:\n"
        "  - {name: tell, type: event@1, connection: local, data: {site: $inputs.site}}\n"
        "outputs: {site: $inputs.site}\n"
    )
    words = ("run", "watch.yaml", "--source", short_clip, "--state-dir", state_dir)
    result = run(*words, "--set", f"site={text}")
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("  outputs ")]
    assert line == f"  outputs   site {text}"


def test_a_run_that_a_step_has_ended_exits_with_one_and_its_summary(
    run: Run, workflow: Path, state_dir: Path, short_clip: Path
) -> None:
    workflow.write_text(
        "version: 1\nname: stop\ninputs: {none: {type: number, default: 0}}\nsteps:\n"
        "  - name: tell\n    type: event@1\n    connection: local\n    on_error: stop\n"
        "    when: double(int(frame.sequence) / int(inputs.none)) == 0.0\n    data: {}\n"
    )
    result = run("run", "watch.yaml", "--source", short_clip, "--state-dir", state_dir)
    assert result.exit_code == 1, result.output
    assert "\n  failed    tell once: " in result.stdout
    assert "\n  stopped   step tell, camera source, frame 0: " in result.stdout


def test_an_input_that_must_be_given_is_noted_and_asked_for(run: Run, workflow: Path) -> None:
    altered(workflow, "steps:\n", "  limit: {type: number}\nsteps:\n")
    line = workflow.read_text().splitlines().index("  limit: {type: number}") + 1
    note = f"watch.yaml:{line}:3: note: inputs.limit: needs a value (a number), as in --set limit=…"
    assert note in run("check", "watch.yaml").stdout.splitlines()
    refused(
        run("run", "watch.yaml", "--source", "x.avi"),
        "workflow watch needs a value for its input 'limit' (a number); give it as --set limit=…",
    )


def test_a_check_counts_the_steps_that_the_file_has(run: Run, workflow: Path) -> None:
    altered(workflow, "outputs:\n", 'outputs:\n  more: "= inputs.confidence * 2"\n')
    assert run("check", "watch.yaml").stdout.splitlines()[0] == "watch.yaml: ok, 2 steps"


def test_an_empty_value_is_nothing(run: Run, workflow: Path) -> None:
    refused(
        run("run", "watch.yaml", "--source", "x.avi", "--set", "confidence="),
        "input 'confidence' of workflow watch must be a number, not nothing",
    )


def test_a_connection_without_a_name_is_refused_without_its_password(
    run: Run, workflow: Path
) -> None:
    refused(
        run("run", "watch.yaml", "--source", "x.avi", "--connection", "mqtt://u:hunter2@host"),
        "--connection takes NAME=VALUE, not 'mqtt'",
    )


def test_a_connection_whose_name_is_none_is_refused(run: Run, workflow: Path) -> None:
    refused(
        run("run", "watch.yaml", "--source", "x.avi", "--connection", "a b=mqtt://host"),
        "connection: 'a b' is no name: a letter or digit, then also '_', '.' and '-'",
    )


def test_a_connection_of_an_unknown_kind_is_refused(run: Run, workflow: Path) -> None:
    result = run("run", "watch.yaml", "--source", "x.avi", "--connection", "plant=amqp://host")
    assert result.exit_code == 2
    assert result.stderr.startswith("connection plant: a URL begins with mqtt://, mqtts://")


def test_an_output_without_a_picture_in_the_workflow_is_refused(
    run: Run, workflow: Path, state_dir: Path, clip: Path
) -> None:
    refused(
        run("run", "watch.yaml", "--source", clip, "--output", "x.mp4", "--state-dir", state_dir),
        "x.mp4: the workflow watch has no picture among its outputs; add one, such as "
        "annotated: $steps.picture.image",
    )


def test_no_network_while_fetching_is_a_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    names = ("people-ssdlite", "bikes")
    result = run("models", "pull", *names, "--state-dir", tmp_path / "state")
    assert result.exit_code == 2
    # The second is tried as well.
    for name, last in zip(names, result.stderr.splitlines()[-2:], strict=True):
        assert last.startswith(f"{name}: ")
        assert "network" in last
    assert not list((tmp_path / "state" / "models").glob("*"))


def test_an_unknown_name_in_the_catalog_is_refused(run: Run) -> None:
    result = run("models", "pull", "peple")
    assert result.exit_code == 2
    assert result.stderr.startswith("there is no model or clip called 'peple'")


def test_the_catalog_is_listed_with_sizes_and_licences(run: Run, tmp_path: Path) -> None:
    result = run("models", "--help")
    assert result.exit_code == 0
    result = run("models", "list", "--state-dir", tmp_path)
    assert result.exit_code == 0
    assert "people-ssdlite   model  11.6 MB to fetch" in result.stdout
    assert "Licence: MIT" in result.stdout
    assert run("models").stdout.splitlines()[0] == result.stdout.splitlines()[0]


def test_a_fetched_model_is_listed_as_fetched(run: Run, demo_store: Store) -> None:
    result = run("models", "list", "--state-dir", demo_store.root)
    assert "people-ssdlite   model  fetched" in result.stdout


def test_blocks_are_listed_and_explained(run: Run) -> None:
    assert "object_detection@1" in run("blocks").stdout
    page = run("blocks", "line_count").stdout
    assert page.startswith("line_count@1\n")
    assert "total_in" in page
    assert run("blocks", "--markdown").stdout.startswith("# Blocks\n")
    refused(
        run("blocks", "line_count", "--markdown"),
        "--markdown prints the pages of all blocks: leave out the name",
    )
    refused(
        run("blocks", "line_cuont"), "unknown block 'line_cuont' (did you mean 'line_count@1'?)"
    )


@pytest.mark.parametrize("command", ["status", "stop"])
def test_a_command_to_a_daemon_that_does_not_run_exits_with_3(run: Run, command: str) -> None:
    refused(
        run(command),
        "no daemon runs on the state directory .appliance "
        "(start one with `appliance serve`, or name another with --state-dir)",
        status=3,
    )


def test_serving_without_a_settings_file_is_refused(run: Run) -> None:
    result = run("serve")
    assert result.exit_code == 2
    assert result.stderr == "config/appliance.yaml: there is no such settings file\n"


def test_a_run_counts_every_frame_and_leaves_its_events(
    run: Run, workflow: Path, state_dir: Path, tmp_path: Path, short_clip: Path
) -> None:
    result = run("run", "watch.yaml", "--source", short_clip, "--state-dir", state_dir)
    assert result.exit_code == 0, result.output
    assert "  frames    40 captured = 40 processed + 0 skipped\n" in result.stdout
    assert "  emitted   40 watch.seen\n" in result.stdout
    assert "  delivery  local: 40 delivered, 0 pending, 0 dead" in result.stdout
    assert "  events    state/events.db" in result.stdout


def test_the_demo_takes_the_users_own_file(
    run: Run, state_dir: Path, short_clip: Path, tmp_path: Path
) -> None:
    video = tmp_path / "mine.mp4"
    result = run("demo", "--source", short_clip, "--state-dir", state_dir, "--output", video)
    assert result.exit_code == 0, result.output
    assert f"people-count on {short_clip}" in result.stdout
    assert "is there already" in result.stderr
    assert video.stat().st_size > 10_000


def test_a_workflow_is_drawn_in_the_form_its_file_is_named_for(
    run: Run, workflow: Path, tmp_path: Path
) -> None:
    assert run("graph", workflow).stdout.startswith("flowchart LR\n")
    for name, start in (("x.svg", "<svg "), ("x.mmd", "flowchart ")):
        result = run("graph", workflow, "-o", tmp_path / name)
        assert (result.exit_code, result.stdout) == (0, "")
        assert (tmp_path / name).read_text("utf-8").startswith(start)
    assert run("graph", workflow, "--format", "svg").stdout.startswith("<svg ")


def test_a_graph_that_cannot_be_drawn_or_written_is_a_sentence(
    run: Run, workflow: Path, tmp_path: Path
) -> None:
    refused(
        run("graph", workflow, "-o", "x.png"),
        "x.png: what to draw is not known from this name; end it with .svg or .mmd, or say "
        "--format",
    )
    beyond = tmp_path / "no" / "x.svg"
    refused(
        run("graph", workflow, "-o", beyond),
        f"{beyond} cannot be written: No such file or directory",
    )
    result = run("graph", altered(workflow, "steps:", "stesp:"))
    assert result.exit_code == 2
    assert "unknown key 'stesp'" in result.stderr


def test_what_is_odd_about_a_workflow_is_said_beside_its_graph(run: Run, workflow: Path) -> None:
    unused = "\n  - {name: alone, type: zone_count@1, detections: $steps.people.detections, "
    unused += "zone: [[0, 0], [1, 0], [1, 1]]}\n"
    text = workflow.read_text("utf-8")
    head, steps, rest = text.partition("\noutputs:")
    workflow.write_text(head + unused + steps + rest, "utf-8")
    result = run("graph", workflow)
    assert result.exit_code == 0
    assert "warning: steps.alone: this step is for nothing" in result.stderr
    assert "alone<br/>zone_count@1" in result.stdout


def test_the_schema_is_printed_as_it_ships(run: Run) -> None:
    printed = json.loads(run("schema").stdout)
    assert printed["$defs"].keys() >= {"line_count@1", "workflow"}


def test_help_names_the_first_steps(run: Run) -> None:
    text = run("--help").stdout
    assert "Begin with: appliance demo" in text
    for command in (
        "run", "serve", "check", "blocks", "schema", "graph", "models", "status", "stop", "demo",
    ):  # fmt: skip
        assert f"\n  {command} " in text


@pytest.mark.parametrize("command", [("run", "watch.yaml"), ("demo",)])
def test_an_empty_source_is_refused(run: Run, workflow: Path, command: tuple[str, ...]) -> None:
    result = run(*command, "--source", " ")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "Error: Invalid value for '--source': this is empty; name a file, a URL, or a device"
    )


def test_a_model_in_another_state_directory_is_pulled_there(
    run: Run, workflow: Path, clip: Path
) -> None:
    result = run("run", "watch.yaml", "--source", clip, "--state-dir", "elsewhere")
    assert "run `appliance models pull people-ssdlite --state-dir elsewhere`" in result.stderr
