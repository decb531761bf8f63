"""YAML and JSON texts as plain data, with the place of every key and value.

One path for both, since YAML reads JSON. Scalars follow YAML 1.2: `on`, `off`, `yes`, `no` and
`12:30` stay strings. What could hide a mistake or blow up is refused: duplicate keys, unknown
tags, several documents, keys that are not strings, files and expansions beyond all use.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from appliance.engine.errors import DefinitionError, Mark, Problem

Path = tuple[str | int, ...]

LONGEST_TEXT = 1_000_000
MOST_VALUES = 100_000
DEEPEST = 50
LONGEST_EXCERPT = 200

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False}
_BOOLEANS["FALSE"] = False
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "merge", "value")
)


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data, and where each part of it stands.

    `values` maps a path such as `("steps", 0, "image")` to the place of the value, `keys` to the
    place of the key in front of it.
    """

    path: str
    data: Any
    values: Mapping[Path, Mark]
    keys: Mapping[Path, Mark]

    def mark(self, path: Path) -> Mark:
        """The place of a value, or of the nearest thing around it that has a place."""
        return self._nearest(self.values, path)

    def key_mark(self, path: Path) -> Mark:
        """The place of a key, or else of its value."""
        return self.keys.get(path) or self.mark(path)

    def _nearest(self, marks: Mapping[Path, Mark], path: Path) -> Mark:
        while path and path not in marks:
            path = path[:-1]
        return marks.get(path) or Mark(self.path, 1, 1)


def read_document(text: str, path: str) -> Document:
    """Read a text that is called `path` in messages.

    Raises:
        DefinitionError: it is not YAML, or holds something that is refused.
    """
    if len(text) > LONGEST_TEXT:
        raise DefinitionError([_at_start(path, f"the file is larger than {LONGEST_TEXT:,} bytes")])
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise DefinitionError([_syntax_problem(error, text, path)]) from None
    except (yaml.YAMLError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise DefinitionError([_at_start(path, f"this is not a YAML text: {first}")]) from None
    except RecursionError:
        raise DefinitionError([_at_start(path, "it is nested too deeply")]) from None
    if node is None:
        raise DefinitionError([_at_start(path, "the file is empty")])
    return _Walk(text, path).document(node)


def _at_start(path: str, what: str) -> Problem:
    return Problem(Mark(path, 1, 1), "", what)


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, path: str) -> Problem:
    what = error.problem or error.context or "it cannot be read"
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return _at_start(path, f"this is not a YAML text: {what}")
    place = _mark(path, _BREAK.split(text), mark.line, mark.column)
    hint = ""
    if "\t" in place.excerpt[: mark.column + 1]:
        hint = " (YAML is indented with spaces, never with tabs)"
    elif "mapping values are not allowed" in what:
        hint = " (is a text with a colon in it missing its quotes, or is the indentation off?)"
    return Problem(place, "", f"this is not YAML: {what}{hint}")


def _mark(path: str, lines: list[str], line: int, column: int) -> Mark:
    excerpt = lines[line][:LONGEST_EXCERPT] if line < len(lines) else ""
    return Mark(path, line + 1, column + 1, excerpt)


class _Walk:
    """Turns nodes into data, and keeps the places."""

    def __init__(self, text: str, path: str) -> None:
        self._lines = _BREAK.split(text)
        self._path = path
        self._values: dict[Path, Mark] = {}
        self._keys: dict[Path, Mark] = {}
        self._problems: list[Problem] = []
        self._budget = MOST_VALUES
        self._open: set[int] = set()

    def document(self, node: yaml.Node) -> Document:
        data = self._value(node, ())
        if self._problems:
            raise DefinitionError(self._problems)
        return Document(self._path, data, self._values, self._keys)

    def _value(self, node: yaml.Node, path: Path) -> Any:
        mark = self._values[path] = self._mark(node)
        self._budget -= 1
        if self._budget < 0 or len(path) > DEEPEST:
            limit = (
                f"more than {MOST_VALUES:,} values" if self._budget < 0 else "too deep a nesting"
            )
            raise DefinitionError([Problem(mark, "", f"{limit}: this is no workflow")])
        if id(node) in self._open:
            self._refuse(mark, path, "this alias stands inside of what it repeats")
            return None
        if node.tag not in _TAGS:
            self._refuse(mark, path, f"unknown tag {node.tag}")
            return None
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
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
            mark = self._mark(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(mark, path, "a key is a single word or text")
                continue
            key = str(key_node.value)
            if key in found:
                first = self._keys[(*path, key)].line
                self._refuse(mark, path, f"duplicate key '{key}' (first on line {first})")
                continue
            self._keys[(*path, key)] = mark
            found[key] = self._value(value_node, (*path, key))
        return found

    def _mark(self, node: yaml.Node) -> Mark:
        return _mark(self._path, self._lines, node.start_mark.line, node.start_mark.column)

    def _refuse(self, mark: Mark, path: Path, what: str) -> None:
        self._problems.append(Problem(mark, dotted(path), what))


def dotted(path: Path) -> str:
    """A path as it is written in messages: `steps.gate.line`."""
    return ".".join(str(part) for part in path)


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    # The C loader gives plain scalars the style '', the Python one None.
    if node.style not in (None, ""):
        return text
    value = plain_scalar(text)
    # Whatever YAML 1.1 takes for a string although it is a number was tagged so: `!!str 5`.
    explicit = node.tag == "tag:yaml.org,2002:str" and isinstance(value, int)
    return text if explicit else value


def plain_scalar(text: str) -> Any:
    """The value of an unquoted text, by the core schema of YAML 1.2 with decimal numbers only."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < 20 else float(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
