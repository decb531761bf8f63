"""A diagram as SVG: no scripts, nothing fetched, readable on light and on dark ground."""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from appliance.graph.boxes import LINE, PADDING, ROW, SMALL, TITLE, Box, Text, port_text
from appliance.graph.diagram import Diagram, times
from appliance.graph.layout import Layout, Placed, Point, Wire, layout_of

_HEAD = 28.0
_STACK = 4.0
_DEEPEST_STACK = 2
_DOT = 3.0
_ARROW = 7.0
_LIGHT = {
    "ground": "#ffffff", "box": "#f6f8fa", "inside": "#eef1f5", "edge": "#59636e",
    "text": "#1f2328", "faint": "#59636e", "line": "#c4ccd4", "input": "#1a7f37",
    "outputs": "#0969da", "step": "#8c959f", "sink": "#bc4c00", "workflow": "#8250df",
    "frame": "#1a7f37", "when": "#9a6700",
}  # fmt: skip
_DARK = {
    "ground": "#0d1117", "box": "#1c2128", "inside": "#12171e", "edge": "#9198a1",
    "text": "#e6edf3", "faint": "#9da7b1", "line": "#3d444d", "input": "#3fb950",
    "outputs": "#58a6ff", "step": "#768390", "sink": "#f0883e", "workflow": "#bc8cff",
    "frame": "#3fb950", "when": "#d29922",
}  # fmt: skip
_KINDS = ("input", "frame", "step", "sink", "workflow", "outputs")


def svg(diagram: Diagram) -> str:
    """The picture as a text in UTF-8, with a line break at its end.

    Boxes have their inputs at the left and their outputs at the right. What runs once for each is a
    stack of boxes, and a value that is many a bold wire; the wires of conditions are dashed.
    """
    layout = layout_of(diagram)
    name = _clean(diagram.name)
    width, height = layout.width, layout.height + _HEAD
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'width="{_n(width)}" height="{_n(height)}" role="img" aria-label={quoteattr(name)}>',
        f"<title>{escape(name)}</title>",
        f"<style>{_style()}</style>",
        f'<rect class="ground" width="{_n(width)}" height="{_n(height)}"/>',
        f'<text class="name" x="24" y="30">{escape(name)}</text>',
        *_drawing(layout, (0.0, _HEAD)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _style() -> str:
    rules = [
        "text{font-family:system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;"
        f"font-size:{_n(SMALL)}px}}",
        f".title{{font-size:{_n(TITLE)}px;font-weight:600}}",
        ".name{font-size:15px;font-weight:600}",
        ".end{text-anchor:end}",
        ".wire{fill:none;stroke-width:1.5}.many{stroke-width:3}.cond{stroke-dasharray:5 4}",
        *_colours(_LIGHT),
        f"@media (prefers-color-scheme:dark){{{''.join(_colours(_DARK))}}}",
    ]
    return "".join(rules)


def _colours(colours: dict[str, str]) -> Iterator[str]:
    yield f".ground{{fill:{colours['ground']}}}"
    yield f".box{{fill:{colours['box']};stroke:{colours['line']}}}"
    yield f".inside{{fill:{colours['inside']};stroke:{colours['line']}}}"
    yield f".title,.name,.port{{fill:{colours['text']}}}.faint{{fill:{colours['faint']}}}"
    yield f".when{{fill:{colours['when']}}}"
    yield f".wire{{stroke:{colours['edge']}}}.arrow{{fill:{colours['edge']}}}"
    yield f".cond{{stroke:{colours['when']}}}.arrow.of-cond{{fill:{colours['when']}}}"
    for kind in _KINDS:
        yield f".k-{kind}{{fill:{colours[kind]}}}"


def _drawing(layout: Layout, at: Point) -> Iterator[str]:
    """Everything of a layout whose upper left corner is at a point."""
    yield f'<g transform="translate({_n(at[0])} {_n(at[1])})">'
    # Wires first: where one begins at a stack of boxes, the boxes are in front.
    for wire in layout.wires:
        yield from _wire(wire)
    for placed in layout.boxes:
        yield from _placed(placed)
    yield "</g>"


def _placed(placed: Placed) -> Iterator[str]:
    box, node = placed.box, placed.box.node
    yield (
        f'<g class="node" data-key={quoteattr(_clean(node.key))} '
        f'transform="translate({_n(placed.x)} {_n(placed.y)})">'
    )
    yield f"<title>{escape(_clean(_told(box)))}</title>"
    shape = f'width="{_n(box.width)}" height="{_n(box.height)}" rx="{12 if box.is_pill else 7}"'
    for i in range(min(node.each, _DEEPEST_STACK), 0, -1):
        yield f'<rect class="box" x="{_n(i * _STACK)}" y="{_n(-i * _STACK)}" {shape}/>'
    yield f'<rect class="{"inside" if placed.inside else "box"} body" {shape}/>'
    yield from _texts(box)
    yield from _ports(box)
    yield "</g>"
    if placed.inside:
        x, y = placed.inside_at
        yield from _drawing(placed.inside, (x, y))


def _told(box: Box) -> str:
    """What is shown where the pointer rests: all that may have been shortened."""
    node = box.node
    texts = [node.title, *(line.full for line in box.lines)]
    texts += [f"when {node.when}"] if node.when else []
    return "\n".join(texts)


def _texts(box: Box) -> Iterator[str]:
    node, middle = box.node, box.height / 2
    if box.is_pill:
        yield f'<circle class="k-input" cx="{_n(PADDING)}" cy="{_n(middle)}" r="{_n(_DOT)}"/>'
        yield _text(box.title.shown, "title", box.width - PADDING, middle + 4, at_end=True)
        return
    bar = f'y="{_n(PADDING - 3)}" width="3.5" height="{_n(TITLE + 4)}"'
    yield f'<rect class="k-{node.kind}" {bar}/>'
    y = PADDING + TITLE - 2
    yield _text(box.title.shown + times(node.each), "title", PADDING, y)
    for line in box.lines:
        y += LINE
        yield _text(line.shown, "faint", PADDING, y)
    for i, line in enumerate(box.when):
        yield _text(line.shown, "when", PADDING, box.when_at + LINE * (i + 0.5) + 4)


def _ports(box: Box) -> Iterator[str]:
    if box.is_pill:
        return
    for ports, x, at_end in (
        (box.node.takes, PADDING, False),
        (box.node.gives, box.width - PADDING, True),
    ):
        for i, port in enumerate(ports):
            y = box.rows_at + ROW * (i + 0.5) + 4
            yield _text(port_text(port), "port", x, y, at_end=at_end)


def _wire(wire: Wire) -> Iterator[str]:
    edge = wire.edge
    kinds = ["wire"] + ["many"] * bool(wire.many) + ["cond"] * edge.conditional
    x, y = wire.points[-1]
    source = ".".join(part for part in (edge.source, edge.output) if part)
    target = ".".join(part for part in (edge.target, edge.input, edge.within) if part)
    told = f"{edge.label}\n{source} → {target}"
    points = [*wire.points[:-1], (x - _ARROW + 1, y)]
    yield f'<g class="edge"><title>{escape(_clean(told))}</title>'
    yield f'<path class="{" ".join(kinds)}" d="{_path(points)}"/>'
    arrow = f"{_n(x)} {_n(y)} {_n(x - _ARROW)} {_n(y - 3.5)} {_n(x - _ARROW)} {_n(y + 3.5)}"
    yield f'<polygon class="arrow{" of-cond" * edge.conditional}" points="{arrow}"/></g>'


def _path(points: Sequence[Point]) -> str:
    """Level within each pair of points, and a curve from pair to pair."""
    (x, y), *others = points
    parts = [f"M{_n(x)} {_n(y)}"]
    for i, (to_x, to_y) in enumerate(others):
        if i % 2 == 0 or _n(to_y) == _n(y):
            parts[-1:] = [parts[-1]] if parts[-1][0] != "H" else []
            parts.append(f"H{_n(to_x)}")
        else:
            middle = _n((x + to_x) / 2)
            parts.append(f"C{middle} {_n(y)} {middle} {_n(to_y)} {_n(to_x)} {_n(to_y)}")
        x, y = to_x, to_y
    return "".join(parts)


def _text(text: str | Text, kind: str, x: float, y: float, *, at_end: bool = False) -> str:
    shown, full = (text.shown, text.full) if isinstance(text, Text) else (text, text)
    title = f"<title>{escape(_clean(full))}</title>" if shown != full else ""
    ends = " end" if at_end else ""
    return (
        f'<text class="{kind}{ends}" x="{_n(x)}" y="{_n(y)}">{title}{escape(_clean(shown))}</text>'
    )


def _clean(text: str) -> str:
    """A text without the characters that XML has no way to write."""
    return "".join(
        c
        for c in text
        if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff"
    )


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
