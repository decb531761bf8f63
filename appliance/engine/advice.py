"""What is said of a whole plan: steps nobody uses, conditions that never hold, shared steps."""

import re
from collections.abc import Collection, Iterator, Sequence

from appliance.engine.errors import Problem
from appliance.engine.expressions import ExpressionError
from appliance.engine.scopes import Draft, Entrance
from appliance.engine.selectors import is_reference, texts_in
from appliance.engine.sources import Verbatim
from appliance.engine.steps import PlannedStep
from blocks.host import Host


def shared_steps(steps: Sequence[PlannedStep], problems: list[Problem]) -> frozenset[str]:
    """The steps that stand for all cameras of a pipeline, and all that come after them.

    A model among those that come after is added to `problems`: it would hold up all cameras.
    """
    shared: set[str] = set()
    for step in steps:
        after = step.after & shared
        if step.block.scope == "pipeline" or after:
            shared.add(step.name)
        if after and Host in step.block.constructor.values():
            what = (
                f"a model cannot come after step '{min(after)}', which all cameras share: "
                "they would wait for each other"
            )
            problems.append(Problem(step.document.mark(step.path), step.where, what))
    return frozenset(shared)


def warnings_of(
    steps: Sequence[PlannedStep], taken: Collection[str], drafts: Sequence[Draft]
) -> list[Problem]:
    """What is probably not meant; `taken` are the steps whose outputs somebody takes.

    Steps that run for nobody, and steps that never run; present() of what must be there anyway;
    texts that look like selectors or expressions.
    """
    found = [*_unused(steps, taken), *_never_run(steps), *_always_present(steps)]
    return [*found, *(problem for draft in drafts for problem in _plain_texts(draft))]


def _always_present(steps: Sequence[PlannedStep]) -> Iterator[Problem]:
    for step in steps:
        for expression, place, where in step.expressions:
            needed = [
                (asked, name)
                for asked in expression.presences
                for name in expression.names
                if name == asked or name.startswith(f"{asked}.")
            ]
            for asked, name in needed[:1]:
                what = (
                    f"this needs {name}, and is not worked out without: present({asked}) is "
                    "always true here (first_present@1 gives a default for what is absent)"
                )
                yield Problem(step.document.mark(place), where, what, "warning")


# A name of a value, as it stands in conditions, or half of a selector.
_NAME_OF_VALUE = re.compile(r"\$?\b(?:steps\.(?P<step>\w+)\.\w+|inputs\.(?P<input>\w+))")


def _plain_texts(draft: Draft) -> Iterator[Problem]:
    """Texts that are taken as they stand, and have the name of a value in them."""
    scope = draft.scope
    for key, value in draft.step.given.items():
        for inner, text in texts_in(value):
            if is_reference(text) or isinstance(text, Verbatim):
                continue
            found = _NAME_OF_VALUE.search(text)
            known = found and (
                found["step"] in scope.faces or found["input"] in scope.definition.inputs
            )
            if not found or not known:
                continue
            name = found[0].removeprefix("$")
            bare = text.strip().replace("$", "")
            meant = f"${name}" if bare == name else f"the expression '= {bare}'"
            if bare != name and " " in bare and not _OPERATOR.search(bare):
                meant = f"the expression '= \"…\" + string({name})'"
            what = f"this is a plain text, with {name} in it as letters; is {meant} meant?"
            where = draft.where_of(key)
            mark = scope.document.mark((*draft.place(key), *inner))
            yield Problem(mark, where, what, "warning")


_OPERATOR = re.compile(r"[()+*/<>=]")


def _unused(steps: Sequence[PlannedStep], taken: Collection[str]) -> Iterator[Problem]:
    used = {name for step in steps for name in step.after} | set(taken)
    for step in steps:
        # What a file gives that runs as a step, somebody else may use.
        inside = step.internal or step.block.cls is Entrance
        if step.name not in used and step.block.outputs and not inside:
            what = "this step is for nothing: no step and no output takes what it gives"
            mark = step.document.mark(step.path)
            yield Problem(mark, step.where, what, "warning")


def _never_run(steps: Sequence[PlannedStep]) -> Iterator[Problem]:
    never: dict[str, str] = {}
    for step in steps:
        mark = step.document.mark((*step.path, "when"))
        source = min(step.needed & never.keys(), default=None)
        if source is not None:
            never[step.name] = source
            what = f"this step never runs, since step '{source}' never does"
            yield Problem(step.document.mark(step.path), step.where, what, "warning")
        elif _cannot_hold(step):
            never[step.name] = step.name
            what = "this can never be true: the step never runs"
            yield Problem(mark, f"{step.where}.when", what, "warning")


def _cannot_hold(step: PlannedStep) -> bool:
    """Whether a condition is false whatever comes: it looks at nothing but what must be there."""
    condition = step.condition
    if condition is None or condition.names or not step.certain:
        return False
    try:
        return not condition.holds([True] * len(condition.presences))
    except ExpressionError:
        return True
