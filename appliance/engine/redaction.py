"""Problems without the values that must never be shown."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from appliance.engine.errors import Problem

# Shorter ones stand in every other word: they are left out where a value is shown, not by search.
SHORTEST = 4
# So much of the beginning of a longer value is as good as the value itself.
_TELLING = 16
# So many texts are remembered: of those that tell failures there is no end.
_MOST_DONE = 1000
_INSTEAD = "…"
_QUOTED = re.compile(r"""'[^']*'|"[^"]*"|\{[^{}]*\}""")
_CUT = ("...", _INSTEAD)


class Redaction:
    """Leaves hidden values out of texts, however they are written there: quoted, escaped, cut."""

    def __init__(self, hidden: Collection[str]) -> None:
        parts = {part for value in hidden for part in _parts(value)}
        self._values = [_Value.of(part) for part in sorted(parts, key=len, reverse=True)]
        self._done: dict[str, str] = {}

    def problem(self, problem: Problem) -> Problem:
        """The problem with none of the values in its texts; a line that holds one is not shown."""
        mark = problem.mark
        if self.text(mark.excerpt) != mark.excerpt:
            mark = replace(mark, excerpt="")
        where, what = self.text(problem.where), self.text(problem.what)
        return replace(problem, mark=mark, where=where, what=what)

    def text(self, text: str) -> str:
        """The text with an ellipsis for each of the values."""
        # The same sentence is often said of many places.
        if text not in self._done:
            told = text
            lower = text.lower()
            for value in self._values:
                if value.anchor in lower:
                    told = value.left_out_of(told)
            if len(self._done) >= _MOST_DONE:
                self._done.clear()
            self._done[text] = told
            return told
        return self._done[text]


def without_parts(what: str, hidden: Collection[str]) -> str:
    """A sentence about a hidden value with an ellipsis for what it may quote of it.

    However short that is: a secret of one character, or the place in braces of a longer one.
    """
    texts = [text.lower() for text in hidden if text]

    def left_out(match: re.Match[str]) -> str:
        part = match[0][1:-1].lower()
        in_quotes = match[0][0] != "{"
        if part and any(part in text or (in_quotes and text in part) for text in texts):
            return f"{match[0][0]}{_INSTEAD}{match[0][-1]}"
        return match[0]

    return _QUOTED.sub(left_out, what) if texts else what


def _parts(value: str) -> Iterator[str]:
    """The value, and each of its lines: messages may quote one alone."""
    for part in (value, value.strip(), *(line.strip() for line in value.splitlines())):
        if len(part) >= SHORTEST and not part.isspace():
            yield part


@dataclass(frozen=True, slots=True)
class _Value:
    """A hidden value as patterns, one for each character or run of backslashes.

    `anchor` stands in every text that holds the beginning, and is found fast.
    """

    anchor: str
    beginning: re.Pattern[str]
    units: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, value: str) -> "_Value":
        found = re.findall(r"\\+|[^\\]", value)
        units = tuple(map(_unit, found))
        # Letters and digits of ASCII are written as they are everywhere.
        plain = re.findall("[A-Za-z0-9]+", "".join(found[:SHORTEST]))
        anchor = max(plain, key=len, default="").lower()
        # Looked at in front only, so that beginnings that overlap are all found.
        beginning = "".join(unit.pattern for unit in units[:SHORTEST])
        return cls(anchor, re.compile(f"(?={beginning})", re.IGNORECASE), units)

    def left_out_of(self, text: str) -> str:
        kept, end = [], 0
        for match in self.beginning.finditer(text):
            start = match.start()
            if start < end:
                continue
            stop, found = self._extent(text, start)
            cut = text.startswith(_CUT, stop)
            if found == len(self.units) or found >= _TELLING or cut:
                kept += [text[end:start], _INSTEAD]
                end = stop
        return "".join(kept) + text[end:]

    def _extent(self, text: str, start: int) -> tuple[int, int]:
        """Where the value ends that begins at `start`, and how many of its units are there."""
        end = start
        for found, unit in enumerate(self.units):
            match = unit.match(text, end)
            if match is None:
                return end, found
            end = match.end()
        return end, len(self.units)


@lru_cache(maxsize=1024)
def _unit(characters: str) -> re.Pattern[str]:
    """A pattern for a character as it stands, and as Python, JSON and addresses write it."""
    if characters.startswith("\\"):
        return re.compile(r"(?:\\+|(?:%5c)+)", re.IGNORECASE)
    code = ord(characters)
    shown = repr(characters)[1:-1].lstrip("\\")
    forms = {characters, shown, characters.lower(), characters.upper()}
    forms = {re.escape(form) for form in forms} | {f"u{code:04x}", f"x{code:02x}"}
    forms.add("".join(f"%{byte:02x}" for byte in characters.encode("utf-8", "surrogatepass")))
    if code > 0xFFFF:
        high, low = (
            characters.encode("utf-16-be")[:2].hex(),
            characters.encode("utf-16-be")[2:].hex(),
        )
        forms |= {rf"u{high}\\+u{low}", f"u{code:08x}"}
    either = "|".join(sorted(forms, key=len, reverse=True))
    return re.compile(rf"\\*(?:{either})", re.IGNORECASE)
