"""What a selector may name in one workflow, and what is said of one that names nothing."""

import re
from collections.abc import Mapping
from typing import Any

from appliance.engine.definition import Definition
from appliance.engine.errors import MOST_LISTED, suggestion
from appliance.engine.selectors import FRAME_FIELDS, Selector, parse_selector
from blocks.block import BlockType

_TOO_SHORT = re.compile(r"\$(inputs|frame|steps)(?:\.(\w+))?\.?")


class KnownNames:
    """Everything a selector of one workflow may name.

    `types` are the Python types by dotted name, such as `steps.gate.total_in`.
    """

    def __init__(self, definition: Definition, blocks: Mapping[str, BlockType]) -> None:
        self._steps = [step.name for step in definition.steps]
        self._unread = {s.name for s in definition.steps if s.type not in blocks}
        self.types: dict[str, Any] = {f"frame.{n}": kind for n, kind in FRAME_FIELDS.items()}
        self.types |= {f"inputs.{n}": spec.annotation for n, spec in definition.inputs.items()}
        for step in definition.steps:
            block = blocks.get(step.type)
            if block is not None:
                self.types |= {f"steps.{step.name}.{n}": k for n, k in block.outputs.items()}

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
        if selector.step in self._unread:
            return None
        raise ValueError(self._unknown(selector))

    def leaves_open(self, sentence: str) -> bool:
        """Whether a sentence is about an output of a step whose block nobody knows."""
        return any(f"'steps.{name}." in sentence for name in self._unread)

    def _unknown(self, selector: Selector) -> str:
        if selector.root == "steps":
            if selector.step not in self._steps:
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
        if step not in self._steps:
            return self._no_step(step)
        if step not in self._unread and not self._under(f"steps.{step}."):
            return f"step '{step}' has no output: it gives nothing to other steps"
        listed = self._listed(f"steps.{step}.")
        return f"'{text}' is a whole step: name one of its outputs{listed}"

    def _no_step(self, name: str) -> str:
        return f"there is no step '{name}'{suggestion(name, self._steps)}"

    def _under(self, prefix: str) -> list[str]:
        return [n.removeprefix(prefix) for n in self.types if n.startswith(prefix)]

    def _listed(self, prefix: str) -> str:
        """`: $frame.camera, $frame.sequence`, as far as they are few."""
        texts = [f"${prefix}{name}" for name in self._under(prefix)]
        more = ", …" if len(texts) > MOST_LISTED else ""
        return f": {', '.join(texts[:MOST_LISTED])}{more}" if texts else ""
