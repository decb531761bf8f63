"""Small blocks of arithmetic, and workflows of them made by chance, as data and as texts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import strategies as st

from blocks.block import BlockType, Manifest, Origin, block
from blocks.data import Event, Moment
from tests.appliance.engine.naive_interpreter import (
    Axes,
    Block,
    Formula,
    Input,
    Ref,
    Step,
    Workflow,
)


class Nothing(Manifest):
    """No settings."""


class ShiftManifest(Manifest):
    amount: float = 1.0


class Value(NamedTuple):
    value: float


class Sifted(NamedTuple):
    value: float | None
    seen: float


class Many(NamedTuple):
    values: tuple[float | None, ...] | None
    marks: tuple[float, ...] | None
    total: float


# What the blocks do is written once, for both sides: only how they are wired is compared.


def added(a: float, b: float, more: float | None) -> tuple[float]:
    return ((a + 2 * b + (0.5 if more is None else 3 * more)) % 17,)


def sifted(value: float) -> tuple[float | None, float] | None:
    if value % 5 == 4:
        return None
    return (None if value % 3 == 2 else value % 17, value % 7)


def picky(value: float, more: float | None) -> tuple[float]:
    if value % 4 == 1:
        raise ValueError("it wants another number")
    return ((value + (more or 0)) % 17,)


def split(value: float) -> tuple[list[float | None] | None, list[float] | None, float] | None:
    case, count = int(value) % 17, int(value) % 4
    values = [None if (value + i) % 5 == 3 else (value + i) % 17 for i in range(count)]
    marks = [float((value * i) % 7) for i in range(count)]
    if case == 7:
        raise ValueError("it cannot be split")
    if case == 9:
        return None
    if case == 11:
        return (None, None, value % 17)
    return (None if case == 13 else values, None if case == 14 else marks, value % 17)


def summed(values: tuple[float, ...], others: tuple[float, ...]) -> tuple[float]:
    if len(values) == 3 and sum(values) % 4 == 1:
        raise ValueError("it does not add up")
    return ((sum(values) + 5 * len(values) + 2 * sum(others)) % 17,)


def holes_of(values: tuple[float | None, ...]) -> tuple[float]:
    return (float(sum(i + 1 for i, v in enumerate(values) if v is None) + 3 * len(values)) % 17,)


def batched(value: float, add: float) -> tuple[float]:
    if value % 9 == 8:
        raise ValueError("one of them is wrong")
    return ((value * 2 + add) % 17,)


def shifted(value: float, amount: float) -> tuple[float]:
    return ((value + amount) % 17,)


def counted(value: float, count: int) -> tuple[float]:
    return ((value + count) % 17,)


def told(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    numbers = sum(v for v in data.values() if isinstance(v, int | float))
    if numbers % 13 == 12:
        raise ValueError("nobody wants to hear that")
    return None if numbers % 7 == 6 else data


@block("add@1", Nothing)
class Add:
    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, a: float, b: float = 1.0, more: float | None = None) -> Value:
        return Value(*added(a, b, more))


@block("sift@1", Nothing)
class Sift:
    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, value: float) -> Sifted | None:
        made = sifted(value)
        return None if made is None else Sifted(*made)


@block("picky@1", Nothing)
class Picky:
    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, value: float, more: float | None = None) -> Value:
        return Value(*picky(value, more))


@block("split@1", Nothing)
class Split:
    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, value: float) -> Many | None:
        made = split(value)
        if made is None:
            return None
        values, marks, total = made
        whole = None if values is None else tuple(values)
        return Many(whole, None if marks is None else tuple(marks), total)


@block("sum@1", Nothing)
class Sum:
    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, values: tuple[float, ...], others: tuple[float, ...] = ()) -> Value:
        return Value(*summed(values, others))


@block("holes@1", Nothing)
class Holes:
    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, values: tuple[float | None, ...]) -> Value:
        return Value(*holes_of(values))


@block("batch@1", Nothing)
class Batch:
    def __init__(self, manifest: Nothing) -> None:
        pass

    def run(self, value: float, add: float = 1.0) -> Value:
        return Value(*batched(value, add))

    def run_many(self, value: Sequence[float], add: Sequence[float]) -> list[Value]:
        return [self.run(*pair) for pair in zip(value, add, strict=True)]


@block("shift@1", ShiftManifest)
class Shift:
    def __init__(self, manifest: ShiftManifest) -> None:
        self._amount = manifest.amount

    def run(self, value: float) -> Value:
        return Value(*shifted(value, self._amount))


@block("count@1", Nothing, remembers=True)
class Count:
    def __init__(self, manifest: Nothing) -> None:
        self._count = 0

    def run(self, value: float = 0.0) -> Value:
        self._count += 1
        return Value(*counted(value, self._count))


@block("tell@1", Nothing)
class Tell:
    def __init__(self, manifest: Nothing, origin: Origin) -> None:
        self._step = origin.step

    def run(self, moment: Moment, data: Mapping[str, Any]) -> Event | None:
        made = told(data)
        if made is None:
            return None
        return Event("local", "told", self._step, moment.captured_at, made)


_CLASSES = (Add, Sift, Picky, Split, Sum, Holes, Batch, Shift, Count, Tell)
BLOCKS: dict[str, BlockType] = {
    found.type: found for found in (vars(cls)["block_type"] for cls in _CLASSES)
}
_OPTIONAL = Input(required=False)
NAIVE_BLOCKS = {
    "add@1": Block({"a": Input(), "b": Input(False, 1.0), "more": _OPTIONAL}, ("value",), added),
    "sift@1": Block({"value": Input()}, ("value", "seen"), sifted),
    "picky@1": Block({"value": Input(), "more": _OPTIONAL}, ("value",), picky),
    "split@1": Block({"value": Input()}, ("values", "marks", "total"), split, many=True),
    "sum@1": Block(
        {"values": Input(collects=True), "others": Input(False, (), collects=True)},
        ("value",),
        summed,
    ),
    "holes@1": Block({"values": Input(collects=True, holes=True)}, ("value",), holes_of),
    "batch@1": Block({"value": Input(), "add": Input(False, 1.0)}, ("value",), batched, whole=True),
    "shift@1": Block({"value": Input(), "amount": Input(False, 1.0)}, ("value",), shifted),
    "count@1": Block({"value": Input(False, 0.0)}, ("value",), counted, remembers=True),
    "tell@1": Block({"data": Input()}, (), told, emits=True),
}
PICKED = [1.0, 4.0, 6.0, 7.0, 9.0, 2.0, 3.0]
MOST_STEPS = 9
DEEPEST = 3


def text_of(workflow: Workflow) -> str:
    """A workflow as a file; JSON is YAML."""
    inputs: dict[str, Any] = {}
    for name, default in workflow.inputs.items():
        inputs[name] = {"type": "number"} | ({} if default is None else {"default": default})
    steps = []
    for step in workflow.steps:
        written = {"name": step.name, "type": step.type}
        written |= {key: _written(value) for key, value in step.given.items()}
        if step.file is not None:
            written["workflow"] = step.file.name
        if step.when is not None:
            written["when"] = step.when.cel
        steps.append(written)
    outputs = {name: _written(value) for name, value in workflow.outputs.items()}
    whole = {"version": 1, "name": workflow.name, "inputs": inputs, "steps": steps}
    return json.dumps(whole | {"outputs": outputs}, indent=1)


def files_of(workflow: Workflow) -> dict[str, str]:
    """The texts of all files that run in a workflow, by name."""
    found: dict[str, str] = {}
    for step in workflow.steps:
        if step.file is not None:
            found |= {step.file.name: text_of(step.file)} | files_of(step.file)
    return found


def _written(value: Any) -> Any:
    if isinstance(value, Ref):
        return f"${value.name}"
    if isinstance(value, Formula):
        return f"= {value.cel}"
    if isinstance(value, Mapping):
        return {key: _written(inner) for key, inner in value.items()}
    return [_written(inner) for inner in value] if isinstance(value, tuple) else value


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    """A whole workflow, with an output for all that its steps give."""
    return _Making(draw, [0]).workflow("main", 0, counts=True)


@dataclass
class _Making:
    """One file while it is made. Axes are those within the file.

    `numbers` and `asked` are names with their axes: what has a value, and what may be present.
    """

    draw: st.DrawFn
    files: list[int]
    depth: int = 0
    numbers: list[tuple[str, Axes]] = field(default_factory=lambda: [("frame.sequence", ())])
    asked: list[tuple[str, Axes]] = field(default_factory=list)

    def workflow(self, name: str, depth: int, *, counts: bool) -> Workflow:
        draw, self.depth = self.draw, depth
        inputs = draw(st.dictionaries(st.sampled_from("xyz"), _DEFAULTS, min_size=1, max_size=3))
        if depth == 0:
            inputs = {key: 2.0 if default is None else default for key, default in inputs.items()}
        self.numbers += [(f"inputs.{key}", ()) for key in inputs]
        most = MOST_STEPS if depth == 0 else 3
        steps = [self._step(i, counts) for i in range(draw(st.integers(1, most)))]
        outputs: dict[str, Any] = {}
        for i, (full, _) in enumerate(self.numbers):
            if full.startswith("steps.") and (depth == 0 or draw(st.booleans())):
                outputs[f"o{i}"] = Ref(full)
        if draw(st.booleans()):
            outputs["made"] = self._formula(draw(st.sampled_from(self._axes())), boolean=False)
        if depth == 0 and draw(st.booleans()):
            outputs["data"] = self._data(draw(st.sampled_from(self._axes())))
        return Workflow(name, inputs, tuple(draw(st.permutations(steps))), outputs)

    def _step(self, i: int, counts: bool) -> Step:
        draw, name = self.draw, f"s{i}"
        known = self._axes()
        # Without a push few steps would run once for each.
        axes = draw(st.sampled_from([*known, *known[-2:] * 2]))
        kinds = [k for k in NAIVE_BLOCKS if (counts and not axes) or k != "count@1"]
        kinds += ["split@1"] * 3 if len(axes) < DEEPEST else []
        kinds += ["workflow"] if self.depth < 2 else []
        kind = draw(st.sampled_from(kinds))
        if kind == "workflow":
            return self._sub(name, axes, counts=counts and not axes)
        taken = NAIVE_BLOCKS[kind]
        first = next(iter(taken.inputs))
        if taken.inputs[first].collects:
            below = [(n, a) for n, a in self.numbers if a]
            if not below:
                kind, taken, first = "add@1", NAIVE_BLOCKS["add@1"], "a"
            else:
                axes = draw(st.sampled_from(sorted({a[:-1] for _, a in below})))
        given: dict[str, Any] = {}
        for key, one in taken.inputs.items():
            value = self._given(key, one, first, axes, self._has_item(given.get(first), axes))
            given |= {} if value is None else {key: value}
        when = self._when(given.get(first), axes)
        axes = self._axes_of(given, when, taken.inputs)
        self.asked.append((f"steps.{name}", axes))
        for output in taken.outputs:
            below_it = taken.many and output in ("values", "marks")
            self._know(f"steps.{name}.{output}", (*axes, name) if below_it else axes)
        return Step(name, kind, given, when)

    def _sub(self, name: str, axes: Axes, *, counts: bool) -> Step:
        self.files[0] += 1
        making = _Making(self.draw, self.files)
        file = making.workflow(f"sub{self.files[0]}.yaml", self.depth + 1, counts=counts)
        given: dict[str, Any] = {}
        for key, default in file.inputs.items():
            if default is None or self.draw(st.booleans()):
                given[key] = self._one(
                    axes, self.draw(st.sampled_from(["ref", "formula", "plain"]))
                )
        when = self._when(None, axes)
        axes = self._axes_of(given, when, {})
        self.asked.append((f"steps.{name}", axes))
        known = dict(making.numbers)
        for key, written in file.outputs.items():
            inner = known[written.name] if isinstance(written, Ref) else making.axes_in(written)
            self._know(f"steps.{name}.{key}", (*axes, *(f"{name}/{axis}" for axis in inner)))
        return Step(name, "workflow", given, when, file)

    def _know(self, name: str, axes: Axes) -> None:
        self.numbers.append((name, axes))
        self.asked.append((name, axes))

    def _given(self, name: str, taken: Input, first: str, axes: Axes, element: bool) -> Any:
        draw = self.draw
        if name == "amount":
            here = [n for n, _ in self.numbers if n.startswith("inputs.")]
            fixed = [Ref(n) for n in here] if self.depth == 0 else []
            return draw(st.sampled_from([None, 3.0, *fixed]))
        if name == "data":
            return self._data(axes)
        if name != first and draw(st.booleans()):
            return None
        if taken.collects:
            below = [n for n, a in self.numbers if a and a[:-1] == axes]
            if not below or (name != first and draw(st.booleans())):
                parts = st.sampled_from(["ref", "formula", "plain"])
                return tuple(self._one(axes, kind) for kind in draw(st.lists(parts, max_size=3)))
            return Ref(draw(st.sampled_from(below)))
        if name == first and axes:
            return Ref(draw(st.sampled_from([n for n, a in self.numbers if a == axes])))
        return self._one(axes, draw(st.sampled_from(["ref", "ref", "formula", "plain"])), element)

    def _has_item(self, first: Any, axes: Axes) -> bool:
        """Whether a step with this as its first input runs once for each of it."""
        return isinstance(first, Ref) and bool(axes) and dict(self.numbers)[first.name] == axes

    def _one(self, axes: Axes, kind: str, element: bool = False) -> Any:
        if kind == "ref":
            return Ref(self.draw(st.sampled_from(self._within(self.numbers, axes))))
        if kind == "formula":
            return self._formula(axes, boolean=False, element=element)
        return float(self.draw(st.integers(0, 9)))

    def _data(self, axes: Axes) -> dict[str, Any]:
        kinds = st.sampled_from(["ref", "formula", "plain"])
        return {
            key: self._one(axes, kind)
            for key, kind in self.draw(st.dictionaries(st.sampled_from("abc"), kinds)).items()
        }

    def _when(self, first: Any, axes: Axes) -> Formula | None:
        if self.draw(st.integers(0, 2)):
            return None
        return self._formula(axes, boolean=True, element=self._has_item(first, axes))

    def _formula(self, axes: Axes, *, boolean: bool, element: bool = False) -> Formula:
        names = self._within(self.numbers, axes)
        names += ["item", "index"] * 2 if element else []
        asked = self._within(self.asked, axes)
        return _Writing(self.draw, names, asked).formula(boolean=boolean)

    def _within(self, known: Sequence[tuple[str, Axes]], axes: Axes) -> list[str]:
        return [n for n, a in known if axes[: len(a)] == a]

    def _axes(self) -> list[Axes]:
        return sorted({a for _, a in self.numbers}, key=lambda axes: (len(axes), axes))

    def _axes_of(
        self, given: Mapping[str, Any], when: Formula | None, inputs: Mapping[str, Input]
    ) -> Axes:
        found = [self.axes_in(when)]
        for name, value in given.items():
            collects = name in inputs and inputs[name].collects and isinstance(value, Ref)
            axes = self.axes_in(value)
            found.append(axes[:-1] if collects else axes)
        return max(found, key=len)

    def axes_in(self, written: Any) -> Axes:
        """Along which axes a step with this written in it runs."""
        here = dict(self.asked) | dict(self.numbers)
        if isinstance(written, Ref):
            return here[written.name]
        names: Sequence[str] = ()
        if isinstance(written, Formula):
            names = [n for n in (*written.names, *written.asked) if n in here]
            return max((here[n] for n in names), key=len, default=())
        inner = written.values() if isinstance(written, Mapping) else written
        if not isinstance(written, Mapping | tuple):
            return ()
        return max((self.axes_in(one) for one in inner), key=len, default=())


_DEFAULTS = st.none() | st.integers(0, 9).map(float)


@dataclass
class _Writing:
    """An expression while it is made: names in the order in which they stand in it."""

    draw: st.DrawFn
    names: Sequence[str]
    asked: Sequence[str]
    used: dict[str, None] = field(default_factory=dict)
    wanted: dict[str, None] = field(default_factory=dict)

    def formula(self, *, boolean: bool) -> Formula:
        cel, python = self._boolean(2) if boolean else self._number(2)
        return Formula(cel, python, tuple(self.used), tuple(self.wanted))

    def _number(self, depth: int) -> tuple[str, str]:
        draw = self.draw
        kind = draw(
            st.sampled_from(["name", "name", "plain", *(["two", "if", "pick"] * (depth > 0))])
        )
        if kind == "name":
            name = draw(st.sampled_from(self.names))
            self.used[name] = None
            return name, f"v[{name!r}]"
        if kind == "plain":
            number = draw(st.integers(0, 9))
            return str(number), f"{number}.0"
        if kind == "two":
            sign = draw(st.sampled_from("+-*"))
            (a, x), (b, y) = self._number(depth - 1), self._number(depth - 1)
            return f"({a} {sign} {b})", f"({x} {sign} {y})"
        if kind == "if":
            (c, z), (a, x) = self._boolean(depth - 1), self._number(depth - 1)
            b, y = self._number(depth - 1)
            return f"({c} ? {a} : {b})", f"({x} if {z} else {y})"
        # Of a name: what is wrong whatever comes is refused beforehand.
        name = draw(st.sampled_from(self.names))
        self.used[name] = None
        return f"{PICKED}[int({name})]", f"pick({PICKED}, v[{name!r}])"

    def _boolean(self, depth: int) -> tuple[str, str]:
        draw = self.draw
        kinds = ["compare", "compare", *(["present"] if self.asked else [])]
        kind = draw(st.sampled_from([*kinds, *(["two", "not"] * (depth > 0))]))
        if kind == "present":
            name = draw(st.sampled_from(self.asked))
            self.wanted[name] = None
            return f"present({name})", f"p[{name!r}]"
        if kind == "not":
            a, x = self._boolean(depth - 1)
            return f"!({a})", f"(not {x})"
        if kind == "two":
            (a, x), (b, y) = self._boolean(depth - 1), self._boolean(depth - 1)
            both = draw(st.booleans())
            return f"({a} {'&&' if both else '||'} {b})", f"({x} {'and' if both else 'or'} {y})"
        sign = draw(st.sampled_from(["<", "<=", "==", "!=", ">", ">="]))
        (a, x), (b, y) = self._number(max(depth - 1, 0)), self._number(max(depth - 1, 0))
        return f"({a} {sign} {b})", f"({x} {sign} {y})"
