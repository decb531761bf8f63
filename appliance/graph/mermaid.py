"""A diagram as Mermaid, which many pages and editors draw."""

from collections.abc import Iterable, Iterator

from appliance.graph.diagram import OUTPUTS, Diagram, Edge, Node, times

_SHAPES = {"input": ("([", "])"), "frame": ("([", "])"), "sink": ("[(", ")]"), "step": ("[", "]")}
_ONCE_FOR_EACH = ("[[", "]]")
# Characters that end a text, begin a tag, an entity, a directive or Markdown.
_ESCAPES = str.maketrans(
    {c: f"#{ord(c)};" for c in '"#&<>`%'} | dict.fromkeys(map(chr, range(32)), " ")
)


def mermaid(diagram: Diagram) -> str:
    """The text of a flowchart, with a line break at its end.

    What runs once for each has a double edge; the wires of conditions are dashed.
    """
    chart = _Chart()
    # Numbers in the order in which the nodes are written, not in that of the wires.
    return "\n".join(["flowchart LR", *chart.nodes(diagram, "  ", ""), *chart.wires()]) + "\n"


class _Chart:
    """Gives every node a number, since names may be words of Mermaid.

    A node is known by the keys of the workflows that it stands in, and its own.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}
        self._wires: list[str] = []

    def nodes(self, diagram: Diagram, indent: str, place: str) -> Iterator[str]:
        """The nodes of a diagram; `place` are the keys that lead to it."""
        for node in diagram.nodes:
            if node.key == OUTPUTS:
                for port in node.takes:
                    number = self._number(f"{place}{OUTPUTS}.{port.name}")
                    yield f"{indent}{number}{_box(_SHAPES['input'], [port.name])}"
            elif node.inside is None:
                shape = _ONCE_FOR_EACH if node.each else _SHAPES[node.kind]
                yield f"{indent}{self._number(place + node.key)}{_box(shape, _lines(node))}"
            else:
                yield from self._inside(node, node.inside, indent, place)
        insides = {node.key for node in diagram.nodes if node.inside is not None}
        self._wires += [self._wire(edge, insides, place) for edge in diagram.edges]

    def wires(self) -> list[str]:
        """The wires of all diagrams; Mermaid takes them best after all nodes."""
        return self._wires

    def _inside(self, node: Node, inside: Diagram, indent: str, place: str) -> Iterator[str]:
        title = " · ".join(map(_escaped, _lines(node)))
        yield f'{indent}subgraph {self._number(place + node.key)}["{title}"]'
        yield from self.nodes(inside, f"{indent}  ", f"{place}{node.key}/")
        yield f"{indent}end"

    def _wire(self, edge: Edge, insides: Iterable[str], place: str) -> str:
        source, target = place + edge.source, place + edge.target
        if edge.source in insides and edge.output:
            source = f"{source}/{OUTPUTS}.{edge.output}"
        if edge.target == OUTPUTS:
            target = f"{target}.{edge.input}"
        elif edge.target in insides and not edge.conditional:
            target = f"{target}/inputs.{edge.input}"
        begin, end = ("-.", ".->") if edge.conditional else ("--", "-->")
        label = _escaped(edge.label)
        return f'  {self._number(source)} {begin} "{label}" {end} {self._number(target)}'

    def _number(self, key: str) -> str:
        return self._numbers.setdefault(key, f"n{len(self._numbers) + 1}")


def _lines(node: Node) -> list[str]:
    texts = [node.title, node.detail + times(node.each), *node.notes]
    return [text for text in (*texts, node.when and f"when {node.when}") if text]


def _box(shape: tuple[str, str], lines: Iterable[str]) -> str:
    begin, end = shape
    return f'{begin}"{"<br/>".join(map(_escaped, lines))}"{end}'


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
