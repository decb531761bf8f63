"""What a selector may name in one workflow, and what is said of one that names nothing."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from appliance.engine.annotations import columns_of, element, fits, members, with_columns
from appliance.engine.definition import Definition
from appliance.engine.errors import MOST_LISTED, nearest, suggestion
from appliance.engine.selectors import (
    FRAME_FIELDS,
    Selector,
    is_selector,
    parse_selector,
    selectors_in,
)
from blocks.block import BlockType
from blocks.data import Detections

_TOO_SHORT = re.compile(r"\$(inputs|frame|steps)(?:\.(\w+))?\.?")


class KnownNames:
    """Everything a selector of one workflow may name.

    `types` are the Python types by dotted name, such as `steps.gate.total_in`; of a value that is
    many the type of one element. `faces` are the blocks of the steps, None where nobody knows it.
    """

    def __init__(self, definition: Definition, faces: Mapping[str, BlockType | None]) -> None:
        self.steps = [*faces, *definition.unread_steps]
        self._unread = {n for n, face in faces.items() if face is None} | definition.unread_steps
        self._unread_inputs = definition.unread_inputs
        self.types: dict[str, Any] = {f"frame.{n}": kind for n, kind in FRAME_FIELDS.items()}
        self.types |= {f"inputs.{n}": spec.annotation for n, spec in definition.inputs.items()}
        columns = self._columns = _Columns(definition, faces)
        for name, face in faces.items():
            for output, kind in (face.outputs if face else {}).items():
                one = element(kind) or kind
                self.types[f"steps.{name}.{output}"] = with_columns(one, columns.of(name, output))

    def find(self, text: str) -> str | None:
        """The dotted name a selector stands for; None if its step has a block nobody knows.

        Raises:
            ValueError: it names nothing; the message is the sentence for it.
        """
        try:
            selector = parse_selector(text)
        except ValueError:
            short = _TOO_SHORT.fullmatch(text)
            if short is None or (short[2] and short[1] != "steps"):
                raise
            raise ValueError(self._too_short(text, short[1], short[2])) from None
        name = str(selector)[1:]
        if name in self.types:
            return name
        if selector.step in self._unread or (
            selector.root == "inputs" and selector.name in self._unread_inputs
        ):
            return None
        raise ValueError(self._unknown(selector))

    def named(self, text: str) -> str | None:
        """The dotted name a selector stands for; None if it names nothing that is known."""
        try:
            name = str(parse_selector(text))[1:]
        except ValueError:
            return None
        return name if name in self.types else None

    def lacks(self, text: str, asked: Iterable[str]) -> str | None:
        """The first of some columns that the detections behind a selector cannot have.

        None also where columns may have come in that nobody knows.
        """
        selector = parse_selector(text)
        if not self._columns.are_known(selector.step, selector.name):
            return None
        found = self._columns.of(selector.step, selector.name)
        return next((column for column in asked if column not in found), None)

    def leaves_open(self, sentence: str) -> bool:
        """Whether a sentence is about an output of a step whose block nobody knows."""
        steps = [f"'steps.{name}." for name in self._unread]
        inputs = [f"'inputs.{name}'" for name in self._unread_inputs]
        return any(part in sentence for part in steps + inputs)

    def _unknown(self, selector: Selector) -> str:
        if selector.root == "steps":
            if selector.step not in self.steps:
                return self._no_step(selector.step)
            outputs = self._under(f"steps.{selector.step}.")
            hint = suggestion(selector.name, outputs, " (it gives none)")
            return f"step '{selector.step}' has no output '{selector.name}'{hint}"
        thing = "input" if selector.root == "inputs" else "frame field"
        known = self._under(f"{selector.root}.")
        hint = suggestion(selector.name, known, " (the workflow has none)")
        return f"there is no {thing} '{selector.name}'{hint}"

    def _too_short(self, text: str, root: str, step: str | None) -> str:
        """The sentence for `$inputs`, `$frame`, `$steps` or `$steps.gate` alone."""
        if root == "inputs":
            return f"'{text}' is all inputs: name one of them{self._listed('inputs.')}"
        if root == "frame":
            return f"'{text}' is the whole frame: name a fact of it{self._listed('frame.')}"
        if step is None:
            return f"'{text}' is all steps: name one and its output: $steps.step.output"
        if step not in self.steps:
            return self._no_step(step)
        if step not in self._unread and not self._under(f"steps.{step}."):
            return f"step '{step}' has no output: it gives nothing to other steps"
        listed = self._listed(f"steps.{step}.")
        return f"'{text}' is a whole step: name one of its outputs{listed}"

    def _no_step(self, name: str) -> str:
        return f"there is no step '{name}'{suggestion(name, self.steps)}"

    def _under(self, prefix: str) -> list[str]:
        return [n.removeprefix(prefix) for n in self.types if n.startswith(prefix)]

    def _listed(self, prefix: str) -> str:
        """`: $frame.camera, $frame.sequence`, as far as they are few."""
        texts = [f"${prefix}{name}" for name in self._under(prefix)]
        more = ", …" if len(texts) > MOST_LISTED else ""
        return f": {', '.join(texts[:MOST_LISTED])}{more}" if texts else ""


# A step and its output; None for what is no output of a step.
_Source = tuple[str, str] | None


class _Columns:
    """The further columns of the detections that steps give: their own, and what came in.

    Of several in one list, only the columns that all of them have are passed on.
    """

    def __init__(self, definition: Definition, faces: Mapping[str, BlockType | None]) -> None:
        self._faces = faces
        self._came_in: dict[str, dict[str, type]] = {name: {} for name in faces}
        # Steps whose detections may have columns that nobody knows.
        self._open: set[str] = set()
        groups: dict[str, list[list[_Source]]] = {name: [] for name in faces}
        takers: dict[str, list[str]] = {name: [] for name in faces}
        for step in definition.steps:
            face = faces[step.name]
            for name in face.inputs if face else ():
                groups[step.name] += _groups(step.given.get(name))
            if face is None or any(map(self._is_open, _detections_of(face, step.given))):
                self._open.add(step.name)
            for source in (source for group in groups[step.name] for source in group if source):
                takers.get(source[0], []).append(step.name)
        waiting = list(faces)
        while waiting:
            name = waiting.pop()
            found = {c: kind for group in groups[name] for c, kind in self._of_all(group).items()}
            # Columns only become more, so that it ends also where steps wait for each other.
            if found.keys() - self._came_in[name].keys():
                self._came_in[name] = found | self._came_in[name]
                waiting += takers[name]
        waiting = list(self._open)
        while waiting:
            late = [taker for taker in takers[waiting.pop()] if taker not in self._open]
            self._open.update(late)
            waiting += late

    def are_known(self, step: str, output: str) -> bool:
        """Whether an output is detections that have no other columns than `of` tells."""
        return step not in self._open and not self._is_open((step, output))

    def of(self, step: str, output: str) -> dict[str, type]:
        """The columns of one output."""
        face = self._faces.get(step)
        if face is None or output not in face.outputs:
            return {}
        return self._came_in[step] | columns_of(face.outputs[output])

    def _is_open(self, source: _Source) -> bool:
        """Whether a source may be anything, or is made by a block nobody knows."""
        face = self._faces.get(source[0]) if source else None
        kind = face.outputs.get(source[1]) if face and source else None
        parts = [part for part in members(element(kind) or kind) if part is not type(None)]
        return parts != [Detections]

    def _of_all(self, group: Sequence[_Source]) -> dict[str, type]:
        """The columns that all of a group have, of one type."""
        # Of a step whose block nobody knows nothing is held against the others.
        known = [s for s in group if s is None or self._faces.get(s[0])]
        first, *others = [self.of(*s) if s else {} for s in known] or [{}]
        return {c: kind for c, kind in first.items() if all(o.get(c) is kind for o in others)}


def _groups(given: Any) -> Iterator[list[_Source]]:
    """The outputs that are written for one input: those in one list are a group."""
    if isinstance(given, list):
        yield [_output(entry) for entry in given]
    else:
        yield from ([_output(text)] for _, text in selectors_in(given))


def _detections_of(face: BlockType, given: Mapping[str, Any]) -> Iterator[_Source]:
    """All that is written for those inputs of a block that take detections."""
    for name, parameter in face.inputs.items():
        kind = parameter.annotation
        if name in given and fits(Detections, element(kind) or kind):
            written = given[name]
            yield from map(_output, written if isinstance(written, list) else [written])


def _output(written: Any) -> _Source:
    try:
        selector = parse_selector(written) if is_selector(written) else None
    except ValueError:
        return None
    return (selector.step, selector.name) if selector and selector.root == "steps" else None


def unknown_block(type_: str, blocks: Mapping[str, BlockType]) -> str:
    """The sentence for a block type that does not exist."""
    name, _, version = type_.partition("@")
    if name == "workflow":
        return f"'{type_}' is no block: write workflow, without a version, to run another file"
    versions = sorted(b.version for b in blocks.values() if b.name == name)
    if versions:
        known = [f"{name}@{v}" for v in versions]
        if not version:
            return f"'{type_}' lacks its version: write {' or '.join(known)}"
        there = " and ".join(known)
        return f"block '{name}' has no version '{version}' (there is {there})"
    near = nearest(name, {block.name for block in blocks.values()})
    if near is None:
        return f"unknown block '{type_}' (`appliance blocks` lists what there is)"
    latest = max(b.version for b in blocks.values() if b.name == near)
    return f"unknown block '{type_}' (did you mean '{near}@{latest}'?)"
