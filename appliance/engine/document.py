"""YAML and JSON texts as plain data, with the place of every key and value.

One path for both, since YAML reads JSON. Scalars follow YAML 1.2: `on`, `off`, `yes`, `no` and
`12:30` stay strings. What could hide a mistake or blow up is refused: duplicate keys, unknown
tags, several documents, keys that are not strings, files and expansions beyond all use.
"""

import math
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

_TOO_DEEP = f"this is nested more than {DEEPEST} levels deep"

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False}
_BOOLEANS["FALSE"] = False
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_YAML = "tag:yaml.org,2002:"
_PLAIN = "plain"
_TAGS = frozenset({_PLAIN, f"{_YAML}str", f"{_YAML}map", f"{_YAML}seq"})
_BEGINS_WITH = "(a text that begins with {} goes in quotes)"
_INDENTATION = "(is the indentation off?)"
# How the value of a line begins, behind a dash and a key.
_VALUE = re.compile(r"""\s*(?:-\s+)*(?:[^\s:{["'][^:]*:\s+)?([{\["'])""")
# What libyaml says in halves, or in words that do not help.
_SENTENCES = {
    "did not find expected '-' indicator": f"a dash is expected here {_INDENTATION}",
    "but found another document": "a second document begins here; a file holds one",
    "second occurrence": "an anchor of this name is there already",
    "mapping values are not allowed in this context": "a colon where none can be (is a text with a "
    "colon in it missing its quotes, or is the indentation off?)",
}


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
        while path not in self.values:
            path = path[:-1]
        return self.values[path]

    def key_mark(self, path: Path) -> Mark:
        """The place of a key, or else of its value."""
        return self.keys.get(path) or self.mark(path)


class _Loader(yaml.CSafeLoader):
    """Leaves the meaning of unquoted texts to us; YAML 1.1, which it knows, has strange ones."""

    def resolve(self, kind: Any, _value: Any, implicit: Any) -> Any:
        """The tag of a node that has none; what a list or mapping is, its class says anyway."""
        return _PLAIN if kind is yaml.ScalarNode and implicit[0] else f"{_YAML}str"


def read_document(text: str, path: str) -> Document:
    """Read a text that is called `path` in messages.

    Raises:
        DefinitionError: it is not YAML, or holds something that is refused.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > LONGEST_TEXT:
        what = f"the file is larger than {LONGEST_TEXT:,} characters"
        raise DefinitionError([_at_start(path, what)])
    try:
        _refuse_depth(text, path)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise DefinitionError([_syntax_problem(error, text, path)]) from None
    except (yaml.YAMLError, UnicodeError) as error:
        first = str(error).splitlines()[0]
        raise DefinitionError([_at_start(path, f"this is not a YAML text: {first}")]) from None
    if node is None:
        raise DefinitionError([_at_start(path, "the file is empty")])
    return _Walk(text, path).document(node)


def _refuse_depth(text: str, path: str) -> None:
    """Look at the nesting before nodes are made of it: there libyaml's binding recurses in C.

    Some 20,000 brackets would end the process, with no error that Python could catch.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            mark: Any = event.start_mark
            place = _mark(path, _BREAK.split(text), mark.line, mark.column)
            raise DefinitionError([Problem(place, "", _TOO_DEEP)])


def _at_start(path: str, what: str) -> Problem:
    return Problem(Mark(path, 1, 1), "", what)


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, path: str) -> Problem:
    what = str(error.problem)
    mark: Any = error.problem_mark
    if what == "found unexpected end of stream" and "quoted scalar" in str(error.context):
        what, mark = "the quote that opens here is never closed", error.context_mark
    place = _mark(path, _BREAK.split(text), mark.line, mark.column)
    before = place.excerpt[: mark.column]
    if what == "did not find expected key":
        extra = place.excerpt[mark.column : mark.column + 1] in ("]", "}")
        hint = "(is this bracket one too many?)" if extra else _hint_before(before)
        what = f"a key is expected here {hint}"
    elif what.startswith("did not find expected ','") and before.endswith("}"):
        what += f" {_BEGINS_WITH.format('{')}"
    if "\t" in place.excerpt[: mark.column + 1]:
        what += " (YAML is indented with spaces, never with tabs)"
    return Problem(place, "", f"this is not YAML: {_SENTENCES.get(what, what)}")


def _hint_before(line: str) -> str:
    """Why a key is missed behind the beginning of a line: its value may have ended too early."""
    value = _VALUE.match(line)
    if value is None:
        return _INDENTATION
    if value[1] in "{[":
        return _BEGINS_WITH.format(value[1])
    return "(a text that goes on behind a quote goes in other quotes as a whole)"


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
        self._refused: list[tuple[Mark, Path, str]] = []
        self._budget = MOST_VALUES
        self._open: set[int] = set()

    def document(self, node: yaml.Node) -> Document:
        data = self._value(node, ())
        if self._refused:
            raise DefinitionError(
                Problem(mark, dotted(with_step_name(place, data)), what)
                for mark, place, what in self._refused
            )
        return Document(self._path, data, self._values, self._keys)

    def _value(self, node: yaml.Node, path: Path) -> Any:
        mark = self._values[path] = self._mark(node)
        self._spend(node, mark)
        if len(path) > DEEPEST:
            raise DefinitionError([Problem(mark, "", _TOO_DEEP)])
        if id(node) in self._open:
            self._refuse(mark, path, "this alias stands inside of what it repeats")
            return None
        self._refuse_tag(node, mark, path)
        if isinstance(node, yaml.ScalarNode):
            return plain_scalar(node.value) if node.tag == _PLAIN else str(node.value)
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
            self._spend(key_node, mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(mark, path, _no_key(key_node, path))
                continue
            key = str(key_node.value)
            self._refuse_tag(key_node, mark, (*path, key))
            if key_node.tag == _PLAIN and key in ("", "<<"):
                what = "there is no key in front of this colon"
                if key:
                    what = "'<<' is not part of this language: write the keys out"
                self._refuse(mark, path, what)
            elif key in found:
                first = self._keys[(*path, key)].line
                self._refuse(mark, path, f"duplicate key '{key}' (first on line {first})")
            else:
                self._keys[(*path, key)] = mark
                found[key] = self._value(value_node, (*path, key))
        return found

    def _spend(self, node: yaml.Node, mark: Mark) -> None:
        """Aliases multiply what they repeat: long texts are counted as well as values."""
        length = len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        self._budget -= 1 + length // 100
        if self._budget < 0:
            what = f"the file comes to more than {MOST_VALUES:,} values"
            raise DefinitionError([Problem(mark, "", what)])

    def _refuse_tag(self, node: yaml.Node, mark: Mark, path: Path) -> None:
        if node.tag not in _TAGS:
            tag = node.tag.replace(_YAML, "!!")
            hint = "a condition that begins with ! goes in quotes"
            if path[-1:] != ("when",):
                hint = "values are written without tags"
            self._refuse(mark, path, f"unknown tag {tag}: {hint}")

    def _mark(self, node: yaml.Node) -> Mark:
        return _mark(self._path, self._lines, node.start_mark.line, node.start_mark.column)

    def _refuse(self, mark: Mark, path: Path, what: str) -> None:
        # Put into words at the end: only then the names of the steps are read.
        self._refused.append((mark, path, what))


def _no_key(node: yaml.Node, path: Path) -> str:
    """What stands where a key should: in double braces a mapping is the key of another."""
    if not isinstance(node, yaml.MappingNode):
        return "a key is a single word or text"
    if path[-1:] == ("when",):
        return "a condition needs no braces"
    return f"a key is a single word or text {_BEGINS_WITH.format('{')}"


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


def plain_scalar(text: str) -> Any:
    """The value of an unquoted text, by the core schema of YAML 1.2 with decimal numbers only."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text) and len(text) < 20:
        return int(text)
    # A number beyond all floats stays a text, and is refused where a number is asked for.
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text
