"""A workflow in Python: loaded once, run on single pictures or on a sequence of them.

A workflow may be used by any number of threads. A session belongs to one thread at a time.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from appliance.clock import Clock, SystemClock
from appliance.engine.annotations import words
from appliance.engine.errors import InputError, suggestion
from appliance.engine.failures import StepFailure, told_plainly
from appliance.engine.plan import Plan, load_plan
from appliance.engine.run import Run
from appliance.engine.ticks import MOST_TICKS, moment_at, next_tick
from appliance.inference.declared import cards
from appliance.inference.models import Models
from appliance.inference.store import Store
from appliance.observe.log import use_logging_of_python
from appliance.pipelines.lane import OVERDUE
from appliance.pipelines.planning import plan_file
from appliance.result import Result
from appliance.settings import Settings, default_state_dir, sources_for
from appliance.shipped import shipped
from appliance.sources import SettingsError
from blocks.block import Origin
from blocks.data import Frame, Image, Moment, Pixels
from blocks.loading import load_blocks

CAMERA = "python"
TEXT = "text"

Picture = Image | Pixels | str | Path


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a workflow: its type in words and in Python, and what it is if it is left out."""

    words: str
    annotation: Any
    required: bool
    default: Any = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a workflow: its type in words and in Python."""

    words: str
    annotation: Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Workflow:
    """A checked workflow; make it by `load` or `from_text`.

    Its models are loaded when a run first needs them, and shared by all runs. `file` is where it
    was read from; the file's name without its end is the name of the pipeline, as in the command
    `appliance run`.
    """

    plan: Plan
    file: Path
    models: Models

    @classmethod
    def load(cls, file: str | Path, *, state_dir: str | Path | None = None) -> "Workflow":
        """Read a workflow file, or take one that ships by its name, such as `people-count`.

        Secrets, included files and environment variables are those that the command line sees.
        `state_dir` is where the models lie, `.appliance` by default.

        Raises:
            SettingsError: the file cannot be read.
            DefinitionError: everything that is wrong in it.
        """
        path = _place(Path(file))
        plan = plan_file(path, load_blocks())
        return cls(plan, path, _models(plan, state_dir))

    @classmethod
    def from_text(cls, text: str, *, state_dir: str | Path | None = None) -> "Workflow":
        """Take a workflow from a text, in YAML or JSON, as if its file lay in the current folder.

        Raises:
            DefinitionError: everything that is wrong in it.
        """
        _refuse_no_text(text)
        plan = load_plan(text, TEXT, load_blocks(), sources_for(Path(TEXT)))
        return cls(plan, Path(f"{plan.name}.yaml"), _models(plan, state_dir))

    @property
    def name(self) -> str:
        """The workflow's own name."""
        return self.plan.name

    @property
    def inputs(self) -> dict[str, Input]:
        """What it takes."""
        return {
            name: Input(
                words(spec.annotation),
                spec.annotation,
                not spec.has_default,
                spec.default,
                spec.description,
            )
            for name, spec in self.plan.definition.inputs.items()
        }

    @property
    def outputs(self) -> dict[str, Output]:
        """What it gives, unless it is absent."""
        return {name: Output(words(t), t) for name, t in self.plan.output_types.items()}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What in it is probably not meant, each as a sentence with its place."""
        return tuple(map(str, self.plan.told(self.plan.warnings)))

    def run(self, image: Picture | None = None, **inputs: Any) -> Result:
        """Run it on one picture, with nothing remembered from another run.

        Args:
            image: An array of (height, width, 3) of uint8, blue first, as OpenCV has it; an Image;
                or the path of a picture. It may be left out where no step looks at one.
            inputs: The inputs of the workflow, by their names.

        Raises:
            InputError: the picture or an input does not fit.
            DefinitionError: a setting does not fit, or a model is not there.
            StepError: a step failed that says `on_error: stop`.
        """
        return self.session(**inputs).run(image)

    def session(self, camera: str = CAMERA, **inputs: Any) -> "Session":
        """Begin a sequence of pictures from one camera: tracks, counts and states go on.

        Raises as `run` does.
        """
        return Session(self, camera, SystemClock(), inputs)

    @property
    def takes_pictures(self) -> bool:
        """Whether any step looks at a picture."""
        inputs = self.plan.definition.inputs.values()
        return any(i.annotation is Image for i in inputs) or any(
            step.needs_frame for step in self.plan.steps
        )

    def __repr__(self) -> str:
        return f"Workflow({self.name!r}, inputs={[*self.inputs]}, outputs={[*self.outputs]})"


class Session:
    """A workflow at work on one camera; use it in a `with` statement, or end it with `stop`.

    `at_s` is the time of a picture in seconds, on a line that never goes back: all durations,
    windows and speeds are reckoned by it. `captured_at` is UTC in seconds since 1970, the label of
    events. Left out, `at_s` goes on from the last turn as the clock does, from 0 at the first, and
    `captured_at` goes along with it.

    Where a step that says `on_error: stop` ends a call, what was done before it is not lost: those
    ticks come first in the next result. The end of a `with` statement drops what `stop` gives: call
    it there yourself where steps hold something back.
    """

    def __init__(
        self, workflow: Workflow, camera: str, clock: Clock, inputs: Mapping[str, Any]
    ) -> None:
        origin = Origin(workflow.name, workflow.file.stem, camera, "")
        for name, spec in workflow.plan.definition.inputs.items():
            if spec.annotation is Image and name in inputs:
                raise InputError(f"the input '{name}' is the picture: give it to run, as image=…")
        given = plain_inputs(inputs)
        self._run: Run = workflow.plan.start(given, workflow.models, origin)
        self._workflow = workflow
        self._camera = camera
        self._clock = clock
        self._sequence = 0
        # The moment of the last turn, and what the clock showed then.
        self._last: Moment | None = None
        self._taken_s = 0.0
        # What fell due and has not been given to anybody yet.
        self._ticks: list[Result] = []
        self._stopped = False

    def run(
        self,
        image: Picture | None = None,
        at_s: float | None = None,
        captured_at: float | None = None,
    ) -> Result:
        """Run the workflow on the next picture; `image` is as in `Workflow.run`.

        Raises:
            InputError: the picture does not fit, or its time is before that of the last turn.
            StepError: a step failed that says `on_error: stop`.
        """
        picture = self._picture(image)
        now = self._advance(at_s, captured_at)
        frame = Frame(now.camera, now.at_s, now.captured_at, sequence=self._sequence, image=picture)
        self._sequence += 1
        return Result.of(self._run.turn(frame), self._taken_ticks())

    def tick(self, at_s: float | None = None) -> tuple[Result, ...]:
        """Let time pass without a picture, and run what falls due until then, each at its time.

        `run` and `stop` do so, too; this is for times in which no picture comes.
        """
        self._advance(at_s, None)
        return tuple(self._taken_ticks())

    def command(self, step: str, name: str, value: Any = None, at_s: float | None = None) -> Result:
        """Give a command to a step, such as a reset.

        Raises:
            InputError: there is no such step, or it has no such command.
        """
        now = self._advance(at_s, None)
        return Result.of(self._run.command(step, name, value, now), self._taken_ticks())

    def stop(self, at_s: float | None = None) -> Result:
        """The last turn: what steps have held back until now comes out. Nothing runs after it.

        Left out, `at_s` is that of the turn before.
        """
        now = self._advance(self._at_s if at_s is None else at_s, None)
        self._stopped = True
        return Result.of(self._run.stop(now), self._taken_ticks())

    @property
    def next_at(self) -> float | None:
        """When, in `at_s`, the next `tick` has something to do; None if nothing waits."""
        return None if self._last is None else self._run.next_at(self._last)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._stopped:
            return
        try:
            self.stop()
        except Exception:
            # What went wrong in the body comes first.
            if error is None:
                raise

    @property
    def _at_s(self) -> float:
        return 0.0 if self._last is None else self._last.at_s

    def _advance(self, at_s: float | None, captured_at: float | None) -> Moment:
        """Go on to a time, with the ticks on the way to it; the moment that it is then."""
        if self._stopped:
            raise InputError("this session has been stopped: begin another one")
        last = self._last
        for name, given in (("at_s", at_s), ("captured_at", captured_at)):
            _refuse_no_number(name, given)
        if at_s is None:
            passed_s = 0.0 if last is None else self._clock.monotonic() - self._taken_s
            at_s = self._at_s + passed_s
        if not math.isfinite(at_s) or (last is not None and at_s < last.at_s):
            raise InputError(
                f"at_s is {at_s:g}, after a turn at {self._at_s:g}: time in seconds never goes back"
            )
        if captured_at is None:
            known = last or Moment(self._camera, at_s, self._clock.now())
            now = moment_at(float(at_s), known)
        else:
            now = Moment(self._camera, float(at_s), float(captured_at))
        if last is not None:
            self._run_ticks(last, now)
        self._last, self._taken_s = now, self._clock.monotonic()
        return now

    def _taken_ticks(self) -> list[Result]:
        taken, self._ticks = self._ticks, []
        return taken

    def _run_ticks(self, last: Moment, until: Moment) -> None:
        """What is due by then, each at its time; as a lane does it."""
        for _ in range(MOST_TICKS):
            due = next_tick(self._run, last, until, until.at_s)
            if due is None:
                return
            # Of one that raises the time has passed, too, and those before it are kept.
            last = self._last = due
            self._taken_s = self._clock.monotonic()
            self._ticks.append(Result.of(self._run.tick(due)))
        what = (
            f"more than {MOST_TICKS} ticks were due by {until.at_s:.3f} s: a block asks too often"
        )
        error = RuntimeError(what)
        failure = StepFailure(OVERDUE, error, what=told_plainly(error))
        self._ticks.append(Result({}, (), (failure,), last))

    def _picture(self, image: Picture | None) -> Image:
        if image is not None:
            return _image(image)
        if self._workflow.takes_pictures:
            raise InputError(f"the workflow {self._workflow.name} looks at a picture: give image=…")
        return _NOTHING


def plain_inputs(given: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs in the form in which a file has them: no arrays and numbers of numpy, no tuples."""
    return {name: _plain(value) for name, value in given.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def _refuse_no_text(text: object) -> None:
    if not isinstance(text, str):
        kind = type(text).__name__
        raise TypeError(f"from_text takes the text of a workflow, in YAML or JSON, not {kind}")


def _refuse_no_number(name: str, given: object) -> None:
    if isinstance(given, bool) or not isinstance(given, Real | None):
        raise InputError(f"{name} is a number of seconds, not {given!r}")


_NOTHING = Image.from_bgr(np.zeros((1, 1, 3), np.uint8))


def _image(given: object) -> Image:
    if isinstance(given, Image):
        return given
    if isinstance(given, str | Path):
        return _image_in(Path(given))
    if not isinstance(given, np.ndarray):
        kind = type(given).__name__
        raise InputError(f"image is an array, an Image or the path of a picture, not {kind}")
    try:
        return Image.from_bgr(given)
    except ValueError as error:
        raise InputError(str(error)) from None


def _image_in(path: Path) -> Image:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}") from None
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise InputError(f"{path}: this is no picture that can be read, such as a JPEG or PNG")
    return Image.from_bgr(np.asarray(pixels, np.uint8))


def _place(path: Path) -> Path:
    """The file that is meant: itself, or the one that ships under this name."""
    if path.suffix or len(path.parts) != 1 or path.exists():
        return path
    found = shipped(f"workflows/{path}.yaml")
    if found.exists():
        return found
    names = [file.stem for file in found.parent.glob("*.yaml")]
    hint = suggestion(str(path), names)
    raise SettingsError(f"{path}: there is no such file, and no workflow ships by this name{hint}")


def _models(plan: Plan, state_dir: str | Path | None) -> Models:
    use_logging_of_python()
    place = Path(state_dir) if state_dir is not None else default_state_dir()
    settings = Settings(place, cameras={}, connections={}, pipelines={}, base=Path())
    return Models(Store(place), cards(settings, plan.needs()))
