'''For tests of blocks and of workflows: hand-made frames and finds, and time moved by hand.

A block by itself, with its settings as a workflow file would give them:

>>> from appliance.engine.testing import detections, frame, make
>>> from blocks.logic.absence import Absence
>>> desk = make(Absence, after_s=60)
>>> desk.run(frame(at_s=0.0), detections(("person", (10, 10, 20, 40)))).absent
False
>>> desk.run(frame(at_s=90.0), detections())
Absent(absent=True, for_s=90.0)

A whole workflow, with a model that finds what it is told to. Blocks that have something to do
while no frame comes do it at their time, here after a minute; the last turn is the stop:

>>> from appliance.engine.testing import FixedDetector, FixedHost, run_workflow
>>> workflow = """
... version: 1
... name: desk
... inputs: {image: {type: image}}
... steps:
...   - {name: people, type: object_detection@1, image: $inputs.image, model: people}
...   - {name: desk, type: absence@1, detections: $steps.people.detections, after_s: 60}
... outputs: {absent: $steps.desk.absent}
... """
>>> host = FixedHost(people=FixedDetector(detections(("person", (10, 10, 20, 40))), detections()))
>>> for turn in run_workflow(workflow, [frame(at_s=0.0), frame(at_s=90.0)], host=host):
...     print(turn.moment.at_s, dict(turn.outputs))
0.0 {'absent': False}
60.0 {'absent': True}
90.0 {'absent': True}
90.0 {}
'''

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from textwrap import dedent
from typing import Any, TypeVar, cast

import numpy as np

from appliance.engine.plan import load_plan
from appliance.engine.run import Run
from appliance.engine.ticks import MOST_TICKS, moment_at, next_tick
from appliance.engine.turn import Turn
from appliance.engine.validation import strict
from blocks.block import BlockType, Origin
from blocks.data import ClockState, Detections, Frame, Image, Moment
from blocks.host import (
    Classifier,
    Detector,
    Embedder,
    Gives,
    Host,
    Inspector,
    Lent,
    Reader,
    Segmenter,
)
from blocks.loading import load_blocks

B = TypeVar("B")

EPOCH_S = 1_767_225_600.0
"""The wall clock at the beginning of a test: midnight of 1 January 2026, UTC."""


class ManualClock:
    """An `appliance.clock.Clock` on which time passes only when it is told to, or waited for.

    Waiting takes no real time: it moves the clock by what was to be waited. `waits` are the
    seconds of every wait, in their order.
    """

    def __init__(self, now_s: float = EPOCH_S) -> None:
        self.waits: list[float] = []
        self._epoch_s = now_s
        self._passed_s = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """UTC, in seconds since 1970."""
        return self._epoch_s + self._passed_s

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._passed_s

    def cpu_s(self) -> float:
        """Seconds since the clock was made: as if all that passed had been computed."""
        return self._passed_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._passed_s += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock, ahead or back, as a time server does; no time passes."""
        with self._lock:
            self._epoch_s += seconds

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Let `seconds` pass at once, unless `stop` is set; say whether it is set."""
        if not stop.is_set():
            self.waits.append(seconds)
            self.advance(max(0.0, seconds))
        return stop.is_set()


def image(size: tuple[int, int] = (64, 48), bgr: tuple[int, int, int] = (0, 0, 0)) -> Image:
    """An image of `size` (width, height) in one colour, given as blue, green and red of 0..255."""
    width, height = size
    return Image.from_bgr(np.full((height, width, 3), bgr, np.uint8))


def frame(
    at_s: float = 0.0,
    *,
    camera: str = "gate",
    sequence: int = 0,
    image: Image | None = None,
    size: tuple[int, int] = (64, 48),
    clock: ClockState = "synchronised",
) -> Frame:
    """A frame taken `at_s` seconds after `EPOCH_S`: black, of `size` (width, height), if no image.

    `sequence` counts the frames of a camera; most blocks do not look at it.
    """
    width, height = size
    pixels = image or Image.from_bgr(np.zeros((height, width, 3), np.uint8))
    return Frame(camera, at_s, EPOCH_S + at_s, clock, sequence=sequence, image=pixels)


def detections(
    *found: tuple[str, tuple[float, float, float, float]],
    confidence: float | Sequence[float] = 1.0,
    tracker_id: Sequence[int] | None = None,
    columns: Mapping[str, Sequence[Any]] | None = None,
) -> Detections:
    """Detections of labels and boxes (x1, y1, x2, y2), in pixels of the frame.

    Args:
        found: A label and a box each. Labels get class ids in the order of their first mention.
        confidence: One for all, or one for each.
        tracker_id: One for each; by default there are none.
        columns: Further columns of `data`, a value for each.

    Raises:
        ValueError: a column has not as many values as there are boxes.
    """
    labels = [label for label, _ in found]
    known = list(dict.fromkeys(labels))
    sure = [confidence] * len(found) if isinstance(confidence, (int, float)) else confidence
    plain = Detections.of(
        [box for _, box in found],
        confidence=sure,
        class_id=[known.index(label) for label in labels],
        tracker_id=tracker_id,
        label=labels,
    )
    more = {name: np.asarray(values) for name, values in (columns or {}).items()}
    return Detections(
        plain.xyxy,
        plain.confidence,
        plain.class_id,
        plain.tracker_id,
        data={**plain.data, **more},
    )


class FixedDetector:
    """A model that finds what it is told to, one after another; the last for all that follow.

    It knows the `labels` that it is given, by default those of its finds. It looks at no image:
    the boxes stay those of the frame, also where it is shown a part of one.
    """

    def __init__(self, *found: Detections, labels: Sequence[str] | None = None) -> None:
        self._found = list(found) or [Detections.empty()]
        named = [label for finds in found for label in finds.label.tolist()]
        self._labels = tuple(dict.fromkeys(named if labels is None else labels))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes it knows."""
        return self._labels

    def detect(self, image: Image, confidence: float | None = None) -> Detections:  # noqa: ARG002 - a Detector
        """The next of its finds, at least this sure."""
        found = self._found.pop(0) if len(self._found) > 1 else self._found[0]
        return found if confidence is None else found[found.confidence >= confidence]

    def detect_many(
        self, images: Sequence[Image], confidence: float | None = None
    ) -> list[Detections]:
        """The next finds for each image."""
        return [self.detect(image, confidence) for image in images]


class FixedHost:
    """Lends the models that it is given, by their names; `FixedHost(people=FixedDetector(…))`.

    A model is anything with the method that blocks call: `detect`, `classify` and so on, as the
    protocols of `blocks/host.py` have it.
    """

    def __init__(self, models: Mapping[str, Lent] | None = None, /, **more: Lent) -> None:
        self._models = {**(models or {}), **more}

    def detector(self, model: str, gives: Gives = "boxes") -> Detector:  # noqa: ARG002 - a Host
        """The detector of that name. LookupError: there is none; so with the others, too."""
        return cast(Detector, self._lent(model, "detect"))

    def classifier(self, model: str) -> Classifier:
        """The classifier of that name."""
        return cast(Classifier, self._lent(model, "classify"))

    def segmenter(self, model: str) -> Segmenter:
        """The segmentation model of that name."""
        return cast(Segmenter, self._lent(model, "segment"))

    def reader(self, model: str) -> Reader:
        """The text reader of that name."""
        return cast(Reader, self._lent(model, "read"))

    def embedder(self, model: str) -> Embedder:
        """The embedding model of that name."""
        return cast(Embedder, self._lent(model, "embed"))

    def inspector(self, model: str) -> Inspector:
        """The anomaly model of that name."""
        return cast(Inspector, self._lent(model, "inspect"))

    def waiting(self) -> AbstractContextManager[None]:
        """Nothing: in a test nobody else waits for the processor."""
        return nullcontext()

    def _lent(self, model: str, method: str) -> Lent:
        if model not in self._models:
            raise LookupError(f"there is no model '{model}': give it to the FixedHost of the test")
        if not hasattr(self._models[model], method):
            raise LookupError(f"the model '{model}' of the test has no method `{method}`")
        return self._models[model]


def make(
    cls: type[B],
    /,
    *,
    host: Host | None = None,
    origin: Origin | None = None,
    **settings: Any,
) -> B:
    """A block as a step makes it: with settings as a workflow file would give them.

    Args:
        cls: The class under `@block`.
        host: What lends models to it; by default there are none.
        origin: Where the step stands; by default step `step` of workflow `test`, camera `gate`.
        settings: The keys of its manifest; lists and texts stand for tuples and enums.

    Raises:
        TypeError: the class is no block.
        ValueError: the settings do not fit; or what the block itself raises.
    """
    described = _described(cls)
    lent: dict[Any, Any] = {
        Host: host or FixedHost(),
        Origin: origin or Origin("test", "test", "gate", "step"),
    }
    manifest = strict(described.manifest, settings)
    made: B = described.cls(
        manifest, **{name: lent[kind] for name, kind in described.constructor.items()}
    )
    return made


def run_workflow(
    text: str,
    frames: Iterable[Frame],
    *,
    inputs: Mapping[str, Any] | None = None,
    blocks: Iterable[type[Any]] = (),
    host: Host | None = None,
) -> list[Turn]:
    """All turns of a workflow on the frames of one camera: those too that come without a frame.

    Ticks are run between the frames at their own times; the last turn is the stop, at the time of
    the last frame. Without any frame there is no turn.

    Args:
        text: The workflow file; it may be indented as a whole.
        frames: In their order, `at_s` never going back.
        inputs: The workflow's inputs; images are those of the frames.
        blocks: Classes of blocks, beside those that are installed.
        host: What lends models to the blocks; by default there are none.

    Raises:
        DefinitionError, InputError: the workflow or the inputs are refused.
        StepError: a step that says `on_error: stop` raised.
        RuntimeError: a block asks for ticks without end.
    """
    known = load_blocks() | {found.type: found for found in map(_described, blocks)}
    plan = load_plan(dedent(text).lstrip("\n"), "workflow.yaml", known)
    turns: list[Turn] = []
    run: Run | None = None
    for taken in frames:
        if run is None:
            origin = Origin(plan.name, "test", taken.camera, "")
            run = plan.start(inputs or {}, host or FixedHost(), origin)
        else:
            turns += _ticks(run, turns[-1].moment, taken)
        turns.append(run.turn(taken))
    if run is not None:
        last = turns[-1].moment
        turns += _ticks(run, last, last)
        turns.append(run.stop(moment_at(last.at_s, last)))
    return turns


def _ticks(run: Run, last: Moment, known: Moment) -> list[Turn]:
    """All that is due by the known moment."""
    turns: list[Turn] = []
    while (now := next_tick(run, last, known, known.at_s)) is not None:
        if len(turns) == MOST_TICKS:
            raise RuntimeError(f"more than {MOST_TICKS} ticks are due by {known.at_s:g} s")
        turns.append(run.tick(now))
        last = now
    return turns


def _described(cls: type[Any]) -> BlockType:
    described = vars(cls).get("block_type")
    if not isinstance(described, BlockType):
        raise TypeError(f"{cls.__qualname__} is no block: its class has no @block(…)")
    return described
