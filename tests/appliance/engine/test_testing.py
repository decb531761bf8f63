"""What tests of blocks stand on: the manual clock, hand-made frames and finds, blocks by hand."""

import doctest
import threading
from typing import Any, Literal, NamedTuple

import pytest
from pydantic import Field

from appliance.clock import Clock
from appliance.engine import testing
from appliance.engine.errors import DefinitionError, StepError
from appliance.engine.testing import (
    EPOCH_S,
    FixedDetector,
    FixedHost,
    ManualClock,
    detections,
    frame,
    image,
    make,
    run_workflow,
)
from blocks.block import Origin, ShapeManifest, block
from blocks.data import Detections, Frame, Image, Moment
from blocks.geometry import Polygon
from blocks.host import Detector, Host
from blocks.models.object_detection import ObjectDetection


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock: Clock = ManualClock()
    assert (clock.now(), clock.monotonic()) == (EPOCH_S, 0.0)
    assert (clock.now(), clock.monotonic()) == (EPOCH_S, 0.0)


def test_advancing_moves_both_its_times() -> None:
    clock = ManualClock()
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (EPOCH_S + 2.5, 2.5)


def test_a_step_of_the_wall_clock_lets_no_time_pass() -> None:
    clock = ManualClock(now_s=1000.0)
    clock.step(-60.0)
    assert (clock.now(), clock.monotonic()) == (940.0, 0.0)


def test_waiting_passes_the_time_at_once_and_is_written_down() -> None:
    clock, stop = ManualClock(), threading.Event()
    assert clock.wait(stop, 30.0) is False
    assert clock.wait(stop, -1.0) is False
    assert (clock.monotonic(), clock.waits) == (30.0, [30.0, -1.0])


def test_waiting_for_what_is_set_already_passes_no_time() -> None:
    clock, stop = ManualClock(), threading.Event()
    stop.set()
    assert clock.wait(stop, 30.0) is True
    assert (clock.monotonic(), clock.waits) == (0.0, [])


def test_a_frame_is_black_and_small_unless_it_is_told_otherwise() -> None:
    made = frame()
    assert (made.camera, made.sequence, made.at_s, made.captured_at) == ("gate", 0, 0.0, EPOCH_S)
    assert made.image.bgr.shape == (48, 64, 3)
    assert not made.image.bgr.any()


def test_a_frame_is_what_it_is_told_to_be() -> None:
    small = frame(size=(8, 4)).image
    made = frame(1.5, camera="yard", sequence=7, image=small, clock="unsynchronised")
    assert (made.camera, made.sequence, made.clock) == ("yard", 7, "unsynchronised")
    assert (made.at_s, made.captured_at) == (1.5, EPOCH_S + 1.5)
    assert isinstance(made.image, Image)
    assert made.image is small


def test_the_examples_of_the_module_are_true() -> None:
    found = doctest.testmod(testing)
    assert found.attempted > 5
    assert found.failed == 0


def test_an_image_is_of_one_colour() -> None:
    made = image((3, 2), bgr=(1, 2, 3))
    assert made.bgr.shape == (2, 3, 3)
    assert made.bgr[1, 2].tolist() == [1, 2, 3]
    assert not image().bgr.any()


# Finds.


def test_detections_are_labels_and_boxes() -> None:
    made = detections(("person", (1, 2, 3, 4)), ("dog", (5, 6, 7, 8)), ("person", (0, 0, 9, 9)))
    assert made.label.tolist() == ["person", "dog", "person"]
    assert made.class_id.tolist() == [0, 1, 0]
    assert made.xyxy.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [0, 0, 9, 9]]
    assert made.confidence.tolist() == [1.0, 1.0, 1.0]
    assert made.tracker_id.tolist() == [-1, -1, -1]


def test_no_detections_are_empty_in_all_columns() -> None:
    made = detections(columns={"direction": []})
    assert len(made) == 0
    assert made.xyxy.shape == (0, 4)
    assert len(made.data["direction"]) == 0


def test_detections_have_what_else_they_are_given() -> None:
    boxes = (("a", (0, 0, 1, 1)), ("b", (0, 0, 2, 2)))
    made = detections(
        *boxes, confidence=[0.25, 0.5], tracker_id=[7, 8], columns={"direction": ["in", "out"]}
    )
    assert made.confidence.tolist() == [0.25, 0.5]
    assert made.tracker_id.tolist() == [7, 8]
    assert made.data["direction"].tolist() == ["in", "out"]
    assert made.label.tolist() == ["a", "b"]
    assert detections(*boxes, confidence=0.5).confidence.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    "columns", [{"confidence": [0.5]}, {"tracker_id": [1]}, {"columns": {"direction": ["in"]}}]
)
def test_a_column_that_is_too_short_is_refused(columns: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has 1 rows where xyxy has 2"):
        detections(("a", (0, 0, 1, 1)), ("b", (0, 0, 2, 2)), **columns)


# Models.


def test_a_fixed_detector_finds_one_after_another_and_then_the_last() -> None:
    one, two = detections(("a", (0, 0, 1, 1))), detections(("b", (0, 0, 1, 1)))
    detector: Detector = FixedDetector(one, two)
    assert detector.labels == ("a", "b")
    found = [detector.detect(image()).label.tolist() for _ in range(3)]
    assert found == [["a"], ["b"], ["b"]]


def test_a_fixed_detector_leaves_out_what_is_not_sure_enough() -> None:
    both = detections(("a", (0, 0, 1, 1)), ("b", (0, 0, 1, 1)), confidence=[0.25, 0.75])
    assert FixedDetector(both).detect(image(), 0.5).label.tolist() == ["b"]
    assert len(FixedDetector(both).detect(image())) == 2


def test_a_fixed_detector_of_nothing_finds_nothing_and_knows_what_it_is_told() -> None:
    detector = FixedDetector(labels=["person"])
    assert len(detector.detect(image())) == 0
    assert detector.labels == ("person",)


def test_a_fixed_host_lends_what_it_was_given() -> None:
    one, two = FixedDetector(), FixedDetector()
    host: Host = FixedHost({"cars-ssdlite": one}, people=two)
    assert host.detector("cars-ssdlite") is one
    assert host.detector("people") is two
    with pytest.raises(LookupError, match="there is no model 'cats'"):
        host.detector("cats")


# Blocks.


class GateManifest(ShapeManifest):
    """All kinds of settings."""

    zone: Polygon = Field(default=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))
    kind: Literal["in", "out"] = "in"
    least: int = Field(default=1, ge=1)


class Passed(NamedTuple):
    """How many, where, and at what time."""

    n: int
    place: str
    at_s: float


@block("gate@1", GateManifest)
class Gate:
    """Counts turns, and says where it stands."""

    def __init__(self, manifest: GateManifest, origin: Origin) -> None:
        self.manifest = manifest
        self._origin = origin
        self._n = 0

    def run(self, moment: Moment, detections: Detections) -> Passed:
        """Count."""
        self._n += len(detections)
        return Passed(self._n, self._origin.fill("{workflow}/{camera}/{step}"), moment.at_s)

    def stop(self, now: Moment) -> Passed:
        """Say it once more."""
        return Passed(self._n, "stop", now.at_s)


@block("restless@1", GateManifest)
class Restless:
    """Always says that it is time."""

    def __init__(self, manifest: GateManifest) -> None: ...

    def run(self, moment: Moment) -> Passed:
        """No."""
        return Passed(0, "", moment.at_s)

    def next_at(self, now: Moment) -> float:
        """Now."""
        return now.at_s

    def tick(self, now: Moment) -> None:
        """Nothing."""


def test_a_block_is_made_with_settings_as_a_file_gives_them() -> None:
    gate = make(Gate, zone=[[0, 0], [0.5, 0], [0.5, 0.5]], kind="out", least=3)
    assert gate.manifest.zone == ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5))
    assert (gate.manifest.kind, gate.manifest.least) == ("out", 3)
    assert gate.run(frame(2.0), detections(("a", (0, 0, 1, 1)))) == (1, "test/gate/step", 2.0)


def test_a_block_stands_where_it_is_told_to() -> None:
    gate = make(Gate, origin=Origin("yard", "p", "north", "count"))
    assert gate.run(frame(), detections()).place == "yard/north/count"


@pytest.mark.parametrize(
    "settings", [{"least": "3"}, {"least": 0}, {"lest": 3}, {"zone": [[0, 0], [2, 0], [0, 1]]}]
)
def test_settings_that_a_file_could_not_have_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        make(Gate, **settings)


def test_a_model_block_is_lent_a_model() -> None:
    person = detections(("person", (1, 2, 3, 4)), ("dog", (1, 2, 3, 4)))
    host = FixedHost(people=FixedDetector(person))
    found = make(ObjectDetection, host=host, model="people", labels=["person"])
    assert found.run(image()).detections.label.tolist() == ["person"]
    with pytest.raises(LookupError, match="there is no model 'people'"):
        make(ObjectDetection, model="people")


def test_what_is_no_block_is_refused() -> None:
    with pytest.raises(TypeError, match="ManualClock is no block"):
        make(ManualClock)


# Workflows.

COUNT = """
    version: 1
    name: count
    inputs:
      image: {type: image}
      kind: {type: string, default: in}
    steps:
      - {name: people, type: object_detection@1, image: $inputs.image, model: people}
      - {name: gate, type: gate@1, detections: $steps.people.detections, kind: $inputs.kind}
    outputs: {n: $steps.gate.n, place: $steps.gate.place}
"""


def host_of_one() -> FixedHost:
    return FixedHost(people=FixedDetector(detections(("person", (1, 2, 3, 4)))))


def test_a_workflow_is_run_on_frames_and_ends_with_the_stop() -> None:
    frames = [frame(number / 10, camera="north") for number in range(3)]
    turns = run_workflow(COUNT, frames, blocks=[Gate], host=host_of_one())
    assert [turn.outputs["n"] for turn in turns] == [1, 2, 3, 3]
    assert [turn.outputs["place"] for turn in turns] == ["count/north/gate"] * 3 + ["stop"]
    assert [turn.moment for turn in turns[:3]] == frames
    assert not isinstance(turns[3].moment, Frame)
    assert (turns[3].moment.at_s, turns[3].moment.captured_at) == (0.2, EPOCH_S + 0.2)


def test_ticks_that_are_due_at_the_end_come_before_the_stop() -> None:
    text = """
        version: 1
        name: desk
        inputs: {image: {type: image}}
        steps:
          - {name: people, type: object_detection@1, image: $inputs.image, model: people}
          - {name: early, type: absence@1, detections: $steps.people.detections, after_s: 0.5}
          - {name: late, type: absence@1, detections: $steps.people.detections, after_s: 0.75}
        outputs: {early: $steps.early.absent, late: $steps.late.absent}
    """
    nobody = FixedHost(people=FixedDetector(labels=["person"]))
    turns = run_workflow(text, [frame(0.0), frame(1.0)], host=nobody)
    assert [(turn.moment.at_s, dict(turn.outputs)) for turn in turns] == [
        (0.0, {"early": False, "late": False}),
        (0.5, {"early": True}),
        (0.75, {"late": True}),
        (1.0, {"early": True, "late": True}),
        (1.0, {}),
    ]


def test_without_frames_there_is_no_turn() -> None:
    assert run_workflow(COUNT, [], blocks=[Gate]) == []


def test_a_workflow_that_is_wrong_is_refused_with_its_place() -> None:
    with pytest.raises(DefinitionError, match=r"workflow\.yaml:8:24: .*unknown block 'gate@1'"):
        run_workflow(COUNT, [])
    with pytest.raises(DefinitionError, match="kind"):
        run_workflow(COUNT, [frame()], inputs={"kind": "up"}, blocks=[Gate], host=host_of_one())


def test_a_step_that_stops_the_pipeline_is_raised() -> None:
    text = COUNT.replace(
        "kind: $inputs.kind}", 'on_error: stop, when: "double(int(frame.sequence) % 0) == 0"}'
    )
    with pytest.raises(StepError, match="step gate, camera gate"):
        run_workflow(text, [frame()], blocks=[Gate], host=host_of_one())


def test_a_block_that_always_says_now_does_not_hang_the_test() -> None:
    text = "version: 1\nname: w\nsteps:\n  - {name: now, type: restless@1}\n"
    with pytest.raises(RuntimeError, match="more than 1000 ticks are due by 0 s"):
        run_workflow(text, [frame()], blocks=[Restless])
