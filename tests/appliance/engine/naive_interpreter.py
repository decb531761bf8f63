"""Workflows as plain data, and an interpreter that knows nothing but what the language means.

Written from docs/architecture.md: recursive, with nested lists and Python's own `eval`. It shares
no code with the engine, takes its time, and is right if it can be read.

A value that is many along axes (a, b) is a list with one list for each element of a. At any depth
ABSENT stands for what is not there, and LOST for what hangs on a step that raised.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ABSENT, LOST = "absent", "lost"
OUTSIDE = "outside:"

Axes = tuple[str, ...]
Path = tuple[int, ...]


@dataclass(frozen=True)
class Ref:
    """A selector, without its dollar."""

    name: str


@dataclass(frozen=True)
class Formula:
    """An expression, in CEL and in Python, where `v[name]` is a value and `p[name]` a presence."""

    cel: str
    python: str
    names: tuple[str, ...]
    asked: tuple[str, ...]


@dataclass(frozen=True)
class Input:
    """What a block takes; `collects` takes many, in which `holes` are kept as None."""

    required: bool = True
    default: Any = None
    collects: bool = False
    holes: bool = False


@dataclass(frozen=True)
class Block:
    """What a block is to the interpreter.

    `run` is given the arguments in their order. `whole` says that all elements are given to the
    block in one call, so that one that raises loses all of them; `emits` that it gives an event.
    """

    inputs: Mapping[str, Input]
    outputs: tuple[str, ...]
    run: Callable[..., Any]
    many: bool = False
    whole: bool = False
    remembers: bool = False
    emits: bool = False


@dataclass(frozen=True)
class Step:
    """A step; `file` is the workflow that runs as this step, or None."""

    name: str
    type: str
    given: Mapping[str, Any]
    when: Formula | None = None
    file: "Workflow | None" = None


@dataclass(frozen=True)
class Workflow:
    """A workflow; an input without a default has None."""

    name: str
    inputs: Mapping[str, float | None]
    steps: tuple[Step, ...]
    outputs: Mapping[str, Any]


@dataclass
class Result:
    """What one turn led to: outputs, data of events and lost elements by step."""

    outputs: dict[str, Any] = field(default_factory=dict)
    events: dict[str, list[Any]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)


class Naive:
    """A workflow on one camera; `count` is how often each step that remembers has run."""

    def __init__(
        self, workflow: Workflow, blocks: Mapping[str, Block], inputs: Mapping[str, float]
    ) -> None:
        self._workflow = workflow
        self._blocks = blocks
        self._inputs = inputs
        self._count: dict[str, int] = {}

    def turn(self, sequence: int) -> Result:
        """Run all steps on a frame."""
        turn = _Turn(self._blocks, self._count)
        turn.put("frame.sequence", (), sequence)
        for name, default in self._workflow.inputs.items():
            turn.put(f"inputs.{name}", (), self._inputs.get(name, default))
        turn.run(self._workflow, "", None)
        for name, written in self._workflow.outputs.items():
            full = written.name if isinstance(written, Ref) else f"outputs.{name}.value"
            found = _shown(turn.values[full])
            if turn.values[full] not in (ABSENT, LOST):
                turn.result.outputs[name] = found
        return turn.result


class _Turn:
    def __init__(self, blocks: Mapping[str, Block], count: dict[str, int]) -> None:
        self.values: dict[str, Any] = {}
        self.axes: dict[str, Axes] = {}
        self.result = Result()
        self._groups: dict[str, Any] = {}
        self._blocks = blocks
        self._count = count

    def put(self, name: str, axes: Axes, value: Any) -> None:
        self.values[name], self.axes[name] = value, axes

    def run(self, workflow: Workflow, prefix: str, gate: str | None) -> None:
        """All steps of a file, each after those that it names, and then what leaves the file."""
        waiting = list(workflow.steps)
        while waiting:
            step = next(
                s
                for s in waiting
                if all(self._full(n, prefix) in self.values for n in _named(s.given, s.when))
            )
            waiting.remove(step)
            if step.file is None:
                self._step(step, self._blocks[step.type], prefix, gate)
            else:
                self._enter(step, step.file, prefix, gate)
        for name, written in workflow.outputs.items():
            if not isinstance(written, Ref):
                exit_block = Block({"value": Input()}, ("value",), lambda value: (value,))
                leaving = Step(f"outputs.{name}", "", {"value": written})
                self._step(leaving, exit_block, prefix, gate)

    def _enter(self, step: Step, file: Workflow, prefix: str, gate: str | None) -> None:
        inputs = {n: Input(default is None, default) for n, default in file.inputs.items()}
        names = tuple(f"{step.name}/inputs.{name}" for name in inputs)
        passing = Block(inputs, names, lambda *values: values)
        self._step(step, passing, prefix, gate)
        inner = f"{prefix}{step.name}/"
        self.run(file, inner, f"{prefix}steps.{step.name}")
        for name, written in file.outputs.items():
            leaves = isinstance(written, Ref)
            full = self._full(written.name, inner) if leaves else f"{inner}outputs.{name}.value"
            self.put(f"{prefix}steps.{step.name}.{name}", self.axes[full], self.values[full])

    def _full(self, name: str, prefix: str) -> str:
        return name if name == "frame.sequence" or name in ("item", "index") else prefix + name

    def _step(self, step: Step, block: Block, prefix: str, gate: str | None) -> None:
        call = _Call(self, step, block, prefix, gate)
        made = call.all()
        kind = "" if step.name.startswith("outputs.") else "steps."
        ran = f"{prefix}{kind}{step.name}"
        self.put(ran, call.axes, _mapped(made, lambda _: True))
        for i, output in enumerate(block.outputs):
            full = f"{prefix}{output}" if "/" in output else f"{ran}.{output}"
            below = (*call.axes, full_name(prefix, step)) if block.many else call.axes
            # Of what a block gives only its values are many, not what it says of all of them.
            axes = below if _is_many(block, output) else call.axes
            self.put(full, axes, _mapped(made, _part(i, many=_is_many(block, output))))
        if block.many:
            self._groups[full_name(prefix, step)] = _mapped(made, _length)
        if block.emits:
            found = list(_leaves(made))
            if found:
                self.result.events[full_name(prefix, step)] = found

    def groups(self, axis: str, path: Path) -> Any:
        """How many elements a step gave there; ABSENT or LOST if it did not run, or raised."""
        return _at(self._groups[axis], path)

    def count(self, name: str) -> int:
        """How often a step that remembers has run, with this time."""
        self._count[name] = self._count.get(name, 0) + 1
        return self._count[name]


class _Call:
    """One step in one turn."""

    def __init__(
        self, turn: _Turn, step: Step, block: Block, prefix: str, gate: str | None
    ) -> None:
        self._turn, self._step, self._block = turn, step, block
        self._prefix, self._gate = prefix, None if gate is None else OUTSIDE + gate
        self._name = full_name(prefix, step)
        along = [self._axes_of(name) for name in self._plain()]
        along += [self._axes_of(name)[:-1] for name in self._collected()]
        self.axes = max(along, key=len, default=())
        # Many values of different origin cannot meet in one step.
        assert all(self.axes[: len(axes)] == axes for axes in along)
        self._lost = 0

    def all(self) -> Any:
        """What the step gives, as a nested list along its axes."""
        everything = [*self._plain(), *self._collected()]
        if any(self._turn.values[self._full(name)] == LOST for name in everything):
            return LOST
        made = self._in_one_call() if self._block.whole else self._each((), self._one)
        if self._lost:
            self._turn.result.failures[self._name] = self._lost
        return made

    def _each(self, path: Path, work: Callable[[Path], Any]) -> Any:
        if len(path) == len(self.axes):
            return work(path)
        group = self._turn.groups(self.axes[len(path)], path)
        if group in (ABSENT, LOST):
            return group
        return [self._each((*path, i), work) for i in range(group)]

    def _one(self, path: Path) -> Any:
        try:
            arguments = self._arguments(path)
            if arguments in (ABSENT, LOST):
                return arguments
            if self._block.remembers:
                arguments.append(self._turn.count(self._name))
            made = self._block.run(*arguments)
        except _STEP_ERRORS:
            self._lost += 1
            return LOST
        return ABSENT if made is None else made

    def _in_one_call(self) -> Any:
        given: dict[Path, Any] = {}

        def prepare(path: Path) -> Any:
            try:
                given[path] = self._arguments(path)
            except _STEP_ERRORS:
                self._lost += 1
                given[path] = LOST

        shape = self._each((), prepare)
        ready = [path for path, arguments in given.items() if arguments not in (ABSENT, LOST)]
        try:
            made = {path: self._block.run(*given[path]) for path in ready}
        except _STEP_ERRORS:
            self._lost += len(ready)
            made = dict.fromkeys(ready, LOST)
        found = given | {p: ABSENT if one is None else one for p, one in made.items()}
        return self._each((), found.__getitem__) if shape not in (ABSENT, LOST) else shape

    def _arguments(self, path: Path) -> Any:
        """What the block is given for one element; ABSENT or LOST if it is not run."""
        seen = [self._value(name, path) for name in self._plain()]
        seen += [self._collect(name, path, holes=True) for name in self._collected()]
        if any(value == LOST for value in seen):
            return LOST
        if self._gate is not None and self._value(self._gate, path) == ABSENT:
            return ABSENT
        inputs, given = self._block.inputs, self._step.given
        for name, written in given.items():
            needed = inputs[name].required and self._is_wire(name)
            if needed and self._value(written.name, path) == ABSENT:
                return ABSENT
        if self._step.when is not None and self._worked_out(self._step.when, path) is not True:
            return ABSENT
        arguments = [self._argument(name, path) for name in inputs]
        for i, taken in enumerate(inputs.values()):
            if arguments[i] == ABSENT:
                if taken.required:
                    return ABSENT
                arguments[i] = taken.default
        return arguments

    def _argument(self, name: str, path: Path) -> Any:
        taken, given = self._block.inputs[name], self._step.given
        if name not in given:
            return taken.default
        written = given[name]
        if taken.collects and isinstance(written, Ref):
            if taken.holes:
                return self._collect(written.name, path, holes=True)
            return self._collect_jointly(written.name, path)
        if taken.collects:
            parts = [self._made(part, path) for part in written]
            if taken.holes:
                return tuple(None if part == ABSENT else part for part in parts)
            return tuple(part for part in parts if part != ABSENT)
        return self._made(written, path)

    def _made(self, written: Any, path: Path) -> Any:
        if isinstance(written, Ref):
            return self._value(written.name, path)
        if isinstance(written, Formula):
            return self._worked_out(written, path)
        if isinstance(written, Mapping):
            parts = {key: self._made(inner, path) for key, inner in written.items()}
            return {key: part for key, part in parts.items() if part != ABSENT}
        return written

    def _worked_out(self, formula: Formula, path: Path) -> Any:
        values = {name: self._value(name, path) for name in formula.names}
        if ABSENT in values.values():
            return ABSENT
        there = {name: self._value(name, path) != ABSENT for name in formula.asked}
        return eval(formula.python, {"v": values, "p": there, "pick": _pick})

    def _value(self, name: str, path: Path) -> Any:
        if name == "index":
            return float(path[-1])
        if name == "item":
            # The generated steps have their element in the first of their inputs.
            return self._value(self._step.given[next(iter(self._block.inputs))].name, path)
        full = self._full(name)
        return _at(self._turn.values[full], path[: len(self._turn.axes[full])])

    def _collect(self, name: str, path: Path, *, holes: bool) -> Any:
        full = self._full(name)
        found = _at(self._turn.values[full], path[: len(self._turn.axes[full]) - 1])
        if found in (ABSENT, LOST):
            return found
        if holes:
            return tuple(None if one in (ABSENT, LOST) else one for one in found)
        return tuple(one for one in found if one not in (ABSENT, LOST))

    def _collect_jointly(self, name: str, path: Path) -> Any:
        """The elements that are there in all that is collected with them, without holes."""
        own = self._collect(name, path, holes=True)
        if not isinstance(own, tuple):
            return own
        kept = list(own)
        inputs = self._block.inputs
        for key, other in self._step.given.items():
            if isinstance(other, Ref) and inputs[key].collects and not inputs[key].holes:
                beside = self._collect(other.name, path, holes=True)
                if self._axes_of(other.name) == self._axes_of(name) and isinstance(beside, tuple):
                    pairs = zip(kept, beside, strict=True)
                    kept = [None if there is None else one for one, there in pairs]
        return tuple(one for one in kept if one is not None)

    def _plain(self) -> Iterator[str]:
        """All that is named and looked at one element at a time."""
        collected = set(self._collected())
        names = _named(self._step.given, self._step.when)
        yield from (n for n in names if n not in collected and n not in ("item", "index"))
        if self._gate is not None:
            yield self._gate

    def _collected(self) -> Iterator[str]:
        for name, written in self._step.given.items():
            if self._is_wire(name) is False and isinstance(written, Ref):
                yield written.name

    def _is_wire(self, name: str) -> bool:
        """Whether an input is a selector that is not collected along its last axis."""
        return isinstance(self._step.given[name], Ref) and not self._block.inputs[name].collects

    def _axes_of(self, name: str) -> Axes:
        return self._turn.axes[self._full(name)]

    def _full(self, name: str) -> str:
        # The gate is a name of the file outside, where another step may be called the same.
        if name.startswith(OUTSIDE):
            return name.removeprefix(OUTSIDE)
        return name if name == "frame.sequence" else self._prefix + name


_STEP_ERRORS = (ValueError, IndexError)


def full_name(prefix: str, step: Step) -> str:
    """What the engine calls a step in events and failures."""
    return f"{prefix}{step.name}"


def _pick(values: Sequence[float], i: float) -> float:
    if not 0 <= i < len(values):
        raise IndexError
    return values[int(i)]


def _named(given: Mapping[str, Any], when: Formula | None) -> list[str]:
    found = [name for written in (*given.values(), when) for name in _names_in(written)]
    return [name for name in found if name not in ("item", "index")]


def _names_in(written: Any) -> Iterator[str]:
    if isinstance(written, Ref):
        yield written.name
    elif isinstance(written, Formula):
        yield from (*written.names, *written.asked)
    elif isinstance(written, Mapping):
        yield from (name for inner in written.values() for name in _names_in(inner))
    elif isinstance(written, tuple):
        yield from (name for inner in written for name in _names_in(inner))


def _at(value: Any, path: Path) -> Any:
    for i in path:
        if value in (ABSENT, LOST):
            return value
        value = value[i]
    return value


def _mapped(tree: Any, change: Callable[[Any], Any]) -> Any:
    """The nested list with each thing in it changed, except for what is absent or lost."""
    if isinstance(tree, list):
        return [_mapped(inner, change) for inner in tree]
    return tree if tree in (ABSENT, LOST) else change(tree)


def _leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, list):
        for inner in tree:
            yield from _leaves(inner)
    elif tree not in (ABSENT, LOST):
        yield tree


def _is_many(block: Block, output: str) -> bool:
    return block.many and output in ("values", "marks")


def _length(made: tuple[Any, ...]) -> Any:
    """How many elements a result has; ABSENT if all that could be many is."""
    return next((len(part) for part in made if isinstance(part, list)), ABSENT)


def _part(i: int, *, many: bool) -> Callable[[Any], Any]:
    def part(made: tuple[Any, ...]) -> Any:
        one, length = made[i], _length(made)
        if one is None and many and length != ABSENT:
            # All that a step gives many of is equally long: these are holes.
            return [ABSENT] * length
        if one is None:
            return ABSENT
        return [ABSENT if each is None else each for each in one] if many else one

    return part


def _shown(tree: Any) -> Any:
    if isinstance(tree, list):
        return tuple(_shown(inner) for inner in tree)
    return None if tree in (ABSENT, LOST) else tree
