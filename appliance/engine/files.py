"""The blocks of steps; and the workflow files that run as steps, each read once."""

from collections.abc import Mapping
from typing import Any

from appliance.engine.definition import Step, parse_definition
from appliance.engine.document import Document
from appliance.engine.errors import DefinitionError, Mark, Problem
from appliance.engine.expressions import ExpressionError, Language
from appliance.engine.names import KnownNames, unknown_block
from appliance.engine.scopes import WORKFLOW, Entrance, Sub, made_block
from appliance.engine.selectors import is_expression, is_selector
from appliance.engine.sources import Sources
from blocks.block import BlockType, Parameter

DEEPEST = 8


class WorkflowFiles:
    """Finds how each step looks from outside; what is wrong is added to `problems`.

    `documents` are all files that were read.
    """

    def __init__(
        self, blocks: Mapping[str, BlockType], sources: Sources, problems: list[Problem]
    ) -> None:
        self._blocks = blocks
        self._sources = sources
        self._problems = problems
        self._texts: dict[tuple[str, str], tuple[str, str]] = {}
        self._read: dict[str, Sub | None] = {}
        self._outputs: dict[str, dict[str, Any]] = {}
        self.documents: list[Document] = []

    def face(
        self, step: Step, document: Document, chain: tuple[str, ...]
    ) -> tuple[BlockType | None, Sub | None]:
        """The block of a step, and the workflow, if it runs one; None if nobody knows it.

        `chain` are the files that led to this one.
        """
        if step.type != WORKFLOW:
            block = self._blocks.get(step.type)
            if block is None:
                what = unknown_block(step.type, self._blocks)
                mark = document.mark(("steps", step.index, "type"))
                self._problems.append(Problem(mark, f"steps.{step.name}.type", what))
            return block, None
        try:
            sub = self._sub(step, document, chain)
        except LookupError as error:
            where, what = f"steps.{step.name}.workflow", str(error.args[0])
            self._problems.append(Problem(_mark(document, step), where, what))
            return None, None
        return (self._looks(sub, chain), sub) if sub is not None else (None, None)

    def _looks(self, sub: Sub, chain: tuple[str, ...]) -> BlockType:
        """How a workflow looks as a step."""
        inputs = {
            name: Parameter(name, spec.annotation, not spec.has_default, spec.default)
            for name, spec in sub.definition.inputs.items()
        }
        path = sub.document.path
        if path not in self._outputs:
            self._outputs[path] = self._types(sub, (*chain, path))
        return made_block(WORKFLOW, Entrance, inputs, self._outputs[path])

    def _types(self, sub: Sub, chain: tuple[str, ...]) -> dict[str, Any]:
        """The types of a workflow's outputs, as far as they are known before it is planned."""
        faces: dict[str, BlockType | None] = {}
        for step in sub.definition.steps:
            faces.setdefault(step.name, self._quiet_face(step, sub.document, chain))
        names = KnownNames(sub.definition, faces)
        language = Language(names.types, names.steps)
        return {
            name: _type_of(value, names, language) for name, value in sub.definition.outputs.items()
        }

    def _quiet_face(
        self, step: Step, document: Document, chain: tuple[str, ...]
    ) -> BlockType | None:
        if step.type != WORKFLOW:
            return self._blocks.get(step.type)
        try:
            sub = self._sub(step, document, chain)
        except LookupError:
            return None  # told where the step is read
        return self._looks(sub, chain) if sub is not None else None

    def _sub(self, step: Step, document: Document, chain: tuple[str, ...]) -> Sub | None:
        """The workflow that a step runs; None if it is no workflow, which is told already.

        Raises:
            LookupError: it cannot be had; the message is the sentence for it.
        """
        name = step.given.get("workflow")
        if not isinstance(name, str) or not name:
            if "workflow" in step.given:
                raise LookupError("this must be the name of a workflow file")
            raise LookupError(
                "the key 'workflow' is missing: it names the file that runs as this step"
            )
        asked = (name, _mark(document, step).path)
        if asked not in self._texts:
            self._texts[asked] = self._sources.file(*asked)
        text, shown = self._texts[asked]
        if shown in chain:
            way = " → ".join([*chain[chain.index(shown) :], shown])
            raise LookupError(f"this workflow runs itself: {way}")
        if len(chain) > DEEPEST:
            raise LookupError(f"workflows run in each other more than {DEEPEST} deep")
        if shown not in self._read:
            self._read[shown] = self._parsed(text, shown)
        return self._read[shown]

    def _parsed(self, text: str, path: str) -> Sub | None:
        problems: list[Problem] = []
        try:
            sub = Sub(*parse_definition(text, path, self._sources, problems))
        except DefinitionError as error:
            self._problems += error.problems
            return None
        self.documents.append(sub.document)
        self._problems += problems
        return sub


def _mark(document: Document, step: Step) -> Mark:
    path = ("steps", step.index, "workflow")
    is_name = isinstance(step.given.get("workflow"), str)
    return document.mark(path) if is_name else document.key_mark(path)


def _type_of(value: Any, names: KnownNames, language: Language) -> Any:
    if is_selector(value):
        return names.types.get(value[1:], Any)
    if is_expression(value):
        try:
            return language.expression(value[1:]).annotation
        except ExpressionError:
            return Any  # wrong, or of each element: told where the file is planned
    return type(value) if isinstance(value, dict | list) else Any
