"""`appliance run` and `appliance demo` as a user types them: what they print and exit with."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
Refused = Callable[..., None]
Altered = Callable[[Path, str, str], Path]


def test_a_missing_workflow_file_is_named_with_its_neighbour(
    run: Run, workflow: Path, refused: Refused
) -> None:
    refused(
        run("run", "wtch.yaml", "--source", "x.avi"),
        "wtch.yaml: there is no such workflow file (did you mean 'watch.yaml'?)",
    )


def test_a_run_names_the_flag_for_a_connection_that_is_missing(
    run: Run, workflow: Path, altered: Altered
) -> None:
    altered(workflow, "connection: local", "connection: plant")
    result = run("run", "watch.yaml", "--source", "x.avi")
    assert result.exit_code == 2
    assert (
        "there is no connection 'plant' (one of console or local); give it as "
        "--connection plant=URL, such as mqtt://host:1883" in result.stderr
    )


def test_an_unknown_model_is_refused_with_the_command_that_lists_them(
    run: Run, workflow: Path, altered: Altered
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


def test_a_missing_video_is_a_sentence(run: Run, workflow: Path, refused: Refused) -> None:
    refused(run("run", "watch.yaml", "--source", "x.avi"), "x.avi: there is no such file")


def test_an_empty_video_is_a_sentence(
    run: Run, workflow: Path, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "x.avi").touch()
    refused(
        run("run", "watch.yaml", "--source", "x.avi"),
        "x.avi: the file is empty (0 bytes); copy or record it again",
    )


def test_a_file_that_is_no_video_is_a_sentence(run: Run, workflow: Path) -> None:
    result = run("run", "watch.yaml", "--source", "watch.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("watch.yaml: this is no video")


def test_a_value_for_an_unknown_input_is_refused(
    run: Run, workflow: Path, refused: Refused
) -> None:
    refused(
        run("run", "watch.yaml", "--source", "x.avi", "--set", "confidnce=0.3"),
        "workflow watch has no input 'confidnce' (did you mean 'confidence'?)",
    )


def test_a_value_of_the_wrong_type_is_refused(run: Run, workflow: Path, refused: Refused) -> None:
    refused(
        run("run", "watch.yaml", "--source", "x.avi", "--set", "confidence=high"),
        "input 'confidence' of workflow watch must be a number, not 'high'",
    )


def test_a_flag_without_its_equals_sign_is_refused(
    run: Run, workflow: Path, refused: Refused
) -> None:
    refused(
        run("run", "watch.yaml", "--source", "x.avi", "--set", "confidence"),
        "--set takes NAME=VALUE, not 'confidence'",
    )


@pytest.mark.parametrize("name", ["lines", "line"])
def test_a_list_is_set_in_its_brackets(
    run: Run,
    workflow: Path,
    state_dir: Path,
    short_clip: Path,
    name: str,
    refused: Refused,
    altered: Altered,
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


def test_an_empty_value_is_nothing(run: Run, workflow: Path, refused: Refused) -> None:
    refused(
        run("run", "watch.yaml", "--source", "x.avi", "--set", "confidence="),
        "input 'confidence' of workflow watch must be a number, not nothing",
    )


def test_a_connection_without_a_name_is_refused_without_its_password(
    run: Run, workflow: Path, refused: Refused
) -> None:
    refused(
        run("run", "watch.yaml", "--source", "x.avi", "--connection", "mqtt://u:hunter2@host"),
        "--connection takes NAME=VALUE, not 'mqtt'",
    )


def test_a_connection_whose_name_is_none_is_refused(
    run: Run, workflow: Path, refused: Refused
) -> None:
    refused(
        run("run", "watch.yaml", "--source", "x.avi", "--connection", "a b=mqtt://host"),
        "connection: 'a b' is no name: a letter or digit, then also '_', '.' and '-'",
    )


def test_a_connection_of_an_unknown_kind_is_refused(run: Run, workflow: Path) -> None:
    result = run("run", "watch.yaml", "--source", "x.avi", "--connection", "plant=amqp://host")
    assert result.exit_code == 2
    assert result.stderr.startswith("connection plant: a URL begins with mqtt://, mqtts://")


def test_an_output_without_a_picture_in_the_workflow_is_refused(
    run: Run, workflow: Path, state_dir: Path, clip: Path, refused: Refused
) -> None:
    refused(
        run("run", "watch.yaml", "--source", clip, "--output", "x.mp4", "--state-dir", state_dir),
        "x.mp4: the workflow watch has no picture among its outputs; add one, such as "
        "annotated: $steps.picture.image",
    )


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


def test_a_model_in_another_state_directory_is_pulled_there(
    run: Run, workflow: Path, clip: Path
) -> None:
    result = run("run", "watch.yaml", "--source", clip, "--state-dir", "elsewhere")
    assert "run `appliance models pull people-ssdlite --state-dir elsewhere`" in result.stderr
