"""Workflows from Python: on single pictures, and on sequences of them."""

import threading
import traceback
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from appliance.clock import SystemClock
from appliance.engine.errors import DefinitionError, InputError, StepError
from appliance.engine.plan import load_plan
from appliance.engine.testing import EPOCH_S, ManualClock
from appliance.inference.store import Store
from appliance.result import Result, RunError
from appliance.runs import RunOptions, run_workflow
from appliance.settings import settings_for_run, sources_for
from appliance.sources import SettingsError
from appliance.video.reader import VideoReader
from appliance.workflow import Session, Workflow
from blocks.block import Manifest, block
from blocks.data import Event, Frame, Image, Moment
from blocks.loading import load_blocks

BLACK = np.zeros((48, 64, 3), np.uint8)
FRAMES = """\
version: 1
name: frames
inputs:
  image: {type: image}
  every: {type: integer, default: 2}
steps:
  - name: seen
    type: event@1
    when: "double(int(frame.sequence) % int(inputs.every)) == 0"
    connection: local
    data: {number: $frame.sequence, where: $frame.camera}
  - {name: top, type: crop@1, image: $inputs.image, detections: $steps.people.detections}
  - {name: people, type: object_detection@1, image: $inputs.image, model: people-ssdlite}
outputs: {people: $steps.people.detections, crops: $steps.top.images}
"""
DESK = """\
version: 1
name: desk
inputs: {image: {type: image}}
steps:
  - {name: people, type: object_detection@1, image: $inputs.image, model: people-ssdlite}
  - {name: desk, type: absence@1, detections: $steps.people.detections, after_s: 3}
  - name: deserted
    type: event@1
    when: steps.desk.absent
    connection: local
    data: {for_s: $steps.desk.for_s}
outputs: {for_s: $steps.desk.for_s}
"""
BLIND = """\
version: 1
name: blind
inputs: {label: {type: string, default: gate}}
steps:
  - {name: told, type: event@1, connection: local, data: {label: $inputs.label}}
"""


@pytest.fixture(scope="module")
def frames(demo_store: Store) -> Workflow:
    return Workflow.from_text(FRAMES, state_dir=demo_store.root)


@pytest.fixture(scope="module")
def desk(demo_store: Store) -> Workflow:
    return Workflow.from_text(DESK, state_dir=demo_store.root)


@pytest.fixture(scope="module")
def people(demo_store: Store) -> Workflow:
    return Workflow.load("people-count", state_dir=demo_store.root)


@pytest.fixture(scope="module")
def crowd(short_clip: Path) -> list[Frame]:
    """The frames of a clip with some people in each."""
    with VideoReader(str(short_clip), "source", SystemClock()) as reader:
        return [frame for frame in reader.frames() if isinstance(frame, Frame)]


def boxes(result: Result) -> Any:
    return result["people"].as_rows()


def test_a_workflow_says_what_it_takes_and_gives(people: Workflow) -> None:
    assert people.name == "people-count"
    assert people.inputs["image"].required
    confidence = people.inputs["confidence"]
    assert (confidence.words, confidence.annotation) == ("a number", float)
    assert (confidence.required, confidence.default) == (False, 0.2)
    assert people.outputs["annotated"].annotation is Image
    assert people.outputs["total_in"].words == "a whole number"
    assert people.warnings == ()
    assert repr(people).startswith("Workflow('people-count', inputs=['image', 'confidence'")


def test_what_is_probably_not_meant_is_told() -> None:
    (warning,) = Workflow.from_text(FRAMES.replace(", crops: $steps.top.images", "")).warnings
    assert warning.startswith("text:12:5: warning: steps.top: ")


def test_an_array_an_image_and_a_file_are_the_same_picture(
    frames: Workflow, crowd: list[Frame], tmp_path: Path
) -> None:
    pixels = crowd[0].image.bgr
    file = tmp_path / "yard.png"
    assert cv2.imwrite(str(file), pixels)
    result = frames.run(pixels)
    assert len(result["people"]) > 0
    assert len(result["crops"]) == len(result["people"])
    for same in (Image.from_bgr(pixels), file, str(file)):
        assert boxes(frames.run(same)) == boxes(result)


def test_a_single_picture_is_the_first_of_a_lane_of_its_own(frames: Workflow) -> None:
    for _ in range(2):
        result = frames.run(BLACK)
        (event,) = result.events
        assert event.data == {"number": 0, "where": "python"}
        assert result.frame is not None
        assert result.frame.at_s == 0.0


def test_a_session_remembers(desk: Workflow) -> None:
    with desk.session(camera="yard") as session:
        waited = [session.run(BLACK, at_s=at_s)["for_s"] for at_s in (10.0, 11.0, 12.5)]
    assert waited == [0.0, 1.0, 2.5]


def test_what_falls_due_between_two_pictures_is_run_at_its_time(desk: Workflow) -> None:
    with desk.session() as session:
        session.run(BLACK, at_s=10.0, captured_at=EPOCH_S)
        assert session.next_at == 13.0
        result = session.run(BLACK, at_s=20.0, captured_at=EPOCH_S + 10)
    (tick,) = result.ticks
    assert (tick.moment.at_s, tick.moment.captured_at) == (13.0, EPOCH_S + 3)
    assert tick["for_s"] == 3.0
    assert [event.data["for_s"] for event in result.events] == [3.0, 10.0]
    assert [event.time for event in result.events] == [EPOCH_S + 3, EPOCH_S + 10]


def test_time_passes_without_a_picture(desk: Workflow) -> None:
    with desk.session() as session:
        session.run(BLACK, at_s=0.0)
        assert session.tick(2.0) == ()
        (due,) = session.tick(4.0)
        assert [event.data["for_s"] for event in due.events] == [3.0]
        assert session.next_at is None


class RestlessManifest(Manifest):
    """It has no settings."""


class Rung(NamedTuple):
    """That it rang."""

    rung: bool


@block("restless@1", RestlessManifest)
class Restless:
    """Always has something to do at once."""

    def __init__(self, manifest: RestlessManifest) -> None: ...

    def run(self, moment: Moment) -> Rung:
        return Rung(rung=False)

    def next_at(self, now: Moment) -> float:
        return now.at_s

    def tick(self, now: Moment) -> Rung:
        return Rung(rung=True)


def test_a_block_that_always_asks_for_a_turn_is_not_waited_for(desk: Workflow) -> None:
    text = "version: 1\nname: bell\nsteps: [{name: bell, type: restless@1}]\n"
    text += "outputs: {rung: $steps.bell.rung}\n"
    plan = load_plan(text, "bell.yaml", {"restless@1": vars(Restless)["block_type"]})
    session = Session(Workflow(plan, Path("bell.yaml"), desk.models), "yard", ManualClock(), {})
    session.run(at_s=0.0)
    result = session.run(at_s=1.0)
    (failure,) = result.failures
    assert str(failure.error).startswith("more than 1000 ticks were due by 1.000 s")
    assert result["rung"] is False


class FuseManifest(Manifest):
    """When it breaks."""

    breaks_at_s: float


@block("fuse@1", FuseManifest)
class Fuse:
    """Ticks each second, and breaks once."""

    def __init__(self, manifest: FuseManifest) -> None:
        self._breaks_at_s = manifest.breaks_at_s
        self._next_s = 1.0

    def run(self, moment: Moment) -> Rung:
        return Rung(rung=False)

    def next_at(self, now: Moment) -> float:
        return self._next_s

    def tick(self, now: Moment) -> Rung:
        self._next_s += 1.0
        if now.at_s == self._breaks_at_s:
            raise ValueError("it broke")
        return Rung(rung=True)

    def stop(self, now: Moment) -> Rung:
        raise ValueError("it broke at the end")


@pytest.fixture
def fuse(desk: Workflow) -> Session:
    text = "version: 1\nname: fuse\nsteps:\n"
    text += "  - {name: fuse, type: fuse@1, breaks_at_s: 3, on_error: stop}\n"
    text += "  - {name: tell, type: event@1, when: steps.fuse.rung, connection: local,\n"
    text += "     data: {at: $frame.captured_at}}\n"
    plan = load_plan(text, "fuse.yaml", load_blocks() | {"fuse@1": vars(Fuse)["block_type"]})
    return Session(Workflow(plan, Path("fuse.yaml"), desk.models), "yard", ManualClock(), {})


def test_what_was_done_before_a_tick_that_fails_is_not_lost(fuse: Session) -> None:
    fuse.run(at_s=0.0)
    with pytest.raises(StepError, match="step fuse, camera yard, no frame: ValueError: it broke"):
        fuse.run(at_s=5.0)
    # The time until the failure has passed.
    with pytest.raises(InputError, match="never goes back"):
        fuse.run(at_s=2.9)
    result = fuse.run(at_s=5.0)
    assert [tick.moment.at_s for tick in result.ticks] == [1.0, 2.0, 4.0, 5.0]
    told_at = [event.data["at"].timestamp() - EPOCH_S for event in result.events]
    assert told_at == [1.0, 2.0, 4.0, 5.0]


def test_what_goes_wrong_in_the_body_comes_before_what_goes_wrong_at_its_end(
    fuse: Session,
) -> None:
    fuse.run(at_s=0.0)
    with pytest.raises(KeyError, match="mine"), fuse:
        raise KeyError("mine")


def test_what_goes_wrong_at_the_end_of_the_body_is_raised(fuse: Session) -> None:
    with pytest.raises(StepError, match="it broke at the end"), fuse:
        fuse.run(at_s=0.0)


@pytest.mark.parametrize("time", [{"at_s": "7"}, {"at_s": True}, {"captured_at": "now"}])
def test_a_time_that_is_no_number_is_refused(fuse: Session, time: dict[str, Any]) -> None:
    (name,) = time
    with pytest.raises(InputError, match=f"{name} is a number of seconds, not "):
        fuse.run(**time)


def test_a_workflow_that_is_no_text_is_refused() -> None:
    given: Any = {"version": 1}
    with pytest.raises(TypeError, match=r"from_text takes the text of a workflow, .*, not dict"):
        Workflow.from_text(given)


class LeakyManifest(Manifest):
    """A text."""

    text: str


@block("leaky@1", LeakyManifest)
class Leaky:
    """Tells its text when it breaks."""

    def __init__(self, manifest: LeakyManifest) -> None:
        self._text = manifest.text

    def run(self, moment: Moment) -> Rung:
        raise LookupError(f"there is no label '{self._text}'")


@pytest.mark.parametrize("on_error", ["skip", "stop"])
def test_a_secret_is_not_told_by_a_step_that_fails(
    tmp_path: Path, desk: Workflow, on_error: str
) -> None:
    (tmp_path / "secrets.yaml").write_text("word: hunter2-0815\n")
    file = tmp_path / "leak.yaml"
    text = "version: 1\nname: leak\ninputs: {word: {type: string, default: !secret word}}\nsteps:\n"
    text += f"  - {{name: look, type: leaky@1, text: $inputs.word, on_error: {on_error}}}\n"
    plan = load_plan(text, str(file), {"leaky@1": vars(Leaky)["block_type"]}, sources_for(file))
    workflow = Workflow(plan, file, desk.models)
    with pytest.raises((RunError, StepError)) as failed:
        workflow.run().raise_for_failures()
    assert "LookupError: there is no label '…'" in str(failed.value)
    assert "hunter2" not in "".join(traceback.format_exception(failed.value))


def test_the_clock_tells_the_time_that_is_not_given(desk: Workflow) -> None:
    clock = ManualClock()
    session = Session(desk, "yard", clock, {})
    first = session.run(BLACK)
    clock.advance(1.5)
    second = session.run(BLACK)
    assert (first.moment.at_s, second.moment.at_s) == (0.0, 1.5)
    assert (first.moment.captured_at, second.moment.captured_at) == (EPOCH_S, EPOCH_S + 1.5)


@pytest.mark.parametrize("at_s", [0.5, float("nan"), float("inf")])
def test_time_never_goes_back(desk: Workflow, at_s: float) -> None:
    with desk.session() as session:
        session.run(BLACK, at_s=1.0)
        with pytest.raises(InputError, match="never goes back"):
            session.run(BLACK, at_s=at_s)


def test_after_the_stop_nothing_runs(desk: Workflow) -> None:
    with desk.session() as session:
        session.run(BLACK, at_s=0.0)
        last = session.stop(at_s=4.0)
    assert [event.data["for_s"] for event in last.events] == [3.0]
    with pytest.raises(InputError, match="has been stopped: begin another one"):
        session.run(BLACK)


def test_a_command_to_a_step_that_takes_none_is_refused(desk: Workflow) -> None:
    with desk.session() as session, pytest.raises(InputError, match="no step 'desk' that takes"):
        session.command("desk", "reset")


def test_a_picture_that_is_none_is_refused_with_a_sentence(
    frames: Workflow, tmp_path: Path
) -> None:
    text, empty = tmp_path / "text.jpg", tmp_path / "empty.jpg"
    text.write_text("no picture")
    empty.touch()
    sentences = {
        "gray": (BLACK[..., 0], "an array of (height, width, 3) of uint8, not (48, 64) of uint8"),
        "real": (BLACK / 255, "not (48, 64, 3) of float64"),
        "number": (3, "image is an array, an Image or the path of a picture, not int"),
        "nothing": (None, "the workflow frames looks at a picture: give image=…"),
        "gone": (tmp_path / "gone.jpg", "gone.jpg: cannot be read: No such file or directory"),
        "zero": ("a\0b", "cannot be read"),
        "text": (text, "text.jpg: this is no picture that can be read"),
        "empty": (empty, "empty.jpg: this is no picture that can be read"),
    }
    for image, sentence in sentences.values():
        given: Any = image
        with pytest.raises(InputError) as caught:
            frames.run(given)
        assert sentence in str(caught.value)


def test_the_picture_is_given_as_image_whatever_the_workflow_calls_it(demo_store: Store) -> None:
    text = DESK.replace("{image: {type", "{scene: {type").replace("$inputs.image", "$inputs.scene")
    workflow = Workflow.from_text(text, state_dir=demo_store.root)
    assert workflow.run(image=BLACK)["for_s"] == 0.0
    with pytest.raises(InputError, match="input 'scene' is the picture: give it to run, as image="):
        workflow.run(scene=BLACK)


def test_a_workflow_that_looks_at_no_picture_needs_none() -> None:
    result = Workflow.from_text(BLIND).run(label="door")
    assert [event.data for event in result.events] == [{"label": "door"}]


def test_inputs_may_come_from_numpy(frames: Workflow, people: Workflow) -> None:
    with frames.session(every=np.int64(3)) as session:
        told = [len(session.run(BLACK, at_s=i).events) for i in range(4)]
    assert told == [1, 0, 0, 1]
    people.run(BLACK, zone=np.array([[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]), line=((0, 0), (1, 1)))


def test_every_wrong_input_is_told(people: Workflow) -> None:
    with pytest.raises(InputError) as caught:
        people.run(BLACK, confidence="high", lines=[])
    assert str(caught.value).splitlines() == [
        "workflow people-count has no input 'lines' (did you mean 'line'?)",
        "input 'confidence' of workflow people-count must be a number, not 'high'",
    ]
    with pytest.raises(DefinitionError, match="must be at most 1, not 3"):
        people.run(BLACK, confidence=3.0)


def test_a_step_that_fails_is_told_and_loses_only_what_hangs_on_it(frames: Workflow) -> None:
    result = frames.run(BLACK, every=0)
    assert "people" in result
    assert result.events == ()
    with pytest.raises(RunError, match=r"step seen: .*division by zero"):
        result.raise_for_failures()


def test_a_model_that_is_not_there_is_told_with_the_command_that_fetches_it(
    tmp_path: Path,
) -> None:
    workflow = Workflow.from_text(DESK, state_dir=tmp_path)
    with pytest.raises(DefinitionError, match="appliance models pull people-ssdlite"):
        workflow.run(BLACK)


def test_a_wrong_workflow_is_refused_with_all_that_is_wrong() -> None:
    with pytest.raises(DefinitionError) as caught:
        Workflow.from_text(
            DESK.replace("after_s: 3", "after: 3").replace("desk.for_s", "dsk.for_s")
        )
    told = str(caught.value)
    assert told.startswith("text:6:")
    assert "did you mean 'after_s'?" in told
    assert "did you mean 'desk'?" in told


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(SettingsError, match=r"people-count\.yml: there is no such workflow file"):
        Workflow.load("people-count.yml")
    with pytest.raises(SettingsError, match=r"people-cuont: .* \(did you mean 'people-count'\?\)"):
        Workflow.load("people-cuont")


def test_a_file_takes_secrets_files_and_variables_as_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets.yaml").write_text("word: sesame\n")
    (tmp_path / "place.yaml").write_text("{floor: 3}\n")
    (tmp_path / "told.yaml").write_text(
        BLIND.replace(
            "{label: $inputs.label}",
            "{word: !secret word, place: !include place.yaml, site: '${SITE_OF_TEST}'}",
        )
    )
    monkeypatch.setenv("SITE_OF_TEST", "north")
    (event,) = Workflow.load(tmp_path / "told.yaml").run().events
    assert event.data == {"word": "sesame", "place": {"floor": 3}, "site": "north"}


def test_threads_share_a_workflow_and_its_model(demo_store: Store, crowd: list[Frame]) -> None:
    workflow = Workflow.from_text(FRAMES, state_dir=demo_store.root)
    images = [frame.image for frame in crowd[:4]]
    found: dict[int, Any] = {}

    def run(number: int) -> None:
        found[number] = boxes(workflow.run(images[number]))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    model = workflow.models.detector("people-ssdlite")
    assert [found[i] for i in range(4)] == [boxes(workflow.run(image)) for image in images]
    assert workflow.models.detector("people-ssdlite") is model


def test_a_session_gives_what_the_command_line_gives(
    people: Workflow, crowd: list[Frame], short_clip: Path, demo_store: Store, tmp_path: Path
) -> None:
    inputs = {"line": [[0.7, 1.0], [0.7, 0.0]]}
    settings = settings_for_run(people.file, str(short_clip), inputs, {}, tmp_path)
    for folder in ("models", "probes"):
        (tmp_path / folder).symlink_to(demo_store.root / folder)
    summary = run_workflow(settings, RunOptions(), SystemClock(), threading.Event())
    events: list[Event] = []
    with people.session("source", **inputs) as session:
        for frame in crowd:
            result = session.run(frame.image, frame.at_s)
            events += result.events
        events += session.stop().events
    assert events, "nobody crossed the line: the test shows nothing"
    told = "outputs   " + " · ".join(
        f"{name} {result[name]}" for name in ("total_in", "total_out", "in_square")
    )
    assert told in summary
    assert f"emitted   {len(events)} people-count.crossed" in summary
