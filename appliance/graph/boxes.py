"""How large the box of a node is, and which text stands where in it."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from appliance.graph.diagram import WHEN, Node, Port, times

PADDING = 12.0
ROW = 18.0
HEADER_GAP = 6.0
TITLE, SMALL = 13.0, 11.0
LINE = 15.0
BULLET = 12.0
_WIDEST = 260.0
_MOST_LINES = 3
_LONGEST_PORT = 120.0
_PORT_GAP = 22.0
_SLIM, _WIDE = set("iljtfrI.,:;!|'`()[]{} "), set("mwMW@%—→")


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text in a box; `full` is all of it, `shown` what fits."""

    full: str
    shown: str


@dataclass(frozen=True, slots=True)
class Box:
    """A node with its measures, in pixels; `head` is the height of all but what is inside of it."""

    node: Node
    width: float
    height: float
    head: float
    title: Text
    lines: tuple[Text, ...]
    when: tuple[Text, ...]

    @property
    def at_right(self) -> bool:
        """Whether it stands at the right side of its layer, near those it goes to."""
        return self.node.kind in ("input", "frame")

    @property
    def is_pill(self) -> bool:
        """Whether it is one line, with its wires at half its height."""
        return self.node.kind == "input"

    def height_of_input(self, name: str) -> float:
        """Where a wire ends, below the upper edge."""
        if name == WHEN and self.when:
            return self.when_at + LINE / 2
        return self._row([port.name for port in self.node.takes], name)

    def height_of_output(self, name: str) -> float:
        """Where a wire begins, below the upper edge."""
        return self._row([port.name for port in self.node.gives], name)

    @property
    def when_at(self) -> float:
        """Where the lines of the condition begin, below the upper edge."""
        return PADDING + TITLE + LINE * len(self.lines) + HEADER_GAP / 2

    @property
    def rows_at(self) -> float:
        """Where the rows of the ports begin, below the upper edge."""
        return self.head - ROW * _rows(self.node) - HEADER_GAP

    def _row(self, names: list[str], name: str) -> float:
        if self.is_pill:
            return self.height / 2
        if name not in names:
            # Only the presence of the step is asked for.
            return PADDING + TITLE / 2
        return self.rows_at + ROW * (names.index(name) + 0.5)


def box_of(node: Node, inside: tuple[float, float] | None = None) -> Box:
    """The box of a node; `inside` is the size of what is to be drawn in it."""
    if node.kind == "input":
        title = shortened(node.title, _WIDEST, TITLE)
        width = width_of(title.shown, TITLE) + 2 * PADDING + BULLET
        return Box(node, width, ROW + HEADER_GAP, ROW + HEADER_GAP, title, (), ())
    many = times(node.each)
    ports = max((_port_width(*pair) for pair in _pairs(node)), default=0.0)
    texts = [(node.title + many, TITLE), *((text, SMALL) for text in _lines(node))]
    texts += [(f"{WHEN} {node.when}", SMALL)] if node.when else []
    least = max(ports, inside[0] if inside else 0.0)
    room = max(least, min(_WIDEST, max(width_of(*text) for text in texts)))
    lines = tuple(shortened(text, room, SMALL) for text in _lines(node))
    title = shortened(node.title, room - width_of(many, TITLE), TITLE)
    when = wrapped(f"{WHEN} {node.when}", room) if node.when else ()
    head = PADDING + TITLE + LINE * (len(lines) + len(when)) + HEADER_GAP
    head += ROW * _rows(node) + HEADER_GAP
    height = head + (inside[1] + PADDING if inside else 0.0)
    return Box(node, room + 2 * PADDING, height, head, title, lines, when)


def port_text(port: Port) -> Text:
    """The name of a port, and how many times over it is many."""
    text = shortened(port.name, _LONGEST_PORT, SMALL)
    return Text(text.full + times(port.many), text.shown + times(port.many))


def width_of(text: str, size: float) -> float:
    """About how wide a text is in a sans-serif face, rather too wide than too narrow."""
    # Titles are set bold.
    return size * sum(map(_em, text)) * (1.08 if size > SMALL else 1.0)


def shortened(text: str, room: float, size: float) -> Text:
    """As much of a text as fits, with an ellipsis for the rest."""
    text = " ".join(text.split())
    if width_of(text, size) <= room:
        return Text(text, text)
    shown, left = "", room - width_of("…", size)
    for character in text:
        left -= width_of(character, size)
        if left < 0:
            break
        shown += character
    return Text(text, f"{shown.rstrip()}…")


def wrapped(text: str, room: float) -> tuple[Text, ...]:
    """A small text on a few lines, broken between words where it can be; the rest is left out."""
    words, lines = " ".join(text.split()).split(" "), [""]
    for i, word in enumerate(words):
        longer = f"{lines[-1]} {word}".lstrip()
        if not lines[-1] or width_of(longer, SMALL) <= room:
            lines[-1] = longer
        elif len(lines) < _MOST_LINES:
            lines.append(word)
        else:
            lines[-1] = " ".join([lines[-1], *words[i:]])
            break
    return tuple(replace(shortened(line, room, SMALL), full=text) for line in lines)


def _em(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in _SLIM:
        return 0.36
    return 0.92 if character in _WIDE else 0.68 if character.isupper() else 0.59


def _lines(node: Node) -> list[str]:
    return [text for text in (node.detail, *node.notes) if text]


def _rows(node: Node) -> int:
    return max(len(node.takes), len(node.gives))


def _pairs(node: Node) -> Iterator[tuple[Port | None, Port | None]]:
    """What stands in each row: an input at its left side, an output at its right."""
    for i in range(_rows(node)):
        yield (
            node.takes[i] if i < len(node.takes) else None,
            node.gives[i] if i < len(node.gives) else None,
        )


def _port_width(take: Port | None, give: Port | None) -> float:
    texts = [port_text(port).shown for port in (take, give) if port is not None]
    return sum(width_of(text, SMALL) for text in texts) + (_PORT_GAP if len(texts) > 1 else 0.0)
