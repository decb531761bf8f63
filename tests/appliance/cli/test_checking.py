"""`appliance check` as a user types it."""

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]
Refused = Callable[..., None]
Altered = Callable[[Path, str, str], Path]


def test_an_unknown_block_is_shown_with_the_one_that_was_meant(
    run: Run, workflow: Path, refused: Refused, altered: Altered
) -> None:
    altered(workflow, "type: event@1", "type: evnt@1")
    refused(
        run("check", "watch.yaml"),
        "watch.yaml:13:11: steps.seen.type: unknown block 'evnt@1' (did you mean 'event@1'?)",
        "    13 |     type: evnt@1",
        "       |           ^",
    )


def test_a_wire_of_the_wrong_type_names_both_types(
    run: Run, workflow: Path, refused: Refused, altered: Altered
) -> None:
    altered(workflow, "image: $inputs.image", "image: $inputs.confidence")
    refused(
        run("check", "watch.yaml"),
        "watch.yaml:9:12: steps.people.image: 'image' takes an image, "
        "but $inputs.confidence is a number",
        "     9 |     image: $inputs.confidence",
        "       |            ^",
    )


def test_broken_yaml_is_a_sentence_with_its_line(
    run: Run, workflow: Path, altered: Altered
) -> None:
    altered(workflow, "{people: $steps.people.detections}", "{people: $steps.people.detections")
    result = run("check", "watch.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "watch.yaml:17:8: this is not YAML: did not find expected ',' or '}'"
    )


def test_all_mistakes_of_a_file_are_shown_at_once(
    run: Run, workflow: Path, altered: Altered
) -> None:
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
    run: Run, workflow: Path, tmp_path: Path, refused: Refused, altered: Altered
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


def test_a_check_of_nothing_says_what_to_name(run: Run, refused: Refused) -> None:
    refused(run("check"), "name workflow files, or a settings file with --config")


def test_an_input_that_must_be_given_is_noted_and_asked_for(
    run: Run, workflow: Path, refused: Refused, altered: Altered
) -> None:
    altered(workflow, "steps:\n", "  limit: {type: number}\nsteps:\n")
    line = workflow.read_text().splitlines().index("  limit: {type: number}") + 1
    note = f"watch.yaml:{line}:3: note: inputs.limit: needs a value (a number), as in --set limit=…"
    assert note in run("check", "watch.yaml").stdout.splitlines()
    refused(
        run("run", "watch.yaml", "--source", "x.avi"),
        "workflow watch needs a value for its input 'limit' (a number); give it as --set limit=…",
    )


def test_a_check_counts_the_steps_that_the_file_has(
    run: Run, workflow: Path, altered: Altered
) -> None:
    altered(workflow, "outputs:\n", 'outputs:\n  more: "= inputs.confidence * 2"\n')
    assert run("check", "watch.yaml").stdout.splitlines()[0] == "watch.yaml: ok, 2 steps"


def test_what_is_in_doubt_of_cameras_is_a_warning_and_refuses_nothing(
    run: Run, workflow: Path, tmp_path: Path
) -> None:
    (tmp_path / "appliance.yaml").write_text(
        "version: 1\n"
        "cameras:\n"
        "  gate: 10.0.0.7/stream\n"
        "  yard: rtsp://10.0.0.8/stream\n"
        "pipelines:\n"
        "  people: {workflow: watch.yaml, cameras: gate}\n"
    )
    result = run("check", "--config", "appliance.yaml")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "appliance.yaml: ok, 1 pipeline",
        "appliance.yaml:3:9: warning: cameras.gate.url: there is no file 10.0.0.7/stream; "
        "a camera on the network is written rtsp://10.0.0.7/stream",
        "     3 |   gate: 10.0.0.7/stream",
        "       |         ^",
        "appliance.yaml:4:3: warning: cameras.yard: no pipeline uses this camera",
        "     4 |   yard: rtsp://10.0.0.8/stream",
        "       |   ^",
        "note: the model people-ssdlite is not on this machine yet: "
        "run `appliance models pull people-ssdlite`",
    ]


def test_a_model_on_this_machine_that_cannot_be_used_is_refused_at_its_step(
    run: Run, workflow: Path, altered: Altered, tmp_path: Path
) -> None:
    altered(workflow, "model: people-ssdlite", "model: ./cut.onnx")
    (tmp_path / "cut.onnx").write_bytes(b"no model")
    (tmp_path / "appliance.yaml").write_text(
        "version: 1\n"
        "cameras: {gate: rtsp://10.0.0.8/stream}\n"
        "pipelines: {people: {workflow: watch.yaml, cameras: gate}}\n"
    )
    result = run("check", "--config", "appliance.yaml")
    assert result.exit_code == 2
    assert "cut.onnx is no ONNX file" in result.stderr
    assert "watch.yaml:" in result.stderr
