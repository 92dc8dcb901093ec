"""The strip of a job's batches as a few SVG paths: one column a stretch, each column
divided by the results of its rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobsui.jobs.reports.batch_strip import Stretch

HEIGHT = 24
"""As high as it is shown (app.css), so that stripes of one unit stay sharp."""
MIN_HEIGHT = 5
"""Of a result people must not miss: one failed row in a thousand still shows."""
PROBLEMS = {"failed": "failed", "uncertain": "uncertain"}
OTHERS = {
    "cancelled": "cancelled",
    "waiting": "waiting",
    "in_flight": "in flight",
    "succeeded": "succeeded",
}
LABELS = PROBLEMS | OTHERS
"""{count of a stretch: its name in the legend}, from the top of a column down."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Everything of the picture with one colour and pattern."""

    name: str
    """CSS class."""
    label: str
    path: str
    """For the `d` of an SVG path."""
    has_pattern: bool
    """Problems have a pattern too: red and green look alike to some."""


@dataclass(frozen=True, slots=True)
class Drawing:
    width: int
    height: int
    layers: list[Layer]


@dataclass(slots=True)
class _Box:
    left: int
    width: int
    top: int
    height: int


def draw(stretches: Sequence[Stretch]) -> Drawing:
    boxes: dict[str, list[_Box]] = {name: [] for name in LABELS}
    for left, stretch in enumerate(stretches):
        top = 0
        for name, height in _heights(stretch).items():
            if height:
                _add(boxes[name], _Box(left, 1, top, height))
            top += height
    layers = [
        Layer(
            name=name.replace("_", "-"),
            label=LABELS[name],
            path=_path(found),
            has_pattern=name in PROBLEMS,
        )
        for name, found in boxes.items()
        if found
    ]
    return Drawing(len(stretches), HEIGHT, layers)


def _heights(stretch: Stretch) -> dict[str, int]:
    """{name: height} of a column, from the top down; together HEIGHT."""
    rows = {name: getattr(stretch, name) for name in LABELS}
    total = sum(rows.values()) or 1
    heights: dict[str, int] = {}
    for name in PROBLEMS:
        share = round(HEIGHT * rows[name] / total)
        wanted = max(share, MIN_HEIGHT) if rows[name] else 0
        heights[name] = min(wanted, HEIGHT - sum(heights.values()))

    height_left = HEIGHT - sum(heights.values())
    rows_left = sum(rows[name] for name in OTHERS)
    for name in OTHERS:
        share = round(height_left * rows[name] / rows_left) if rows_left else 0
        heights[name] = share
        height_left -= share
        rows_left -= rows[name]
    return heights


def _add(boxes: list[_Box], box: _Box) -> None:
    """Equal neighbours become one box, which keeps the page small."""
    last = boxes[-1] if boxes else None
    touches = last is not None and last.left + last.width == box.left
    if last and touches and (last.top, last.height) == (box.top, box.height):
        last.width += box.width
    else:
        boxes.append(box)


def _path(boxes: Iterable[_Box]) -> str:
    return "".join(
        f"M{box.left} {box.top}h{box.width}v{box.height}h-{box.width}z" for box in boxes
    )
