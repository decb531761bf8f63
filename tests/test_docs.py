"""What README and docs show is true: workflows plan, blocks work, commands and links exist."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import cv2
import pytest

from appliance.cli import main
from appliance.clock import SystemClock
from appliance.engine.errors import DefinitionError
from appliance.engine.plan import load_plan
from appliance.inference.store import Store
from appliance.observe.buckets import MEANINGS
from appliance.pipeline import Pipeline
from appliance.settings import (
    CameraSettings,
    MotionGateSettings,
    PipelineSettings,
    read_settings,
)
from appliance.video import backoff, camera, capture_time, gauge, probe_report
from appliance.video.reader import VideoReader
from blocks.block import BlockType
from blocks.data import Frame
from blocks.loading import load_blocks

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Its workflows use each other, and are run by a test of their own: test_workflow_language.py.
LANGUAGE = ROOT / "docs" / "workflow-language.md"
CAMERAS = ROOT / "docs" / "cameras.md"
# Invented for the page that explains how a block is written.
INVENTED = {"brightness@1"}


def code_blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.M | re.S)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def blocks() -> dict[str, BlockType]:
    return load_blocks()


@pytest.mark.parametrize("page", [page for page in PAGES if page != LANGUAGE], ids=named)
def test_every_workflow_that_is_shown_can_be_planned(
    page: Path, blocks: dict[str, BlockType]
) -> None:
    for text in code_blocks(page, "yaml"):
        if "\nsteps:" in text and not any(f"type: {name}" in text for name in INVENTED):
            load_plan(text, named(page), blocks)


def test_the_readme_shows_a_whole_workflow_and_the_message_for_a_mistake_in_it(
    blocks: dict[str, BlockType],
) -> None:
    readme = ROOT / "README.md"
    (workflow,) = [text for text in code_blocks(readme, "yaml") if "\nsteps:" in text]
    with pytest.raises(DefinitionError) as refusal:
        load_plan(workflow.replace("line_count@1", "line_cuont@1"), "gate.yaml", blocks)
    assert str(refusal.value) + "\n" in code_blocks(readme, "text")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_that_is_shown_exists(page: Path) -> None:
    shown = re.findall(r"(?:^\$ |`)appliance ([a-z]+)", page.read_text(), re.M)
    assert set(shown) <= set(main.commands)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_make_target_that_is_shown_exists(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    benchmarks = {f"bench-{file.stem}" for file in (ROOT / "benchmarks").glob("*.py")}
    shown = set(re.findall(r"(?:^    |`|^\$ )make ([\w-]+)", page.read_text(), re.M))
    assert shown - {"bench-NAME"} <= targets | benchmarks


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_the_block_of_contributing_passes_its_own_test(tmp_path: Path) -> None:
    block, test, workflow = (
        *code_blocks(ROOT / "CONTRIBUTING.md", "python"),
        *code_blocks(ROOT / "CONTRIBUTING.md", "yaml"),
    )
    (tmp_path / "brightness.py").write_text(block)
    (tmp_path / "test_brightness.py").write_text(
        test.replace("blocks.measuring.brightness", "brightness")
    )
    (tmp_path / "lights.yaml").write_text(workflow)
    (tmp_path / "test_workflow.py").write_text(
        "import brightness\n"
        "from appliance.engine.plan import load_plan\n"
        "from blocks.loading import blocks_in, load_blocks\n\n"
        "def test_it_is_planned():\n"
        "    found = {b.type: b for b in blocks_in(brightness)}\n"
        "    load_plan(open('lights.yaml').read(), 'lights.yaml', load_blocks() | found)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."]
    done = subprocess.run(
        [*command, "-o", "pythonpath=.", "-o", "filterwarnings=", "."],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_what_the_page_on_python_shows_runs(
    demo_store: Store, short_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    (tmp_path / ".appliance").mkdir()
    for folder in ("models", "probes"):
        (tmp_path / ".appliance" / folder).symlink_to(demo_store.root / folder)
    (tmp_path / "yard.mp4").symlink_to(short_clip)
    with VideoReader(str(short_clip), "yard", SystemClock()) as reader:
        frame = next(reader.frames())
    assert isinstance(frame, Frame)
    assert cv2.imwrite("yard.jpg", frame.image.bgr)
    page = ROOT / "docs" / "python.md"
    # As a reader runs them: one after the other, in one notebook.
    notebook: dict[str, object] = {}
    for text in code_blocks(page, "python"):
        exec(compile(text, named(page), "exec"), notebook)
    pipeline = notebook["pipeline"]
    assert isinstance(pipeline, Pipeline)
    assert pipeline.status()["state"] == "ended"


def rows(page: Path) -> dict[str, list[str]]:
    """The rows of the tables that begin with a name in backticks: the other cells, by name."""
    found = re.findall(r"^\| `([^`]+)` \|(.*)\|$", page.read_text(), re.M)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in found}


def test_the_settings_of_cameras_that_are_shown_are_valid(tmp_path: Path) -> None:
    cameras, pipelines = code_blocks(CAMERAS, "yaml")
    secrets = re.findall(r"!secret (\w+)", cameras)
    (tmp_path / "secrets.yaml").write_text(
        "".join(f"{name}: rtsp://camera/{name}\n" for name in secrets)
    )
    file = tmp_path / "appliance.yaml"
    file.write_text(f"version: 1\n{cameras}{pipelines}")
    settings = read_settings(file)
    assert len(settings.cameras) == 10
    assert settings.cameras["hall"].url == "rtsp://camera/hall_url"
    assert settings.pipelines["access"].max_latency_s == 0.3
    assert settings.pipelines["parking"].motion_gate is not None


@pytest.mark.parametrize("of", [CameraSettings, PipelineSettings, MotionGateSettings])
def test_every_key_of_cameras_and_of_pacing_is_explained_with_its_default(
    of: type[CameraSettings | PipelineSettings | MotionGateSettings],
) -> None:
    explained = rows(CAMERAS)
    for name, field in of.model_fields.items():
        if name in ("workflow", "cameras", "inputs"):
            continue
        given = field.get_default(call_default_factory=True) if not field.is_required() else None
        words = {None: "", True: "`true`", False: "`false`", (): "`[]`"}
        number = isinstance(given, float)
        shown = f"`{given:g}`" if number else words.get(given, f"`{given}`")
        assert explained[name][0] == shown, name


def test_the_buckets_of_frames_are_those_that_the_daemon_counts() -> None:
    told = {name: cells[0] for name, cells in rows(CAMERAS).items() if name in MEANINGS}
    assert told == dict(MEANINGS)


def test_the_states_of_cameras_are_all_explained() -> None:
    assert set(get_args(camera.State)) <= set(rows(CAMERAS))


@pytest.mark.parametrize(
    "said",
    [
        f"pause is {backoff.FIRST_S:g} s",
        f"up to {backoff.LONGEST_S:g} s",
        f"After {backoff.GOOD_AFTER_S:g} s of reading",
        f"nothing came for {gauge.SILENT_S:g} s",
        f"all pictures of the last {gauge.FROZEN_S:g} s are the same",
        f"After {camera.REOPEN_FROZEN_S:g} s it is opened anew",
        f"From {gauge.DAMAGED_SHARE * 100:g} % on",
        f"Told for {camera.JUMP_TOLD_S:g} s",
        f"0 to {capture_time.SENDER_LAG_S:g} s behind",
        f"by more than {capture_time.WALL_STEP_S:g} s",
    ],
)
def test_the_times_that_the_page_on_cameras_names_are_those_of_the_code(said: str) -> None:
    assert said in CAMERAS.read_text()


def test_the_report_of_a_probe_has_the_lines_that_are_shown() -> None:
    shown = next(text for text in code_blocks(CAMERAS, "console") if "cameras probe" in text)
    labels = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  +\S", shown, re.M)
    source = Path(probe_report.__file__).read_text()
    assert len(labels) == 11
    assert [label for label in labels if f'"{label}": ' not in source] == []
