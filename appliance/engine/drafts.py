"""The steps of a workflow, and of the workflows that run as steps in it, as one flat list.

A step of `type: workflow` becomes an entrance, which takes the inputs and decides on `when`, the
steps of the other file, each called `step/inner`, and an exit for each output that is no plain
selector. What is wrong with settings, keys and blocks is found here; wires are checked in `steps`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from appliance.engine.annotations import is_of
from appliance.engine.definition import STEP_KEYS, Definition, Step
from appliance.engine.document import Document, Path
from appliance.engine.errors import InputError, Mark, Problem, TooManyProblemsError, suggestion
from appliance.engine.expressions import ExpressionError
from appliance.engine.files import WorkflowFiles
from appliance.engine.scopes import ENTERED, WORKFLOW, Draft, Outside, Scope, Sub, exit_draft
from appliance.engine.selectors import is_expression, is_selector, references_in
from appliance.engine.sources import Sources
from appliance.engine.validation import problems_of, strict
from appliance.engine.values import OPEN, Computed, Reference, fixed, parsed
from appliance.engine.wiring import CAPTURED_AT
from blocks.block import BlockType
from blocks.data import Image

MOST_STEPS = 2_000


class Drafts:
    """Reads a workflow and all that run in it; what is wrong is added to `problems`.

    `producers` are the steps behind full names, `asked` the names that present() is asked of.
    `held` are the trees of inputs that do not change with each frame, `offered` the values that
    files give which run as steps.
    """

    def __init__(
        self, blocks: Mapping[str, BlockType], sources: Sources, problems: list[Problem]
    ) -> None:
        self._blocks = blocks
        self._problems = problems
        self._files = WorkflowFiles(blocks, sources, problems)
        self.scopes: list[Scope] = []
        self.all: list[Draft] = []
        self.producers: dict[str, str] = {}
        self.asked: set[str] = set()
        self.held: dict[str, Any] = {}
        self.offered: set[str] = set()

    @property
    def documents(self) -> list[Document]:
        """All files that were read."""
        return self._files.documents

    def read(self, definition: Definition, document: Document) -> Scope:
        """Add the steps of the main file; its scope."""
        self.documents.append(document)
        images = frozenset(n for n, s in definition.inputs.items() if s.annotation is Image)
        held = {n: Reference(f"inputs.{n}") for n in definition.inputs if n not in images}
        self._defaults = {
            name: spec.default
            for name, spec in definition.inputs.items()
            if spec.has_default and is_of(spec.default, spec.annotation)
        }
        outside = Outside("", held, images, None, (document.path,))
        scope = self._scope(Sub(definition, document), outside)
        for name, value in definition.outputs.items():
            named = scope.names.named(value) if is_selector(value) else None
            # In what leaves a workflow a time is a time: it is made of the number.
            if not is_selector(value) or (named and scope.full(named) == CAPTURED_AT):
                self._add(exit_draft(scope, name, value))
        producers = self.producers
        for draft in self.all:
            producers |= {draft.output(name): draft.name for name in draft.block.outputs}
            producers[draft.ran] = draft.name
        for draft in self.all:
            names, asked = draft.mentioned()
            names |= asked | ({draft.scope.gate} if draft.scope.gate else set())
            self.asked |= asked
            draft.after = frozenset(producers[name] for name in names if name in producers)
        return scope

    def _scope(self, sub: Sub, outside: Outside) -> Scope:
        definition, document = sub
        if len(self.all) + len(definition.steps) > MOST_STEPS:
            self._too_many(document.key_mark(("steps",)), "steps")
        subs: dict[str, Sub] = {}
        faces: dict[str, BlockType | None] = {}
        for step in definition.steps:
            if step.name not in faces:
                faces[step.name], inner = self._files.face(step, document, outside.chain)
                subs |= {step.name: inner} if inner is not None else {}
        scope = Scope(definition, document, outside, faces)
        self.scopes.append(scope)
        seen: set[str] = set()
        for step in definition.steps:
            face = faces[step.name]
            if step.name in seen:
                self._check_second(scope, step)
                continue
            seen.add(step.name)
            if face is None:
                self._check_names(scope, step)
            else:
                self._read(Draft(scope, step, face, ("steps", step.index)), subs, outside.chain)
        return scope

    def _read(self, draft: Draft, subs: Mapping[str, Sub], chain: tuple[str, ...]) -> None:
        self._check_keys(draft)
        draft.settings = self._settings(draft)
        sub = subs.get(draft.step.name)
        if sub is None:
            self._add(draft)
            return
        inputs = {n: parameter.annotation for n, parameter in draft.block.inputs.items()}
        draft.block = replace(draft.block, outputs=inputs | {ENTERED: bool})
        self._enter(draft, sub, chain)

    def _check_second(self, scope: Scope, step: Step) -> None:
        """All that can be said of a step whose name is taken."""
        face = self._blocks.get(step.type)
        if face is not None:
            draft = Draft(scope, step, face, ("steps", step.index))
            self._check_keys(draft)
            self._settings(draft)
        elif step.type != WORKFLOW:
            self._files.face(step, scope.document, ())

    def _check_names(self, scope: Scope, step: Step) -> None:
        """All that can be said of a step whose block nobody knows."""
        for key, value in step.given.items():
            for inner, text in references_in(value):
                if is_selector(text):
                    place = ("steps", step.index, key, *inner)
                    self.find(scope, text, place, f"steps.{step.name}.{key}")

    def _add(self, draft: Draft) -> None:
        if len(self.all) == MOST_STEPS:
            self._too_many(draft.scope.document.mark(draft.path), draft.where)
        self.all.append(draft)

    def _too_many(self, mark: Mark, where: str) -> None:
        what = f"with all that run in it this workflow has more than {MOST_STEPS:,} steps"
        self._refuse(mark, where, what)
        raise TooManyProblemsError

    def _enter(self, draft: Draft, sub: Sub, chain: tuple[str, ...]) -> None:
        """Add an entrance, the steps behind it, and the exits."""
        self._add(draft)
        held = dict(self._held(draft))
        self.held |= {draft.output(name): tree for name, tree in held.items()}
        outside = Outside(
            f"{draft.name}/",
            held,
            frozenset(draft.step.given.keys() - held.keys()),
            draft.output(ENTERED),
            (*chain, sub.document.path),
            draft.stops,
            self._times(draft),
        )
        inner = self._scope(sub, outside)
        face = draft.scope.faces[draft.step.name]
        types = face.outputs if face is not None else {}
        for name, value in sub.definition.outputs.items():
            taken = f"steps.{draft.step.name}.{name}"
            if is_selector(value):
                found = self.find(inner, value, ("outputs", name), f"outputs.{name}")
                if found is not None:
                    draft.scope.aliases[taken] = inner.full(found)
                    self.offered.add(inner.full(found))
            else:
                leaving = exit_draft(inner, name, value, types.get(name, Any))
                self._add(leaving)
                draft.scope.aliases[taken] = leaving.output("value")

    def _times(self, draft: Draft) -> frozenset[str]:
        """The inputs of a workflow that runs as a step which are the time of the frame."""
        given, scope = draft.step.given, draft.scope
        found = {name: scope.names.named(text) for name, text in given.items() if is_selector(text)}
        return frozenset(n for n, name in found.items() if name and scope.full(name) == CAPTURED_AT)

    def _held(self, draft: Draft) -> Iterator[tuple[str, Any]]:
        """The inputs of a workflow that runs as a step which do not change with each frame."""
        for name, parameter in draft.block.inputs.items():
            if name not in draft.step.given:
                if not parameter.required:
                    yield name, parameter.default
                continue
            tree = self._tree(draft, draft.step.given[name], draft.place(name), None)
            if tree is not OPEN:
                yield name, tree

    def _check_keys(self, draft: Draft) -> None:
        known = {*draft.block.manifest.model_fields, *draft.block.inputs}
        for key in draft.step.given:
            if key not in known:
                what = f"unknown key '{key}'{suggestion(key, known | set(STEP_KEYS))}"
                mark = draft.scope.document.key_mark((*draft.path, key))
                self._refuse(mark, f"{draft.where}.{key}", what)

    def _settings(self, draft: Draft) -> dict[str, Any]:
        """The settings as trees over the inputs of the plan, checked as far as these are known."""
        fields, scope = draft.block.manifest.model_fields, draft.scope
        trees, known = {}, {}
        for name, value in draft.step.given.items():
            if name not in fields:
                continue
            tree = self._tree(draft, value, draft.place(name), name)
            trees[name] = tree
            filled = self._filled(draft, name, tree)
            if filled is not OPEN:
                known[name] = filled
        try:
            strict(draft.block.manifest, known)
        except ValidationError as error:
            # A setting whose input has no default yet is looked at when the pipeline starts.
            unset = trees.keys() - known.keys()
            model = draft.block.manifest
            self._problems += problems_of(error, scope.document, model, draft.path, unset)
        return {name: tree for name, tree in trees.items() if tree is not OPEN}

    def _filled(self, draft: Draft, name: str, tree: Any) -> Any:
        if tree is OPEN:
            return OPEN
        try:
            return fixed(tree, self._defaults)
        except InputError as error:
            mark = draft.scope.document.mark(draft.place(name))
            self._refuse(mark, draft.where_of(name), str(error))
            return OPEN

    def _tree(self, draft: Draft, value: Any, place: Path, setting: str | None) -> Any:
        """A written value over the inputs of the plan; OPEN where it has something else in it.

        That is told where the value is a `setting`, which must not change with each frame.
        """
        scope, opened = draft.scope, []

        def held(name: str, text: str, at: Path) -> Any:
            given = name.removeprefix("inputs.")
            if name.startswith("inputs.") and given in scope.outside.held:
                return scope.outside.held[given]
            opened.append(name)
            changes = not name.startswith("inputs.") or given in scope.outside.varying
            if setting is not None and changes:
                inner = scope.prefix and name.startswith("inputs.")
                by = f", to which step '{scope.prefix[:-1]}' gives what" if inner else ", which"
                what = (
                    f"'{setting}' is a setting, fixed when the pipeline starts: it takes a value "
                    f"or $inputs.x, not {text}{by} changes with each frame"
                )
                self._refuse(scope.document.mark(at), draft.where_of(setting), what)
            return None

        def resolve(text: str, inner: Path) -> Any:
            at = (*place, *inner)
            if is_expression(text):
                computed = self._computed(draft, text, at, setting, held)
                opened.extend([text] if computed is OPEN else [])
                return computed
            where = draft.where_of(setting) if setting is not None else ""
            name = (
                self.find(scope, text, at, where)
                if setting is not None
                else scope.names.named(text)
            )
            if name is None:
                opened.append(text)
                return None
            return held(name, text, at)

        tree = parsed(value, resolve)
        return OPEN if opened else tree

    def _computed(self, draft: Draft, text: str, at: Path, setting: str | None, held: Any) -> Any:
        scope = draft.scope
        try:
            expression = scope.language.expression(text[1:])
        except ExpressionError as error:
            if setting is not None:
                self.refuse_expression(scope, text, at, draft.where_of(setting), error, 1)
            return OPEN
        names = (*expression.names, *expression.presences)
        arguments = [held(name, f"${name}", at) for name in names]
        # An input that is held has a value whenever the pipeline runs.
        there = [True] * len(expression.presences)
        return Computed(expression, (*arguments[: len(expression.names)], *there))

    def find(self, scope: Scope, text: str, place: Path, where: str) -> str | None:
        """The dotted name a selector stands for; None, and a problem, if there is none."""
        try:
            return scope.names.find(text)
        except ValueError as error:
            self._refuse(scope.document.mark(place), where, str(error))
            return None

    def refuse_expression(
        self, scope: Scope, text: str, place: Path, where: str, error: ExpressionError, skipped: int
    ) -> None:
        """Add the problem of an expression, at its place in the file."""
        if scope.names.leaves_open(str(error)):
            return
        mark = scope.document.mark(place)
        self._refuse(_inside(mark, text, error.column + skipped), where, str(error))

    def _refuse(self, mark: Mark, where: str, what: str) -> None:
        self._problems.append(Problem(mark, where, what))


def _inside(mark: Mark, text: str, column: int) -> Mark:
    """The place of a character of a text that stands on one line at `mark`."""
    start = mark.excerpt.find(text, mark.column - 1)
    return Mark(mark.path, mark.line, start + column, mark.excerpt) if start >= 0 else mark
