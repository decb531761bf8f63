"""The workflows that ship: each is checked, runs, and says what it promises at its head."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from appliance.cli import main
from appliance.engine.testing import FixedDetector, FixedHost, detections, frame, run_workflow
from appliance.engine.turn import Turn
from blocks.data import Image
from blocks.host import Host, Lent
from blocks.predictions import Anomaly
from tests.blocks.stand_ins import AnyModel, anything

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "workflows").glob("*.yaml"))
# What the labels that the workflows name are given to, whatever their model.
LABELS = ("person", "material", "bad", "good")
SIZE = (640, 480)


def name_of(file: Path) -> str:
    return file.stem


def run(name: str, host: Host, *at_s: float, **inputs: Any) -> list[Turn]:
    text = (ROOT / "workflows" / f"{name}.yaml").read_text("utf-8")
    turns = run_workflow(
        text, [frame(s, size=SIZE) for s in at_s or (0.0,)], inputs=inputs, host=host
    )
    assert [turn.failures for turn in turns if turn.failures] == []
    return turns


def said(turns: list[Turn]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(event.type, event.data) for turn in turns for event in turn.events]


def lent(**models: Any) -> FixedHost:
    found: dict[str, Lent] = models
    return FixedHost(found)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_workflow_passes_check_without_a_warning(file: Path) -> None:
    done = CliRunner().invoke(main, ["check", str(file)])
    assert done.exit_code == 0, done.output
    assert f"{file}: ok, " in done.output
    assert "warning" not in done.output


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_workflow_runs_on_stand_ins(file: Path) -> None:
    host = anything(labels=LABELS, scores=(0.1, 0.1, 0.9, 0.0))
    turns = run(file.stem, host, 0.0, 1.0)
    assert host.model.asked
    assert turns[0].outputs


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_workflow_says_what_it_does_and_how_to_try_it(file: Path) -> None:
    text = file.read_text("utf-8")
    head = text.partition("\nversion:")[0].splitlines()
    assert head[0] == "# yaml-language-server: $schema=workflow.schema.json"
    assert len(head) >= 3
    assert head[-1].startswith(f"# Try it: appliance run workflows/{file.name} --source VIDEO")
    assert "--output" not in head[-1] or "annotate@1" in text


def test_the_pages_list_every_workflow() -> None:
    page = (ROOT / "docs" / "models.md").read_text("utf-8")
    listed = set(re.findall(r"\]\(\.\./workflows/([\w-]+)\.yaml\)", page))
    assert listed == {file.stem for file in FILES}


def test_each_plate_is_an_event_with_its_number() -> None:
    plates = detections(("plate", (100, 200, 200, 230)), ("plate", (400, 100, 480, 130)))
    host = lent(plates=FixedDetector(plates), text=AnyModel(lines=[("B-XY 123", 0.9), ("!", 0.9)]))
    turns = run("read-plates", host)
    assert said(turns) == [
        ("read-plates.read", {"label": "B-XY 123", "confidence": 0.9}),
        ("read-plates.read", {"label": "B-XY 123", "confidence": 0.9}),
    ]
    first = turns[0].events[0]
    assert first.cooldown_s == 60
    assert turns[0].outputs["numbers"].label.tolist() == ["B-XY 123", "B-XY 123"]


def test_what_is_printed_wrong_is_an_event_and_what_is_right_is_none() -> None:
    wrong = run("check-label", lent(text=AnyModel(lines=[("LOT 77", 0.9)])))
    assert said(wrong) == [("check-label.wrong", {"expected": "L[O0]T ?[0-9]{4,8}"})]
    right = run("check-label", lent(text=AnyModel(lines=[("LOT 123456", 0.9)])))
    assert said(right) == []
    assert right[0].outputs["text"] == "LOT 123456"


def sorting(*scores: float) -> list[Turn]:
    return run("sort-parts", lent(parts=AnyModel(labels=("good", "bad", "empty"), scores=scores)))


def test_a_bad_part_is_rejected_and_an_unsure_one_is_kept_to_be_looked_at() -> None:
    assert [kind for kind, _ in said(sorting(0.1, 0.9, 0.0))] == ["sort-parts.reject"]
    assert [kind for kind, _ in said(sorting(0.4, 0.6, 0.0))] == ["sort-parts.unsure"]
    assert said(sorting(0.9, 0.1, 0.0)) == []
    assert sorting(0.9, 0.1, 0.0)[0].outputs["label"] == "good"


@pytest.mark.parametrize(("score", "events"), [(0.4, []), (0.8, ["inspect-part.reject"])])
def test_a_part_unlike_good_ones_is_rejected(score: float, events: list[str]) -> None:
    found = Anomaly(score, 0.5, np.array([[0.2, score]], np.float32), (192, 96, 448, 384))
    turns = run("inspect-part", lent(part=AnyModel(anomaly=found)))
    assert [kind for kind, _ in said(turns)] == events
    assert turns[0].outputs["anomalous"] == bool(events)


@pytest.mark.parametrize(
    ("box", "down"), [((100, 300, 260, 360), True), ((100, 150, 160, 360), False)]
)
def test_who_lies_is_an_event_and_who_stands_is_none(
    box: tuple[int, int, int, int], *, down: bool
) -> None:
    turns = run("person-down", lent(pose=FixedDetector(detections(("person", box)))))
    events = [event for turn in turns for event in turn.events]
    assert [event.type for event in events] == ["person-down.down"] * down


@pytest.mark.parametrize(
    ("limits", "events"),
    [
        ({}, []),
        ({"full": 0.4}, ["heap-level.too_full"]),
        ({"low": 0.6}, ["heap-level.nearly_empty"]),
    ],
)
def test_a_heap_that_covers_too_much_or_too_little_is_an_event(
    limits: dict[str, float], events: list[str]
) -> None:
    turns = run("heap-level", lent(surfaces=AnyModel(labels=("material", "floor"))), **limits)
    assert [kind for kind, _ in said(turns)] == events
    assert turns[0].outputs["covered"] == 0.5


class Crowd(AnyModel):
    """A person in every square and none in the whole; it notes how large what it saw was."""

    def detect(self, image: Image, confidence: float | None = None) -> Any:
        self.asked.append((image, confidence))
        if (image.width, image.height) == SIZE:
            return detections()
        box = image.to_frame(np.array([[150, 150, 170, 200]], np.float32))[0]
        return detections(("person", tuple(box.tolist())))


def test_small_people_are_found_square_by_square_and_a_crowd_is_an_event() -> None:
    model = Crowd()
    turns = run("far-people", lent(**{"people-ssdlite": model}), square=320, most=3)
    seen = [(image.width, image.height) for image, _ in model.asked]
    assert seen == [SIZE] + [(320, 320)] * 6
    assert turns[0].outputs["people"] == 6
    assert said(turns) == [("far-people.crowded", {"people": 6})]
