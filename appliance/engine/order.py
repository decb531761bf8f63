"""The order in which steps run: each after everything it is wired to."""

import heapq
from collections.abc import Sequence

from appliance.engine.errors import Problem
from appliance.engine.scopes import Draft


def in_order(drafts: Sequence[Draft], problems: list[Problem]) -> list[Draft]:
    """Sort the steps, keeping the file's order where wires leave it open.

    A cycle is added to `problems`, with the way it takes; its steps, and all that hang on them,
    come last.
    """
    waiting = {draft.name: draft for draft in drafts}
    takers: dict[str, list[str]] = {name: [] for name in waiting}
    places = {name: i for i, name in enumerate(waiting)}
    open_wires = {}
    for draft in drafts:
        sources = draft.after & waiting.keys()
        open_wires[draft.name] = len(sources)
        for source in sources:
            takers[source].append(draft.name)
    ready = [place for name, place in places.items() if not open_wires[name]]
    ordered: list[Draft] = []
    while ready:
        draft = drafts[heapq.heappop(ready)]
        ordered.append(waiting.pop(draft.name))
        for name in takers[draft.name]:
            open_wires[name] -= 1
            if not open_wires[name]:
                heapq.heappush(ready, places[name])
    if waiting:
        way = _cycle(waiting)
        first = waiting[way[0]]
        what = f"these steps wait for each other: {' → '.join([*way, way[0]])}"
        mark = first.scope.document.mark(first.path)
        problems.append(Problem(mark, first.where, what))
    return [*ordered, *waiting.values()]


def _cycle(waiting: dict[str, Draft]) -> list[str]:
    """The names along one cycle, in the direction in which values flow."""
    way: list[str] = []
    name = next(iter(waiting))
    while name not in way:
        way.append(name)
        name = min(waiting[name].after & waiting.keys())
    circle = way[way.index(name) :]
    circle.reverse()
    # Begin with the step that stands first in the file.
    places = {name: i for i, name in enumerate(waiting)}
    start = min(range(len(circle)), key=lambda i: places[circle[i]])
    return circle[start:] + circle[:start]
