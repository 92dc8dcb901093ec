"""Draw the rooms of the code and the imports between them: docs/rooms.svg.

The layers are those of the import-linter contracts in pyproject.toml. The imports are
read from the code. A room's caption is the first sentence of its package's docstring.

Usage: python -m tools.rooms [--check]
"""

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path
from textwrap import wrap

import grimp

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "rooms.svg"
CONTRACTS = ("Rooms", "Inside jobs")

WIDTH = 1000
MARGIN = 30
BOX_WIDTH = 275
POINT_WIDTH = 40
CAPTION_COLUMNS = 38
LINE_HEIGHT = 15
ROW_GAP = 42
TITLE_HEIGHT = 46

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #444 }
.title { font-size: 16px; font-weight: 600; fill: #111 }
.name { font-size: 14px; font-weight: 600; fill: #111 }
.imports { fill: #17639f }
.room { fill: #f4f7fb; stroke: #7b93ad }
.arrow { fill: none; stroke: #7b93ad; stroke-width: 1.4; marker-end: url(#head) }
"""


@dataclass(slots=True)
class Node:
    """A room, or the point where a longer arrow passes a layer between two rooms."""

    name: str
    lines: list[tuple[str, str]] = field(default_factory=list)
    """The class and the text of each line in the box; none for a point."""
    x: float = 0
    """The centre."""
    top: float = 0
    height: float = 0

    def __post_init__(self) -> None:
        if self.lines:
            self.height = LINE_HEIGHT * len(self.lines) + 14

    @property
    def width(self) -> int:
        return BOX_WIDTH if self.lines else POINT_WIDTH


@dataclass(slots=True)
class Diagram:
    title: str
    layers: list[list[Node]]
    arrows: list[tuple[Node, Node]] = field(default_factory=list)


def contract_layers(name: str) -> list[list[str]]:
    """The layers of one import-linter contract, highest first, with full names."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract["name"] == name:
            containers = contract.get("containers")
            prefix = f"{containers[0]}." if containers else ""
            return [split_layer(layer, prefix) for layer in contract["layers"]]
    raise LookupError(f"pyproject.toml has no contract named {name!r}.")


def split_layer(layer: str, prefix: str) -> list[str]:
    return [prefix + room.strip() for room in layer.split("|")]


def imports_between(
    graph: grimp.ImportGraph, rooms: Iterable[str]
) -> dict[str, list[str]]:
    """The rooms that each room imports directly."""
    names = list(rooms)
    return {
        importer: [
            imported
            for imported in names
            if imported != importer and has_import(graph, importer, imported)
        ]
        for importer in names
    }


def has_import(graph: grimp.ImportGraph, importer: str, imported: str) -> bool:
    return graph.direct_import_exists(
        importer=importer, imported=imported, as_packages=True
    )


def without_detours(imports: dict[str, list[str]]) -> list[tuple[str, str]]:
    """The imports that no longer path implies: the arrows worth drawing."""
    return [
        (importer, imported)
        for importer, targets in imports.items()
        for imported in targets
        if not any(
            imported in reachable(imports, other)
            for other in targets
            if other != imported
        )
    ]


def reachable(imports: dict[str, list[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(imports[start])
    while waiting:
        room = waiting.pop()
        if room not in found:
            found.add(room)
            waiting += imports[room]
    return found


def caption(room: str) -> str:
    """The first sentence of the docstring of a package; "" for a module."""
    path = ROOT.joinpath(*room.split("."), "__init__.py")
    if not path.exists():
        return ""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def draw_diagram(graph: grimp.ImportGraph, contract: str) -> Diagram:
    layers = contract_layers(contract)
    imports = imports_between(graph, [room for layer in layers for room in layer])
    nodes = {room: room_node(room, imports[room]) for room in imports}
    diagram = Diagram(contract, [[nodes[room] for room in layer] for layer in layers])
    depth = {room: index for index, layer in enumerate(layers) for room in layer}
    for importer, imported in without_detours(imports):
        between = range(depth[importer] + 1, depth[imported])
        points = [Node(f"{importer} to {imported}") for _ in between]
        for index, point in zip(between, points, strict=True):
            diagram.layers[index].append(point)
        stops = [nodes[importer], *points, nodes[imported]]
        diagram.arrows += pairwise(stops)
    return diagram


def room_node(room: str, imports: list[str]) -> Node:
    lines = [("name", short_name(room))]
    lines += [("", text) for text in wrap(caption(room), CAPTION_COLUMNS)]
    if imports:
        names = ", ".join(map(short_name, imports))
        text = f"imports {names}"
        lines += [("imports", line) for line in wrap(text, CAPTION_COLUMNS)]
    return Node(room, lines)


def short_name(room: str) -> str:
    return room.rpartition(".")[2]


def place(diagram: Diagram, top: float) -> float:
    """Give every node its position. Returns where the diagram ends."""
    for layer in diagram.layers:
        importers = importers_of(diagram, layer)
        layer.sort(key=lambda node: mean_x(importers[node.name]))
        spread(layer)
        height = max(node.height for node in layer)
        for node in layer:
            if not node.lines:
                node.height = height
            node.top = top + (height - node.height) / 2
        top += height + ROW_GAP
    return top


def importers_of(diagram: Diagram, layer: list[Node]) -> dict[str, list[Node]]:
    importers: dict[str, list[Node]] = {node.name: [] for node in layer}
    for start, end in diagram.arrows:
        if end in layer:
            importers[end.name].append(start)
    return importers


def mean_x(nodes: list[Node]) -> float:
    if not nodes:
        return WIDTH / 2
    return sum(node.x for node in nodes) / len(nodes)


def spread(layer: list[Node]) -> None:
    used = sum(node.width for node in layer)
    gap = (WIDTH - 2 * MARGIN - used) / (len(layer) + 1)
    x = MARGIN + gap
    for node in layer:
        node.x = x + node.width / 2
        x += node.width + gap


def svg_lines(diagrams: list[Diagram]) -> Iterator[str]:
    body: list[str] = []
    top: float = MARGIN
    for diagram in diagrams:
        body.append(text_line("title", MARGIN, top + 10, diagram.title))
        top = place(diagram, top + TITLE_HEIGHT)
        body += [arrow_line(start, end) for start, end in diagram.arrows]
        body += [
            line for layer in diagram.layers for node in layer for line in box(node)
        ]
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:.0f}">'
    yield f"<style>{STYLE}</style>"
    yield '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4"'
    yield ' markerWidth="8" markerHeight="8" orient="auto">'
    yield '<path d="M0 0 L8 4 L0 8 z" fill="#7b93ad"/></marker></defs>'
    yield '<rect width="100%" height="100%" fill="#fff"/>'
    yield from body
    yield "</svg>"


def text_line(style: str, x: float, y: float, text: str) -> str:
    return f'<text class="{style}" x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'


def arrow_line(start: Node, end: Node) -> str:
    start_y = start.top + start.height
    middle = (start_y + end.top) / 2
    curve = (
        f"M{start.x:.0f} {start_y:.0f} C{start.x:.0f} {middle:.0f}"
        f" {end.x:.0f} {middle:.0f} {end.x:.0f} {end.top:.0f}"
    )
    if not end.lines:
        curve += f" V{end.top + end.height:.0f}"
    head = "" if end.lines else ' style="marker-end: none"'
    return f'<path class="arrow"{head} d="{curve}"/>'


def box(node: Node) -> Iterator[str]:
    if not node.lines:
        return
    left = node.x - node.width / 2
    yield (
        f'<rect class="room" x="{left:.0f}" y="{node.top:.0f}" rx="4"'
        f' width="{node.width}" height="{node.height}"/>'
    )
    for number, (style, text) in enumerate(node.lines, 1):
        y = node.top + LINE_HEIGHT * number + 3
        yield text_line(style, left + 10, y, text)


def picture() -> str:
    graph = grimp.build_graph("jobsui", cache_dir=None)
    diagrams = [draw_diagram(graph, contract) for contract in CONTRACTS]
    return "\n".join(svg_lines(diagrams)) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="only say whether the picture is current"
    )
    drawn = picture()
    if not parser.parse_args().check:
        PICTURE.write_text(drawn)
    elif drawn != PICTURE.read_text():
        sys.exit("docs/rooms.svg is not current. Run: make rooms")


if __name__ == "__main__":
    main()
