"""What can be wrong with a workflow, in words and with its place in the file."""

import difflib
from bisect import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Self

MOST_LISTED = 12
MOST_PROBLEMS = 200
"""So many are told at once; with that many nobody reads on, and a file can be made of mistakes."""

# Of more names than this only those are compared in full that begin or end like the word.
_MANY_NAMES = 100
_NEIGHBOURS = 5

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
        self.problems: Sequence[Problem] = in_file_order(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def in_file_order(problems: Iterable[Problem]) -> Sequence[Problem]:
    """The problems as they stand in their files, one file after the other."""
    found = tuple(problems)
    paths = list(dict.fromkeys(problem.mark.path for problem in found))
    return sorted(found, key=lambda p: (paths.index(p.mark.path), p.mark.line, p.mark.column))


class TooManyProblemsError(WorkflowError):
    """So many things are wrong that no more are looked for."""


class Problems(list[Problem]):
    """The problems of a file while it is checked.

    Raises:
        TooManyProblemsError: by each way to add to it, where there are MOST_PROBLEMS.
    """

    def append(self, problem: Problem) -> None:
        """Add one."""
        super().append(problem)
        self._stop_if_full()

    def __iadd__(self, problems: Iterable[Problem]) -> Self:  # type: ignore[override,misc]  # a list takes any iterable
        self.extend(problems)
        self._stop_if_full()
        return self

    def _stop_if_full(self) -> None:
        if len(self) >= MOST_PROBLEMS:
            raise TooManyProblemsError


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
    names = sorted(known)
    if len(names) > _MANY_NAMES:
        names = _neighbours(word, tuple(names))
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return near[0] if near else None


def _neighbours(word: str, names: tuple[str, ...]) -> list[str]:
    """The names that stand next to the word in the order of their beginnings, and of their ends."""
    backward = _by_their_ends(names)
    i, j = bisect(names, word), bisect(backward, word[::-1])
    found = {*names[max(i - _NEIGHBOURS, 0) : i + _NEIGHBOURS]}
    found |= {n[::-1] for n in backward[max(j - _NEIGHBOURS, 0) : j + _NEIGHBOURS]}
    return sorted(found)


@lru_cache(maxsize=4)
def _by_their_ends(names: tuple[str, ...]) -> list[str]:
    return sorted(name[::-1] for name in names)


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
