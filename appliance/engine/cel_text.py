"""An expression as it was written, in tokens: what it names, and what is made of it for CEL.

Offsets are kept wherever that is possible, so that CEL's columns can be told of the written text.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<text>[bB]?[rR][bB]?(?:\"\"\"(?:.|\n)*?\"\"\"|\'\'\'(?:.|\n)*?\'\'\'
                      |(?!\"\"\")"[^"\n]*"|(?!\'\'\')'[^'\n]*')
              |[bB]?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|\'\'\'(?:\\.|[^\\])*?\'\'\'
                      |(?!\"\"\")"(?:\\.|[^"\\\n])*"|(?!\'\'\')'(?:\\.|[^'\\\n])*')
              |`[^`\n]*`)
      | (?P<unclosed>["'`])
      | (?P<comment>//[^\n]*)
      | (?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)
      | (?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)[uU]?)
      | (?P<bracket>[()\[\]{}])
      | (?P<operator>\|\||&&|[?:,])""",
    re.VERBOSE,
)
_BRACES = re.compile(r"\s*(\$\{|\{\{)")
_PATHS = {"inputs": 2, "frame": 2, "steps": 3}
ELEMENT = ("item", "index")
_PRESENT = "present"
_PRESENCE = re.compile(_PRESENT + r"_\d+")
_MACROS = ("all", "exists", "exists_one", "filter", "map")
_ABSORBING = ("all", "exists")
_PRESENT_OF = ((["inputs"], 2), (["steps"], 2), (["steps"], 3))
_HOW_PRESENT = "present() asks for a step, an output or an input, as in present(steps.gate)"
LONGEST = 10_000

Insertion = tuple[int, str]


class ExpressionError(Exception):
    """An expression that is refused, or that could not be worked out.

    `column` counts from 1, in characters of the whole text, also where it has several lines.
    """

    def __init__(self, what: str, column: int = 1) -> None:
        self.column = column
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class References:
    """The dotted names that an expression uses, each with its first column.

    `names` are those whose values it needs, `presences` those it only asks present() of.
    """

    names: dict[str, int]
    presences: dict[str, int]


def check_writing(text: str, noun: str) -> None:
    """Refuse what is no text for CEL whatever stands in it.

    Raises:
        ExpressionError: it is too long, in template braces, or has half a character.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"{noun} has at most {LONGEST:,} characters")
    if not text.isascii() and any(unicodedata.category(c) == "Cs" for c in text):
        this = noun.split()[1]
        raise ExpressionError(f"there is half a character (a lone surrogate) in this {this}")
    if noun == "a condition" and text.lstrip().startswith("=") and not text.startswith("=="):
        raise ExpressionError("a condition is written without the = at its beginning")
    if _BRACES.match(text):
        bare = text.strip(" \t\n${}")
        raise ExpressionError(f"{noun} needs no braces: {bare}")


class Written:
    """An expression in tokens. `noun` is what it is called in messages: `a condition`.

    `text` is the written one with blanks for comments. `partners` tells of each bracket the one
    that belongs to it, both by number of token. `gaps` are what stands before each token, and at
    the end: operators, dots and blanks.
    """

    def __init__(self, text: str, noun: str = "a condition") -> None:
        self.text, self.tokens = _read(text)
        self._noun = noun
        self.partners = _partners(self.tokens)
        # Where the value begins whose method a name is, by the number of the name.
        self._operands: dict[int, int] = {}
        ends = [0, *(token.end() for token in self.tokens)]
        starts = [*(token.start() for token in self.tokens), len(self.text)]
        self.gaps = [self.text[a:b].strip() for a, b in zip(ends, starts, strict=True)]

    def references(self) -> References:
        """What it names, in the order of first use.

        Raises:
            ExpressionError: a name is used in a way that says nothing.
        """
        found = References({}, {})
        asked: set[int] = set()
        loops = self.loops()
        for i, token in enumerate(self.tokens):
            parts = _parts(token)
            if not parts or i in asked or self._is_selection(i):
                continue
            column = token.start() + 1
            if parts[0] == _PRESENT:
                found.presences.setdefault(self._argument_of_present(i), column)
                asked.add(i + 2)
            elif parts[0] in _PATHS:
                name = ".".join(parts[: _PATHS[parts[0]]])
                self._check_use(i, name)
                found.names.setdefault(name, column)
            elif parts[0] in ELEMENT and not any(
                loop.variable == parts[0] and loop.first <= i <= loop.last for loop in loops
            ):
                found.names.setdefault(parts[0], column)
            elif _PRESENCE.fullmatch(parts[0]):
                raise ExpressionError(f"unknown name '{parts[0]}'", column)
        return found

    def counted(self) -> frozenset[str]:
        """The names of which nothing but size() is asked."""
        sizes: set[str] = set()
        others: set[str] = set()
        for i, token in enumerate(self.tokens):
            parts = _parts(token)
            if not parts or parts[0] not in _PATHS:
                continue
            length = _PATHS[parts[0]]
            method = parts[length:] == ["size"] and self._is_called(i)
            alone = len(parts) == length and self._is_whole_argument_of(i, "size")
            (sizes if method or alone else others).add(".".join(parts[:length]))
        return frozenset(sizes - others)

    def with_presences(self, variable: Callable[[str], str]) -> str:
        """The text with each `present(…)` as one boolean variable, and every offset as it was."""
        pieces, last = [], 0
        for i, token in enumerate(self.tokens):
            if _parts(token) != [_PRESENT] or self._is_selection(i):
                continue
            start, end = token.start(), self.tokens[i + 3].end()
            name = variable(".".join(_parts(self.tokens[i + 2])))
            pieces += [self.text[last:start], name.ljust(end - start)]
            last = end
        return "".join([*pieces, self.text[last:]])

    def with_doubles(self) -> tuple[str, list[Insertion]]:
        """The text with one kind of number: `3` as `3.0`, `size(x)` as `double(size(x))`.

        Also what was put in, in order, as (offset in the written text, insertion).
        """
        added: list[Insertion] = []
        for i, token in enumerate(self.tokens):
            if token["number"] is not None:
                if token["number"].isdigit() and not self._stays_whole(i):
                    added.append((token.end(), ".0"))
            elif _parts(token)[-1:] == ["size"] and self._is_called(i):
                added.append((self.operand(i), "double("))
                added.append((self.tokens[self.partners[i + 1]].end(), ")"))
        added.sort()
        pieces, last = [], 0
        for offset, insertion in added:
            pieces += [self.text[last:offset], insertion]
            last = offset
        return "".join([*pieces, self.text[last:]]), added

    def strict(self) -> str:
        """A text that CEL accepts, rewritten so that no error in it is passed over.

        To CEL `error || true` is true, `error && false` false, and so in exists() and all(). Here
        the left side is worked out first, and its error is the result: `a || b` becomes
        `a ? true : b`, and exists() and all() look at each element before they decide.
        """
        return self._strict(_Span(0, len(self.tokens), 0, len(self.text)))

    def _strict(self, span: "_Span") -> str:
        """What stands in a pair of brackets: split at `,`, `?` and `:`, then at || and &&."""
        done: list[str] = []
        chains, piece, last, i = [[""]], "", span.start, span.first
        while i < span.last:
            token = self.tokens[i]
            if token["operator"] is not None:
                piece += self.text[last : token.start()]
                chains[-1][-1] = piece
                if token[0] == "&&":
                    chains[-1].append("")
                elif token[0] == "||":
                    chains.append([""])
                else:
                    done += [_decided(chains), token[0]]
                    chains = [[""]]
                piece, last = "", token.end()
            elif token["bracket"] is not None:
                close = self.partners[i]
                inner = _Span(i + 1, close, token.end(), self.tokens[close].start())
                macro = self._absorbing(i, inner)
                if macro is None:
                    piece += self.text[last : token.end()] + self._strict(inner)
                    last = inner.end
                else:
                    piece += self.text[last : self.tokens[i - 1].end() - len(macro)]
                    piece += self._strict_macro(macro, inner)
                    last = self.tokens[close].end()
                i = close
            i += 1
        chains[-1][-1] = piece + self.text[last : span.end]
        return "".join([*done, _decided(chains)])

    def _absorbing(self, i: int, inner: "_Span") -> str | None:
        """The macro, exists or all, whose arguments the bracket at `i` opens."""
        name = _parts(self.tokens[i - 1])[-1:] if i and self._is_called(i - 1) else []
        if not name or name[0] not in _ABSORBING or inner.last - inner.first < 3:
            return None
        return name[0] if self.tokens[inner.first + 1][0] == "," else None

    def _strict_macro(self, macro: str, inner: "_Span") -> str:
        variable, comma = self.tokens[inner.first][0], self.tokens[inner.first + 1]
        rest = self._strict(_Span(inner.first + 2, inner.last, comma.end(), inner.end))
        decided = f"map({variable}, ({rest})?true:false)"
        return f"{decided}.{macro}({variable}, {variable})"

    def _argument_of_present(self, i: int) -> str:
        tokens = self.tokens[i + 1 : i + 4]
        if not self._is_called(i) or _parts(self.tokens[i]) != [_PRESENT]:
            raise ExpressionError(
                "present is no value: ask it of something, as in present(steps.gate)",
                self.tokens[i].start() + 1,
            )
        parts = _parts(tokens[1]) if len(tokens) == 3 else []
        alone = len(tokens) == 3 and tokens[2][0] == ")" and not any(self.gaps[i + 2 : i + 4])
        if not alone or (parts[:1], len(parts)) not in _PRESENT_OF:
            raise ExpressionError(_HOW_PRESENT, tokens[0].end() + 1)
        return ".".join(parts)

    def loops(self) -> list["Loop"]:
        """The macros in it that go through many things."""
        return [
            Loop(_parts(token)[-1], self.tokens[i + 2][0], i, i + 2, self.partners[i + 1])
            for i, token in enumerate(self.tokens[:-3])
            if _parts(token)[-1:] and _parts(token)[-1] in _MACROS and self._is_called(i)
            if self.tokens[i + 3][0] == ","
        ]

    def _check_use(self, i: int, name: str) -> None:
        token = self.tokens[i]
        column = token.start() + 1
        if self._has_dollar(token):
            raise ExpressionError(
                f"in {self._noun} names have no dollar: {self._without_dollars()}", column - 1
            )
        if self._is_whole_argument_of(i, "has") and len(_parts(token)) == len(name.split(".")):
            raise ExpressionError(
                f"has() asks for a key inside of a value; '{name}' is a value that is there "
                f"whenever this step runs: present({name}) asks whether there is one",
                column,
            )

    def _has_dollar(self, token: re.Match[str]) -> bool:
        start = token.start()
        return token["name"] is not None and self.text[max(0, start - 1) : start] == "$"

    def _without_dollars(self) -> str:
        """What was meant, on one line."""
        dollars = {token.start() - 1 for token in self.tokens if self._has_dollar(token)}
        kept = "".join(sign for i, sign in enumerate(self.text) if i not in dollars)
        return " ".join(kept.split())

    def _is_whole_argument_of(self, i: int, function: str) -> bool:
        around = [token[0] for token in self.tokens[max(0, i - 2) : i + 2]]
        if len(around) != 4 or any(self.gaps[i - 1 : i + 2]):
            return False
        return around[:2] == [function, "("] and around[3] == ")"

    def _is_called(self, i: int) -> bool:
        following = self.tokens[i + 1][0] if i + 1 in self.partners else ""
        return following == "(" and not self.gaps[i + 1]

    def _is_selection(self, i: int) -> bool:
        """Whether a name is a field or a method of what stands before it."""
        if self.gaps[i] != "." or not i:
            return False
        before = self.tokens[i - 1]
        return before["operator"] is None and before[0] not in ("(", "[", "{")

    def _stays_whole(self, i: int) -> bool:
        """Whether a number is an index, a key or beside `%`: CEL has none of these for doubles."""
        if self._before(i) == "%" or self._after(i) == "%":
            return True
        if self._before(i) in ("{", ",") and self._after(i) == ":":
            return True
        return self._before(i) == "[" and self._after(i) == "]" and self.follows_value(i - 1)

    def follows_value(self, i: int) -> bool:
        """Whether a bracket stands right behind a value: an index or a call, no list or group."""
        if i == 0 or self.gaps[i]:
            return False
        before = self.tokens[i - 1]
        return before[0] != "in" and (before["name"] is not None or before[0] in (")", "]", "}"))

    def operand(self, i: int) -> int:
        """The offset where the value begins whose method the name at `i` is, or else the name."""
        passed = []
        while i > 0 and i not in self._operands and self._before(i) == ".":
            passed.append(i)
            i -= 1
            while self.partners.get(i, i) < i:
                i = self.partners[i]
                if not self.follows_value(i):
                    break
                i -= 1
        start = self._operands.get(i, self.tokens[i].start())
        self._operands |= dict.fromkeys(passed, start)
        return start

    def _before(self, i: int) -> str:
        return self.gaps[i][-1:] or (self.tokens[i - 1][0][-1:] if i else "")

    def _after(self, i: int) -> str:
        following = self.tokens[i + 1][0] if i + 1 < len(self.tokens) else ""
        return self.gaps[i + 1][:1] or following[:1]


class Loop(NamedTuple):
    """A macro such as `many.map(x, …)`: its words, and the tokens of its name and its arguments."""

    macro: str
    variable: str
    name: int
    first: int
    last: int


class _Span(NamedTuple):
    """A part of a text: tokens from `first` up to `last`, characters from `start` up to `end`."""

    first: int
    last: int
    start: int
    end: int


def _decided(chains: Sequence[Sequence[str]]) -> str:
    """A choice by || of chains by &&, from left to right; what has neither stays as it stands."""
    if len(chains) == 1 and len(chains[0]) == 1:
        return chains[0][0]
    # CEL's || and && give a boolean or an error, so the last side is made to do so too.
    last = [*chains[-1][:-1], f"{chains[-1][-1]}?true:false"]
    choices = [[f"({part})" for part in chain] for chain in (*chains[:-1], last)]
    return _joined([_joined(chain, "({}?{}:false)") for chain in choices], "({}?true:{})")


def _joined(parts: Sequence[str], form: str) -> str:
    """Halves within halves: a long row does not nest deeply."""
    if len(parts) == 1:
        return parts[0]
    half = (len(parts) + 1) // 2
    return form.format(_joined(parts[:half], form), _joined(parts[half:], form))


def _parts(token: re.Match[str]) -> list[str]:
    return re.split(r"\s*\.\s*", token["name"]) if token["name"] is not None else []


def _read(text: str) -> tuple[str, list[re.Match[str]]]:
    """The text with blanks for comments, so that all offsets stay, and its tokens.

    It is read up to a quote that is never closed, which CEL refuses.
    """
    kept, tokens, last = [], [], 0
    for token in _TOKEN.finditer(text):
        if token["unclosed"] is not None:
            break
        if token["comment"] is None:
            tokens.append(token)
            continue
        kept += [text[last : token.start()], " " * len(token[0])]
        last = token.end()
    return "".join([*kept, text[last:]]), tokens


def _partners(tokens: Sequence[re.Match[str]]) -> dict[int, int]:
    """For each bracket that has one the bracket that belongs to it, both by number of token."""
    partners: dict[int, int] = {}
    waiting: list[int] = []
    for i, token in enumerate(tokens):
        if token["bracket"] is None:
            continue
        if token[0] in "([{":
            waiting.append(i)
        elif waiting:
            opening = waiting.pop()
            partners |= {opening: i, i: opening}
    return partners
