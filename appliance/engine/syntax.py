"""YAML and JSON texts as nodes, and sentences for what is neither.

One path for both, since YAML reads JSON. What could blow up is refused before nodes are made of it.
"""

import re
from typing import Any

import yaml

from appliance.engine.errors import DefinitionError, Mark, Problem

LONGEST_TEXT = 250_000
DEEPEST = 50
LONGEST_EXCERPT = 200
TOO_DEEP = f"this is nested more than {DEEPEST} levels deep"

YAML_TAG = "tag:yaml.org,2002:"
# The tag of an unquoted text that has none.
PLAIN = "plain"
IN_QUOTES = "(a text that begins with {} goes in quotes)"

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_A_NUMBER = "; for a number write it without brackets on a line of its own: default: ${CONF:-0.4}"
_INDENTATION = "(is the indentation off?)"
# How the value of a line begins, behind a dash and a key.
_VALUE = re.compile(r"""\s*(?:-\s+)*(?:[^\s:{["'][^:]*:\s+)?([{\["'])""")
_AFTER_NO_SPACE = (
    "could not find expected ':'",
    "mapping values are not allowed in this context",
)
_NO_SPACE = re.compile(r"\s*(?:-\s+)*\w+:(?=[^\s:/])")
# What libyaml says in halves, or in words that do not help.
_SENTENCES = {
    "did not find expected '-' indicator": f"a dash is expected here {_INDENTATION}",
    "but found another document": "a second document begins here; a file holds one",
    "second occurrence": "an anchor of this name is there already",
    "mapping values are not allowed in this context": "a colon where none can be (is a text with a "
    "colon in it missing its quotes, or is the indentation off?)",
}


class _Loader(yaml.CSafeLoader):
    """Leaves the meaning of unquoted texts to us; YAML 1.1, which it knows, has strange ones."""

    def resolve(self, kind: Any, _value: Any, implicit: Any) -> Any:
        """The tag of a node that has none; what a list or mapping is, its class says anyway."""
        return PLAIN if kind is yaml.ScalarNode and implicit[0] else f"{YAML_TAG}str"


class Lines:
    """The lines of a text, to show the places of its nodes."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self._lines = _BREAK.split(text)

    def mark(self, place: Any) -> Mark:
        """The place where a node or an error of libyaml stands, with its line."""
        line, column = place.line, place.column
        if line >= len(self._lines):
            # To libyaml a text that breaks off goes on in one more line.
            line = len(self._lines) - 1
            column = len(self._lines[line])
        return Mark(self.path, line + 1, column + 1, self._lines[line][:LONGEST_EXCERPT])


def compose(text: str, path: str) -> tuple[yaml.Node, Lines]:
    """The root node of a text that is called `path` in messages, and its lines.

    Raises:
        DefinitionError: it is not YAML, is empty, or is larger or deeper than any use.
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
    return node, Lines(text, path)


def _refuse_depth(text: str, path: str) -> None:
    """Look at the nesting before nodes are made of it: there libyaml's binding recurses in C.

    Some 20,000 brackets would end the process, with no error that Python could catch.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            place = Lines(text, path).mark(event.start_mark)
            raise DefinitionError([Problem(place, "", TOO_DEEP)])


def _at_start(path: str, what: str) -> Problem:
    return Problem(Mark(path, 1, 1), "", what)


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, path: str) -> Problem:
    what = str(error.problem)
    mark: Any = error.problem_mark
    if what == "found unexpected end of stream" and "quoted scalar" in str(error.context):
        what, mark = "the quote that opens here is never closed", error.context_mark
    place = Lines(text, path).mark(mark)
    before, behind = place.excerpt[: mark.column], place.excerpt[mark.column :]
    if what == "did not find expected key":
        hint = "(is this bracket one too many?)" if behind[:1] in ("]", "}") else _hint(before)
        what = f"a key is expected here {hint}"
    elif what in _AFTER_NO_SPACE and (missing := _without_space(text, place)):
        place, what = missing, "a space is missing behind the colon"
    elif what == "found undefined alias":
        what = f"this is an alias that no anchor gives {IN_QUOTES.format('*')}"
    elif what == "found character that cannot start any token" and behind[:1] in ("@", "`", "%"):
        what = f"no text begins so {IN_QUOTES.format(behind[:1])}"
    elif what.startswith("did not find expected ','"):
        what += _hint_in_brackets(before, behind)
    if "\t" in place.excerpt[: mark.column + 1]:
        what += " (YAML is indented with spaces, never with tabs)"
    return Problem(place, "", f"this is not YAML: {_SENTENCES.get(what, what)}")


def _without_space(text: str, place: Mark) -> Mark | None:
    """Where a line right before `place` has a key whose colon touches its value."""
    lines = _BREAK.split(text)
    for line in range(place.line, max(place.line - 2, 0), -1):
        match = _NO_SPACE.match(lines[line - 1])
        if match is not None:
            shown = lines[line - 1][:LONGEST_EXCERPT]
            return Mark(place.path, line, match.end() + 1, shown)
    return None


def _hint(line: str) -> str:
    """Why a key is missed behind the beginning of a line: its value may have ended too early."""
    value = _VALUE.match(line)
    if value is None:
        return _INDENTATION
    if value[1] in "{[":
        return IN_QUOTES.format(value[1])
    return "(a text that goes on behind a quote goes in other quotes as a whole)"


def _hint_in_brackets(before: str, behind: str) -> str:
    if before.endswith("$") and behind.startswith("{"):
        hint = "a text with ${ goes in quotes where it stands in brackets"
        return f" ({hint}{_A_NUMBER if ':-' in behind else ''})"
    return f" {IN_QUOTES.format('{')}" if before.endswith("}") else ""
