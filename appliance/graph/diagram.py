"""What is drawn of a plan: its steps, its inputs and outputs, and the wires between them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from appliance.engine.document import Document
from appliance.engine.expressions import ExpressionError, Language
from appliance.engine.plan import Plan
from appliance.engine.redaction import Redaction
from appliance.engine.scopes import Entrance
from appliance.engine.selectors import is_selector, references_in
from appliance.engine.sources import Verbatim
from appliance.engine.steps import PlannedStep

Kind = Literal["input", "frame", "step", "sink", "workflow", "outputs"]
WHEN = "when"
FRAME = "frame"
OUTPUTS = "outputs"


@dataclass(frozen=True, slots=True)
class Port:
    """A place of a node where wires begin or end; `many` is how many times over its value is."""

    name: str
    many: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """Something with wires. `key` is its own in its diagram; `inside` the steps of a workflow.

    `takes` and `gives` are the ports with wires. `each` is how many times over it runs once for
    each; `when` its condition, empty if there is none. `notes` are what it names outside.
    """

    key: str
    kind: Kind
    title: str
    detail: str = ""
    takes: tuple[Port, ...] = ()
    gives: tuple[Port, ...] = ()
    each: int = 0
    when: str = ""
    notes: tuple[str, ...] = ()
    inside: "Diagram | None" = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A wire from an output of one node to an input of another, both by their keys.

    The input of a condition is `when`; the output is empty where only presence is asked for.
    `within` is the place in a mapping that is given to the input, such as `count`.
    """

    source: str
    output: str
    target: str
    input: str
    within: str = ""

    @property
    def conditional(self) -> bool:
        """Whether it only decides if the step runs."""
        return self.input == WHEN

    @property
    def label(self) -> str:
        """Output → input; once where both have one name, or the input its only name."""
        place = f"{self.input}.{self.within}" if self.within else self.input
        return place if self.output in ("", place) else f"{self.output} → {place}"


@dataclass(frozen=True, slots=True)
class Diagram:
    """One workflow file: nodes in the order of the file, and the wires between them."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def diagram_of(plan: Plan) -> Diagram:
    """The diagram of a checked workflow, with those in it that run as steps."""
    return _File(plan.steps, "", plan.document, 0).diagram()


def times(depth: int) -> str:
    """A multiplication sign and `n` for each time over that something is many."""
    return " \N{MULTIPLICATION SIGN}n" * depth


class _File:
    """One workflow file within a plan; `prefix` is what the names of its steps begin with."""

    def __init__(
        self, steps: Iterable[PlannedStep], prefix: str, document: Document, depth: int
    ) -> None:
        self._all = tuple(steps)
        self._data: Mapping[str, Any] = document.data
        self._depth = depth
        own = [s for s in self._all if s.name.startswith(prefix) and not s.internal]
        own = [s for s in own if "/" not in s.name[len(prefix) :]]
        self._steps = {s.name[len(prefix) :]: s for s in sorted(own, key=lambda s: s.index)}
        self._language = Language({}, self._steps)
        self._redaction = Redaction(document.hidden)

    def _shown(self, written: Any) -> str:
        """A text of the file without what is hidden; an ellipsis if too short to be searched."""
        text = self._redaction.text(str(written))
        return "…" if isinstance(written, Verbatim) and text == written else text

    def diagram(self) -> Diagram:
        """The nodes and wires of the file."""
        edges = tuple(dict.fromkeys(self._edges()))
        inputs = [
            Node(f"inputs.{name}", "input", name, gives=(Port(name),))
            for name in self._data.get("inputs") or {}
        ]
        steps = [self._node(name, step, edges) for name, step in self._steps.items()]
        outputs = tuple(Port(name) for name in self._data.get("outputs") or {})
        fields = {edge.output: Port(edge.output) for edge in edges if edge.source == FRAME}
        frame = [Node(FRAME, "frame", "frame", gives=tuple(fields.values()))] if fields else []
        last = [Node(OUTPUTS, "outputs", "outputs", takes=outputs)] if outputs else []
        return Diagram(self._shown(self._data["name"]), (*inputs, *frame, *steps, *last), edges)

    def _node(self, name: str, step: PlannedStep, edges: Iterable[Edge]) -> Node:
        block, key = step.block, f"steps.{name}"
        takes = dict.fromkeys(e.input for e in edges if e.target == key and not e.conditional)
        gives = dict.fromkeys(e.output for e in edges if e.source == key and e.output)
        is_file = block.cls is Entrance
        each = len(step.axes) - self._depth
        many = dict(zip(block.outputs, step.many, strict=True))
        return Node(
            key,
            "workflow" if is_file else "sink" if block.emits else "step",
            name,
            block.name if is_file else block.type,
            takes=tuple(map(Port, takes)),
            gives=tuple(Port(out, each + (not is_file and many.get(out, False))) for out in gives),
            each=each,
            when=self._shown(step.condition.text) if step.condition else "",
            notes=tuple(self._notes(step)),
            inside=self._inside(step) if is_file else None,
        )

    def _notes(self, step: PlannedStep) -> Iterator[str]:
        """The models and connections a step names, and the file that runs as it."""
        if step.block.cls is Entrance:
            yield self._shown(step.written.get("workflow", ""))
        for field, kind in step.names_outside.items():
            named = step.written.get(field, step.block.manifest.model_fields[field].default)
            if isinstance(named, str):
                yield f"{kind} {self._shown(named)}"

    def _inside(self, step: PlannedStep) -> Diagram | None:
        prefix = f"{step.name}/"
        depth = len(step.axes)
        # The nearest step below it stands in the file that it runs, and knows its document.
        found = [s for s in self._all if s.name.startswith(prefix)]
        inner = next((s for s in found if "/" not in s.name[len(prefix) :]), None)
        return _File(found, prefix, inner.document, depth).diagram() if inner else None

    def _edges(self) -> Iterator[Edge]:
        for name, step in self._steps.items():
            target = f"steps.{name}"
            for key, written in step.written.items():
                yield from self._wired(written, target, key)
            condition = step.condition
            for text in (*condition.names, *condition.presences) if condition else ():
                yield from _edge(text, target, WHEN)
        for name, written in (self._data.get("outputs") or {}).items():
            yield from self._wired(written, OUTPUTS, name)

    def _wired(self, written: Any, target: str, key: str) -> Iterator[Edge]:
        for path, text in references_in(written):
            within = ".".join(part for part in path if isinstance(part, str))
            if is_selector(text):
                yield from _edge(text[1:], target, key, within)
                continue
            try:
                names, asked = self._language.names(text[1:])
            except ExpressionError:
                continue  # of a plan there is none that cannot be read
            for name in (*names, *asked):
                yield from _edge(name, target, key, within)


def _edge(name: str, target: str, key: str, within: str = "") -> Iterator[Edge]:
    """The wire of a dotted name; none for `item` and `index`, which are the step's own."""
    root, _, rest = name.partition(".")
    if root == FRAME and rest:
        yield Edge(FRAME, rest, target, key, within)
    elif root == "inputs" and rest:
        yield Edge(name, rest, target, key, within)
    elif root == "steps" and rest:
        step, _, output = rest.partition(".")
        yield Edge(f"steps.{step}", output, target, key, within)
