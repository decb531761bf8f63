"""`appliance graph` as a user types it."""

from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]
Refused = Callable[..., None]
Altered = Callable[[Path, str, str], Path]


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
    run: Run, workflow: Path, tmp_path: Path, refused: Refused, altered: Altered
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
