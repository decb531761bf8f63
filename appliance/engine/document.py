"""YAML and JSON texts as plain data, with the place of every key and value.

Scalars follow YAML 1.2: `on`, `off`, `yes`, `no` and `12:30` stay strings. What could hide a
mistake or blow up is refused: duplicate keys, unknown tags, several documents, keys that are not
strings, files and expansions beyond all use. `!secret`, `!include` and `${NAME}` are looked up
in the given sources.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from appliance.engine.errors import (
    MOST_PROBLEMS,
    DefinitionError,
    Mark,
    Problem,
    TooManyProblemsError,
)
from appliance.engine.redaction import Redaction, without_parts
from appliance.engine.scalars import Piece, has_references, pieces, plain_scalar
from appliance.engine.sources import NOTHING_OUTSIDE, Sources, Verbatim
from appliance.engine.syntax import (
    DEEPEST,
    IN_QUOTES,
    PLAIN,
    TOO_DEEP,
    YAML_TAG,
    Lines,
    compose,
)

Path = tuple[str | int, ...]

MOST_VALUES = 50_000
# Each is looked for in each problem.
MOST_HIDDEN = 1_000

_TAGS = frozenset({PLAIN, f"{YAML_TAG}str", f"{YAML_TAG}map", f"{YAML_TAG}seq"})
_TAKES = {"!secret": "the name of a secret", "!include": "the name of a file"}
# So long are the paths of the settings of a step: what stands above is no value of the user's.
_OWN = 3
# What of a step is for all to see, and is taken as it stands.
_OPEN_KEYS = frozenset({"name", "type", "when"})
_NO_MIX = (
    "no selector or expression can be made with ${NAME} (a text that begins with {0} is written "
    "with two)"
)


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data, and where each part of it stands.

    `values` maps a path such as `("steps", 0, "image")` to the place of the value, `keys` to the
    place of the key in front of it; both may be in a file that is included. `hidden` are the texts
    of secrets and environment variables in it, `outside` the paths of values that hold one.
    `refusals` are the problems found in reading; `unread` tells those for which a value is missing,
    by the place of the value. `behind` are for the path of a value the hidden texts in it.
    """

    path: str
    data: Any = field(repr=False)
    values: Mapping[Path, Mark] = field(repr=False)
    keys: Mapping[Path, Mark] = field(repr=False)
    hidden: frozenset[str] = field(default=frozenset(), repr=False)
    outside: frozenset[Path] = frozenset()
    refusals: tuple[Problem, ...] = ()
    unread: Mapping[Mark, Problem] = field(default_factory=dict)
    behind: Mapping[Path, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def mark(self, path: Path) -> Mark:
        """The place of a value, or of the nearest thing around it that has a place."""
        while path not in self.values:
            path = path[:-1]
        return self.values[path]

    def key_mark(self, path: Path) -> Mark:
        """The place of a key, or else of its value."""
        return self.keys.get(path) or self.mark(path)

    def discreet(self, problems: Iterable[Problem]) -> list[Problem]:
        """The problems as they may be told: none shows what is hidden.

        Those are left out that only say that a value is wrong which could not be read at all.
        """
        given = dict.fromkeys(problems)
        redaction = Redaction(self.hidden)
        reasons = {problem: self.unread.get(problem.mark, problem) for problem in given}
        behind = self._behind_marks()
        # A reason that is not told among them explains nothing.
        told = (p for p in given if reasons[p] == p or reasons[p] not in given)
        return [
            redaction.problem(replace(p, what=without_parts(p.what, behind.get(p.mark, ()))))
            for p in told
        ]

    def _behind_marks(self) -> Mapping[Mark, list[str]]:
        """The texts behind the place of a value, and behind what it stands in within a step."""
        found: dict[Mark, list[str]] = {}
        for path, texts in self.behind.items():
            for length in range(min(_OWN, len(path)), len(path) + 1):
                for mark in {self.mark(path[:length]), self.key_mark(path[:length])}:
                    found.setdefault(mark, []).extend(texts)
        return found


def read_document(
    text: str,
    path: str,
    sources: Sources = NOTHING_OUTSIDE,
    problems: list[Problem] | None = None,
) -> Document:
    """Read a text that is called `path` in messages.

    `sources` are all that it may take from outside. What is refused in it is added to `problems`,
    if they are given.

    Raises:
        DefinitionError: it is not YAML, is empty, or is beyond all use. If no `problems` are given:
            all that is refused in it.
    """
    node, lines = compose(text, path)
    document = _Walk(lines, sources).document(node)
    if problems is not None:
        problems.extend(document.refusals)
    elif document.refusals:
        raise DefinitionError(document.refusals)
    return document


class _Walk:
    """Turns nodes into data, and keeps the places; goes on into the files that are included."""

    def __init__(self, lines: Lines, sources: Sources) -> None:
        self._lines = lines
        self._sources = sources
        self._values: dict[Path, Mark] = {}
        self._keys: dict[Path, Mark] = {}
        self._refused: list[tuple[Mark, Path, str]] = []
        self._hidden: set[str] = set()
        self._outside: set[Path] = set()
        self._unread: dict[Mark, int] = {}
        self._behind: dict[Path, tuple[str, ...]] = {}
        self._budget = MOST_VALUES
        self._open: set[int] = set()
        self._chain = [lines.path]

    def document(self, node: yaml.Node) -> Document:
        path = self._lines.path
        data = None
        with suppress(TooManyProblemsError):
            data = self._value(node, ())
        redaction = Redaction(self._hidden)
        refusals = [
            redaction.problem(Problem(mark, dotted(with_step_name(place, data)), what))
            for mark, place, what in self._refused
        ]
        return Document(
            path,
            data,
            self._values,
            self._keys,
            hidden=frozenset(self._hidden),
            outside=frozenset(self._outside),
            refusals=tuple(refusals),
            unread={mark: refusals[number] for mark, number in self._unread.items()},
            behind=self._behind,
        )

    def _value(self, node: yaml.Node, path: Path) -> Any:
        mark = self._values[path] = self._lines.mark(node.start_mark)
        self._spend_on(node, mark)
        if len(path) > DEEPEST:
            raise DefinitionError([Problem(mark, "", TOO_DEEP)])
        if id(node) in self._open:
            self._refuse(mark, path, "this alias stands inside of what it repeats")
            return None
        if node.tag in _TAKES:
            return self._taken(node, mark, path)
        self._refuse_tag(node, mark, path)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, mark, path)
        self._open.add(id(node))
        is_list = isinstance(node, yaml.SequenceNode)
        value = self._sequence(node, path) if is_list else self._mapping(node, path)
        self._open.discard(id(node))
        return value

    def _sequence(self, node: yaml.Node, path: Path) -> list[Any]:
        return [self._value(item, (*path, i)) for i, item in enumerate(node.value)]

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            mark = self._lines.mark(key_node.start_mark)
            self._spend_on(key_node, mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(mark, path, _no_key(key_node, path))
                continue
            key = str(key_node.value)
            self._refuse_tag(key_node, mark, (*path, key))
            if key_node.tag == PLAIN and key in ("", "<<"):
                what = "there is no key in front of this colon"
                if key:
                    what = "'<<' is not part of this language: write the keys out"
                self._refuse(mark, path, what)
            elif key in found:
                self._refuse(mark, path, f"duplicate key '{key}' ({self._first((*path, key))})")
            else:
                self._keys[(*path, key)] = mark
                found[key] = self._value(value_node, (*path, key))
        return found

    def _first(self, path: Path) -> str:
        return f"first on line {self._keys[path].line}"

    def _scalar(self, node: yaml.ScalarNode, mark: Mark, path: Path) -> Any:
        text, plain = str(node.value), node.tag == PLAIN
        if not has_references(text) or _is_open(path):
            return plain_scalar(text) if plain else text
        try:
            found = self._pieces(text, mark)
        except (ValueError, LookupError) as error:
            return self._missing(mark, path, _sentence(error))
        if (
            text[0] in "$="
            and text[:2] not in ("$$", "==", "${")
            and any(piece.reference for piece in found)
        ):
            return self._missing(mark, path, _NO_MIX.replace("{0}", text[0]))
        value = _put_together(found, text, plain=plain)
        self._hide([piece.text for piece in found if piece.outside], value, mark, path)
        return value

    def _hide(self, texts: list[str], value: Any, mark: Mark, path: Path) -> None:
        """Keep in mind what texts from outside became of a value."""
        if texts:
            self._outside.add(path)
            self._behind[path] = (*texts, str(value))
        # The words of the language stand in messages that have nothing to do with the value.
        if texts and not isinstance(value, bool | None):
            self._hidden.update(texts)
            if not isinstance(value, str):
                # A number may be written in another way than it is shown.
                self._hidden.add(str(value))
        if len(self._hidden) > MOST_HIDDEN:
            what = f"the file takes more than {MOST_HIDDEN:,} different values from outside"
            raise DefinitionError([Problem(mark, "", what)])

    def _pieces(self, text: str, mark: Mark) -> list[Piece]:
        found = []
        for piece in pieces(text, self._sources.variable):
            self._spend(len(piece.text), mark)
            found.append(piece)
        return found

    def _taken(self, node: yaml.Node, mark: Mark, path: Path) -> Any:
        """What stands for `!secret` and `!include`."""
        if not isinstance(node, yaml.ScalarNode) or not node.value:
            what = f"{node.tag} takes {_TAKES[node.tag]}: write {node.tag} name"
            return self._missing(mark, path, what)
        if node.tag == "!include":
            return self._included(node.value, mark, path)
        if _is_open(path) or path == ("name",):
            whose = "a step" if path[1:] else "a workflow"
            what = f"the {path[-1]} of {whose} is for all to see: it cannot be a secret"
            return self._missing(mark, path, what)
        try:
            text = self._sources.secret(node.value)
        except LookupError as error:
            return self._missing(mark, path, _sentence(error))
        self._spend(len(text), mark)
        value = Verbatim(text)
        self._hide([text], value, mark, path)
        return value

    def _included(self, name: str, mark: Mark, path: Path) -> Any:
        try:
            text, shown = self._sources.file(name, self._lines.path)
        except LookupError as error:
            return self._missing(mark, path, _sentence(error))
        if shown in self._chain:
            chain = " → ".join([*self._chain[self._chain.index(shown) :], shown])
            return self._missing(mark, path, f"this file includes itself: {chain}")
        if len(self._chain) > DEEPEST:
            what = f"files include each other more than {DEEPEST} levels deep"
            return self._missing(mark, path, what)
        self._spend(len(text), mark)
        try:
            node, lines = compose(text, shown)
        except DefinitionError as error:
            self._unread.setdefault(mark, len(self._refused))
            self._refused += [(problem.mark, (), problem.what) for problem in error.problems]
            return None
        outer, self._lines = self._lines, lines
        self._chain.append(shown)
        value = self._value(node, path)
        self._chain.pop()
        self._lines = outer
        return value

    def _spend_on(self, node: yaml.Node, mark: Mark) -> None:
        self._spend(len(node.value) if isinstance(node, yaml.ScalarNode) else 0, mark)

    def _spend(self, length: int, mark: Mark) -> None:
        """Aliases multiply what they repeat: long texts are counted as well as values."""
        self._budget -= 1 + length // 100
        if self._budget < 0:
            what = f"the file comes to more than {MOST_VALUES:,} values"
            raise DefinitionError([Problem(mark, "", what)])

    def _refuse_tag(self, node: yaml.Node, mark: Mark, path: Path) -> None:
        if node.tag in _TAKES:
            # Values with these are taken before.
            self._refuse(mark, path, f"{node.tag} stands in front of a value, never of a key")
        elif node.tag not in _TAGS:
            tag = node.tag.replace(YAML_TAG, "!!")
            hint = "a condition that begins with ! goes in quotes"
            if path[-1:] != ("when",):
                hint = "values are written without tags"
            self._refuse(mark, path, f"unknown tag {tag}: {hint}")

    def _missing(self, mark: Mark, path: Path, what: str) -> None:
        """Refuse a value that cannot be read: what else is wrong with it follows from that."""
        self._unread.setdefault(mark, len(self._refused))
        self._refuse(mark, path, what)

    def _refuse(self, mark: Mark, path: Path, what: str) -> None:
        # Put into words at the end: only then the names of the steps are read.
        self._refused.append((mark, path, what))
        if len(self._refused) >= MOST_PROBLEMS:
            raise TooManyProblemsError


def _is_open(path: Path) -> bool:
    return len(path) == 3 and path[0] == "steps" and path[2] in _OPEN_KEYS


def _put_together(found: Iterable[Piece], text: str, *, plain: bool) -> Any:
    """The value of a text whose references are looked up; from outside it is never a selector."""
    parts = [piece for piece in found if piece.text or piece.reference]
    outside = any(piece.outside for piece in parts)
    whole = "".join(piece.text for piece in parts)
    value: Any = whole
    if plain and len(parts) == 1 and parts[0].reference:
        value = plain_scalar(whole)
    elif outside and text.startswith(("$$", "==")) and not text.startswith("$${"):
        # The language's own escape, which nobody looks for in a text from outside.
        value = whole[1:]
    literal = outside or text.startswith("$${")
    return Verbatim(value) if literal and isinstance(value, str) else value


def _sentence(error: Exception) -> str:
    # A KeyError shows its argument in quotes.
    return str(error.args[0]) if error.args else str(error)


def _no_key(node: yaml.Node, path: Path) -> str:
    """What stands where a key should: in double braces a mapping is the key of another."""
    if not isinstance(node, yaml.MappingNode):
        return "a key is a single word or text"
    if path[-1:] == ("when",):
        return "a condition needs no braces"
    return f"a key is a single word or text {IN_QUOTES.format('{')}"


def with_step_name(path: Path, data: Any) -> Path:
    """A path into a workflow's data with the name of a step for its number, where it has one.

    `steps.gate.line` reads better than `steps.2.line`.
    """
    if len(path) < 2 or path[0] != "steps" or not isinstance(path[1], int):
        return path
    try:
        name = data["steps"][path[1]]["name"]
    except (KeyError, TypeError, IndexError):
        return path
    readable = isinstance(name, str) and name.isprintable()
    return ("steps", name, *path[2:]) if readable else path


def dotted(path: Path) -> str:
    """A path as it is written in messages: `steps.gate.line`."""
    return ".".join(str(part) for part in path)
