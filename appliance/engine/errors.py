"""What can be wrong with a workflow, in words and with its place in the file."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

MOST_LISTED = 12

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, counted from 1. `excerpt` is the source line, without its end."""

    path: str
    line: int
    column: int
    excerpt: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong (or worth knowing), where it stands, and what to do."""

    mark: Mark
    where: str
    what: str
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        head = f"{self.mark}: {self.severity + ': ' if self.severity != 'error' else ''}"
        text = f"{head}{place}{self.what}"
        if not self.mark.excerpt.strip():
            return text
        gutter = f"{self.mark.line:>6} | "
        # The caret stands under the character also where tabs or a cut line come before it.
        blank = "".join("\t" if c == "\t" else " " for c in self.mark.excerpt[: self.caret])
        return f"{text}\n{gutter}{self.mark.excerpt}\n{' ' * (len(gutter) - 2)}| {blank}^"

    @property
    def caret(self) -> int:
        """How many characters stand before the caret."""
        return min(self.mark.column - 1, len(self.mark.excerpt))


class WorkflowError(Exception):
    """Root of what the engine raises."""


class DefinitionError(WorkflowError):
    """A file that is refused, with everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = _in_file_order(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def _in_file_order(problems: Iterable[Problem]) -> Sequence[Problem]:
    found = tuple(problems)
    paths = list(dict.fromkeys(problem.mark.path for problem in found))
    return sorted(found, key=lambda p: (paths.index(p.mark.path), p.mark.line, p.mark.column))


class InputError(WorkflowError):
    """A value given to a workflow from outside that does not fit its inputs."""


class StepError(WorkflowError):
    """A step that says `on_error: stop` has failed."""

    def __init__(self, step: str, camera: str, sequence: int | None, error: Exception) -> None:
        self.step = step
        super().__init__(
            f"step {step}, camera {camera}, "
            f"{'no frame' if sequence is None else f'frame {sequence}'}: "
            f"{type(error).__name__}: {error}"
        )


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of the known words that was probably meant."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return near[0] if near else None


def suggestion(word: str, known: Iterable[str], if_none: str = "") -> str:
    """` (did you mean 'x'?)` for the nearest of the known words, or all of them if they are few.

    `if_none` is said where no word is known at all.
    """
    names = sorted(known)
    if not names:
        return if_none
    near = nearest(word, names)
    if near is not None:
        return f" (did you mean '{near}'?)"
    if len(names) == 1:
        return f" (there is {names[0]})"
    if len(names) <= MOST_LISTED:
        return f" (one of {', '.join(names[:-1])} or {names[-1]})"
    return ""
