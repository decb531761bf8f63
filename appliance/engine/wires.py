"""The wires into one step: what they name, whether the types fit, and along which axes they run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from appliance.engine.annotations import (
    element,
    fits,
    is_of,
    optional,
    words,
    writable,
)
from appliance.engine.axes import Axes
from appliance.engine.document import Path
from appliance.engine.drafts import Drafts
from appliance.engine.errors import Problem
from appliance.engine.expressions import Expression, ExpressionError
from appliance.engine.fitting import (
    misfit_of_columns,
    misfit_of_literal,
    misfit_of_result,
    misfit_of_value,
    misfits_of_made,
)
from appliance.engine.rows import Layout, Row, Value
from appliance.engine.scopes import Draft
from appliance.engine.selectors import is_expression, is_selector, references_in
from appliance.engine.values import (
    Computed,
    Reference,
    as_whole,
    build,
    build_tuple,
    parsed,
)
from appliance.engine.wiring import ABSENT, CAPTURED_AT, FRAME_SLOT, MOMENT_SLOT
from blocks.block import Parameter
from blocks.data import Frame

ITEM, INDEX = "item", "index"


@dataclass(frozen=True, slots=True)
class _Wire:
    """One input of a step: wired to a value, made of values, or a constant.

    `value` is what a plain selector stands for, `named` all that is named; both are None and empty
    where something is wrong. `collects` says that it takes all elements at once, `elemental` that
    it looks at `item` or `index`.
    """

    parameter: Parameter
    written: Any = None
    value: Value | None = None
    constant: Any = ABSENT
    named: tuple[Value, ...] = ()
    names: tuple[str, ...] = ()
    collects: bool = False
    elemental: bool = False

    @property
    def axes(self) -> Iterator[Axes]:
        """The axes along which the step has to run for this wire."""
        if self.value is not None:
            yield self.value.axes[:-1] if self.collects else self.value.axes
        else:
            yield from (value.axes for value in self.named)


class Wires:
    """Reads the wires of one step; what is wrong is added to `problems`.

    `axes` are those along which the step runs: the longest of those its wires run along, which must
    begin with all the others. `required` are the full names without which it does not run, `asked`
    those its condition asks present() of; `expressions` are all that were compiled, each with
    where it stands, and what that is called.
    """

    def __init__(
        self, draft: Draft, values: Mapping[str, Value], drafts: Drafts, problems: list[Problem]
    ) -> None:
        self._draft = draft
        self._scope = draft.scope
        self._values = values
        self._drafts = drafts
        self._problems = problems
        self._gate = values.get(draft.scope.gate) if draft.scope.gate else None
        self._wires = [self._read(parameter) for parameter in draft.block.inputs.values()]
        self.expressions: list[tuple[Expression, Path, str]] = []
        named, self.asked = self._named_in_condition()
        self._when = (*named, *self.asked)
        wires = [wire for wire in self._wires if _is_required(wire.parameter)]
        self.required = {name for wire in wires if wire.value for name in wire.names} | {*named}
        self.axes = self._common_axes()
        self._item = self._first_element()

    def sources(self) -> dict[str, tuple[str, ...]]:
        """The full names behind each input, and behind the condition as `when`."""
        found = {wire.parameter.name: wire.names for wire in self._wires if wire.names}
        return found | ({"when": self._when} if self._when else {})

    def laid_out(self, row: Row) -> Layout:
        """Where everything is in the row."""
        required = [] if self._gate is None else [row.value(self._gate)]
        late: list[int] = []
        fallbacks: list[tuple[int, Any]] = []
        arguments: list[int] = []
        wires = {wire.parameter.name: wire for wire in self._wires}
        for position, name in enumerate(self._draft.block.arguments):
            wire = wires.get(name)
            if wire is None:
                is_frame = self._draft.block.given[name] is Frame
                arguments.append(row.slot(FRAME_SLOT if is_frame else MOMENT_SLOT))
                continue
            arguments.append(self._place(wire, row))
            if wire.written is None:
                continue
            if not _is_required(wire.parameter):
                fallbacks.append((position, wire.parameter.default))
            elif wire.value is not None and not wire.collects:
                required.append(arguments[-1])
            else:
                late.append(position)
        condition = self._condition()
        place = self._index_in(row)
        return Layout(
            arguments=tuple(arguments),
            required=tuple(dict.fromkeys(required)),
            late=tuple(late),
            fallbacks=tuple(fallbacks),
            condition=condition,
            condition_at=tuple(map(place, map(self._full, condition.names if condition else ()))),
            presence_at=tuple(
                map(place, map(self._full, condition.presences if condition else ()))
            ),
            built=tuple(row.built),
            each=row.each(batch=self._batch()),
        )

    def _read(self, parameter: Parameter) -> _Wire:
        name, given = parameter.name, self._draft.step.given
        if name not in given:
            if _is_required(parameter):
                what = f"the input '{name}' is missing; it takes {words(parameter.annotation)}"
                mark = self._scope.document.mark(self._draft.path)
                self._problems.append(Problem(mark, self._draft.where, what))
            return _Wire(parameter, constant=parameter.default)
        written = given[name]
        inside = list(references_in(written))
        if not inside:
            return _Wire(parameter, constant=self._literal(written, parameter))
        named = self._names(parameter, inside)
        if named is None:
            return _Wire(parameter)
        names = tuple(name for name in named if name not in (ITEM, INDEX))
        found = tuple(self._values[full] for full in names if full in self._values)
        if is_selector(written):
            return self._selected(parameter, written, names, found)
        if not is_expression(written):
            for inner, what in misfits_of_made(parameter, written, self._scope.names):
                self._refuse(name, inner, what)
        elemental = len(names) < len(named)
        return _Wire(parameter, written, named=found, names=names, elemental=elemental)

    def _names(
        self, parameter: Parameter, inside: Sequence[tuple[Path, str]]
    ) -> tuple[str, ...] | None:
        """The full names of all that is named in a written value; None where one is wrong.

        `item` and `index` are among them.
        """
        place, where = self._draft.place(parameter.name), self._draft.where_of(parameter.name)
        names: list[str] = []
        is_right = True
        for inner, text in inside:
            if is_selector(text):
                name = self._drafts.find(self._scope, text, (*place, *inner), where)
                is_right = is_right and name is not None
                names.append(self._scope.full(name or ""))
                continue
            try:
                named, asked = self._scope.language.names(text[1:])
            except ExpressionError as error:
                self._refuse_expression(text, (*place, *inner), where, error)
                is_right = False
                continue
            names += map(self._full, (*named, *asked))
        if not is_right:
            return None
        return tuple(dict.fromkeys(names))

    def _selected(
        self, parameter: Parameter, text: str, names: tuple[str, ...], found: Sequence[Value]
    ) -> _Wire:
        """A wire to one value."""
        if not found:
            return _Wire(parameter)
        (value,) = found
        one = element(parameter.annotation)
        # In a workflow that runs once for each, what it is many of outside is one in here.
        outside = len(self._gate.axes) if self._gate is not None else 0
        collects = one is not None and len(value.axes) > outside
        target = one if collects else parameter.annotation
        if not fits(value.annotation, target):
            many = len(value.axes) > outside
            what = misfit_of_value(parameter, text, value.annotation, many=many, collects=collects)
            self._refuse(parameter.name, (), what)
        elif what := misfit_of_columns(parameter, text, self._scope.names):
            self._refuse(parameter.name, (), what)
        return _Wire(parameter, text, value=value, named=(value,), names=names, collects=collects)

    def _literal(self, written: Any, parameter: Parameter) -> Any:
        plain = parsed(written, lambda text, _path: text)
        if plain is None and optional(parameter.annotation):
            return None
        if is_of(plain, parameter.annotation):
            return TypeAdapter(writable(parameter.annotation)).validate_python(plain)
        self._refuse(parameter.name, *misfit_of_literal(parameter, plain))
        return ABSENT

    def _named_in_condition(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The full names of all values a condition looks at, and of all it asks present() of."""
        text = self._draft.step.when
        if text is None:
            return (), ()
        try:
            named, asked = self._scope.language.names(text)
        except ExpressionError:
            return (), ()  # told when it is compiled
        names = (self._scope.full(name) for name in named if name not in (ITEM, INDEX))
        return tuple(names), tuple(map(self._scope.full, asked))

    def _common_axes(self) -> Axes:
        along = [axes for wire in self._wires for axes in wire.axes]
        along += [self._values[name].axes for name in self._when if name in self._values]
        along += [self._gate.axes] if self._gate is not None else []
        longest = max(along, key=len, default=())
        for axes in along:
            if longest[: len(axes)] != axes:
                i = next(
                    i for i, pair in enumerate(zip(axes, longest, strict=False)) if len({*pair}) > 1
                )
                what = (
                    f"what step '{longest[i]}' gives and what step '{axes[i]}' gives are many of "
                    "different origin: they cannot meet in one step; collect one of them first"
                )
                mark = self._scope.document.mark(self._draft.path)
                self._problems.append(Problem(mark, self._draft.where, what))
                break
        return longest

    def _first_element(self) -> Value | None:
        """What `item` is: an element of the first input in the file along which the step runs.

        If no input is many, it is an element of the first such value that the condition names.
        """
        if not self.axes or (self._gate is not None and self._gate.axes == self.axes):
            return None
        wires = {wire.parameter.name: wire for wire in self._wires if not wire.collects}
        written = [wires[key] for key in self._draft.step.given if key in wires]
        values = [value for wire in written for value in wire.named]
        values += [self._values[name] for name in self._when if name in self._values]
        return next((value for value in values if value.axes == self.axes), None)

    def _place(self, wire: _Wire, row: Row) -> int:
        """Where the value of a wire is in the row."""
        annotation = wire.parameter.annotation
        if wire.value is not None and wire.collects:
            keeps_holes = optional(_one(wire.parameter))
            beside = () if keeps_holes else self._beside(wire)
            return row.collected(wire.value, keeps_holes=keeps_holes, beside=beside)
        if wire.value is not None and self._draft.exits and wire.names == (CAPTURED_AT,):
            return row.made(build(Reference(CAPTURED_AT), self._index_in(row)))
        if wire.value is not None:
            return row.value(wire.value)
        if not wire.names and wire.written is None:
            return row.constant(wire.constant)
        resolved = self._resolver(wire.parameter)
        tree = parsed(wire.written, resolved)
        place = self._index_in(row)
        one = _one(wire.parameter)
        if isinstance(tree, list) and one is not None:
            return row.made(build_tuple(tree, place, keeps_holes=optional(one)))
        make = build(tree, place)
        if isinstance(tree, Computed) and not fits(tree.expression.annotation, annotation):
            make = as_whole(make, tree.expression.text)
        return row.made(make)

    def _beside(self, wire: _Wire) -> tuple[int, ...]:
        """The slots of what is collected beside a wire: elements of pairs stay together."""
        collected = [w for w in self._wires if w.collects and not optional(_one(w.parameter))]
        others = [w.value for w in collected if w is not wire and w.value is not None]
        axes = wire.value.axes if wire.value is not None else ()
        return tuple(value.slot for value in others if value.axes == axes)

    def _resolver(self, parameter: Parameter) -> Callable[[str, Path], Any]:
        """What stands for the selectors and expressions in what is written for an input."""
        place, where = self._draft.place(parameter.name), self._draft.where_of(parameter.name)

        def resolve(text: str, inner: Path) -> Any:
            if is_selector(text):
                return Reference(self._scope.full(self._scope.names.find(text) or ""))
            item = self._item.annotation if self._item else None
            try:
                expression = self._scope.language.expression(text[1:], item)
            except ExpressionError as error:
                self._refuse_expression(text, (*place, *inner), where, error)
                return None
            self.expressions.append((expression, (*place, *inner), where))
            what = misfit_of_result(parameter, expression.annotation, inner)
            if what:
                self._refuse(parameter.name, inner, what)
            arguments = tuple(Reference(self._full(name)) for name in expression.names)
            return Computed(expression, arguments, tuple(map(self._full, expression.presences)))

        return resolve

    def _condition(self) -> Expression | None:
        text = self._draft.step.when
        if text is None:
            return None
        item = self._item.annotation if self._item else None
        place, where = (*self._draft.path, "when"), f"{self._draft.where}.when"
        try:
            condition = self._scope.language.condition(text, item)
        except ExpressionError as error:
            self._refuse_expression(text, place, where, error)
            return None
        self.expressions.append((condition, place, where))
        return condition

    def _index_in(self, row: Row) -> Callable[[str], int]:
        """Where in the row a value of a full name is; a name that nobody knows is nowhere."""

        def index(name: str) -> int:
            if name == INDEX:
                return row.position()
            value = self._item if name == ITEM else self._values.get(name)
            return row.constant(ABSENT) if value is None else row.value(value)

        return index

    def _full(self, name: str) -> str:
        return name if name in (ITEM, INDEX) else self._scope.full(name)

    def _batch(self) -> tuple[bool, ...] | None:
        """For each argument whether `run_many` is given all its values at once."""
        batched = self._draft.block.batched
        varying = {w.parameter.name for w in self._wires if w.elemental or any(w.axes)}
        if batched is None or not varying <= batched:
            return None
        return tuple(name in batched for name in self._draft.block.arguments)

    def _refuse_expression(
        self, text: str, place: Path, where: str, error: ExpressionError
    ) -> None:
        skipped = 1 if is_expression(text) else 0
        self._drafts.refuse_expression(self._scope, text, place, where, error, skipped)

    def _refuse(self, key: str, inner: Path, what: str) -> None:
        mark = self._scope.document.mark((*self._draft.place(key), *inner))
        self._problems.append(Problem(mark, self._draft.where_of(key), what))


def _one(parameter: Parameter) -> Any:
    return element(parameter.annotation)


def _is_required(parameter: Parameter) -> bool:
    """Whether the step does not run where this argument is absent."""
    return parameter.required and not optional(parameter.annotation)
