"""The wires of each step: found, checked by type and by what is many, and resolved to slots."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from appliance.engine.annotations import element
from appliance.engine.axes import Axes
from appliance.engine.document import Document, Path
from appliance.engine.drafts import Drafts
from appliance.engine.errors import Problem
from appliance.engine.expressions import Expression
from appliance.engine.rows import Each, EachRow, Row, SlotsRow, Value, axis_name
from appliance.engine.scopes import Draft, Entrance, Exit
from appliance.engine.values import Build
from appliance.engine.wires import Wires
from appliance.engine.wiring import Wiring
from blocks.block import BlockType, Names
from blocks.data import Frame


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A checked step. Arguments stand in the order of `run`.

    Numbers are places in the row the step is called with: the slots of the turn themselves, or,
    where it runs once for each, the row of an element. `outputs` and `ran` are slots of the turn;
    `axis` is the slot of the axis along which its outputs `many` are, or -1.
    """

    index: int
    name: str
    block: BlockType
    settings: Mapping[str, Any]
    written: Mapping[str, Any]
    document: Document
    path: Path
    arguments: tuple[int, ...]
    required: tuple[int, ...]
    late: tuple[int, ...]
    fallbacks: tuple[tuple[int, Any], ...]
    built: tuple[tuple[int, Build], ...]
    condition: Expression | None
    condition_at: tuple[int, ...]
    presence_at: tuple[int, ...]
    outputs: tuple[int, ...]
    axes: Axes
    many: tuple[bool, ...]
    axis: int
    ran: int
    each: Each | None
    after: frozenset[str]
    needed: frozenset[str]
    certain: bool
    expressions: tuple[tuple[Expression, Path, str], ...]
    wires: Mapping[str, tuple[str, ...]]
    needs_frame: bool
    stops: bool

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"steps.{self.name.rpartition('/')[2]}"

    @property
    def enters(self) -> bool:
        """Whether it is the entrance of a workflow that runs as a step."""
        return self.block.cls is Entrance

    @property
    def internal(self) -> bool:
        """Whether it is none of the user's own: the exit of a workflow that runs as a step."""
        return self.block.cls is Exit

    @property
    def names_outside(self) -> dict[str, str]:
        """The settings that name a model or a connection: the field, and the kind."""
        return {
            name: mark.kind
            for name, field in self.block.manifest.model_fields.items()
            for mark in (*field.metadata, *_inner_metadata(field.annotation))
            if isinstance(mark, Names)
        }


class StepPlanner:
    """Plans drafts one after the other, in an order in which each comes after what it hangs on."""

    def __init__(self, wiring: Wiring, drafts: Drafts, problems: list[Problem]) -> None:
        self.wiring = wiring
        self.values: dict[str, Value] = {}
        self.held: dict[str, Any] = {}
        self._drafts = drafts
        self._problems = problems
        self._asked = drafts.asked
        self._ran = {draft.name: draft.ran for draft in drafts.all}
        root = drafts.scopes[0]
        for name, kind in root.names.types.items():
            if not name.startswith("steps."):
                self.values[name] = Value(wiring.slot(name), kind)

    def plan(self, draft: Draft) -> PlannedStep:
        """Check and resolve one step; what is wrong is added to the problems."""
        wires = Wires(draft, self.values, self._drafts, self._problems)
        axes = wires.axes
        self._check_once_for_each(draft, axes)
        row: Row = EachRow(axes, self.wiring) if axes else SlotsRow(self.wiring)
        shape = wires.laid_out(row)
        many = tuple(element(kind) is not None for kind in draft.block.outputs.values())
        ran = draft.ran
        for (name, kind), is_many in zip(draft.block.outputs.items(), many, strict=True):
            below = (*axes, draft.name) if is_many else axes
            full = draft.output(name)
            known = draft.scope.names.types.get(f"steps.{draft.step.name}.{name}")
            plain = known is None or draft.block.cls in (Entrance, Exit)
            annotation = (element(kind) or kind) if plain else known
            self.values[full] = Value(self.wiring.slot(full), annotation, below)
        if draft.block.cls is Entrance and not axes:
            names = map(draft.output, draft.block.inputs)
            held = self._drafts.held
            self.held |= {name: held[name] for name in names if name in held}
        if ran in self._asked:
            self.values[ran] = Value(self.wiring.slot(ran), bool, axes)
        producers = self._drafts.producers
        needed = frozenset(producers[n] for n in wires.required if n in producers)
        there = wires.required | {self._ran[name] for name in needed}
        return PlannedStep(
            index=draft.step.index,
            name=draft.name,
            block=draft.block,
            settings=draft.settings,
            written=draft.step.given,
            document=draft.scope.document,
            path=draft.path,
            outputs=tuple(self.wiring.slot(draft.output(n)) for n in draft.block.outputs),
            axes=axes,
            many=many,
            axis=self.wiring.slot(axis_name(draft.name)) if any(many) else -1,
            ran=self.wiring.slot(ran) if ran in self._asked else -1,
            after=draft.after,
            needed=needed,
            certain=there.issuperset(wires.asked),
            expressions=tuple(wires.expressions),
            wires=wires.sources(),
            needs_frame=Frame in draft.block.given.values(),
            stops=draft.stops,
            **shape,
        )

    def _check_once_for_each(self, draft: Draft, axes: Axes) -> None:
        block = draft.block
        if axes and block.remembers:
            reason = "remembers from turn to turn"
            if block.scope == "pipeline":
                reason = "stands for all cameras"
            maker, around = axes[-1], draft.scope.prefix
            outside = around and not maker.startswith(around)
            why = f", as step '{around[:-1]}' does, in which it stands" if outside else ""
            what = (
                f"{block.type} {reason}, so it cannot run once for each of what step '{maker}' "
                f"gives{why}: collect them first"
            )
            mark = draft.scope.document.mark(draft.path)
            self._problems.append(Problem(mark, draft.where, what))


def _inner_metadata(annotation: Any) -> Iterator[Any]:
    """What `Annotated` adds to the alternatives of a union, such as `ModelName | None`."""
    for part in get_args(annotation):
        yield from getattr(part, "__metadata__", ())
