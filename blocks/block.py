"""What a block is: a manifest of settings, a `run` with typed inputs, a result with typed outputs.

Every name is written once. Settings are the manifest's fields, inputs the parameters of `run`,
outputs the fields of what `run` returns; `@block` reads them, and the engine checks wires by them.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from blocks.data import Event, Frame, Moment
from blocks.geometry import Units
from blocks.host import Host


@dataclass(frozen=True, slots=True)
class Names:
    """Marks a setting that names something outside the workflow: a model, a connection."""

    kind: str


ModelName = Annotated[str, Field(min_length=1), Names("model")]
ConnectionName = Annotated[str, Field(min_length=1), Names("connection")]


class Resets:
    """Marks a setting with which the state of a block is worth nothing once it changes."""

    def __repr__(self) -> str:
        return "RESETS"


RESETS = Resets()


class State(BaseModel):
    """What a block must not forget by a restart: one frozen model, replaced, never changed.

    A block that has a state says `state: MyState` in its class, and sets it in its constructor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class Manifest(BaseModel):
    """The settings of a step: fixed when the pipeline starts; a key it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ShapeManifest(Manifest):
    """Settings with lines or zones in them, and what their numbers count."""

    units: Annotated[Units, RESETS] = Field(
        default=Units.RELATIVE, description="`relative` (0..1 of the frame) or `pixels`."
    )

    @field_validator("*")
    @classmethod
    def _points_fit_their_units(cls, value: Any, info: ValidationInfo) -> Any:
        # `units` comes first, so it is known when the shapes are looked at.
        if info.data.get("units") is Units.RELATIVE:
            for x, y in _points_in(value):
                if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
                    raise ValueError(
                        f"the point [{x:g}, {y:g}] is outside 0..1 of the frame "
                        "(for pixels, set `units: pixels`)"
                    )
        return value


def _points_in(value: Any) -> Iterator[tuple[float, float]]:
    """The points of a shape, or of shapes in a tuple; none of what is not a shape."""
    for part in value if isinstance(value, tuple) else ():
        if isinstance(part, tuple) and len(part) == 2 and all(isinstance(n, float) for n in part):
            yield part
        else:
            yield from _points_in(part)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a step stands, for texts that name it. Bound by its type to a block's constructor."""

    workflow: str
    pipeline: str
    camera: str
    step: str

    def fill(self, template: str, label: str = "") -> str:
        """Put the names into a text: `{camera} {pipeline} {workflow} {step} {label}`.

        Raises:
            ValueError: the text has a brace with no name of these in it.
        """
        known = {"camera": self.camera, "pipeline": self.pipeline, "workflow": self.workflow}
        known |= {"step": self.step, "label": label}
        return _fill(template, known)


_PLACE = re.compile(r"\{\{|\}\}|\{(\w*)\}|[{}]")
TEMPLATE_NAMES = ("camera", "pipeline", "workflow", "step", "label")


def _fill(template: str, known: Mapping[str, str]) -> str:
    def put(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        name = match[1]
        if not name or name not in known:
            names = ", ".join(f"{{{name}}}" for name in known)
            raise ValueError(
                f"{match[0]} is not a place in a text; there are {names}, and {{{{ for a brace"
            )
        return known[name]

    return _PLACE.sub(put, template)


def _checked_template(template: str) -> str:
    _fill(template, dict.fromkeys(TEMPLATE_NAMES, ""))
    return template


Template = Annotated[str, AfterValidator(_checked_template)]
"""A text with places such as `{camera}` in it, checked when the manifest is made."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input of a block: its annotation, and what it is where it may be left out."""

    name: str
    annotation: Any
    required: bool
    default: Any = None


Scope = Literal["lane", "pipeline"]


@dataclass(frozen=True, slots=True)
class BlockType:
    """A registered block, as the engine sees it.

    `arguments` are the parameters of `run` in their order: those in `inputs` are wired, those in
    `given` are the frame or the moment. `batched` are the inputs that `run_many` takes as a
    sequence; None if there is no `run_many`. `state` is the model of what survives a restart.
    `example` are steps in YAML that show it at work on `$inputs.image`; empty if there are none.
    """

    name: str
    version: int
    manifest: type[Manifest]
    cls: type[Any]
    inputs: Mapping[str, Parameter]
    outputs: Mapping[str, Any]
    arguments: tuple[str, ...]
    given: Mapping[str, type[Any]]
    constructor: Mapping[str, type[Any]]
    emits: bool
    batched: frozenset[str] | None = None
    state: type[State] | None = None
    remembers: bool = False
    scope: Scope = "lane"
    commands: tuple[str, ...] = ()
    example: str = ""

    @property
    def type(self) -> str:
        """The name a workflow file uses: `name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def ticks(self) -> bool:
        """Whether it may have something to do when no frame comes."""
        return hasattr(self.cls, "tick")


T = TypeVar("T")
_TYPE = re.compile(r"([a-z][a-z0-9_]*)@([1-9][0-9]*)")
# Methods of a block that are called without a frame, and what they are given.
_TURNS = {
    "next_at": ("now",),
    "tick": ("now",),
    "stop": ("now",),
    "command": ("now", "name", "value"),
}


def block(
    type_: str, manifest: type[Manifest], *, remembers: bool = False, scope: Scope = "lane"
) -> Callable[[type[T]], type[T]]:
    """Make a class a block called `name@version`.

    The class has `__init__(self, manifest, …)`, further parameters being bound by their types
    (Host, Origin), and `run`, whose parameters are its inputs; one of type Frame or Moment is bound
    by the engine. `run` returns a NamedTuple of outputs, or an Event (a sink); None is: all absent.
    An output of type `tuple[X, ...]` is many: blocks that take one X run once for each.

    Beside `run` it may have, all with the same outputs:

    - `run_many`, with the parameters of `run`, some of them sequences: one call for all elements
      of a step that runs once for each. It returns a sequence of what `run` returns.
    - `next_at(now: Moment) -> float | None` and `tick(now: Moment)`: when, in `at_s`, it has
      something to do though no frame comes.
    - `command(now: Moment, name: Literal[…], value: Any)`: what others may ask of it.
    - `stop(now: Moment)`: the last turn of all.

    `awake_until`, a property, may ask for every frame until that time in `at_s`; None asks nothing.

    The class may say `example = "…"`: steps of a workflow file that show it at work, with
    those before it that it needs, up to `$inputs.image`.

    Args:
        type_: Name and version.
        manifest: The model of its settings.
        remembers: It keeps something from turn to turn, so it cannot run once for each. A block
            with a `state`, or with turns that need no frame, does so anyway.
        scope: `pipeline` if one instance stands for all cameras of a pipeline.

    Raises:
        TypeError: the class does not keep to that.
    """

    def register(cls: type[T]) -> type[T]:
        match = _TYPE.fullmatch(type_)
        if not match:
            raise TypeError(f"{cls.__qualname__}: a block's type is name@version, not {type_!r}")
        found = _describe(cls, match[1], int(match[2]), manifest)
        turns = any(hasattr(cls, method) for method in _TURNS)
        kept = remembers or found.state is not None or turns or scope == "pipeline"
        found = replace(found, remembers=kept, scope=scope)
        cls.block_type = found  # type: ignore[attr-defined]  # given here
        return cls

    return register


def _describe(cls: type[Any], name: str, version: int, manifest: type[Manifest]) -> BlockType:
    run = getattr(cls, "run", None)
    if run is None:
        raise TypeError(f"{cls.__qualname__}: a block has a method run")
    hints = get_type_hints(run, include_extras=True)
    result = _without_none(hints.pop("return", None))
    inputs: dict[str, Parameter] = {}
    given: dict[str, type[Any]] = {}
    parameters = list(inspect.signature(run).parameters.values())[1:]
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{cls.__qualname__}.run: *{parameter.name} names no input")
        if parameter.kind is parameter.KEYWORD_ONLY:
            raise TypeError(f"{cls.__qualname__}.run: {parameter.name} may not be keyword-only")
        if parameter.name not in hints:
            raise TypeError(f"{cls.__qualname__}.run: the parameter {parameter.name} has no type")
        annotation = hints[parameter.name]
        if annotation in (Frame, Moment):
            given[parameter.name] = annotation
            continue
        required = parameter.default is inspect.Parameter.empty
        default = None if required else parameter.default
        inputs[parameter.name] = Parameter(parameter.name, annotation, required, default)
    clash = set(inputs) & set(manifest.model_fields)
    if clash:
        raise TypeError(f"{cls.__qualname__}: {min(clash)} is both a setting and an input")
    return BlockType(
        name=name,
        version=version,
        manifest=manifest,
        cls=cls,
        inputs=inputs,
        outputs=_outputs(cls, result),
        arguments=tuple(parameter.name for parameter in parameters),
        given=given,
        constructor=_constructor(cls),
        emits=result is Event,
        batched=_batched(cls),
        state=_state(cls),
        commands=_commands(cls),
        example=_example(cls),
    )


def _without_none(result: Any) -> Any:
    """What a block returns when it returns something."""
    given = [part for part in get_args(result) if part is not type(None)]
    return given[0] if get_origin(result) in (Union, UnionType) and len(given) == 1 else result


def _outputs(cls: type[Any], result: Any) -> dict[str, Any]:
    if result is Event:
        return {}
    if isinstance(result, type) and issubclass(result, tuple) and hasattr(result, "_fields"):
        return get_type_hints(result, include_extras=True)
    raise TypeError(f"{cls.__qualname__}.run: returns a NamedTuple of outputs, or an Event")


def _batched(cls: type[Any]) -> frozenset[str] | None:
    """The inputs that `run_many` takes as sequences; None if there is no `run_many`."""
    run_many = getattr(cls, "run_many", None)
    if run_many is None:
        return None
    if list(inspect.signature(run_many).parameters) != list(inspect.signature(cls.run).parameters):
        raise TypeError(f"{cls.__qualname__}.run_many: its parameters are called as those of run")
    hints, single = get_type_hints(run_many), get_type_hints(cls.run)
    names = single.keys() - {"return"}
    found = {n for n in names if get_origin(hints.get(n)) is Sequence and hints[n] != single[n]}
    if not found:
        raise TypeError(f"{cls.__qualname__}.run_many: at least one parameter is a Sequence[…]")
    return frozenset(found)


def _state(cls: type[Any]) -> type[State] | None:
    state = get_type_hints(cls).get("state")
    if state is None:
        return None
    if not (isinstance(state, type) and issubclass(state, State)):
        raise TypeError(f"{cls.__qualname__}.state: its type is a State")
    return state


def _commands(cls: type[Any]) -> tuple[str, ...]:
    """The names of its commands; on the way, the form of all that is called without a frame."""
    for method, wanted in _TURNS.items():
        function = getattr(cls, method, None)
        if function and tuple(inspect.signature(function).parameters)[1:] != wanted:
            raise TypeError(f"{cls.__qualname__}.{method}: takes ({', '.join(wanted)})")
    if hasattr(cls, "tick") != hasattr(cls, "next_at"):
        raise TypeError(f"{cls.__qualname__}: tick and next_at go together")
    if not hasattr(cls, "command"):
        return ()
    names = get_type_hints(cls.command).get("name")
    if get_origin(names) is not Literal:
        raise TypeError(f"{cls.__qualname__}.command: `name` is a Literal of the commands")
    return get_args(names)


def _example(cls: type[Any]) -> str:
    example = getattr(cls, "example", "")
    if not isinstance(example, str):
        raise TypeError(f"{cls.__qualname__}.example: is a text, the steps of a workflow file")
    return inspect.cleandoc(example)


def _constructor(cls: type[Any]) -> dict[str, type[Any]]:
    parameters = list(inspect.signature(cls.__init__).parameters)
    if cls.__init__ is object.__init__ or len(parameters) < 2:
        raise TypeError(f"{cls.__qualname__}.__init__: its first parameter is the manifest")
    hints, names = get_type_hints(cls.__init__), parameters[2:]
    for name in names:
        if hints.get(name) not in (Host, Origin):
            raise TypeError(f"{cls.__qualname__}.__init__: {name} is neither a Host nor an Origin")
    return {name: hints[name] for name in names}
