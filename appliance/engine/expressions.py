"""Expressions in CEL, the Common Expression Language: the one door to Google's implementation.

Names are declared under their dotted paths (`steps.gate.total_in`), each with its type, so a wrong
name or type is refused when the file is checked. All numbers are doubles: integer literals are
rewritten, values converted on entry, so that `count / 12` and `count > 3.5` mean what they say.

What is asked for and is not there (a key of a mapping, an element of a list, the tracker_id of a
box that has none) is an error, and an error is never true, whatever stands beside it: in CEL itself
`inputs.cfg.missing || true` is true, here it is an error. Only what decides on its own comes first:
the right side of `||` and `&&` is not asked where the left side is enough, nor the side of `?:`
that is not taken. exists() and all() ask all elements. has() tells whether there is a key.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel

from appliance.engine.annotations import members
from appliance.engine.cel_hints import check_habits
from appliance.engine.cel_limits import check_values, growth
from appliance.engine.cel_messages import Refusals, failure, in_our_words
from appliance.engine.cel_text import (
    ELEMENT,
    LONGEST,
    ExpressionError,
    References,
    Written,
    check_writing,
)
from appliance.engine.cel_types import RESULTS, Kinds, blanks, given, python_value, root
from appliance.engine.errors import suggestion
from blocks.data import Image

__all__ = ["LONGEST", "Expression", "ExpressionError", "Language"]

_SCALARS = (bool, float, int)
# What in a text lets CEL pass over an error.
_ABSORBING = ("||", "&&", "exists", "all")
_CONDITION = "a condition"
_EXPRESSION = "an expression"
_NO_MEMORY = "needs more memory than there is"


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression, the dotted names whose values it needs, and what it asks present() of.

    `annotation` is the Python type of its result: Any where that is not known before it runs.
    """

    text: str
    names: tuple[str, ...]
    presences: tuple[str, ...]
    annotation: Any
    _keys: tuple[str, ...]
    _converters: tuple[Callable[[Any], Any], ...]
    _evaluate: Callable[..., Any]
    _growth: int = 1

    def value(self, values: Sequence[Any]) -> Any:
        """Work it out over the values of `names`, then a boolean for each of `presences`.

        Raises:
            ExpressionError: it gave an error, or something that is not of the compiled type.
        """
        try:
            if self._growth > 1:
                check_values(dict(zip(self._keys, values, strict=True)), self._growth)
            converted = zip(self._keys, self._converters, values, strict=True)
            result = self._evaluate(data={key: convert(v) for key, convert, v in converted})
            found = result.value()
        except (TypeError, ValueError, OverflowError, RuntimeError, RecursionError) as error:
            raise self._failure(values, error) from None
        except MemoryError:
            raise ExpressionError(f"'{self.text}' {_NO_MEMORY}") from None
        # An error is a value in CEL, a text, and true to Python. Of these types it can be none.
        if type(found) is self.annotation and self.annotation in _SCALARS:
            return found
        return self._checked(result)

    def holds(self, values: Sequence[Any]) -> bool:
        """Whether a condition is true.

        Raises:
            ExpressionError: it gave an error, or something that is not true or false.
        """
        found = self.value(values)
        if found is True or found is False:
            return bool(found)
        raise ExpressionError(f"'{self.text}' gave {given(found)}")

    @property
    def constant(self) -> Any | None:
        """The value of an expression that names nothing; None if it names something."""
        return None if self._keys else self.value(())

    def _checked(self, result: Any) -> Any:
        kind = root(result.type())
        try:
            plain = result.plain_value()
        except MemoryError:
            raise ExpressionError(f"'{self.text}' {_NO_MEMORY}") from None
        if kind == "ERROR":
            raise self._not_worked_out(plain)
        fits = kind in RESULTS if self.annotation is Any else RESULTS.get(kind) is self.annotation
        if not fits:
            raise ExpressionError(f"'{self.text}' gave {given(plain)}")
        try:
            return python_value(plain)
        except TypeError as error:
            raise ExpressionError(f"'{self.text}' gave no plain value: {error}") from None

    def _failure(self, values: Sequence[Any], error: Exception) -> ExpressionError:
        """Which value could not be given to CEL; or what CEL said."""
        for name, convert, value in zip(self._keys, self._converters, values, strict=False):
            try:
                convert(value)
            except (TypeError, ValueError, OverflowError, RecursionError) as cause:
                return ExpressionError(
                    f"'{self.text}' cannot look at the value of {name}: {_sentence(cause)}"
                )
        return self._not_worked_out(_sentence(error))

    def _not_worked_out(self, message: str) -> ExpressionError:
        return ExpressionError(f"'{self.text}' cannot be worked out: {failure(message, self.text)}")


def _sentence(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "there is half a character (a lone surrogate) in the text"
    return str(error)


class Language:
    """Everything that the expressions of one workflow may name.

    One environment to check in and one to run in serve all of them; for each type of `item` there
    is another pair, which is kept. They are made when they are first needed, and anew when `known`
    has grown, so it is best complete before the first expression is compiled.

    Args:
        known: The annotations of values by dotted name.
        steps: The names of all steps.
    """

    def __init__(self, known: Mapping[str, Any], steps: Collection[str]) -> None:
        self._known = known
        self._steps = steps
        self._kinds = Kinds()
        self._environments: dict[tuple[int, str], _Environment] = {}
        # A text is read by whoever asks what a step hangs on: the answer is kept.
        self._named: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}

    def names(self, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names and presences of a text, which is only read, not compiled.

        Whether there are such values is not looked at, but steps asked of by present() exist.

        Raises:
            ExpressionError: a name is used in a way that says nothing.
        """
        found = self._named.get(text)
        if found is None:
            check_writing(text, _EXPRESSION)
            references = Written(text, _EXPRESSION).references()
            self._check_presences(references)
            found = self._named[text] = tuple(references.names), tuple(references.presences)
        return found

    def condition(self, text: str, item: Any = None) -> Expression:
        """Compile a condition.

        Args:
            text: In CEL.
            item: The annotation of an element, in a step that runs once for each; else None.

        Raises:
            ExpressionError: a syntax error, an unknown name, a wrong type, or no true-or-false
                result.
        """
        return self._compiled(text, item, _CONDITION)

    def expression(self, text: str, item: Any = None) -> Expression:
        """Compile an expression of any result, without the `=` it begins with in a file.

        Args:
            text: In CEL.
            item: The annotation of an element, in a step that runs once for each; else None.

        Raises:
            ExpressionError: a syntax error, an unknown name, a wrong type, or a result that is no
                value.
        """
        return self._compiled(text, item, _EXPRESSION)

    def _compiled(self, text: str, item: Any, noun: str) -> Expression:
        check_writing(text, noun)
        written = Written(text, noun)
        references = written.references()
        grows = growth(written)
        environment = self._environment(item)
        for name, column in references.names.items():
            self._check_name(name, column, item, noun)
        self._check_presences(references)
        for name, column in references.presences.items():
            if name not in environment.presences:
                raise self._unknown(name, column, environment.presences)
        whole = written
        if references.presences:
            whole = Written(written.with_presences(environment.presences.__getitem__), noun)
        rewritten, added = whole.with_doubles()
        kinds = [environment.kinds[name] for name in references.names]
        try:
            compiled = environment.checking.compile(rewritten)
            annotation = _annotation(compiled.return_type(), noun)
            # After CEL has accepted the text: only then its brackets are known to be paired.
            passes_over = any(sign in rewritten for sign in _ABSORBING)
            running = Written(rewritten, noun).strict() if passes_over else rewritten
            if running != rewritten or any(kind.structured for kind in kinds):
                compiled = environment.running.compile(running)
        except RuntimeError as error:
            check_habits(written, noun)
            refusals = Refusals(noun, rewritten, added, self._kinds.fields, self._steps)
            raise refusals.refusal(str(error)) from None
        asked = [environment.presences[name] for name in references.presences]
        counted = written.counted()
        converters = [
            blanks if kind.structured and name in counted else kind.convert
            for name, kind in zip(references.names, kinds, strict=True)
        ]
        found = Expression(
            text=text.strip(),
            names=tuple(references.names),
            presences=tuple(references.presences),
            annotation=annotation,
            _keys=(*references.names, *asked),
            _converters=(*converters, *(bool for _ in asked)),
            _evaluate=compiled.eval,
            _growth=grows,
        )
        if not (found.names or found.presences):
            # What is wrong with it is wrong for ever: said now.
            found.value(())
        return found

    def _environment(self, item: Any) -> "_Environment":
        key = (len(self._known), repr(item))
        if key not in self._environments:
            known = dict(self._known)
            if item is not None:
                known |= {"item": item, "index": float}
            self._environments[key] = _Environment(known, self._steps, self._kinds)
        return self._environments[key]

    def _check_name(self, name: str, column: int, item: Any, noun: str) -> None:
        if name in ELEMENT:
            if item is None:
                raise ExpressionError(
                    f"'{name}' is known only in a step that runs once for each", column
                )
            annotation = item if name == "item" else float
        elif name in self._known:
            annotation = self._known[name]
        else:
            raise self._unknown(name, column, self._known)
        if Image in members(annotation):
            who = name if name in ELEMENT else f"'{name}'"
            raise ExpressionError(f"{who} is an image: {noun} cannot look at it", column)

    def _check_presences(self, references: References) -> None:
        for name, column in references.presences.items():
            step = name.split(".")[1]
            if name.startswith("steps.") and step not in self._steps:
                what = f"there is no step '{step}'{suggestion(step, self._steps)}"
                raise ExpressionError(what, column)

    def _unknown(self, name: str, column: int, known: Collection[str]) -> ExpressionError:
        step = name.split(".")[1] if name.startswith("steps.") else ""
        if step and step not in self._steps:
            what = f"there is no step '{step}'{suggestion(step, self._steps)}"
            return ExpressionError(what, column)
        return ExpressionError(f"unknown name '{name}'{suggestion(name, known)}", column)


class _Environment:
    """What one set of expressions is checked in, and what it runs in."""

    def __init__(self, known: Mapping[str, Any], steps: Collection[str], kinds: Kinds) -> None:
        self.kinds = {name: kinds.of(annotation) for name, annotation in known.items()}
        asked = [f"steps.{step}" for step in steps]
        asked += [name for name in known if name.startswith(("steps.", "inputs."))]
        self.presences = {name: f"present_{i}" for i, name in enumerate(asked)}
        booleans = dict.fromkeys(self.presences.values(), cel.Type.BOOL)
        self.checking = cel.NewEnv(
            descriptor_pool=kinds.pool(),
            variables=booleans | {name: kind.checked for name, kind in self.kinds.items()},
        )
        self.running = cel.NewEnv(
            variables=booleans | {name: kind.running for name, kind in self.kinds.items()}
        )


def _annotation(kind: Any, noun: str) -> Any:
    """What a result of a type of CEL's is in Python.

    Raises:
        ExpressionError: it is no result for a condition, or for any expression.
    """
    name = kind.name()
    gives = in_our_words(name if kind.is_message() else name.lower())
    found = dict if kind.is_message() else RESULTS.get(root(kind))
    if noun == _CONDITION and found not in (bool, Any):
        raise ExpressionError(f"a condition is true or false; this gives {gives}")
    if found is None or "appliance.Image" in name:
        raise ExpressionError(
            f"an expression gives numbers, texts and the like; this gives {gives}"
        )
    return found
