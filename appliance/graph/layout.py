"""Where everything of a diagram stands: in layers from left to right, no box over another.

The steps are those of K. Sugiyama, S. Tagawa, M. Toda, "Methods for Visual Understanding of
Hierarchical System Structures", IEEE SMC 11 (1981): layers by the longest path, wires that span
several layers bent round the boxes between, orders by barycentres. Heights are then the least
squares fit to the wires that keeps order and distance: an isotonic regression, by pooling adjacent
violators. All lengths are pixels; y goes downward.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from appliance.graph.boxes import HEADER_GAP, PADDING, Box, box_of
from appliance.graph.diagram import Diagram, Edge

Point = tuple[float, float]

MARGIN = 24.0
BESIDE = 24.0
BETWEEN_LAYERS = 48.0
_FOR_EACH_WIRE = 4.0
_MOST_FOR_WIRES = 72.0
_BEND = 12.0
_ORDERINGS = 8
_FITTINGS = 24
# Through so many layers in all wires are led round the boxes, the short ones first; so the picture
# grows with its wires, and not with these times the layers.
_MOST_PASSED = 6_000
# With more places than this each of them is looked at fewer times.
_MANY_SPOTS = 4_000
_STRAIGHTNESS = 4.0
# In the first turns only one side of a spot counts, so that what is far apart moves together.
_ONE_SIDED = 4


@dataclass(frozen=True, slots=True)
class Placed:
    """A box and its upper left corner; `inside` is what is drawn in it, from `inside_at` on."""

    box: Box
    x: float
    y: float
    inside: "Layout | None" = None
    inside_at: Point = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Wire:
    """An edge as pairs of points: it is level within a pair, and bends from pair to pair."""

    edge: Edge
    many: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """A diagram with its size; corners are counted from its own upper left one."""

    width: float
    height: float
    boxes: tuple[Placed, ...]
    wires: tuple[Wire, ...]


@dataclass(eq=False)
class _Spot:
    """A box in its layer, or (without one) a place where a long wire passes between boxes."""

    height: float
    layer: int
    box: Box | None = None
    y: float = 0.0
    before: list[tuple["_Spot", float, float]] = field(default_factory=list)
    after: list[tuple["_Spot", float, float]] = field(default_factory=list)

    @property
    def weight(self) -> float:
        """How much a straight way matters."""
        return 1.0 if self.box else _STRAIGHTNESS


def layout_of(diagram: Diagram) -> Layout:
    """Place all boxes and wires of a diagram, and of those inside of it."""
    insides = {n.key: layout_of(n.inside) for n in diagram.nodes if n.inside is not None}
    boxes = {}
    for node in diagram.nodes:
        inner = insides.get(node.key)
        boxes[node.key] = box_of(node, (inner.width, inner.height) if inner else None)
    layers = _layers(diagram)
    spots = {key: _Spot(box.height, layers[key], box) for key, box in boxes.items()}
    ways = _Ways(spots, _reach(layers, diagram.edges))
    routes = [(edge, ways.route(edge)) for edge in diagram.edges]
    columns = _columns([*spots.values(), *ways.bends])
    effort = min(1.0, _MANY_SPOTS / max(1, sum(map(len, columns))))
    _order(columns, max(2, round(_ORDERINGS * effort)))
    _fit(columns, max(4, round(_FITTINGS * effort)))
    return _drawn(columns, routes, insides)


def _layers(diagram: Diagram) -> dict[str, int]:
    """The layer of each node: as far right as its longest way in; what begins, near its taker."""
    after: dict[str, set[str]] = defaultdict(set)
    waiting: dict[str, int] = {node.key: 0 for node in diagram.nodes}
    for source, target in {(edge.source, edge.target) for edge in diagram.edges}:
        after[source].add(target)
        waiting[target] += 1
    begins = [key for key, count in waiting.items() if not count]
    layers, ready = dict.fromkeys(waiting, 0), list(begins)
    while ready:
        key = ready.pop()
        for target in after[key]:
            layers[target] = max(layers[target], layers[key] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    for key in begins:
        layers[key] = min((layers[target] for target in after[key]), default=1) - 1
    last = max(layers.values(), default=0)
    return {
        node.key: last if node.kind == "outputs" else layers[node.key] for node in diagram.nodes
    }


def _reach(layers: Mapping[str, int], edges: Iterable[Edge]) -> int:
    """How many layers a wire may span that is led round the boxes between."""
    spans = sorted(layers[edge.target] - layers[edge.source] for edge in edges)
    total = 0
    for span in spans:
        total += span - 1
        if total > _MOST_PASSED:
            # Of those as long as this one none is, so that equals are drawn alike.
            return span - 1
    return max(spans, default=1)


class _Ways:
    """The ways of wires through the layers; those from one output share theirs as long as they can.

    So the number of bends is at most that of outputs by that of layers. A wire that spans more than
    `reach` layers goes straight, behind the boxes, and pulls at none of them.
    """

    def __init__(self, spots: Mapping[str, _Spot], reach: int) -> None:
        self.bends: list[_Spot] = []
        self._spots = spots
        self._reach = reach
        self._shared: dict[tuple[str, str, int], _Spot] = {}

    def route(self, edge: Edge) -> list[tuple[_Spot, float]]:
        """The spots a wire passes, each with how far below its middle."""
        source, target = self._spots[edge.source], self._spots[edge.target]
        at = source.box.height_of_output(edge.output) if source.box else 0.0
        into = target.box.height_of_input(edge.input) if target.box else 0.0
        way = [(source, at - source.height / 2)]
        if target.layer - source.layer > self._reach:
            return [*way, (target, into - target.height / 2)]
        for layer in range(source.layer + 1, target.layer):
            key = (edge.source, edge.output, layer)
            bend = self._shared.get(key)
            if bend is None:
                bend = self._shared[key] = _Spot(_BEND, layer)
                self.bends.append(bend)
                _join(way[-1], (bend, 0.0))
            way.append((bend, 0.0))
        way.append((target, into - target.height / 2))
        _join(way[-2], way[-1])
        return way


def _join(one: tuple[_Spot, float], other: tuple[_Spot, float]) -> None:
    one[0].after.append((other[0], one[1], other[1]))
    other[0].before.append((one[0], other[1], one[1]))


def _columns(spots: Iterable[_Spot]) -> list[list[_Spot]]:
    columns: dict[int, list[_Spot]] = defaultdict(list)
    for spot in spots:
        columns[spot.layer].append(spot)
    return [columns[layer] for layer in sorted(columns)]


def _order(columns: Sequence[list[_Spot]], turns: int) -> None:
    """Order each column by where the wires of the one before it come from, and back, in turns."""
    _stack(columns)
    best, fewest = [list(column) for column in columns], _crossings(columns)
    for turn in range(turns):
        forward = turn % 2 == 0
        for column in columns if forward else reversed(columns):
            column.sort(key=lambda spot: _barycentre(spot, forward=forward))
            _stack([column])
        found = _crossings(columns)
        if found < fewest:
            best, fewest = [list(column) for column in columns], found
    for column, kept in zip(columns, best, strict=True):
        column[:] = kept
    _stack(columns)


def _stack(columns: Iterable[Sequence[_Spot]]) -> None:
    for column in columns:
        y = -sum(spot.height + BESIDE for spot in column) / 2
        for spot in column:
            spot.y = y + spot.height / 2
            y += spot.height + BESIDE


def _barycentre(spot: _Spot, *, forward: bool) -> float:
    ends = [other.y + at for other, _, at in (spot.before if forward else spot.after)]
    return sum(ends) / len(ends) if ends else spot.y


def _crossings(columns: Iterable[Sequence[_Spot]]) -> int:
    """How many pairs of wires cross, as they go from column to column."""
    count = 0
    for column in columns:
        ends = sorted(
            (spot.y + at, other.y + there) for spot in column for other, at, there in spot.after
        )
        count += _inversions([end for _, end in ends])
    return count


def _inversions(values: Sequence[float]) -> int:
    """How many pairs stand the wrong way round, counted in a Fenwick tree."""
    ranks = {value: i + 1 for i, value in enumerate(sorted(set(values)))}
    tree, count = [0] * (len(ranks) + 1), 0
    for seen, value in enumerate(values):
        i, below = ranks[value], 0
        while i:
            below += tree[i]
            i -= i & -i
        count += seen - below
        i = ranks[value]
        while i < len(tree):
            tree[i] += 1
            i += i & -i
    return count


def _fit(columns: Sequence[Sequence[_Spot]], turns: int) -> None:
    """Move the spots of each column to where their wires are level; their order stays."""
    for turn in range(turns):
        both = turn >= _ONE_SIDED
        for column in columns if turn % 2 == 0 else reversed(columns):
            wishes = [_wish(spot, forward=turn % 2 == 0, both=both) for spot in column]
            for spot, y in zip(column, _kept_apart(column, wishes), strict=True):
                spot.y = y


def _wish(spot: _Spot, *, forward: bool, both: bool) -> tuple[float, float]:
    """Where a spot would be if it were alone, and how much that matters."""
    wires = spot.before if forward else spot.after
    wires = [*spot.before, *spot.after] if both or not wires else wires
    if not wires:
        return spot.y, 0.1
    ends = [(other.y + at - own, spot.weight * other.weight) for other, own, at in wires]
    weight = sum(w for _, w in ends)
    return sum(y * w for y, w in ends) / weight, weight


def _kept_apart(column: Sequence[_Spot], wishes: Sequence[tuple[float, float]]) -> Iterator[float]:
    """The places nearest to the wishes at which the spots stand in order and do not touch."""
    shifts, shift = [], 0.0
    for i, spot in enumerate(column):
        if i:
            shift += (column[i - 1].height + spot.height) / 2 + _apart(column[i - 1], spot)
        shifts.append(shift)
    # Pools of neighbours that share one place, as (sum of wishes, weight, members).
    pools: list[tuple[float, float, int]] = []
    for (wish, weight), moved in zip(wishes, shifts, strict=True):
        pools.append(((wish - moved) * weight, weight, 1))
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            (a, b, c), (d, e, f) = pools[-2:]
            pools[-2:] = [(a + d, b + e, c + f)]
    places = (total / weight for total, weight, count in pools for _ in range(count))
    return (place + moved for place, moved in zip(places, shifts, strict=True))


def _apart(one: _Spot, other: _Spot) -> float:
    return BESIDE if one.box and other.box else BESIDE / 2 if one.box or other.box else 2.0


def _drawn(
    columns: Sequence[Sequence[_Spot]],
    routes: Iterable[tuple[Edge, Sequence[tuple[_Spot, float]]]],
    insides: Mapping[str, Layout],
) -> Layout:
    """The layout, moved so that it begins at its margin."""
    top = min((s.y - s.height / 2 for column in columns for s in column), default=0.0) - MARGIN
    bottom = max((s.y + s.height / 2 for column in columns for s in column), default=0.0) + MARGIN
    spans: list[tuple[float, float]] = []
    placed: list[Placed] = []
    left: dict[int, float] = {}
    x = MARGIN
    for column in columns:
        width = max((spot.box.width for spot in column if spot.box), default=0.0)
        for spot in column:
            if spot.box:
                at = x + (width - spot.box.width if spot.box.at_right else 0.0)
                left[id(spot)] = at
                placed.append(_placed(spot.box, at, spot.y - spot.height / 2 - top, insides))
        spans.append((x, x + width))
        going = sum(len(spot.after) for spot in column)
        between = BETWEEN_LAYERS + min(_MOST_FOR_WIRES, going * _FOR_EACH_WIRE)
        x += width + between
    wires = [_wire(edge, way, spans, left, top) for edge, way in routes]
    return Layout(
        spans[-1][1] + MARGIN if spans else MARGIN, bottom - top, tuple(placed), tuple(wires)
    )


def _placed(box: Box, x: float, y: float, insides: Mapping[str, Layout]) -> Placed:
    inner = insides.get(box.node.key)
    at = (x + PADDING, y + box.head + HEADER_GAP)
    return Placed(box, x, y, inner, at) if inner else Placed(box, x, y)


def _wire(
    edge: Edge,
    way: Sequence[tuple[_Spot, float]],
    spans: Sequence[tuple[float, float]],
    left: Mapping[int, float],
    top: float,
) -> Wire:
    """A wire from the right side of a box to the left side of another.

    It is level as long as it is in a column, where boxes may be wider than its own.
    """
    (source, out), (target, into) = way[0], way[-1]
    begin, end = source.y + out - top, target.y + into - top
    begin_x = left[id(source)] + (source.box.width if source.box else 0.0)
    points = [(begin_x, begin), (spans[source.layer][1], begin)]
    for bend, _ in way[1:-1]:
        points += [(x, bend.y - top) for x in spans[bend.layer]]
    points += [(spans[target.layer][0], end), (left[id(target)], end)]
    port = (
        next((p for p in source.box.node.gives if p.name == edge.output), None)
        if source.box
        else None
    )
    return Wire(edge, port.many if port else 0, tuple(points))
